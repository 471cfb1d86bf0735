"""Each optimiser follows its paper; all of them can clip, accumulate, average and use multipliers.

The papers' formulas are written here again, in NumPy and float64: hence a tolerance.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from fastbp.datasets import load_digits, stratified_split
from fastbp.optimizers import OPTIMIZERS
from fastbp.reference.optimizer import COMMON, OWN

BACKENDS = pytest.mark.parametrize("backend", ["core", "reference"])
START = np.array([0.5, -1.5, 2.0, 1e-3])
TARGETS = np.random.default_rng(5).normal(size=(6, 4))  # row t is the target of step t
NAMES = ["sgd", "adagrad", "rmsprop", "adam", "adamw", "nadam", "lion"]


def trajectory(optimizer: bp.Optimizer, backend: str = "core", dtype: str = "float64", steps: int = 6) -> np.ndarray:
    """The weights after each step on ½ Σ (w − target)², whose gradient is w − target."""
    after = []
    net = bp.Sequential([Offsets()], dtype=dtype)
    net.compile(optimizer, lambda y, a: bp.sum(bp.square(a - y)) / 2, backend=backend)
    for step in range(steps):
        net.train_on_batch(np.zeros((1, 4)), TARGETS[step : step + 1])
        after.append(net.get_weights()[0])
    return np.array(after)


class Offsets(bp.Layer):
    """x + w"""

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight((4,), lambda shape: START, "w")

    def call(self, x: Any) -> Any:
        return x + self.w


def by_hand(update: Callable[..., np.ndarray], steps: int = 6) -> np.ndarray:
    """The same by update(t, g, w, memory), which returns the new w; t counts from 1."""
    w, memory, after = START.copy(), {}, []
    for t in range(1, steps + 1):
        w = update(t, w - TARGETS[t - 1], w, memory)
        after.append(w)
    return np.array(after)


def duchi(t: int, g: Any, w: Any, memory: dict[str, Any]) -> Any:
    memory["sum"] = memory.get("sum", 0.1) + g**2
    return w - 0.3 * g / np.sqrt(memory["sum"] + 1e-7)


def hinton(centered: bool, momentum: float) -> Callable[..., Any]:
    def update(t: int, g: Any, w: Any, memory: dict[str, Any]) -> Any:
        memory["square"] = 0.9 * memory.get("square", 0.0) + 0.1 * g**2
        memory["mean"] = 0.9 * memory.get("mean", 0.0) + 0.1 * g
        variance = memory["square"] - (memory["mean"] ** 2 if centered else 0.0)
        memory["step"] = momentum * memory.get("step", 0.0) + 0.01 * g / np.sqrt(variance + 1e-7)
        return w - memory["step"]

    return update


def kingma(decay: float = 0.0, amsgrad: bool = False) -> Callable[..., Any]:
    def update(t: int, g: Any, w: Any, memory: dict[str, Any]) -> Any:
        w = w - 0.05 * decay * w
        m = memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
        v = memory["v"] = 0.999 * memory.get("v", 0.0) + 0.001 * g**2
        if amsgrad:
            v = memory["largest"] = np.maximum(memory.get("largest", 0.0), v)
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        return w - 0.05 * m_hat / (np.sqrt(v_hat) + 1e-7 / np.sqrt(1 - 0.999**t))  # the paper's ε = ε̂ ÷ √(1 − β₂ᵗ)

    return update


def dozat(t: int, g: Any, w: Any, memory: dict[str, Any]) -> Any:
    mu = [0.9 * (1 - 0.5 * 0.96**i) for i in range(t + 2)]
    m = memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0.0) + 0.001 * g**2
    m_hat = mu[t + 1] * m / (1 - np.prod(mu[1 : t + 2])) + (1 - mu[t]) * g / (1 - np.prod(mu[1 : t + 1]))
    return w - 0.05 * m_hat / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)


def chen(t: int, g: Any, w: Any, memory: dict[str, Any]) -> Any:
    m = memory.get("m", np.zeros(4))
    memory["m"] = 0.99 * m + 0.01 * g
    return w - 0.01 * (np.sign(0.9 * m + 0.1 * g) + 0.5 * w)


PAPERS: dict[str, tuple[Callable[[], bp.Optimizer], Callable[..., Any]]] = {
    "Duchi 2011": (lambda: bp.Adagrad(0.3), duchi),
    "Tieleman & Hinton 2012": (lambda: bp.RMSprop(0.01), hinton(False, 0.0)),
    "with momentum": (lambda: bp.RMSprop(0.01, momentum=0.7), hinton(False, 0.7)),
    "Graves 2013": (lambda: bp.RMSprop(0.01, centered=True), hinton(True, 0.0)),
    "with both": (lambda: bp.RMSprop(0.01, centered=True, momentum=0.7), hinton(True, 0.7)),
    "Kingma & Ba 2015": (lambda: bp.Adam(0.05), kingma()),
    "Reddi 2018": (lambda: bp.Adam(0.05, amsgrad=True), kingma(amsgrad=True)),
    "Loshchilov & Hutter 2019": (lambda: bp.AdamW(0.05, weight_decay=0.1), kingma(decay=0.1)),
    "Dozat 2016": (lambda: bp.Nadam(0.05), dozat),
    "Chen et al. 2023": (lambda: bp.Lion(0.01, weight_decay=0.5), chen),
}


@BACKENDS
@pytest.mark.parametrize("paper", PAPERS)
def test_the_first_steps_are_those_of_the_paper(paper: str, backend: str) -> None:
    optimizer, formula = PAPERS[paper]
    tolerance = 1e-6 if getattr(optimizer(), "centered", False) else 1e-11  # v − a² cancels
    np.testing.assert_allclose(trajectory(optimizer(), backend), by_hand(formula), rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_trains_a_network(name: str) -> None:
    x, y = load_digits()
    train, test = stratified_split(y, fraction=0.2)
    rates = {"sgd": 0.5, "adagrad": 0.05, "lion": 0.0005}
    net = bp.Sequential([bp.Rescaling(1 / 16), bp.Dense(32, activation="relu"), bp.Dense(10, activation="softmax")])
    optimizer = bp.optimizers.OPTIMIZERS[name](rates.get(name, 0.003))
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x[train], y[train], epochs=15, batch_size=32, verbose=0)
    assert net.evaluate(x[test], y[test], verbose=0)[1] > 0.9


@BACKENDS
@pytest.mark.parametrize("name", NAMES)
def test_two_fits_are_one_and_a_pickle_goes_on_as_the_original(name: str, backend: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 20, 4))

    def network() -> bp.Sequential:
        net = bp.Sequential([bp.Dense(5, activation="tanh"), bp.Dense(4)])
        schedule = bp.CosineDecay(0.05, 9)
        options = {"gradient_accumulation_steps": 2, "clipnorm": 0.5}
        net.compile(bp.optimizers.OPTIMIZERS[name](schedule, **options), "mse", backend=backend)
        return net

    one, two = network(), network()
    one.fit(x, y, epochs=2, batch_size=5, verbose=0)
    one.train_on_batch(x, y)
    one.fit(x, y, epochs=1, batch_size=7, verbose=0)
    for _ in range(2):  # of 4 steps, so that no gradient is left over
        two.fit(x, y, epochs=1, batch_size=5, verbose=0)
    two.train_on_batch(x, y)  # its gradient waits
    copies = [two, pickle.loads(pickle.dumps(two)), copy.deepcopy(two)]
    for net in copies:
        net.fit(x, y, epochs=1, batch_size=7, verbose=0)
        for weight, expected in zip(net.get_weights(), one.get_weights(), strict=True):
            assert weight.tobytes() == expected.tobytes()


@BACKENDS
@pytest.mark.parametrize("name", NAMES)
def test_a_step_that_is_not_finite_writes_nothing(name: str, backend: str) -> None:
    def network() -> bp.Sequential:
        net = bp.Sequential([Offsets()], dtype="float32")
        net.compile(bp.optimizers.OPTIMIZERS[name](0.1, use_ema=True), "mse", backend=backend)
        net.train_on_batch(np.zeros((1, 4)), np.ones((1, 4)))
        return net

    net, twin = network(), network()
    with pytest.raises(bp.NonFiniteError):
        net.train_on_batch(np.zeros((1, 4)), np.full((1, 4), 3e38))
    for model in (net, twin):
        model.train_on_batch(np.zeros((1, 4)), np.full((1, 4), 2.0))
    assert net.get_weights()[0].tobytes() == twin.get_weights()[0].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_no_float32_can_hold_is_not_written_on_the_fast_way_either(name: str) -> None:
    """Steps on gradients up to 2^60 are taken untried; at any size, core and reference write or refuse the same."""
    for exponent in (20, 40, 58, 62, 70, 100, 126):
        ends = []
        for backend in ("core", "reference"):
            net = bp.Sequential([Offsets()], dtype="float32")
            net.compile(bp.optimizers.OPTIMIZERS[name](1e8), lambda y, a: bp.sum(a * y), backend=backend)
            with np.errstate(all="ignore"):
                try:
                    for _ in range(4):
                        net.train_on_batch(np.zeros((1, 4)), np.full((1, 4), 2.0**exponent))
                    end = "done"
                except bp.NonFiniteError as error:
                    end = str(error)
            assert np.isfinite(net.get_weights()[0]).all()
            ends.append((end, net.get_weights()[0].tobytes()))
        assert ends[0] == ends[1], exponent


# --- clipping


def first_step(backend: str, gradient: list[float], **options: Any) -> np.ndarray:
    """How far plain descent at rate 1 moves two parameters of two elements with this gradient."""
    a, b = bp.parameter([0.0, 0.0]), bp.parameter([0.0, 0.0])
    slopes = np.array(gradient)
    cost = bp.sum(a * slopes[:2]) + bp.sum(b * slopes[2:])
    bp.minimize(cost, optimizer=bp.SGD(1.0, **options), dtype="float64", backend=backend)
    return -np.concatenate([a.value, b.value])


@BACKENDS
def test_clipping(backend: str) -> None:
    gradient = [3.0, 4.0, -0.5, 12.0]
    assert first_step(backend, gradient).tolist() == gradient
    assert first_step(backend, gradient, clipvalue=2.0).tolist() == [2.0, 2.0, -0.5, 2.0]
    np.testing.assert_allclose(first_step(backend, gradient, clipnorm=5.0)[:2], [3.0, 4.0], rtol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(first_step(backend, gradient, clipnorm=5.0)[2:]), 5.0, rtol=1e-15)
    clipped = first_step(backend, gradient, global_clipnorm=1.0)
    np.testing.assert_allclose(clipped, np.array(gradient) / np.linalg.norm(gradient), rtol=1e-15)
    assert first_step(backend, gradient, global_clipnorm=14.0).tolist() == gradient


@BACKENDS
def test_a_norm_beyond_float64_is_no_step(backend: str) -> None:
    with pytest.raises(bp.NonFiniteError, match="its gradient's norm"):
        first_step(backend, [1e200, 0.0, 0.0, 0.0], clipnorm=1.0)


# --- accumulation


@BACKENDS
def test_accumulated_gradients_are_one_update_with_their_mean(backend: str) -> None:
    weights = trajectory(bp.SGD(0.5, gradient_accumulation_steps=3), backend)
    first = START - 0.5 * (START - TARGETS[:3].mean(axis=0))
    second = first - 0.5 * (first - TARGETS[3:].mean(axis=0))
    np.testing.assert_array_equal(weights[[0, 1]], [START, START])
    np.testing.assert_allclose(weights[[2, 3, 4, 5]], [first, first, first, second], rtol=1e-14)


def test_a_parameter_without_axes_collects_gradients_too() -> None:
    def trained(backend: str) -> np.ndarray:
        x, w = bp.input("x"), bp.parameter(1.0, name="w")
        optimizer = bp.SGD(0.25, gradient_accumulation_steps=2, use_ema=True)
        bp.minimize(bp.mean((x * w) ** 2), {"x": np.arange(6.0)}, optimizer, batch_size=2, backend=backend)
        return np.asarray(w.value)

    assert trained("reference").tobytes() == trained("core").tobytes() != np.float32(1.0).tobytes()


def offsets(optimizer: bp.Optimizer, backend: str) -> bp.Sequential:
    net = bp.Sequential([Offsets()], dtype="float64")
    net.compile(optimizer, lambda y, a: bp.sum(bp.square(a - y)) / 2, backend=backend)
    return net


def fitted(net: bp.Sequential, rows: int, **options: Any) -> np.ndarray:
    net.fit(np.zeros((rows, 4)), TARGETS[:rows], batch_size=1, shuffle=False, verbose=0, **options)
    return net.get_weights()[0]


def descended(w: np.ndarray, *groups: list[int]) -> np.ndarray:
    """SGD with η = 0.5: each group of rows makes an update with its mean gradient."""
    for group in groups:
        w = w - 0.5 * (w - TARGETS[group].mean(axis=0))
    return w


@BACKENDS
def test_what_is_left_of_accumulated_gradients_makes_a_last_update(backend: str) -> None:
    close = {"rtol": 1e-14}
    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)
    np.testing.assert_allclose(fitted(net, 6), descended(START, [0, 1, 2, 3], [4, 5]), **close)
    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)
    np.testing.assert_allclose(fitted(net, 3), descended(START, [0, 1, 2]), **close)
    np.testing.assert_allclose(fitted(net, 1), descended(START, [0, 1, 2], [0]), **close)  # nothing is left over
    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)  # within a fit, epochs do not end a group
    np.testing.assert_allclose(fitted(net, 3, epochs=2), descended(START, [0, 1, 2, 0], [1, 2]), **close)


@BACKENDS
def test_what_train_on_batch_accumulates_waits(backend: str) -> None:
    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)
    for row in range(3):
        net.train_on_batch(np.zeros((1, 4)), TARGETS[row : row + 1])
    np.testing.assert_array_equal(fitted(net, 3, epochs=0), START)  # a fit without a step makes no update
    np.testing.assert_array_equal(net.get_weights()[0], START)
    np.testing.assert_allclose(fitted(net, 2), descended(START, [0, 1, 2, 0], [1]), rtol=1e-14)


@BACKENDS
def test_a_fit_that_is_stopped_makes_the_last_update_too(backend: str) -> None:
    def stop_after(row: int) -> bp.Callback:
        def stop(batch: int, logs: object) -> None:
            net.stop_training = batch == row

        return bp.LambdaCallback(on_train_batch_end=stop)

    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)
    np.testing.assert_allclose(fitted(net, 6, callbacks=[stop_after(1)]), descended(START, [0, 1]), rtol=1e-14)

    class Fails(Exception):
        pass

    def fail(batch: int, logs: object) -> None:
        if batch == 1:
            raise Fails

    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)
    with pytest.raises(Fails):  # not after an exception: as after the last whole step
        fitted(net, 6, callbacks=[bp.LambdaCallback(on_train_batch_end=fail)])
    np.testing.assert_array_equal(net.get_weights()[0], START)


@BACKENDS
def test_the_last_validation_sees_the_last_update(backend: str) -> None:
    net = offsets(bp.SGD(0.5, gradient_accumulation_steps=4), backend)
    held_out = (np.zeros((2, 4)), TARGETS[:2])
    run = net.fit(
        np.zeros((6, 4)),
        TARGETS,
        batch_size=1,
        epochs=3,
        shuffle=False,
        verbose=0,
        validation_data=held_out,
        validation_batch_size=32,
    )
    assert run.history["val_loss"][-1] == net.evaluate(*held_out)


@BACKENDS
def test_minimize_makes_the_last_update_too(backend: str) -> None:
    w = bp.parameter(START, name="w")
    target = bp.input("t", (4,))
    cost = bp.sum(bp.square(w - target)) / 2
    run = bp.minimize(
        cost, {"t": TARGETS}, bp.SGD(0.5, gradient_accumulation_steps=4), batch_size=1, shuffle=False,
        dtype="float64", evaluate_every=1, backend=backend,
    )  # fmt: skip
    expected = descended(START, [0, 1, 2, 3], [4, 5])
    np.testing.assert_allclose(w.value, expected, rtol=1e-14)
    np.testing.assert_allclose(run.history["full_cost"], [((expected - TARGETS) ** 2).sum() / 2], rtol=1e-14)


@BACKENDS
def test_a_last_update_that_is_not_finite_is_not_made(backend: str) -> None:
    """−η·g overflows, though the sum of the gradients does not."""
    net = offsets(bp.SGD(1e308, gradient_accumulation_steps=4), backend)
    with pytest.raises(bp.NonFiniteError, match="its update"):
        fitted(net, 3)
    np.testing.assert_array_equal(net.get_weights()[0], START)


@BACKENDS
def test_a_last_update_clips_decays_and_counts_as_one(backend: str) -> None:
    rates = []

    def rate(update: int) -> float:
        rates.append(update)
        return 0.5 / (1 + update)

    optimizer = bp.SGD(rate, gradient_accumulation_steps=4, clipnorm=0.25, weight_decay=0.1)
    result = fitted(offsets(optimizer, backend), 6)
    w = START
    for update, group in enumerate(([0, 1, 2, 3], [4, 5])):
        g = w - TARGETS[group].mean(axis=0)
        eta = 0.5 / (1 + update)
        w = w - eta * 0.1 * w - eta * g * min(1.0, 0.25 / np.linalg.norm(g))
    np.testing.assert_allclose(result, w, rtol=1e-13)
    assert sorted(set(rates)) == [0, 1]


# --- averages


def averaged_path(path: list[np.ndarray], momentum: float) -> list[np.ndarray]:
    """The average after each update of a path of weights that nothing overwrites; the first update begins it."""
    found = [path[0]]
    for weight in path[1:]:
        found.append(momentum * found[-1] + (1 - momentum) * weight)
    return found


@BACKENDS
def test_validation_is_of_the_averaged_weights_that_fit_leaves(backend: str) -> None:
    net, path = offsets(bp.SGD(0.5, use_ema=True, ema_momentum=0.75), backend), []
    watch = bp.LambdaCallback(on_epoch_end=lambda epoch, logs: path.append(net.get_weights()[0]))
    zeros = np.zeros((6, 4))
    history = net.fit(
        zeros, TARGETS, batch_size=6, epochs=5, verbose=0, validation_data=(zeros, TARGETS), callbacks=[watch]
    ).history
    expected = [((average - TARGETS) ** 2).sum() / 2 for average in averaged_path(path, 0.75)]
    np.testing.assert_allclose(history["val_loss"], expected, rtol=1e-13)
    assert net.evaluate(zeros, TARGETS) == history["val_loss"][-1]
    assert not np.allclose(history["val_loss"][1:-1], history["loss"][2:])  # the weights' own figures are others


@BACKENDS
@pytest.mark.parametrize("every", [None, 2])
def test_the_best_weights_are_averaged_ones(backend: str, every: int | None) -> None:
    """The rate makes the weights run away after a while, so the best epoch is not the last."""
    optimizer = bp.SGD(lambda update: 0.3 if update < 3 else 2.5, use_ema=True, ema_overwrite_frequency=every)
    net, zeros = offsets(optimizer, backend), np.zeros((6, 4))
    stop = bp.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    history = net.fit(
        zeros, TARGETS, batch_size=6, epochs=30, verbose=0, validation_data=(zeros, TARGETS), callbacks=[stop]
    ).history
    assert len(history["val_loss"]) < 30
    assert stop.best == min(history["val_loss"]) < history["val_loss"][-1]
    assert net.evaluate(zeros, TARGETS) == stop.best


@BACKENDS
def test_minimize_reports_the_cost_of_the_averages(backend: str) -> None:
    w, target = bp.parameter(START, name="w"), bp.input("t", (4,))
    cost = bp.sum(bp.square(w - target)) / 2
    run = bp.minimize(
        cost, {"t": TARGETS}, bp.SGD(0.1, use_ema=True, ema_momentum=0.5), epochs=3, dtype="float64",
        evaluate_every=1, backend=backend,
    )  # fmt: skip
    path, weight = [], START
    for _ in range(3):
        weight = weight - 0.1 * (weight - TARGETS).sum(axis=0)
        path.append(weight)
    expected = [((average - TARGETS) ** 2).sum() / 2 for average in averaged_path(path, 0.5)]
    np.testing.assert_allclose(run.history["full_cost"], expected, rtol=1e-12)
    np.testing.assert_allclose(w.value, averaged_path(path, 0.5)[-1], rtol=1e-12)


@BACKENDS
def test_the_average_of_the_weights_replaces_them_after_fit(backend: str) -> None:
    def trained(**options: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        net = bp.Sequential([Offsets()], dtype="float64")
        net.compile(bp.SGD(0.25, **options), lambda y, a: bp.sum(bp.square(a - y)) / 2, backend=backend)
        seen: list[np.ndarray] = []
        watch = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(net.get_weights()[0]))
        net.fit(np.zeros((6, 4)), TARGETS, batch_size=1, shuffle=False, verbose=0, callbacks=[watch])
        return net.get_weights()[0], seen

    plain, path = trained()
    averaged, same_path = trained(use_ema=True, ema_momentum=0.5)
    np.testing.assert_array_equal(path, same_path)
    expected = path[0]
    for weight in path[1:]:
        expected = 0.5 * expected + 0.5 * weight
    np.testing.assert_allclose(averaged, expected, rtol=1e-14)
    assert plain.tolist() == path[-1].tolist()


@BACKENDS
def test_an_average_may_overwrite_the_weights_on_the_way(backend: str) -> None:
    plain = trajectory(bp.SGD(0.25), backend)
    weights = trajectory(bp.SGD(0.25, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=2), backend)
    np.testing.assert_array_equal(weights[0], plain[0])
    np.testing.assert_allclose(weights[1], 0.75 * plain[0] + 0.25 * plain[1], rtol=1e-14)


@BACKENDS
def test_minimize_ends_with_the_average_too(backend: str) -> None:
    w = bp.parameter(1.0)
    bp.minimize(w**2, optimizer=bp.SGD(0.25, use_ema=True, ema_momentum=0.5), epochs=2, backend=backend)
    assert w.value == (0.5 + 0.25) / 2


# --- multipliers


@BACKENDS
def test_multipliers_of_learning_rate_and_decay(backend: str) -> None:
    w = bp.parameter(1.0, learning_rate_multiplier=0.5)
    v = bp.parameter(1.0, weight_decay_multiplier=2.0)
    u = bp.parameter(1.0, weight_decay_multiplier=0.0)
    cost = w * 2.0 + v * 2.0 + u * 2.0
    bp.minimize(cost, optimizer=bp.SGD(0.25, weight_decay=0.5), dtype="float64", backend=backend)
    assert w.value == 1 - 0.125 * 0.5 - 0.125 * 2
    assert v.value == 1 - 0.25 * 1.0 - 0.25 * 2
    assert u.value == 1 - 0.25 * 2


@BACKENDS
def test_multipliers_of_layers_may_change_between_fits_and_reach_inner_layers(backend: str) -> None:
    x, y = np.ones((4, 3)), np.ones((4, 1))
    inner = bp.Dense(2)
    net = bp.Sequential([bp.Sequential([inner]), bp.Dense(1)], seed=1)
    net.compile(bp.SGD(0.1, momentum=0.5), "mse", backend=backend)
    net.fit(x, y, verbose=0)
    inner.learning_rate_multiplier = 0.0
    before = net.get_weights()
    net.optimizer.momentum = 0.0
    net.fit(x, y, verbose=0)
    after = net.get_weights()
    assert [a.tobytes() == b.tobytes() for a, b in zip(before, after)] == [True, True, False, False]


# --- what is refused

WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: bp.Adam(beta_1=1.0), ValueError, "beta_1 must be at least 0 and below 1, got 1.0"),
    (lambda: bp.RMSprop(rho=-0.1), ValueError, "rho must be at least 0 and below 1, got -0.1"),
    (lambda: bp.Adagrad(epsilon=0.0), ValueError, "epsilon must be above 0, got 0.0"),
    (lambda: bp.SGD(clipnorm=0), ValueError, "clipnorm must be above 0, got 0.0"),
    (lambda: bp.SGD(clipnorm=1, clipvalue=1), ValueError, "only one of clipnorm, clipvalue and global_clipnorm"),
    (lambda: bp.Adam(gradient_accumulation_steps=0), ValueError, "gradient_accumulation_steps must be at least 1"),
    (lambda: bp.Adam(gradient_accumulation_steps=1.5), TypeError, "gradient_accumulation_steps must be a whole number"),
    (lambda: bp.Adam(use_ema=1), TypeError, "use_ema must be True or False, got 1"),
    (lambda: bp.Adam(ema_momentum=2), ValueError, "ema_momentum must be at most 1, got 2.0"),
    (lambda: bp.Adam(ema_overwrite_frequency=0), ValueError, "ema_overwrite_frequency must be at least 1, got 0"),
    (lambda: bp.Adam(beta1=0.5), TypeError, r"Adam\(\) has no argument 'beta1': did you mean 'beta_1'"),
    (lambda: bp.Lion(clip_norm=0.5), TypeError, r"Lion\(\) has no argument 'clip_norm': did you mean 'clipnorm'"),
    (lambda: bp.Optimizer(0.1), TypeError, "Optimizer is the base"),
    (lambda: bp.Dense(1, learning_rate_multiplier=-1), ValueError, "learning_rate_multiplier must be finite"),
    (lambda: bp.parameter(1.0, weight_decay_multiplier="x"), TypeError, "weight_decay_multiplier must be a number"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_arguments_that_make_no_sense_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@BACKENDS
def test_the_rule_cannot_change_without_compile(backend: str) -> None:
    net = bp.Sequential([bp.Dense(1)])
    net.compile("sgd", "mse", backend=backend)
    net.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    net.optimizer = bp.Adam()
    with pytest.raises(ValueError, match="the optimizer is 'sgd' and cannot become 'adam': compile anew"):
        net.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))


def test_core_reference_and_classes_have_the_same_defaults() -> None:
    core = _core.testing.optimizers()
    assert core == {name: {**COMMON, **own} for name, own in OWN.items()}
    for cls in (bp.SGD, bp.Adagrad, bp.RMSprop, bp.Adam, bp.Nadam, bp.Lion):
        given = cls().configuration()
        expected = {"name": given["name"], **core[given["name"]], "learning_rate": given["learning_rate"]}
        assert given == expected  # a class always gives a learning rate, of a default of its own


def test_every_backend_name_has_a_class() -> None:
    assert {cls().configuration()["name"] for cls in OPTIMIZERS.values()} == set(OWN)
