"""The optimisers' updates: rule 10 of docs/numerics.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastbp.reference.elementwise import add, multiply
from fastbp.reference.fma import fma

WITHIN = 2.0**60  # a step whose weights and states are all this small is good without looking further


States = list[np.ndarray]


def sgd(c: Sequence[np.ndarray], g: np.ndarray, w: np.ndarray, states: States) -> tuple[np.ndarray, States]:
    """c: η"""
    return fma(-c[0], g, w), []


def momentum(c: Sequence[np.ndarray], g: np.ndarray, w: np.ndarray, states: States) -> tuple[np.ndarray, States]:
    """c: η, μ; states: the velocity"""
    velocity = fma(-c[0], g, multiply(c[1], states[0]))
    return add(w, velocity), [velocity]


def nesterov(c: Sequence[np.ndarray], g: np.ndarray, w: np.ndarray, states: States) -> tuple[np.ndarray, States]:
    """c: η, μ; states: the velocity"""
    velocity = fma(-c[0], g, multiply(c[1], states[0]))
    return add(w, fma(-c[0], g, multiply(c[1], velocity))), [velocity]


Rule = Callable[[Sequence[np.ndarray], np.ndarray, np.ndarray, States], tuple[np.ndarray, States]]
RULES: dict[str, Rule] = {rule.__name__: rule for rule in (sgd, momentum, nesterov)}


def update(
    rule: str, weight: np.ndarray, states: States, gradient: np.ndarray, decay: float, scalars: Sequence[float]
) -> tuple[np.ndarray, States]:
    """The weight and its states after a step; decay (η·wd) and the rule's scalars are rounded to the weight's dtype."""
    minus_decay, *c = (np.asarray(scalar, weight.dtype) for scalar in (-decay, *scalars))
    if minus_decay != 0:
        weight = fma(minus_decay, weight, weight)
    return RULES[rule](c, gradient, weight, states)


def within(x: np.ndarray, limit: float) -> bool:
    """Whether all |x| <= limit (a NaN is not)."""
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.absolute(x) <= x.dtype.type(limit)))
