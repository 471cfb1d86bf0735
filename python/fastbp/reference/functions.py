"""The elementary functions of rule 4: the definition of their bits.

Fixed sequences of + - * / and bit operations in float64, without fma. float32 arguments (except those of exp, tanh and
sigmoid: functions_float32.py) are widened and go through a function's ``_short`` sequence; the result is rounded once.
With an error of 2^-32 before that rounding, nearly every result is the correctly rounded one. float32's subnormals and
overflows are ordinary numbers on the way. float64 arguments go through the ``_long`` sequences, which carry a low part
where a rounding would show. The twin, operation by operation, is kernels/functions.h; the constants come from
tools/coefficients.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.reference import functions_float32
from fastbp.reference.coefficients import (
    COS_LONG,
    ERF_FAR_LONG,
    ERF_NEAR_LONG,
    ERF_SHORT,
    EXP_LONG,
    EXPM1_SHORT,
    HALF_PI_PARTS,
    INVERSE_PI,
    LN2,
    LN2_PARTS,
    LOG2_E,
    LOG2_SHORT,
    LOG_LONG,
    LOG_SHORT,
    PI_PARTS,
    POWER_LONG,
    SIN_LONG,
    SIN_SHORT,
    SOFTPLUS_LONG,
    SOFTPLUS_SHORT,
    TWO_OVER_PI,
    TWO_THIRDS_PARTS,
)

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Array = NDArray[Any]  # float32 or float64

SIGN_BIT = np.uint64(0x8000000000000000)
FRACTION_BITS = np.uint64(0x000FFFFFFFFFFFFF)
LOW_27_BITS = np.uint64(0x7FFFFFF)
ONE_BITS = np.uint64(0x3FF0000000000000)
SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
TWO_52_BITS = np.uint64(0x4330000000000000)  # a small integer k in these bits' fraction reads as 2^52 + k
TWO_52 = 4503599627370496.0
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer, found in the lowest bits


class Sum(NamedTuple):
    """high + low, |low| at most half a unit in the last place of high."""

    high: Floats
    low: Floats


# Bits.


def words(x: Floats) -> Words:
    return np.ascontiguousarray(x).view(np.uint64)


def floats(bits: Words) -> Floats:
    return bits.view(np.float64)


def shift_left(bits: Words, places: int) -> Words:
    return bits << np.uint64(places)


def with_sign_of(x: Floats, sign: Floats) -> Floats:
    return floats((words(x) & ~SIGN_BIT) | (words(sign) & SIGN_BIT))


def magnitude(x: Floats) -> Floats:
    return floats(words(x) & ~SIGN_BIT)


def clamp(x: Floats, low: float, high: float) -> Floats:
    """NaN passes."""
    x = np.where(x > high, high, x)
    return np.where(x < low, low, x)


# Polynomials, c[0] + c[1] z + ...


def horner(z: Floats, c: tuple[float, ...]) -> Floats:
    p = np.full_like(z, c[-1])
    for coefficient in c[-2::-1]:
        p = p * z + coefficient
    return p


def paired(z: Floats, c: tuple[float, ...]) -> Floats:
    """The even and the odd powers as two chains in z^2."""
    square = z * z
    return horner(square, c[0::2]) + z * horner(square, c[1::2])


# Exact sums and products.


def fast_two_sum(a: Floats, b: Floats) -> Sum:
    """a + b exactly, for |a| >= |b| or a == 0."""
    high = a + b
    return Sum(high, (a - high) + b)


def two_sum(a: Floats, b: Floats) -> Sum:
    high = a + b
    b_part = high - a
    return Sum(high, (a - (high - b_part)) + (b - b_part))


def two_product(a: Floats, b: Floats) -> Sum:
    """a * b up to a rounding of 2^-107 of the product."""
    a_high, b_high = floats(words(a) & ~LOW_27_BITS), floats(words(b) & ~LOW_27_BITS)
    a_low, b_low = a - a_high, b - b_high
    high = a * b
    return Sum(high, (((a_high * b_high - high) + a_high * b_low) + a_low * b_high) + a_low * b_low)


def quotient(numerator: Sum, denominator: Sum) -> Floats:
    """numerator / denominator to about 1 ulp."""
    q = numerator.high / denominator.high
    return q + (numerator.low - q * denominator.low) / denominator.high


# float32: powers of two and functions made of them.


class PowerOfTwo(NamedTuple):
    """2^t = scale * (1 + minus_one)."""

    scale: Floats
    minus_one: Floats


def power_of_two_short(t: Floats) -> PowerOfTwo:
    """2^t, |t| <= 1000."""
    bias = ROUND + 1023.0  # so that the lowest bits are a biased exponent
    shifted = t + bias
    r = t - (shifted - bias)
    return PowerOfTwo(floats(shift_left(words(shifted), 52)), r * paired(r, EXPM1_SHORT))


def exp_short(x: Floats) -> Floats:
    p = power_of_two_short(x * LOG2_E)
    return p.minus_one * p.scale + p.scale


def power_of_two_minus_one_short(t: Floats) -> Floats:
    """2^t - 1, with a small relative error near 0 too."""
    p = power_of_two_short(t)
    return p.minus_one * p.scale + (p.scale - 1.0)


def expm1_short(x: Floats) -> Floats:
    return with_sign_of(power_of_two_minus_one_short(x * LOG2_E), x)


def softplus_short(x: Floats) -> Floats:
    a = magnitude(x)
    e = exp_short(-np.where(a > 110.0, 110.0, a))
    s = e / (e + 2.0)
    tail = s * paired(s * s, SOFTPLUS_SHORT)  # log1p(e) = 2 atanh(s)
    return np.where(x > 0.0, x + tail, tail)


def erf_short(x: Floats) -> Floats:
    a = magnitude(x)
    a = np.where(a > 4.0, 4.0, a)
    return with_sign_of(power_of_two_minus_one_short(-(a * paired(a, ERF_SHORT))), x)  # erfc(a) = 2^(-a p(a))


class Split(NamedTuple):
    """x = mantissa * 2^exponent, mantissa in [sqrt(1/2), sqrt(2)), for normal x > 0; biased is exponent + 1023."""

    mantissa: Floats
    exponent: Floats
    biased: Words


def split(x: Floats) -> Split:
    bits = words(x) + (ONE_BITS - SQRT_HALF_BITS)
    biased = bits >> np.uint64(52)
    mantissa = floats((bits & FRACTION_BITS) + SQRT_HALF_BITS)
    return Split(mantissa, floats(biased | TWO_52_BITS) - (TWO_52 + 1023.0), biased)


def log_special(x: Floats, result: Floats) -> Floats:
    """log's result where x is 0, negative, +Inf or NaN."""
    result = np.where(x == np.inf, x, result)
    return np.where(x > 0.0, result, np.where(x == 0.0, -np.inf, np.nan))


