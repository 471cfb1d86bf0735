"""`Adagrad`: steps divided by the root of the sum of all squared gradients."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import above_0, finite
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """Steps that shrink with the squares of all gradients so far, each weight's by its own.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    initial_accumulator_value : float
        Where the sums of squares begin, at least 0. Default 0.1.
    epsilon : float
        ε > 0, added below the root. Default 1e-7.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, or out of its range.

    Notes
    -----
    s ← s + g²; w ← w − η·g ÷ √(s + ε). J. Duchi, E. Hazan and Y. Singer, Adaptive Subgradient Methods for Online
    Learning and Stochastic Optimization, 2011.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(1.0)
    >>> adagrad = bp.Adagrad(0.5, initial_accumulator_value=0.0, epsilon=1e-12)
    >>> run = bp.minimize(w**2, optimizer=adagrad, epochs=2, backend="reference", dtype="float64")
    >>> round(float(w.value), 6)  # 1 - 0.5 - 0.5 / √5
    0.276393
    """

    name = "adagrad"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {
            "initial_accumulator_value": finite("initial_accumulator_value", self.initial_accumulator_value),
            "epsilon": above_0("epsilon", self.epsilon),
        }
