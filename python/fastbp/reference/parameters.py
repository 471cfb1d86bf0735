"""`Parameters`: weights that the functions and trainers built on them share. The twin of cpp/plan/parameters.h."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .operations import nearest_name

__all__ = ["Parameters", "copied_or_seen"]

DTYPES = ("float32", "float64")


class Parameters:
    """Arrays of one dtype, by slot.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """

    def __init__(self, dtype: str) -> None:
        if dtype not in DTYPES:
            nearest = nearest_name(str(dtype), DTYPES)
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}; did you mean '{nearest}'?")
        self.dtype = np.dtype(dtype)
        self.values: list[NDArray[Any]] = []  # never written in place: an update puts new arrays here
        self.names: list[str] = []

    def add(self, value: Any, name: str = "") -> int:
        """A new slot; the value is converted to the dtype with one rounding."""
        self.values.append(convert(value, self.dtype, f"parameter '{name}'"))
        self.names.append(name)
        return len(self.values) - 1

    def add_parts(self, shape: Sequence[int], parts: Iterable[Any], name: str = "") -> int:
        """A new slot of this shape, whose values come in consecutive parts."""
        converted = [convert(part, self.dtype, f"parameter '{name}'").ravel() for part in parts]
        value = np.concatenate(converted) if converted else np.empty(0, self.dtype)
        if value.size != prod(shape):
            raise ValueError(f"parameter '{name}' has {prod(shape)} values, its parts have {value.size}")
        return self.add(value.reshape(tuple(shape)), name)

    def get(self, slot: int, *, copy: bool = True) -> NDArray[Any]:
        """A copy of the parameter, or a read-only view."""
        return copied_or_seen(self.values[self._check(slot)], copy)

    def set(self, slot: int, value: Any) -> None:
        slot = self._check(slot)
        what = f"parameter '{self.names[slot]}'" if self.names[slot] else f"parameter {slot}"
        converted = convert(value, self.dtype, what)
        if converted.shape != self.values[slot].shape:
            raise ValueError(f"{what} has shape {self.values[slot].shape}, got {converted.shape}")
        self.values[slot] = converted

    def __len__(self) -> int:
        return len(self.values)

    def _check(self, slot: int) -> int:
        slot = index(slot)
        if not 0 <= slot < len(self.values):
            raise ValueError(f"slot must be 0 to {len(self.values) - 1}, got {slot}")
        return slot


def copied_or_seen(array: NDArray[Any], copy: bool) -> NDArray[Any]:
    """A copy of an array, or a read-only view of it."""
    if copy:
        return array.copy()
    view = array.view()
    view.flags.writeable = False
    return view


def convert(value: Any, dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """A row-major copy in `dtype`, rounded once from real numbers of any dtype."""
    array = np.asarray(value)
    if array.dtype.kind == "O":
        array = array.astype(np.float64)  # TypeError or ValueError for objects that are no numbers
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} must be an array of real numbers, got dtype {array.dtype}")
    with np.errstate(all="ignore"):
        return np.array(array, dtype=dtype, order="C")
