"""The same numbers in every dtype that holds them and every memory layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def sliced(x: Array) -> Array:
    """Every second element, along every axis, of a larger array whose other elements are NaN or nonsense."""
    filler = np.nan if x.dtype.kind == "f" else 1
    larger = np.full([2 * n + 3 for n in x.shape], filler, x.dtype)
    part = larger[tuple(slice(1, 2 * n + 1, 2) for n in x.shape)]
    part[...] = x
    return part


def reversed_axes(x: Array) -> Array:
    """Negative strides."""
    back = (slice(None, None, -1),) * x.ndim
    return x[back].copy()[back]


def read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x: Array) -> Array:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def columns_of_a_wider_array(x: Array) -> Array:
    """Each row is contiguous, the array is not."""
    wider = np.ones((*x.shape[:-1], x.shape[-1] + 3) if x.ndim > 1 else (len(x), 3), x.dtype)
    part = wider[..., 2 : 2 + x.shape[-1]] if x.ndim > 1 else wider[:, 2]
    part[...] = x
    return part


def rows_backwards(x: Array) -> Array:
    return x[::-1].copy()[::-1]


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "negative strides": reversed_axes,
    "read-only": read_only,
    "sliced": sliced,
    "unaligned": unaligned,
    "columns of a wider array": columns_of_a_wider_array,
    "rows backwards": rows_backwards,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
}

DTYPES = ("float32", "float64", "float16", "uint8", "int8", "int16", "int64", "uint64", "bool")


def draw(shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> Array:
    """Random numbers of a dtype: integers from 0 to 2, or bools, if it has no fractions."""
    if np.dtype(dtype).kind == "f":
        return random.normal(size=shape).astype(dtype)
    return random.integers(0, 2 if dtype == "bool" else 3, shape).astype(dtype)
