"""Asks before NumPy allocates: memory that does not exist is a MemoryError, and not missed when it is touched."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

SMALL = 16 << 20  # bytes; the backends do not look at the system for less


def require_memory(bytes_: int) -> None:
    """MemoryError if this process cannot have so many bytes more. Ask at once for arrays that are filled later."""
    if bytes_ >= SMALL:
        _of_backend()(min(bytes_, 2**63 - 1))


def copied(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """A row-major copy, rounded once to `dtype` if it is given."""
    dtype = array.dtype if dtype is None else np.dtype(dtype)
    require_memory(array.size * dtype.itemsize)
    return np.array(array, dtype, order="C")


@functools.cache
def _of_backend() -> Callable[[int], None]:
    """The core's; the reference's where the core was not built."""
    try:
        module = importlib.import_module("fastbp._core")
    except ModuleNotFoundError:
        module = importlib.import_module("fastbp.reference")
    asks: Callable[[int], None] = module.require_memory
    return asks
