"""Learning-rate schedules: their values, and every update of a fit uses its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fastbp as bp
import mpmath
import numpy as np
import pytest

BACKENDS = pytest.mark.parametrize("backend", ["core", "reference"])


def cosine(fraction: float) -> float:
    return (1 + math.cos(math.pi * fraction)) / 2


def restarts(t: int) -> float:
    start, length, height = 0.0, 4.0, 1.0
    while t >= start + length:
        start, length, height = start + length, 1.5 * length, 0.7 * height
    return 0.2 * (0.9 * height * cosine((t - start) / length) + 0.1)


def restart_cycles(t_mul: float, first: float, updates: Sequence[int]) -> Iterator[tuple[int, float]]:
    """The number of each update's cycle and how much of it is over, by a loop over all cycles in float64."""
    cycle, start, length = 0, 0.0, first
    for update in updates:
        while update >= start + length:
            cycle, start, length = cycle + 1, start + length, length * t_mul
        yield cycle, (update - start) / length


def one_cycle(t: int) -> float:
    top = 0.3 * 40
    if t < top:
        return 0.5 / 25 + (0.5 - 0.5 / 25) * cosine(1 - t / top)
    last = 0.5 / 25 / 1e4
    return last + (0.5 - last) * cosine(min((t - top) / (40 - top), 1.0))


