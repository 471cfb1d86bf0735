"""`validation_split`: which rows are trained on and which validate."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Real

import numpy as np

from .._shared.memory import require_memory
from ..datasets import stratified_split


def split_rows(rows: int, validation_split: float) -> int:
    """How many rows, from the first, are trained on; the rest validates: rows · split of them, rounded up.

    Keras computes 1 − split in binary, which can hold out one row more.
    """
    if isinstance(validation_split, bool) or not isinstance(validation_split, Real):
        raise TypeError(f"validation_split must be a number, got {validation_split!r}")
    if not 0 <= validation_split < 1:
        raise ValueError(f"validation_split must be at least 0 and below 1, got {validation_split}")
    held_out = math.ceil(rows * Fraction(str(validation_split)))  # the decimal number that was written, exactly
    trained = rows - held_out
    if validation_split and not 0 < trained < rows:
        raise ValueError(f"validation_split {validation_split} leaves {trained} of {rows} rows to train on")
    return trained if validation_split else rows


def drawn_split(y: np.ndarray, validation_split: float, seed: int, stratify: bool) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows to train on and of those that validate, both ascending, drawn by `seed`."""
    rows = len(y)
    trained = split_rows(rows, validation_split)
    if not stratify:
        from ..reference.random import shuffle  # the definition, in NumPy; loaded only when used

        order = shuffle(seed, 0, rows)
        return np.sort(order[:trained]), np.sort(order[trained:])
    kept, held_out = stratified_split(classes_of(y, "stratify"), validation_split, seed)
    if not (len(kept) and len(held_out)):
        raise ValueError(f"validation_split {validation_split} leaves {len(kept)} of {rows} rows to train on")
    return kept, held_out


def classes_of(y: np.ndarray, argument: str) -> np.ndarray:
    """The class of each row: the label itself, or the column of the 1 in a one-hot row; `argument` needs them."""
    require_memory(3 * y.size + 16 * len(y))  # truth values of all numbers, and a class a row
    if y.ndim == 2 and y.shape[1] > 1:
        if not (((y == 0) | (y == 1)).all() and (np.count_nonzero(y, axis=1) == 1).all()):
            raise ValueError(f"{argument} needs y as labels or as one-hot rows, got numbers of shape {y.shape}")
        return np.argmax(y, axis=1)
    labels = y.reshape(len(y), -1)
    if labels.shape[1] != 1 or (np.floor(labels) != labels).any():
        raise ValueError(f"{argument} needs y as labels or as one-hot rows, got {y.dtype} of shape {y.shape}")
    return labels[:, 0]
