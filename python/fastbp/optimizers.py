"""Optimisers: what they are called with; the update itself is rule 10 of the numeric contract."""

from __future__ import annotations

from typing import Any

from .arguments import finite, known_keywords, truth
from .names import look_up


class SGD:
    """Stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float
        η, at least 0. Default 0.01. May be set at any time, and holds from the next step on.
    momentum : float
        0 ≤ μ < 1. Default 0.
    nesterov : bool
        Whether to look ahead along the momentum. Default False.
    weight_decay : float
        wd, at least 0. Default 0.

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

    @known_keywords
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
        momentum = finite("momentum", self.momentum)
        if momentum >= 1:
            raise ValueError(f"momentum must be below 1, got {momentum}")
        return {
            "name": "sgd",
            "learning_rate": finite("learning_rate", self.learning_rate),
            "momentum": momentum,
            "nesterov": truth("nesterov", self.nesterov),
            "weight_decay": finite("weight_decay", self.weight_decay),
        }

    def __repr__(self) -> str:
        return (
            f"SGD(learning_rate={self.learning_rate}, momentum={self.momentum}, nesterov={self.nesterov}, "
            f"weight_decay={self.weight_decay})"
        )


OPTIMIZERS = {"sgd": SGD}


def get_optimizer(optimizer: Any) -> SGD:
    """The optimiser that an instance or a name ("sgd", with its defaults) stands for."""
    if isinstance(optimizer, str):
        found: SGD = look_up("optimizer", optimizer.lower(), OPTIMIZERS)()
        return found
    if isinstance(optimizer, SGD):
        return optimizer
    raise TypeError(f"optimizer must be a name or an instance such as bp.SGD(0.1), got {optimizer!r}")
