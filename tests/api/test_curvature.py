"""`bp.curvature`: its answers are true, and it recognises the lecture's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import reference
from fastbp.inspection.convexity_rules import RULES

W = bp.parameter([0.5, 1.0, 2.0], name="w")
V = bp.parameter([1.0, 0.5, 0.25], name="v")
M = np.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]])
X, Y = bp.input("x", (3,)), bp.input("y")


# --- the lecture's list

CURVATURES: dict[str, tuple[Any, str]] = {
    "Mx + b": (W @ M + np.array([1.0, -1.0]), "affine"),
    "a constant": (bp.parameter(2.0, trainable=False) * bp.exp(3.0), "affine"),
    "e^affine": (bp.exp(W @ M), "convex"),
    "e^convex": (bp.exp(W**2), "convex"),
    "e^concave": (bp.exp(-(W**2)), "unknown"),
    "convex + convex": (bp.exp(W) + W**2, "convex"),
    "convex - convex": (bp.exp(W) - W**2, "unknown"),
    "convex - concave": (bp.exp(W) - bp.log(W), "convex"),
    "x^2": (W**2, "convex"),
    "x^4": (W**4, "convex"),
    "x^1": (W**1, "affine"),
    "x^0": (W**0, "affine"),
    "x^3": (W**3, "unknown"),
    "x^-1": (W**-1, "unknown"),
    "1/x": (1 / W, "unknown"),
    "x^1.5, for x > 0 alone": (W**1.5, "convex"),
    "x^-0.5, for x > 0 alone": (W**-0.5, "convex"),
    "x^0.3, for x > 0 alone": (W**0.3, "concave"),
    "sqrt x": (W**0.5, "concave"),
    "x^p, a p being whole": (W ** np.array([1.5, 3.0, 2.5]), "unknown"),
    "convex^1.5, defined on both sides of a gap": ((W**2 - 1) ** 1.5, "unknown"),
    "2^x": (2.0**W, "convex"),
    "0.5^(x^2)": (0.5 ** (W**2), "unknown"),
    "|x|": (abs(W), "convex"),
    "-|x|": (-abs(W), "concave"),
    "x ln x": (W * bp.log(W), "convex"),
    "the entropy": (-W * bp.log(W), "concave"),
    "u ln u, u affine": ((2 * W + 1) * bp.log(2 * W + 1), "convex"),
    "x ln y": (W * bp.log(V), "unknown"),
    "ln x": (bp.log(W), "concave"),
    "ln convex": (bp.log(W**2), "unknown"),
    "ln concave": (bp.log(bp.sqrt(W)), "concave"),
    "-ln of a sigmoid": (-bp.log(bp.sigmoid(W @ M)), "convex"),
    "max(convex, convex)": (bp.maximum(W**2, bp.exp(W)), "convex"),
    "max over an axis": (bp.max(W @ M), "convex"),
    "max(convex, concave)": (bp.maximum(W**2, bp.log(W)), "unknown"),
    "min(affine, concave)": (bp.minimum(W, bp.log(W)), "concave"),
    "softplus": (bp.softplus(W), "convex"),
    "softplus of concave": (bp.softplus(-abs(W)), "unknown"),
    "relu": (bp.relu(W), "convex"),
    "relu of convex": (bp.relu(W**2 - 1), "convex"),
    "logsumexp": (bp.logsumexp(W), "convex"),
    "log_softmax": (bp.log_softmax(W), "concave"),
    "squares of affine": (bp.sum((W @ M - 1) ** 2), "convex"),
    "square of convex": ((W**2 - 1) ** 2, "unknown"),
    "square of convex and nonnegative": ((W**2 + 1) ** 2, "convex"),
    "norm": (bp.sqrt(bp.sum((W @ M - 1) ** 2)), "convex"),
    "norm, smoothed": (bp.sqrt(bp.sum(W**2) + 0.25), "convex"),
    "root of convex": (bp.sqrt(bp.exp(W)), "unknown"),
    "mean": (bp.mean(abs(W)), "convex"),
    "a positive factor": (3 * bp.exp(W) / 2, "convex"),
    "a negative factor": (-3 * bp.exp(W), "concave"),
    "factors of both signs": (np.array([1.0, -1.0, 2.0]) * bp.exp(W), "unknown"),
    "a product": (W * V, "unknown"),
    "a product with itself": ((W - V) * (W - V), "convex"),
    "sigmoid": (bp.sigmoid(W), "unknown"),
    "sigmoid, written out": (1 / (1 + bp.exp(-W)), "unknown"),
    "tanh": (bp.tanh(W), "unknown"),
    "sine": (bp.sin(W), "unknown"),
    "linear regression": (bp.mean_squared_error(Y, X @ W), "convex"),
    "least absolute errors": (bp.mean_absolute_error(Y, X @ W), "convex"),
    "logistic regression": (bp.binary_crossentropy(Y, bp.sigmoid(X @ W)), "convex"),
    "logistic regression, quadratic cost": (bp.quadratic(Y, bp.sigmoid(X @ W)), "unknown"),
    "softmax regression": (bp.sparse_categorical_crossentropy(Y, bp.Dense(4, "softmax")(X)), "convex"),
    "two linear layers": (bp.quadratic(Y, bp.Dense(1)(bp.Dense(2)(X))), "unknown"),
}


@pytest.mark.parametrize("name", CURVATURES)
def test_curvature_of(name: str) -> None:
    expression, expected = CURVATURES[name]
    assert bp.curvature(expression) == expected


ON_A_DOMAIN: dict[str, tuple[Any, str]] = {
    "x^3": (W**3, "convex"),
    "(-x)^3": ((-W) ** 3, "concave"),
    "1/x": (1 / W, "convex"),
    "x^-2": (W**-2, "convex"),
    "-1/x": (-1 / W, "concave"),
    "1/(-x)": (1 / -W, "concave"),
    "|x|": (abs(W), "affine"),
    "relu": (bp.relu(W), "affine"),
    "(x^2)^1.5": ((W**2) ** 1.5, "convex"),
    "u^2 / x": ((V - 1) ** 2 / W, "convex"),
    "1/(x + 1)": (1 / (W + 1), "convex"),
    "1/(x - 1)": (1 / (W - 1), "unknown"),
    "1/sqrt x": (1 / bp.sqrt(W), "convex"),
    "sigmoid": (bp.sigmoid(W), "concave"),
    "sigmoid of -x": (bp.sigmoid(-W), "convex"),
}


@pytest.mark.parametrize("name", ON_A_DOMAIN)
def test_curvature_where_x_is_positive(name: str) -> None:
    expression, expected = ON_A_DOMAIN[name]
    assert bp.curvature(expression, positive=W) == expected


def test_the_variables_can_be_chosen() -> None:
    product = W * bp.exp(V)
    assert bp.curvature(product) == "unknown"
    assert bp.curvature(product, wrt=W) == "affine"
    assert bp.curvature(product, wrt=[V]) == "unknown"  # W may be negative
    assert bp.curvature(product, wrt=V, positive=[W]) == "convex"
    assert bp.curvature(bp.sum(X * W), wrt=X) == "affine"
    z = X @ W
    assert bp.curvature(bp.sigmoid(z) * z, wrt=z) == "unknown"
    assert bp.curvature(-bp.log(bp.sigmoid(z)), wrt=[z]) == "convex"


def test_without_parameters_the_inputs_are_the_variables() -> None:
    x = bp.input("x")
    assert bp.curvature(bp.exp(x)) == "convex"
    assert bp.curvature(bp.exp(x) * bp.parameter(1.0)) == "affine"


def test_gradients_have_a_curvature_too() -> None:
    assert bp.curvature(bp.gradients(bp.sum((W @ M) ** 2), W)) == "affine"
    assert bp.curvature(bp.gradients(bp.sum(W**4), W)) == "unknown"
    assert bp.curvature(bp.gradients(bp.sum(W**4), W), positive=W) == "convex"
    assert bp.curvature(bp.gradients(bp.sum(bp.softplus(W)), W)) == "unknown"  # the sigmoid


def test_frozen_parameters_are_constants() -> None:
    scale = bp.parameter(1.0, trainable=False)
    assert bp.curvature(scale * W) == "affine"


def test_a_layer_that_is_not_built_stays_so() -> None:
    layer = bp.Dense(2)
    assert bp.curvature(bp.quadratic(bp.input("y", (2,)), layer(X))) == "convex"
    assert not layer.built
    assert layer.weights == []
    network = bp.Sequential([layer])
    assert bp.curvature(network(X)) == "affine"
    assert not network.built
    network.build((5,))
    assert [weight.shape for weight in network.get_weights()] == [(5, 2), (2,)]


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="expression must be an expression, got 3"):
        bp.curvature(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wrt must be an expression or a list of them, got 'w'"):
        bp.curvature(W, wrt="w")
    with pytest.raises(ValueError, match="positive must hold parts of the expression, got <Parameter 'v' parameter>"):
        bp.curvature(W, positive=[V])
    with pytest.raises(ValueError, match="@ needs operands with features"):
        bp.curvature(bp.input("x") @ W)


# --- its answers are true


def test_every_operation_has_a_rule() -> None:
    assert set(RULES) == set(reference.operations())


def random_expression(rng: np.random.Generator, depth: int) -> Any:
    """A function of W and V, three numbers each."""
    if depth == 0:
        constant = bp.parameter(rng.normal(size=3), trainable=False)
        return [W, V, constant, rng.normal() * W + rng.normal()][rng.integers(4)]
    a = random_expression(rng, depth - 1)
    unary: list[Callable[[Any], Any]] = [
        bp.exp, bp.expm1, bp.log, bp.log1p, bp.sqrt, bp.square, abs, bp.softplus, bp.relu, bp.sigmoid, bp.tanh, bp.erf,
        bp.sin, lambda x: -x, lambda x: x**3, lambda x: x**4, lambda x: x**-1, lambda x: x**-2, lambda x: x**1.5,
        lambda x: x**0.3, lambda x: x**-0.5, lambda x: 0.5**x, lambda x: rng.normal() * x, lambda x: x + rng.normal(),
        lambda x: bp.sum(x), lambda x: bp.logsumexp(x), lambda x: bp.log_softmax(x), lambda x: bp.max(x),
        lambda x: bp.softmax(x), lambda x: x * bp.log(x), lambda x: x * x, lambda x: x / 2, lambda x: 1 / x,
        lambda x: bp.sqrt(bp.sum(x**2)), lambda x: x[:1], lambda x: bp.log(bp.sigmoid(x)),
    ]  # fmt: skip
    if rng.random() < 0.6:
        choice = unary[rng.integers(len(unary))]
        return a if rng.random() < 0.05 else _applied(choice, a)
    b = random_expression(rng, rng.integers(depth))
    binary: list[Callable[[Any, Any], Any]] = [
        lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, bp.maximum, bp.minimum,
        lambda a, b: a**2 / b, lambda a, b: bp.where_positive(a, b, -b), lambda a, b: a**b,
    ]  # fmt: skip
    return binary[rng.integers(len(binary))](a, b)


def _applied(function: Callable[[Any], Any], a: Any) -> Any:
    """function(a), or a itself if its shape does not allow that."""
    result = function(a)
    try:
        bp.curvature(result)
    except ValueError:  # such as the softmax of a single number
        return a
    return result


def test_no_random_expression_contradicts_what_is_said_of_it() -> None:
    """Jensen's inequality at points within the domain: f((u + v) / 2) against (f(u) + f(v)) / 2."""
    rng = np.random.default_rng(5)
    said: dict[str, int] = dict.fromkeys(["affine", "convex", "concave", "unknown"], 0)
    for _ in range(1500):
        expression = random_expression(rng, int(rng.integers(1, 5)))
        if not isinstance(expression, bp.Expression):
            continue
        positive = [p for p in (W, V) if rng.random() < 0.5]
        anchored = expression + 0 * bp.sum(W + V)  # so that both are parts of it
        kind = bp.curvature(anchored, wrt=[W, V], positive=positive)
        said[kind] += 1
        if kind == "unknown":
            continue
        f = bp.function([], anchored, dtype="float64")
        points = rng.normal(size=(6, 2, 3)) * 1.5
        for index, parameter in enumerate((W, V)):
            if any(parameter is p for p in positive):
                points[:, index] = np.abs(points[:, index]) + 1e-3

        def at(point: np.ndarray, f: Any = f) -> np.ndarray:
            W.value, V.value = point
            with np.errstate(all="ignore"):
                return np.atleast_1d(f())

        for u, v in zip(points[::2], points[1::2]):
            left, right = at(u), at(v)
            inside = np.isfinite(left) & np.isfinite(right) & (np.abs(left) < 1e6) & (np.abs(right) < 1e6)
            middle, chord = at((u + v) / 2)[inside], ((left + right) / 2)[inside]
            slack = 1e-9 * (1 + np.abs(left[inside]) + np.abs(right[inside]))
            if kind in ("convex", "affine"):
                assert np.all(middle <= chord + slack), (kind, u, v)
            if kind in ("concave", "affine"):
                assert np.all(middle >= chord - slack), (kind, u, v)
    assert min(said.values()) >= 50, said  # every answer came often enough


