// The max-norm constraint (rule 10): columns whose norm is too large are scaled down.
#pragma once

#include "kernels/lanes.h"
#include "kernels/update.h"

namespace fastbp {
namespace {

// How many vectors of columns have their squares summed at a time, in registers.
template <class T>
constexpr int kNormVectors = 4;
template <class T>
constexpr int kNormSums = kNormVectors<T> * (8 / sizeof(T));

template <class T>
FASTBP_INLINE void add_squares(V<T> x, F64* sums) {
  if constexpr (sizeof(T) == 4) {
    const F64 low = widen_low(x), high = widen_high(x);
    sums[0] += low * low;
    sums[1] += high * high;
  } else {
    sums[0] += x * x;
  }
}

// most / norm where the norm is above `most`, else 1.
template <class T>
FASTBP_INLINE V<T> scales_of(const F64* sums, double most) {
  const F64 limit = splat(most), one = splat(1.0);
  F64 scales[8 / sizeof(T)];
  for (unsigned i = 0; i < 8 / sizeof(T); ++i) {
    const F64 norm = sqrt_of(sums[i]);
    scales[i] = norm > limit ? limit / norm : one;
  }
  if constexpr (sizeof(T) == 4) {
    return narrow(scales[0], scales[1]);
  } else {
    return scales[0];
  }
}

// rows x cols, rows `row` apart.
template <class T>
void limit_norms(T* x, int64_t rows, int64_t cols, int64_t row, double most) {
  constexpr int lanes = Vector<T>::lanes, vectors = kNormVectors<T>, width = 8 / sizeof(T);
  for (int64_t col = 0; col < cols; col += vectors * lanes) {
    F64 sums[kNormSums<T>] = {};
    for (int64_t r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v) {
        const int64_t left = cols - col - v * lanes;
        if (left > 0) add_squares<T>(load_part<T>(x + r * row + col + v * lanes, left), sums + v * width);
      }
    }
    for (int v = 0; v < vectors; ++v) {
      const int64_t left = cols - col - v * lanes;
      const V<T> scale = scales_of<T>(sums + v * width, most);
      if (left <= 0 || all<T>(scale == splat<T>(1))) continue;
      for (int64_t r = 0; r < rows; ++r) {
        T* part = x + r * row + col + v * lanes;
        store_part<T>(part, load_part<T>(part, left) * scale, left);
      }
    }
  }
}

}  // namespace
}  // namespace fastbp
