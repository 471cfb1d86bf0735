// The softmax family: softmax, its logarithm, and the losses and labels that go with it.
#pragma once

#include "kernels/functions.h"
#include "kernels/lanes.h"
#include "kernels/transpose.h"

namespace fastbp {
namespace {

// ---- rows of up to 16 numbers: a row in each lane ----

// Whether to do so: each column costs as much as a whole vector, however few rows there are.
FASTBP_INLINE bool is_narrow(int64_t rows, int64_t cols) { return cols >= 1 && cols <= kLanes && 4 * rows > cols + 4; }

// Loads column c of up to Vector<T>::lanes rows, for every c < cols.
template <class T>
FASTBP_INLINE void load_columns(const T* x, int64_t in_row, int64_t rows, int64_t cols, V<T>* column) {
  constexpr int lanes = Vector<T>::lanes;
  for (int64_t c = 0; c < cols; c += lanes) {
    V<T> block[lanes];
    FASTBP_UNROLL
    for (int i = 0; i < lanes; ++i) block[i] = i < rows ? load_part<T>(x + i * in_row + c, cols - c) : V<T>{};
    transpose<T>(block);
    FASTBP_UNROLL
    for (int i = 0; i < lanes; ++i) column[c + i] = block[i];
  }
}

// Stores the columns back as rows. Within the first `room` elements of out, which are the caller's, a store may run
// beyond its row, and the next row's store overwrites the excess.
template <class T>
FASTBP_INLINE void store_columns(const V<T>* column, int64_t rows, int64_t cols, T* out, int64_t out_row,
                                 int64_t room) {
  constexpr int lanes = Vector<T>::lanes, blocks = (int)kLanes / lanes;
  V<T> block[blocks][lanes];
  for (int b = 0; b * lanes < cols; ++b) {
    FASTBP_UNROLL
    for (int i = 0; i < lanes; ++i) block[b][i] = b * lanes + i < cols ? column[b * lanes + i] : V<T>{};
    transpose<T>(block[b]);
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int b = 0; b * lanes < cols; ++b) {
      const int64_t at = i * out_row + b * lanes;
      if (at + lanes <= room) {
        store<T>(out + at, block[b][i]);
      } else {
        store_part<T>(out + at, block[b][i], cols - b * lanes);
      }
    }
  }
}

// Rule 3's folding: column l takes in column l + half. The rule's lanes without a column change no other.
template <class T, class Combine>
FASTBP_INLINE V<T> folded_columns(const V<T>* column, int64_t cols) {
  V<T> lane[kLanes];
  for (int64_t l = 0; l < cols; ++l) lane[l] = column[l];
  for (int64_t half = kLanes / 2; half >= 1; half /= 2) {
    for (int64_t l = 0; l < half && l + half < cols; ++l) lane[l] = Combine::of(lane[l], lane[l + half]);
  }
  return lane[0];
}

// m = max(x), e = exp(x - m) in place of x, s = sum(e).
template <class T>
struct NarrowScales {
  V<T> max, sum;
};
template <class T>
FASTBP_INLINE NarrowScales<T> narrow_exponentials(V<T>* column, int64_t cols) {
  NarrowScales<T> scales;
  scales.max = folded_columns<T, Maximum<T>>(column, cols);
  for (int64_t c = 0; c < cols; ++c) column[c] = exp_of(column[c] - scales.max);
  scales.sum = folded_columns<T, Sum<T>>(column, cols);
  return scales;
}

template <class T>
__attribute__((noinline)) void narrow_softmax(const RowMap<T>* call) {
  constexpr int64_t lanes = Vector<T>::lanes;
  for (int64_t first = 0; first < call->rows; first += lanes) {
    const int64_t left = call->rows - first, rows = left < lanes ? left : lanes;
    V<T> column[kLanes];
    load_columns<T>(call->in[0] + first * call->in_row[0], call->in_row[0], rows, call->cols, column);
    const NarrowScales<T> scales = narrow_exponentials<T>(column, call->cols);
    for (int64_t c = 0; c < call->cols; ++c) column[c] = column[c] / scales.sum;
    const int64_t room = call->out_row == call->cols ? rows * call->cols : 0;  // unread rows may lie behind it
    store_columns<T>(column, rows, call->cols, call->out + first * call->out_row, call->out_row, room);
  }
}

// m and s of `rows` rows, stored in whole vectors, for which max and sum have room.
template <class T>
__attribute__((noinline)) void narrow_scales(const T* x, int64_t in_row, int64_t rows, int64_t cols, T* max, T* sum) {
  constexpr int64_t lanes = Vector<T>::lanes;
  for (int64_t i = 0; i < rows; i += lanes) {
    V<T> column[kLanes];
    load_columns<T>(x + i * in_row, in_row, rows - i, cols, column);
    const NarrowScales<T> scales = narrow_exponentials<T>(column, cols);
    store<T>(max + i, scales.max);
    store<T>(sum + i, scales.sum);
  }
}

// ---- rows of any length ----

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

// m = max(x) and s = sum(exp(x - m)) of up to 16 rows. Rows of up to 64 numbers go 16 at once, because one row's chain
// of maximum, exponential and sum is all latency; longer rows go one by one, while they are in the cache.
template <class T>
struct RowScales {
  static constexpr int most_rows = 16;
  int64_t rows;
  T max[most_rows];
  T sum[most_rows];

