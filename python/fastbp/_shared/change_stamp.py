"""Settings that a training is told, and a stamp that says whether any of them may be new."""

from __future__ import annotations

import inspect
from typing import Any

TRAINED_HOW = ("trainable", "learning_rate_multiplier", "weight_decay_multiplier")


class ChangeStamp:
    """Whoever read settings while `now` was the object that it is need not read them again.

    Setting one, of any weight, layer, network or optimiser, makes a new object.
    """

    now = object()

    @classmethod
    def renew(cls) -> None:
        cls.now = object()


class Setting:
    """An attribute that renews the stamp when it is set; kept under its name with an underscore."""

    def __init__(self, default: Any) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.kept = f"_{name}"

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        return self.default if thing is None else getattr(thing, self.kept, self.default)

    def __set__(self, thing: Any, value: Any) -> None:
        setattr(thing, self.kept, value)
        ChangeStamp.renew()


def are_settings(thing: Any) -> bool:
    """Whether how this weight or layer is trained changes by setting alone: a class of the user's may compute it."""
    return all(isinstance(inspect.getattr_static(type(thing), name, None), Setting) for name in TRAINED_HOW)