FORMULAS: dict[str, tuple[bp.LearningRateSchedule, Callable[[int], float]]] = {
    "step": (bp.StepDecay(0.3, 7, 0.5), lambda t: 0.3 * 0.5 ** (t // 7)),
    "piecewise": (bp.PiecewiseConstantDecay([5, 9], [0.3, 0.2, 0.1]), lambda t: [0.3, 0.2, 0.1][(t > 5) + (t > 9)]),
    "exponential": (bp.ExponentialDecay(0.3, 10, 0.9), lambda t: 0.3 * 0.9 ** (t / 10)),
    "staircase": (bp.ExponentialDecay(0.3, 10, 0.9, staircase=True), lambda t: 0.3 * 0.9 ** (t // 10)),
    "cosine": (bp.CosineDecay(0.2, 30, alpha=0.1), lambda t: 0.2 * (0.9 * cosine(min(t / 30, 1)) + 0.1)),
    "cosine after a way up": (
        bp.CosineDecay(0.02, 30, alpha=0.1, warmup_target=0.2, warmup_steps=7),
        lambda t: 0.02 + 0.18 * t / 7 if t < 7 else 0.2 * (0.9 * cosine(min((t - 7) / 30, 1)) + 0.1),
    ),
    "cosine from another rate": (bp.CosineDecay(0.1, 30, warmup_target=0.3), lambda t: 0.3 * cosine(min(t / 30, 1))),
    "restarts": (bp.CosineDecayRestarts(0.2, 4, t_mul=1.5, m_mul=0.7, alpha=0.1), restarts),
    "equal restarts": (bp.CosineDecayRestarts(0.2, 5, t_mul=1), lambda t: 0.2 * cosine(t % 5 / 5)),
    "one cycle": (bp.OneCycle(0.5, 41), one_cycle),
    "warm-up": (bp.Warmup(0.4, 8, start=0.1), lambda t: 0.1 + 0.3 * min(t / 8, 1)),
    "warm-up of a schedule": (
        bp.Warmup(bp.ExponentialDecay(0.4, 1, 0.5), 4),
        lambda t: 0.1 * t if t < 4 else 0.4 * 0.5 ** (t - 4),
    ),
    "warm-up of a function": (bp.Warmup(lambda t: 1 / (1 + t), 2), lambda t: t / 2 if t < 2 else 1 / (t - 1)),
}


@pytest.mark.parametrize("first", [1, 7])
@pytest.mark.parametrize("excess", [1e-6, 3e-5, 1e-4, 1e-3, 0.01, 0.5])
def test_restarts_that_grow_slowly_are_as_a_loop_finds_them(excess: float, first: int) -> None:
    m_mul = 0.9999
    schedule = bp.CosineDecayRestarts(1.0, first, t_mul=1 + excess, m_mul=m_mul)
    updates = [*range(first, 20 * first), *range(1000, 1200), 30_011, 100_003, 250_007, 1_000_003]
    for update, (cycle, fraction) in zip(updates, restart_cycles(1 + excess, first, updates)):
        if 1e-6 < fraction < 1 - 1e-6 or cycle < 1000:  # else a rounding decides whether a cycle has begun
            expected = m_mul**cycle * cosine(fraction)
            assert schedule(update) == pytest.approx(expected, rel=1e-9, abs=1e-9), (update, cycle, fraction)


@pytest.mark.parametrize("excess", [2.0**-52, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 0.5, 1e300])
def test_restarts_answer_at_once_however_late_the_update(excess: float) -> None:
    schedule = bp.CosineDecayRestarts(0.5, 1, t_mul=1 + excess)
    start = time.perf_counter()
    rates = [schedule(update) for update in (0, 1, 2000, 10**6, 2**32, 2**53, 2**62)]
    assert time.perf_counter() - start < 2
    assert all(0 <= rate <= 0.5 for rate in rates)
    assert rates[0] == 0.5


def test_the_restarts_of_many_cycles_join_those_that_are_added_up() -> None:
    t_mul = 1 + 1e-7

    def start(cycle: int) -> Any:
        return 1000 * (mpmath.mpf(t_mul) ** cycle - 1) / (mpmath.mpf(t_mul) - 1)

    schedule = bp.CosineDecayRestarts(1.0, 1000, t_mul=t_mul, m_mul=0.99999)
    with mpmath.workdps(60):
        for cycle in (1022, 1023, 1024, 1025, 4399, 123_456):
            begin, end = start(cycle), start(cycle + 1)
            for update in (math.ceil(begin), math.ceil(begin) + 500, math.floor(end)):
                expected = 0.99999**cycle * cosine(float((update - begin) / (end - begin)))
                assert schedule(update) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_values(name: str) -> None:
    schedule, formula = FORMULAS[name]
    np.testing.assert_allclose(
        [schedule(t) for t in range(60)], [formula(t) for t in range(60)], rtol=1e-13, atol=1e-16
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_rates_are_the_same_one_by_one_and_many_at_a_time(name: str) -> None:
    schedule, _ = FORMULAS[name]
    for first in (0, 3, 1000):
        assert schedule.rates(first)[:50].tolist() == [schedule(t) for t in range(first, first + 50)]


def path(backend: str, learning_rate: Any, **options: Any) -> list[float]:
    """The weight at the start and after each of 2100 steps with gradient −1."""
    net = bp.Sequential([bp.Input((1,)), Line()], dtype="float64")
    net.compile(bp.SGD(learning_rate, **options), lambda y, a: -bp.sum(a), backend=backend)
    seen = [0.0]
    watch = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(float(net.get_weights()[0][0])))
    x = np.zeros((1050, 1))
    net.fit(x, x, batch_size=1, epochs=2, verbose=0, callbacks=[watch])
    return seen


class Line(bp.Layer):
    """x + w"""

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight((1,), "zeros", "w")

    def call(self, x: Any) -> Any:
        return x + self.w


def walked(rates: list[float]) -> list[float]:
    w, seen = 0.0, [0.0]
    for rate in rates:
        w += rate
        seen.append(w)
    return seen


@BACKENDS
def test_every_update_of_a_fit_takes_its_own_rate(backend: str) -> None:
    schedule = bp.ExponentialDecay(0.5, 300, 0.5)
    assert path(backend, schedule) == walked([schedule(t) for t in range(2100)])


@BACKENDS
def test_a_function_is_asked_before_every_update_in_order(backend: str) -> None:
    asked: list[int] = []

    def rate(update: int) -> float:
        asked.append(update)
        return 1.0 / (1 + update)

    assert path(backend, rate) == walked([1.0 / (1 + t) for t in range(2100)])
    assert asked == list(range(2100))


@BACKENDS
def test_a_schedule_counts_updates_not_steps(backend: str) -> None:
    seen = path(backend, bp.StepDecay(1.0, 100, 0.5), gradient_accumulation_steps=3)
    assert seen[:4] == [0, 0, 0, 1.0]
    assert seen[300:304] == [100.0, 100.0, 100.0, 100.5]


@BACKENDS
def test_a_callback_may_replace_a_schedule_by_a_number(backend: str) -> None:
    w = bp.Sequential([bp.Input((1,)), Line()], dtype="float64")
    w.compile(bp.SGD(bp.StepDecay(1.0, 2)), lambda y, a: -bp.sum(a), backend=backend)

    def replace(batch: int, logs: Any) -> None:
        if batch == 1:
            w.optimizer.learning_rate = 4.0

    x = np.zeros((4, 1))
    w.fit(x, x, batch_size=1, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=replace)])
    assert w.get_weights()[0].tolist() == [1 + 1 + 4 + 4]


@BACKENDS
@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (lambda t: -1.0 if t == 3 else 0.5, ValueError, "learning_rate of update 3 must be finite and at least 0"),
        (lambda t: "x", TypeError, "learning_rate of update 0 must be a number, got str"),
        (lambda t: 1 / (2 - t), ZeroDivisionError, "division"),
    ],
)
def test_a_rate_that_makes_no_sense_ends_training_after_the_step_before(
    backend: str, rate: Any, error: type[Exception], message: str
) -> None:
    net = bp.Sequential([bp.Input((1,)), Line()], dtype="float64")
    net.compile(bp.SGD(rate), lambda y, a: -bp.sum(a), backend=backend)
    x = np.zeros((6, 1))
    with pytest.raises(error, match=message):
        net.fit(x, x, batch_size=1, verbose=0)
    assert np.isfinite(net.get_weights()[0]).all()
    assert net.get_weights()[0][0] in (0.0, 1.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bp.StepDecay(0.1, 0), "every must be at least 1, got 0"),
        (lambda: bp.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "values must have one more than boundaries, 3, got 2"),
        (lambda: bp.PiecewiseConstantDecay([2, 2], [0.1, 0.2, 0.3]), "boundaries must be ascending"),
        (lambda: bp.CosineDecay(-0.1, 5), "initial_learning_rate must be finite and at least 0"),
        (lambda: bp.CosineDecay(0.1, 5, warmup_target=-1), "warmup_target must be finite and at least 0"),
        (lambda: bp.CosineDecay(0.1, 5, warmup_target=1, warmup_steps=-1), "warmup_steps must be at least 0, got -1"),
        (lambda: bp.CosineDecay(0.1, 5, warmup_steps=3), "warmup_steps=3 needs a warmup_target"),
        (lambda: bp.CosineDecayRestarts(0.1, 5, t_mul=0.5), "t_mul must be at least 1, got 0.5"),
        (lambda: bp.OneCycle(0.1, 5, div_factor=0), "div_factor must be above 0"),
        (lambda: bp.Warmup(0.1, 0), "steps must be at least 1, got 0"),
        (lambda: bp.StepDecay(0.1, 5)(-1), "update must be at least 0, got -1"),
        (lambda: bp.ReduceLROnPlateau(factor=1.0), "factor must be below 1, got 1.0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- on a plateau


def rates_after(figures: list[float], **options: Any) -> list[float]:
    """The learning rate after each epoch of these figures."""
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(1.0), "mse", backend="reference")
    plateau = bp.ReduceLROnPlateau("figure", factor=0.5, **options)
    plateau.set_model(net)
    rates = []
    for epoch, figure in enumerate(figures):
        plateau.on_epoch_end(epoch, {"figure": figure})
        rates.append(net.optimizer.learning_rate)
    return rates


