"""`Parameters`: weights that the functions and trainers built on them share. The twin of cpp/plan/parameters.h."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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
        self.writes = 0  # how often values were written
        self._training: tuple[Any, int, int] | None = None  # of a trainer at work: a token, its thread and its process

    def add(self, value: Any, name: str = "") -> int:
        """A new slot; the value is converted to the dtype with one rounding."""
        self.values.append(convert(value, self.dtype, f"parameter '{name}'"))
        self.names.append(name)
        return len(self.values) - 1

    def add_parts(self, shape: Sequence[int], parts: Iterable[Any], name: str = "") -> int:
        """A new slot of this shape, whose values come in consecutive parts."""
        if any(size < 0 for size in shape):
            raise ValueError(f"parameter '{name}' must have no negative sizes, got {min(shape)}")
        require_memory(prod(shape) * self.dtype.itemsize)
        converted = [convert(part, self.dtype, f"parameter '{name}'").ravel() for part in parts]
        value = np.concatenate(converted) if converted else np.empty(0, self.dtype)
        if value.size != prod(shape):
            raise ValueError(f"parameter '{name}' has {prod(shape)} values, its parts have {value.size}")
        return self.add(value.reshape(tuple(shape)), name)

    def get(self, slot: int, *, copy: bool = True) -> NDArray[Any]:
        """A copy of the parameter, or a read-only view."""
        return copied_or_seen(self.values[self._check(slot)], copy)

    def set(self, slot: int, value: Any) -> None:
        self.set_all([(slot, value)])

    def set_all(self, values: Iterable[tuple[int, Any]]) -> None:
        """Set (slot, value) pairs, all of them or none."""
        replaced = dict(self._checked(slot, value) for slot, value in values)
        self.values = [replaced.get(slot, value) for slot, value in enumerate(self.values)]
        self.writes += 1

    def _checked(self, slot: int, value: Any) -> tuple[int, NDArray[Any]]:
        slot = self._check(slot)
        what = f"parameter '{self.names[slot]}'" if self.names[slot] else f"parameter {slot}"
        converted = convert(value, self.dtype, what)
        if converted.shape != self.values[slot].shape:
            raise ValueError(f"{what} has shape {self.values[slot].shape}, got {converted.shape}")
        return slot, converted

    @contextmanager
    def training(self) -> Iterator[None]:
        """Marks a trainer's call. A mark that an interrupt keeps from being removed ends with the caller's frame."""
        if self.is_training_here:
            raise RuntimeError("a training of these parameters is running: its callbacks can not call it again")
        token = _Token()
        self._training = weakref.ref(token), threading.get_ident(), os.getpid()
        try:
            yield
        finally:
            self._training = None

    @property
    def is_training(self) -> bool:
        """Whether a trainer is at work on them."""
        if self._training is None:
            return False
        token, thread, process = self._training
        return token() is not None and (process == os.getpid() or thread == threading.get_ident())

    @property
    def is_training_here(self) -> bool:
        """Whether this thread is inside a trainer's call, as callbacks are."""
        return self.is_training and self._training is not None and self._training[1] == threading.get_ident()

    def __len__(self) -> int:
        return len(self.values)

    def _check(self, slot: int) -> int:
        slot = index(slot)
        if not 0 <= slot < len(self.values):
            raise ValueError(f"slot must be 0 to {len(self.values) - 1}, got {slot}")
        return slot


def require_memory(bytes_: int) -> None:
    """MemoryError for more than the machine has: NumPy asks for memory that is missed only when it is touched."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    if bytes_ > pages * page:
        raise MemoryError(f"out of memory: {bytes_} bytes are more than the {pages * page} of this machine")


class _Token:
    """Lives as long as the call that made it."""


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
