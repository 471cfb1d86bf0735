"""The matrix products: rules 1 and 2 of docs/numerics.md, one fused multiply-add after the other."""

from __future__ import annotations

import numpy as np

from fastbp.reference.fma import fma

FEATURE_BLOCK = 512  # KB, rule 1
ROW_BLOCK = 128  # RB, rule 2


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(m, k) @ (k, n) -> (m, n), rule 1: block sums over ascending k, added in ascending order."""
    k = a.shape[1]
    total = _chain(a, b, 0, min(FEATURE_BLOCK, k))
    for start in range(FEATURE_BLOCK, k, FEATURE_BLOCK):
        with np.errstate(all="ignore"):
            total = total + _chain(a, b, start, min(start + FEATURE_BLOCK, k))
    return total


def matmul_rows(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """xᵀ g over the rows: (rows, k), (rows, n) -> (k, n), rule 2: block sums combined like a binary counter."""
    rows = x.shape[0]
    if rows == 0:
        return _chain(x.T, g, 0, 0)
    slots: dict[int, np.ndarray] = {}  # level -> the sum of 2^level blocks that waits there
    with np.errstate(all="ignore"):
        for start in range(0, rows, ROW_BLOCK):
            total = _chain(x.T, g, start, min(start + ROW_BLOCK, rows))
            level = 0
            while level in slots:
                total = slots.pop(level) + total
                level += 1
            slots[level] = total
        total, *later = (slots[level] for level in sorted(slots))
        for earlier in later:
            total = earlier + total
    return total


def _chain(a: np.ndarray, b: np.ndarray, start: int, stop: int) -> np.ndarray:
    """fma(a[:, p], b[p, :], sum) for p from start to stop, for every output at once, from +0."""
    total = np.zeros((a.shape[0], b.shape[1]), np.result_type(a, b))
    for p in range(start, stop):
        total = fma(a[:, p, np.newaxis], b[p, :], total)
    return total
