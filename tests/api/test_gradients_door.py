"""`bp.gradients`: gradients are expressions, used and differentiated like any other."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest

BACKENDS = ["core", "reference"]
RNG = np.random.default_rng(12)
X = RNG.normal(size=(7, 3))
Y = RNG.normal(size=7)


def bits(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [bits(v) for v in value]
    array = np.asarray(value)
    return array.shape, array.dtype.str, array.tobytes()


def dense(seed: int, fan_in: int, fan_out: int) -> bp.Parameter:
    return bp.parameter(np.random.default_rng(seed).normal(size=(fan_in, fan_out)), name=f"w{seed}")


# --- values


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_those_that_function_gives(dtype: str, backend: str) -> None:
    x, y = bp.input("x", (3,)), bp.input("y", ())
    w, b = dense(1, 3, 1), bp.parameter(0.25)
    a = bp.tanh((x @ w)[:, 0] + b)
    cost = bp.mean((a - y) ** 2)
    wanted = [w, b, x, a]
    direct = bp.function([x, y], cost, gradients=wanted, dtype=dtype, backend=backend)(X, Y)[1]
    asked = bp.function([x, y], bp.gradients(cost, wanted), dtype=dtype, backend=backend)(X, Y)
    assert bits(list(direct)) == bits(asked)


def test_one_expression_gives_one_expression_and_a_list_gives_a_list() -> None:
    w = bp.parameter([1.0, 2.0])
    cost = bp.sum(w**3)
    single, listed = bp.gradients(cost, w), bp.gradients(cost, (w,))
    assert isinstance(single, bp.Expression)
    assert isinstance(listed, list)
    assert len(listed) == 1
    assert bp.gradients(cost, []) == []
    np.testing.assert_array_equal(bp.function([], single)(), [3, 12])


def test_what_the_cost_does_not_depend_on_has_a_gradient_of_zeros() -> None:
    x, w, other = bp.input("x", ()), bp.parameter(2.0), bp.parameter([1.0, 2.0])
    gradients = bp.gradients(bp.sum(x * w), [other, x + 1])
    dother, dx = bp.function([x], gradients)([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(dother, [0, 0])
    np.testing.assert_array_equal(dx, [0, 0, 0])


def test_gradients_of_one_cost_are_made_once() -> None:
    from fastbp.lowering.lowering import lower
    from fastbp.lowering.parameter_store import ParameterStore

    w = [bp.parameter(float(i)) for i in range(3)]
    cost = bp.exp(w[0] * w[1] * w[2])
    gradients = bp.gradients(cost, w)
    alone, _ = lower([gradients[0]], ParameterStore("core", "float32"), [], [])
    all_of_them, _ = lower([*gradients, *bp.gradients(cost, w)], ParameterStore("core", "float32"), [], [])
    assert len(all_of_them.graph) == len(alone.graph)


# --- rule 7


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradient_at_a_probability_is_reported_and_does_not_flow_on(backend: str) -> None:
    y, z = bp.input("y", ()), bp.input("z", ())
    p = bp.sigmoid(z)
    cost = bp.cross_entropy(y, p)
    dp, dz = bp.function([y, z], bp.gradients(cost, [p, z]), dtype="float64", backend=backend)([1.0], [1.0])
    only = bp.function([y, z], bp.gradients(cost, z), dtype="float64", backend=backend)([1.0], [1.0])
    assert bits(dz) == bits(only)
    sigmoid = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose([dp[0], dz[0]], [-1 / sigmoid, sigmoid - 1], rtol=1e-14)


# --- higher derivatives


@pytest.mark.parametrize("backend", BACKENDS)
def test_second_derivatives_are_the_analytic_ones(backend: str) -> None:
    x = bp.input("x", ())
    y = bp.sin(x) * bp.exp(0.5 * x)
    first = bp.gradients(bp.sum(y), x)
    second = bp.gradients(bp.sum(first), x)
    third = bp.gradients(bp.sum(second), x)
    at = np.linspace(-2, 2, 9)
    d1, d2, d3 = bp.function([x], [first, second, third], dtype="float64", backend=backend)(at)
    s, c, e = np.sin(at), np.cos(at), np.exp(0.5 * at)
    np.testing.assert_allclose(d1, e * (c + s / 2), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(d2, e * (c - 0.75 * s), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(d3, -e * (0.25 * c + 1.375 * s), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_product_of_hessian_and_vector_is_the_analytic_one(backend: str) -> None:
    """Rosenbrock's function of two variables."""
    w = bp.parameter([-1.2, 1.0])
    cost = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    v = np.array([0.3, -0.7])
    product = bp.gradients(bp.sum(bp.gradients(cost, w) * v), w)
    a, b = w.value
    hessian = np.array([[2 + 1200 * a**2 - 400 * b, -400 * a], [-400 * a, 200]])
    np.testing.assert_allclose(bp.function([], product, dtype="float64", backend=backend)(), hessian @ v, rtol=1e-13)


