"""`check_arithmetic`: refuses arithmetic other than that of rule 0, in which every result is defined."""

from __future__ import annotations

import numpy as np

from ..errors import FastBPError

__all__ = ["check_arithmetic"]

ONE = np.ones(1)
HALF_ULP = np.full(1, 2.0**-53)  # of 1
SMALLEST = np.full(1, 2.0**-1022)  # normal float64
SMALLEST_SINGLE = np.full(1, 2.0**-126, np.float32)  # normal float32


def check_arithmetic() -> None:
    """Raises a FastBPError if this thread flushes subnormals to zero or does not round to nearest even.

    Some libraries switch a whole process to either when they are loaded.
    """
    with np.errstate(all="ignore"):
        to_nearest = ONE + HALF_ULP == 1 and -ONE - HALF_ULP == -1 and ONE + 1.5 * HALF_ULP > 1
        kept = SMALLEST * 0.5 * 2 == SMALLEST and SMALLEST_SINGLE * np.float32(0.5) * 2 == SMALLEST_SINGLE
    if not to_nearest:
        raise FastBPError(
            "the reference needs floating-point rounding to nearest even, and this thread rounds otherwise"
        )
    if not kept:
        raise FastBPError("the reference needs subnormal numbers, and this thread flushes them to zero")
