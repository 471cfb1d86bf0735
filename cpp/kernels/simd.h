// Vectors of the instruction set that the including file is compiled for.
//
// Rules for all files under kernels/ that isa/*.cpp include: their code is in an anonymous namespace, and they include
// no C++ standard header and no inline function that another file also compiles, so that the linker can never pick a
// copy made for a newer machine. They include only <stdint.h>, <stddef.h>, the compiler's intrinsics and
// kernels/table.h, which holds plain data.
#pragma once

#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__) || defined(__i386__)
// g++ 12 takes the undefined vectors inside its own AVX-512 intrinsics for uninitialised variables (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

#ifdef __FAST_MATH__
#error "fastbp's results are defined to the bit: compile without fast-math"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0
#error "fastbp needs FLT_EVAL_METHOD == 0"
#endif

#if defined(__AVX512F__)
#define FASTBP_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define FASTBP_VECTOR_BYTES 32
#else
#define FASTBP_VECTOR_BYTES 16
#endif

#define FASTBP_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define FASTBP_UNROLL _Pragma("unroll")
#else
#define FASTBP_UNROLL _Pragma("GCC unroll 32")
#endif

namespace {

typedef float F32 __attribute__((vector_size(FASTBP_VECTOR_BYTES)));
typedef double F64 __attribute__((vector_size(FASTBP_VECTOR_BYTES)));
typedef int32_t I32 __attribute__((vector_size(FASTBP_VECTOR_BYTES)));
typedef int64_t I64 __attribute__((vector_size(FASTBP_VECTOR_BYTES)));
typedef uint32_t U32 __attribute__((vector_size(FASTBP_VECTOR_BYTES)));
typedef uint64_t U64 __attribute__((vector_size(FASTBP_VECTOR_BYTES)));

// Vector<T>: the vector of T, the integer vector that its comparisons give, and the number of lanes.
template <class T>
struct Vector;
template <>
struct Vector<float> {
  typedef F32 type;
  typedef I32 mask;
  typedef U32 bits;
  typedef uint32_t word;
  static constexpr int lanes = FASTBP_VECTOR_BYTES / 4;
};
template <>
struct Vector<double> {
  typedef F64 type;
  typedef I64 mask;
  typedef U64 bits;
  typedef uint64_t word;
  static constexpr int lanes = FASTBP_VECTOR_BYTES / 8;
};
template <class T>
using V = typename Vector<T>::type;
template <class T>
using M = typename Vector<T>::mask;

// Unaligned load and store of a whole vector.
template <class T>
FASTBP_INLINE V<T> load(const T* p) {
  V<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
FASTBP_INLINE void store(T* p, V<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

#if defined(__AVX2__) && !defined(__AVX512F__)
FASTBP_INLINE __m256i first_words(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FASTBP_INLINE __m256i first_double_words(int64_t count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
#endif

// The first `count` lanes (0 <= count <= lanes); the others read as +0 and are not written.
template <class T>
FASTBP_INLINE V<T> load_first(const T* p, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return (V<T>)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
  } else {
    return (V<T>)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), p);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    return (V<T>)_mm256_maskload_ps(p, first_words(count));
  } else {
    return (V<T>)_mm256_maskload_pd(p, first_double_words(count));
  }
#else
  // No loop up to count: compilers would turn it into a call of memcpy, in the middle of a product's chains.
  V<T> v = {};
  FASTBP_UNROLL
  for (int i = 0; i < Vector<T>::lanes; ++i) {
    if (i < count) v[i] = p[i];
  }
  return v;
#endif
}
template <class T>
FASTBP_INLINE void store_first(T* p, V<T> v, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
  } else {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), (__m512d)v);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_ps(p, first_words(count), (__m256)v);
  } else {
    _mm256_maskstore_pd(p, first_double_words(count), (__m256d)v);
  }
#else
  FASTBP_UNROLL
  for (int i = 0; i < Vector<T>::lanes; ++i) {
    if (i < count) p[i] = v[i];
  }
#endif
}

template <class T>
FASTBP_INLINE V<T> splat(T x) {
  return x - V<T>{};  // x - (+0) is x for every x, -0 and NaN included
}

// Lane by lane: mask (all ones or zero, as comparisons give it) ? a : b.
template <class VectorT, class MaskT>
FASTBP_INLINE VectorT select(MaskT mask, VectorT a, VectorT b) {
  return mask ? a : b;
}

