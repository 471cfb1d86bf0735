"""`Model.backpropagate`: the lecture's four equations, computed again with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest

RNG = np.random.default_rng(8)
M, WIDTHS = 7, [4, 6, 5, 3]
X, Y = RNG.normal(size=(M, 4)), RNG.random((M, 3))
ONE_HOT = np.eye(3)[RNG.integers(3, size=M)]


def logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


# σ and σ′ by textbook formulas
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (logistic, lambda z: logistic(z) * (1 - logistic(z))),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "softplus": (lambda z: np.log1p(np.exp(z)), logistic),
    "silu": (lambda z: z * logistic(z), lambda z: logistic(z) * (1 + z * (1 - logistic(z)))),
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
}


def network(hidden: Any, output: Any, loss: Any, dtype: str = "float64", backend: str = "core", **options: Any) -> Any:
    layers = [bp.Dense(width, hidden) for width in WIDTHS[1:-1]]
    net = bp.Sequential([bp.Input((WIDTHS[0],)), *layers, bp.Dense(WIDTHS[-1], output)], seed=3, dtype=dtype)
    weights = np.random.default_rng(4)
    net.set_weights([weights.normal(size=w.shape) for w in net.get_weights()])
    net.compile(loss=loss, backend=backend, **options)
    return net


def four_equations(net: Any, a: Any, z: Any, prime: Callable[[Any], Any], output_delta: np.ndarray) -> Any:
    """δ and the gradients by BP1 (given), BP2, BP3 and BP4, with W as the lecture has it, (fan_out, fan_in)."""
    w = {layer: kernel.T for layer, kernel in enumerate(net.get_weights()[::2], 2)}
    delta = {4: output_delta}
    for layer in (3, 2):
        delta[layer] = np.array([w[layer + 1].T @ d for d in delta[layer + 1]]) * prime(z[layer])  # BP2
    db = {layer: sum(delta[layer]) / M for layer in (2, 3, 4)}  # BP3
    dw = {layer: sum(np.outer(d, i) for d, i in zip(delta[layer], a[layer - 1])) / M for layer in (2, 3, 4)}  # BP4
    return delta, dw, db


def assert_equations_hold(net: Any, back: Any, hidden: str, output_delta: np.ndarray) -> None:
    delta, dw, db = four_equations(net, back.a, back.z, ACTIVATIONS[hidden][1], output_delta)
    for layer in (2, 3, 4):
        np.testing.assert_allclose(back.delta[layer], delta[layer], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(back.weight_gradients[layer].T, dw[layer], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(back.bias_gradients[layer], db[layer], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bp1_to_bp4_for_the_quadratic_cost(name: str) -> None:
    net = network(name, name, "quadratic")
    back = net.backpropagate(X, Y)
    sigma, prime = ACTIVATIONS[name]
    np.testing.assert_array_equal(back.a[1], X)
    for layer, (kernel, bias) in enumerate(zip(net.get_weights()[::2], net.get_weights()[1::2]), 2):
        np.testing.assert_allclose(back.z[layer], back.a[layer - 1] @ kernel + bias, rtol=1e-12)
        np.testing.assert_allclose(back.a[layer], sigma(back.z[layer]), rtol=1e-12, atol=1e-15)
    assert back.loss == pytest.approx(np.sum((back.a[4] - Y) ** 2) / (2 * M), rel=1e-12)
    assert_equations_hold(net, back, name, (back.a[4] - Y) * prime(back.z[4]))  # BP1: ∇ₐC = a − y


@pytest.mark.parametrize("hidden", ["sigmoid", "tanh"])
@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [("sigmoid", "cross_entropy", Y), ("softmax", "categorical_crossentropy", ONE_HOT)],
    ids=["sigmoid", "softmax"],
)
def test_bp1_to_bp4_for_the_cross_entropy_whose_delta_is_a_minus_y(hidden: str, output: str, loss: str, y: Any) -> None:
    net = network(hidden, output, loss)
    back = net.backpropagate(X, y)
    assert_equations_hold(net, back, hidden, back.a[4] - y)


PER_OUTPUT = 1 / WIDTHS[-1]
SHARES = RNG.dirichlet(np.ones(3), size=M)
SIGNS = np.where(RNG.random((M, 3)) > 0.5, 1.0, -1.0)


def of_logarithms(a: Any, y: Any) -> Any:
    return 2 * (np.log(1 + a) - np.log(1 + y)) / (1 + a) * PER_OUTPUT


def of_angles(a: Any, y: Any) -> Any:
    """−(ŷ − (ŷ·â) â) / ‖a‖"""
    length = np.linalg.norm(a, axis=1, keepdims=True)
    own, wanted = a / length, y / np.linalg.norm(y, axis=1, keepdims=True)
    return -(wanted - (wanted * own).sum(axis=1, keepdims=True) * own) / length


def of_margins(a: Any, y: Any) -> Any:
    others = (1 - y) * a
    largest = others == others.max(axis=1, keepdims=True)
    lacks = others.max(axis=1, keepdims=True) - (y * a).sum(axis=1, keepdims=True) + 1 > 0
    return ((1 - y) * largest - y) * lacks


# every named loss: the output's activation, y, and δ[L] as a function of a and y
LOSSES: dict[str, tuple[str, Any, Callable[[Any, Any], Any]]] = {
    "mse": ("linear", Y, lambda a, y: 2 * (a - y) * PER_OUTPUT),
    "mean_squared_error": ("linear", Y, lambda a, y: 2 * (a - y) * PER_OUTPUT),
    "mae": ("linear", Y, lambda a, y: np.sign(a - y) * PER_OUTPUT),
    "mean_absolute_error": ("linear", Y, lambda a, y: np.sign(a - y) * PER_OUTPUT),
    "quadratic": ("linear", Y, lambda a, y: a - y),
    "gaussian_nll": ("linear", Y, lambda a, y: (a - y) * PER_OUTPUT),
    "cross_entropy": ("sigmoid", Y, lambda a, y: a - y),
    "binary_crossentropy": ("sigmoid", Y, lambda a, y: (a - y) * PER_OUTPUT),
    "bce": ("sigmoid", Y, lambda a, y: (a - y) * PER_OUTPUT),
    "kl_divergence": ("softmax", SHARES, lambda a, y: a - y),
    "kld": ("softmax", SHARES, lambda a, y: a - y),
    "huber": ("linear", Y, lambda a, y: np.clip(a - y, -1, 1) * PER_OUTPUT),
    "log_cosh": ("linear", Y, lambda a, y: np.tanh(a - y) * PER_OUTPUT),
    "logcosh": ("linear", Y, lambda a, y: np.tanh(a - y) * PER_OUTPUT),
    "quantile": ("linear", Y, lambda a, y: np.sign(a - y) / 2 * PER_OUTPUT),
    "mean_absolute_percentage_error": ("linear", Y, lambda a, y: 100 * np.sign(a - y) / y * PER_OUTPUT),
    "mape": ("linear", Y, lambda a, y: 100 * np.sign(a - y) / y * PER_OUTPUT),
    "mean_squared_logarithmic_error": ("sigmoid", Y, lambda a, y: of_logarithms(a, y) * a * (1 - a)),
    "msle": ("sigmoid", Y, lambda a, y: of_logarithms(a, y) * a * (1 - a)),
    "cosine_similarity": ("linear", Y, lambda a, y: of_angles(a, y)),
    "poisson": ("softplus", Y, lambda a, y: (1 - y / a) * PER_OUTPUT * (1 - np.exp(-a))),
    "gamma_deviance": ("softplus", Y, lambda a, y: 2 * (a - y) / a**2 * PER_OUTPUT * (1 - np.exp(-a))),
    "tweedie_deviance": ("softplus", Y, lambda a, y: 2 * (a - y) / a**1.5 * PER_OUTPUT * (1 - np.exp(-a))),
    "hinge": ("linear", SIGNS, lambda a, y: -y * (y * a < 1) * PER_OUTPUT),
    "squared_hinge": ("linear", SIGNS, lambda a, y: -2 * y * np.maximum(1 - y * a, 0) * PER_OUTPUT),
    "categorical_hinge": ("linear", ONE_HOT, lambda a, y: of_margins(a, y)),
    "categorical_crossentropy": ("softmax", ONE_HOT, lambda a, y: a - y),
    "sparse_categorical_crossentropy": ("softmax", ONE_HOT.argmax(axis=1), lambda a, y: a - ONE_HOT),
}


def test_every_named_loss_is_tested() -> None:
    from fastbp.losses import LOSSES as NAMED

    assert set(LOSSES) == set(NAMED)


@pytest.mark.parametrize("loss", LOSSES)
def test_delta_of_the_output_for_every_named_loss(loss: str) -> None:
    output, y, delta = LOSSES[loss]
    net = network("tanh", output, loss)
    back = net.backpropagate(X, y)
    assert_equations_hold(net, back, "tanh", delta(back.a[4], y))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_backends_give_equal_bits_and_gradients_those_of_training(dtype: str, loss: str) -> None:
    output, y, _ = LOSSES[loss]
    core, reference = (network("sigmoid", output, loss, dtype, backend) for backend in ("core", "reference"))
    ours, theirs = core.backpropagate(X, y), reference.backpropagate(X, y)
    assert ours.loss == theirs.loss
    for name in ("a", "z", "delta", "weight_gradients", "bias_gradients"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert list(one) == list(other)
        for layer in one:
            assert one[layer].dtype == dtype
            assert one[layer].tobytes() == other[layer].tobytes(), (name, layer)
    in_order = [gradients[layer] for layer in (2, 3, 4) for gradients in (ours.weight_gradients, ours.bias_gradients)]
    loss_of_training, of_training = core.loss_and_gradients(X, y)
    assert loss_of_training == ours.loss
    assert [g.tobytes() for g in in_order] == [g.tobytes() for g in of_training]


@pytest.mark.parametrize("loss", LOSSES)
def test_delta_of_a_row_does_not_depend_on_the_others(loss: str) -> None:
    output, y, _ = LOSSES[loss]
    net = network("sigmoid", output, loss, "float32")
    together = net.backpropagate(X, y)
    for row in range(M):
        alone = net.backpropagate(X[row : row + 1], y[row : row + 1])
        for layer in (2, 3, 4):
            assert alone.delta[layer].tobytes() == together.delta[layer][row : row + 1].tobytes()


def test_penalties_are_left_out() -> None:
    plain, penalized = network("tanh", "linear", "mse"), network("tanh", "linear", "mse", l1=0.5, l2=2.0)
    one, other = plain.backpropagate(X, Y), penalized.backpropagate(X, Y)
    assert one.loss == other.loss
    assert all(np.array_equal(one.weight_gradients[layer], other.weight_gradients[layer]) for layer in (2, 3, 4))


def test_any_activation_and_loss_of_expressions() -> None:
    net = network(lambda z: z / (1 + abs(z)), bp.sin, lambda y, a: bp.sum((a - y) ** 4, axis=-1))
    back = net.backpropagate(X, Y)
    np.testing.assert_allclose(back.delta[4], 4 * (np.sin(back.z[4]) - Y) ** 3 * np.cos(back.z[4]), rtol=1e-10)
    prime = 1 / (1 + np.abs(back.z[3])) ** 2
    kernel = net.get_weights()[4]
    np.testing.assert_allclose(back.delta[3], back.delta[4] @ kernel.T * prime, rtol=1e-10)


def test_layers_without_bias_have_no_gradient_of_it() -> None:
    net = bp.Sequential([bp.Dense(3, "tanh", use_bias=False), bp.Dense(3)])
    net.compile(loss="mse")
    back = net.backpropagate(X, Y)
    assert list(back.weight_gradients) == [2, 3]
    assert list(back.bias_gradients) == [3]


def test_it_sees_the_weights_of_the_moment_and_changes_none() -> None:
    net = network("tanh", "linear", "mse")
    before = net.backpropagate(X, Y)
    weights = net.get_weights()
    net.fit(X, Y, verbose=0)
    assert net.backpropagate(X, Y).loss < before.loss
    net.set_weights(weights)
    again = net.backpropagate(X, Y)
    assert all(again.delta[layer].tobytes() == before.delta[layer].tobytes() for layer in (2, 3, 4))


def test_a_model_of_dense_layers_called_one_by_one() -> None:
    x = bp.input("x", (4,))
    net = bp.Model(x, bp.Dense(3)(bp.Dense(5, "tanh")(x)))
    net.compile(loss="mse")
    assert net.backpropagate(X, Y).layers == 3


def test_other_networks_are_refused() -> None:
    x, other = bp.input("x", (4,)), bp.input("other", (4,))
    shared = bp.Dense(4)
    refused: list[tuple[Any, type[Exception], str]] = [
        (bp.Sequential([bp.Dense(3), bp.Dropout(0.5)]), TypeError, "networks of Dense layers.*got <Dropout dropout>"),
        (bp.Sequential([bp.Rescaling(2.0), bp.Dense(3)]), TypeError, "networks of Dense layers.*got <Rescaling"),
        (bp.Model(x, bp.Dense(3)(x) + 1.0), TypeError, "networks of Dense layers.*got <Operation add>"),
        (bp.Model(x, bp.Dense(3)(shared(shared(x)))), ValueError, "used once, got 'dense' twice"),
        (bp.Model([x, other], bp.Dense(3)(bp.concatenate([x, other]))), TypeError, "one input, got one of 2"),
    ]
    for net, error, message in refused:
        net.compile(loss="mse")
        with pytest.raises(error, match=message):
            net.backpropagate(X if len(net.inputs) == 1 else [X, X], Y)
    with pytest.raises(ValueError, match="must be compiled first"):
        bp.Sequential([bp.Dense(3)]).backpropagate(X, Y)
    net = network("tanh", "linear", "mse")
    with pytest.raises(ValueError, match=r"y must have the shape \(rows, 3\) of the outputs"):
        net.backpropagate(X, Y[:, :2])


# --- the quadratic cost's slow learning: Nielsen, chapter 3: one neuron, input 1, target 0, η = 0.15, 300 epochs


def one_neuron(loss: str, start: float) -> Any:
    net = bp.Sequential([bp.Input((1,)), bp.Dense(1, "sigmoid")], dtype="float64")
    net.set_weights([[[start]], [start]])
    net.compile(bp.SGD(0.15), loss)
    return net


def test_a_saturated_sigmoid_learns_slowly_from_the_quadratic_cost_and_not_from_the_cross_entropy() -> None:
    slopes, outputs = {}, {}
    for loss in ("quadratic", "cross_entropy"):
        net = one_neuron(loss, 2.0)
        assert net.predict([[1.0]])[0, 0] == pytest.approx(0.98, abs=0.005)  # the textbook's initial output
        slopes[loss] = float(net.backpropagate([[1.0]], [[0.0]]).delta[2][0, 0])
        net.fit([[1.0]], [[0.0]], epochs=300, verbose=0)
        outputs[loss] = float(net.predict([[1.0]])[0, 0])
    a = logistic(np.float64(4.0))
    assert slopes["cross_entropy"] == pytest.approx(a, rel=1e-12)
    assert slopes["quadratic"] == pytest.approx(a * a * (1 - a), rel=1e-12)  # times σ′(z), small where saturated
    assert outputs["quadratic"] == pytest.approx(0.20, abs=0.005)  # the textbook's final output
    assert outputs["cross_entropy"] < 0.05


def test_from_a_better_start_the_quadratic_cost_learns_well() -> None:
    net = one_neuron("quadratic", 0.0)
    net.set_weights([[[0.6]], [0.9]])
    assert net.predict([[1.0]])[0, 0] == pytest.approx(0.82, abs=0.005)
    net.fit([[1.0]], [[0.0]], epochs=300, verbose=0)
    assert net.predict([[1.0]])[0, 0] == pytest.approx(0.09, abs=0.005)


# --- in what sense backpropagation is fast


def test_one_backward_pass_gives_what_takes_a_forward_pass_per_weight() -> None:
    net = network("sigmoid", "sigmoid", "quadratic")
    weights, passes = net.get_weights(), 0

    def cost() -> float:
        nonlocal passes
        passes += 1
        return float(net.evaluate(X, Y, batch_size=M))

    base = cost()
    back = net.backpropagate(X, Y)
    exact = [gradients[layer] for layer in (2, 3, 4) for gradients in (back.weight_gradients, back.bias_gradients)]
    for index, weight in enumerate(weights):
        for place in np.ndindex(weight.shape):
            moved = [w.copy() for w in weights]
            moved[index][place] += 1e-6
            net.set_weights(moved)
            assert (cost() - base) / 1e-6 == pytest.approx(exact[index][place], abs=1e-6)
    assert passes == 1 + net.count_params()
