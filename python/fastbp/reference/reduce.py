"""Sums and maxima along the last axis, over rows and over all elements (rules 2, 3), and the softmax family.

Arrays are float32 or float64; "rows" are the first axis. No sum here is NumPy's own: its order is not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from fastbp.reference.elementwise import add, divide, maximum, multiply, negative, subtract
from fastbp.reference.functions import exp, log

ROW_BLOCK = 128  # RB, rule 2
LANES = 16  # rule 3
FLAT_BLOCK = 4096  # rule 3

Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _padded(x: np.ndarray, axis: int, multiple: int, value: float) -> np.ndarray:
    """x with its axis filled up to a multiple."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, -x.shape[axis] % multiple)
    return np.pad(x, widths, constant_values=x.dtype.type(value))


def _along_row(x: np.ndarray, combine: Combine, start: float) -> np.ndarray:
    """Rule 3: lane l takes elements l, l + 16, …; then the lanes fold. Lanes begin with `start`, which also pads rows.

    (Padding changes no result: a lane of a sum never holds −0, so +0 changes nothing; nor does −Inf in a maximum.)
    """
    x = _padded(x, -1, LANES, start)
    lanes = np.full((*x.shape[:-1], LANES), start, x.dtype)
    for first in range(0, x.shape[-1], LANES):
        lanes = combine(lanes, x[..., first : first + LANES])
    for half in (8, 4, 2, 1):
        lanes = combine(lanes[..., :half], lanes[..., half : 2 * half])
    return lanes[..., 0]


def row_sum(x: np.ndarray) -> np.ndarray:
    """(…, n) -> (…)"""
    return _along_row(x, add, 0.0)


def row_max(x: np.ndarray) -> np.ndarray:
    """(…, n) -> (…)"""
    return _along_row(x, maximum, -np.inf)


def _is_maximum(x: np.ndarray, most: np.ndarray) -> np.ndarray:
    return (x == most) | ((x != x) & (most != most))


def row_argmax(x: np.ndarray) -> np.ndarray:
    """(…, n) -> (…): the index of the first maximal element, as a number; NaN with a NaN, 0 of an empty row."""
    most = row_max(x)
    return np.where(most != most, most, _first_maximum(x))


def _first_maximum(x: np.ndarray) -> np.ndarray:
    if x.shape[-1] == 0:
        return np.zeros(x.shape[:-1], x.dtype)
    return np.argmax(_is_maximum(x, row_max(x)[..., np.newaxis]), axis=-1).astype(x.dtype)


def row_first_max(x: np.ndarray) -> np.ndarray:
    """(…, n) -> (…, n): 1 at the first maximal element of each row, else +0."""
    return one_hot(_first_maximum(x), x.shape[-1])


def _shifted_exponentials(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """m = max(x), e = exp(x − m), s = sum(e), m and s with a last axis of 1."""
    most = row_max(x)[..., np.newaxis]
    e = exp(subtract(x, most))
    return most, e, row_sum(e)[..., np.newaxis]


def softmax(x: np.ndarray) -> np.ndarray:
    _, e, s = _shifted_exponentials(x)
    return divide(e, s)


def log_softmax(x: np.ndarray) -> np.ndarray:
    most, _, s = _shifted_exponentials(x)
    return subtract(subtract(x, most), log(s))


def logsumexp(x: np.ndarray) -> np.ndarray:
    """(…, n) -> (…)"""
    most, _, s = _shifted_exponentials(x)
    return np.where(np.isinf(most), most, add(most, log(s)))[..., 0]


def softmax_cross_entropy(z: np.ndarray, p: np.ndarray | None, y: np.ndarray) -> np.ndarray:
    """(…, n) -> (…), rule 7; p is an operand for the gradient alone."""
    return negative(row_sum(np.where(y == 0, y.dtype.type(0), multiply(y, log_softmax(z)))))


def sparse_softmax_cross_entropy(z: np.ndarray, p: np.ndarray | None, label: np.ndarray) -> np.ndarray:
    """(…, n), label (…) -> (…), rule 7; p is an operand for the gradient alone."""
    return negative(pick(log_softmax(z), label))


def _index_of(label: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole number at or below each label, and whether it is one of 0 … n−1 (else the index is 0)."""
    known = (label >= 0) & (label < 2.0**62)
    index = np.where(known, label, label.dtype.type(0)).astype(np.int64)
    known &= index < n
    return np.where(known, index, 0), known


def one_hot(label: np.ndarray, k: int) -> np.ndarray:
    """(…) -> (…, k); a label outside 0 … k−1 gives zeros."""
    index, known = _index_of(label, k)
    return ((np.arange(k) == index[..., np.newaxis]) & known[..., np.newaxis]).astype(label.dtype)


def pick(x: np.ndarray, label: np.ndarray) -> np.ndarray:
    """x (…, n), label (…) -> (…): x[…, label], NaN where the label is outside 0 … n−1."""
    if x.shape[-1] == 0:
        return np.full(label.shape, np.nan, x.dtype)
    index, known = _index_of(label, x.shape[-1])
    picked = np.take_along_axis(x, index[..., np.newaxis], axis=-1)[..., 0]
    return np.where(known, picked, x.dtype.type(np.nan))


def combine_blocks(sums: Iterable[np.ndarray], nothing: np.ndarray) -> np.ndarray:
    """Rule 2's binary counter over the blocks' sums, in order; `nothing` if there are none."""
    slots: dict[int, np.ndarray] = {}  # level -> the sum of 2^level blocks that waits there
    for total in sums:
        level = 0
        while level in slots:
            total = add(slots.pop(level), total)
            level += 1
        slots[level] = total
    if not slots:
        return nothing
    total, *higher = (slots[level] for level in sorted(slots))
    for earlier in higher:
        total = add(earlier, total)
    return total


def sum_over_rows(x: np.ndarray) -> np.ndarray:
    """(rows, …) -> (…), rule 2. A chain never holds −0, so filling the last block with +0 changes nothing."""
    nothing = np.zeros(x.shape[1:], x.dtype)
    blocks = _padded(x, 0, ROW_BLOCK, 0.0).reshape(-(-x.shape[0] // ROW_BLOCK), ROW_BLOCK, *x.shape[1:])
    sums = np.zeros((blocks.shape[0], *x.shape[1:]), x.dtype)
    for row in range(ROW_BLOCK):
        sums = add(sums, blocks[:, row])
    return combine_blocks(sums, nothing)


def max_over_rows(x: np.ndarray) -> np.ndarray:
    """(rows, …) -> (…), one chain in ascending row order from −Inf."""
    most = np.full(x.shape[1:], -np.inf, x.dtype)
    for row in x:
        most = maximum(most, row)
    return most


def sum_flat(x: np.ndarray) -> np.ndarray:
    """The sum of all elements in row-major order, as an array without axes."""
    x = _padded(x.reshape(-1), 0, FLAT_BLOCK, 0.0).reshape(-(-x.size // FLAT_BLOCK), FLAT_BLOCK)
    return np.asarray(combine_blocks(row_sum(x), np.zeros((), x.dtype)))


def max_flat(x: np.ndarray) -> np.ndarray:
    """The maximum of all elements: rule 3's lanes over all of them, as an array without axes."""
    return np.asarray(row_max(x.reshape(-1)))
