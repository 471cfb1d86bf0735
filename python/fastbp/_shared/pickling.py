"""`Picklable`: pickles and deep copies of objects with users' functions; errors name those that pickle cannot find."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import numpy as np

from .memory import require_memory


class Picklable:
    """Base of classes whose pickles and deep copies hold what `_state` returns.

    A deep copy shares functions. A pickle stores their names, so lambdas and functions within functions raise a
    TypeError.
    """

    __slots__ = ()

    def _state(self) -> dict[str, Any]:
        """The attributes that a pickle or a deep copy holds."""
        return dict(vars(self))

    def _restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        state = self._state()
        for name, value in (("class", type(self)), *state.items()):
            for function in _functions(value):
                if not _can_be_found(function):
                    raise TypeError(
                        f"{type(self).__name__} cannot be pickled: its {name.lstrip('_')} is {function!r}, which "
                        "pickle cannot find by name; define it at the top level of a module"
                    )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._restore(state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        state = self._state()
        require_memory(_array_bytes(state))
        copied._restore(copy.deepcopy(state, memo))
        return copied


def _array_bytes(value: Any) -> int:
    """The bytes of the arrays in a value, also in lists, tuples and dicts of them; not in other objects."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(_array_bytes, value.values()))
    return sum(map(_array_bytes, value)) if isinstance(value, (list, tuple)) else 0


def _functions(value: Any) -> Iterator[Any]:
    """The functions and classes in a value, also in lists and tuples of them."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _functions(item)
    elif isinstance(value, (FunctionType, type)):
        yield value


def _can_be_found(function: Any) -> bool:
    found: Any = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function
