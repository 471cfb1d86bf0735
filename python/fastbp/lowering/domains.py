"""`Domain`: the numbers that the data of a loss may hold. Data are checked against it where they come."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._core import first_outside
from .._shared.memory import require_memory

ROUNDING = 1e-6  # how far beyond 0 and 1 probabilities may be, which sums in float32 are

# What the targets of two classes may have been, by a number that gives them away, and how they become 0 and 1.
_BINARY_REMEDIES = {
    -1.0: ": labels -1 and 1 become 0 and 1 by (y + 1) / 2",
    2.0: ": labels 1 and 2 become 0 and 1 by y - 1; labels of several classes need sparse_categorical_crossentropy",
    255.0: ": 0 and 255 become 0 and 1 by y / 255",
}
_BINARY_REMEDY = ": 0 and 1 stand for the two classes; labels of several need sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Domain:
    """The numbers from `low` to `high`: those of `labels`, `probabilities` or `shares`.

    Parameters
    ----------
    low, high : float
    what : str
        What the data are, for messages: "must hold …".
    whole : bool
        Whether only whole numbers belong to it; then NaN does not.
    binary : bool
        Whether 0 and 1 stand for two classes, so that a message can say how other labels become those.
    """

    low: float
    high: float
    what: str
    whole: bool = False
    binary: bool = False

    def check(self, array: np.ndarray, name: str, prefix: str = "", counted: np.ndarray | None = None) -> None:
        """Raises a ValueError, with row and value, unless all numbers are within; the array is read in place.

        `counted` says which rows count; the others may hold any numbers, and those that count are copied.
        """
        if counted is not None and not counted.all():
            rows = np.flatnonzero(counted)
            require_memory(array[:1].nbytes * len(rows))
            place = first_outside(array[rows], self.low, self.high, self.whole)
            if place >= 0:
                row, column = divmod(place, math.prod(array.shape[1:]))
                self._refuse(array, prefix + name, int(rows[row]) * math.prod(array.shape[1:]) + column)
            return
        place = first_outside(array, self.low, self.high, self.whole)
        if place >= 0:
            self._refuse(array, prefix + name, place)

    def _refuse(self, array: np.ndarray, name: str, place: int) -> None:
        row, column = divmod(place, math.prod(array.shape[1:]))
        value = array[row].reshape(-1)[column]
        where = f"row {row}" + (f", column {column}" if array[row].size > 1 else "")
        remedy = _BINARY_REMEDIES.get(float(value), _BINARY_REMEDY) if self.binary else ""
        raise ValueError(f"{name} must hold {self.what}, got {value} in {where}{remedy}")


def labels(classes: int) -> Domain:
    """Labels of so many classes."""
    return Domain(0, classes - 1, f"whole labels 0 … {classes - 1}", whole=True)


def probabilities(loss: str) -> Domain:
    """Targets of a cross entropy of two outcomes: beyond 0 and 1 it has no minimum."""
    return Domain(-ROUNDING, 1 + ROUNDING, f"probabilities 0 … 1 for {loss}", binary=True)


def shares(loss: str) -> Domain:
    """Targets of a cross entropy of several classes: one-hot rows, distributions, or those times a row's weight."""
    return Domain(-ROUNDING, math.inf, f"numbers of at least 0 for {loss}, such as one-hot rows")
