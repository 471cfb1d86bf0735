"""`Goal`: what `compile` was told to train for."""

from __future__ import annotations

from collections.abc import Sequence

from .._shared.pickling import Picklable
from ..expressions.parameter import Parameter
from ..losses import Loss


class Goal(Picklable):
    """What `compile` was told: the loss, the metrics and the penalties."""

    def __init__(
        self, loss: Loss, metrics: Sequence[tuple[str, Loss]], l1: float, l2: float, proximal: bool = False
    ) -> None:
        self.loss, self.metrics, self.l1, self.l2, self.proximal = loss, list(metrics), l1, l2, proximal
        self.names = ["loss", *(name for name, _ in metrics)]


def penalty_factors() -> tuple[Parameter, Parameter]:
    """The factors l1/m and l2/(2m), as parameters. A model has one pair, which its costs share."""
    first, second = (Parameter(0.0, name, trainable=False, decay=False) for name in ("l1 / m", "l2 / (2 m)"))
    return first, second
