// How a product is cut into blocks, strips and panels, and what is packed. No choice made here changes a bit.
#pragma once

#include "kernels/across.h"
#include "kernels/microkernel.h"
#include "kernels/table.h"

namespace {

constexpr int64_t kDepth = fastbp::kFeatureBlock;
static_assert(kDepth == 4 * fastbp::kRowBlock, "a piece of k holds whole blocks, the lowest two levels of the counter");

#if defined(__AVX512F__)
constexpr int64_t kBlockBytes = 512 * 1024;  // of a packed block of b
#else
constexpr int64_t kBlockBytes = 256 * 1024;
#endif

// The columns of a block of kDepth rows: whole panels of any width (widths are powers of two).
template <class T>
constexpr int64_t kBlockColumns = kBlockBytes / kDepth / (int64_t)sizeof(T);

constexpr int64_t kGroupStrips = 8;  // strips of a that are packed together, to use whole cache lines
// Up to this size (of all threads together) all of a is packed once, not again for each block of columns.
constexpr int64_t kWholeBytes = 16 * 1024 * 1024;

// Distance between consecutive k in a packed strip of a.
template <class T>
constexpr int64_t kStripWidth = (kTileRows + Vector<T>::lanes - 1) / Vector<T>::lanes * Vector<T>::lanes;

// A flipped product: the rows of c that it computes at a time (1 KB of each column), and the most columns of c.
template <class T>
constexpr int64_t kFlippedColumns = 1024 / (int64_t)sizeof(T);
constexpr int64_t kFlippedRows = 31;

// Extra cost of reading across per fma, in sixteenths of an fma: without 512-bit vectors every element of the other
// operand takes a load of its own.
constexpr int64_t kBesideAcross = kMaskedLoadsAreFree ? 1 : 4;

// The fewest strips that repay packing a b whose columns are contiguous already. If its rows are at most kCloseBytes
// apart, the caches deliver them nearly as fast as packed ones, so it takes more strips.
constexpr int64_t kStripsPacked = 4, kStripsPackedClose = 20;
constexpr int64_t kCloseBytes = 1536;

using fastbp::Blocking;

// Rows a multiple of 2,048 bytes apart share few sets of the first-level cache.
FASTBP_INLINE bool aliases(int64_t stride_bytes) { return stride_bytes % 2048 == 0; }

FASTBP_INLINE int64_t levels_of(int64_t count) { return count > 0 ? 64 - __builtin_clzll((uint64_t)count) : 0; }

// Whether b is read across: its k is contiguous and c has few rows, so that it pays.
template <class T>
FASTBP_INLINE bool is_across(const fastbp::Matmul<T>& q) {
  return q.b_row == 1 && q.b_col != 1 && (q.m <= kMostRowsApart || (q.a_row == 1 && q.m <= kFlippedRows));
}

// The number of vector fma that a product takes.
template <class T>
FASTBP_INLINE int64_t work_of(const fastbp::Matmul<T>& q) {
  constexpr int lanes = Vector<T>::lanes;
  return q.m * ((q.n + lanes - 1) / lanes) * q.k;
}

// The same with vectors along the rows of c, plus the work beside the fma. kNoWay if c has too many columns, or if a
// can be read neither directly (a_row 1) nor across.
constexpr int64_t kNoWay = INT64_MAX;
template <class T>
FASTBP_INLINE int64_t work_along_rows(const fastbp::Matmul<T>& q) {
  constexpr int lanes = Vector<T>::lanes;
  const bool across = q.a_row != 1;
  if (q.n > kFlippedRows || (across && (q.a_col != 1 || (q.n > kMostRowsApart && q.b_col != 1)))) return kNoWay;
  const int64_t beside = q.k * (across ? kBesideAcross : 1) / 16 + 5;
  return (q.m + lanes - 1) / lanes * q.n * (q.k + beside);
}

// Whether c has so few columns that vectors of them leave lanes idle, and vectors along its rows are faster.
template <class T>
FASTBP_INLINE bool is_narrow(const fastbp::Matmul<T>& q) {
  return q.n <= kFlippedRows && q.n % Vector<T>::lanes != 0 && work_along_rows(q) < work_of(q);
}

// The number of columns beyond the last whole vector, if it pays to compute them apart, along the rows; else 0.
constexpr int64_t kWorthTwoProducts = 1024;  // vector fma that must be saved
template <class T>
FASTBP_INLINE int64_t columns_apart(const fastbp::Matmul<T>& q) {
  constexpr int64_t whole = Vector<T>::lanes < 8 ? 8 : Vector<T>::lanes;  // epilogues begin at multiples of 8
  fastbp::Matmul<T> part = q;
  part.n = q.n % whole;
  if (q.n < whole || part.n == 0) return 0;
  const int64_t columns = part.n, along = work_along_rows(part);
  if (along == kNoWay) return 0;
  part.n = q.n - columns;
  return smaller(work_of(q), work_along_rows(q)) - work_of(part) - along > kWorthTwoProducts ? columns : 0;
}

template <class T>
fastbp::Matmul<T> flipped(const fastbp::Matmul<T>& q, int64_t i0, int64_t i1, T* c) {
  fastbp::Matmul<T> f = q;
  f.m = q.n;
  f.n = i1 - i0;
  f.a = q.b;
  f.a_row = q.b_col;
  f.a_col = q.b_row;
  f.b = q.a + i0 * q.a_row;
  f.b_row = q.a_col;
  f.b_col = q.a_row;
  if (q.over_rows) {
    f.listed.first += i0;
  } else if (q.listed.at) {
    f.listed.at += i0;
  }
  f.packed = nullptr;
  f.c = c;
  f.c_row = kFlippedColumns<T>;
  f.epilogue = nullptr;
  f.finish = fastbp::Finish::none;
  return f;
}

template <class T>
Blocking upright_blocking_of(const fastbp::Matmul<T>& q) {
  constexpr int lanes = Vector<T>::lanes;
  Blocking s = {};
  s.strips = q.m <= kTileRows ? 1 : (q.m + kTileRows - 1) / kTileRows;
  s.vectors = most_vectors(s.strips == 1 ? (int)q.m : kTileRows, q.listed.at);
  const int64_t depth = smaller(q.k, kDepth);
  s.columns = kBlockColumns<T> * (q.epilogue || depth == 0 ? 1 : kDepth / depth);  // an epilogue's part must not grow
  const int64_t columns = smaller(q.n, s.columns);

  const bool outgrows_l1 = depth * q.b_row * (int64_t)sizeof(T) > 24 * 1024;
  s.across = q.listed.at ? !q.over_rows : is_across(q);  // (the listed operand is b: this product is flipped)
  if (s.across) {  // a panel's columns are read side by side: if they alias, a panel is one vector wide
    s.strips = (q.m + kMostRowsAcross - 1) / kMostRowsAcross;
    const bool side_by_side = s.strips == 1 && !q.listed.at && !aliases(q.b_col * (int64_t)sizeof(T));
    s.vectors = side_by_side ? vectors_across((int)q.m) : 1;
  }
  const int64_t repaying = q.b_row * (int64_t)sizeof(T) <= kCloseBytes ? kStripsPackedClose : kStripsPacked;
  s.pack_b = !s.across && !q.listed.at && (q.b_col != 1 || (s.strips >= repaying && outgrows_l1));
  const bool long_strip = columns > 2 * s.vectors * lanes && depth >= 64;
  const int64_t far_stride = q.a_col == 1 ? q.a_row : q.a_col;
  s.pack_a = long_strip && !s.across && ((q.a_row != 1 && q.a_col != 1) || aliases(far_stride * (int64_t)sizeof(T)));

  if (q.packed && !s.across) {
    s.pack_a = s.pack_whole_a = true;
  } else if (s.pack_a) {
    const int64_t whole = s.strips * q.k * kStripWidth<T> * (int64_t)sizeof(T);
    s.pack_whole_a = q.n > columns && whole * (q.threads > 1 ? q.threads : 1) <= kWholeBytes;
    s.a_bytes = s.pack_whole_a ? whole : smaller(s.strips, kGroupStrips) * depth * kStripWidth<T> * (int64_t)sizeof(T);
  }
  if (s.pack_b) s.b_bytes = depth * ((columns + lanes - 1) / lanes * lanes) * (int64_t)sizeof(T);
  if (q.over_rows && q.k > kDepth) {
    const int64_t pieces = (q.k + kDepth - 1) / kDepth;
    s.slot_bytes = levels_of(pieces - 1) * q.m * kBlockColumns<T> * (int64_t)sizeof(T);
  }
  return s;
}

template <class T>
Blocking blocking_of(const fastbp::Matmul<T>& q) {
  if (!q.listed.at && !is_narrow(q)) return upright_blocking_of(q);
  Blocking s = upright_blocking_of(flipped(q, 0, smaller(q.m, kFlippedColumns<T>), (T*)nullptr));
  s.flipped = true;
  return s;
}

}  // namespace