def log_short(x: Floats) -> Floats:
    x_split = split(x)
    f = x_split.mantissa - 1.0
    s = f / (f + 2.0)
    return log_special(x, x_split.exponent * LN2 + s * paired(s * s, LOG_SHORT))


def log1p_short(x: Floats) -> Floats:
    u = x + 1.0
    u_split = split(u)
    f = np.where(u_split.exponent == 0.0, x, u_split.mantissa - 1.0)  # u is inexact only for small |x|
    s = f / (f + 2.0)
    return with_sign_of(log_special(u, u_split.exponent * LN2 + s * paired(s * s, LOG_SHORT)), x)


def within_turns(x: Floats) -> Floats:
    """x up to 2^30. Beyond, where neighbouring float32 are many turns apart, a finite x becomes a zero of its sign.

    The reduction of sin and cos is exact up to 2^20 multiples and loses digits slowly up to 2^30. Infinities become
    NaN.
    """
    return np.where(magnitude(x) <= 1073741824.0, x, x * 0.0)


def sin_from_short(x: Floats, turns: Floats, shifted: Floats) -> Floats:
    """(-1)^n sin(x - turns pi): sin with turns = n, cos with turns = n - 1/2. `shifted` holds n in its lowest bits."""
    r = (x - turns * PI_PARTS[0]) - turns * PI_PARTS[1]
    result = r * paired(r * r, SIN_SHORT)
    return floats(words(result) ^ shift_left(words(shifted), 63))


def sin_short(x: Floats) -> Floats:
    x = within_turns(x)
    shifted = x * INVERSE_PI + ROUND
    return sin_from_short(x, shifted - ROUND, shifted)


def cos_short(x: Floats) -> Floats:
    x = within_turns(x)
    shifted = (x * INVERSE_PI + 0.5) + ROUND
    return sin_from_short(x, (shifted - ROUND) - 0.5, shifted)


