"""Optimisers: what they are called with; the update itself is rule 10 of the numeric contract."""

from __future__ import annotations

import math
from typing import Any

from .names import look_up


class SGD:
    """Stochastic gradient descent.

    With c = learning_rate · weight_decay (biases are spared), g the gradient of the batch's cost:
    w ← w − c·w, then

    - momentum 0: w ← w − learning_rate · g
    - momentum μ: v ← μ·v − learning_rate · g; w ← w + v
    - Nesterov: v as before; w ← w + μ·v − learning_rate · g

    Parameters
    ----------
    learning_rate : float
        At least 0. Default 0.01. May be set at any time, and holds from the next step on.
    momentum : float
        0 ≤ momentum < 1. Default 0.
    nesterov : bool
        Default False.
    weight_decay : float
        Decoupled (Loshchilov and Hutter, 2019), at least 0: it never passes through the momentum. Default 0.

    >>> import fastbp as bp
    >>> bp.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.configuration()

    def configuration(self) -> dict[str, Any]:
        """The hyperparameters as the backends take them, checked."""
        momentum = _number("momentum", self.momentum)
        if momentum >= 1:
            raise ValueError(f"momentum must be below 1, got {momentum}")
        return {
            "name": "sgd",
            "learning_rate": _number("learning_rate", self.learning_rate),
            "momentum": momentum,
            "nesterov": bool(self.nesterov),
            "weight_decay": _number("weight_decay", self.weight_decay),
        }

    def __repr__(self) -> str:
        return (
            f"SGD(learning_rate={self.learning_rate}, momentum={self.momentum}, nesterov={self.nesterov}, "
            f"weight_decay={self.weight_decay})"
        )


def _number(argument: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{argument} must be a number, got {type(value).__name__}") from None
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{argument} must be finite and at least 0, got {number}")
    return number


OPTIMIZERS = {"sgd": SGD}


def get_optimizer(optimizer: Any) -> SGD:
    """The optimiser that an instance or a name ("sgd", with its defaults) stands for."""
    if isinstance(optimizer, str):
        found: SGD = look_up("optimizer", optimizer.lower(), OPTIMIZERS)()
        return found
    if isinstance(optimizer, SGD):
        return optimizer
    raise TypeError(f"optimizer must be a name or an instance such as bp.SGD(0.1), got {optimizer!r}")
