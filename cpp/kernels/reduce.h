// Sums and maxima along rows, over rows and of everything (rules 2 and 3), and the softmax family.
#pragma once

#include "kernels/functions.h"
#include "kernels/lanes.h"

namespace fastbp {
namespace {

// ---- along a row ----

// Rows of up to kNarrow numbers: rule 3's folding by itself. A lane that nothing was added to holds +0, which changes
// no other.
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

// The first element that equals the maximum, or is NaN where that is NaN; 0 of an empty row.
template <class T>
int64_t first_maximum(const T* x, int64_t n) {
  const T most = reduced<T, Maximum<T>>(x, n);
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] == most || (x[i] != x[i] && most != most)) return i;
  }
  return 0;
}

template <class T>
void row_first_max(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    T* out = call->out + r * call->out_row;
    const int64_t first = first_maximum<T>(call->in[0] + r * call->in_row[0], call->cols);
    for (int64_t c = 0; c < call->cols; ++c) out[c] = c == first ? (T)1 : (T)0;
  }
}

template <class T>
void row_argmax(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    call->out[r * call->out_row] = (T)first_maximum<T>(call->in[0] + r * call->in_row[0], call->cols);
  }
}

// ---- the softmax family ----

// e = exp(x - most), written to `out` unless that is null; returns the sum of e by rule 3.
template <class T>
__attribute__((noinline)) T sum_of_exponentials(const T* x, int64_t n, T most, T* out) {
  using L = Lanes<T, Sum<T>>;
  L lanes = L::started();
  const V<T> shift = splat<T>(most);
  for (int64_t i = 0, j = 0; i < n; i += L::size, j = (j + 1) % L::parts) {
    const V<T> e = exp_of(load_part<T>(x + i, n - i) - shift);
    if (out) store_part<T>(out + i, e, n - i);
    lanes.part[j] += select(first_lanes<T>(n - i), e, V<T>{});
  }
  return folded<T, Sum<T>>(lanes);
}

// Of up to 16 rows: m = max(x), s = sum(exp(x - m)). Narrow rows go many at once, for one row's chain of maximum,
// exponential and sum is all latency; wide ones alone, while they are in the cache.
template <class T>
struct RowScales {
  static constexpr int most_rows = 16;
  int64_t rows;
  T max[most_rows];
  T sum[most_rows];

  FASTBP_INLINE int64_t rows_at_once(const RowMap<T>* call) { return call->cols <= 64 ? most_rows : 1; }
};

// Of the rows from `first` on; `keep`: exp(x - m) is written to their outputs.
template <class T, bool keep>
FASTBP_INLINE RowScales<T> row_scales(const RowMap<T>* call, int64_t first) {
  const int64_t most = RowScales<T>::rows_at_once(call), left = call->rows - first;
  RowScales<T> scales = {};
  scales.rows = left < most ? left : most;
  const T* x = call->in[0] + first * call->in_row[0];
  for (int64_t i = 0; i < scales.rows; ++i) scales.max[i] = reduced<T, Maximum<T>>(x + i * call->in_row[0], call->cols);
  for (int64_t i = 0; i < scales.rows; ++i) {
    T* out = keep ? call->out + (first + i) * call->out_row : nullptr;
    scales.sum[i] = sum_of_exponentials<T>(x + i * call->in_row[0], call->cols, scales.max[i], out);
  }
  return scales;
}

template <class T>
void softmax(const RowMap<T>* call) {
  const int64_t cols = call->cols;
  for (int64_t first = 0; first < call->rows;) {
    const RowScales<T> scales = row_scales<T, true>(call, first);
    for (int64_t i = 0; i < scales.rows; ++i, ++first) {
      T* out = call->out + first * call->out_row;
      const V<T> sum = splat<T>(scales.sum[i]);
      for (int64_t c = 0; c < cols; c += Vector<T>::lanes) {
        store_part<T>(out + c, load_part<T>(out + c, cols - c) / sum, cols - c);
      }
    }
  }
}

// Scales with log(s) in place of s: one vector of logarithms serves several rows.
template <class T>
__attribute__((noinline)) RowScales<T> log_row_scales(const RowMap<T>* call, int64_t first) {
  RowScales<T> scales = row_scales<T, false>(call, first);
  for (int64_t i = 0; i < scales.rows; i += Vector<T>::lanes) {
    store<T>(scales.sum + i, log_of(load<T>(scales.sum + i)));
  }
  return scales;
}

