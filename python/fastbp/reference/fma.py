"""Fused multiply-add, exactly: a * b + c with one rounding (docs/numerics.md, "The reference's fma").

NumPy has no fma. Both algorithms end in a sum rounded to odd: a later rounding to fewer bits then comes out as if it
had seen the exact value (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
rounding to odd", IEEE Transactions on Computers 57, 2008).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64s = NDArray[np.float64]


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a * b + c, rounded once, for arrays of one dtype (float32 or float64) that broadcast together."""
    with np.errstate(all="ignore"):
        if np.result_type(a, b, c) == np.float32:
            return _fma_float32(a, b, c)
        return _fma_float64(a, b, c)


def _fma_float32(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    # A product of two float32 is exact in float64.
    product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
    return np.asarray(_add_to_odd(product, np.asarray(c, np.float64)).astype(np.float32))


def _fma_float64(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    a, b, c = (np.asarray(x, np.float64) for x in np.broadcast_arrays(a, b, c))
    product, product_error = _two_product(a, b)
    upper, upper_error = _two_sum(c, product_error)
    total, total_error = _two_sum(product, upper)
    result = np.asarray(total + _add_to_odd(upper_error, total_error))

    zero = (a == 0) | (b == 0)  # the product is exact, and the sum of zeros keeps the sign that IEEE gives it
    result[zero] = (product + c)[zero]
    finite_factors = np.isfinite(a) & np.isfinite(b)
    infinite = ~(finite_factors & np.isfinite(c))
    result[infinite] = np.where(finite_factors, c, product + c)[infinite]  # c: a finite product might overflow
    easy = _within(a) & _within(b) & _within(product) & (_within(c) | (c == 0)) & (_within(result) | (result == 0))
    for index in zip(*np.nonzero(~(easy | zero | infinite)), strict=True):
        result[index] = _exact_fma(float(a[index]), float(b[index]), float(c[index]))
    return result


def _within(x: Float64s) -> NDArray[np.bool_]:
    """2^-900 <= |x| <= 2^900: with such numbers nothing overflows or loses bits to underflow."""
    return np.asarray((np.abs(x) >= 2.0**-900) & (np.abs(x) <= 2.0**900))


def _two_sum(x: Float64s, y: Float64s) -> tuple[Float64s, Float64s]:
    """sum, error: x + y = sum + error exactly (Knuth)."""
    total = x + y
    rounded_y = total - x
    return total, (x - (total - rounded_y)) + (y - rounded_y)


def _two_product(a: Float64s, b: Float64s) -> tuple[Float64s, Float64s]:
    """product, error: a * b = product + error exactly (Dekker)."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(x: Float64s) -> tuple[Float64s, Float64s]:
    scaled = x * (2.0**27 + 1)
    high = scaled - (scaled - x)
    return high, x - high


def _add_to_odd(x: Float64s, y: Float64s) -> Float64s:
    """x + y rounded to odd: truncated, and the last bit set where that was not exact."""
    total, error = _two_sum(x, y)
    inexact = (error > 0) | (error < 0)  # False where the error is NaN: Inf and NaN stay as they are
    beyond = inexact & ((error > 0) != (total > 0))  # |total| was rounded up
    bits = np.asarray(total).view(np.int64)
    return np.asarray((bits - beyond) | inexact).view(np.float64)


def _exact_fma(a: float, b: float, c: float) -> float:
    """a * b + c for any finite operands, in integers; Python's int / int rounds correctly."""
    a_top, a_bottom = a.as_integer_ratio()
    b_top, b_bottom = b.as_integer_ratio()
    c_top, c_bottom = c.as_integer_ratio()
    numerator = a_top * b_top * c_bottom + c_top * a_bottom * b_bottom
    try:
        return numerator / (a_bottom * b_bottom * c_bottom)
    except OverflowError:
        return float("inf") if numerator > 0 else float("-inf")
