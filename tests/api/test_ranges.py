"""A loss of probabilities warns where the outputs are certainly none: where the last layer lacks its activation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp.activations import ACTIVATIONS

X = np.random.default_rng(0).uniform(size=(8, 3))
ONE_HOT = np.eye(2)[[0, 1] * 4]
TARGETS = {
    "categorical_crossentropy": ONE_HOT,
    "sparse_categorical_crossentropy": ONE_HOT[:, 1],
    "binary_crossentropy": ONE_HOT,
    "cross_entropy": ONE_HOT,
}
PROBABILITIES = {"sigmoid", "softmax", "hard_sigmoid"}
# What is not known is not warned of: exp of what a log softmax gives are probabilities, others are cut or divided.
UNKNOWN = {"exponential", "hard_tanh", "relu6", "softsign"}
BY_HAND: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda z: bp.exp(z) / bp.sum(bp.exp(z), axis=-1, keepdims=True),
    "exp of log_softmax": lambda z: bp.exp(bp.log_softmax(z)),
    "sigmoid": lambda z: 1 / (1 + bp.exp(-z)),
    "from tanh": lambda z: (bp.tanh(z) + 1) / 2,
    "clipped": lambda z: bp.maximum(bp.minimum(z, 0.9), 0.1),
    "mixed": lambda z: bp.softmax(z) @ np.array([[0.9, 0.1], [0.2, 0.8]]),
    "smoothed": lambda z: 0.9 * bp.softmax(z) + 0.05,
    "normal distribution": lambda z: 0.5 * (1 + bp.erf(z)),
}


def warned(act: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    assert all(w.category is UserWarning for w in caught)
    return [str(w.message) for w in caught]


def network(activation: Any, loss: Any) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(4, activation="sigmoid"), bp.Dense(2, activation=activation)])
    net.compile(bp.SGD(0.0), loss)
    return net


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations_that_give_no_probabilities(activation: str, loss: str) -> None:
    net, y = network(activation, loss), TARGETS[loss]
    found = warned(lambda: net.evaluate(X, y))
    if activation in PROBABILITIES | UNKNOWN:
        assert found == []
    else:
        (message,) = found
        lacking = "sigmoid" if loss in ("binary_crossentropy", "cross_entropy") else "softmax"
        assert "the outputs in 'dense_1' are not confined to 0 … 1" in message
        assert message.endswith(f"does the last layer lack its {lacking}?")
    assert warned(lambda: net.evaluate(X, y)) == []  # once, when the graph is built


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("name", BY_HAND)
def test_probabilities_made_by_hand_are_taken_without_a_word(name: str, loss: str) -> None:
    assert warned(lambda: network(BY_HAND[name], loss).evaluate(X, TARGETS[loss])) == []


@pytest.mark.parametrize("loss", TARGETS)
def test_logits_of_an_own_loss_are_taken_without_a_word(loss: str) -> None:
    activation = bp.sigmoid if loss in ("binary_crossentropy", "cross_entropy") else bp.softmax
    net = network(None, lambda y, z: getattr(bp, loss)(y, activation(z)))
    assert warned(lambda: net.evaluate(X, TARGETS[loss])) == []


@pytest.mark.parametrize("behind", [bp.Flatten(), bp.Dropout(0.5), bp.Rescaling(2.0), bp.Activation("relu")])
def test_layers_behind_a_linear_one_hide_nothing(behind: bp.Layer) -> None:
    net = bp.Sequential([bp.Dense(2), behind])
    net.compile(bp.SGD(0.0), "categorical_crossentropy")
    assert len(warned(lambda: net.evaluate(X, ONE_HOT))) == 1


def test_minimize_warns_and_a_function_computes() -> None:
    x, y, w = bp.input("x"), bp.input("y"), bp.parameter(np.full((3, 2), 0.1))
    cost = bp.categorical_crossentropy(y, x @ w)
    assert len(warned(lambda: bp.minimize(cost, {"x": X, "y": ONE_HOT}, bp.SGD(0.0)))) == 1
    assert warned(lambda: bp.function([x, y], cost)(X, ONE_HOT)) == []


def test_other_losses_take_any_outputs() -> None:
    for loss in ("mse", "mae", "quadratic", "gaussian_nll"):
        assert warned(lambda: network(None, loss).evaluate(X, ONE_HOT)) == []  # noqa: B023