// Calls write(row, x, m, log(s)) for every row.
template <class T, class Write>
FASTBP_INLINE void for_scaled_rows(const RowMap<T>* call, Write write) {
  for (int64_t first = 0; first < call->rows;) {
    const RowScales<T> scales = log_row_scales<T>(call, first);
    for (int64_t i = 0; i < scales.rows; ++i, ++first) {
      write(first, call->in[0] + first * call->in_row[0], scales.max[i], scales.sum[i]);
    }
  }
}

template <class T>
void log_softmax(const RowMap<T>* call) {
  const int64_t cols = call->cols;
  for_scaled_rows<T>(call, [call, cols](int64_t r, const T* x, T max, T log_sum) {
    T* out = call->out + r * call->out_row;
    const V<T> shift = splat<T>(max), scale = splat<T>(log_sum);
    for (int64_t c = 0; c < cols; c += Vector<T>::lanes) {
      store_part<T>(out + c, (load_part<T>(x + c, cols - c) - shift) - scale, cols - c);
    }
  });
}

template <class T>
void logsumexp(const RowMap<T>* call) {
  for_scaled_rows<T>(call,
                     [call](int64_t r, const T*, T max, T log_sum) { call->out[r * call->out_row] = max + log_sum; });
}

// -sum of y * log_softmax(z): the products rounded, then rule 3, then the sign.
template <class T>
void softmax_cross_entropy(const RowMap<T>* call) {
  using L = Lanes<T, Sum<T>>;
  const int64_t cols = call->cols;
  for_scaled_rows<T>(call, [call, cols](int64_t r, const T* z, T max, T log_sum) {
    const T* y = call->in[2] + r * call->in_row[2];
    const V<T> shift = splat<T>(max), scale = splat<T>(log_sum);
    L lanes = L::started();
    for (int64_t c = 0; c < cols; c += kLanes) {
      for (int j = 0; j < L::parts; ++j) {
        const int64_t at = c + j * L::size, left = cols - at;
        if (left <= 0) break;
        const V<T> products = load_part<T>(y + at, left) * ((load_part<T>(z + at, left) - shift) - scale);
        lanes.part[j] += select(first_lanes<T>(left), products, V<T>{});
      }
    }
    call->out[r * call->out_row] = -folded<T, Sum<T>>(lanes);
  });
}

// A label counts down to the whole number below it; -1 where it is none of 0 .. cols-1 (NaN too).
template <class T>
FASTBP_INLINE int64_t label_of(T label, int64_t cols) {
  const bool fits = label >= 0 && label < (T)4611686018427387904.0;  // 2^62
  const int64_t index = fits ? (int64_t)label : -1;
  return index < cols ? index : -1;
}

template <class T>
void sparse_softmax_cross_entropy(const RowMap<T>* call) {
  for_scaled_rows<T>(call, [call](int64_t r, const T* z, T max, T log_sum) {
    const int64_t label = label_of<T>(call->in[2][r * call->in_row[2]], call->cols);
    call->out[r * call->out_row] = label < 0 ? (T)__builtin_nan("") : -((z[label] - max) - log_sum);
  });
}

template <class T>
void one_hot(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    const int64_t label = label_of<T>(call->in[0][r * call->in_row[0]], call->cols);
    T* out = call->out + r * call->out_row;
    for (int64_t c = 0; c < call->cols; ++c) out[c] = c == label ? (T)1 : (T)0;
  }
}

template <class T>
void pick(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    const int64_t label = label_of<T>(call->in[1][r * call->in_row[1]], call->cols);
    call->out[r * call->out_row] = label < 0 ? (T)__builtin_nan("") : call->in[0][r * call->in_row[0] + label];
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

  // From the lowest full slot up; +0 of none.
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

// `blocks` blocks of `rows` rows each, `width` vectors wide, side by side: so that a narrow sum is several chains.
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

// Up to a block of rows. Few instructions a row: a narrow sum waits for its own last addition, and only what comes
// behind it in the program can fill that time, if the processor sees so far ahead.
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

// cols <= width vectors; only the last may be a part.
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