def pow_special(a: Floats, b: Floats, result: Floats) -> Floats:
    """a^b with the special cases of C99's annex F; `result` is |a|^b for finite a != 0 and finite b."""
    base, exponent = magnitude(a), magnitude(b)
    half = exponent * 0.5
    whole = (((exponent + TWO_52) - TWO_52) == exponent) | (exponent >= TWO_52)
    odd = whole & (((half + TWO_52) - TWO_52) != half) & (exponent < 2.0 * TWO_52)
    grows = (base > 1.0) == (b > 0.0)
    extreme = (base == 0.0) | (base == np.inf) | (exponent == np.inf)
    result = np.where(extreme, np.where(grows, np.inf, 0.0), result)
    result = np.where(base == 1.0, 1.0, result)
    result = np.where((a < 0.0) & (base < np.inf) & ~whole, np.nan, result)
    result = floats(words(result) ^ np.where(odd, words(a) & SIGN_BIT, np.uint64(0)))
    result = np.where((a != a) | (b != b), a + b, result)
    return np.where((b == 0.0) | (a == 1.0), 1.0, result)


def pow_short(a: Floats, b: Floats) -> Floats:
    base = split(magnitude(a))
    f = base.mantissa - 1.0
    s = f / (f + 2.0)
    t = b * (base.exponent + s * paired(s * s, LOG2_SHORT))
    p = power_of_two_short(clamp(t, -160.0, 160.0))
    return pow_special(a, b, p.minus_one * p.scale + p.scale)


# float64: exponentials.


class Reduced(NamedTuple):
    """x = n log(2) + r: `shifted` holds n + bias in its lowest bits, r is high + low."""

    shifted: Floats
    high: Floats
    low: Floats


def reduce_exp(x: Floats, x_low: Floats | float, bias: float) -> Reduced:
    shifted = x * LOG2_E + (ROUND + bias)
    n = shifted - (ROUND + bias)
    r = fast_two_sum(x - n * LN2_PARTS[0], -(n * LN2_PARTS[1]))
    low = r.low + x_low
    high = r.high + low
    return Reduced(shifted, high, (r.high - high) + low)


def scale_by(x: Floats, shifted: Floats) -> Floats:
    """x * 2^n, n in [-1080, 1024], rounded once; `shifted` holds n + 2046."""
    half = words(shifted) >> np.uint64(1)
    return x * floats(shift_left(half, 52)) * floats(shift_left(words(shifted) - half, 52))


def exp_sum(x: Floats, x_low: Floats | float) -> Sum:
    """exp(x + x_low), x in [-746, 710]; both parts are scaled by the power of two."""
    r = reduce_exp(x, x_low, 2046.0)
    one = fast_two_sum(np.ones_like(x), r.high)
    low = one.low + (r.low + (r.high * r.high) * paired(r.high, EXP_LONG))
    p = fast_two_sum(one.high, low)
    return Sum(scale_by(p.high, r.shifted), scale_by(p.low, r.shifted))


def exp_long(x: Floats) -> Floats:
    bias = ROUND + 2046.0
    x = clamp(x, -746.0, 710.0)
    shifted = x * LOG2_E + bias
    n = shifted - bias
    r = (x - n * LN2_PARTS[0]) - n * LN2_PARTS[1]
    return scale_by(1.0 + (r + (r * r) * paired(r, EXP_LONG)), shifted)


def half_expm1_sum(x: Floats) -> Sum:
    """(exp(x) - 1) / 2, halved so that it does not overflow before exp does; x in [-40, 710]."""
    r = reduce_exp(x, 0.0, 1022.0)
    scale = floats(shift_left(words(r.shifted), 52))
    total = fast_two_sum(scale - 0.5, scale * r.high)
    return fast_two_sum(total.high, total.low + scale * (r.low + (r.high * r.high) * paired(r.high, EXP_LONG)))


def expm1_long(x: Floats) -> Floats:
    result = 2.0 * half_expm1_sum(clamp(x, -40.0, 710.0)).high
    return np.where(magnitude(x) < 2.0**-54, x, result)


def tanh_long(x: Floats) -> Floats:
    a = magnitude(x)
    e = half_expm1_sum(2.0 * np.where(a > 20.0, 20.0, a))
    d = two_sum(np.ones_like(x), e.high)
    return with_sign_of(quotient(e, Sum(d.high, d.low + e.low)), x)


