"""The optimisers' updates: rule 10 of docs/numerics.md."""

from __future__ import annotations

import numpy as np

from fastbp.reference.elementwise import add, multiply
from fastbp.reference.fma import fma

WITHIN = 2.0**60  # a step whose weights and velocities are all this small is good without looking further


def sgd(
    weight: np.ndarray,
    velocity: np.ndarray | None,
    gradient: np.ndarray,
    learning_rate: float,
    momentum: float = 0.0,
    decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The weight and the velocity (None without momentum) after a step.

    learning_rate, momentum and decay (η·wd) are rounded to the weight's dtype here, each once.
    """
    minus_rate, mu, minus_decay = (np.asarray(c, weight.dtype) for c in (-learning_rate, momentum, -decay))
    if minus_decay != 0:
        weight = fma(minus_decay, weight, weight)
    if velocity is None:
        return fma(minus_rate, gradient, weight), None
    velocity = fma(minus_rate, gradient, multiply(mu, velocity))
    step = fma(minus_rate, gradient, multiply(mu, velocity)) if nesterov else velocity
    return add(weight, step), velocity


def within(x: np.ndarray, limit: float) -> bool:
    """Whether all |x| <= limit (a NaN is not)."""
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.absolute(x) <= x.dtype.type(limit)))


def sgd_is_finite(
    weight: np.ndarray,
    velocity: np.ndarray | None,
    gradient: np.ndarray,
    learning_rate: float,
    momentum: float = 0.0,
    decay: float = 0.0,
    nesterov: bool = False,
) -> bool:
    """Whether everything that `sgd` would give is finite."""
    written = sgd(weight, velocity, gradient, learning_rate, momentum, decay, nesterov)
    return all(bool(np.all(np.isfinite(x))) for x in written if x is not None)
