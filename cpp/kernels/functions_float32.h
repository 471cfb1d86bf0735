// The elementary functions of rule 4 that stay in float32: fixed sequences of + - * / fma and bit operations, within
// 1 ulp of the exact value. Their twin, operation by operation, is python/fastbp/reference/functions_float32.py, which
// defines the bits.
#pragma once

#include "kernels/coefficients.h"
#include "kernels/fma.h"

namespace {

constexpr uint32_t kSignBit32 = 0x80000000u;
constexpr float kRound32 = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, found in the lowest bits

FASTBP_INLINE F32 magnitude(F32 x) { return (F32)((U32)x & ~kSignBit32); }

// x > high ? high : x and x < low ? low : x. NaN passes: x86's instructions return their second operand then.
FASTBP_INLINE F32 at_most(F32 x, float high) {
#if defined(__AVX512F__)
  return (F32)_mm512_min_ps((__m512)splat(high), (__m512)x);
#elif defined(__AVX2__)
  return (F32)_mm256_min_ps((__m256)splat(high), (__m256)x);
#else
  return select(x > high, splat(high), x);
#endif
}
FASTBP_INLINE F32 at_least(F32 x, float low) {
#if defined(__AVX512F__)
  return (F32)_mm512_max_ps((__m512)splat(low), (__m512)x);
#elif defined(__AVX2__)
  return (F32)_mm256_max_ps((__m256)splat(low), (__m256)x);
#else
  return select(x < low, splat(low), x);
#endif
}

template <int count>
FASTBP_INLINE F32 horner(F32 z, const float (&c)[count]) {  // c[0] + c[1] z + ...
  F32 p = splat(c[count - 1]);
#pragma GCC unroll 16
  for (int i = count - 2; i >= 0; --i) p = fma_of(p, z, splat(c[i]));
  return p;
}

// t log2(e) rounded to an integer n, and r = t - n log(2): `shifted` holds n + bias in its lowest bits.
struct Reduced32 {
  F32 shifted, n, r;
};
FASTBP_INLINE Reduced32 reduce_exp(F32 t, float bias) {
  const float round = kRound32 + bias;
  const F32 shifted = fma_of(t, splat(kLog2ESingle), splat(round));
  const F32 n = shifted - round;
  const F32 high = fma_of(n, splat(-kLn2PartsSingle[0]), t);
  return {shifted, n, fma_of(n, splat(-kLn2PartsSingle[1]), high)};
}
// (exp(r) - 1) / r, |r| <= log(2)/2: exp(r) is fma(r, this, 1), with one rounding of a number near 1.
FASTBP_INLINE F32 expm1_over(F32 r) { return fma_of(r, horner(r, kExpSingle), splat(1.0f)); }

// x 2^n, rounded once; x in [0.4, 2.5] or NaN, n in [-152, 128]; `shifted` holds n + 254.
FASTBP_INLINE F32 scaled_by(F32 x, F32 n, F32 shifted) {
#if defined(__AVX512F__)
  (void)shifted;
  return (F32)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
  (void)n;
  const U32 half = (U32)shifted >> 1;
  return x * (F32)(half << 23) * (F32)(((U32)shifted - half) << 23);
#endif
}

FASTBP_INLINE F32 exp_of(F32 x) {
  const Reduced32 e = reduce_exp(at_least(at_most(x, 89.0f), -105.0f), 254.0f);
  return scaled_by(fma_of(e.r, expm1_over(e.r), splat(1.0f)), e.n, e.shifted);
}

// In each lane, number index % 8 of eight.
FASTBP_INLINE F32 one_of_eight(const float* numbers, U32 index) {
#if defined(__AVX512F__)
  const F32 twice = {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7],
                     numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7]};
  return (F32)_mm512_permutexvar_ps((__m512i)index, (__m512)twice);
#elif defined(__AVX2__)
  return (F32)_mm256_permutevar8x32_ps(_mm256_loadu_ps(numbers), (__m256i)index);
#else
  F32 chosen;
  for (int i = 0; i < Vector<float>::lanes; ++i) chosen[i] = numbers[index[i] & 7];
  return chosen;
#endif
}

// tanh(c + d) = tanh(c) + d p(d) on eight pieces with centres c; in the first, c is 0 and a itself stands for tanh(c).
FASTBP_INLINE F32 tanh_of(F32 x) {
  constexpr int kinds = sizeof kTanhSingle / sizeof kTanhSingle[0] / 8;
  const F32 a = at_most(magnitude(x), 9.1875f);
  const F32 place = fma_of(a, splat(3.25f), splat(2.0f));
  const U32 piece = (U32)place >> 22;  // its lowest bits: the exponent's, then the fraction's first
  const F32 d = a - one_of_eight(kTanhSingle, piece);
  F32 p = one_of_eight(kTanhSingle + 8 * (kinds - 1), piece);
#pragma GCC unroll 16
  for (int kind = kinds - 2; kind >= 2; --kind) p = fma_of(p, d, one_of_eight(kTanhSingle + 8 * kind, piece));
  const F32 base = select(place < 3.0f, a, one_of_eight(kTanhSingle + 8, piece));
  return (F32)((U32)fma_of(p, d, base) | ((U32)x & kSignBit32));
}

// With -|x| = n log(2) - r: sigmoid(-|x|) = 2^n / (e^r + 2^n); for positive x, 1 minus that.
FASTBP_INLINE F32 sigmoid_of(F32 x) {
  const Reduced32 e = reduce_exp(at_least((F32)((U32)x | kSignBit32), -105.0f), 254.0f);
  const F32 r = -e.r;
  const F32 scale = scaled_by(splat(1.0f), e.n, e.shifted), slope = expm1_over(r);
  const F32 high = fma_of(r, slope, scale + 1.0f);
  const F32 low = fma_of(r, slope, (1.0f - high) + scale);
  F32 q = 1.0f / high;
  q = fma_of(q, fma_of(-q, low, fma_of(-q, high, splat(1.0f))), q);  // one Newton step, with high + low
  const F32 small = scaled_by(q, e.n, e.shifted);
  return select(x > 0.0f, 1.0f - small, small);
}

}  // namespace
