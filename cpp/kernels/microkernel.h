// The register tile of the matrix products: rows x (vectors * lanes) outputs, each one chain of fma over k.
#pragma once

#include "kernels/ahead.h"
#include "kernels/fma.h"
#include "kernels/packing.h"
#include "kernels/simd.h"
#include "kernels/table.h"

namespace {

// A matrix of T whose columns are contiguous.
template <class T>
struct Rows {
  T* at;
  int64_t row;
};

// A block of k: its sums are added to the earlier ones, as in a TileCall, and stored at `out`.
template <class T>
struct Block {
  int64_t k;
  const Rows<T>* earlier;
  int64_t earlier_count;
  Rows<T> out;
};

// One call of a microkernel: out[i, j] = earlier[count-1][i, j] + (... + (earlier[0][i, j] + chain)), where the chain
// is sum over p of a[i*a_row + p*a_col] * b[p*b_row + j], from +0. The earlier sums are the left operands (rules 1, 2).
// Then `finish` is applied.
template <class T>
struct TileCall {
  const Block<T>* before;  // the blocks of k before the last, for kernels that take several
  int64_t before_count;
  int64_t k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;  // multiply_tile_across: the stride of j, while p is contiguous
  fastbp::RowList<T> listed;  // b's rows (across: its columns), instead of b and b_row
  Rows<T> out;
  const Rows<T>* earlier;
  int64_t earlier_count;
  int64_t last_lanes;  // columns in the last vector: 1 .. lanes
  Wanted* wanted;  // may be null
  bool contested;  // other cores may have read the lines at `out`
  fastbp::Finish finish;
  Rows<T> weight;  // step: the weight that changes after the sums are in `out`
  T minus_eta, minus_decay;  // update; without decay fma(minus_decay, w, w) is w
  Rows<const T> beside;  // add, relu_of_sum, gate
};

// Whether the sums are a weight's gradient, and change the weight.
FASTBP_INLINE bool changes_weight(fastbp::Finish finish) {
  return finish == fastbp::Finish::update || finish == fastbp::Finish::step;
}

template <class T>
using Microkernel = void (*)(const TileCall<T>*);

// The register tile: kTileRows x (kTileVectors * lanes). Its sums, a row of b and a broadcast of a fill the registers.
#if defined(__AVX512F__)
constexpr int kTileRows = 14;
constexpr int kRegisters = 32;
constexpr bool kMaskedLoadsAreFree = true;
constexpr bool kHasFma = true;
#elif defined(__AVX2__)
constexpr int kTileRows = 6;
constexpr int kRegisters = 16;
constexpr bool kMaskedLoadsAreFree = false;
constexpr bool kHasFma = true;
#elif defined(__aarch64__)
constexpr int kTileRows = 12;
constexpr int kRegisters = 32;
constexpr bool kMaskedLoadsAreFree = false;
constexpr bool kHasFma = true;
#else
constexpr int kTileRows = 4;
constexpr int kRegisters = 11;  // of 16: emulating fma takes the others
constexpr bool kMaskedLoadsAreFree = false;
constexpr bool kHasFma = false;
#endif
constexpr int kTileVectors = 2;
constexpr int kMostVectors = 8;

// Fewer rows leave registers for more vectors: each chain waits for its own last fma, so there must be many chains.
// Always a power of two, which divides a block of columns.
constexpr int widest(int rows) {
  if (rows == 1) return kMostVectors;  // b's vectors need no registers, each is used once
  int vectors = kMostVectors;
  while (vectors * (rows + 1) + 1 > kRegisters) vectors /= 2;
  return vectors;
}
static_assert(widest(kTileRows) == kTileVectors, "the tile fills the registers");

// Listed rows do not repay kernels of more shapes: with few chains they wait for the second-level cache.
constexpr int most_vectors(int rows, bool listed) { return listed ? kTileVectors : widest(rows); }

// How many rows of a one base pointer reaches: the addressing modes of x86 reach rows 0, 1 and 2.
constexpr int kRowsPerPointer = 3;
template <int rows>
constexpr int kPointers = (rows + kRowsPerPointer - 1) / kRowsPerPointer;

template <class T, int rows>
FASTBP_INLINE void point_at_rows(const TileCall<T>* call, const T** a) {
  FASTBP_UNROLL
  for (int g = 0; g < kPointers<rows>; ++g) a[g] = call->a + g * kRowsPerPointer * call->a_row;
}

template <class T, int vectors, bool masked>
FASTBP_INLINE void load_row(const T* p, int64_t last_lanes, V<T>* row) {
  FASTBP_UNROLL
  for (int v = 0; v < vectors; ++v) {
    const T* at = p + v * Vector<T>::lanes;
    row[v] = masked && v == vectors - 1 ? load_first<T>(at, last_lanes) : load<T>(at);
  }
}

// One vector s of a tile's sums, after `finish`.
template <class T>
FASTBP_INLINE V<T> finished(fastbp::Finish finish, V<T> s, V<T> other, V<T> minus_eta, V<T> minus_decay) {
  switch (finish) {
    case fastbp::Finish::update: return fma_of(minus_eta, s, fma_of(minus_decay, other, other));
    case fastbp::Finish::add: return s + other;
    case fastbp::Finish::relu_of_sum: s = s + other; return V<T>{} > s ? V<T>{} : s;
    case fastbp::Finish::gate: return other > V<T>{} ? s : V<T>{};
    default: return s;
  }
}

template <class T, int rows, int vectors, bool masked, fastbp::Finish finish>
FASTBP_INLINE void finish_sums(const TileCall<T>* call, V<T>* sum) {
  constexpr bool updates = finish == fastbp::Finish::update;
  const T* at = updates ? call->out.at : call->beside.at;
  const int64_t row = updates ? call->out.row : call->beside.row;
  const V<T> minus_eta = splat(call->minus_eta), minus_decay = splat(call->minus_decay);
  FASTBP_UNROLL
  for (int i = 0; i < rows; ++i) {
    V<T> other[vectors];
    load_row<T, vectors, masked>(at + i * row, call->last_lanes, other);
    FASTBP_UNROLL
    for (int v = 0; v < vectors; ++v) {
      V<T>& s = sum[i * vectors + v];
      s = finished<T>(finish, s, other[v], minus_eta, minus_decay);
    }
  }
}

// Applies call->finish to a tile's sums: rows x vectors.
template <class T, int rows, int vectors, bool masked>
FASTBP_INLINE void finish_in_registers(const TileCall<T>* call, V<T>* sum) {
  using fastbp::Finish;
  switch (call->finish) {
    case Finish::none:
    case Finish::step: return;
    case Finish::update: return finish_sums<T, rows, vectors, masked, Finish::update>(call, sum);
    case Finish::add: return finish_sums<T, rows, vectors, masked, Finish::add>(call, sum);
    case Finish::relu_of_sum: return finish_sums<T, rows, vectors, masked, Finish::relu_of_sum>(call, sum);
    case Finish::gate: return finish_sums<T, rows, vectors, masked, Finish::gate>(call, sum);
  }
}

// The same for sums in memory, `columns` per row, rows `sums_row` apart; null: they are +0. Stores the results.
template <class T>
__attribute__((noinline)) void finish_from_memory(const TileCall<T>* call, const T* sums, int64_t sums_row,
                                                  int64_t rows, int64_t columns) {
  constexpr int lanes = Vector<T>::lanes;
  TileCall<T> part = *call;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; j += lanes) {
      part.last_lanes = columns - j < lanes ? columns - j : lanes;
      part.out.at = call->out.at + i * call->out.row + j;
      if (call->beside.at) part.beside.at = call->beside.at + i * call->beside.row + j;
      V<T> sum = sums ? load_first<T>(sums + i * sums_row + j, part.last_lanes) : V<T>{};
      finish_in_registers<T, 1, 1, true>(&part, &sum);
      store_first<T>(part.out.at, sum, part.last_lanes);
    }
  }
}