// Whether any lane of four vectors is NaN; only where that takes few instructions. One comparison finds the NaN of both
// its operands.
#if defined(__AVX512F__)
constexpr bool kFindsNan = true;
FASTBP_INLINE bool any_nan(F32 a, F32 b, F32 c, F32 d) {
  const __mmask16 of_a_or_b = _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q);
  return (of_a_or_b | _mm512_cmp_ps_mask((__m512)c, (__m512)d, _CMP_UNORD_Q)) != 0;
}
FASTBP_INLINE bool any_nan(F64 a, F64 b, F64 c, F64 d) {
  const __mmask8 of_a_or_b = _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q);
  return (of_a_or_b | _mm512_cmp_pd_mask((__m512d)c, (__m512d)d, _CMP_UNORD_Q)) != 0;
}
#elif defined(__AVX2__)
constexpr bool kFindsNan = true;
FASTBP_INLINE bool any_nan(F32 a, F32 b, F32 c, F32 d) {
  const __m256 of_a_or_b = _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q);
  return _mm256_movemask_ps(_mm256_or_ps(of_a_or_b, _mm256_cmp_ps((__m256)c, (__m256)d, _CMP_UNORD_Q))) != 0;
}
FASTBP_INLINE bool any_nan(F64 a, F64 b, F64 c, F64 d) {
  const __m256d of_a_or_b = _mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_UNORD_Q);
  return _mm256_movemask_pd(_mm256_or_pd(of_a_or_b, _mm256_cmp_pd((__m256d)c, (__m256d)d, _CMP_UNORD_Q))) != 0;
}
#else
constexpr bool kFindsNan = false;
#endif

FASTBP_INLINE F32 sqrt_of(F32 x) {
#if defined(__AVX512F__)
  return (F32)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (F32)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (F32)_mm_sqrt_ps((__m128)x);
#else
  for (int i = 0; i < Vector<float>::lanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}
FASTBP_INLINE F64 sqrt_of(F64 x) {
#if defined(__AVX512F__)
  return (F64)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX2__)
  return (F64)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (F64)_mm_sqrt_pd((__m128d)x);
#else
  for (int i = 0; i < Vector<double>::lanes; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

// float32 lanes to float64 (exact), the lower and the upper half; and back, rounding once.
FASTBP_INLINE F64 widen_low(F32 x) {
#if defined(__AVX512F__)
  return (F64)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
#elif defined(__AVX2__)
  return (F64)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x));
#elif defined(__SSE2__)
  return (F64)_mm_cvtps_pd((__m128)x);
#else
  F64 r;
  for (int i = 0; i < Vector<double>::lanes; ++i) r[i] = (double)x[i];
  return r;
#endif
}
FASTBP_INLINE F64 widen_high(F32 x) {
#if defined(__AVX512F__)
  return (F64)_mm512_cvtps_pd((__m256)_mm512_extractf64x4_pd((__m512d)x, 1));
#elif defined(__AVX2__)
  return (F64)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1));
#elif defined(__SSE2__)
  return (F64)_mm_cvtps_pd(_mm_movehl_ps((__m128)x, (__m128)x));
#else
  F64 r;
  for (int i = 0; i < Vector<double>::lanes; ++i) r[i] = (double)x[i + Vector<double>::lanes];
  return r;
#endif
}
FASTBP_INLINE F32 narrow(F64 low, F64 high) {
#if defined(__AVX512F__)
  __m512d halves = _mm512_castpd256_pd512((__m256d)_mm512_cvtpd_ps((__m512d)low));
  return (F32)_mm512_insertf64x4(halves, (__m256d)_mm512_cvtpd_ps((__m512d)high), 1);
#elif defined(__AVX2__)
  __m256 halves = _mm256_castps128_ps256(_mm256_cvtpd_ps((__m256d)low));
  return (F32)_mm256_insertf128_ps(halves, _mm256_cvtpd_ps((__m256d)high), 1);
#elif defined(__SSE2__)
  return (F32)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)low), _mm_cvtpd_ps((__m128d)high));
#else
  F32 r;
  for (int i = 0; i < Vector<double>::lanes; ++i) {
    r[i] = (float)low[i];
    r[i + Vector<double>::lanes] = (float)high[i];
  }
  return r;
#endif
}

}  // namespace
