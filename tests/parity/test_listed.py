"""Listed rows: products that read an input's rows through pointers give the reference's bits for any form of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compare import assert_same, everywhere, share, share_as_usual
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight
from fastbp.errors import NonFiniteError
from layouts import LAYOUTS

ROWS = 310
SETTINGS = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.5, "weight_decay": 1e-3}
# Rows that can be listed, contiguous rows and rows that must be copied alternate, while the plan stays the same.
FORMS = ["contiguous", "columns of a wider array", "uint8", "rows backwards", "contiguous", "Fortran order"]
FORMS += ["unaligned", "contiguous", "other byte order", "float64", "columns of a wider array"]


def net(backend: Any, dtype: str, features: int, columns: list[int], also_read: bool = False) -> tuple[Any, ...]:
    """A softmax head with its loss for each number of columns; also_read: an operation besides products reads x."""
    random = np.random.default_rng(3)
    graph, parameters = backend.Graph(), backend.Parameters(dtype)
    x, label = graph.add("input", [], [0, features]), graph.add("input", [], [1])
    weights, cost, logits = [], None, None
    for n in columns:
        slots = [parameters.add(random.normal(size=shape) / 3) for shape in ((features, n), (n,))]
        w, b = (graph.add("parameter", [], [slot, *shape]) for slot, shape in zip(slots, ((features, n), (n,))))
        weights += [w, b]
        logits = graph.add("add", [graph.add("matmul", [x, w], [0, 0]), b])
        loss = graph.add("sparse_softmax_cross_entropy", [logits, graph.add("softmax", [logits]), label])
        mean = graph.add("divide_by_count", [graph.add("sum", [loss], [1])], [1, 1])
        cost = mean if cost is None else graph.add("add", [cost, mean])
    if also_read:
        shifted = graph.add("add", [graph.add("sum", [graph.add("square", [x])], [0, 0]), weights[1]])
        cost = graph.add("add", [cost, graph.add("sum", [shifted], [1, 0])])
    return graph, cost, logits, weights, parameters


def data_in(form: str, dtype: str, features: int, classes: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    x, label = random.integers(0, 9, (ROWS, features)), random.integers(0, classes, ROWS)
    if form in LAYOUTS:
        return [LAYOUTS[form](x.astype(dtype)), label]
    return [x.astype(form), label]


def train(backend: Any, dtype: str, columns: list[int], fits: list[dict[str, Any]], **kind: Any) -> list[np.ndarray]:
    """For every fit: its figures, and the weights after a single step on a few rows that follows it."""
    features = fits[0]["inputs"][0].shape[1]
    graph, cost, _, weights, parameters = net(backend, dtype, features, columns, **kind)
    trained = [TrainedWeight(node, decay) for node, decay in zip(weights, [1.0, 0.0] * len(columns))]
    trainer = backend.Trainer(graph, cost, [], parameters, trained, SETTINGS, 5)
    values = []
    for number, arguments in enumerate(fits):
        values.append(trainer.fit(**arguments))
        trainer.step([array[: 3 + number] for array in arguments["inputs"]])
        values += [parameters.get(slot) for slot in range(len(parameters))]
    return values


def assert_equals_the_reference(dtype: str, columns: list[int], fits: list[dict[str, Any]], **kind: Any) -> None:
    expected = train(reference, dtype, columns, fits, **kind)
    for place in everywhere():
        for number, (value, wanted) in enumerate(
            zip(train(_core, dtype, columns, fits, **kind), expected, strict=True)
        ):
            assert_same(value, wanted, (place, number))


CASES = [(37, [10], 64), (37, [3], 100), (9, [2, 5], 31), (70, [20], 300), (33, [10], ROWS), (130, [1], 256)]


@pytest.mark.parametrize(("features", "columns", "batch_size"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trainings_may_change_what_the_rows_come_as(
    dtype: str, features: int, columns: list[int], batch_size: int
) -> None:
    fits = [
        {"inputs": data_in(form, dtype, features, min(columns)), "batch_size": batch_size, "shuffle": shuffle}
        for form in FORMS
        for shuffle in (True, False)
    ]
    assert_equals_the_reference(dtype, columns, fits)


def test_an_input_that_not_only_products_read_is_copied() -> None:
    fits = [{"inputs": data_in("contiguous", "float32", 37, 10), "batch_size": size} for size in (64, ROWS)]
    assert_equals_the_reference("float32", [10], fits, also_read=True)


def test_new_images_in_every_epoch_are_no_rows_of_the_data() -> None:
    data = data_in("contiguous", "float32", 36, 3)
    augment = ([("flip", [0.5, 0.5]), ("noise", [0.1])], (6, 6, 1))
    plain, augmented = ({"inputs": data, "batch_size": 64, "augment": kind} for kind in (None, augment))
    assert_equals_the_reference("float32", [3], [plain, augmented, plain, augmented])


@pytest.mark.parametrize("batch_size", [None, 16])
def test_functions_read_rows_that_lie_apart(batch_size: int | None) -> None:
    for rows in (ROWS, 17):
        forms = [[array[:rows] for array in data_in(form, "float32", 37, 10)] for form in FORMS]
        graph, _, logits, _, parameters = net(reference, "float32", 37, [10])
        function = reference.Function(graph, [logits], parameters)
        expected = function(forms[0])[0]
        for place in everywhere():
            graph, _, logits, _, parameters = net(_core, "float32", 37, [10])
            function = _core.Function(graph, [logits], parameters)
            for form, data in zip(FORMS, forms):
                assert_same(function(data, batch_size=batch_size)[0], expected, (place, form))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("batch_size", [64, 256])
def test_a_step_that_large_rows_make_infinite_is_not_taken(batch_size: int, momentum: float) -> None:
    x, label = data_in("contiguous", "float32", 37, 10)
    for _ in everywhere():
        graph, cost, _, weights, parameters = net(_core, "float32", 37, [10])
        for slot, shape in enumerate(((37, 10), (10,))):
            parameters.set(slot, np.zeros(shape))  # so that the cost is finite
        settings = {"name": "sgd", "learning_rate": 1e4, "momentum": momentum}
        trainer = _core.Trainer(graph, cost, [], parameters, [*map(TrainedWeight, weights)], settings, 5)
        with pytest.raises(NonFiniteError):
            trainer.fit([x * np.float32(1e36), label], batch_size=batch_size)
        assert not any(parameters.get(slot).any() for slot in range(2))


def test_each_thread_has_a_list_of_its_own() -> None:
    fit = {"inputs": data_in("contiguous", "float32", 1500, 10), "batch_size": 2 * 128, "epochs": 200}
    share(1)
    expected = train(_core, "float32", [10], [fit])
    try:
        for threads in (2, 3):
            share(threads)
            for value, wanted in zip(train(_core, "float32", [10], [fit]), expected, strict=True):
                assert_same(value, wanted, threads)
    finally:
        share_as_usual()
