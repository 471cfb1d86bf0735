// Products with few rows of c and a b whose k is contiguous: they load a vector of b's columns, 16 bytes of k at a
// time, and transpose it in registers. transpose_out uses the same 16-byte pieces to store a tile of cT to c.
#pragma once

#include "kernels/microkernel.h"

namespace {

// Up to this many rows of a may be any distance apart; more must have a_row 1, or their pointers would fill registers.
constexpr int kMostRowsApart = 4;

// Adds one more k to the chains.
template <class T, int rows, int vectors>
FASTBP_INLINE void multiply_add(const T* a, int64_t a_row, V<T> b, int vector, V<T>* sum) {
  FASTBP_UNROLL
  for (int i = 0; i < rows; ++i) {
    V<T>& s = sum[i * vectors + vector];
    s = fma_of(splat(a[rows <= kMostRowsApart ? i * a_row : i]), b, s);
  }
}

// partial: one vector, of which only call->last_lanes columns exist, or whose columns are listed.
template <class T, int rows, int vectors, bool partial>
void multiply_tile_across(const TileCall<T>* call) {
  constexpr int lanes = Vector<T>::lanes, groups = vectors * lanes / 4 + (lanes < 4);
  const int64_t a_row = call->a_row, a_col = call->a_col;
  const int64_t step = call->b_row * (int64_t)sizeof(T), three_steps = 3 * step;  // bytes from column to column
  const T* a = call->a;
  const char* from[partial ? lanes : groups];  // the columns, or every fourth of them
  int64_t done = 0;  // bytes of each column
  FASTBP_UNROLL
  for (int g = 0; g < (partial ? lanes : groups); ++g) {
    const int64_t column = partial ? smaller(g, call->last_lanes - 1) : 4 * g;
    from[g] = partial && call->listed.at ? (const char*)(call->listed.at[column] + call->listed.first)
                                         : (const char*)call->b + column * step;
  }
  const auto column = [&](int64_t c) __attribute__((always_inline)) {
    return (const T*)(partial ? from[c] + done : from[c / 4] + (c % 4 == 3 ? three_steps : c % 4 * step));
  };
  const auto advance = [&](int64_t count) __attribute__((always_inline)) {
    if (partial) {
      done += count * (int64_t)sizeof(T);
      return;
    }
    FASTBP_UNROLL
    for (int g = 0; g < groups; ++g) from[g] += count * (int64_t)sizeof(T);
  };

  V<T> sum[rows * vectors];
  FASTBP_UNROLL
  for (int i = 0; i < rows * vectors; ++i) sum[i] = V<T>{};
  int64_t p = 0;
  for (; p + kPiece<T> <= call->k; p += kPiece<T>) {
    if (call->wanted) {
      fetch_line(call->wanted);
      fetch_line(call->wanted);
    }
    FASTBP_UNROLL
    for (int v = 0; v < vectors; ++v) {
      V<T> block[kPiece<T>];
      const T* pieces[lanes];
      FASTBP_UNROLL
      for (int l = 0; l < lanes; ++l) pieces[l] = column(v * lanes + l);
      load_pieces<T>(pieces, block);
      transpose_pieces<T>(block);
      const T* a_now = a;
      FASTBP_UNROLL
      for (int l = 0; l < kPiece<T>; ++l, a_now += a_col)
        multiply_add<T, rows, vectors>(a_now, a_row, block[l], v, sum);
    }
    a += kPiece<T> * a_col;
    advance(kPiece<T>);
  }
  for (; p < call->k; ++p, a += a_col) {
    FASTBP_UNROLL
    for (int v = 0; v < vectors; ++v) {
      T elements[lanes];
      for (int l = 0; l < lanes; ++l) elements[l] = *column(v * lanes + l);
      multiply_add<T, rows, vectors>(a, a_row, load<T>(elements), v, sum);
    }
    advance(1);
  }
  finish_tile<T, rows, vectors, partial>(call, sum);
}

// As many rows as leave enough registers, beside their sums, to transpose a piece.
#if defined(__AVX512F__)
constexpr int kMostRowsAcross = 16;
#elif defined(__AVX2__)
constexpr int kMostRowsAcross = 10;
#elif defined(__aarch64__)
constexpr int kMostRowsAcross = 16;
#else
constexpr int kMostRowsAcross = 4;
#endif

// Few rows have few chains, so they take more vectors: there should be eight chains, or four with 64-byte vectors, of
// which a core starts one fma per cycle.
constexpr int vectors_across(int rows) { return rows <= 2 ? 4 : rows <= 4 && FASTBP_VECTOR_BYTES < 64 ? 2 : 1; }

// For a whole panel of columns (`wide`), or for one vector of them, which may be partial.
template <class T, int rows>
constexpr Microkernel<T> microkernel_across_for(bool wide, bool partial) {
  constexpr int clamped = rows > kMostRowsAcross ? kMostRowsAcross : rows;
  return wide      ? multiply_tile_across<T, clamped, vectors_across(clamped), false>
         : partial ? multiply_tile_across<T, clamped, 1, true>
                   : multiply_tile_across<T, clamped, 1, false>;
}

template <class T, bool wide, bool partial>
Microkernel<T> microkernel_across(int64_t rows) {
#define FASTBP_ROWS(R) microkernel_across_for<T, R>(wide, partial)
  static constexpr Microkernel<T> table[16] = {FASTBP_ROWS(1),  FASTBP_ROWS(2),  FASTBP_ROWS(3),  FASTBP_ROWS(4),
                                               FASTBP_ROWS(5),  FASTBP_ROWS(6),  FASTBP_ROWS(7),  FASTBP_ROWS(8),
                                               FASTBP_ROWS(9),  FASTBP_ROWS(10), FASTBP_ROWS(11), FASTBP_ROWS(12),
                                               FASTBP_ROWS(13), FASTBP_ROWS(14), FASTBP_ROWS(15), FASTBP_ROWS(16)};
#undef FASTBP_ROWS
  return table[rows - 1];
}

// out[i * out_row + j] = in[j * in_row + i] for i < rows, j < columns. out_row is at least columns; if they are equal,
// a store may run beyond its row, and a later one overwrites the excess.
template <class T>
void transpose_out(int64_t rows, int64_t columns, const T* in, int64_t in_row, T* out, int64_t out_row) {
  constexpr int lanes = Vector<T>::lanes;
  int64_t i = 0;
  if (out_row == columns && columns > 1) {
    const int64_t last = (columns - 1) / kPiece<T> * kPiece<T>;
    for (; (i + lanes - 1) * out_row + last + kPiece<T> <= rows * out_row && i + lanes <= rows; i += lanes) {
      for (int64_t j = last; j >= 0; j -= kPiece<T>) {
        V<T> block[kPiece<T>];
        FASTBP_UNROLL
        for (int l = 0; l < kPiece<T>; ++l) block[l] = j + l < columns ? load<T>(in + (j + l) * in_row + i) : V<T>{};
        transpose_pieces<T>(block);
        store_pieces<T>(block, out + i * out_row + j, out_row);
      }
    }
  }
  for (; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) out[i * out_row + j] = in[j * in_row + i];
  }
}

}  // namespace
