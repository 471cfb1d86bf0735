// Artificial expansion (rule 12): the smooth random fields of an elastic distortion, and bilinear sampling.
#pragma once

#include "kernels/fma.h"
#include "kernels/lanes.h"
#include "kernels/random.h"

namespace fastbp {
namespace {

// A pass of the filter sums kFieldRows x kFieldVectors chains at a time, enough to hide the latency of fma.
constexpr int kFieldVectors = FASTBP_VECTOR_BYTES == 64 ? 2 : 4;
constexpr int kFieldRows = FASTBP_VECTOR_BYTES == 16       ? 1
                           : kFieldPad < 8 / kFieldVectors ? kFieldPad
                                                           : 8 / kFieldVectors;
static_assert(kFieldVectors * FASTBP_VECTOR_BYTES <= kFieldSlackBytes,
              "a pass may read this far beyond the last column");

// The fields of y and of x, (height, width) each, uniform in [-1, 1): from the upper 24 bits of one word per pixel.
template <class T>
FASTBP_INLINE void random_fields(const Displace<T>& call) {
  PhiloxBlocks blocks(call.seed, call.stream, call.counter);
  const int64_t pixels = call.height * call.width, most = 2 * PhiloxBlocks::most;
  T *y = call.field, *x = call.field + call.plane;
  for (int64_t done = 0; done < pixels; done += most) {
    const int64_t count = pixels - done < most ? pixels - done : most;
    const int used = (int)((count + 1) / 2);
    for (int i = 0; i < used; ++i) blocks.set(i, (uint32_t)(done / 2 + i), call.row);
    blocks.compute(used);
    uint32_t words[8 * PhiloxBlocks::most / 2];
    __builtin_memcpy(words, blocks.halves, sizeof words);
    for (int64_t i = 0; i < count; ++i) {
      y[done + i] = (T)(int32_t)(words[2 * i] >> 8) * (T)0x1p-23 - (T)1;
      x[done + i] = (T)(int32_t)(words[2 * i + 1] >> 8) * (T)0x1p-23 - (T)1;
    }
  }
}

// Filters along y: from rows y0 ... of the field to columns pad ... of `between`. Rows above and below the image are
// skipped, which changes nothing: fma(weight, +0, sum) is the sum.
template <class T>
FASTBP_INLINE void filter_columns(const Displace<T>& call, const T* field, T* between, int64_t y0) {
  constexpr int lanes = Vector<T>::lanes, step = kFieldVectors * lanes;
  const int64_t radius = call.radius[0], width = call.width;
  const int64_t first = y0 > radius ? y0 - radius : 0;
  const int64_t beyond = y0 + kFieldRows + radius < call.height ? y0 + kFieldRows + radius : call.height;
  for (int64_t x0 = 0; x0 < width; x0 += step) {
    V<T> sum[kFieldRows][kFieldVectors] = {};
    for (int64_t i = first; i < beyond; ++i) {
      V<T> in[kFieldVectors];
      for (int v = 0; v < kFieldVectors; ++v) in[v] = load<T>(field + i * width + x0 + v * lanes);
      for (int j = 0; j < kFieldRows; ++j) {
        const V<T> weight = splat<T>(call.weights[0][i - y0 - j + radius]);
        for (int v = 0; v < kFieldVectors; ++v) sum[j][v] = fma_of(weight, in[v], sum[j][v]);
      }
    }
    for (int j = 0; j < kFieldRows && y0 + j < call.height; ++j)
      for (int v = 0; v < kFieldVectors && x0 + v * lanes < width; ++v)
        store_part<T>(between + (y0 + j) * call.between_row + call.pad + x0 + v * lanes, sum[j][v],
                      width - x0 - v * lanes);
  }
}

// Filters along x: from rows y0 ... of `between`, which has zeros on both sides, back to the field.
template <class T>
FASTBP_INLINE void filter_rows(const Displace<T>& call, const T* between, T* field, int64_t y0) {
  constexpr int lanes = Vector<T>::lanes, step = kFieldVectors * lanes;
  const int64_t radius = call.radius[1], width = call.width, row = call.between_row;
  for (int64_t x0 = 0; x0 < width; x0 += step) {
    V<T> sum[kFieldRows][kFieldVectors] = {};
    const T* in = between + y0 * row + call.pad + x0 - radius;
    for (int64_t k = 0; k <= 2 * radius; ++k) {
      const V<T> weight = splat<T>(call.weights[1][k]);
      for (int j = 0; j < kFieldRows; ++j)
        for (int v = 0; v < kFieldVectors; ++v)
          sum[j][v] = fma_of(weight, load<T>(in + j * row + k + v * lanes), sum[j][v]);
    }
    for (int j = 0; j < kFieldRows && y0 + j < call.height; ++j)
      for (int v = 0; v < kFieldVectors && x0 + v * lanes < width; ++v)
        store_part<T>(field + (y0 + j) * width + x0 + v * lanes, sum[j][v], width - x0 - v * lanes);
  }
}

template <class T>
void displace(const Displace<T>* call) {
  random_fields(*call);
  for (int axis = 0; axis < 2; ++axis) {
    T* field = call->field + axis * call->plane;
    for (int64_t y = 0; y < call->height; y += kFieldRows) filter_columns(*call, field, call->between, y);
    for (int64_t y = 0; y < call->height; y += kFieldRows) filter_rows(*call, call->between, field, y);
  }
}

// ---- sampling ----

// Adding this rounds a number of at most 2^22 to an integer, which is then in the lowest bits.
template <class T>
constexpr T kRoundTo = sizeof(T) == 4 ? (T)0x1.8p23 : (T)0x1.8p52;

// A position, clamped to -2 ... size + 1: the index of the pixel before it, plus 2, and the distance from that pixel.
template <class T>
struct Cell {
  M<T> pixel;
  V<T> rest;
};
template <class T>
FASTBP_INLINE Cell<T> cell_of(V<T> position, int64_t size) {
  const V<T> least = splat<T>((T)-2), most = splat<T>((T)(size + 1)), round = splat<T>(kRoundTo<T>);
  position = select(position > least, position, least);
  position = select(position < most, position, most);
  V<T> whole = (position + round) - round;
  whole = whole - select(whole > position, splat<T>((T)1), V<T>{});
  // The last addition turns the -0 that a position of -0 leaves into +0.
  return {(M<T>)(whole + (round + (T)2)) - (M<T>)round, (position - whole) + V<T>{}};
}

template <class T>
void sample(const Sample<T>* call) {
  constexpr int lanes = Vector<T>::lanes;
  const int64_t width = call->width, channels = call->channels, padded_row = (width + kSampleMargin) * channels;
  typedef typename Vector<T>::word Word;
  const T* m = call->matrix;
  V<T> ascending = {};
  for (int l = 0; l < lanes; ++l) ascending[l] = (T)l;
  for (int64_t row = 0; row < call->height; ++row) {
    for (int64_t column = 0; column < width; column += lanes) {
      V<T> y = splat<T>((T)row), x = splat<T>((T)column) + ascending;
      if (call->displacement != nullptr) {
        const T* moved = call->displacement + row * width + column;
        y = fma_of(splat<T>(call->alpha), load<T>(moved), y);
        x = fma_of(splat<T>(call->alpha), load<T>(moved + call->plane), x);
      }
      const V<T> from_y = fma_of(splat<T>(m[1]), x, fma_of(splat<T>(m[0]), y, splat<T>(m[2])));
      const V<T> from_x = fma_of(splat<T>(m[4]), x, fma_of(splat<T>(m[3]), y, splat<T>(m[5])));
      const Cell<T> top = cell_of<T>(from_y, call->height), left = cell_of<T>(from_x, width);
      const M<T> corner = top.pixel * (M<T>)((Word)padded_row + typename Vector<T>::bits{}) +
                          left.pixel * (M<T>)((Word)channels + typename Vector<T>::bits{});
      Word first[lanes];
      __builtin_memcpy(first, &corner, sizeof first);
      T* out = call->out + (row * width + column) * channels;
      const int count = width - column < lanes ? (int)(width - column) : lanes;
      for (int64_t c = 0; c < channels; ++c) {
        T corners[4][lanes];  // upper left, upper right, lower left, lower right
        const T *upper = call->padded + c, *lower = upper + padded_row;
        for (int l = 0; l < lanes; ++l) {
          corners[0][l] = upper[first[l]];
          corners[1][l] = upper[first[l] + channels];
          corners[2][l] = lower[first[l]];
          corners[3][l] = lower[first[l] + channels];
        }
        const V<T> a = load<T>(corners[0]), b = load<T>(corners[2]);
        const V<T> above = fma_of(left.rest, load<T>(corners[1]) - a, a);
        const V<T> below = fma_of(left.rest, load<T>(corners[3]) - b, b);
        const V<T> result = fma_of(top.rest, below - above, above);
        if (channels == 1) {
          store_part<T>(out, result, count);
        } else {
          for (int l = 0; l < count; ++l) out[l * channels + c] = result[l];
        }
      }
    }
  }
}

}  // namespace
}  // namespace fastbp