def sigmoid_long(x: Floats) -> Floats:
    a = magnitude(x)
    e = exp_sum(-np.where(a > 746.0, 746.0, a), 0.0)
    d = fast_two_sum(np.ones_like(x), e.high)
    negative = x < 0.0
    numerator = Sum(np.where(negative, e.high, 1.0), np.where(negative, e.low, 0.0))
    return quotient(numerator, Sum(d.high, d.low + e.low))


def softplus_long(x: Floats) -> Floats:
    a = magnitude(x)
    e = exp_sum(-np.where(a > 746.0, 746.0, a), 0.0)
    s = e.high / (e.high + 2.0)
    z = s * s
    half_square = 0.5 * (e.high * e.high)
    # log1p(e) = e - (e^2/2 - s (e^2/2 + z p(z))); e.low weighs 1/(1 + e), within 4 % of 1 - 3s/2.
    less = half_square - (s * (half_square + z * paired(z, SOFTPLUS_LONG)) + e.low * (1.0 - 1.5 * s))
    total = two_sum(np.where(x > 0.0, x, 0.0), e.high)
    return np.where(x == np.inf, x, total.high + (total.low - less))


def erf_long(x: Floats) -> Floats:
    a = magnitude(x)
    a = np.where(a > 6.0, 6.0, a)
    near = a + a * paired(a * a, ERF_NEAR_LONG)
    far = 1.0 - exp_long(-horner(a - 1.0, ERF_FAR_LONG))
    return with_sign_of(np.where(a < 1.0, near, far), x)


# float64: logarithms.


