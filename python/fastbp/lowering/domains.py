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
    """The numbers from `low` to `high`, as `labels`, `probabilities` and the other functions below make it.

    Parameters
    ----------
    low, high : float
    what : str
        What the data are, for messages: "must hold …".
    whole : bool
        Whether only whole numbers belong to it; then NaN does not.
    binary : bool
        Whether 0 and 1 stand for two classes, so that a message can say how other labels become those.
    without : float, optional
        A number that does not belong to it, such as `low`.
    besides : float, optional
        A number that belongs to it, too.
    """

    low: float
    high: float
    what: str
    whole: bool = False
    binary: bool = False
    without: float | None = None
    besides: float | None = None

    def check(self, array: np.ndarray, name: str, prefix: str = "", counted: np.ndarray | None = None) -> None:
        """Raises a ValueError, with row and value, unless all numbers are within; the array is read in place.

        `counted` says which rows count; the others may hold any numbers, and those that count are copied.
        """
        if counted is not None and not counted.all():
            rows = np.flatnonzero(counted)
            require_memory(array[:1].nbytes * len(rows))
            place = self._first_outside(array[rows])
            if place >= 0:
                row, column = divmod(place, math.prod(array.shape[1:]))
                self._refuse(array, prefix + name, int(rows[row]) * math.prod(array.shape[1:]) + column)
            return
        place = self._first_outside(array)
        if place >= 0:
            self._refuse(array, prefix + name, place)

    def _first_outside(self, array: np.ndarray) -> int:
        """The place of the first number outside, in C order; -1 if all are within."""
        if self.besides is not None:
            require_memory(array.nbytes + array.size)
            array = np.where(array == self.besides, array.dtype.type(self.low), array)
        places = [first_outside(array, self.low, self.high, self.whole)]
        if self.without is not None:
            require_memory(array.size)
            is_without = array == self.without
            places.append(int(is_without.argmax()) if is_without.any() else -1)
        return min((place for place in places if place >= 0), default=-1)

    def _refuse(self, array: np.ndarray, name: str, place: int) -> None:
        row, column = divmod(place, math.prod(array.shape[1:]))
        value = array[row].reshape(-1)[column]
        where = f"row {row}" + (f", column {column}" if array[row].size > 1 else "")
        remedy = _BINARY_REMEDIES.get(float(value), _BINARY_REMEDY) if self.binary else ""
        raise ValueError(f"{name} must hold {self.what}, got {value} in {where}{remedy}")


def labels(classes: int, besides: int | None = None) -> Domain:
    """Labels of so many classes, and one more."""
    also = None if besides is None or 0 <= besides < classes else besides
    what = f"whole labels 0 … {classes - 1}" + ("" if also is None else f" or {also}")
    return Domain(0, classes - 1, what, whole=True, besides=also)


def probabilities(loss: str) -> Domain:
    """Targets of a cross entropy of two outcomes: beyond 0 and 1 it has no minimum."""
    return Domain(-ROUNDING, 1 + ROUNDING, f"probabilities 0 … 1 for {loss}", binary=True)


def shares(loss: str) -> Domain:
    """Targets of a cross entropy of several classes: one-hot rows, distributions, or those times a row's weight."""
    return Domain(-ROUNDING, math.inf, f"numbers of at least 0 for {loss}, such as one-hot rows")


def not_negative(loss: str) -> Domain:
    """Targets that are counts, or amounts that may be 0."""
    return Domain(0, math.inf, f"numbers of at least 0 for {loss}")


def positive(loss: str) -> Domain:
    """Targets that are amounts."""
    return Domain(0, math.inf, f"numbers above 0 for {loss}", without=0)


def above_minus_1(loss: str) -> Domain:
    """Targets y of which ln(1 + y) is a number."""
    return Domain(-1, math.inf, f"numbers above -1 for {loss}", without=-1)


def not_zero(loss: str) -> Domain:
    """Targets that something is divided by."""
    return Domain(-math.inf, math.inf, f"numbers other than 0 for {loss}", without=0)


def signs(loss: str) -> Domain:
    """Targets that say on which side an output should lie."""
    return Domain(-1, 1, f"numbers -1 … 1 for {loss}, such as labels -1 and 1, or 0 and 1")
