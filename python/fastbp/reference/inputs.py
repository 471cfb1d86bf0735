"""`Inputs`: checks the data of functions and trainers; `round_to` converts them, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arithmetic import check_arithmetic
from .graph import Graph, describe
from .memory import require_memory

__all__ = ["Inputs", "round_to"]

Array = NDArray[Any]


def round_to(x: Array, dtype: np.dtype[Any]) -> Array:
    """x as a row-major array in `dtype`, rounded once from its own."""
    require_memory(0 if x.dtype == dtype and x.flags.c_contiguous else x.size * dtype.itemsize)
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(x, dtype=dtype).reshape(np.shape(x))


class Inputs:
    """The inputs of a graph, by slot.

    Parameters
    ----------
    graph : Graph
    needed : iterable of int
        The nodes that will be evaluated: only their inputs are read.
    """

    def __init__(self, graph: Graph, needed: Iterable[int]) -> None:
        self._names: dict[int, str] = {}
        self._dims: dict[int, tuple[int, ...]] = {}  # the shape of one row
        for i in range(len(graph)):
            if graph.operation(i) == "input":
                slot, *dims = graph.integers(i)
                if slot in self._names:
                    raise ValueError(f"{describe(graph, i)}: slot {slot} is taken by another input")
                self._names[slot], self._dims[slot] = graph.name(i), tuple(dims)
        self.read = {graph.integers(i)[0] for i in needed if graph.operation(i) == "input"}

    def name(self, slot: int) -> str:
        return f"input '{self._names[slot]}'" if self._names.get(slot) else f"input {slot}"

    def check(self, inputs: Sequence[Any]) -> tuple[list[Array | None], int]:
        """The arrays by slot (None for a slot that no needed node reads) and their number of rows.

        A graph without inputs takes any arrays, for their number of rows, or none: then there is one row.
        """
        check_arithmetic()
        count = max(self._names, default=-1) + 1
        if len(inputs) != count and count > 0:
            names = ", ".join(self.name(slot) for slot in range(count))
            raise ValueError(f"the graph takes {count} inputs{f' ({names})' * bool(names)}, got {len(inputs)}")
        arrays = [self._array(value, slot) for slot, value in enumerate(inputs)]
        rows = arrays[0].shape[0] if arrays else 1
        for slot, array in enumerate(arrays):
            if array.shape[0] != rows:
                raise ValueError(f"{self.name(slot)} has {array.shape[0]} rows, but {self.name(0)} has {rows}")
        return [array if slot in self.read else None for slot, array in enumerate(arrays)], rows

    def _array(self, value: Any, slot: int) -> Array:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            require_memory(8 * array.size)
            array = array.astype(np.float64)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{self.name(slot)} must be an array of real numbers, got dtype {array.dtype}")
        dims = self._dims.get(slot, array.shape[1:])
        if array.ndim == 0:
            raise ValueError(f"{self.name(slot)} must have rows, got a single number")
        if array.shape[1:] != dims:
            if array.ndim == 2 and len(dims) == 1:
                raise ValueError(
                    f"{self.name(slot)} has {array.shape[1]} features, but this graph was built for {dims[0]}"
                )
            raise ValueError(
                f"{self.name(slot)} has rows of shape {array.shape[1:]}, but this graph was built for {dims}"
            )
        return array
