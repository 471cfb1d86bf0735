"""`Lion`: steps by the sign of a mixture of gradient and momentum."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import share
from .optimizer import Optimizer


class Lion(Optimizer):
    """Steps by the sign of a momentum: every weight moves by η.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001; the paper recommends a third to a tenth of Adam's.
    beta_1, beta_2 : float
        0 ≤ β < 1: the momentum's share in the step, and how slowly it forgets. Defaults 0.9, 0.99.
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
    w ← w − η·sign(β₁·m + (1 − β₁)·g); m ← β₂·m + (1 − β₂)·g. X. Chen et al., Symbolic Discovery of Optimization
    Algorithms, 2023.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([1.0, -100.0])
    >>> run = bp.minimize(bp.sum(w**2), optimizer=bp.Lion(0.25), epochs=2, backend="reference")
    >>> w.value
    array([  0.5, -99.5], dtype=float32)
    """

    name = "lion"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {"beta_1": share("beta_1", self.beta_1), "beta_2": share("beta_2", self.beta_2)}
