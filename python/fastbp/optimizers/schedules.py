"""Learning rates that change from update to update, for `learning_rate=` of any optimiser.

A schedule is a function of the update's number, from 0. The engine asks for the rates of many updates at a time, so
that training with a schedule does not enter Python at every step. Cosines and powers are the contract's (rule 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._shared.arguments import above_0, at_least, finite, known_keywords, real, share, truth
from .._shared.known_attributes import KnownAttributes
from .._shared.pickling import Picklable

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "StepDecay",
    "Warmup",
]

Rates = np.ndarray

_AT_A_TIME = 1024  # rates per call from the engine
_CYCLES = 1024  # of restarts that are added up one by one
_PI = 3.141592653589793


def _cos(x: Rates) -> Rates:
    from ..reference import functions

    return np.asarray(functions.cos(x))


def _power(base: float, exponents: Rates) -> Rates:
    from ..reference import functions

    return np.asarray(functions.power(np.full_like(exponents, base), exponents))


def _half_cosine(fraction: Rates) -> Rates:
    """Half a cosine: 1 at 0, 0 at 1."""
    return 0.5 * (1.0 + _cos(_PI * fraction))


class LearningRateSchedule(KnownAttributes, Picklable):
    """Base of all schedules: derive from it and define `values`.

    Notes
    -----
    Calling a schedule with an update's number, from 0, gives its learning rate. With gradient accumulation it is the
    updates that count, not the steps (in Keras the steps). The engine fetches 1024 rates at a time; a plain function as
    `learning_rate` is called before every update instead, in order.

    Examples
    --------
    >>> import fastbp as bp
    >>> class Inverse(bp.LearningRateSchedule):
    ...     def values(self, updates):
    ...         return 0.1 / (1.0 + updates)
    >>> [Inverse()(t) for t in (0, 1, 9)]
    [0.1, 0.05, 0.01]
    >>> bp.SGD(Inverse()).learning_rate(4)
    0.02
    """

    def values(self, updates: Rates) -> Rates:
        """The learning rates of these updates. To be overridden.

        Parameters
        ----------
        updates : ndarray of shape (n,), float64
            Numbers of updates, from 0, ascending.

        Returns
        -------
        ndarray of shape (n,), float64
        """
        raise NotImplementedError(f"{type(self).__name__} must define values(updates)")

    def __call__(self, update: int) -> float:
        return float(self.values(np.array([at_least("update", update, 0)], np.float64))[0])

    def rates(self, first: int) -> Rates:
        """The rates of update `first` and the next 1023, as the engine asks for them."""
        return np.asarray(self.values(np.arange(first, first + _AT_A_TIME, dtype=np.float64)), np.float64)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class StepDecay(LearningRateSchedule):
    """η₀·factorᵏ with k = update ÷ every, rounded down.

    Parameters
    ----------
    initial_learning_rate : float
        η₀, at least 0.
    every : int
        Updates between two drops, at least 1.
    factor : float
        At least 0. Default 0.1.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, or out of its range.

    Examples
    --------
    >>> import fastbp as bp
    >>> steps = bp.StepDecay(1.0, every=10, factor=0.5)
    >>> [steps(t) for t in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """

    @known_keywords
    def __init__(self, initial_learning_rate: float, every: int, factor: float = 0.1) -> None:
        self.initial_learning_rate = finite("initial_learning_rate", initial_learning_rate)
        self.every = at_least("every", every, 1)
        self.factor = finite("factor", factor)

    def values(self, updates: Rates) -> Rates:
        return self.initial_learning_rate * _power(self.factor, np.floor(updates / self.every))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with update boundaries[0], then values[1] up to and with boundaries[1], …, as in Keras.

    Parameters
    ----------
    boundaries : list of int
        Ascending.
    values : list of float
        One more than boundaries.

    Raises
    ------
    TypeError, ValueError
        If the lists do not fit each other, or hold something else.

    Examples
    --------
    >>> import fastbp as bp
    >>> rates = bp.PiecewiseConstantDecay([100, 200], [0.1, 0.05, 0.01])
    >>> [rates(t) for t in (0, 100, 101, 200, 201)]
    [0.1, 0.1, 0.05, 0.05, 0.01]
    """

    learning_rates: list[float]

    @known_keywords
    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        self.boundaries = [at_least(f"boundaries[{i}]", b, 0) for i, b in enumerate(boundaries)]
        self.learning_rates = [finite(f"values[{i}]", v) for i, v in enumerate(values)]
        if len(self.learning_rates) != len(self.boundaries) + 1:
            raise ValueError(
                f"values must have one more than boundaries, {len(self.boundaries) + 1}, got {len(self.learning_rates)}"
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:])):
            raise ValueError(f"boundaries must be ascending, got {list(boundaries)}")

    def values(self, updates: Rates) -> Rates:
        return np.array(self.learning_rates)[np.searchsorted(np.array(self.boundaries, np.float64), updates)]


