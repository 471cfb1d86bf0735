"""Users' data as checked arrays. Arrays are read in place and not copied, except those of long doubles."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np

from .._shared.memory import copied, require_memory
from .._shared.nearest import nearest
from ..expressions.expression import Input

Dims = tuple[int, ...]

READ_IN_PLACE = "?bBhHiIlLqQefd"  # real dtypes of at most 64 bits, by NumPy's characters


def is_read_in_place(value: Any) -> bool:
    """Whether `value` is an array with an axis of rows and a dtype that the backends read in place."""
    return type(value) is np.ndarray and value.ndim > 0 and value.dtype.char in READ_IN_PLACE


def as_array(value: Any, name: str, dtype: str = "float64") -> np.ndarray:
    """`value` as an array of real numbers with an axis of rows; an array that the backends can read is not copied.

    Parameters
    ----------
    value : array, data frame (through ``to_numpy``), or nested lists
    name : str
        Its name in messages.
    dtype : str
        The dtype that long doubles are rounded to: the backends read all other real dtypes.
    """
    if is_read_in_place(value):
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: fill it first, with {name}.filled(value)")
    try:
        is_frame = not isinstance(value, np.ndarray) and callable(getattr(value, "to_numpy", None))
        array = _of_frame(value, name) if is_frame else np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got {_what_came(value, array)}")
    if array.ndim == 0:
        raise ValueError(f"{name} must have an axis of rows, got a single number: pass [{array}] for one row")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = copied(array, dtype)  # the only copy of an array: the backends read no long doubles
    return array


def _of_frame(frame: Any, name: str) -> np.ndarray:
    """The numbers of a data frame or series: float64 if its columns are of several kinds or lack values (NaN)."""
    _check_kinds(frame, name)  # before to_numpy, which makes numbers of polars' dates and times
    if len(getattr(frame, "shape", ())) == 2 and len(set(getattr(frame, "dtypes", ()))) > 1:
        require_memory(8 * math.prod(frame.shape))  # columns of several kinds are copied
    array = np.asarray(frame.to_numpy())
    if array.dtype.kind != "O" or not (hasattr(frame, "dtypes") or hasattr(frame, "dtype")):
        return array
    try:
        return np.asarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    except TypeError:  # polars' to_numpy takes no dtype, and gives None for a missing truth value
        return array.astype(np.float64)


def _check_kinds(frame: Any, name: str) -> None:
    """Raises a TypeError that names the first column without numbers."""
    if hasattr(frame, "columns") and hasattr(frame, "dtypes"):
        columns = zip(frame.columns, frame.dtypes)
    else:
        columns = zip([None], [frame.dtype] if hasattr(frame, "dtype") else [])
    for column, dtype in columns:
        if not _is_number(dtype):
            where = "" if column is None else f" in column {column!r}"
            raise TypeError(f"{name} must hold real numbers, got {dtype}{where}; {_instead_of(dtype)}")


def _is_number(dtype: Any) -> bool:
    """Whether a column of this dtype, of pandas or polars, holds numbers or truth values."""
    if not hasattr(dtype, "is_numeric"):
        return _kind(dtype) in "biuf"
    while type(dtype).__name__ == "Array":  # in polars: rows of so many numbers
        dtype = dtype.inner
    return bool(dtype.is_numeric()) or str(dtype) in ("Boolean", "Null")


def _kind(dtype: Any) -> str:
    """NumPy's character for the kind of a column of pandas; a category is of its labels' kind."""
    return str(getattr(getattr(dtype, "categories", dtype), "dtype", dtype).kind)


def _instead_of(dtype: Any) -> str:
    """What to pass instead of a column of this dtype."""
    if dtype.is_temporal() if hasattr(dtype, "is_temporal") else _kind(dtype) in "mM":
        return "pass numbers, such as days since a date"
    if str(dtype) == "object":
        return "for labels, pass whole numbers 0 … classes - 1; for numbers, convert the column with astype(float)"
    return "for labels, pass whole numbers 0 … classes - 1"


def _what_came(value: Any, array: np.ndarray) -> str:
    """Names data that hold no real numbers, for a message, and what to pass instead where that is known."""
    kind = array.dtype.kind
    if kind in "UST":
        return ("bytes" if kind == "S" else "strings") + "; for labels, pass whole numbers 0 … classes - 1"
    if kind == "O" and callable(getattr(value, "toarray", None)):
        return f"{type(value).__name__}: pass x.toarray()"
    if kind == "O" and array.ndim == 0:
        return type(value).__name__
    if kind == "O":
        found = list(islice((item for item in array.flat if not isinstance(item, Real)), 1))
        return f"objects such as {reprlib.repr(found[0])}" if found else "objects: pass np.asarray(x, np.float64)"
    return {"c": "complex numbers", "M": "dates", "m": "times"}.get(kind, str(array.dtype))


def as_inputs(data: Any, inputs: Sequence[Input], argument: str, dtype: str) -> list[np.ndarray]:
    """One array per input, of data as `by_input` takes them."""
    return [as_array(value, name, dtype) for value, name in by_input(data, inputs, argument)]


def by_input(data: Any, inputs: Sequence[Input], argument: str) -> list[tuple[Any, str]]:
    """The data of each input, and their name in messages.

    From a dict by name, from a list or tuple in order, or `data` itself for a single input.
    """
    names = [expression.name for expression in inputs]
    if isinstance(data, Mapping):
        for name in data:
            if name not in names:
                close = nearest(str(name), names)
                raise ValueError(
                    f"{argument} has data for {name!r}, but the inputs are {', '.join(map(repr, names)) or 'none'}"
                    + (f": did you mean {close!r}?" if close else "")
                )
        for name in names:
            if name not in data:
                raise ValueError(f"{argument} must have data for the input {name!r}, got only {list(data)}")
        values = [data[name] for name in names]
    elif len(inputs) == 1 and not (isinstance(data, (list, tuple)) and len(data) == 1 and _is_table(data[0])):
        values = [data]
        names = [argument]
    else:
        if not isinstance(data, (list, tuple)) or len(data) != len(inputs):
            got = f"{len(data)} of them" if isinstance(data, (list, tuple)) else type(data).__name__
            raise ValueError(
                f"{argument} must be a list or dict of {len(inputs)} arrays ({', '.join(names)}), got {got}"
            )
        values = list(data)
    return list(zip(values, names))


def _is_table(value: Any) -> bool:
    """Whether a list of `value` alone is the data of one input in a list, rather than one row."""
    return (isinstance(value, np.ndarray) and value.ndim > 0) or hasattr(value, "to_numpy")


def common_rows(arrays: Sequence[np.ndarray], names: Sequence[str]) -> int:
    """The number of rows, which must be the same in all arrays."""
    rows = len(arrays[0]) if arrays else 0
    for array, name in zip(arrays, names):
        if len(array) != rows:
            raise ValueError(f"{name} has {len(array)} rows, but {names[0]} has {rows}")
    return rows


def check_dims(array: np.ndarray, name: str, expected: Dims | None, what: str) -> Dims:
    """The shape of one row of `array`. It must be `expected`, the shape that `what` was built for, if that is known."""
    dims = array.shape[1:]
    if expected is None or dims == expected:
        return dims
    if len(dims) == len(expected) == 1:
        raise ValueError(f"{name} has {dims[0]} features, but {what} was built for {expected[0]}")
    raise ValueError(
        f"{name} has the shape {array.shape}, but {what} was built for {('rows', *expected)}".replace("'", "")
    )


def batches(rows: int, batch_size: int) -> Iterable[tuple[int, slice]]:
    """(number, rows) of each batch, in order."""
    for number, start in enumerate(range(0, rows, batch_size)):
        yield number, slice(start, min(start + batch_size, rows))


class Assembled:
    """Arrays that are filled part by part, and made when the first part of each has come."""

    def __init__(self, sizes: tuple[int, ...], axes: int) -> None:
        self._sizes, self._axes = sizes, axes  # the arrays' first sizes, in place of the parts' first `axes` ones
        self.arrays: list[np.ndarray] = []

    def put(self, at: int | slice, parts: Sequence[np.ndarray]) -> None:
        """Writes a part of each array to its place along the first axis."""
        if not self.arrays:
            shapes = [(*self._sizes, *part.shape[self._axes :]) for part in parts]
            require_memory(sum(math.prod(shape) * part.itemsize for shape, part in zip(shapes, parts)))
            self.arrays = [np.empty(shape, part.dtype) for shape, part in zip(shapes, parts)]
        for array, part in zip(self.arrays, parts):
            array[at] = part


def checked_inputs(inputs: Sequence[Any]) -> list[Input]:
    """`inputs` as a list; all must be made by `input` and have different names."""
    for expression in inputs:
        if not isinstance(expression, Input):
            raise TypeError(f"inputs must be made by bp.input, got {expression!r}")
    names = [i.name for i in inputs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"inputs must have different names, got {name!r} twice")
    return list(inputs)
