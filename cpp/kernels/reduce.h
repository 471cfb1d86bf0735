// Sums and maxima along rows, over rows and of everything (rules 2 and 3).
#pragma once

#include "kernels/functions.h"
#include "kernels/lanes.h"

namespace fastbp {
namespace {

// ---- along a row ----

// Rows of up to kNarrow numbers need rule 3's folding only. A lane that nothing is added to holds +0, which changes no
// other lane.
constexpr int kNarrow = 8;
template <class T, int cols>
void narrow_row_sum(const RowMap<T>* call) {
  const T* x = call->in[0];
  T* out = call->out;
  for (int64_t r = 0; r < call->rows; ++r, x += call->in_row[0], out += call->out_row) {
    T lane[cols];
    for (int l = 0; l < cols; ++l) lane[l] = (T)0 + x[l];
    for (int half = kNarrow / 2; half >= 1; half /= 2) {
      for (int l = 0; l + half < cols && l < half; ++l) lane[l] += lane[l + half];
    }
    *out = lane[0];
  }
}

template <class T>
void row_sum(const RowMap<T>* call) {
  static constexpr void (*narrow[kNarrow])(const RowMap<T>*) = {
      narrow_row_sum<T, 1>, narrow_row_sum<T, 2>, narrow_row_sum<T, 3>, narrow_row_sum<T, 4>,
      narrow_row_sum<T, 5>, narrow_row_sum<T, 6>, narrow_row_sum<T, 7>, narrow_row_sum<T, 8>};
  if (call->cols >= 1 && call->cols <= kNarrow) return narrow[call->cols - 1](call);
  for (int64_t r = 0; r < call->rows; ++r) {
    call->out[r * call->out_row] = reduced<T, Sum<T>>(call->in[0] + r * call->in_row[0], call->cols);
  }
}

template <class T>
void row_max(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    call->out[r * call->out_row] = reduced<T, Maximum<T>>(call->in[0] + r * call->in_row[0], call->cols);
  }
}

// The index of the first element that equals the maximum, `most`, or is NaN where that is NaN; 0 for an empty row.
template <class T>
int64_t first_maximum(const T* x, int64_t n, T most) {
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] == most || (x[i] != x[i] && most != most)) return i;
  }
  return 0;
}

template <class T>
void row_first_max(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    T* out = call->out + r * call->out_row;
    const T* x = call->in[0] + r * call->in_row[0];
    const int64_t first = first_maximum<T>(x, call->cols, reduced<T, Maximum<T>>(x, call->cols));
    for (int64_t c = 0; c < call->cols; ++c) out[c] = c == first ? (T)1 : (T)0;
  }
}

template <class T>
void row_argmax(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    const T* x = call->in[0] + r * call->in_row[0];
    const T most = reduced<T, Maximum<T>>(x, call->cols);
    call->out[r * call->out_row] = most != most ? most : (T)first_maximum<T>(x, call->cols, most);
  }
}

// ---- over rows ----

// Rule 2's binary counter over sums of `width` elements (numbers or vectors).
template <class Element, int width>
struct BinaryCounter {
  Element slot[40][width];  // 2^40 blocks are more than any memory holds
  uint64_t full = 0;

  void push(Element* sum) {
    int level = 0;
    for (; full >> level & 1; ++level) {
      for (int w = 0; w < width; ++w) sum[w] = slot[level][w] + sum[w];
      full ^= (uint64_t)1 << level;
    }
    for (int w = 0; w < width; ++w) slot[level][w] = sum[w];
    full |= (uint64_t)1 << level;
  }

  // Combines the full slots from the lowest up; +0 if there are none.
  void total(Element* sum) const {
    for (int w = 0; w < width; ++w) sum[w] = Element{};
    bool begun = false;
    for (int level = 0; full >> level; ++level) {
      if (!(full >> level & 1)) continue;
      for (int w = 0; w < width; ++w) sum[w] = begun ? slot[level][w] + sum[w] : slot[level][w];
      begun = true;
    }
  }
};

// Sums `blocks` blocks of `rows` rows each, `width` vectors wide, side by side: so a narrow sum has several chains.
template <class T, int width, int blocks>
FASTBP_INLINE void add_blocks(BinaryCounter<V<T>, width>& counter, const T* in, int64_t in_row, int64_t rows,
                              int64_t cols) {
  constexpr int lanes = Vector<T>::lanes;
  V<T> sums[blocks][width] = {};
  for (int64_t r = 0; r < rows; ++r) {
    for (int b = 0; b < blocks; ++b) {
      const T* row = in + (b * rows + r) * in_row;
      for (int w = 0; w < width; ++w) sums[b][w] += load_part<T>(row + w * lanes, cols - w * lanes);
    }
  }
  for (int b = 0; b < blocks; ++b) counter.push(sums[b]);
}

