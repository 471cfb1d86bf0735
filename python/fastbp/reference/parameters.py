"""`Parameters`: weights that the functions and trainers built on them share. The twin of cpp/data/parameters.h."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .memory import require_memory
from .operations import nearest_name
from .turn import Turn

__all__ = ["Parameters", "copied_or_seen", "set_all"]

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
        self.writes = 0  # how often values were written
        self.training = Turn(  # of the trainers that are built on them
            "a training of these parameters is running: its callbacks can not call it again",
            "another thread trains these parameters: wait for its end",
        )

    def add(self, value: Any, name: str = "") -> int:
        """A new slot; the value is converted to the dtype with one rounding."""
        return self._append(convert(value, self.dtype, f"parameter '{name}'"), name)

    def _append(self, value: NDArray[Any], name: str) -> int:
        self.values.append(value)
        self.names.append(name)
        return len(self.values) - 1

    def add_parts(self, shape: Sequence[int], parts: Iterable[Any], name: str = "") -> int:
        """A new slot of this shape, whose values come in consecutive parts."""
        if any(size < 0 for size in shape):
            raise ValueError(f"parameter '{name}' must have no negative sizes, got {min(shape)}")
        require_memory(prod(shape) * self.dtype.itemsize)
        value, filled = np.empty(prod(shape), self.dtype), 0
        for part in parts:
            converted = convert(part, self.dtype, f"parameter '{name}'").ravel()
            if filled + converted.size <= value.size:
                value[filled : filled + converted.size] = converted
            filled += converted.size
        if filled != value.size:
            raise ValueError(f"parameter '{name}' has {value.size} values, its parts have {filled}")
        return self._append(value.reshape(tuple(shape)), name)

    def get(self, slot: int, *, copy: bool = True) -> NDArray[Any]:
        """A copy of the parameter, or a read-only view."""
        return copied_or_seen(self.values[self._check(slot)], copy)

    def set(self, slot: int, value: Any) -> None:
        set_all([(self, slot, value)])

    def _checked(self, slot: int, value: Any) -> tuple[int, NDArray[Any]]:
        slot = self._check(slot)
        what = f"parameter '{self.names[slot]}'" if self.names[slot] else f"parameter {slot}"
        converted = convert(value, self.dtype, what)
        if converted.shape != self.values[slot].shape:
            raise ValueError(f"{what} has shape {self.values[slot].shape}, got {converted.shape}")
        return slot, converted

    @property
    def is_training(self) -> bool:
        """Whether a trainer is at work on them."""
        return self.training.is_taken

    @property
    def is_training_here(self) -> bool:
        """Whether this thread is inside a trainer's call, as callbacks are."""
        return self.training.is_mine

    def __len__(self) -> int:
        return len(self.values)

    def _check(self, slot: int) -> int:
        slot = index(slot)
        if not 0 <= slot < len(self.values):
            raise ValueError(f"slot must be 0 to {len(self.values) - 1}, got {slot}")
        return slot


def set_all(values: Iterable[tuple[Parameters, int, Any]]) -> None:
    """Set (parameters, slot, value) triples, all of them or none."""
    checked = [(parameters, *parameters._checked(slot, value)) for parameters, slot, value in values]
    try:
        _write(checked)
    except BaseException:  # an interrupt
        _write(checked)
        raise


def _write(checked: Iterable[tuple[Parameters, int, NDArray[Any]]]) -> None:
    for parameters, slot, value in checked:
        parameters.values[slot] = value
        parameters.writes += 1


def copied_or_seen(array: NDArray[Any], copy: bool) -> NDArray[Any]:
    """A copy of an array, or a read-only view of it."""
    if copy:
        require_memory(array.nbytes)
        return array.copy()
    view = array.view()
    view.flags.writeable = False
    return view


def convert(value: Any, dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """A row-major copy in `dtype`, rounded once from real numbers of any dtype."""
    array = np.asarray(value)
    if array.dtype.kind == "O":
        require_memory(8 * array.size)
        array = array.astype(np.float64)  # TypeError or ValueError for objects that are no numbers
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} must be an array of real numbers, got dtype {array.dtype}")
    require_memory(array.size * dtype.itemsize)
    with np.errstate(all="ignore"):
        return np.array(array, dtype=dtype, order="C")
