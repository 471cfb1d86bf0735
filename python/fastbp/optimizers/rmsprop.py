"""`RMSprop`: steps divided by the root of a running mean of squared gradients."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import above_0, share, truth
from .optimizer import Optimizer, checked_momentum


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    rho : float
        0 ≤ ρ < 1: how slowly the means forget. Default 0.9.
    momentum : float
        0 ≤ μ < 1. Default 0.
    epsilon : float
        ε > 0, added below the root. Default 1e-7.
    centered : bool
        Whether to divide by the root of the variance: the mean gradient's square is taken off. Default False.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    v ← ρ·v + (1 − ρ)·g²; centered: a ← ρ·a + (1 − ρ)·g and v − a², at least 0, takes v's place below;
    u = g ÷ √(v + ε); without momentum w ← w − η·u, else m ← μ·m + η·u; w ← w − m. T. Tieleman and G. Hinton, Lecture
    6.5, Neural Networks for Machine Learning, 2012; centered: A. Graves, Generating Sequences with Recurrent Neural
    Networks, 2013.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(1.0)
    >>> run = bp.minimize(w**2, optimizer=bp.RMSprop(0.01), epochs=1, backend="reference")
    >>> round(float(w.value), 4)  # the first step is η ÷ √(1 − ρ)
    0.9684
    """

    name = "rmsprop"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {
            "rho": share("rho", self.rho),
            "momentum": checked_momentum(self.momentum),
            "epsilon": above_0("epsilon", self.epsilon),
            "centered": truth("centered", self.centered),
        }