  FASTBP_INLINE int64_t rows_at_once(const RowMap<T>* call) { return call->cols <= 64 ? most_rows : 1; }
};

// The scales of the rows from `first` on; keep: also writes exp(x - m) to their outputs.
template <class T, bool keep>
FASTBP_INLINE RowScales<T> row_scales(const RowMap<T>* call, int64_t first) {
  const int64_t most = RowScales<T>::rows_at_once(call), left = call->rows - first;
  RowScales<T> scales = {};
  scales.rows = left < most ? left : most;
  const T* x = call->in[0] + first * call->in_row[0];
  if (!keep && is_narrow(scales.rows, call->cols)) {
    narrow_scales<T>(x, call->in_row[0], scales.rows, call->cols, scales.max, scales.sum);
    return scales;
  }
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
  if (is_narrow(call->rows, cols)) return narrow_softmax(call);
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
  for_scaled_rows<T>(call, [call](int64_t r, const T*, T max, T log_sum) {
    const bool infinite = max == (T)__builtin_inf() || max == -(T)__builtin_inf();
    call->out[r * call->out_row] = infinite ? max : max + log_sum;
  });
}

// -sum of y * log_softmax(z): the products rounded, +0 where y is 0, then rule 3, then the sign.
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
        const V<T> target = load_part<T>(y + at, left);
        const V<T> products = target * ((load_part<T>(z + at, left) - shift) - scale);
        lanes.part[j] += select(first_lanes<T>(left) & (target != V<T>{}), products, V<T>{});
      }
    }
    call->out[r * call->out_row] = -folded<T, Sum<T>>(lanes);
  });
}

// A label, rounded down to a whole number; -1 if it is none of 0 .. cols-1 (NaN too).
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
  if (call->cols == 0) return;
  const bool one_run = call->out_row == call->cols;
  if (one_run && call->rows > 0) __builtin_memset(call->out, 0, (size_t)(call->rows * call->cols) * sizeof(T));
  for (int64_t r = 0; r < call->rows; ++r) {
    const int64_t label = label_of<T>(call->in[0][r * call->in_row[0]], call->cols);
    T* out = call->out + r * call->out_row;
    if (!one_run) __builtin_memset(out, 0, (size_t)call->cols * sizeof(T));
    if (label >= 0) out[label] = 1;
  }
}

template <class T>
void pick(const RowMap<T>* call) {
  for (int64_t r = 0; r < call->rows; ++r) {
    const int64_t label = label_of<T>(call->in[1][r * call->in_row[1]], call->cols);
    call->out[r * call->out_row] = label < 0 ? (T)__builtin_nan("") : call->in[0][r * call->in_row[0] + label];
  }
}

}  // namespace
}  // namespace fastbp