// Sums up to a block of rows, with few instructions per row: a narrow sum waits for its own last addition, and only
// later code can fill that time, if the processor's out-of-order window reaches it.
template <class T, int width, bool whole>
FASTBP_INLINE void sum_block(const T* in, int64_t in_row, int64_t rows, int64_t cols, T* out) {
  constexpr int lanes = Vector<T>::lanes;
  const int64_t last = cols - (width - 1) * lanes;
  V<T> sums[width] = {};
#pragma GCC unroll 4
  for (int64_t r = 0; r < rows; ++r, in += in_row) {
    for (int w = 0; w < width; ++w)
      sums[w] += whole || w < width - 1 ? load<T>(in + w * lanes) : load_first<T>(in + w * lanes, last);
  }
  for (int w = 0; w < width; ++w) store_part<T>(out + w * lanes, sums[w], cols - w * lanes);
}

// cols <= width vectors; only the last may be partial.
template <class T, int width>
__attribute__((noinline)) void sum_columns(const T* in, int64_t in_row, int64_t rows, int64_t cols, T* out) {
  constexpr int lanes = Vector<T>::lanes, together = 4 / width;
  V<T> sums[width] = {};
  if (rows <= kRowBlock) {  // one block: nothing to count
    if (cols == width * lanes) return sum_block<T, width, true>(in, in_row, rows, cols, out);
    return sum_block<T, width, false>(in, in_row, rows, cols, out);
  }
  BinaryCounter<V<T>, width> counter;
  int64_t r = 0;
  for (; r + together * kRowBlock <= rows; r += together * kRowBlock) {
    add_blocks<T, width, together>(counter, in + r * in_row, in_row, kRowBlock, cols);
  }
  for (; r < rows; r += kRowBlock) {
    add_blocks<T, width, 1>(counter, in + r * in_row, in_row, rows - r < kRowBlock ? rows - r : kRowBlock, cols);
  }
  counter.total(sums);
  for (int w = 0; w < width; ++w) store_part<T>(out + w * lanes, sums[w], cols - w * lanes);
}

template <class T>
void sum_over_rows(const OverRows<T>* call) {
  constexpr int64_t lanes = Vector<T>::lanes, wide = 4 * lanes;
  int64_t c = 0;
  for (; c + wide <= call->cols; c += wide) {
    sum_columns<T, 4>(call->in + c, call->in_row, call->rows, wide, call->out + c);
  }
  for (; c < call->cols; c += 2 * lanes) {
    const int64_t left = call->cols - c;
    if (left > lanes) {
      sum_columns<T, 2>(call->in + c, call->in_row, call->rows, left < 2 * lanes ? left : 2 * lanes, call->out + c);
    } else {
      sum_columns<T, 1>(call->in + c, call->in_row, call->rows, left, call->out + c);
    }
  }
}

template <class T, int width>
FASTBP_INLINE void max_columns(const OverRows<T>* call, int64_t c) {
  constexpr int lanes = Vector<T>::lanes;
  V<T> most[width];
  for (int w = 0; w < width; ++w) most[w] = splat<T>(Maximum<T>::start);
  for (int64_t r = 0; r < call->rows; ++r) {
    const T* row = call->in + r * call->in_row + c;
    for (int w = 0; w < width; ++w) {
      most[w] = maximum_of<T>(most[w], load_part<T>(row + w * lanes, call->cols - c - w * lanes));
    }
  }
  for (int w = 0; w < width; ++w) store_part<T>(call->out + c + w * lanes, most[w], call->cols - c - w * lanes);
}

template <class T>
void max_over_rows(const OverRows<T>* call) {
  constexpr int64_t lanes = Vector<T>::lanes, wide = 4 * lanes;
  int64_t c = 0;
  for (; c + wide <= call->cols; c += wide) max_columns<T, 4>(call, c);
  for (; c < call->cols; c += lanes) max_columns<T, 1>(call, c);
}

// ---- of everything ----

template <class T>
T sum_flat(const T* in, int64_t n) {
  BinaryCounter<T, 1> counter;
  for (int64_t i = 0; i < n; i += kFlatBlock) {
    T sum = reduced<T, Sum<T>>(in + i, n - i < kFlatBlock ? n - i : kFlatBlock);
    counter.push(&sum);
  }
  T total;
  counter.total(&total);
  return total;
}

template <class T>
T max_flat(const T* in, int64_t n) {
  return reduced<T, Maximum<T>>(in, n);
}

}  // namespace
}  // namespace fastbp