def test_both_backends_differentiate_a_network_twice_alike() -> None:
    x, y = bp.input("x", (3,)), bp.input("y", ())
    w, u = dense(2, 3, 4), dense(3, 4, 3)
    p = bp.softmax(bp.sigmoid(x @ w) @ u)
    cost = bp.sparse_categorical_crossentropy(y, p)
    slope = bp.gradients(cost, [w, u, x])
    size = bp.sum(slope[0] ** 2) + bp.sum(slope[1] ** 2) + bp.mean(slope[2] ** 2)
    outputs = bp.gradients(cost + 0.5 * size, [w, u, x, p])
    results = [bp.function([x, y], outputs, backend=b)(X, [0, 1, 2, 0, 1, 2, 0]) for b in BACKENDS]
    assert bits(results[0]) == bits(results[1])


def test_a_second_derivative_through_a_stable_loss_agrees_with_differences() -> None:
    x, y = bp.input("x", (3,)), bp.input("y", ())
    w = dense(4, 3, 3)
    start = w.value
    cost = bp.sparse_categorical_crossentropy(y, bp.softmax(x @ w))
    slope = bp.gradients(cost, w)
    labels = [0, 1, 2, 0, 1, 2, 0]
    v = np.random.default_rng(5).normal(size=(3, 3))
    product = bp.function([x, y], bp.gradients(bp.sum(slope * v), w), dtype="float64")(X, labels)
    f = bp.function([x, y], slope, dtype="float64")
    step = 1e-5
    w.value = start + step * v
    above = f(X, labels)
    w.value = start - step * v
    below = f(X, labels)
    np.testing.assert_allclose(product, (above - below) / (2 * step), rtol=1e-7, atol=1e-9)


# --- in minimize, in losses and in models


@pytest.mark.parametrize("backend", BACKENDS)
def test_minimize_descends_a_cost_made_of_gradients(backend: str) -> None:
    """The squared slope of (w − 3)⁴/4 is (w − 3)⁶."""
    w = bp.parameter(5.0)
    slope = bp.gradients((w - 3) ** 4 / 4, w)
    run = bp.minimize(slope**2, optimizer=bp.SGD(0.001), epochs=3, dtype="float64", backend=backend)
    expected, costs = 5.0, []
    for _ in range(3):
        costs.append((expected - 3) ** 6)
        expected -= 0.001 * 6 * (expected - 3) ** 5
    np.testing.assert_allclose(w.value, expected, rtol=1e-14)
    np.testing.assert_allclose(run.history["cost"], costs, rtol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_custom_loss_may_penalise_the_slope(backend: str) -> None:
    x = bp.Input((3,), name="x")
    net = bp.Model(x, bp.Dense(1)(bp.Dense(5, activation="tanh")(x)), seed=3)

    def smooth(y_true: Any, y_pred: Any) -> Any:
        return bp.mse(y_true, y_pred) + 0.1 * bp.mean(bp.gradients(bp.sum(y_pred), x) ** 2)

    net.compile(bp.SGD(0.05), smooth, backend=backend)
    losses = net.fit(X, Y, batch_size=7, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    twin = bp.Model(x, net.outputs[0], seed=3)
    assert len(twin.get_weights()) == 4


def test_a_model_may_have_gradients_as_outputs_and_be_called_as_a_layer() -> None:
    x = bp.Input((2,), name="x")
    energy = bp.Dense(1, use_bias=False)(x) ** 2
    force = bp.Model(x, bp.gradients(bp.sum(energy), x))
    twice = bp.Model(x, force(force(x)))
    at = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
    np.testing.assert_allclose(twice.predict(at), force.predict(force.predict(at)), rtol=1e-6)


# --- errors


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_cost_must_be_a_scalar(backend: str) -> None:
    x = bp.input("x", ())
    with pytest.raises(ValueError, match=r"cost must be a scalar, got the shape \(rows,\): bp.sum or bp.mean"):
        bp.function([x], bp.gradients(x**2, x), backend=backend)([1.0])


def test_what_is_no_expression_is_named() -> None:
    w = bp.parameter(1.0)
    with pytest.raises(TypeError, match=r"cost must be an expression, got float"):
        bp.gradients(1.0, w)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"wrt must be an expression or a list of them, got 'w'"):
        bp.gradients(w**2, "w")
    with pytest.raises(TypeError, match=r"wrt must be an expression or a list of them, got \[1\.0\]"):
        bp.gradients(w**2, [1.0])


def test_training_with_a_penalty_on_the_slope_gives_the_same_bits_in_both_backends() -> None:
    x = bp.Input((3,), name="x")
    hashes = []
    for backend in BACKENDS:
        hidden = bp.Dropout(0.3)(bp.Dense(5, activation="sigmoid")(x))
        net = bp.Model(x, bp.Dense(2, activation="softmax")(hidden), seed=3)

        def smooth(y: Any, p: Any) -> Any:
            slope = bp.gradients(bp.sum(p[:, 0]), x)
            return bp.sparse_categorical_crossentropy(y, p) + 0.1 * bp.mean(slope**2)

        net.compile(bp.SGD(0.1, momentum=0.9), smooth, backend=backend)
        rows = np.random.default_rng(0)
        net.fit(rows.normal(size=(300, 3)), rows.integers(0, 2, 300), batch_size=256, epochs=3, verbose=0)
        hashes.append(bp.weights_hash(net.get_weights()))
    assert hashes[0] == hashes[1]