// Whether a tile's kernel contains code for every finish. Kernels for listed rows do not: their products are flipped
// and have no finish. Wide ones for few rows do not: they are many and take long to compile. None does where an fma is
// many instructions.
constexpr bool finishes_itself(int rows, int vectors, bool listed) {
  return kHasFma && !listed && (2 * rows > kTileRows || vectors <= kTileVectors);
}

template <class T, int rows, int vectors, bool masked>
FASTBP_INLINE void add_earlier(const Rows<T>* earlier, int64_t count, int64_t last_lanes, V<T>* sum) {
  for (int64_t e = 0; e < count; ++e) {
    const T* at = earlier[e].at;
    const int64_t row = earlier[e].row;
    FASTBP_UNROLL
    for (int i = 0; i < rows; ++i) {
      V<T> other[vectors];
      load_row<T, vectors, masked>(at + i * row, last_lanes, other);
      FASTBP_UNROLL
      for (int v = 0; v < vectors; ++v) sum[i * vectors + v] = other[v] + sum[i * vectors + v];
    }
  }
}

// Adds the earlier sums to a block's and stores the result, in whole vectors.
template <class T, int rows, int vectors, bool masked>
FASTBP_INLINE void end_block(const Block<T>& block, int64_t last_lanes, V<T>* sum) {
  add_earlier<T, rows, vectors, masked>(block.earlier, block.earlier_count, last_lanes, sum);
  FASTBP_UNROLL
  for (int i = 0; i < rows; ++i) {
    FASTBP_UNROLL
    for (int v = 0; v < vectors; ++v)
      store<T>(block.out.at + i * block.out.row + v * Vector<T>::lanes, sum[i * vectors + v]);
  }
}

