"""Targets outside the domain of their loss are refused where data come, with row, value and remedy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp._core import first_outside
from fastbp.expressions.expression import Operation
from fastbp.losses import LOSSES

ROWS = 40
X = np.random.default_rng(4).normal(size=(ROWS, 3)).astype(np.float32)
BINARY = ["binary_crossentropy", "cross_entropy"]
ANY_TARGET = ["mse", "mae", "quadratic", "gaussian_nll", "huber", "log_cosh", "quantile"]


def network(loss: Any, units: int = 1, activation: Any = "sigmoid", **options: Any) -> bp.Sequential:
    net = bp.Sequential([bp.Input((3,)), bp.Dense(units, activation=activation)])
    net.compile(bp.SGD(0.1), loss, **options)
    return net


def doors(net: bp.Sequential, y: Any) -> dict[str, Callable[[], Any]]:
    """All ways by which targets come to a model; the bad one of `y` is in its second half."""
    good = np.zeros_like(y)
    return {
        "fit": lambda: net.fit(X, y, verbose=0),
        "fit, drawn": lambda: net.fit(X, y, verbose=0, validation_split=0.5, validation_seed=1),
        "fit, split": lambda: net.fit(X, y, verbose=0, validation_split=0.5),
        "validation_data": lambda: net.fit(X, good, verbose=0, validation_data=(X, y)),
        "evaluate": lambda: net.evaluate(X, y),
        "train_on_batch": lambda: net.train_on_batch(X, y),
        "train_on_batch, again": lambda: (net.train_on_batch(X, good), net.train_on_batch(X, y)),
        "loss_and_gradients": lambda: net.loss_and_gradients(X, y),
        "backpropagate": lambda: net.backpropagate(X, y),
    }


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("door", doors(network("mse"), np.zeros(ROWS)))
def test_every_door_refuses_before_anything_is_trained(door: str, backend: str) -> None:
    y = np.zeros((ROWS, 1), np.float32)
    y[31] = -1
    net = network("binary_crossentropy", backend=backend)
    before = net.get_weights()
    name = "validation y" if door == "validation_data" else "y"
    with pytest.raises(
        ValueError, match=rf"^{name} must hold probabilities 0 … 1 .*, got -1.0 in row 31: .*\(y \+ 1\)"
    ):
        doors(net, y)[door]()
    if door != "train_on_batch, again":
        assert net._session.steps == 0
        assert all(map(np.array_equal, before, net.get_weights()))


@pytest.mark.parametrize("loss", BINARY)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8", ">f8", ">i4", "g"])
@pytest.mark.parametrize(
    ("value", "remedy"), [(-1, "(y + 1) / 2"), (2, "y - 1"), (255, "y / 255"), (7, "sparse_categ")]
)
def test_labels_of_other_kinds_get_their_remedy(loss: str, dtype: str, value: int, remedy: str) -> None:
    y = np.zeros(ROWS, np.int64)
    y[5] = value
    y = y.astype(dtype)
    if y[5] != value:
        return  # -1 is no uint8, 255 no int8
    with pytest.raises(ValueError, match="y must hold probabilities") as caught:
        network(loss).fit(X, y, verbose=0)
    assert f"for {loss}, got {y[5]} in row 5" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize("loss", BINARY)
def test_several_outputs_name_the_column(loss: str) -> None:
    y = np.zeros((ROWS, 4))
    y[8, 2] = 1.5
    with pytest.raises(ValueError, match=r"got 1.5 in row 8, column 2"):
        network(loss, 4).evaluate(X, y)


@pytest.mark.parametrize("loss", BINARY)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.25, -0.0, 1 + 1e-7, -1e-7])
def test_probabilities_are_taken_also_where_a_sum_has_rounded(loss: str, value: float) -> None:
    assert np.isfinite(network(loss).evaluate(X, np.full(ROWS, value)))
    assert np.isfinite(network(loss, activation=lambda z: 0.5 + 0.4 * bp.tanh(z)).evaluate(X, np.full(ROWS, value)))


def test_a_categorical_loss_takes_weighted_rows_but_nothing_negative() -> None:
    y = np.eye(3)[np.arange(ROWS) % 3] * np.linspace(0, 5, ROWS)[:, None]
    net = network("categorical_crossentropy", 3, "softmax")
    assert np.isfinite(net.fit(X, y, verbose=0).history["loss"]).all()
    y[30, 1] = -1
    with pytest.raises(ValueError, match=r"y must hold numbers of at least 0 .*, got -1.0 in row 30, column 1"):
        net.fit(X, y, verbose=0)


OUTSIDE = {
    "poisson": ("numbers of at least 0 for poisson", [-1e-30, -1.0], [0.0, 300.0]),
    "gamma_deviance": ("numbers above 0 for gamma_deviance", [0.0, -0.0, -1.0], [1e-30, 300.0]),
    "tweedie_deviance": ("numbers of at least 0 for tweedie_deviance", [-1.0], [0.0, 300.0]),
    "msle": ("numbers above -1 for mean_squared_logarithmic_error", [-1.0, -3.0], [-0.9999999, 0.0]),
    "mape": ("numbers other than 0 for mean_absolute_percentage_error", [0.0, -0.0], [1e-3, -3.0]),
    "hinge": ("numbers -1 … 1 for hinge, such as labels", [2.0, -1.1, 255.0], [-1.0, 0.0, 0.5]),
    "squared_hinge": ("numbers -1 … 1 for squared_hinge", [2.0], [-1.0, 0.0]),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", OUTSIDE)
def test_a_loss_refuses_targets_that_it_has_no_value_for(loss: str, dtype: Any, weighted: bool) -> None:
    what, bad, good = OUTSIDE[loss]
    net = network(loss, activation="softplus")
    options: dict[str, Any] = {"sample_weight": np.arange(ROWS) % 2 * 1.0} if weighted else {}
    for value in bad:
        y = np.ones(ROWS, dtype)
        y[[7, 9]] = value
        with pytest.raises(ValueError, match=rf"^y must hold {what}.*, got {dtype(value)} in row 7"):
            net.fit(X, y, verbose=0, **options)
        y[[7, 9]] = 1
        y[6] = value
        if weighted:
            assert np.isfinite(net.fit(X, y, verbose=0, **options).history["loss"]).all()
    for value in good:
        assert np.isfinite(net.evaluate(X, np.full(ROWS, value, dtype), verbose=0))


def test_the_tweedie_deviance_takes_the_targets_of_its_power() -> None:
    for power, bad, good in ((2, 0.0, 0.1), (3, 0.0, 0.1), (1, -1.0, 0.0), (0, None, -1.0), (-1, None, -1.0)):
        net = network(partial(bp.tweedie_deviance, power=power), activation="softplus")
        assert np.isfinite(net.evaluate(X, np.full(ROWS, good), verbose=0))
        if bad is not None:
            with pytest.raises(ValueError, match="for tweedie_deviance"):
                net.evaluate(X, np.full(ROWS, bad), verbose=0)


@pytest.mark.parametrize("loss", ["kl_divergence", "categorical_hinge"])
def test_a_loss_of_classes_refuses_negative_shares_and_other_numbers(loss: str) -> None:
    y = np.eye(3)[np.arange(ROWS) % 3]
    net = network(loss, 3, "softmax")
    assert np.isfinite(net.evaluate(X, y, verbose=0))
    y[30, 1] = -2
    with pytest.raises(ValueError, match=rf"for {loss}.*, got -2.0 in row 30, column 1"):
        net.evaluate(X, y, verbose=0)


@pytest.mark.parametrize("loss", ANY_TARGET)
def test_other_losses_take_any_target(loss: str) -> None:
    assert np.isfinite(network(loss).evaluate(X, np.linspace(-300, 300, ROWS)))


def test_a_metric_refuses_too_and_labels_of_both_are_checked() -> None:
    y = np.full(ROWS, 3.0)
    with pytest.raises(ValueError, match=r"for binary_crossentropy, got 3.0 in row 0"):
        network("mse", metrics=["binary_crossentropy"]).evaluate(X, y)


def test_what_the_user_makes_of_y_is_not_restricted() -> None:
    def hinged(y: Any, a: Any) -> Any:
        return bp.binary_crossentropy((y + 1) / 2, a)

    assert np.isfinite(network(hinged).evaluate(X, np.where(X[:, 0] > 0, 1.0, -1.0)))


def test_minimize_refuses_and_function_computes_the_formula() -> None:
    y, z, w = bp.input("y"), bp.input("z"), bp.parameter(1.0)
    cost = bp.binary_crossentropy(y, bp.sigmoid(w * z))
    with pytest.raises(ValueError, match=r"^y must hold probabilities .* got -1 in row 1"):
        bp.minimize(cost, {"y": [1, -1], "z": [0.5, 1.0]})
    value = bp.function([y, z], cost, dtype="float64")([-1.0], [2.0])
    assert np.isclose(value, np.log1p(np.exp(-2.0)) + 2 * 2.0)  # −[−ln σ(2) + 2 ln(1 − σ(2))]


@pytest.mark.parametrize("value", [np.nan])
def test_nan_is_left_to_check_finite(value: float) -> None:
    y = np.zeros(ROWS)
    y[3] = value
    net = network("binary_crossentropy")
    with pytest.raises(bp.NonFiniteError):
        net.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="must be finite, row 3"):
        net.fit(X, y, verbose=0, check_finite=True)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda a: a,
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "three axes": lambda a: a.reshape(len(a), 1, -1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i8"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (70_000, 1), (300, 700), (2, 70_001)])
def test_the_first_element_outside_is_found(shape: tuple[int, int], dtype: str, layout: str) -> None:
    values = np.zeros(shape, dtype)
    assert first_outside(LAYOUTS[layout](values), 0.0, 0.5, False) == -1
    for place in (values.size - 1, values.size // 2, 0):  # from the end, so that it is the first
        values.reshape(-1)[place] = 1
        assert first_outside(LAYOUTS[layout](values), 0.0, 0.5, False) == place
        assert first_outside(LAYOUTS[layout](values), -1.0, 0.5, True) == place
        assert first_outside(LAYOUTS[layout](values), 0.0, 1.0, True) == -1


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_whole_numbers_are_told_from_others(dtype: str) -> None:
    for value, whole_is_outside in [(0.5, True), (np.nan, True), (2.0, False), (-0.0, False)]:
        values = np.array([1, value], dtype)
        assert first_outside(values, 0.0, 2.0, True) == (1 if whole_is_outside else -1)
        assert first_outside(values, 0.0, 2.0, False) == -1
    for value in (np.inf, -np.inf):
        assert first_outside(np.array([1, value], dtype), 0.0, 2.0, False) == 1
    assert first_outside(np.zeros((0, 3), dtype), 0.0, 2.0, False) == -1
    assert first_outside(np.zeros((3, 0), dtype), 0.0, 2.0, False) == -1


# --- outputs and losses that nothing can be trained with

ONE_UNIT = {
    "alone": [],
    "Flatten": [bp.Flatten()],
    "Rescaling(1)": [bp.Rescaling(1)],
    "a reshape": [bp.Activation(lambda x: bp.reshape(x, ()))],
}


@pytest.mark.parametrize("door", ["fit", "evaluate", "train_on_batch", "loss_and_gradients"])
@pytest.mark.parametrize("behind", ONE_UNIT)
@pytest.mark.parametrize("loss", sorted(set(LOSSES)))
def test_a_softmax_over_one_unit_is_no_classification(loss: str, behind: str, door: str) -> None:
    net = bp.Sequential([bp.Dense(1, activation="softmax"), *ONE_UNIT[behind]])
    net.compile("sgd", loss)
    match = "the softmax over one unit in 'dense' is always 1: use a sigmoid"
    if behind == "a reshape" and loss in ("sparse_categorical_crossentropy", "categorical_hinge", "cosine_similarity"):
        match = "needs outputs of shape"
    with pytest.raises(ValueError, match=match):
        getattr(net, door)(X, np.zeros(ROWS))
    assert net._session.steps == 0


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("activation", ["sigmoid", "linear", "relu"])
def test_a_categorical_loss_needs_an_output_for_each_class(activation: str, loss: str) -> None:
    with pytest.raises(
        ValueError, match="needs an output for each class, got one in 'dense': use a sigmoid with binary"
    ):
        network(loss, 1, activation).fit(X, np.zeros(ROWS), verbose=0)


def test_a_softmax_over_one_unit_inside_a_network_is_left_alone() -> None:
    """Attention over a sequence of one is 1, and right."""
    net = bp.Sequential([bp.Dense(1, activation="softmax"), bp.Dense(1)])
    net.compile("sgd", "mse")
    assert np.isfinite(net.fit(X, np.zeros(ROWS), verbose=0).history["loss"]).all()


INDEPENDENT: dict[str, Callable[[Any, Any], Any]] = {
    "a constant": lambda y, a: bp.identity(3.0),
    "the targets": lambda y, a: bp.mean(bp.square(y)),
    "accuracy": bp.accuracy,
    "binary accuracy": bp.binary_accuracy,
    "a sign": lambda y, a: bp.mean(bp.Activation(lambda x: Operation("sign", x))(a)),
}


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("loss", INDEPENDENT)
def test_a_loss_that_does_not_depend_on_the_outputs_is_refused(loss: str, backend: str) -> None:
    for door in ("fit", "evaluate", "train_on_batch", "loss_and_gradients"):
        net = network(INDEPENDENT[loss], activation=None, backend=backend)
        with pytest.raises(ValueError, match="the loss does not depend on the outputs"):
            getattr(net, door)(X, np.zeros(ROWS))
        assert net._session.steps == 0


def test_a_loss_may_depend_on_a_weight_or_an_inner_value_alone() -> None:
    x = bp.input("x", (3,))
    hidden = bp.Dense(2)(x)
    w = bp.parameter(2.0)
    losses = [lambda y, a: bp.mean(bp.square(hidden)), lambda y, a: bp.square(w), lambda y, a: bp.mean(bp.abs(a))]
    for loss in losses:
        net = bp.Model(x, bp.Dense(1)(hidden))
        net.compile(bp.SGD(0.1), loss)
        assert np.isfinite(net.fit(X, np.zeros(ROWS), verbose=0).history["loss"]).all()
