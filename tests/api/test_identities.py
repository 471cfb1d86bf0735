"""Cross entropies take their stable form behind every node that changes nothing, with the formula's value at logits
whose probabilities are 0 and 1, and the same bits in both backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp.lowering.lowering import lower
from fastbp.lowering.parameter_store import ParameterStore
from scipy import special

BACKENDS = ("core", "reference")
SIZES = [300.0, 700.0, 1000.0, 3e4]
LOGITS = np.array([[s, 0, -s] for s in SIZES] + [[-s, s, 0.5] for s in SIZES] + [[0.25, -1, 2]])
LABELS = np.arange(len(LOGITS)) % 3
ONE_HOT = np.eye(3)[LABELS]


def softmax_loss(z: np.ndarray) -> float:
    return float(np.mean(special.logsumexp(z, axis=1) - z[np.arange(len(z)), LABELS]))


def sigmoid_terms(z: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, z) - z * ONE_HOT


# Each form: the activation, the loss, the targets, the value by NumPy in float64, and the gradient at the logits.
FORMS: dict[str, tuple[str, str, np.ndarray, Callable[[np.ndarray], float], Callable[[np.ndarray], np.ndarray]]] = {
    "categorical": (
        "softmax", "categorical_crossentropy", ONE_HOT,
        softmax_loss, lambda z: (special.softmax(z, axis=1) - ONE_HOT) / len(z),
    ),
    "categorical, labels": (
        "softmax", "categorical_crossentropy", LABELS,
        softmax_loss, lambda z: (special.softmax(z, axis=1) - ONE_HOT) / len(z),
    ),
    "sparse": (
        "softmax", "sparse_categorical_crossentropy", LABELS,
        softmax_loss, lambda z: (special.softmax(z, axis=1) - ONE_HOT) / len(z),
    ),
    "binary": (
        "sigmoid", "binary_crossentropy", ONE_HOT,
        lambda z: float(sigmoid_terms(z).mean()), lambda z: (special.expit(z) - ONE_HOT) / z.size,
    ),
    "cross_entropy": (
        "sigmoid", "cross_entropy", ONE_HOT,
        lambda z: float(sigmoid_terms(z).sum() / len(z)), lambda z: (special.expit(z) - ONE_HOT) / len(z),
    ),
}  # fmt: skip


class Same(bp.Layer):
    def call(self, x: Any) -> Any:
        return x


def nested() -> bp.Sequential:
    return bp.Sequential([bp.Input((3,)), bp.Flatten(), bp.Rescaling(1)])


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "x * 1": lambda x: x * 1,
    "1.0 * x": lambda x: 1.0 * x,
    "x * ones": lambda x: x * np.ones(3),
    "x / 1": lambda x: x / 1,
    "x + 0": lambda x: x + 0.0,
    "0 + x": lambda x: np.zeros(3) + x,
    "x - 0": lambda x: x - 0,
    "x - -0.0": lambda x: x - -0.0,
    "x ** 1": lambda x: x**1,
    "x ** ones": lambda x: x ** np.ones(3),
    "+x": lambda x: +x,
    "x[:, :]": lambda x: x[:, :],
    "x[:, None] and back": lambda x: x[:, None][:, 0],
    "reshape": lambda x: bp.reshape(x, (3,)),
    "reshape and back": lambda x: bp.reshape(bp.reshape(x, (3, 1)), (-1,)),
    "concatenate": lambda x: bp.concatenate([x]),
    "sum over an axis of size 1": lambda x: bp.sum(x[:, None], axis=1),
    "max over an axis of size 1": lambda x: bp.max(x[..., None], axis=-1),
    "mean over an axis of size 1": lambda x: bp.mean(x[:, None], axis=1),
    "mean over no axis": lambda x: bp.mean(x, axis=()),
    "sum over no axis": lambda x: bp.sum(x, axis=(), keepdims=True),
    "dropout of rate 0": lambda x: bp.dropout(x, 0.0),
    "identity": bp.identity,
    "call": lambda x: bp.Activation("linear")(x),
}
LAYERS: dict[str, Callable[[], list[Any]]] = {
    "Flatten": lambda: [bp.Flatten()],
    "Rescaling(1)": lambda: [bp.Rescaling(1)],
    "Rescaling(1.0, offset=zeros)": lambda: [bp.Rescaling(np.ones(3), np.zeros(3))],
    "Dropout(0)": lambda: [bp.Dropout(0.0)],
    "Activation": lambda: [bp.Activation("linear")],
    "a layer that returns x": lambda: [Same()],
    "a model": lambda: [nested()],
    "a model in a model": lambda: [bp.Sequential([bp.Input((3,)), nested(), bp.Dropout(0)])],
    "several": lambda: [bp.Flatten(), bp.Rescaling(1), bp.Dropout(0), nested(), bp.Activation(lambda x: 1 * x + 0)],
    **{name: lambda f=f: [bp.Activation(f)] for name, f in FUNCTIONS.items()},
}
DROPOUTS: dict[str, Callable[[], list[Any]]] = {
    "per row": lambda: [bp.Dropout(0.5)],
    "per batch": lambda: [bp.Dropout(0.25, per="batch"), bp.Flatten()],
    "exact": lambda: [bp.Rescaling(1), bp.Dropout(0.5, exact=True)],
}


def network(form: str, behind: list[Any], dtype: str, backend: str) -> bp.Sequential:
    activation, loss, *_ = FORMS[form]
    net = bp.Sequential([bp.Input((3,)), bp.Activation(activation), *behind], dtype=dtype)
    net.compile(bp.SGD(0.1), loss, backend=backend)
    return net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("form", FORMS)
def test_the_value_is_that_of_the_logits(form: str, layers: str, dtype: str) -> None:
    *_, y, expected, _ = FORMS[form]
    tight = 1e-6 if dtype == "float32" else 1e-14
    values = [network(form, LAYERS[layers](), dtype, backend).evaluate(LOGITS, y) for backend in BACKENDS]
    assert values[0] == values[1]
    np.testing.assert_allclose(values[0], expected(LOGITS), rtol=tight)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_at_the_logits_is_p_minus_y(form: str, name: str, dtype: str) -> None:
    activation, loss, target, expected, slope = FORMS[form]
    z, y = bp.input("z"), bp.input("y")
    probabilities = {"softmax": bp.softmax, "sigmoid": bp.sigmoid}[activation](z)
    cost = getattr(bp, loss)(y, FUNCTIONS[name](probabilities))
    found = [bp.function([z, y], cost, z, dtype=dtype, backend=backend)(LOGITS, target) for backend in BACKENDS]
    (value, gradient), (twin, twin_gradient) = found
    assert value == twin
    assert gradient.tobytes() == twin_gradient.tobytes()
    tight = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(value, expected(LOGITS), rtol=tight)
    np.testing.assert_allclose(gradient, slope(LOGITS), rtol=0, atol=tight)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layers", DROPOUTS)
@pytest.mark.parametrize("form", FORMS)
def test_dropout_is_looked_through_where_it_drops_nothing(form: str, layers: str, backend: str) -> None:
    *_, y, expected, _ = FORMS[form]
    net = network(form, DROPOUTS[layers](), "float64", backend)
    np.testing.assert_allclose(net.evaluate(LOGITS, y), expected(LOGITS), rtol=1e-14)
    loss, _ = net.loss_and_gradients(LOGITS, y, training=False)
    np.testing.assert_allclose(loss, expected(LOGITS), rtol=1e-14)


def test_dropout_that_drops_is_not_looked_through() -> None:
    z, y = bp.input("z"), bp.input("y")
    for training, finite in ((True, False), (False, True)):
        cost = bp.sparse_categorical_crossentropy(y, bp.dropout(bp.softmax(z), 0.9))
        value = bp.function([z, y], cost, training=training)(np.zeros((50, 3)), np.zeros(50))
        assert np.isfinite(value) == finite  # the probability of some label is dropped: ln 0
    halved = bp.dropout(bp.sigmoid(z), 0.5, scaling="weights")  # where nothing is dropped, everything is halved
    value = bp.function([z, y], bp.binary_crossentropy(y, halved), dtype="float64")([[0.0]], [[1.0]])
    np.testing.assert_allclose(value, np.log(4), rtol=1e-15)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "x * 0.5": lambda x: x * 0.5,
    "x + 1": lambda x: x + 0.25,
    "1 - x": lambda x: 1 - x,
    "1 / x": lambda x: 1 / (1 + x),
    "x * [1, 1, 0.5]": lambda x: x * np.array([1, 1, 0.5]),
    "x ** 2": lambda x: x**2,
    "reversed": lambda x: bp.concatenate([x[:, 2:3], x[:, 1:2], x[:, 0:1]]),
    "1 ** x": lambda x: 1.0**x * 0.5,
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_values_is_not_looked_through(name: str) -> None:
    """The values are those of the formula, from the changed probabilities, each row divided by its sum."""
    z, y = bp.input("z"), bp.input("y")
    data = np.random.default_rng(2).normal(size=(5, 3))
    target = np.eye(3)[[0, 1, 2, 0, 1]]
    for activation, of in ((bp.softmax, special.softmax(data, axis=1)), (bp.sigmoid, special.expit(data))):
        changed = CHANGES[name](of) if name != "reversed" else of[:, ::-1]
        a = CHANGES[name](activation(z))
        value = bp.function([z, y], bp.categorical_crossentropy(y, a), dtype="float64")(data, target)
        shares = changed / changed.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(value, -np.mean(np.log(shares)[target == 1]), rtol=1e-14)


def test_a_softmax_in_groups_keeps_its_groups() -> None:
    """A reshape that keeps the last axis is looked through; one that splits it is not: its rows are no softmax."""
    z, y = bp.input("z"), bp.input("y")
    data = np.random.default_rng(2).normal(size=(4, 6)) * 300
    target = np.random.default_rng(3).dirichlet(np.ones(3), size=(4, 2))
    grouped = data.reshape(4, 2, 3)
    logs = grouped - special.logsumexp(grouped, axis=-1, keepdims=True)
    p = bp.reshape(bp.softmax(bp.reshape(z, (1, 2, 3))), (2, 3))
    value = bp.function([z, y], bp.categorical_crossentropy(y, p), dtype="float64")(data, target)
    np.testing.assert_allclose(value, -(target * logs).sum() / 8, rtol=1e-14)
    small = data / 300
    split = bp.reshape(bp.softmax(z), (2, 3))
    value = bp.function([z, y], bp.categorical_crossentropy(y, split), dtype="float64")(small, target)
    of = special.softmax(small, axis=1).reshape(4, 2, 3)
    of /= of.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(value, -(target * np.log(of)).sum() / 8, rtol=1e-14)


def test_one_sigmoid_for_each_row_without_its_axis() -> None:
    z, y = bp.input("z"), bp.input("y")
    data, target = np.array([[1000.0], [-1000.0], [3.0]]), np.array([0.0, 1.0, 1.0])
    for squeeze in (lambda p: p[:, 0], lambda p: bp.sum(p, axis=-1), lambda p: bp.reshape(p, ())):
        value, slope = bp.function([z, y], bp.binary_crossentropy(y, squeeze(bp.sigmoid(z))), z, dtype="float64")(
            data, target
        )
        np.testing.assert_allclose(value, np.mean(np.logaddexp(0, data[:, 0]) - data[:, 0] * target), rtol=1e-15)
        np.testing.assert_allclose(slope[:, 0], (special.expit(data[:, 0]) - target) / 3, atol=1e-15)


@pytest.mark.parametrize("name", ["Flatten", "reshape", "concatenate", "Dropout(0)", "sum over no axis", "x[:, :]"])
def test_some_nodes_that_change_nothing_are_not_even_added(name: str) -> None:
    x = bp.input("x")
    lowering, (node,) = lower([bp.Sequential(LAYERS[name]())(x)], ParameterStore("reference", "float32"), [x], [(3,)])
    assert (node, len(lowering.graph)) == (0, 1)  # the input alone
