// Packing: copies parts of an operand to the order in which the microkernels read them.
#pragma once

#include "kernels/transpose.h"

namespace {

FASTBP_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// to[p * width + j] = from[j * j_stride + p] for p, j < lanes. Few pointers reach all rows: one per row would not stay
// in a register.
template <class T>
FASTBP_INLINE void pack_square(const T* from, int64_t j_stride, T* to, int64_t width) {
  constexpr int lanes = Vector<T>::lanes, groups = (lanes + 3) / 4;
  const int64_t three = 3 * j_stride;
  const T* every_fourth[groups];
  FASTBP_UNROLL
  for (int g = 0; g < groups; ++g) every_fourth[g] = from + 4 * g * j_stride;
  FASTBP_UNROLL
  for (int p = 0; p < lanes; p += kPiece<T>) {
    const T* pieces[lanes];
    FASTBP_UNROLL
    for (int l = 0; l < lanes; ++l) pieces[l] = every_fourth[l / 4] + (l % 4 == 3 ? three : l % 4 * j_stride) + p;
    V<T> block[kPiece<T>];
    load_pieces<T>(pieces, block);
    transpose_pieces<T>(block);
    FASTBP_UNROLL
    for (int l = 0; l < kPiece<T>; ++l) store<T>(to + (p + l) * width, block[l]);
  }
}

// out[p * width + j] = in[p * p_stride + j * j_stride] for p < k, j < columns; columns up to the next whole vector are
// +0. width is a multiple of the lanes.
template <class T>
void pack_columns(int64_t k, int64_t columns, const T* in, int64_t p_stride, int64_t j_stride, T* out, int64_t width) {
  constexpr int lanes = Vector<T>::lanes;
  if (j_stride == 1) {
    for (int64_t p = 0; p < k; ++p) {
      const T* from = in + p * p_stride;
      T* to = out + p * width;
      int64_t j = 0;
      for (; j + lanes <= columns; j += lanes) store<T>(to + j, load<T>(from + j));
      if (j < columns) store<T>(to + j, load_first<T>(from + j, columns - j));
    }
    return;
  }
  if (p_stride == 1) {
    for (int64_t j = 0; j < columns; j += lanes) {
      const int64_t filled = smaller(lanes, columns - j);
      for (int64_t p = 0; p < k; p += lanes) {
        const T* from = in + p + j * j_stride;
        T* to = out + p * width + j;
        if (filled == lanes && k - p >= lanes) {
          pack_square<T>(from, j_stride, to, width);
        } else {
          V<T> block[lanes];
          const int64_t depth = smaller(lanes, k - p);
          for (int i = 0; i < lanes; ++i) block[i] = i < filled ? load_first<T>(from + i * j_stride, depth) : V<T>{};
          transpose<T>(block);
          for (int i = 0; i < lanes; ++i) {
            if (i < depth) store<T>(to + i * width, block[i]);
          }
        }
      }
    }
    return;
  }
  const int64_t padded = (columns + lanes - 1) / lanes * lanes;
  for (int64_t p = 0; p < k; ++p) {
    for (int64_t j = 0; j < columns; ++j) out[p * width + j] = in[p * p_stride + j * j_stride];
    for (int64_t j = columns; j < padded; ++j) out[p * width + j] = 0;
  }
}

}  // namespace
