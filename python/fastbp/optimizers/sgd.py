"""`SGD`: gradient descent, with momentum or Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import truth
from .optimizer import Optimizer, checked_momentum


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.01. May be set at any time, and holds from the next step on.
    momentum : float
        0 ≤ μ < 1. Default 0.
    nesterov : bool
        Whether to look ahead along the momentum. Default False.
    weight_decay : float
        wd, at least 0. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError
        If an argument is no number, or `nesterov` no truth value.
    ValueError
        If one is out of its range or not finite.

    Notes
    -----
    With g the gradient of the batch's cost, first w ← w − η·wd·w (biases are spared), then

    - momentum 0: w ← w − η·g
    - momentum μ: v ← μ·v − η·g; w ← w + v
    - Nesterov: v as before; w ← w + μ·v − η·g

    as in Keras; the order of the roundings is rule 10 of the numeric contract. I. Sutskever et al., On the Importance
    of Initialization and Momentum in Deep Learning, 2013. The decay is decoupled, it never passes through the momentum:
    I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, 2019.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """

    name = "sgd"

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.momentum = momentum
        self.nesterov = nesterov
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {"momentum": checked_momentum(self.momentum), "nesterov": truth("nesterov", self.nesterov)}