class ExponentialDecay(LearningRateSchedule):
    """η₀·decay_rate^(update ÷ decay_steps), as in Keras.

    Parameters
    ----------
    initial_learning_rate : float
        η₀, at least 0.
    decay_steps : int
        At least 1.
    decay_rate : float
        At least 0.
    staircase : bool
        Whether the exponent is rounded down. Default False.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Examples
    --------
    >>> import fastbp as bp
    >>> decay = bp.ExponentialDecay(1.0, decay_steps=2, decay_rate=0.25)
    >>> [decay(t) for t in (0, 1, 2)]
    [1.0, 0.5, 0.25]
    """

    @known_keywords
    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate = finite("initial_learning_rate", initial_learning_rate)
        self.decay_steps = at_least("decay_steps", decay_steps, 1)
        self.decay_rate = finite("decay_rate", decay_rate)
        self.staircase = truth("staircase", staircase)

    def values(self, updates: Rates) -> Rates:
        exponents = updates / self.decay_steps
        if self.staircase:
            exponents = np.floor(exponents)
        return self.initial_learning_rate * _power(self.decay_rate, exponents)


class CosineDecay(LearningRateSchedule):
    """Half a cosine from η₀ down to alpha·η₀ in decay_steps updates, then constant, as in Keras.

    Parameters
    ----------
    initial_learning_rate : float
        η₀, at least 0. With a `warmup_target`, the rate of update 0, on the way up.
    decay_steps : int
        Updates of the way down, at least 1.
    alpha : float
        The last rate's share of the first on the way down, 0 to 1. Default 0.
    warmup_target : float, optional
        At least 0. First the rate goes straight from `initial_learning_rate` to it; then half a cosine leads down from
        it. Default None: no such way.
    warmup_steps : int
        Updates of the way to `warmup_target`. Default 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, or out of its range, or there are `warmup_steps` without a `warmup_target`.

    Notes
    -----
    I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017. The way up: P. Goyal et
    al., Accurate, Large Minibatch SGD, 2017; `Warmup` puts one before any schedule.

    Examples
    --------
    >>> import fastbp as bp
    >>> decay = bp.CosineDecay(1.0, decay_steps=4)
    >>> [round(decay(t), 4) for t in range(6)]
    [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]
    >>> gentle = bp.CosineDecay(0.0, decay_steps=4, warmup_target=1.0, warmup_steps=2)
    >>> [round(gentle(t), 4) for t in range(7)]
    [0.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 0.0]
    """

    @known_keywords
    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = finite("initial_learning_rate", initial_learning_rate)
        self.decay_steps = at_least("decay_steps", decay_steps, 1)
        self.alpha = _share_or_1("alpha", alpha)
        self.warmup_target = None if warmup_target is None else finite("warmup_target", warmup_target)
        self.warmup_steps = at_least("warmup_steps", warmup_steps, 0)
        if self.warmup_steps and warmup_target is None:
            raise ValueError(f"warmup_steps={self.warmup_steps} needs a warmup_target, the rate that they lead to")

    def values(self, updates: Rates) -> Rates:
        first, up = self.initial_learning_rate, self.warmup_steps
        top = first if self.warmup_target is None else self.warmup_target
        fraction = np.clip(updates - up, 0, self.decay_steps) / self.decay_steps
        falling = top * ((1.0 - self.alpha) * _half_cosine(fraction) + self.alpha)
        return np.where(updates < up, (top - first) * (updates / up) + first, falling) if up else falling


