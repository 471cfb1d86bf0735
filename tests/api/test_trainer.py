"""Trainer and Function of both backends, against values computed by hand.

Numbers are small dyadic fractions, so that every product and sum is exact and weights can be compared bit for bit.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight
from fastbp.errors import FastBPError, NonFiniteError

X = np.array([1.0, 2.0, -1.0, 0.5, -2.0])
Y = np.array([0.5, 1.0, 2.0, -1.0, 0.25])
RATE = 0.125


@pytest.fixture(params=[_core, reference], ids=["core", "reference"])
def backend(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


class Line:
    """cost = the mean of (x w + b - y)²; figure = the mean of x w + b. An unused parameter is trained too."""

    def __init__(
        self, backend: ModuleType, dtype: str = "float64", dropout: float = 0.0, seed: int = 0, **optimizer: Any
    ) -> None:
        graph = self.graph = backend.Graph()
        self.parameters = backend.Parameters(dtype)
        start = {"w": 0.5, "b": -0.25, "unused": 1.0}
        x, y = graph.add("input", [], [0], name="x"), graph.add("input", [], [1], name="y")
        slots = [self.parameters.add(value, name) for name, value in start.items()]
        self.nodes = [graph.add("parameter", [], [slot], name=name) for slot, name in zip(slots, start)]
        out = graph.add("add", [graph.add("multiply", [x, self.nodes[0]], name="slope"), self.nodes[1]], name="line")
        if dropout:
            out = graph.add("dropout", [out], [0], [dropout])
        self.out = out
        error = graph.add("square", [graph.add("subtract", [out, y])])
        self.cost, self.mean = (
            graph.add("divide_by_count", [graph.add("sum", [node], [1])], [1, 1]) for node in (error, out)
        )
        settings = {"name": "sgd", "learning_rate": RATE, **optimizer}
        self.weights_set = [TrainedWeight(node, decay) for node, decay in zip(self.nodes, (1.0, 0.0, 1.0))]
        self.trainer = backend.Trainer(graph, self.cost, [self.mean], self.parameters, self.weights_set, settings, seed)

    @property
    def weights(self) -> list[float]:
        return [float(self.parameters.get(slot)) for slot in range(3)]

    def fit(self, **arguments: Any) -> np.ndarray:
        return self.trainer.fit([X, Y], **{"batch_size": 5, "shuffle": False, **arguments})


def as_lists(state: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: np.asarray(arrays).tolist() for name, arrays in state.items()}


def gradients(w: float, b: float, rows: slice = slice(None)) -> tuple[float, float]:
    error = w * X[rows] + b - Y[rows]
    count = len(error)
    return float(2 * (error * X[rows]).sum() / count), float(2 * error.sum() / count)


def figures(w: float, b: float, rows: slice = slice(None)) -> list[float]:
    out = w * X[rows] + b
    return [float(((out - Y[rows]) ** 2).mean()), float(out.mean())]


def test_a_step_is_plain_descent(backend: ModuleType) -> None:
    line = Line(backend)
    dw, db = gradients(0.5, -0.25, slice(0, 4))
    assert line.trainer.step([X[:4], Y[:4]]) == figures(0.5, -0.25, slice(0, 4))
    assert line.weights == [0.5 - RATE * dw, -0.25 - RATE * db, 1.0]
    assert (line.trainer.steps, line.trainer.epoch) == (1, 0)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_accumulates_velocity(backend: ModuleType, nesterov: bool) -> None:
    line = Line(backend, momentum=0.5, nesterov=nesterov)
    w, b, velocity = 0.5, -0.25, np.zeros(2)
    for _ in range(2):
        gradient = np.array(gradients(w, b, slice(0, 4)))
        velocity = 0.5 * velocity - RATE * gradient
        change = 0.5 * velocity - RATE * gradient if nesterov else velocity
        w, b = w + change[0], b + change[1]
        line.trainer.step([X[:4], Y[:4]])
    assert line.weights == [w, b, 1.0]
    state = line.trainer.state()
    assert [float(v) for v in state["velocity"]] == [*velocity, 0.0]
    assert state["counters"].tolist() == [2, 0, 1, 1, 1]


def test_decay_comes_first_and_spares_what_is_not_decayed(backend: ModuleType) -> None:
    line = Line(backend, weight_decay=0.5)
    dw, db = gradients(0.5, -0.25, slice(0, 4))
    line.trainer.step([X[:4], Y[:4]])
    assert line.weights == [0.5 - RATE * 0.5 * 0.5 - RATE * dw, -0.25 - RATE * db, 1 - RATE * 0.5]


def test_fit_uses_the_last_short_batch_and_weighs_figures_by_rows(backend: ModuleType) -> None:
    line = Line(backend)
    history = line.fit(batch_size=4)
    dw, db = gradients(0.5, -0.25, slice(0, 4))
    w, b = 0.5 - RATE * dw, -0.25 - RATE * db
    first, second = figures(0.5, -0.25, slice(0, 4)), figures(w, b, slice(4, 5))
    assert history.tolist() == [[(4 * f + 1 * s) / 5 for f, s in zip(first, second)]]
    dw, db = gradients(w, b, slice(4, 5))
    assert line.weights == [w - RATE * dw, b - RATE * db, 1.0]
    assert (line.trainer.epoch, line.trainer.steps) == (1, 2)


def test_fit_on_the_first_rows_only(backend: ModuleType) -> None:
    some, alone = Line(backend), Line(backend)
    some.fit(rows=4, epochs=3)
    alone.trainer.fit([X[:4], Y[:4]], batch_size=5, epochs=3, shuffle=False)
    assert some.weights == alone.weights


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_fits_of_one_epoch_equal_one_fit_of_two(backend: ModuleType, dtype: str) -> None:
    apart, together = (Line(backend, dtype=dtype, dropout=0.5, momentum=0.5, seed=3) for _ in range(2))
    parts = [apart.fit(batch_size=2, shuffle=True) for _ in range(2)]
    whole = together.fit(batch_size=2, shuffle=True, epochs=2)
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert apart.weights == together.weights


def test_shuffled_rows_are_the_seeds_order_and_dropout_follows_the_row(backend: ModuleType) -> None:
    shuffled, sorted_by_hand = Line(backend, seed=5), Line(backend, seed=5)
    shuffled.fit(batch_size=2, shuffle=True)
    order = reference.random.shuffle(5, 0, 5)
    assert order.tolist() != [0, 1, 2, 3, 4]
    sorted_by_hand.trainer.fit([X[order], Y[order]], batch_size=2, shuffle=False)
    assert shuffled.weights == sorted_by_hand.weights
    fit, step = Line(backend, dropout=0.5), Line(backend, dropout=0.5)
    many = np.tile(X, 20), np.tile(Y, 20)
    fit.trainer.fit(many, batch_size=100, shuffle=False)
    step.trainer.step(many)
    assert fit.weights != step.weights  # their random numbers have different purposes


def test_a_step_that_is_not_finite_writes_nothing(backend: ModuleType) -> None:
    line = Line(backend, dtype="float32", learning_rate=2.0**100, momentum=0.5)
    with pytest.raises(NonFiniteError, match="Try a smaller learning_rate") as caught:
        line.fit(epochs=5)
    assert isinstance(caught.value, FastBPError)
    assert isinstance(caught.value, ArithmeticError)
    assert (caught.value.epoch, caught.value.step) == (1, 0)
    assert caught.value.node.startswith("square (node")
    one = Line(backend, dtype="float32", learning_rate=2.0**100, momentum=0.5)
    one.fit()
    assert line.weights == one.weights
    assert as_lists(line.trainer.state()) == as_lists(one.trainer.state())


def test_an_update_that_overflows_names_the_parameter(backend: ModuleType) -> None:
    line = Line(backend, dtype="float32", learning_rate=3e38)
    with pytest.raises(NonFiniteError) as caught:
        line.trainer.step([4 * X, 4 * Y])
    assert caught.value.node == "w (parameter, node 2), its update"
    assert line.weights == [0.5, -0.25, 1.0]


def test_check_finite_names_input_row_and_column_before_the_step(backend: ModuleType) -> None:
    line = Line(backend)
    x = X.copy()
    x[3] = np.nan
    with pytest.raises(ValueError, match=r"x'? must be finite, row 3, column 0 is nan$"):
        line.trainer.fit([x, Y], batch_size=4, shuffle=False, check_finite=True)
    assert line.weights == [0.5, -0.25, 1.0]


def test_callbacks_see_every_step_and_every_epochs_end(backend: ModuleType) -> None:
    line = Line(backend)
    steps: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    history = line.fit(
        batch_size=2,
        epochs=2,
        on_batch=lambda step, values: steps.append((step, len(values))),
        on_progress=lambda epoch, rows, means: ends.append((epoch, rows)) if rows == 5 else None,
    )
    assert steps == [(0, 2), (1, 2), (2, 2)] * 2
    assert ends == [(0, 5), (1, 5)]
    assert history.shape == (2, 2)


def test_a_callback_that_returns_true_stops_after_its_step(backend: ModuleType) -> None:
    line, by_hand = Line(backend), Line(backend)
    history = line.fit(batch_size=2, epochs=4, on_batch=lambda step, values: step == 1)
    first = by_hand.trainer.step([X[:2], Y[:2]])
    second = by_hand.trainer.step([X[2:4], Y[2:4]])
    assert line.weights == by_hand.weights
    assert history.tolist() == [[(2 * a + 2 * b) / 4 for a, b in zip(first, second)]]
    assert line.trainer.epoch == 0
    line.fit(epochs=4, on_progress=lambda epoch, rows, means: epoch == 1)
    assert line.trainer.epoch == 2


def test_set_optimizer_keeps_velocities_and_names_an_unknown_key(backend: ModuleType) -> None:
    line = Line(backend, momentum=0.5)
    line.fit()
    before = line.trainer.state()["velocity"]
    line.trainer.set_optimizer({"name": "sgd", "learning_rate": 0.5})
    line.fit()
    assert line.trainer.state()["velocity"] == before
    for optimizer, message in (
        ({"name": "sdg"}, "must be sgd, adagrad, rmsprop, adam, nadam or lion, got 'sdg'"),
        ({"name": "adam"}, "the optimizer is 'sgd' and cannot become 'adam': compile anew"),
        ({"name": "sgd", "learning_rat": 0.1}, "optimizer has no 'learning_rat'.*learning_rate"),
    ):
        with pytest.raises(ValueError, match=message):
            line.trainer.set_optimizer(optimizer)


def test_state_is_copied_out_and_in(backend: ModuleType) -> None:
    line, other = Line(backend, momentum=0.5), Line(backend, momentum=0.5)
    line.fit()
    for slot, weight in enumerate(line.weights):
        other.parameters.set(slot, weight)
    other.trainer.set_state(line.trainer.state())
    line.fit()
    other.fit()
    assert line.weights == other.weights
    before = as_lists(line.trainer.state())
    for state, message in (
        (
            {"velocity": [np.zeros(()), np.zeros(2), np.zeros(())]},
            r"^state\['velocity'\]\[1\] must have shape \(\), got \(2,\)$",
        ),
        ({"counters": np.ones(5), "velocity": [0.0]}, r"^state\['velocity'\] must have 3 arrays, got 1$"),
        ({"velocity": [np.ones(())] * 3, "counters": [1.0]}, r"^state\['counters'\] must have 5 numbers, got 1$"),
        ({"momentum": [np.zeros(())] * 3}, "^this optimizer keeps no 'momentum'$"),
    ):
        with pytest.raises(ValueError, match=message):
            line.trainer.set_state(state)
    assert as_lists(line.trainer.state()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"rows": 6}, "rows must be 1 to 5, the rows of the inputs, got 6"),
        ({"rows": 0}, "rows must be 1 to 5, the rows of the inputs, got 0"),
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
    ],
)
def test_fit_refuses_what_it_cannot_do(backend: ModuleType, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Line(backend).fit(**arguments)


def line_function(backend: ModuleType, line: Line, *outputs: int) -> Any:
    return backend.Function(line.graph, outputs, line.parameters)


def test_a_function_computes_rows_in_any_batches_to_the_same_bits(backend: ModuleType) -> None:
    line = Line(backend)
    function = line_function(backend, line, line.out)
    (whole,) = function([X, Y])
    assert whole.tolist() == (0.5 * X - 0.25).tolist()
    assert function([X, Y], batch_size=2)[0].tolist() == whole.tolist()
    assert function([X[:0], Y[:0]])[0].shape == (0,)
    assert line_function(backend, line, line.cost)([X, Y], batch_size=2)[0].item() == figures(0.5, -0.25)[0]


def test_means_weigh_batches_by_their_rows(backend: ModuleType) -> None:
    line = Line(backend)
    parts = [figures(0.5, -0.25, rows) for rows in (slice(0, 4), slice(4, 5))]
    expected = [(4 * first + second) / 5 for first, second in zip(*parts)]
    assert line_function(backend, line, line.cost, line.mean).means([X, Y], batch_size=4) == expected


def test_inputs_of_any_type_and_layout_are_converted_once(backend: ModuleType) -> None:
    line = Line(backend, dtype="float32")
    function = line_function(backend, line, line.out)
    whole = np.arange(12, dtype=np.uint8)[::2]
    for x in (whole, whole.astype(np.int64)[::-1], whole.astype(np.float16), whole > 2):
        (out,) = function([x, x])
        assert out.dtype == np.float32
        assert out.tolist() == (0.5 * np.asarray(x, np.float32) - 0.25).tolist()


def test_the_reference_names_wrong_inputs() -> None:
    graph = reference.Graph()
    x, y = graph.add("input", [], [0, 64], [], "x"), graph.add("input", [], [1, 2, 3], [], "y")
    function = reference.Function(graph, [x, y], reference.Parameters("float32"))
    good = np.zeros((5, 64)), np.zeros((5, 2, 3))
    for inputs, error, message in (
        ([good[0]], ValueError, r"the graph takes 2 inputs \(input 'x', input 'y'\), got 1"),
        ([good[0][:, :63], good[1]], ValueError, "input 'x' has 63 features, but this graph was built for 64"),
        ([good[0], good[0]], ValueError, r"input 'y' has rows of shape \(64,\), but this graph was built for \(2, 3\)"),
        ([good[0], good[1][:4]], ValueError, "input 'y' has 4 rows, but input 'x' has 5"),
        ([1.0, good[1]], ValueError, "input 'x' must have rows, got a single number"),
        ([good[0].astype(str), good[1]], TypeError, "input 'x' must be an array of real numbers, got dtype <U32"),
        ([good[0] * 1j, good[1]], TypeError, "input 'x' must be an array of real numbers, got dtype complex128"),
    ):
        with pytest.raises(error, match=message):
            function(inputs)


def test_parameters_convert_copy_and_check(backend: ModuleType) -> None:
    parameters = backend.Parameters("float32")
    value = np.full((2, 3), 1 / 3)
    slot = parameters.add(value, "kernel")
    assert parameters.get(slot).dtype == np.float32
    parameters.get(slot)[:] = 0
    assert (parameters.get(slot) == np.float32(1 / 3)).all()
    with pytest.raises(ValueError, match=r"^parameter 'kernel' has shape \(2, 3\), got \(3, 2\)$"):
        parameters.set(slot, value.T)
    with pytest.raises(ValueError, match="slot must be 0 to 0, got 1"):
        parameters.get(1)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'float46'"):
        backend.Parameters("float46")
    assert len(parameters) == 1


def test_views_of_weights_and_states_are_read_only_and_copies_keep_what_was(backend: ModuleType) -> None:
    line = Line(backend, momentum=0.5)
    line.fit()
    copies = [line.parameters.get(0), line.trainer.state()["velocity"][0]]
    views = [line.parameters.get(0, copy=False), line.trainer.state(copy=False)["velocity"][0]]
    assert views == copies
    for view in views:
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0.0
    before = [float(copy) for copy in copies]
    line.fit()
    assert copies == before
    assert line.trainer.state()["velocity"][0] != before[1]
    seen = [float(view) for view in views]
    del line
    gc.collect()
    assert views == seen  # they keep alive what they are views of


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the numbers of the rounding modes are x86's")
@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00], ids=["down", "up", "toward zero"])
def test_the_reference_refuses_another_rounding_mode(mode: int) -> None:
    line = Line(reference)
    library = ctypes.CDLL(None)
    library.fesetround(mode)
    try:
        with pytest.raises(FastBPError, match="needs floating-point rounding to nearest even"):
            line.fit()
    finally:
        library.fesetround(0)
    line.fit()