def log_from(exponent: Floats, f: Floats, f_low: Floats | float) -> Floats:
    """exponent log(2) + log(1 + f + f_low), f in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    s = f / (f + 2.0)
    z = s * s
    half_square = 0.5 * (f * f)
    low = s * (half_square + z * paired(z, LOG_LONG)) + (exponent * LN2_PARTS[1] + f_low)
    return exponent * LN2_PARTS[0] + (f - (half_square - low))


def split_any(x: Floats) -> Split:
    """split() for subnormal x too."""
    small = x < 2.0**-1022
    mantissa, exponent, biased = split(np.where(small, x * 2.0**54, x))
    return Split(mantissa, np.where(small, exponent - 54.0, exponent), biased)


def log_long(x: Floats) -> Floats:
    x_split = split_any(x)
    return log_special(x, log_from(x_split.exponent, x_split.mantissa - 1.0, 0.0))


def log1p_long(x: Floats) -> Floats:
    u = two_sum(np.ones_like(x), x)
    u_split = split(u.high)
    scale = np.where(u.high < 2.0**100, floats(shift_left(np.uint64(2046) - u_split.biased, 52)), 0.0)  # 2^-exponent
    f = fast_two_sum(u_split.mantissa - 1.0, u.low * scale)
    result = log_special(u.high, log_from(u_split.exponent, f.high, f.low))
    return np.where(magnitude(x) < 2.0**-54, x, result)


# float64: a^b = exp(b log(a)), the logarithm and the product to about 2^-64.


def log_sum(x: Floats) -> Sum:
    """log(x), x > 0."""
    x_split = split_any(x)
    f = x_split.mantissa - 1.0
    d = fast_two_sum(np.full_like(f, 2.0), f)
    s = f / d.high
    product = two_product(s, d.high)
    s_low = (((f - product.high) - product.low) - s * d.low) / d.high
    z = two_product(s, s)
    z = Sum(z.high, z.low + 2.0 * (s * s_low))
    # log(1 + f) = 2 s + s z (2/3 + z p(z)).
    c = fast_two_sum(np.full_like(f, TWO_THIRDS_PARTS[0]), z.high * paired(z.high, POWER_LONG))
    c = Sum(c.high, c.low + TWO_THIRDS_PARTS[1])
    cubic = two_product(s, z.high)
    cubic = Sum(cubic.high, cubic.low + (s * z.low + s_low * z.high))
    tail = two_product(cubic.high, c.high)
    tail = Sum(tail.high, tail.low + (cubic.high * c.low + cubic.low * c.high))
    mantissa = fast_two_sum(2.0 * s, tail.high)
    mantissa = Sum(mantissa.high, mantissa.low + (2.0 * s_low + tail.low))
    total = two_sum(x_split.exponent * LN2_PARTS[0], mantissa.high)
    return fast_two_sum(total.high, total.low + (mantissa.low + x_split.exponent * LN2_PARTS[1]))


def pow_long(a: Floats, b: Floats) -> Floats:
    log_a = log_sum(magnitude(a))
    exponent = clamp(b, -(2.0**65), 2.0**65)  # far enough to overflow for every base but 1
    t = two_product(exponent, log_a.high)
    t_high = clamp(t.high, -746.0, 710.0)
    t_low = np.where(t_high == t.high, t.low + exponent * log_a.low, 0.0)
    return pow_special(a, b, exp_sum(t_high, t_low).high)


# float64: sine and cosine.


def sin_from_long(x: Floats, quarter: int) -> Floats:
    """sin(x + quarter pi/2)."""
    shifted = x * TWO_OVER_PI + ROUND
    n = shifted - ROUND
    first = two_sum(x - n * HALF_PI_PARTS[0], -(n * HALF_PI_PARTS[1]))
    second = two_sum(first.high, -(n * HALF_PI_PARTS[2]))
    low = (first.low + second.low) - n * HALF_PI_PARTS[3]
    r = second.high + low
    low = (second.high - r) + low
    z = r * r
    half = 0.5 * z
    sine = r + ((r * z) * paired(z, SIN_LONG) + low * (1.0 - half))
    one = 1.0 - half
    cosine = one + (((1.0 - one) - half) + ((z * z) * paired(z, COS_LONG) - r * low))
    quadrant = words(shifted) + np.uint64(quarter)
    result = np.where((quadrant & np.uint64(1)) != 0, cosine, sine)
    return floats(words(result) ^ (shift_left(quadrant, 62) & SIGN_BIT))


def sin_long(x: Floats) -> Floats:
    x = within_turns(x)
    return np.where(magnitude(x) < 2.0**-28, x, sin_from_long(x, 0))


def cos_long(x: Floats) -> Floats:
    return sin_from_long(within_turns(x), 1)


# The functions. Arguments that saturate are clamped before they go through a `_short` sequence.


def _widened(short: Callable[..., Floats]) -> Callable[..., Array]:
    """A float32 function from a float64 sequence: widens the operands and rounds the result."""
    return lambda *operands: short(*(x.astype(np.float64) for x in operands)).astype(np.float32)


def _evaluate(in_float32: Callable[..., Array], in_float64: Callable[..., Floats], *operands: Array) -> Array:
    """A function of arrays that broadcast together and are all float32 or all float64."""
    dtype = operands[0].dtype
    if dtype not in (np.float32, np.float64) or any(x.dtype != dtype for x in operands):
        raise TypeError(f"operands must all be float32 or all float64, got {', '.join(str(x.dtype) for x in operands)}")
    arrays = np.broadcast_arrays(*operands)
    with np.errstate(all="ignore"):
        # At least one axis: NumPy's scalars neither view nor shift as arrays do.
        contiguous = [np.array(x, ndmin=1, order="C") for x in arrays]
        result = in_float32(*contiguous) if dtype == np.float32 else in_float64(*contiguous)
        return result.reshape(arrays[0].shape)


def exp(x: Array) -> Array:
    return _evaluate(functions_float32.exp, exp_long, x)


def expm1(x: Array) -> Array:
    return _evaluate(_widened(lambda x: expm1_short(clamp(x, -40.0, 100.0))), expm1_long, x)


def log(x: Array) -> Array:
    return _evaluate(_widened(log_short), log_long, x)


def log1p(x: Array) -> Array:
    return _evaluate(_widened(log1p_short), log1p_long, x)


def tanh(x: Array) -> Array:
    return _evaluate(functions_float32.tanh, tanh_long, x)


def sigmoid(x: Array) -> Array:
    return _evaluate(functions_float32.sigmoid, sigmoid_long, x)


def softplus(x: Array) -> Array:
    return _evaluate(_widened(softplus_short), softplus_long, x)


def erf(x: Array) -> Array:
    return _evaluate(_widened(erf_short), erf_long, x)


def sin(x: Array) -> Array:
    return _evaluate(_widened(sin_short), sin_long, x)


def cos(x: Array) -> Array:
    return _evaluate(_widened(cos_short), cos_long, x)


def power(a: Array, b: Array) -> Array:
    return _evaluate(_widened(pow_short), pow_long, a, b)
