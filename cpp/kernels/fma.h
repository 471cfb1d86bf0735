// fma_of(a, b, c): a * b + c with one rounding, lane by lane, on every machine.
//
// Without an fma instruction it is computed exactly: never by libm, whose emulation is slow, and never from a rounded
// product.
#pragma once

#include "kernels/simd.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

#if defined(__AVX512F__)

FASTBP_INLINE F32 fma_of(F32 a, F32 b, F32 c) { return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
FASTBP_INLINE F64 fma_of(F64 a, F64 b, F64 c) { return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }

#elif defined(__AVX2__) && defined(__FMA__)

FASTBP_INLINE F32 fma_of(F32 a, F32 b, F32 c) { return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
FASTBP_INLINE F64 fma_of(F64 a, F64 b, F64 c) { return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }

#elif defined(__aarch64__)

FASTBP_INLINE F32 fma_of(F32 a, F32 b, F32 c) { return (F32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
FASTBP_INLINE F64 fma_of(F64 a, F64 b, F64 c) { return (F64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }

#elif defined(__ARM_FEATURE_FMA)

FASTBP_INLINE F32 fma_of(F32 a, F32 b, F32 c) {
  for (int i = 0; i < Vector<float>::lanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
FASTBP_INLINE F64 fma_of(F64 a, F64 b, F64 c) {
  for (int i = 0; i < Vector<double>::lanes; ++i) c[i] = __builtin_fma(a[i], b[i], c[i]);
  return c;
}

#else

// x + y = sum + error exactly (Knuth), barring overflow.
FASTBP_INLINE F64 two_sum(F64 x, F64 y, F64* error) {
  F64 sum = x + y;
  F64 rounded_y = sum - x;
  *error = (x - (sum - rounded_y)) + (y - rounded_y);
  return sum;
}

// x + y rounded to odd: the neighbour whose last bit is 1, unless the sum is exact. A later rounding to two bits less
// (or fewer) then rounds as if it had seen x + y itself (Boldo and Melquiond, 2008).
FASTBP_INLINE F64 add_to_odd(F64 x, F64 y) {
  F64 error;
  F64 sum = two_sum(x, y, &error);
  I64 upwards = error > 0;
  I64 inexact = upwards | (error < 0);  // not where the error is NaN: a sum of Inf or NaN stays
  I64 beyond = upwards ^ (sum > 0);     // all ones where |sum| was rounded up: the step back truncates it
  return (F64)(((I64)sum + (inexact & beyond)) | (inexact & 1));
}

// The product of two float32 is exact in float64, and float64 has the two extra bits that the last rounding needs.
FASTBP_INLINE F32 fma_of(F32 a, F32 b, F32 c) {
  F64 low = add_to_odd(widen_low(a) * widen_low(b), widen_low(c));
  F64 high = add_to_odd(widen_high(a) * widen_high(b), widen_high(c));
  return narrow(low, high);
}

typedef unsigned __int128 Wide;

// A finite float64 as (-1)^negative * fraction * 2^exponent, the fraction's leading bit shifted to bit 125.
struct Unpacked {
  int negative;
  int exponent;
  Wide fraction;
};

FASTBP_INLINE int leading_bit(Wide x) {  // x > 0
  uint64_t high = (uint64_t)(x >> 64);
  return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)x);
}

FASTBP_INLINE Unpacked normalised(int negative, int exponent, Wide fraction) {
  Unpacked u = {negative, exponent, fraction};
  if (fraction) {
    int shift = 125 - leading_bit(fraction);
    u.fraction = fraction << shift;
    u.exponent = exponent - shift;
  }
  return u;
}

FASTBP_INLINE uint64_t bits_of(double x) {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

FASTBP_INLINE uint64_t fraction_of(uint64_t bits) {
  uint64_t fraction = bits & ((1ull << 52) - 1);
  return (bits >> 52 & 2047) ? fraction | 1ull << 52 : fraction;
}

FASTBP_INLINE int exponent_of(uint64_t bits) {
  int field = (int)(bits >> 52 & 2047);
  return (field ? field : 1) - 1075;
}

// (-1)^negative * fraction * 2^exponent, rounded to nearest even; fraction > 0, its bit 0 sticky.
FASTBP_INLINE double rounded(int negative, int exponent, Wide fraction) {
  int last = leading_bit(fraction) + exponent - 52;  // exponent of the result's last bit
  if (last < -1074) last = -1074;
  int shift = last - exponent;
  uint64_t kept;
  if (shift <= 0) {
    kept = (uint64_t)(fraction << -shift);
  } else if (shift > 127) {
    kept = 0;  // less than half of the smallest subnormal
  } else {
    kept = (uint64_t)(fraction >> shift);
    Wide half = (Wide)1 << (shift - 1);
    Wide rest = fraction & ((half << 1) - 1);
    kept += rest > half || (rest == half && (kept & 1));
  }
  // The leading bit of a normal result adds the 1 that its exponent field lacks here.
  uint64_t bits = last + 1074 >= 2047 ? ~0ull >> 1 : kept + ((uint64_t)(last + 1074) << 52);
  uint64_t infinity = 2047ull << 52;
  if (bits > infinity) bits = infinity;
  bits |= (uint64_t)negative << 63;
  double result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

// For any operands, in integer arithmetic.
__attribute__((noinline, unused)) double exact_fma(double a, double b, double c) {
  const uint64_t infinity = 2047ull << 52;
  uint64_t a_bits = bits_of(a), b_bits = bits_of(b), c_bits = bits_of(c);
  uint64_t magnitude = ~0ull >> 1;
  if ((a_bits & magnitude) >= infinity || (b_bits & magnitude) >= infinity) return a * b + c;
  if ((c_bits & magnitude) >= infinity) return c;
  if (a == 0 || b == 0) return a * b + c;

  int negative = (int)((a_bits ^ b_bits) >> 63);
  Unpacked product =
      normalised(negative, exponent_of(a_bits) + exponent_of(b_bits), (Wide)fraction_of(a_bits) * fraction_of(b_bits));
  Unpacked addend = normalised((int)(c_bits >> 63), exponent_of(c_bits), fraction_of(c_bits));
  if (addend.fraction == 0) return rounded(product.negative, product.exponent, product.fraction);

  bool product_first = product.exponent > addend.exponent ||
                       (product.exponent == addend.exponent && product.fraction >= addend.fraction);
  Unpacked large = product_first ? product : addend;
  Unpacked small = product_first ? addend : product;
  // Bits that are shifted out leave a sticky bit. Only shifts by more than 19 places lose bits (the fractions have at
  // most 106), and then a difference cancels at most one bit.
  int shift = large.exponent - small.exponent;
  if (shift > 127) {
    small.fraction = 1;
  } else if (shift > 0) {
    Wide lost = small.fraction & (((Wide)1 << shift) - 1);
    small.fraction = small.fraction >> shift | (lost != 0);
  }
  Wide sum = large.negative == small.negative ? large.fraction + small.fraction : large.fraction - small.fraction;
  if (sum == 0) return 0.0;
  return rounded(large.negative, large.exponent, sum);
}

FASTBP_INLINE I64 between_2_900(F64 x) {  // 2^-900 <= |x| <= 2^900
  F64 magnitude = (F64)((U64)x & (uint64_t)(~0ull >> 1));
  return (magnitude >= 0x1p-900) & (magnitude <= 0x1p900);
}

// a * b = product + error exactly (Dekker), within 2^+-900.
FASTBP_INLINE F64 two_product(F64 a, F64 b, F64* error) {
  const double splitter = 134217729.0;  // 2^27 + 1
  F64 product = a * b;
  F64 a_scaled = a * splitter, b_scaled = b * splitter;
  F64 a_high = a_scaled - (a_scaled - a), b_high = b_scaled - (b_scaled - b);
  F64 a_low = a - a_high, b_low = b - b_high;
  *error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
  return product;
}

// Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd" (2008).
FASTBP_INLINE F64 fma_of(F64 a, F64 b, F64 c) {
  F64 product_error, sum_error, total_error;
  F64 product = two_product(a, b, &product_error);
  F64 sum = two_sum(c, product_error, &sum_error);
  F64 total = two_sum(product, sum, &total_error);
  F64 result = total + add_to_odd(sum_error, total_error);

  I64 no_product = (product == 0) & ((a == 0) | (b == 0));
  result = select(no_product, product + c, result);
  I64 easy =
      no_product | (between_2_900(a) & between_2_900(b) & between_2_900(product) & (between_2_900(c) | (c == 0)));
  for (int i = 0; i < Vector<double>::lanes; ++i) {
    if (__builtin_expect(!easy[i], 0)) result[i] = exact_fma(a[i], b[i], c[i]);
  }
  return result;
}

#endif

}  // namespace
