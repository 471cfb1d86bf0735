"""The optimisers, by name too, and `schedules` of their learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._shared.nearest import look_up
from . import schedules
from .adagrad import Adagrad
from .adam import Adam, AdamW, Nadam
from .lion import Lion
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "OPTIMIZERS", "Optimizer", "SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Nadam", "Lion", "get_optimizer",
    "schedules",
]  # fmt: skip

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    cls.__name__.lower(): cls for cls in (SGD, Adagrad, RMSprop, Adam, AdamW, Nadam, Lion)
}


def get_optimizer(optimizer: Any) -> Optimizer:
    """The optimiser that an instance or a name ("sgd", with its defaults) stands for."""
    if isinstance(optimizer, str):
        found: Optimizer = look_up("optimizer", optimizer.lower(), OPTIMIZERS)()
        return found
    if isinstance(optimizer, Optimizer):
        return optimizer
    raise TypeError(f"optimizer must be a name or an instance such as bp.SGD(0.1), got {optimizer!r}")
