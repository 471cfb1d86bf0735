"""`Setting`, an attribute that changes how training goes, and `ChangeStamp`, which shows whether any was set."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

TRAINED_HOW = ("trainable", "learning_rate_multiplier", "weight_decay_multiplier")


class ChangeStamp:
    """If `now` is the same object as when settings were read, none of them has been set since.

    Setting one, of a weight, layer, network or optimiser, makes `now` a new object.
    """

    now = object()

    @classmethod
    def renew(cls) -> None:
        cls.now = object()


class Setting:
    """An attribute that renews the stamp when it is set; its value is stored under its name with an underscore.

    Parameters
    ----------
    default
        Its value where it was never set.
    check : function (name, value) -> value
        Of `arguments`: raises a TypeError or ValueError for a value that makes no sense, which is then not set.
    """

    def __init__(self, default: Any, check: Callable[[str, Any], Any]) -> None:
        self.default, self.check = default, check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.kept = name, f"_{name}"

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        return self.default if thing is None else getattr(thing, self.kept, self.default)

    def __set__(self, thing: Any, value: Any) -> None:
        setattr(thing, self.kept, self.check(self.name, value))
        ChangeStamp.renew()


def are_settings(thing: Any) -> bool:
    """Whether all of `TRAINED_HOW` are `Setting`s of this weight or layer, so that the stamp shows their changes.

    A user's class may compute them instead.
    """
    return all(isinstance(inspect.getattr_static(type(thing), name, None), Setting) for name in TRAINED_HOW)
