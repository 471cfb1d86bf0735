// The elementary functions of rule 4 that are computed in float64: fixed sequences of + - * / and bit operations,
// without fma, without branches. Their twin, operation by operation, is python/fastbp/reference/functions.py, which
// defines the bits.
//
// float32 (all but those of functions_float32.h): both halves of a vector are widened, go through the function's
// `_short` sequence, and are rounded once. An error of 2^-32 before that rounding leaves nearly every result correctly
// rounded, and float32's subnormals and overflows are ordinary numbers on the way. float64: the sequences carry a low
// part where a rounding would show.
#pragma once

#include "kernels/coefficients.h"
#include "kernels/functions_float32.h"
#include "kernels/simd.h"

namespace {

constexpr double kInfinity = __builtin_inf();
constexpr double kNaN = __builtin_nan("");
constexpr uint64_t kSignBit = 0x8000000000000000u;
constexpr uint64_t kFractionBits = 0x000fffffffffffffu;
constexpr uint64_t kOneBits = 0x3ff0000000000000u;
constexpr uint64_t kSqrtHalfBits = 0x3fe6a09e667f3bcdu;
constexpr uint64_t kTwo52Bits = 0x4330000000000000u;  // with a small integer k in the fraction: 2^52 + k
constexpr double kTwo52 = 4503599627370496.0;
constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, found in the lowest bits

struct Sum {  // high + low, |low| at most half a unit in the last place of high
  F64 high, low;
};

// Bits.

FASTBP_INLINE F64 with_sign_of(F64 x, F64 sign) { return (F64)(((U64)x & ~kSignBit) | ((U64)sign & kSignBit)); }
FASTBP_INLINE F64 magnitude(F64 x) { return (F64)((U64)x & ~kSignBit); }

template <class VectorT, class T>
FASTBP_INLINE VectorT clamp(VectorT x, T low, T high) {  // NaN passes
  x = select(x > high, splat<T>(high), x);
  return select(x < low, splat<T>(low), x);
}

// Polynomials, c[0] + c[1] z + ...

template <int count>
FASTBP_INLINE F64 horner(F64 z, const double (&c)[count]) {
  F64 p = splat(c[count - 1]);
#pragma GCC unroll 32
  for (int i = count - 2; i >= 0; --i) p = p * z + c[i];
  return p;
}
// The even and the odd powers as two chains in z^2: half the latency for one multiplication.
template <int count>
FASTBP_INLINE F64 paired(F64 z, const double (&c)[count]) {
  F64 square = z * z;
  constexpr int even_top = (count - 1) / 2 * 2, odd_top = (count - 2) / 2 * 2 + 1;
  F64 even = splat(c[even_top]), odd = splat(c[odd_top]);
#pragma GCC unroll 32
  for (int i = even_top - 2; i >= 0; i -= 2) even = even * square + c[i];
#pragma GCC unroll 32
  for (int i = odd_top - 2; i >= 1; i -= 2) odd = odd * square + c[i];
  return even + z * odd;
}

// Exact sums and products.

FASTBP_INLINE Sum fast_two_sum(F64 a, F64 b) {  // |a| >= |b| or a == 0
  F64 high = a + b;
  return {high, (a - high) + b};
}
FASTBP_INLINE Sum two_sum(F64 a, F64 b) {
  F64 high = a + b;
  F64 b_part = high - a;
  return {high, (a - (high - b_part)) + (b - b_part)};
}
FASTBP_INLINE Sum two_product(F64 a, F64 b) {  // up to an error of 2^-107 of the product
  F64 a_high = (F64)((U64)a & ~(uint64_t)0x7ffffff), b_high = (F64)((U64)b & ~(uint64_t)0x7ffffff);
  F64 a_low = a - a_high, b_low = b - b_high;
  F64 high = a * b;
  return {high, (((a_high * b_high - high) + a_high * b_low) + a_low * b_high) + a_low * b_low};
}
// numerator / denominator to about 1 ulp.
FASTBP_INLINE F64 quotient(Sum numerator, Sum denominator) {
  F64 q = numerator.high / denominator.high;
  return q + (numerator.low - q * denominator.low) / denominator.high;
}

// float32: powers of two and what is made of them.

struct PowerOfTwo {  // 2^t = scale * (1 + minus_one)
  F64 scale, minus_one;
};
FASTBP_INLINE PowerOfTwo power_of_two_short(F64 t) {  // |t| <= 1000
  constexpr double round = kRound + 1023.0;  // so that the lowest bits are a biased exponent
  F64 shifted = t + round;
  F64 r = t - (shifted - round);
  return {(F64)((U64)shifted << 52), r * paired(r, kExpm1Short)};
}
FASTBP_INLINE F64 exp_short(F64 x) {
  PowerOfTwo p = power_of_two_short(x * kLog2E);
  return p.minus_one * p.scale + p.scale;
}
FASTBP_INLINE F64 power_of_two_minus_one_short(F64 t) {  // with a small relative error, near 0 too
  PowerOfTwo p = power_of_two_short(t);
  return p.minus_one * p.scale + (p.scale - 1.0);
}
FASTBP_INLINE F64 expm1_short(F64 x) { return with_sign_of(power_of_two_minus_one_short(x * kLog2E), x); }
FASTBP_INLINE F64 softplus_short(F64 x) {
  F64 a = magnitude(x);
  F64 e = exp_short(-select(a > 110.0, splat(110.0), a));
  F64 s = e / (e + 2.0);
  F64 tail = s * paired(s * s, kSoftplusShort);  // log1p(e) = 2 atanh(s)
  return select(x > 0.0, x + tail, tail);
}
FASTBP_INLINE F64 erf_short(F64 x) {
  F64 a = magnitude(x);
  a = select(a > 4.0, splat(4.0), a);
  return with_sign_of(power_of_two_minus_one_short(-(a * paired(a, kErfShort))), x);  // erfc(a) = 2^(-a p(a))
}

// x = mantissa * 2^exponent, mantissa in [sqrt(1/2), sqrt(2)), for normal x > 0; biased is exponent + 1023.
struct Split {
  F64 mantissa, exponent;
  U64 biased;
};
FASTBP_INLINE Split split(F64 x) {
  U64 bits = (U64)x + (kOneBits - kSqrtHalfBits);
  U64 biased = bits >> 52;
  return {(F64)((bits & kFractionBits) + kSqrtHalfBits), (F64)(biased | kTwo52Bits) - (kTwo52 + 1023.0), biased};
}
// log's result where x is 0, negative, +Inf or NaN.
FASTBP_INLINE F64 log_special(F64 x, F64 result) {
  result = select(x == kInfinity, x, result);
  return select(x > 0.0, result, select(x == 0.0, splat(-kInfinity), splat(kNaN)));
}
FASTBP_INLINE F64 log_short(F64 x) {
  Split x_split = split(x);
  F64 f = x_split.mantissa - 1.0;
  F64 s = f / (f + 2.0);
  return log_special(x, x_split.exponent * kLn2 + s * paired(s * s, kLogShort));
}
FASTBP_INLINE F64 log1p_short(F64 x) {
  F64 u = x + 1.0;
  Split u_split = split(u);
  F64 f = select(u_split.exponent == 0.0, x, u_split.mantissa - 1.0);  // u rounds only where |x| is small
  F64 s = f / (f + 2.0);
  return with_sign_of(log_special(u, u_split.exponent * kLn2 + s * paired(s * s, kLogShort)), x);
}

// sin and cos reduce in parts that are exact up to 2^20 multiples, and lose digits slowly up to 2^30; beyond that,
// where neighbouring float32 are many turns apart, every finite argument counts as 0. Infinities become NaN.
FASTBP_INLINE F64 within_turns(F64 x) { return select(magnitude(x) <= 1073741824.0, x, x * 0.0); }

// (-1)^n sin(x - turns pi): sin with turns = n, cos with turns = n - 1/2. `shifted` holds n in its lowest bits.
FASTBP_INLINE F64 sin_from_short(F64 x, F64 turns, F64 shifted) {
  F64 r = (x - turns * kPiParts[0]) - turns * kPiParts[1];
  F64 result = r * paired(r * r, kSinShort);
  return (F64)((U64)result ^ ((U64)shifted << 63));
}
FASTBP_INLINE F64 sin_short(F64 x) {
  x = within_turns(x);
  F64 shifted = x * kInversePi + kRound;
  return sin_from_short(x, shifted - kRound, shifted);
}
FASTBP_INLINE F64 cos_short(F64 x) {
  x = within_turns(x);
  F64 shifted = (x * kInversePi + 0.5) + kRound;
  return sin_from_short(x, (shifted - kRound) - 0.5, shifted);
}

// Annex F's cases of a^b, given |a|^b for finite a != 0 and finite b.
FASTBP_INLINE F64 pow_special(F64 a, F64 b, F64 result) {
  F64 base = magnitude(a), exponent = magnitude(b);
  F64 half = exponent * 0.5;
  I64 whole = (((exponent + kTwo52) - kTwo52) == exponent) | (exponent >= kTwo52);
  I64 odd = whole & (((half + kTwo52) - kTwo52) != half) & (exponent < 2.0 * kTwo52);
  I64 grows = ~((base > 1.0) ^ (b > 0.0));
  I64 extreme = (base == 0.0) | (base == kInfinity) | (exponent == kInfinity);
  result = select(extreme, select(grows, splat(kInfinity), splat(0.0)), result);
  result = select(base == 1.0, splat(1.0), result);
  result = select((a < 0.0) & (base < kInfinity) & ~whole, splat(kNaN), result);
  result = (F64)((U64)result ^ ((U64)a & (U64)odd & kSignBit));
  result = select((a != a) | (b != b), a + b, result);
  return select((b == 0.0) | (a == 1.0), splat(1.0), result);
}
FASTBP_INLINE F64 pow_short(F64 a, F64 b) {
  Split base = split(magnitude(a));
  F64 f = base.mantissa - 1.0;
  F64 s = f / (f + 2.0);
  F64 t = b * (base.exponent + s * paired(s * s, kLog2Short));
  PowerOfTwo p = power_of_two_short(clamp(t, -160.0, 160.0));
  return pow_special(a, b, p.minus_one * p.scale + p.scale);
}

// float64: exponentials.

// x = n log(2) + r: `shifted` holds n + bias in its lowest bits, r is high + low.
struct Reduced {
  F64 shifted, high, low;
};
FASTBP_INLINE Reduced reduce_exp(F64 x, F64 x_low, double bias) {
  double round = kRound + bias;
  F64 shifted = x * kLog2E + round;
  F64 n = shifted - round;
  Sum r = fast_two_sum(x - n * kLn2Parts[0], -(n * kLn2Parts[1]));
  F64 low = r.low + x_low;
  F64 high = r.high + low;
  return {shifted, high, (r.high - high) + low};
}
// x * 2^n, n in [-1080, 1024], rounded once; `shifted` holds n + 2046.
FASTBP_INLINE F64 scale_by(F64 x, F64 shifted) {
  U64 half = (U64)shifted >> 1;
  return x * (F64)(half << 52) * (F64)(((U64)shifted - half) << 52);
}
// exp(x + x_low) in [-746, 710], scaled.
FASTBP_INLINE Sum exp_sum(F64 x, F64 x_low) {
  Reduced r = reduce_exp(x, x_low, 2046.0);
  Sum one = fast_two_sum(splat(1.0), r.high);
  F64 low = one.low + (r.low + (r.high * r.high) * paired(r.high, kExpLong));
  Sum p = fast_two_sum(one.high, low);
  return {scale_by(p.high, r.shifted), scale_by(p.low, r.shifted)};
}
FASTBP_INLINE F64 exp_long(F64 x) {
  constexpr double round = kRound + 2046.0;
  x = clamp(x, -746.0, 710.0);
  F64 shifted = x * kLog2E + round;
  F64 n = shifted - round;
  F64 r = (x - n * kLn2Parts[0]) - n * kLn2Parts[1];
  return scale_by(1.0 + (r + (r * r) * paired(r, kExpLong)), shifted);
}
// (exp(x) - 1) / 2, halved so that it does not overflow before exp does; x in [-40, 710].
FASTBP_INLINE Sum half_expm1_sum(F64 x) {
  Reduced r = reduce_exp(x, splat(0.0), 1022.0);
  F64 scale = (F64)((U64)r.shifted << 52);
  Sum sum = fast_two_sum(scale - 0.5, scale * r.high);
  return fast_two_sum(sum.high, sum.low + scale * (r.low + (r.high * r.high) * paired(r.high, kExpLong)));
}
FASTBP_INLINE F64 expm1_long(F64 x) {
  F64 result = 2.0 * half_expm1_sum(clamp(x, -40.0, 710.0)).high;
  return select(magnitude(x) < 0x1p-54, x, result);
}
FASTBP_INLINE F64 tanh_long(F64 x) {
  F64 a = magnitude(x);
  Sum e = half_expm1_sum(2.0 * select(a > 20.0, splat(20.0), a));
  Sum d = two_sum(splat(1.0), e.high);
  return with_sign_of(quotient(e, {d.high, d.low + e.low}), x);
}
FASTBP_INLINE F64 sigmoid_long(F64 x) {
  F64 a = magnitude(x);
  Sum e = exp_sum(-select(a > 746.0, splat(746.0), a), splat(0.0));
  Sum d = fast_two_sum(splat(1.0), e.high);
  I64 negative = x < 0.0;
  Sum numerator = {select(negative, e.high, splat(1.0)), select(negative, e.low, splat(0.0))};
  return quotient(numerator, {d.high, d.low + e.low});
}
FASTBP_INLINE F64 softplus_long(F64 x) {
  F64 a = magnitude(x);
  Sum e = exp_sum(-select(a > 746.0, splat(746.0), a), splat(0.0));
  F64 s = e.high / (e.high + 2.0), z = s * s;
  F64 half_square = 0.5 * (e.high * e.high);
  // log1p(e) = e - (e^2/2 - s (e^2/2 + z p(z))); e.low weighs 1/(1 + e), within 4 % of 1 - 3s/2.
  F64 less = half_square - (s * (half_square + z * paired(z, kSoftplusLong)) + e.low * (1.0 - 1.5 * s));
  Sum sum = two_sum(select(x > 0.0, x, splat(0.0)), e.high);
  return select(x == kInfinity, x, sum.high + (sum.low - less));
}
FASTBP_INLINE F64 erf_long(F64 x) {
  F64 a = magnitude(x);
  a = select(a > 6.0, splat(6.0), a);
  F64 near = a + a * paired(a * a, kErfNearLong);
  F64 far = 1.0 - exp_long(-horner(a - 1.0, kErfFarLong));
  return with_sign_of(select(a < 1.0, near, far), x);
}

// float64: logarithms.

// exponent log(2) + log(1 + f + f_low), f in [sqrt(1/2) - 1, sqrt(2) - 1].
FASTBP_INLINE F64 log_from(F64 exponent, F64 f, F64 f_low) {
  F64 s = f / (f + 2.0), z = s * s;
  F64 half_square = 0.5 * (f * f);
  F64 low = s * (half_square + z * paired(z, kLogLong)) + (exponent * kLn2Parts[1] + f_low);
  return exponent * kLn2Parts[0] + (f - (half_square - low));
}
// split() for subnormal x too.
FASTBP_INLINE Split split_any(F64 x) {
  I64 small = x < 0x1p-1022;
  Split result = split(select(small, x * 0x1p54, x));
  result.exponent = select(small, result.exponent - 54.0, result.exponent);
  return result;
}
FASTBP_INLINE F64 log_long(F64 x) {
  Split x_split = split_any(x);
  return log_special(x, log_from(x_split.exponent, x_split.mantissa - 1.0, splat(0.0)));
}
FASTBP_INLINE F64 log1p_long(F64 x) {
  Sum u = two_sum(splat(1.0), x);
  Split u_split = split(u.high);
  F64 scale = select(u.high < 0x1p100, (F64)((2046 - u_split.biased) << 52), splat(0.0));  // 2^-exponent
  Sum f = fast_two_sum(u_split.mantissa - 1.0, u.low * scale);
  F64 result = log_special(u.high, log_from(u_split.exponent, f.high, f.low));
  return select(magnitude(x) < 0x1p-54, x, result);
}

// float64: a^b = exp(b log(a)), the logarithm and the product to about 2^-64.

FASTBP_INLINE Sum log_sum(F64 x) {  // x > 0
  Split x_split = split_any(x);
  F64 f = x_split.mantissa - 1.0;
  Sum d = fast_two_sum(splat(2.0), f);
  F64 s = f / d.high;
  Sum product = two_product(s, d.high);
  F64 s_low = (((f - product.high) - product.low) - s * d.low) / d.high;
  Sum z = two_product(s, s);
  z.low = z.low + 2.0 * (s * s_low);
  // log(1 + f) = 2 s + s z (2/3 + z p(z)).
  Sum c = fast_two_sum(splat(kTwoThirdsParts[0]), z.high * paired(z.high, kPowerLong));
  c.low = c.low + kTwoThirdsParts[1];
  Sum cubic = two_product(s, z.high);
  cubic.low = cubic.low + (s * z.low + s_low * z.high);
  Sum tail = two_product(cubic.high, c.high);
  tail.low = tail.low + (cubic.high * c.low + cubic.low * c.high);
  Sum mantissa = fast_two_sum(2.0 * s, tail.high);
  mantissa.low = mantissa.low + (2.0 * s_low + tail.low);
  Sum total = two_sum(x_split.exponent * kLn2Parts[0], mantissa.high);
  return fast_two_sum(total.high, total.low + (mantissa.low + x_split.exponent * kLn2Parts[1]));
}
FASTBP_INLINE F64 pow_long(F64 a, F64 b) {
  Sum log = log_sum(magnitude(a));
  F64 exponent = clamp(b, -0x1p65, 0x1p65);  // far enough to overflow for every base but 1
  Sum t = two_product(exponent, log.high);
  F64 t_high = clamp(t.high, -746.0, 710.0);
  F64 t_low = select(t_high == t.high, t.low + exponent * log.low, splat(0.0));
  return pow_special(a, b, exp_sum(t_high, t_low).high);
}

// float64: sine and cosine.

FASTBP_INLINE F64 sin_from_long(F64 x, uint64_t quarter) {  // sin(x + quarter pi/2)
  F64 shifted = x * kTwoOverPi + kRound;
  F64 n = shifted - kRound;
  Sum first = two_sum(x - n * kHalfPiParts[0], -(n * kHalfPiParts[1]));
  Sum second = two_sum(first.high, -(n * kHalfPiParts[2]));
  F64 low = (first.low + second.low) - n * kHalfPiParts[3];
  F64 r = second.high + low;
  low = (second.high - r) + low;
  F64 z = r * r, half = 0.5 * z;
  F64 sine = r + ((r * z) * paired(z, kSinLong) + low * (1.0 - half));
  F64 one = 1.0 - half;
  F64 cosine = one + (((1.0 - one) - half) + ((z * z) * paired(z, kCosLong) - r * low));
  U64 quadrant = (U64)shifted + quarter;
  F64 result = select((I64)(0 - (quadrant & 1)), cosine, sine);
  return (F64)((U64)result ^ ((quadrant << 62) & kSignBit));
}
FASTBP_INLINE F64 sin_long(F64 x) {
  x = within_turns(x);
  return select(magnitude(x) < 0x1p-28, x, sin_from_long(x, 0));
}
FASTBP_INLINE F64 cos_long(F64 x) { return sin_from_long(within_turns(x), 1); }

// The functions; float32 exp, tanh and sigmoid are in functions_float32.h. Arguments that saturate are clamped before
// they are widened.

FASTBP_INLINE F32 expm1_of(F32 x) {
  x = clamp(x, -40.0f, 100.0f);
  return narrow(expm1_short(widen_low(x)), expm1_short(widen_high(x)));
}
FASTBP_INLINE F32 log_of(F32 x) { return narrow(log_short(widen_low(x)), log_short(widen_high(x))); }
FASTBP_INLINE F32 log1p_of(F32 x) { return narrow(log1p_short(widen_low(x)), log1p_short(widen_high(x))); }
FASTBP_INLINE F32 softplus_of(F32 x) { return narrow(softplus_short(widen_low(x)), softplus_short(widen_high(x))); }
FASTBP_INLINE F32 erf_of(F32 x) { return narrow(erf_short(widen_low(x)), erf_short(widen_high(x))); }
FASTBP_INLINE F32 sin_of(F32 x) { return narrow(sin_short(widen_low(x)), sin_short(widen_high(x))); }
FASTBP_INLINE F32 cos_of(F32 x) { return narrow(cos_short(widen_low(x)), cos_short(widen_high(x))); }
FASTBP_INLINE F32 pow_of(F32 a, F32 b) {
  return narrow(pow_short(widen_low(a), widen_low(b)), pow_short(widen_high(a), widen_high(b)));
}

FASTBP_INLINE F64 exp_of(F64 x) { return exp_long(x); }
FASTBP_INLINE F64 expm1_of(F64 x) { return expm1_long(x); }
FASTBP_INLINE F64 log_of(F64 x) { return log_long(x); }
FASTBP_INLINE F64 log1p_of(F64 x) { return log1p_long(x); }
FASTBP_INLINE F64 tanh_of(F64 x) { return tanh_long(x); }
FASTBP_INLINE F64 sigmoid_of(F64 x) { return sigmoid_long(x); }
FASTBP_INLINE F64 softplus_of(F64 x) { return softplus_long(x); }
FASTBP_INLINE F64 erf_of(F64 x) { return erf_long(x); }
FASTBP_INLINE F64 sin_of(F64 x) { return sin_long(x); }
FASTBP_INLINE F64 cos_of(F64 x) { return cos_long(x); }
FASTBP_INLINE F64 pow_of(F64 a, F64 b) { return pow_long(a, b); }

}  // namespace
