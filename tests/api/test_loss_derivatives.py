"""Losses and their relatives by every operand, with operands that nothing restricts, and at the ends of the line.

Gradients are compared with finite differences of the loss, second derivatives with finite differences of the gradient,
and values at infinity with SciPy or the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from scipy import special

RNG = np.random.default_rng(3)
INF = np.inf

# Each form takes y and z to a scalar; z is unrestricted, so that probabilities are made of it.
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "categorical, softmax": lambda y, z: bp.categorical_crossentropy(y, bp.softmax(z)),
    "categorical, probabilities": lambda y, z: bp.categorical_crossentropy(y, bp.exp(z) / 9.0),
    "cross_entropy, softmax": lambda y, z: bp.cross_entropy(y, bp.softmax(z)),
    "binary, sigmoid": lambda y, z: bp.binary_crossentropy(y, bp.sigmoid(z)),
    "binary, probabilities": lambda y, z: bp.binary_crossentropy(y, 0.5 + 0.1 * bp.tanh(z)),
    "cross_entropy, sigmoid": lambda y, z: bp.cross_entropy(y, bp.sigmoid(z)),
    "mse": bp.mean_squared_error,
    "mae": bp.mean_absolute_error,
    "quadratic": bp.quadratic,
    "gaussian_nll": bp.gaussian_nll,
    "gaussian_nll, variance": lambda y, z: bp.gaussian_nll(y, z, variance=bp.exp(0.3 * z)),
    "huber": lambda y, z: bp.huber(y, z, delta=0.7),
    "log_cosh": bp.log_cosh,
    "cosine_similarity": lambda y, z: bp.cosine_similarity(y + 2.0, z),
    "quantile": lambda y, z: bp.quantile(y, z, q=0.8),
    "percentage": lambda y, z: bp.mean_absolute_percentage_error(bp.exp(y), z),
    "msle": lambda y, z: bp.mean_squared_logarithmic_error(bp.exp(y), bp.exp(z)),
    "poisson": lambda y, z: bp.poisson(bp.exp(y), bp.exp(z)),
    "gamma": lambda y, z: bp.gamma_deviance(bp.exp(y), bp.exp(z)),
    "tweedie, 1": lambda y, z: bp.tweedie_deviance(bp.exp(y), bp.exp(z), power=1),
    "tweedie, 1.7": lambda y, z: bp.tweedie_deviance(bp.exp(y), bp.exp(z), power=1.7),
    "tweedie, -1": lambda y, z: bp.tweedie_deviance(bp.exp(0.3 * y), bp.exp(z), power=-1),
    "tweedie, 3": lambda y, z: bp.tweedie_deviance(bp.exp(y), bp.exp(z), power=3),
    "kl_divergence": lambda y, z: bp.kl_divergence(bp.softmax(y), bp.softmax(z)),
    "kl_divergence, probabilities": lambda y, z: bp.kl_divergence(bp.exp(y), bp.exp(z) / 9.0),
    "hinge": lambda y, z: bp.hinge(bp.exp(-y), z),
    "squared_hinge": lambda y, z: bp.squared_hinge(bp.exp(-y), z),
    "categorical_hinge": lambda y, z: bp.categorical_hinge(0.5 * bp.tanh(y), z),
    "logsumexp": lambda y, z: bp.sum(bp.logsumexp(z * y)),
    "log_softmax": lambda y, z: bp.sum(y * bp.log_softmax(z)),
}
KINKS = {"mae", "quantile", "percentage", "huber", "hinge", "squared_hinge", "categorical_hinge"}
TARGETS = {
    "distributions": RNG.dirichlet(np.ones(3), size=4),
    "one-hot": np.eye(3)[[0, 2, 1, 1]],
    "zeros": np.zeros((4, 3)),
    "weighted one-hot": np.eye(3)[[0, 2, 1, 1]] * [[2.0], [0.5], [0.0], [3.0]],
    "multi-hot": np.array([[1.0, 1, 0], [1, 1, 1], [0, 0, 1], [0, 1, 1]]),
    "any": RNG.normal(size=(4, 3)),
}


def slopes(f: Callable[..., Any], point: list[np.ndarray], which: int, step: float) -> np.ndarray:
    """Central differences of f by each element of one operand: f's shape, then the operand's."""
    found = []
    for index in np.ndindex(point[which].shape):
        ends = []
        for sign in (1, -1):
            moved = [array.copy() for array in point]
            moved[which][index] += sign * step
            ends.append(np.asarray(f(*moved)))
        found.append((ends[0] - ends[1]) / (2 * step))
    return np.moveaxis(np.array(found), 0, -1).reshape(*found[0].shape, *point[which].shape)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("form", FORMS)
def test_first_and_second_derivatives_are_those_of_the_value(form: str, target: str) -> None:
    y, z = bp.input("y"), bp.input("z")
    cost = FORMS[form](y, z)
    point = [TARGETS[target].astype(np.float64), RNG.normal(size=(4, 3))]
    value = bp.function([y, z], cost, dtype="float64")
    slope = bp.function([y, z], bp.gradients(cost, [y, z]), dtype="float64")
    has_kink = form in KINKS
    for which, gradient in enumerate(slope(*point)):
        expected = slopes(value, point, which, 1e-6)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8, err_msg=f"by {'yz'[which]}")
    if has_kink:
        return
    weights = RNG.normal(size=(2, 4, 3))
    v, w = bp.input("v"), bp.input("w")
    along = bp.sum(bp.gradients(cost, y) * v) + bp.sum(bp.gradients(cost, z) * w)
    second = bp.function([y, z, v, w], bp.gradients(along, [y, z]), dtype="float64")(*point, *weights)

    def first(*at: np.ndarray) -> float:
        by_y, by_z = slope(*at)
        return float((by_y * weights[0]).sum() + (by_z * weights[1]).sum())

    for which, gradient in enumerate(second):
        expected = slopes(first, point, which, 1e-6)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7, err_msg=f"second, by {'yz'[which]}")


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_rows_of_zeros_are_not_trained_on(backend: str) -> None:
    """A masked row has the loss 0 and moves nothing: as many epochs without those rows end in the same weights."""
    x = RNG.normal(size=(40, 2))
    y = np.eye(2)[(x[:, 0] > 0).astype(int)]
    masked = np.arange(40) % 5 > 0
    y[masked] = 0

    def trained(x: np.ndarray, y: np.ndarray, rate: float) -> list[np.ndarray]:
        net = bp.Sequential([bp.Dense(2, activation="softmax", kernel_initializer="zeros")], dtype="float64")
        net.compile(bp.SGD(rate), "categorical_crossentropy", backend=backend)
        net.fit(x, y, batch_size=len(x), epochs=30, verbose=0)
        return net.get_weights()

    for all_rows, without in zip(trained(x, y, 1.0), trained(x[~masked], y[~masked], 0.2)):
        np.testing.assert_allclose(all_rows, without, rtol=1e-10, atol=1e-13)


def test_for_distributions_the_gradient_is_p_minus_y_to_the_bit() -> None:
    """Where a row of y sums to exactly one, the product of p and Σy is p."""
    z, y = RNG.normal(size=(64, 10)).astype(np.float32), np.eye(10, dtype=np.float32)[RNG.integers(0, 10, 64)]
    a, t = bp.input("a"), bp.input("t")
    p = bp.softmax(a)
    cost = bp.categorical_crossentropy(t, p)
    gradient = bp.function([a, t], cost, gradients=a)(z, y)[1]
    assert np.array_equal(gradient, bp.function([a, t], (p - t) / 64.0)(z, y))


# --- at the ends of the line

ROWS = np.array([
    [0.0, -INF, 1.0], [-INF, -INF, 2.0], [-INF, -INF, -INF], [INF, 1.0, 2.0], [INF, INF, 0.0], [INF, -INF, 0.0],
    [-INF, 0.0, -INF], [1e308, 1e308, 0.0], [-1e308, -1e308, -1e308],
])  # fmt: skip


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("rows", [1, 9, 40], ids=lambda n: f"{n} rows")
def test_logsumexp_of_infinities(backend: str, rows: int) -> None:
    x = bp.input("x")
    f = bp.function([x], bp.logsumexp(x), dtype="float64", backend=backend)
    data = np.resize(ROWS, (rows, 3))
    np.testing.assert_allclose(f(data), special.logsumexp(data, axis=1), rtol=1e-15)
    wide = np.concatenate([data, np.full((rows, 97), -INF)], axis=1)
    np.testing.assert_allclose(f(wide), special.logsumexp(wide, axis=1), rtol=1e-15)
    assert np.isnan(f(np.array([[INF, np.nan, 0.0]])))[0]


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_masked_logit_whose_target_is_0_counts_nothing(backend: str, dtype: str) -> None:
    z, y = bp.input("z"), bp.input("y")
    f = bp.function([z, y], bp.categorical_crossentropy(y, bp.softmax(z)), gradients=z, dtype=dtype, backend=backend)
    value, gradient = f(np.array([[0.0, -INF, 1.0]]), np.array([[1.0, 0, 0]]))
    assert value == pytest.approx(np.log1p(np.e), rel=1e-6)
    p = special.softmax([0.0, -INF, 1.0])
    np.testing.assert_allclose(gradient, [p - [1, 0, 0]], rtol=1e-6)
    wide = np.full((3, 200), -INF)
    wide[:, :2] = 0
    assert f(wide, np.eye(200)[[0, 1, 0]])[0] == pytest.approx(np.log(2), rel=1e-6)
    assert f(np.array([[0.0, -INF]]), np.array([[0.5, 0.5]]))[0] == INF  # a probability of 0 that has a target


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("z", "y", "expected"),
    [
        (INF, 1, 0), (INF, 0, INF), (-INF, 0, 0), (-INF, 1, INF), (INF, 0.5, INF), (-INF, 0.5, INF),
        (INF, 2, -INF), (-INF, -1, -INF), (0, 0.3, np.log(2)), (1000, 1, 0), (-1000, 0, 0), (1000, 0, 1000),
    ],
)  # fmt: skip
def test_the_sigmoids_cross_entropy_at_infinite_logits(
    z: float, y: float, expected: float, dtype: str, backend: str
) -> None:
    a, t = bp.input("z"), bp.input("y")
    for loss in (bp.binary_crossentropy, bp.cross_entropy):
        f = bp.function([a, t], loss(t, bp.sigmoid(a)), gradients=a, dtype=dtype, backend=backend)
        value, gradient = f([z], [y])
        assert value == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(gradient, special.expit([z]) - y, rtol=1e-6)
