"""A trainer's kept values: those of a forward pass before each update, by row of the data, on both backends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from compare import assert_same, every_isa
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight

RANDOM = np.random.default_rng(9)
ROWS = 150
SETTINGS = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.0, "nesterov": False}


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = _core.get_num_threads()
    yield
    _core.set_num_threads(before)
    _core.testing.share_always(False)


def trainer(backend: Any, dtype: str, width: int = 20, settings: dict[str, Any] = SETTINGS) -> tuple[Any, Any]:
    """One of a net 6-width-3, that keeps outputs, inputs and hidden values, and its parameters."""
    graph, values = backend.Graph(), backend.Parameters(dtype)
    random = np.random.default_rng(1)
    weights = [random.normal(size=shape) * 0.3 for shape in ((6, width), (width,), (width, 3))]
    slots = [values.add(weight.astype(dtype)) for weight in weights]
    x, y = graph.add("input", [], [0, 6], [], "x"), graph.add("input", [], [1, 3], [], "y")
    w, b, v = (
        graph.add("parameter", [], [slot, *weight.shape], [], name) for slot, weight, name in zip(slots, weights, "wbv")
    )
    hidden = graph.add(
        "tanh", [graph.add("add", [graph.add("matmul", [x, w], [0, 0], [], ""), b], [], [], "")], [], [], ""
    )
    out = graph.add("matmul", [hidden, v], [0, 0], [], "")
    square = graph.add("square", [graph.add("subtract", [out, y], [], [], "")], [], [], "")
    cost = graph.add("divide_by_count", [graph.add("sum", [square], [1, 0], [], "")], [3, 1], [], "")
    trained = [TrainedWeight(node, 0.0) for node in (w, b, v)]
    return backend.Trainer(graph, cost, [], values, trained, settings, 3, None, None, [out, x, hidden]), values


def data(dtype: str) -> list[np.ndarray]:
    x = RANDOM.normal(size=(ROWS, 6)).astype(dtype)
    return [x, np.stack([x[:, 0], x[:, 1] * x[:, 2], x[:, 3]], axis=1)]


def places(dtype: str, rows: int = ROWS, width: int = 20) -> list[np.ndarray]:
    return [np.full((rows, size), np.nan, dtype) for size in (3, 6, width)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [16, ROWS])
def test_core_and_reference_keep_the_same(dtype: str, shuffle: bool, batch_size: int) -> None:
    arrays, options = data(dtype), {"batch_size": batch_size, "epochs": 2, "shuffle": shuffle}
    expected, plain = places(dtype), places(dtype, 9)
    teacher, values = trainer(reference, dtype)
    teacher.fit(arrays, kept=expected, **options)
    teacher.step([array[:9] for array in arrays], plain)
    assert_same(expected[1], arrays[0])
    for threads in (1, 3):
        _core.set_num_threads(threads)
        _core.testing.share_always(threads > 1)
        for isa in every_isa():
            found, of_step = places(dtype), places(dtype, 9)
            own, own_values = trainer(_core, dtype)
            own.fit(arrays, kept=found, **options)
            own.step([array[:9] for array in arrays], of_step)
            for mine, wanted in zip([*found, *of_step], [*expected, *plain]):
                assert_same(mine, wanted, (isa, threads))
            for slot in range(3):
                assert_same(own_values.get(slot), values.get(slot), (isa, threads))


@pytest.mark.parametrize("backend", [_core, reference])
def test_they_are_those_of_before_each_update(backend: Any) -> None:
    arrays = data("float64")
    own, values = trainer(backend, "float64")
    for start in range(0, ROWS, 50):
        w, b, v = (values.get(slot) for slot in range(3))
        x = arrays[0][start : start + 50]
        found = places("float64", 50)
        own.step([array[start : start + 50] for array in arrays], found)
        np.testing.assert_allclose(found[2], np.tanh(x @ w + b), rtol=1e-12)
        np.testing.assert_allclose(found[0], np.tanh(x @ w + b) @ v, rtol=1e-10)


@pytest.mark.parametrize("backend", [_core, reference])
def test_to_keep_changes_no_bit_of_the_training(backend: Any) -> None:
    arrays, trained = data("float32"), []
    for kept in (None, places("float32")):
        own, values = trainer(backend, "float32")
        figures = own.fit(arrays, batch_size=16, epochs=2, kept=kept)
        trained.append([np.asarray(figures), *(values.get(slot) for slot in range(3))])
    for mine, wanted in zip(*trained):
        assert_same(mine, wanted)


@pytest.mark.parametrize("backend", [_core, reference])
@pytest.mark.parametrize(
    "kept",
    [
        places("float32")[:2],
        places("float64"),
        places("float32", ROWS - 1),
        [*places("float32")[:2], np.zeros((ROWS, 3), np.float32)],
        [np.zeros((3, ROWS), np.float32).T, *places("float32")[1:]],
    ],
    ids=["too few", "another dtype", "too few rows", "another width", "columns"],
)
def test_places_that_do_not_fit_are_refused(backend: Any, kept: list[np.ndarray]) -> None:
    own, values = trainer(backend, "float32")
    before = values.get(0).tobytes()
    with pytest.raises(ValueError, match=r"kept"):
        own.fit(data("float32"), batch_size=16, kept=kept)
    assert values.get(0).tobytes() == before


@pytest.mark.parametrize("backend", [_core, reference])
def test_what_has_no_rows_is_not_kept(backend: Any) -> None:
    graph, values = backend.Graph(), backend.Parameters("float32")
    slot = values.add(np.ones(1, np.float32))
    w = graph.add("parameter", [], [slot, 1], [], "w")
    cost = graph.add("sum", [w], [0, 0], [], "")
    with pytest.raises(ValueError, match="has no rows"):
        backend.Trainer(graph, cost, [], values, [TrainedWeight(w, 0.0)], SETTINGS, 0, None, None, [w])