// Adds the earlier sums to a tile's chains, finishes and stores it. sum: rows x vectors.
template <class T, int rows, int vectors, bool masked, bool listed = false>
FASTBP_INLINE void finish_tile(const TileCall<T>* call, V<T>* sum) {
  constexpr int lanes = Vector<T>::lanes;
  const int64_t last_lanes = call->last_lanes;
  add_earlier<T, rows, vectors, masked>(call->earlier, call->earlier_count, last_lanes, sum);

  T* out = call->out.at;
  const int64_t out_row = call->out.row;
  const bool finishes = call->finish != fastbp::Finish::none && call->finish != fastbp::Finish::step;
  if constexpr (finishes_itself(rows, vectors, listed)) {
    finish_in_registers<T, rows, vectors, masked>(call, sum);
  } else if (finishes) {
    alignas(64) T sums[rows * vectors * lanes];
    FASTBP_UNROLL
    for (int i = 0; i < rows * vectors; ++i) store<T>(sums + i * lanes, sum[i]);
    return finish_from_memory<T>(call, sums, vectors * lanes, rows, (vectors - 1) * lanes + last_lanes);
  }
  if (!masked || last_lanes == lanes) {  // masked stores cost far more than masked loads
    FASTBP_UNROLL
    for (int i = 0; i < rows; ++i) {
      FASTBP_UNROLL
      for (int v = 0; v < vectors; ++v) store<T>(out + i * out_row + v * lanes, sum[i * vectors + v]);
    }
    return;
  }
  FASTBP_UNROLL
  for (int i = 0; i < rows; ++i) {
    FASTBP_UNROLL
    for (int v = 0; v < vectors - 1; ++v) store<T>(out + i * out_row + v * lanes, sum[i * vectors + v]);
    store_first<T>(out + i * out_row + (vectors - 1) * lanes, sum[i * vectors + vectors - 1], last_lanes);
  }
}

// Chains this long hide the stores of claim_tile.
constexpr int64_t kClaimDepth = 64;

// Claims every line of a tile that other cores have read, by a store: this core gets it while the chains run. Otherwise
// every store of a sum would wait for its line, and all that follows would wait for the stores. A prefetch for writing
// is not enough: it does nothing if the line is in the cache, even if only for reading. A weight is stored unchanged.
template <class T, int rows, int vectors>
FASTBP_INLINE void claim_tile(const TileCall<T>* call) {
  const bool steps = call->finish == fastbp::Finish::step;
  const bool keeps = changes_weight(call->finish);
  const Rows<T> tile = steps ? call->weight : call->out;
  FASTBP_UNROLL
  for (int i = 0; i < rows; ++i) {
    FASTBP_UNROLL
    for (int v = 0; v < vectors; ++v) {
      volatile T* const first = tile.at + i * tile.row + v * Vector<T>::lanes;
      *first = keeps ? *first : T(0);
    }
  }
}

// Adds one more k to the chains. a: a pointer for every kRowsPerPointer rows, which moves to the next k.
template <class T, int rows, int vectors>
FASTBP_INLINE void add_products(const T** a, int64_t a_row, int64_t a_col, const V<T>* b, V<T>* sum) {
  FASTBP_UNROLL
  for (int i = 0; i < rows; ++i) {
    V<T> a_element = splat(a[i / kRowsPerPointer][i % kRowsPerPointer * a_row]);
    FASTBP_UNROLL
    for (int v = 0; v < vectors; ++v) sum[i * vectors + v] = fma_of(a_element, b[v], sum[i * vectors + v]);
  }
  FASTBP_UNROLL
  for (int g = 0; g < kPointers<rows>; ++g) a[g] += a_col;
}

// listed: whether b's rows are read through a list.
template <class T, int rows, int vectors, bool masked, bool listed>
void multiply_tile(const TileCall<T>* call) {
  const int64_t a_row = call->a_row, a_col = call->a_col, b_row = call->b_row, last_lanes = call->last_lanes;
  const T* a[kPointers<rows>];
  point_at_rows<T, rows>(call, a);
  const T* b = call->b;
  const T* const* list = call->listed.at;
  const int64_t first = call->listed.first;
  Wanted* wanted = call->wanted;
  if (call->contested && (call->earlier_count == 0 || changes_weight(call->finish)) && call->k >= kClaimDepth)
    claim_tile<T, rows, vectors>(call);

  V<T> sum[rows * vectors];
  FASTBP_UNROLL
  for (int i = 0; i < rows * vectors; ++i) sum[i] = V<T>{};
  for (int64_t p = call->k; p > 0; --p) {
    V<T> b_vectors[vectors];
    if (listed) b = *list++ + first;
    load_row<T, vectors, masked>(b, last_lanes, b_vectors);
    if (wanted && !fetch_line(wanted)) wanted = nullptr;
    add_products<T, rows, vectors>(a, a_row, a_col, b_vectors, sum);
    if (!listed) b += b_row;
  }

  finish_tile<T, rows, vectors, masked, listed>(call, sum);
}

