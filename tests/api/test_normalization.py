"""Layer and RMS normalisation: float64 NumPy, finite differences, equal bits, rows that know nothing of one another."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same

RANDOM = np.random.default_rng(21)
X = RANDOM.normal(3, 2, size=(9, 4, 5))
BACKENDS = ["core", "reference"]


def normalised(x: np.ndarray, axes: tuple[int, ...], epsilon: float, rms: bool) -> np.ndarray:
    """By the formula, in float64."""
    centered = x if rms else x - x.mean(axis=axes, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=axes, keepdims=True) + epsilon)


def layer_of(kind: str, axis: Any, **options: Any) -> bp.Layer:
    return (bp.RMSNormalization if kind == "rms" else bp.LayerNormalization)(axis=axis, **options)


def network(layer: bp.Layer, shape: tuple[int, ...] = (4, 5), dtype: str = "float64", backend: str = "core") -> Any:
    net = bp.Sequential([bp.Input(shape), layer, bp.Flatten(), bp.Dense(2, activation="tanh")], seed=4, dtype=dtype)
    net.compile(bp.SGD(0.1, weight_decay=0.5), "mse", backend=backend)
    net.build()
    return net


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize(("axis", "axes"), [(-1, (2,)), (1, (1,)), ((1, 2), (1, 2)), ((-1, -2), (1, 2)), ([2], (2,))])
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_the_formulas(kind: str, axis: Any, axes: tuple[int, ...], backend: str) -> None:
    layer = layer_of(kind, axis, epsilon=0.01)
    net = bp.Sequential([bp.Input((4, 5)), layer], dtype="float64")
    net.compile(loss="mse", backend=backend)
    net.build()
    sizes = tuple(X.shape[a] for a in axes)
    assert [w.shape for w in net.get_weights()] == [sizes] * (1 if kind == "rms" else 2)
    weights = [RANDOM.normal(size=sizes) for _ in net.get_weights()]
    net.set_weights(weights)
    spread = [np.expand_dims(w, tuple(a for a in (0, 1, 2) if a not in axes)) for w in weights]
    expected = normalised(X, axes, 0.01, kind == "rms") * spread[0] + (0 if kind == "rms" else spread[1])
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
def test_gradients_are_those_of_finite_differences(kind: str, axis: Any) -> None:
    net = network(layer_of(kind, axis))
    y = RANDOM.normal(size=(9, 2))
    net.set_weights([w + 0.3 * RANDOM.normal(size=w.shape) for w in net.get_weights()])
    _, gradients = net.loss_and_gradients(X, y)
    weights, step = net.get_weights(), 1e-6
    for which, gradient in enumerate(gradients):
        for place in list(np.ndindex(gradient.shape))[:6]:
            costs = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[which][place] += sign * step
                net.set_weights(moved)
                costs.append(net.evaluate(X, y))
            assert gradient[place] == pytest.approx((costs[0] - costs[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("epsilon", [1e-3, 0.0])
def test_the_gradient_by_the_operand_is_that_of_finite_differences(kind: str, epsilon: float) -> None:
    layer, x = layer_of(kind, -1, epsilon=epsilon), bp.input("x")
    weights = bp.input("w")
    f = bp.function([x, weights], bp.sum(layer(x) * weights), gradients=[x], dtype="float64")
    data, factors = X[:, 0], RANDOM.normal(size=(9, 5))
    _, (gradient,) = f(data, factors)
    for place in np.ndindex(3, 5):
        up, down = data.copy(), data.copy()
        up[place] += 1e-6
        down[place] -= 1e-6
        slope = (f(up, factors)[0] - f(down, factors)[0]) / 2e-6
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_core_and_reference_train_alike_and_rows_stand_alone(kind: str, dtype: str) -> None:
    y = RANDOM.normal(size=(9, 2))
    nets = [network(layer_of(kind, -1), dtype=dtype, backend=backend) for backend in BACKENDS]
    for net in nets:
        net.fit(X, y, batch_size=4, epochs=3, verbose=0)
    for mine, theirs in zip(nets[0].get_weights(), nets[1].get_weights()):
        assert_same(mine, theirs)
    together = nets[0].predict(X)
    assert_same(together, nets[1].predict(X))
    assert_same(np.concatenate([nets[0].predict(X[i : i + 1]) for i in range(len(X))]), together)


def test_a_large_mean_leaves_the_variance_exact() -> None:
    x = np.array([[1e7 + 1, 1e7 + 3]])
    net = bp.Sequential([bp.LayerNormalization(epsilon=0.0)], dtype="float64")
    np.testing.assert_allclose(net.predict(x), [[-1, 1]], rtol=1e-12)


def test_a_row_of_one_number_becomes_beta_and_zeros_stay() -> None:
    assert not bp.Sequential([bp.LayerNormalization()]).predict(np.full((2, 3), 7.0)).any()
    assert not bp.Sequential([bp.RMSNormalization()]).predict(np.zeros((2, 3))).any()


def test_gamma_beta_and_scale_are_not_decayed() -> None:
    for kind in ("layer", "rms"):
        net = network(layer_of(kind, -1))
        before = [w.copy() for w in net.get_weights()]
        net.train_on_batch(np.zeros((2, 4, 5)), np.zeros((2, 2)))  # nothing flows to them
        own = 1 if kind == "rms" else 2
        np.testing.assert_array_equal(net.get_weights()[0], before[0])
        assert not np.array_equal(net.get_weights()[own], before[own])  # the kernel is


def test_center_and_scale_may_be_left_out_and_their_settings_hold() -> None:
    net = bp.Sequential([bp.Input((3,)), bp.LayerNormalization(center=False, scale=False)])
    net.build()
    assert net.get_weights() == []
    layer = bp.LayerNormalization(
        beta_initializer="ones", gamma_initializer="zeros", beta_constraint=bp.MaxNorm(1.0), gamma_regularizer="l2"
    )
    net = bp.Sequential([bp.Input((3,)), layer])
    net.build()
    assert not layer.gamma.value.any()
    assert layer.beta.value.all()
    assert [w.name for w in net.weights] == ["layer_normalization/gamma", "layer_normalization/beta"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.LayerNormalization(axis=None), TypeError, "axis must be a whole number or a tuple"),
        (lambda: bp.LayerNormalization(axis=()), ValueError, "axis must hold at least one axis"),
        (lambda: bp.LayerNormalization(epsilon=-1), ValueError, "epsilon must be finite and at least 0"),
        (lambda: bp.LayerNormalization(center="no"), TypeError, "center must be True or False"),
        (lambda: bp.RMSNormalization(axes=1), TypeError, "did you mean 'axis'"),
        (
            lambda: bp.Sequential([bp.Input((3,)), bp.RMSNormalization(axis=0)]).build(),
            ValueError,
            "rows are not mixed",
        ),
        (lambda: bp.Sequential([bp.Input((3,)), bp.RMSNormalization(axis=2)]).build(), ValueError, "axis of rms"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_operands_of_other_sizes_are_refused() -> None:
    layer = bp.LayerNormalization()
    net = bp.Sequential([bp.Input((3,)), layer])
    net.build()
    with pytest.raises(ValueError, match="built for axes"):
        bp.function([x := bp.input("x")], layer(x))(np.ones((2, 4)))


def test_a_long_name_in_a_summary_ends_before_the_next_column() -> None:
    lines: list[str] = []
    bp.Sequential([bp.Input((3,)), bp.LayerNormalization()]).summary(print_fn=lines.append)
    (line,) = [line for line in "\n".join(lines).splitlines() if line.startswith("layer_norm")]
    assert line.startswith("layer_normalization (LayerNorm… (rows, 3) ")
