"""The optimisers' updates: rule 10 of docs/numerics.md.

One function per rule: the weight and the states after a step, from the scalars c, the gradient, the weight (decayed
already) and the states before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastbp.reference.elementwise import add, divide, maximum, minimum, multiply, sign, sqrt, subtract
from fastbp.reference.fma import fma

WITHIN = 2.0**60  # a step whose weights and states are all `within` this is good, without another check

Scalars = Sequence[np.ndarray]
States = Sequence[np.ndarray]
Moved = tuple[np.ndarray, list[np.ndarray]]


def sgd(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: η"""
    return fma(-c[0], g, w), []


def momentum(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: η, μ; states: velocity"""
    velocity = fma(-c[0], g, multiply(c[1], states[0]))
    return add(w, velocity), [velocity]


def nesterov(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: η, μ; states: velocity"""
    velocity = fma(-c[0], g, multiply(c[1], states[0]))
    return add(w, fma(-c[0], g, multiply(c[1], velocity))), [velocity]


def adagrad(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: η, ε; states: the sum of squares"""
    accumulator = fma(g, g, states[0])
    return fma(-c[0], divide(g, sqrt(add(accumulator, c[1]))), w), [accumulator]


def _rmsprop_step(c: Scalars, g: np.ndarray, states: States, centered: bool) -> Moved:
    """g ÷ √(variance + ε), and the new states."""
    moved = [fma(c[3], multiply(g, g), multiply(c[2], states[0]))]
    variance = moved[0]
    if centered:
        mean = fma(c[3], g, multiply(c[2], states[1]))
        variance = maximum(fma(-mean, mean, variance), np.zeros_like(mean))
        moved.append(mean)
    return divide(g, sqrt(add(variance, c[1]))), moved


def _rmsprop(centered: bool, has_momentum: bool) -> Callable[[Scalars, np.ndarray, np.ndarray, States], Moved]:
    def rule(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
        step, moved = _rmsprop_step(c, g, states, centered)
        if not has_momentum:
            return fma(-c[0], step, w), moved
        velocity = fma(c[0], step, multiply(c[4], states[-1]))
        return subtract(w, velocity), [*moved, velocity]

    return rule


def _moments(c1: np.ndarray, c2: np.ndarray, g: np.ndarray, states: States) -> tuple[np.ndarray, np.ndarray]:
    """The new means of the gradient and of its square; c1, c2: 1 − β₁, 1 − β₂"""
    return fma(c1, subtract(g, states[0]), states[0]), fma(c2, fma(g, g, -states[1]), states[1])


def adam(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: α, ε, 1 − β₁, 1 − β₂; states: momentum, velocity"""
    m, v = _moments(c[2], c[3], g, states)
    return fma(-c[0], divide(m, add(sqrt(v), c[1])), w), [m, v]


def amsgrad(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """As adam; a third state: the largest velocity so far"""
    m, v = _moments(c[2], c[3], g, states)
    largest = maximum(states[2], v)
    return fma(-c[0], divide(m, add(sqrt(largest), c[1])), w), [m, v, largest]


def nadam(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: η's part for momentum and gradient, ε, 1 − β₁, 1 − β₂, 1 ÷ (1 − β₂ᵗ); states: momentum, velocity"""
    m, v = _moments(c[3], c[4], g, states)
    direction = fma(c[0], m, multiply(c[1], g))
    return subtract(w, divide(direction, add(sqrt(multiply(c[5], v)), c[2]))), [m, v]


def lion(c: Scalars, g: np.ndarray, w: np.ndarray, states: States) -> Moved:
    """c: η, β₁, 1 − β₁, β₂, 1 − β₂; states: momentum"""
    direction = sign(fma(c[2], g, multiply(c[1], states[0])))
    return fma(-c[0], direction, w), [fma(c[4], g, multiply(c[3], states[0]))]


Rule = Callable[[Scalars, np.ndarray, np.ndarray, States], Moved]
RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {  # each rule and the names of its states
    "sgd": (sgd, ()),
    "momentum": (momentum, ("velocity",)),
    "nesterov": (nesterov, ("velocity",)),
    "adagrad": (adagrad, ("accumulator",)),
    "rmsprop": (_rmsprop(False, False), ("velocity",)),
    "rmsprop_momentum": (_rmsprop(False, True), ("velocity", "momentum")),
    "rmsprop_centered": (_rmsprop(True, False), ("velocity", "average_gradient")),
    "rmsprop_centered_momentum": (_rmsprop(True, True), ("velocity", "average_gradient", "momentum")),
    "adam": (adam, ("momentum", "velocity")),
    "amsgrad": (amsgrad, ("momentum", "velocity", "velocity_hat")),
    "nadam": (nadam, ("momentum", "velocity")),
    "lion": (lion, ("momentum",)),
}


def update(
    rule: str, weight: np.ndarray, states: States, gradient: np.ndarray, decay: float, scalars: Sequence[float]
) -> Moved:
    """The weight and its states after a step; decay (η·wd) and the rule's scalars are rounded to the weight's dtype."""
    with np.errstate(over="ignore"):
        minus_decay, *c = (np.asarray(scalar, weight.dtype) for scalar in (-decay, *scalars))
    if minus_decay != 0:
        weight = fma(minus_decay, weight, weight)
    with np.errstate(all="ignore"):
        return RULES[rule][0](c, gradient, weight, states)


def shrunk(weight: np.ndarray, threshold: float) -> np.ndarray:
    """The proximal step of t·|w|: w − min(max(w, −t), t), t rounded to the weight's dtype; skipped when 0."""
    with np.errstate(over="ignore"):
        limit = np.full_like(weight, threshold)
    if not threshold or not limit.any():
        return weight
    with np.errstate(invalid="ignore"):
        return subtract(weight, minimum(maximum(weight, -limit), limit))


def limit_norms(weight: np.ndarray, most: float) -> np.ndarray:
    """The weight, with every column (all axes but the first) of a norm above `most` scaled down to it.

    Norms are √Σw² in float64, from +0 over ascending rows, every product and sum rounded; most ÷ norm is rounded once.
    """
    if not weight.size or most == np.inf:
        return weight
    rows = weight.reshape(weight.shape[0] if weight.ndim else 1, -1)
    squares = np.zeros(rows.shape[1])
    with np.errstate(over="ignore"):
        for row in rows.astype(np.float64):
            squares = squares + row * row
    norms = np.sqrt(squares)
    scales = np.where(norms > most, most / np.where(norms > most, norms, 1.0), 1.0).astype(weight.dtype)
    return multiply(rows, np.broadcast_to(scales, rows.shape)).reshape(weight.shape)


@dataclass(frozen=True)
class Preparation:
    """Prepares a gradient for the rule: (accumulated + g) ÷ count, cut to ±limit, times scale."""

    count: float = 1.0
    limit: float = float("inf")
    scale: float = 1.0

    def collected(self, g: np.ndarray, accumulated: np.ndarray | None) -> np.ndarray:
        return g if accumulated is None else divide(add(accumulated, g), g.dtype.type(self.count))

    def __call__(self, g: np.ndarray, accumulated: np.ndarray | None) -> np.ndarray:
        with np.errstate(over="ignore"):
            low, high = (np.full(g.shape, limit, g.dtype) for limit in (-self.limit, self.limit))
        g = minimum(maximum(self.collected(g, accumulated), low), high)
        return multiply(g, np.asarray(self.scale, g.dtype))


def averaged(average: np.ndarray, weight: np.ndarray, keep: float) -> np.ndarray:
    """keep·average + (1 − keep)·weight; 1 − keep in float64."""
    kept, taken = (np.asarray(x, weight.dtype) for x in (keep, 1.0 - keep))
    return fma(taken, weight, multiply(kept, average))


def within(x: np.ndarray, limit: float) -> bool:
    """Whether all |x| <= limit (a NaN is not)."""
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.absolute(x) <= x.dtype.type(limit)))
