"""The elementary functions of rule 4 that stay in float32: the definition of their bits.

Fixed sequences of + - * / fma and bit operations, within 1 ulp of the exact value. The twin, operation by operation, is
kernels/functions_float32.h; the constants come from tools/coefficients.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.reference.coefficients import EXP_SINGLE, LN2_PARTS_SINGLE, LOG2_E_SINGLE, TANH_SINGLE
from fastbp.reference.fma import fma

Singles = NDArray[np.float32]
Words = NDArray[np.uint32]

SIGN_BIT = np.uint32(0x80000000)
ONE = np.float32(1)
TWO = np.float32(2)
TANH = np.array(TANH_SINGLE, np.float32).reshape(-1, 8)
ROUND = np.float32(12582912)  # 1.5 * 2^23: adding it rounds to an integer, found in the lowest bits


def words(x: Singles) -> Words:
    return x.view(np.uint32)


def power_of_two(biased: Words) -> Singles:
    """2^(b - 127), with b the lowest eight bits of `biased`."""
    return (biased << np.uint32(23)).view(np.float32)


def magnitude(x: Singles) -> Singles:
    return (words(x) & ~SIGN_BIT).view(np.float32)


def at_most(x: Singles, high: float) -> Singles:
    """NaN passes."""
    return np.where(x > high, np.float32(high), x)


def at_least(x: Singles, low: float) -> Singles:
    """NaN passes."""
    return np.where(x < low, np.float32(low), x)


def horner(z: Singles, c: tuple[float, ...]) -> Singles:
    """c[0] + c[1] z + ..."""
    p = np.full_like(z, c[-1])
    for coefficient in c[-2::-1]:
        p = fma(p, z, np.float32(coefficient))
    return p


class Reduced(NamedTuple):
    """t log2(e) rounded to an integer n, and r = t - n log(2): `shifted` holds n + bias in its lowest bits."""

    shifted: Singles
    n: Singles
    r: Singles


def reduce_exp(t: Singles, bias: float) -> Reduced:
    bias_and_round = ROUND + np.float32(bias)
    shifted = fma(t, np.float32(LOG2_E_SINGLE), bias_and_round)
    n = shifted - bias_and_round
    high = fma(n, np.float32(-LN2_PARTS_SINGLE[0]), t)
    return Reduced(shifted, n, fma(n, np.float32(-LN2_PARTS_SINGLE[1]), high))


def expm1_over(r: Singles) -> Singles:
    """(exp(r) - 1) / r, |r| <= log(2)/2: exp(r) is fma(r, this, 1), with one rounding of a number near 1."""
    return fma(r, horner(r, EXP_SINGLE), ONE)


def scaled_by(x: Singles, shifted: Singles) -> Singles:
    """x 2^n, rounded once; x in [0.4, 2.5] or NaN, n in [-152, 128]; `shifted` holds n + 254."""
    half = words(shifted) >> np.uint32(1)
    return x * power_of_two(half) * power_of_two(words(shifted) - half)


def exp(x: Singles) -> Singles:
    e = reduce_exp(at_least(at_most(x, 89.0), -105.0), 254.0)
    return scaled_by(fma(e.r, expm1_over(e.r), ONE), e.shifted)


def tanh(x: Singles) -> Singles:
    """tanh(c + d) = tanh(c) + d p(d) on eight pieces with centres c; in the first, c is 0 and a stands for tanh(c)."""
    a = at_most(magnitude(x), 9.1875)
    place = fma(a, np.float32(3.25), TWO)
    piece = words(place) >> np.uint32(22) & np.uint32(7)  # from the exponent and the fraction's first bit
    center, value, *coefficients = TANH[:, piece]
    d = a - center
    p = coefficients.pop()
    for coefficient in coefficients[::-1]:
        p = fma(p, d, coefficient)
    result = fma(p, d, np.where(place < np.float32(3), a, value))
    return (words(result) | (words(x) & SIGN_BIT)).view(np.float32)


def sigmoid(x: Singles) -> Singles:
    """With -|x| = n log(2) - r: sigmoid(-|x|) = 2^n / (e^r + 2^n); for positive x, 1 minus that."""
    e = reduce_exp(at_least((words(x) | SIGN_BIT).view(np.float32), -105.0), 254.0)
    r = -e.r
    scale, slope = scaled_by(np.ones_like(x), e.shifted), expm1_over(r)
    high = fma(r, slope, scale + ONE)
    low = fma(r, slope, (ONE - high) + scale)
    q = ONE / high
    q = fma(q, fma(-q, low, fma(-q, high, ONE)), q)  # one step of Newton's method, with high + low
    small = scaled_by(q, e.shifted)
    return np.where(x > 0, ONE - small, small)