LOSS_CURVATURES = {
    "convex": ["mse", "mae", "quadratic", "gaussian_nll", "mape", "quantile", "hinge", "squared_hinge",
               "categorical_hinge"],
    "unknown": ["huber", "log_cosh", "msle", "cosine_similarity", "poisson", "gamma_deviance", "tweedie_deviance"],
}  # fmt: skip


@pytest.mark.parametrize("kind", LOSS_CURVATURES)
def test_what_is_said_of_a_loss_of_an_affine_output_is_true(kind: str) -> None:
    """Jensen's inequality for three outputs that are the weights."""
    rng = np.random.default_rng(6)
    for name in LOSS_CURVATURES[kind]:
        target = np.array([0.5, 1.0, 0.25]) if name != "categorical_hinge" else np.array([0.0, 1.0, 0.0])
        y = bp.parameter(target, trainable=False)
        cost = bp.losses.LOSSES[name](y, W)
        assert bp.curvature(cost) == kind, name
        f = bp.function([], cost, dtype="float64")
        for u, v in 3 * rng.normal(size=(200 if kind == "convex" else 0, 2, 3)):
            values = []
            for W.value in (u, v, (u + v) / 2):
                values.append(float(f()))
            assert values[2] <= (values[0] + values[1]) / 2 + 1e-12, name