// The same with blocks before the last one, and with pauses between prefetches.
template <class T, int rows, int vectors, bool masked>
void multiply_blocks_of_tile(const TileCall<T>* call) {
  const int64_t a_row = call->a_row, a_col = call->a_col, b_row = call->b_row, last_lanes = call->last_lanes;
  const T* a[kPointers<rows>];
  point_at_rows<T, rows>(call, a);
  const T* b = call->b;
  Wanted* wanted = call->wanted;
  if (call->contested && changes_weight(call->finish)) claim_tile<T, rows, vectors>(call);

  V<T> sum[rows * vectors];
  const Block<T>* block = call->before;
  const Block<T>* const last = block + call->before_count;
  for (;; ++block) {
    FASTBP_UNROLL
    for (int i = 0; i < rows * vectors; ++i) sum[i] = V<T>{};
    V<T> b_vectors[vectors];
    int64_t p = block == last ? call->k : block->k;
    for (; p >= kPause; p -= kPause) {
      if (wanted && !fetch_with_pauses(wanted)) wanted = nullptr;
      FASTBP_UNROLL
      for (int step = 0; step < kPause; ++step, b += b_row) {
        load_row<T, vectors, masked>(b, last_lanes, b_vectors);
        add_products<T, rows, vectors>(a, a_row, a_col, b_vectors, sum);
      }
    }
    for (; p > 0; --p, b += b_row) {
      load_row<T, vectors, masked>(b, last_lanes, b_vectors);
      add_products<T, rows, vectors>(a, a_row, a_col, b_vectors, sum);
    }
    if (block == last) break;
    end_block<T, rows, vectors, masked>(*block, last_lanes, sum);
  }
  finish_tile<T, rows, vectors, masked>(call, sum);
}

// For nearly whole tiles, else null.
template <class T>
FASTBP_INLINE Microkernel<T> microkernel_of_blocks(int64_t rows, int64_t vectors, int64_t last_lanes) {
  constexpr int r = kTileRows, v = kTileVectors;
  constexpr bool masked = kMaskedLoadsAreFree;
  static constexpr Microkernel<T> table[3] = {multiply_blocks_of_tile<T, r, v, masked>,
                                              multiply_blocks_of_tile<T, r - 1, v, masked>,
                                              multiply_blocks_of_tile<T, r - 2, v, masked>};
  if (vectors != v || rows < r - 2 || (!masked && last_lanes < Vector<T>::lanes)) return nullptr;
  return table[r - rows];
}

// The microkernel for a tile of `rows` x `vectors`; both are clamped to what exists, so that one table fits all sets.
template <class T, int rows, int vectors, bool masked, bool listed>
constexpr Microkernel<T> microkernel_for() {
  constexpr int clamped_rows = rows > kTileRows ? kTileRows : rows;
  constexpr int most = most_vectors(clamped_rows, listed), clamped_vectors = vectors > most ? most : vectors;
  return multiply_tile<T, clamped_rows, clamped_vectors, masked, listed>;
}

template <class T, bool masked, bool listed>
Microkernel<T> microkernel(int64_t rows, int64_t vectors) {
#define FASTBP_TILE(R, C) microkernel_for<T, R, C, masked, listed>()
#define FASTBP_ROW(R)                                                                                                  \
  {                                                                                                                    \
    FASTBP_TILE(R, 1), FASTBP_TILE(R, 2), FASTBP_TILE(R, 3), FASTBP_TILE(R, 4), FASTBP_TILE(R, 5), FASTBP_TILE(R, 6),  \
        FASTBP_TILE(R, 7), FASTBP_TILE(R, 8)                                                                           \
  }
  static constexpr Microkernel<T> table[14][kMostVectors] = {
      FASTBP_ROW(1), FASTBP_ROW(2), FASTBP_ROW(3),  FASTBP_ROW(4),  FASTBP_ROW(5),  FASTBP_ROW(6),  FASTBP_ROW(7),
      FASTBP_ROW(8), FASTBP_ROW(9), FASTBP_ROW(10), FASTBP_ROW(11), FASTBP_ROW(12), FASTBP_ROW(13), FASTBP_ROW(14)};
#undef FASTBP_ROW
#undef FASTBP_TILE
  return table[rows - 1][vectors - 1];
}

}  // namespace
