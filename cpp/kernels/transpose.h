// Transposes squares of numbers in registers, whole or by 16-byte pieces of each row.
#pragma once

#include "kernels/simd.h"

namespace {

#ifdef __clang__
#define FASTBP_SHUFFLE(MaskT, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FASTBP_SHUFFLE(MaskT, a, b, ...) __builtin_shuffle(a, b, (MaskT){__VA_ARGS__})
#endif

// Interleave the lower or the upper halves of two vectors: {a0, b0, a1, b1, ...}. With AVX2, where crossing the middle
// of a vector costs more, they work within each half of the vectors; halves_low and halves_high join the halves first.
#if FASTBP_VECTOR_BYTES == 64
FASTBP_INLINE F32 interleave_low(F32 a, F32 b) {
  return FASTBP_SHUFFLE(I32, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
FASTBP_INLINE F32 interleave_high(F32 a, F32 b) {
  return FASTBP_SHUFFLE(I32, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
FASTBP_INLINE F64 interleave_low(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
FASTBP_INLINE F64 interleave_high(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#elif FASTBP_VECTOR_BYTES == 32
FASTBP_INLINE F32 interleave_low(F32 a, F32 b) { return FASTBP_SHUFFLE(I32, a, b, 0, 8, 1, 9, 4, 12, 5, 13); }
FASTBP_INLINE F32 interleave_high(F32 a, F32 b) { return FASTBP_SHUFFLE(I32, a, b, 2, 10, 3, 11, 6, 14, 7, 15); }
FASTBP_INLINE F64 interleave_low(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 0, 4, 2, 6); }
FASTBP_INLINE F64 interleave_high(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 1, 5, 3, 7); }
FASTBP_INLINE F32 halves_low(F32 a, F32 b) { return FASTBP_SHUFFLE(I32, a, b, 0, 1, 2, 3, 8, 9, 10, 11); }
FASTBP_INLINE F32 halves_high(F32 a, F32 b) { return FASTBP_SHUFFLE(I32, a, b, 4, 5, 6, 7, 12, 13, 14, 15); }
FASTBP_INLINE F64 halves_low(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 0, 1, 4, 5); }
FASTBP_INLINE F64 halves_high(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 2, 3, 6, 7); }
#else
FASTBP_INLINE F32 interleave_low(F32 a, F32 b) { return FASTBP_SHUFFLE(I32, a, b, 0, 4, 1, 5); }
FASTBP_INLINE F32 interleave_high(F32 a, F32 b) { return FASTBP_SHUFFLE(I32, a, b, 2, 6, 3, 7); }
FASTBP_INLINE F64 interleave_low(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 0, 2); }
FASTBP_INLINE F64 interleave_high(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 1, 3); }
#endif

// The same within every 16 bytes of the vectors.
#if FASTBP_VECTOR_BYTES == 64
FASTBP_INLINE F32 interleave_low_pieces(F32 a, F32 b) {
  return FASTBP_SHUFFLE(I32, a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}
FASTBP_INLINE F32 interleave_high_pieces(F32 a, F32 b) {
  return FASTBP_SHUFFLE(I32, a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
FASTBP_INLINE F64 interleave_low_pieces(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 0, 8, 2, 10, 4, 12, 6, 14); }
FASTBP_INLINE F64 interleave_high_pieces(F64 a, F64 b) { return FASTBP_SHUFFLE(I64, a, b, 1, 9, 3, 11, 5, 13, 7, 15); }
#else
template <class Vector>
FASTBP_INLINE Vector interleave_low_pieces(Vector a, Vector b) {
  return interleave_low(a, b);
}
template <class Vector>
FASTBP_INLINE Vector interleave_high_pieces(Vector a, Vector b) {
  return interleave_high(a, b);
}
#endif

// Transposes count x count elements in registers: interleaves row i with row i + count/2, log2(count) times.
template <class T, int count>
FASTBP_INLINE void transpose_square(V<T>* rows) {
  FASTBP_UNROLL
  for (int stage = 1; stage < count; stage *= 2) {
    V<T> next[count];
    FASTBP_UNROLL
    for (int i = 0; i < count / 2; ++i) {
      next[2 * i] = interleave_low(rows[i], rows[i + count / 2]);
      next[2 * i + 1] = interleave_high(rows[i], rows[i + count / 2]);
    }
    FASTBP_UNROLL
    for (int i = 0; i < count; ++i) rows[i] = next[i];
  }
}

// Transposes lanes x lanes elements in registers.
template <class T>
FASTBP_INLINE void transpose(V<T>* rows) {
  constexpr int lanes = Vector<T>::lanes;
#if FASTBP_VECTOR_BYTES == 32
  FASTBP_UNROLL
  for (int i = 0; i < lanes / 2; ++i) {
    V<T> low = halves_low(rows[i], rows[i + lanes / 2]);
    rows[i + lanes / 2] = halves_high(rows[i], rows[i + lanes / 2]);
    rows[i] = low;
  }
  transpose_square<T, lanes / 2>(rows);
  transpose_square<T, lanes / 2>(rows + lanes / 2);
#else
  transpose_square<T, lanes>(rows);
#endif
}

// How many elements a 16-byte piece of a vector holds.
template <class T>
constexpr int kPiece = 16 / (int)sizeof(T);

// block[i] = pieces of the rows i, i + kPiece, i + 2 kPiece, ... of a matrix: from[row] points at each.
template <class T>
FASTBP_INLINE void load_pieces(const T* const* from, V<T>* block) {
  FASTBP_UNROLL
  for (int i = 0; i < kPiece<T>; ++i) {
#if FASTBP_VECTOR_BYTES == 64
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps((const float*)from[i]));
    v = _mm512_insertf32x4(v, _mm_loadu_ps((const float*)from[i + kPiece<T>]), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps((const float*)from[i + 2 * kPiece<T>]), 2);
    block[i] = (V<T>)_mm512_insertf32x4(v, _mm_loadu_ps((const float*)from[i + 3 * kPiece<T>]), 3);
#elif FASTBP_VECTOR_BYTES == 32
    const __m256 v = _mm256_castps128_ps256(_mm_loadu_ps((const float*)from[i]));
    block[i] = (V<T>)_mm256_insertf128_ps(v, _mm_loadu_ps((const float*)from[i + kPiece<T>]), 1);
#else
    block[i] = load<T>(from[i]);
#endif
  }
}

// Stores the pieces of block[i] to those rows of `to`.
template <class T>
FASTBP_INLINE void store_pieces(const V<T>* block, T* to, int64_t row) {
  FASTBP_UNROLL
  for (int l = 0; l < Vector<T>::lanes; ++l) {
    __builtin_memcpy(to + l * row, (const T*)&block[l % kPiece<T>] + l / kPiece<T> * kPiece<T>, 16);
  }
}

// Afterwards block[p] holds element p of every row's piece, in the order of the rows. A second call undoes the first.
template <class T>
FASTBP_INLINE void transpose_pieces(V<T>* block) {
  FASTBP_UNROLL
  for (int stage = 1; stage < kPiece<T>; stage *= 2) {
    V<T> next[kPiece<T>];
    FASTBP_UNROLL
    for (int i = 0; i < kPiece<T> / 2; ++i) {
      next[2 * i] = interleave_low_pieces(block[i], block[i + kPiece<T> / 2]);
      next[2 * i + 1] = interleave_high_pieces(block[i], block[i + kPiece<T> / 2]);
    }
    FASTBP_UNROLL
    for (int i = 0; i < kPiece<T>; ++i) block[i] = next[i];
  }
}

}  // namespace
