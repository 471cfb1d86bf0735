"""L1, L2, the proximal step and the max-norm constraint agree with NumPy and have equal bits in both backends."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest

BACKENDS = ["core", "reference"]
ROWS, BATCH, FEATURES, UNITS = 12, 5, 4, 3
RATE, STRENGTH = 0.1, 0.6

X = np.random.default_rng(0).normal(size=(ROWS, FEATURES))
Y = np.random.default_rng(1).normal(size=(ROWS, UNITS))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Any:
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


def linear_net(backend: str, optimizer: Any = None, dtype: str = "float64", dense: Any = None, **goal: Any) -> bp.Model:
    layer = bp.Dense(UNITS, **(dense or {}))
    net = bp.Sequential([bp.Input((FEATURES,)), layer], seed=3, dtype=dtype)
    net.compile(optimizer or bp.SGD(RATE), "quadratic", backend=backend, **goal)
    return net


def soft(w: np.ndarray, threshold: float) -> np.ndarray:
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


def trained(net: bp.Model, epochs: int = 2) -> list[np.ndarray]:
    net.fit(X, Y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)
    return net.get_weights()


def by_numpy(net: bp.Model, step: Any, epochs: int = 2) -> list[np.ndarray]:
    """Kernel and bias of a linear net with the quadratic cost, the kernel moved by step(kernel, mean gradient)."""
    kernel, bias = net.get_weights()
    for _ in range(epochs):
        for start in range(0, ROWS, BATCH):
            x, y = X[start : start + BATCH], Y[start : start + BATCH]
            delta = x @ kernel + bias - y
            kernel, bias = step(kernel, x.T @ delta / len(x)), bias - RATE * delta.mean(axis=0)
    return [kernel, bias]


def assert_agree(got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


# --- the lecture's updates: m is all rows that are trained on, m̂ the rows of the batch


def test_l2_leaves_one_minus_eta_lambda_over_m_of_a_weight(backend):
    net = linear_net(backend, l2=STRENGTH)
    expected = by_numpy(net, lambda w, g: (1 - RATE * STRENGTH / ROWS) * w - RATE * g)
    assert_agree(trained(net), expected)


def test_l1_takes_eta_lambda_over_m_times_the_sign(backend):
    net = linear_net(backend, l1=STRENGTH)
    expected = by_numpy(net, lambda w, g: w - RATE * STRENGTH / ROWS * np.sign(w) - RATE * g)
    assert_agree(trained(net), expected)


def test_a_layers_penalties_are_not_divided_by_the_rows(backend):
    net = linear_net(backend, dense={"kernel_regularizer": bp.L1L2(0.02, 0.03)})
    expected = by_numpy(net, lambda w, g: w - RATE * (g + 0.02 * np.sign(w) + 2 * 0.03 * w))
    assert_agree(trained(net), expected)


def test_the_sign_of_0_is_0(backend):
    net = linear_net(backend, l1=5.0, dense={"kernel_initializer": "zeros"})
    net.train_on_batch(np.zeros((ROWS, FEATURES)), Y)  # inputs of 0: no gradient but the penalty's
    assert not net.get_weights()[0].any()


# --- the proximal step


def test_the_proximal_step_is_the_soft_threshold_behind_the_descent(backend):
    net = linear_net(backend, l1=STRENGTH, proximal=True)
    expected = by_numpy(net, lambda w, g: soft(w - RATE * g, RATE * STRENGTH / ROWS))
    assert_agree(trained(net), expected)


def test_a_layers_proximal_step_has_its_own_factor_and_the_nets_is_added(backend):
    net = linear_net(backend, l1=STRENGTH, proximal=True, dense={"kernel_regularizer": bp.L1(0.07, proximal=True)})
    expected = by_numpy(net, lambda w, g: soft(w - RATE * g, RATE * (0.07 + STRENGTH / ROWS)))
    assert_agree(trained(net), expected)


def test_l2_beside_a_proximal_l1_goes_through_the_gradient(backend):
    net = linear_net(backend, dense={"kernel_regularizer": bp.L1L2(0.07, 0.05, proximal=True)})
    expected = by_numpy(net, lambda w, g: soft(w - RATE * (g + 2 * 0.05 * w), RATE * 0.07))
    assert_agree(trained(net), expected)


def test_the_velocity_knows_nothing_of_the_proximal_step(backend):
    net = linear_net(backend, bp.SGD(RATE, momentum=0.9), l1=STRENGTH, proximal=True, dense={"use_bias": False})
    velocity = np.zeros((FEATURES, UNITS))
    (kernel,) = net.get_weights()
    for start in range(0, ROWS, BATCH):
        x, y = X[start : start + BATCH], Y[start : start + BATCH]
        velocity = 0.9 * velocity - RATE * x.T @ (x @ kernel - y) / len(x)
        kernel = soft(kernel + velocity, RATE * STRENGTH / ROWS)
    assert_agree(trained(net, epochs=1), [kernel])


def test_the_threshold_follows_the_learning_rate_and_the_rows(backend):
    net = linear_net(backend, l1=STRENGTH, proximal=True, dense={"kernel_initializer": "ones"})
    nothing = np.zeros((ROWS, FEATURES))
    for rate, rows in [(0.1, 12), (0.05, 12), (0.05, 6)]:
        net.optimizer.learning_rate = rate
        before = net.get_weights()[0]
        net.fit(nothing[:rows], Y[:rows], batch_size=12, epochs=1, verbose=0)
        np.testing.assert_allclose(before - net.get_weights()[0], rate * STRENGTH / rows, rtol=1e-13)


def test_biases_are_spared_and_frozen_weights_stay(backend):
    spared = linear_net(backend, l1=1e6, proximal=True)
    expected = by_numpy(spared, lambda w, g: 0 * w, epochs=1)
    assert_agree(trained(spared, epochs=1), expected)
    frozen = bp.Dense(2, kernel_regularizer=bp.L1(9.0, proximal=True), trainable=False)
    net = bp.Sequential([bp.Input((FEATURES,)), frozen, bp.Dense(UNITS)])
    net.compile(bp.SGD(RATE), "mse", backend=backend, l1=3.0, proximal=True)
    before = net.get_weights()[0]
    trained(net)
    assert np.array_equal(net.get_weights()[0], before)


@pytest.mark.parametrize("proximal", [False, True])
def test_the_penalty_is_reported_in_the_loss(backend, proximal):
    regularizer = bp.L1L2(0.3, 0.2, proximal=proximal)
    net = linear_net(backend, l1=STRENGTH, proximal=proximal, dense={"kernel_regularizer": regularizer})
    net.fit(X, Y, batch_size=ROWS, epochs=1, verbose=0)  # m is 12 from now on
    kernel, bias = net.get_weights()
    loss = np.sum((X @ kernel + bias - Y) ** 2) / (2 * ROWS)
    penalty = (0.3 + STRENGTH / ROWS) * np.abs(kernel).sum() + 0.2 * np.square(kernel).sum()
    assert net.evaluate(X, Y, batch_size=ROWS, verbose=0) == pytest.approx(loss + penalty, rel=1e-12)
    assert net.loss_and_gradients(X, Y)[0] == pytest.approx(loss + penalty, rel=1e-12)
    assert net.train_on_batch(X, Y) == pytest.approx(loss + penalty, rel=1e-12)


def test_only_the_proximal_step_makes_weights_exactly_0(backend):
    x = np.random.default_rng(2).normal(size=(60, 20)).astype(np.float32)
    y = x[:, :3] @ np.float32([1.0, -2.0, 3.0])  # 17 of 20 features have no influence
    zeros = {}
    for name, goal in {"l2": {"l2": 6.0}, "l1": {"l1": 6.0}, "proximal": {"l1": 6.0, "proximal": True}}.items():
        net = bp.Sequential([bp.Input((20,)), bp.Dense(1)], seed=0)
        net.compile(bp.SGD(0.05), "quadratic", backend=backend, **goal)
        net.fit(x, y, batch_size=20, epochs=40, verbose=0)
        zeros[name] = np.flatnonzero(net.get_weights()[0] == 0).tolist()
    assert zeros["l2"] == zeros["l1"] == []
    assert len(zeros["proximal"]) >= 12
    assert min(zeros["proximal"]) >= 3


def test_l1_shrinks_by_the_same_amount_and_l2_in_proportion(backend):
    starts = np.array([[2.0, 1.0, -0.5]] * FEATURES)
    nothing = np.zeros((1, FEATURES))
    for goal, expected in [
        ({"l1": 0.4}, starts - RATE * 0.4 * np.sign(starts)),
        ({"l1": 0.4, "proximal": True}, starts - RATE * 0.4 * np.sign(starts)),
        ({"l2": 0.4}, starts * (1 - RATE * 0.4)),
    ]:
        net = linear_net(backend, dense={"use_bias": False}, **goal)
        net.set_weights([starts])
        net.train_on_batch(nothing, Y[:1] * 0)
        np.testing.assert_allclose(net.get_weights()[0], expected, rtol=1e-14)


# --- the max-norm constraint


def limited(w: np.ndarray, most: float) -> np.ndarray:
    norms = np.linalg.norm(w, axis=0)
    return w * np.where(norms > most, most / norms, 1.0)


def test_the_constraint_scales_the_columns_that_are_too_long(backend):
    most = 0.65
    net = linear_net(backend, dense={"kernel_constraint": bp.MaxNorm(most)})
    assert_agree(trained(net), by_numpy(linear_net(backend), lambda w, g: limited(w - RATE * g, most)))
    start = np.random.default_rng(4).normal(size=(FEATURES, UNITS)) * [0.1, 3.0, 0.2]
    net.set_weights([start, np.zeros(UNITS)])
    net.train_on_batch(X * 0, Y)
    got = net.get_weights()[0]
    assert np.array_equal(got[:, [0, 2]], start[:, [0, 2]])
    np.testing.assert_allclose(np.linalg.norm(got[:, 1]), most, rtol=1e-14)
    np.testing.assert_allclose(got[:, 1] / start[:, 1], most / np.linalg.norm(start[:, 1]), rtol=1e-14)


def test_columns_that_are_short_keep_their_bits(backend):
    free, held = (linear_net(backend, dense={"kernel_constraint": c}) for c in (None, bp.MaxNorm(50.0)))
    for one, other in zip(trained(free), trained(held), strict=True):
        assert np.array_equal(one, other)


def test_a_bias_is_constrained_as_one_column(backend):
    net = linear_net(backend, dense={"bias_constraint": "max_norm", "bias_initializer": bp.Constant(7.0)})
    net.train_on_batch(X, Y)
    assert np.linalg.norm(net.get_weights()[1]) == pytest.approx(2.0, rel=1e-14)


def test_the_norm_of_float32_weights_does_not_overflow(backend):
    net = linear_net(backend, dtype="float32", dense={"kernel_constraint": bp.MaxNorm(3.0), "use_bias": False})
    net.set_weights([np.full((FEATURES, UNITS), 1e30)])
    net.train_on_batch(np.zeros((2, FEATURES)), np.zeros((2, UNITS)))
    np.testing.assert_allclose(net.get_weights()[0], 1.5, rtol=1e-6)


def test_a_constraint_is_a_function_of_arrays():
    w = np.random.default_rng(3).normal(size=(300, 7)) * np.arange(1, 8)
    np.testing.assert_allclose(bp.MaxNorm(20.0)(w), limited(w, 20.0), rtol=1e-13)
    assert bp.MaxNorm(20.0)(w.astype(np.float32)).dtype == np.float32


# --- equal bits

OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.1, weight_decay=0.01),
    "momentum": lambda: bp.SGD(0.05, momentum=0.9),
    "nesterov": lambda: bp.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: bp.Adam(0.01),
    "averaged": lambda: bp.SGD(0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=4),
    "accumulated": lambda: bp.RMSprop(0.005, gradient_accumulation_steps=2, clipnorm=1.0),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_backends_and_any_number_of_threads_give_the_same_bits(optimizer, dtype):
    pytest.importorskip("fastbp._core")
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(90, 17)), rng.normal(size=(90, 5))
    results, threads = [], bp.get_num_threads()
    try:
        for backend, count in [("reference", 1), ("core", 1), ("core", 2), ("core", 3)]:
            bp.set_num_threads(count)
            net = bp.Sequential(
                [
                    bp.Dense(
                        37, "tanh", kernel_constraint=bp.MaxNorm(0.9), kernel_regularizer=bp.L1(1e-3, proximal=True)
                    ),
                    bp.Dense(70, "relu", kernel_constraint=bp.MaxNorm(1.1), bias_constraint=bp.MaxNorm(0.1)),
                    bp.Dense(5),
                ],
                seed=1,
                dtype=dtype,
            )
            net.compile(OPTIMIZERS[optimizer](), "mse", backend=backend, l1=9.0, l2=0.2, proximal=True)
            history = net.fit(x, y, batch_size=32, epochs=3, verbose=0).history
            results.append((bp.weights_hash(net.get_weights()), history["loss"]))
    finally:
        bp.set_num_threads(threads)
    assert results[1:] == results[:1] * 3
    assert any((weight == 0).any() for weight in net.get_weights()[::2])


# --- arguments


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.MaxNorm(0), ValueError, "max_value must be finite and above 0, got 0"),
        (lambda: bp.MaxNorm(float("inf")), ValueError, "max_value must be finite and above 0, got inf"),
        (lambda: bp.MaxNorm("2"), TypeError, "max_value must be a number"),
        (lambda: bp.L1(0.1, proximal=1), TypeError, "proximal must be True or False"),
        (
            lambda: bp.Dense(3, kernel_constraint=lambda w: w),
            TypeError,
            "kernel_constraint must be a name, a constraint",
        ),
        (lambda: bp.Dense(3, kernel_constraint="maxnorm"), ValueError, "max_norm"),
        (lambda: bp.Sequential([bp.Dense(3)]).compile(loss="mse", proximal="yes"), TypeError, "proximal must be True"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