class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines that start again, each t_mul times as long and m_mul times as high as the one before, as in Keras.

    Parameters
    ----------
    initial_learning_rate : float
        η₀, at least 0.
    first_decay_steps : int
        The first one's updates, at least 1.
    t_mul : float
        At least 1. Default 2.
    m_mul : float
        At least 0. Default 1.
    alpha : float
        The lowest rate's share of η₀, 0 to 1. Default 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, or out of its range.

    Notes
    -----
    I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.

    Examples
    --------
    >>> import fastbp as bp
    >>> restarts = bp.CosineDecayRestarts(1.0, first_decay_steps=2, m_mul=0.5)
    >>> [round(restarts(t), 4) for t in range(7)]
    [1.0, 0.5, 0.5, 0.4268, 0.25, 0.0732, 0.25]
    """

    @known_keywords
    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        self.initial_learning_rate = finite("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = at_least("first_decay_steps", first_decay_steps, 1)
        self.t_mul = finite("t_mul", t_mul)
        if self.t_mul < 1:
            raise ValueError(f"t_mul must be at least 1, got {self.t_mul}")
        self.m_mul = finite("m_mul", m_mul)
        self.alpha = _share_or_1("alpha", alpha)

    def values(self, updates: Rates) -> Rates:
        if self.t_mul == 1:
            cycle = np.floor(updates / self.first_decay_steps)
            fraction = updates / self.first_decay_steps - cycle
        else:
            cycle, fraction = self._cycles(updates)
        height = _power(self.m_mul, cycle)
        return self.initial_learning_rate * ((1.0 - self.alpha) * height * _half_cosine(fraction) + self.alpha)

    def _cycles(self, updates: Rates) -> tuple[Rates, Rates]:
        """The number of each update's cycle, and how much of the cycle is over: 0 to 1.

        The first cycles are added up, so that a start which is a whole number is exact. The others follow the last of
        these: j cycles after it, of length L, begin L·(t_mulʲ − 1)/(t_mul − 1) later.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            factors = np.full(_CYCLES, self.t_mul)
            factors[0] = self.first_decay_steps
            lengths = np.multiply.accumulate(factors)
            starts = np.concatenate([np.zeros(1), np.add.accumulate(lengths[:-1])])
        index = np.searchsorted(starts, updates, side="right") - 1
        cycle, fraction = index.astype(np.float64), (updates - starts[index]) / lengths[index]
        later = updates >= starts[-1] + lengths[-1]
        if later.any():
            further, fraction[later] = _growing_cycles(self.t_mul, (updates[later] - starts[-1]) / lengths[-1])
            cycle[later] = _CYCLES - 1 + further
        return cycle, fraction


def _growing_cycles(ratio: float, time: Rates) -> tuple[Rates, Rates]:
    """The cycle at a time, and how much of it is over; the first is one long and each `ratio` as long as the last."""
    from ..reference import functions

    growth = ratio - 1.0
    rate = functions.log1p(np.full(1, growth))

    def start(cycle: Rates) -> Rates:
        return np.asarray(functions.expm1(cycle * rate)) / growth

    cycle = np.floor(np.asarray(functions.log1p(time * growth)) / rate)
    cycle = np.where(start(cycle) > time, cycle - 1.0, np.where(start(cycle + 1.0) <= time, cycle + 1.0, cycle))
    fraction = (time - start(cycle)) / np.asarray(functions.exp(cycle * rate))
    return cycle, np.minimum(np.maximum(fraction, 0.0), 1.0)


