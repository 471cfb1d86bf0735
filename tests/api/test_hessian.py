"""`bp.hessian`: the exact matrix of second derivatives, an expression like any other."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=20)


def at(hessian: Any, *arrays: Any, inputs: Any = (), dtype: str = "float64", backend: str = "core") -> np.ndarray:
    return bp.function(list(inputs), hessian, dtype=dtype, backend=backend)(*arrays)


def test_a_quadratic_has_its_own_matrix() -> None:
    a = RNG.normal(size=(4, 4))
    symmetric = a + a.T
    w = bp.parameter(RNG.normal(size=4))
    np.testing.assert_allclose(at(bp.hessian(bp.sum(w * (w @ symmetric)) / 2, w)), symmetric, rtol=1e-14)


def test_the_hessian_of_least_squares_is_the_matrix_of_the_normal_equations() -> None:
    x, y = bp.input("x", (3,)), bp.input("y")
    w, b = bp.parameter(np.zeros((3, 1))), bp.parameter(0.0)
    hessian = at(bp.hessian(bp.quadratic(y, x @ w + b), [w, b]), X, Y, inputs=[x, y])
    design = np.column_stack([X, np.ones(20)])
    np.testing.assert_allclose(hessian, design.T @ design / 20, rtol=1e-13, atol=1e-15)


def test_the_hessian_of_logistic_regression() -> None:
    """Xᵀ diag(p (1 − p)) X / m: T. Hastie et al., The Elements of Statistical Learning, (4.25)."""
    x, y = bp.input("x", (3,)), bp.input("y")
    w = bp.parameter(RNG.normal(size=(3, 1)))
    labels = (Y > 0).astype(float)
    hessian = at(bp.hessian(bp.binary_crossentropy(y, bp.sigmoid(x @ w)), w), X, labels, inputs=[x, y])
    p = 1 / (1 + np.exp(-(X @ w.value)))
    np.testing.assert_allclose(hessian, (X * p * (1 - p)).T @ X / 20, rtol=1e-12)


def test_several_parameters_are_one_matrix_in_the_order_given() -> None:
    u, v, s = bp.parameter([[1.0, 2.0], [3.0, 4.0]]), bp.parameter([5.0]), bp.parameter(7.0)
    cost = bp.sum(u**3) + bp.sum(u * v) * s  # u, v and s have 4, 1 and 1 elements
    expected = np.zeros((6, 6))
    expected[range(4), range(4)] = 6 * np.arange(1.0, 5.0)
    expected[4, :4] = expected[:4, 4] = 7  # ∂²/∂u∂v = s
    expected[5, :4] = expected[:4, 5] = 5  # ∂²/∂u∂s = v
    expected[5, 4] = expected[4, 5] = 10  # ∂²/∂v∂s = Σu
    np.testing.assert_array_equal(at(bp.hessian(cost, [u, v, s])), expected)
    order = [5, 0, 1, 2, 3, 4]
    np.testing.assert_array_equal(at(bp.hessian(cost, [s, u, v])), expected[np.ix_(order, order)])
    np.testing.assert_array_equal(at(bp.hessian(cost, s)), [[0]])


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "gelu", "silu"])
def test_it_equals_finite_differences_of_the_gradient(activation: str) -> None:
    x, y = bp.input("x", (3,)), bp.input("y")
    net = bp.Sequential([bp.Input((3,)), bp.Dense(3, activation), bp.Dense(1)], seed=2, dtype="float64")
    net.build()
    cost = bp.quadratic(y, net(x))
    weights = net.weights
    hessian = at(bp.hessian(cost, weights), X, Y, inputs=[x, y])
    assert hessian.shape == (net.count_params(),) * 2
    gradient = bp.function([x, y], bp.gradients(cost, weights), dtype="float64")

    def flat_gradient() -> np.ndarray:
        return np.concatenate([np.ravel(g) for g in gradient(X, Y)])

    columns = []
    for weight in weights:
        start = weight.value
        for index in range(start.size):
            step = np.zeros(start.size)
            step[index] = 1e-5
            weight.value = start + step.reshape(start.shape)
            above = flat_gradient()
            weight.value = start - step.reshape(start.shape)
            columns.append((above - flat_gradient()) / 2e-5)
        weight.value = start
    np.testing.assert_allclose(hessian, np.column_stack(columns), atol=1e-8)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_backends_give_equal_bits(dtype: str) -> None:
    x, y = bp.input("x", (3,)), bp.input("y")
    w, b = bp.parameter(RNG.normal(size=(3, 2))), bp.parameter(RNG.normal(size=2))
    out = bp.parameter(RNG.normal(size=(2, 1)))
    hessian = bp.hessian(bp.mean_squared_error(y, bp.tanh(x @ w + b) @ out), [w, b, out])
    core, reference = (at(hessian, X, Y, inputs=[x, y], dtype=dtype, backend=name) for name in ("core", "reference"))
    assert core.shape == (10, 10)
    assert core.tobytes() == reference.tobytes()


def test_eigenvalues_tell_minimum_maximum_and_saddle_apart() -> None:
    w = bp.parameter([0.0, 0.0])
    for cost, signs in ((w[0] ** 2 + w[1] ** 2, [1, 1]), (-bp.sum(w**2), [-1, -1]), (w[0] ** 2 - w[1] ** 2, [-1, 1])):
        np.testing.assert_array_equal(np.sign(np.linalg.eigvalsh(at(bp.hessian(cost, w)))), signs)


def test_it_is_an_expression_that_can_be_used_and_differentiated_again() -> None:
    w = bp.parameter([1.0, 2.0])
    trace = bp.sum(bp.hessian(bp.sum(w**4), w) * np.eye(2))
    value, slope = bp.function([], [trace, bp.gradients(trace, w)], dtype="float64")()
    assert value == 12 * (1 + 4)
    np.testing.assert_array_equal(slope, [24, 48])


def test_wrong_arguments() -> None:
    x, w = bp.input("x"), bp.parameter([1.0, 2.0])
    with pytest.raises(TypeError, match="cost must be an expression, got float"):
        bp.hessian(3.0, w)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wrt must be an expression or a list of them, got 'w'"):
        bp.hessian(bp.sum(w), "w")
    with pytest.raises(ValueError, match="wrt must hold at least one expression"):
        bp.hessian(bp.sum(w), [])
    with pytest.raises(ValueError, match=r"cost must be a scalar, got the shape \(2,\)"):
        at(bp.hessian(w**2, w))
    with pytest.raises(ValueError, match=r"wrt must hold expressions without rows.*got the shape \(rows,\)"):
        at(bp.hessian(bp.sum(x**2), x), [1.0], inputs=[x])


# --- the lecture's conclusion from matrices: a stack of linear layers is one linear layer


def test_a_stack_of_linear_layers_equals_one_linear_layer() -> None:
    stack = bp.Sequential([bp.Input((3,)), bp.Dense(5), bp.Dense(4), bp.Dense(2)], seed=1, dtype="float64")
    stack.set_weights([RNG.normal(size=weight.shape) for weight in stack.get_weights()])
    w1, b1, w2, b2, w3, b3 = stack.get_weights()
    one = bp.Sequential([bp.Input((3,)), bp.Dense(2)], dtype="float64")
    one.set_weights([w1 @ w2 @ w3, (b1 @ w2 + b2) @ w3 + b3])
    np.testing.assert_allclose(stack.predict(X), one.predict(X), rtol=1e-12)
    bent = bp.Sequential([bp.Input((3,)), bp.Dense(5, "tanh"), bp.Dense(4), bp.Dense(2)], dtype="float64")
    bent.set_weights(stack.get_weights())
    assert np.abs(bent.predict(X) - one.predict(X)).max() > 0.1