def test_a_plateau_halves_the_rate() -> None:
    assert rates_after([5, 4, 4, 4, 3, 3, 3], patience=2) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert rates_after([5, 5, 5, 5, 5, 5], patience=1, cooldown=2) == [1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert rates_after([5, 5, 5, 5], patience=1, min_lr=0.4) == [1, 0.5, 0.4, 0.4]
    assert rates_after([5, 4.95, 4.9], patience=1, min_delta=0.1) == [1, 0.5, 0.25]
    assert rates_after([1, 2, 3, 3], patience=1, mode="max") == [1, 1, 1, 0.5]
    assert rates_after([math.nan, 5, 5], patience=2) == [1, 1, 1]


def test_a_plateau_says_what_it_does_and_what_it_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    rates_after([5, 5], patience=1, verbose=1)
    assert capsys.readouterr().out == "Epoch 2: ReduceLROnPlateau reduces the learning rate to 0.5.\n"
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(bp.StepDecay(0.1, 5)), "mse", backend="reference")
    with pytest.raises(TypeError, match="needs a learning_rate that is a number, got a schedule"):
        net.fit([[0.0]], [[0.0]], epochs=3, verbose=0, callbacks=[bp.ReduceLROnPlateau("loss", patience=0)])
    with pytest.warns(UserWarning, match="ReduceLROnPlateau monitors 'val_loss', which is not there: loss"):
        net.fit([[0.0]], [[0.0]], verbose=0, callbacks=[bp.ReduceLROnPlateau()])


@pytest.mark.parametrize("total", [1, 2, 3, 4, 10, 1000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.99, 1.0])
def test_one_cycle_begins_tops_and_ends_where_it_says(total: int, share: float) -> None:
    cycle = bp.OneCycle(2.0, total, warmup_fraction=share, div_factor=10, final_div_factor=100)
    top = share * (total - 1)
    assert cycle(0) == pytest.approx(0.2 if top > 0 else 2.0)
    if top == int(top):
        assert cycle(int(top)) == pytest.approx(2.0)
    if top < total - 1:
        assert cycle(total - 1) == pytest.approx(0.002)
    assert cycle(total + 50) == cycle(total - 1)
    rates = [cycle(t) for t in range(min(total, 50))]
    assert all(0.002 * (1 - 1e-12) <= rate <= 2.0 for rate in rates)