class OneCycle(LearningRateSchedule):
    """Up to a large rate and down to a tiny one, by half cosines.

    Parameters
    ----------
    max_learning_rate : float
        The largest rate, at least 0.
    total_steps : int
        All updates, at least 1; later ones keep the last rate.
    warmup_fraction : float
        The share of the way up, 0 to 1. Default 0.3.
    div_factor : float
        The first rate is the largest ÷ div_factor; above 0. Default 25.
    final_div_factor : float
        The last rate is the first ÷ final_div_factor; above 0. Default 10,000.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, or out of its range.

    Notes
    -----
    L. Smith and N. Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, 2018.

    Examples
    --------
    >>> import fastbp as bp
    >>> cycle = bp.OneCycle(1.0, total_steps=11, warmup_fraction=0.4, div_factor=10)
    >>> [round(cycle(t), 4) for t in (0, 2, 4, 7, 10, 99)]
    [0.1, 0.55, 1.0, 0.5, 0.0, 0.0]
    """

    @known_keywords
    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        warmup_fraction: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        self.max_learning_rate = finite("max_learning_rate", max_learning_rate)
        self.total_steps = at_least("total_steps", total_steps, 1)
        self.warmup_fraction = _share_or_1("warmup_fraction", warmup_fraction)
        self.div_factor = above_0("div_factor", div_factor)
        self.final_div_factor = above_0("final_div_factor", final_div_factor)

    def values(self, updates: Rates) -> Rates:
        first = self.max_learning_rate / self.div_factor
        last = first / self.final_div_factor
        end = float(self.total_steps - 1)
        top = self.warmup_fraction * end
        up = _half_cosine(1.0 - np.minimum(updates, top) / top) if top > 0 else np.ones_like(updates)
        down_steps = end - top
        below = np.clip(updates, top, end) - top
        down = _half_cosine(below / down_steps) if down_steps > 0 else np.ones_like(updates)
        rising = first + (self.max_learning_rate - first) * up
        falling = last + (self.max_learning_rate - last) * down
        return np.where(updates < top, rising, falling)


class Warmup(LearningRateSchedule):
    """A straight way from `start` to the first rate of another schedule, then that schedule from its beginning.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        What comes after.
    steps : int
        Updates of the way up, at least 1.
    start : float
        The rate of update 0, at least 0. Default 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    P. Goyal et al., Accurate, Large Minibatch SGD, 2017.

    Examples
    --------
    >>> import fastbp as bp
    >>> gentle = bp.Warmup(bp.StepDecay(1.0, every=2, factor=0.5), steps=4)
    >>> [gentle(t) for t in range(8)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5]
    """

    @known_keywords
    def __init__(self, learning_rate: Any, steps: int, start: float = 0.0) -> None:
        self.learning_rate = learning_rate if callable(learning_rate) else finite("learning_rate", learning_rate)
        self.steps = at_least("steps", steps, 1)
        self.start = finite("start", start)

    def values(self, updates: Rates) -> Rates:
        top = float(self._after(np.zeros(1))[0])
        rising = self.start + (top - self.start) * (np.minimum(updates, self.steps) / self.steps)
        return np.where(updates < self.steps, rising, self._after(np.maximum(updates - self.steps, 0.0)))

    def _after(self, updates: Rates) -> Rates:
        rate: Any = self.learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate.values(updates)
        return _each(rate, updates) if callable(rate) else np.full_like(updates, rate)


def _each(function: Callable[[int], Any], updates: Rates) -> Rates:
    return np.array([real("learning_rate", function(int(update))) for update in updates], np.float64)


def _share_or_1(argument: str, value: Any) -> float:
    return 1.0 if real(argument, value) == 1 else share(argument, value)