def test_a_divergence_is_convex_in_the_logits() -> None:
    y = bp.parameter([0.2, 0.3, 0.5], trainable=False)
    assert bp.curvature(bp.kl_divergence(y, bp.softmax(W))) == "convex"
    assert bp.curvature(bp.kl_divergence(y, W)) == "unknown"


# --- a convex function has one minimum

# cost, its minimum, and the learning rate: small where there is a kink, because descent oscillates around it
MINIMA: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "(Mx + b)^2": (lambda w: bp.sum((w @ M[:2] - np.array([1.0, 2.0])) ** 2), 0.0, 0.02),
    "e^convex": (lambda w: bp.exp(bp.sum((w - 1) ** 2) / 4), 1.0, 0.1),
    "c1 + c2": (lambda w: bp.sum(bp.exp(w) + bp.exp(-w)), 4.0, 0.1),
    "x^4": (lambda w: bp.sum(w**4 - 4 * w), -6.0, 0.02),
    "x + 1/x": (lambda w: bp.sum(w + 1 / w), 4.0, 0.02),
    "|x|": (lambda w: bp.sum(abs(w)), 0.0, 0.001),
    "x ln x": (lambda w: bp.sum(w * bp.log(w)), -2 / np.e, 0.1),
    "max(c1, c2)": (lambda w: bp.sum(bp.maximum((w - 1) ** 2, (w + 1) ** 2)), 2.0, 0.001),
    "softplus": (lambda w: bp.sum(bp.softplus(w) + bp.softplus(-w)), 4 * np.log(2), 0.1),
    "logsumexp": (lambda w: bp.logsumexp(w) - bp.mean(w), np.log(2), 0.1),
    "norm": (lambda w: bp.sqrt(bp.sum((w - 2) ** 2) + 1), 1.0, 0.1),
}


@pytest.mark.parametrize("name", MINIMA)
def test_descent_reaches_the_same_cost_from_every_start(name: str) -> None:
    build, least, rate = MINIMA[name]
    costs = []
    for start in ([0.5, 1.5], [2.0, 0.3], [1.0, 1.9], [0.2, 0.4]):
        w = bp.parameter(start)
        cost = build(w)
        assert bp.curvature(cost, positive=w) in ("convex", "affine")
        bp.minimize(cost, optimizer=bp.SGD(rate), epochs=3000, dtype="float64")
        costs.append(float(bp.function([], cost, dtype="float64")()))
    np.testing.assert_allclose(costs, least, atol=0.005 if rate == 0.001 else 1e-6)


def test_descent_on_what_is_not_convex_depends_on_the_start() -> None:
    def ends_at(start: float) -> float:
        w = bp.parameter(start)
        cost = (w**2 - 1) ** 2 + 0.3 * w
        assert bp.curvature(cost) == "unknown"
        return float(bp.minimize(cost, optimizer=bp.SGD(0.05), epochs=300, dtype="float64").history["cost"][-1])

    assert ends_at(-2.0) < -0.29
    assert ends_at(2.0) > 0.28
