// The matrix products, rules 1 and 2 of docs/numerics.md.
//
// Every output is its own chain of fma, cut into blocks of k where the contract cuts it and nowhere else. So how the
// outputs are cut into blocks, strips and tiles, and whether an operand is packed, can change no bit.
//
//   for blocks of columns (a packed block of b stays in the second-level cache)
//     for pieces of k (kDepth: one block of rule 1, four of rule 2)
//       pack b's block into panels, unless few strips would read it
//       for groups of strips of rows (a strip is at most kTileRows high)
//         pack a's strips where its strides alias in the caches, unless threads have done it together
//         for strips, for panels: one call of a microkernel for each block of k, or for all of them, which asks for
//         what is read next
#pragma once

#include "kernels/blocking.h"
#include "kernels/packing.h"
#include "kernels/simd.h"
#include "kernels/step.h"
#include "kernels/table.h"

namespace {

constexpr int kLevelsInPiece = 2;
constexpr int kBlocksInPiece = 1 << kLevelsInPiece;  // of rule 2
constexpr int kMostLevels = 40;

// Where one tile of c keeps its block sums, by level of the binary counter.
template <class T>
struct Counter {
  T* local;  // the lowest kLevelsInPiece levels: tiles of `local_row` columns, on the stack
  int64_t local_row, local_level;
  T* slots;  // the levels above: matrices of m x kBlockColumns in the scratch, at this tile
  int64_t slot_level;
  Rows<T> level(int64_t l) const {
    if (l < kLevelsInPiece) return {local + l * local_level, local_row};
    return {slots + (l - kLevelsInPiece) * slot_level, kBlockColumns<T>};
  }
};

// The blocks of RB rows in one piece of k, for one tile. `first`: the number of blocks before the piece; c: where the
// sums of the product's last block go.
template <class T>
struct RowBlocks {
  Block<T> blocks[kBlocksInPiece];
  int64_t count;
  Rows<T> earlier[kMostLevels + 2];  // of all blocks, one behind the other

  RowBlocks(int64_t depth, int64_t first, bool last_piece, const Counter<T>& counter, Rows<T> c) : count(0) {
    Rows<T>* next = earlier;
    for (int64_t p = 0; p < depth; p += fastbp::kRowBlock) {
      const int64_t number = first + count;
      const bool last = last_piece && p + fastbp::kRowBlock >= depth;
      Block<T>& block = blocks[count++];
      block.k = smaller(fastbp::kRowBlock, depth - p);
      block.earlier = next;
      // The 1 bits of `number` are the full slots. A sum joins those from level 0 up to the first empty one and is
      // stored there; the last block's sum joins them all.
      int64_t level = 0;
      for (; number >> level; ++level) {
        if (number >> level & 1) {
          *next++ = counter.level(level);
        } else if (!last) {
          break;
        }
      }
      block.earlier_count = next - block.earlier;
      block.out = last ? c : counter.level(level);
    }
  }
  RowBlocks(const RowBlocks&) = delete;
};

// Lines of a larger c that other cores have read are only in the last-level cache by now: a claim would wait for them.
constexpr int64_t kClaimedBytes = 1024 * 1024;

// Strips of nearly equal height: the first `taller` ones have one row more.
struct Strips {
  int64_t count, height, taller;
  int64_t rows(int64_t strip) const { return height + (strip < taller); }
  int64_t start(int64_t strip) const { return strip * height + smaller(strip, taller); }
};

// One block of columns and one piece of k, as the loops over its strips and panels need it.
template <class T>
struct Piece {
  int64_t column, columns;  // of c
  int64_t start, depth;  // of k
  bool last;
  const T* panels;  // packed b, or null
  T* strips;  // packed strips of a, or room for a group of them, or null
  T* slots;
  Soon next;  // the part of b that the next piece packs; no rows: none
};

// For a tile of rows x vectors, the last of which has last_lanes columns.
template <class T>
FASTBP_INLINE Microkernel<T> microkernel_of(bool across, int64_t rows, int64_t vectors, int64_t last_lanes,
                                            bool listed) {
  const bool full = last_lanes == Vector<T>::lanes;
  if (across) {
    return !full || listed                        ? microkernel_across<T, false, true>(rows)
           : vectors == vectors_across((int)rows) ? microkernel_across<T, true, false>(rows)
                                                  : microkernel_across<T, false, false>(rows);
  }
  const bool masked = kMaskedLoadsAreFree || !full;
  if (listed) return masked ? microkernel<T, true, true>(rows, vectors) : microkernel<T, false, true>(rows, vectors);
  return masked ? microkernel<T, true, false>(rows, vectors) : microkernel<T, false, false>(rows, vectors);
}

// The list of b's rows (across: of its columns), from p and j on.
template <class T>
FASTBP_INLINE fastbp::RowList<T> list_from(const fastbp::RowList<T>& list, bool across, int64_t p, int64_t j) {
  if (!list.at) return {};
  if (across) return {list.at + j, list.first + p};
  return {list.at + p, list.first + j};
}

// Computes one tile of c for one piece of k under rule 2: by one call of `whole`, or if that is null, by one of `each`
// per block. b_step: the distance between two k in b; width: a panel's; slots: this tile's. Not inlined, because it
// would slow down products of fewer rows.
template <class T>
__attribute__((noinline)) void multiply_row_blocks(const fastbp::Matmul<T>& q, const Piece<T>& piece, TileCall<T> call,
                                                   Microkernel<T> each, Microkernel<T> whole, int64_t b_step,
                                                   int64_t rows, int64_t width, T* slots) {
  alignas(64) T local[kLevelsInPiece * kRegisters * Vector<T>::lanes];
  const Counter<T> counter = {local, width, rows * width, slots, q.m * kBlockColumns<T>};
  const RowBlocks<T> all(piece.depth, piece.start / fastbp::kRowBlock, piece.last, counter, call.out);
  const int64_t last = all.count - 1;
  const fastbp::Finish finish = call.finish;
  call.before = all.blocks;
  call.before_count = whole ? last : 0;
  call.finish = fastbp::Finish::none;
  for (int64_t n = call.before_count; n <= last; ++n) {
    const Block<T>& block = all.blocks[n];
    call.k = block.k;
    call.earlier = block.earlier;
    call.earlier_count = block.earlier_count;
    call.out = block.out;
    if (n == last) call.finish = finish;
    (whole ? whole : each)(&call);
    call.a += block.k * call.a_col;
    call.b += block.k * b_step;
    if (call.listed.at) call.listed.at += block.k;
  }
}

// Sets what the tile whose first element is (i, j) does with its final sums.
template <class T>
FASTBP_INLINE void set_finish(const fastbp::Matmul<T>& q, int64_t i, int64_t j, TileCall<T>* call) {
  call->finish = q.finish;
  call->minus_eta = -q.eta;
  call->minus_decay = q.decay == 0 ? T(0) : -q.decay;  // fma(+0, w, w) is w for every finite w, -0 too
  if (q.finish == fastbp::Finish::none) return;
  if (q.finish == fastbp::Finish::step) call->weight = {q.c + i * q.c_row + j, q.c_row};
  call->beside = {q.beside ? q.beside + i * q.beside_row + j : nullptr, q.beside_row};
}

// Multiplies `count` strips of `rows` rows each, the first at `row`; more than one only if a is not packed, under rule
// 1. packed: the packed strip, or null. gradient: room for the sums of a weight's step.
template <class T>
void multiply_strips(const fastbp::Matmul<T>& q, const Blocking& s, const Piece<T>& piece, int64_t row, int64_t rows,
                     int64_t count, const T* packed, StripGradient<T>* gradient, Wanted* wanted) {
  constexpr int lanes = Vector<T>::lanes;
  constexpr int64_t element = (int64_t)sizeof(T);
  const int64_t width = s.vectors * lanes;
  const bool steps = q.finish == fastbp::Finish::step;
  TileCall<T> call;
  call.finish = fastbp::Finish::none;
  call.beside = {};
  call.listed = {};
  call.wanted = wanted;
  const bool in_blocks = q.over_rows && q.k > fastbp::kRowBlock;
  call.contested = q.threads > 1 && q.m * q.n * element <= kClaimedBytes;
  call.a_row = packed ? 1 : q.a_row;
  call.a_col = packed ? kStripWidth<T> : q.a_col;
  const T* const a = packed ? packed : q.a + row * q.a_row + piece.start * q.a_col;
  int64_t stepped = 0;  // columns of the weight already updated
  const int64_t gradient_row = steps ? gradient_row_of(q) : 0;
  for (int64_t j = 0, columns; j < piece.columns; j += columns) {
    columns = smaller(width, piece.columns - j);
    if (s.across && columns < width) columns = smaller(lanes, columns);  // across: whole panels or single vectors
    const int64_t vectors = (columns + lanes - 1) / lanes;
    call.last_lanes = columns - (vectors - 1) * lanes;
    if (piece.panels) {
      call.b = piece.panels + j * piece.depth;
      call.b_row = vectors * lanes;
    } else {
      call.b = q.b + piece.start * q.b_row + (piece.column + j) * q.b_col;
      call.b_row = s.across ? q.b_col : q.b_row;
      call.listed = list_from(q.listed, s.across, piece.start, piece.column + j);
    }
    call.a = a;
    T* const c = q.c + row * q.c_row + piece.column + j;
    call.out = steps ? Rows<T>{gradient->sums + j - stepped, gradient_row} : Rows<T>{c, q.c_row};
    if (piece.last) set_finish(q, row, piece.column + j, &call);
    if (piece.panels || changes_weight(q.finish))
      wanted->tile = {(const char*)c, columns * element, q.c_row * element, rows, 0};
    if (steps && piece.last) want_states(q, wanted);
    const Microkernel<T> kernel = microkernel_of<T>(s.across, rows, vectors, call.last_lanes, call.listed.at);
    if (in_blocks) {
      T* const slots = piece.slots ? piece.slots + row * kBlockColumns<T> + j : nullptr;
      const Microkernel<T> whole =
          s.across || call.listed.at ? nullptr : microkernel_of_blocks<T>(rows, vectors, call.last_lanes);
      multiply_row_blocks(q, piece, call, kernel, whole, s.across ? 1 : call.b_row, rows, width, slots);
    } else {
      call.k = piece.depth;
      call.earlier = &call.out;  // the total so far
      call.earlier_count = piece.start > 0;
      for (int64_t strip = 0; strip < count; ++strip) {
        kernel(&call);
        call.a += rows * call.a_row;
        call.out.at += rows * call.out.row;
        call.beside.at += rows * call.beside.row;
      }
    }
    const int64_t wait = j + columns - stepped;
    if (steps && piece.last && (wait >= kStepColumns<T> || j + columns == piece.columns)) {
      take_step(q, row, piece.column + stepped, rows, wait, gradient->sums, gradient_row);
      stepped += wait;
    }
  }
}

template <class T>
void pack_panels(const fastbp::Matmul<T>& q, const Piece<T>& piece, int64_t width, T* out) {
  constexpr int lanes = Vector<T>::lanes;
  const T* b = q.b + piece.start * q.b_row + piece.column * q.b_col;
  const int64_t step = q.b_col == 1 ? 8 : piece.depth;  // if columns are contiguous: a few k of all panels
  for (int64_t p = 0; p < piece.depth; p += step) {
    const int64_t depth = smaller(step, piece.depth - p);
    for (int64_t j = 0; j < piece.columns; j += width) {
      const int64_t columns = smaller(width, piece.columns - j);
      const int64_t padded = (columns + lanes - 1) / lanes * lanes;
      pack_columns<T>(depth, columns, b + p * q.b_row + j * q.b_col, q.b_row, q.b_col,
                      out + j * piece.depth + p * padded, padded);
    }
  }
}

// Packs strips first .. last - 1 of a, one behind the other.
template <class T>
void pack_strips(const fastbp::Matmul<T>& q, const Piece<T>& piece, const Strips& strips, int64_t first, int64_t last,
                 T* out) {
  const T* a = q.a + piece.start * q.a_col;
  const int64_t step = q.a_row == 1 ? 8 : piece.depth;  // if rows are contiguous: a few k of all strips
  for (int64_t p = 0; p < piece.depth; p += step) {
    const int64_t depth = smaller(step, piece.depth - p);
    for (int64_t strip = first; strip < last; ++strip) {
      pack_columns<T>(depth, strips.rows(strip), a + p * q.a_col + strips.start(strip) * q.a_row, q.a_col, q.a_row,
                      out + ((strip - first) * piece.depth + p) * kStripWidth<T>, kStripWidth<T>);
    }
  }
}

// An epilogue is called for at least this many elements, if there are as many: they repay the call and are still in L1.
constexpr int64_t kEpilogueElements = 4096;

// How many strips before `last` to do at once: strip by strip, small products would spend their time between the tiles.
// One if a strip has several panels, which read its part of a in turn; never more than one call of the epilogue takes.
template <class T>
FASTBP_INLINE int64_t strips_at_once(const fastbp::Matmul<T>& q, const Blocking& s, const Piece<T>& piece,
                                     const Strips& strips, int64_t strip, int64_t last) {
  if (s.pack_a || q.over_rows || piece.columns > s.vectors * Vector<T>::lanes) return 1;
  const int64_t alike = (strip < strips.taller ? smaller(strips.taller, last) : last) - strip;
  const int64_t elements = strips.rows(strip) * piece.columns;
  return q.epilogue ? smaller(alike, 1 + (kEpilogueElements - 1) / elements) : alike;
}

// Multiplies the strips of one piece. Strips of a are packed group by group: for this block of columns alone, or in the
// first block for all of them (pack_whole_a).
template <class T>
void multiply_piece(const fastbp::Matmul<T>& q, const Blocking& s, const Piece<T>& piece, const Strips& strips,
                    StripGradient<T>* gradient) {
  const int64_t strip_size = piece.depth * kStripWidth<T>;
  const int64_t group = s.pack_a ? kGroupStrips : strips.count;
  Wanted wanted = {{}, {}, 0, {}, {}, q.ahead && q.ahead->rows > 0 ? q.ahead : nullptr};
  const bool asks = piece.panels || changes_weight(q.finish) || wanted.gathered;
  const int64_t late = strips.count * 3 / 4;  // lines prefetched from here on are still in cache at the end
  for (int64_t first = 0; first < strips.count; first += group) {
    const int64_t last = smaller(first + group, strips.count);
    T* packed = piece.strips;
    if (s.pack_whole_a) packed += first * strip_size;
    const bool is_packed = s.pack_whole_a && (q.packed || piece.column > 0);
    if (s.pack_a && !is_packed) pack_strips(q, piece, strips, first, last, packed);
    int64_t waiting = strips.start(first);  // the first row whose epilogue is still to come
    for (int64_t strip = first; strip < last;) {
      const int64_t row = strips.start(strip), rows = strips.rows(strip);
      const int64_t count = strips_at_once(q, s, piece, strips, strip, last);
      const T* const own = s.pack_a ? packed + (strip - first) * strip_size : nullptr;
      if (is_packed && (strip + 1 < strips.count || !piece.last))
        wanted.strip = {(const char*)(own + strip_size), strip_size * (int64_t)sizeof(T), 0, 1, 0};
      if (strip == late) wanted.block = piece.next;
      multiply_strips(q, s, piece, row, rows, count, own, gradient, asks ? &wanted : nullptr);
      strip += count;
      const int64_t end = row + count * rows;
      const bool enough = (end - waiting) * piece.columns >= kEpilogueElements || strip == last;
      if (piece.last && q.epilogue && enough) {
        q.epilogue(q.context, waiting, end, piece.column, piece.column + piece.columns);
        waiting = end;
      }
    }
  }
}

// The part of b that the next piece packs, in rows as they lie in memory.
template <class T>
Soon next_of(const fastbp::Matmul<T>& q, const Blocking& s, const Piece<T>& piece) {
  constexpr int64_t element = (int64_t)sizeof(T);
  const int64_t column = piece.column + (piece.last ? piece.columns : 0);
  const int64_t start = piece.last ? 0 : piece.start + piece.depth;
  if (column >= q.n) return {};
  const int64_t columns = smaller(s.columns, q.n - column), depth = smaller(kDepth, q.k - start);
  const char* const b = (const char*)(q.b + start * q.b_row + column * q.b_col);
  if (q.b_col == 1) return {b, columns * element, q.b_row * element, depth, 0};
  return q.b_row == 1 ? Soon{b, depth * element, q.b_col * element, columns, 0} : Soon{};
}

template <class T>
FASTBP_INLINE Strips strips_of(const fastbp::Matmul<T>& q, const Blocking& s) {
  const int64_t height = s.strips == 1 ? q.m : q.m / s.strips;
  return {s.strips, height, q.m - height * s.strips};
}

// Packs groups first .. last - 1 of the strips of all of a to where `multiply` looks for them.
template <class T>
void pack_groups(const fastbp::Matmul<T>& q, const Blocking& s, int64_t first, int64_t last) {
  const Strips strips = strips_of(q, s);
  Piece<T> piece = {};
  for (piece.start = 0; piece.start < q.k; piece.start += kDepth) {
    piece.depth = smaller(kDepth, q.k - piece.start);
    for (int64_t group = first; group < last; ++group) {
      const int64_t begin = group * kGroupStrips, end = smaller(begin + kGroupStrips, strips.count);
      T* const out = q.packed + (piece.start * strips.count + begin * piece.depth) * kStripWidth<T>;
      pack_strips(q, piece, strips, begin, end, out);
    }
  }
}

template <class T>
void multiply(const fastbp::Matmul<T>& q, const Blocking& s, char* scratch, StripGradient<T>* gradient) {
  constexpr int lanes = Vector<T>::lanes;
  const Strips strips = strips_of(q, s);
  T* panels = s.pack_b ? (T*)scratch : nullptr;
  Piece<T> piece;
  piece.panels = panels;
  T* const packed_a = q.packed ? q.packed : s.pack_a ? (T*)(scratch + s.b_bytes) : nullptr;
  const int64_t whole_step = s.pack_whole_a ? s.strips * kStripWidth<T> : 0;  // elements of packed a for one k
  piece.slots = s.slot_bytes ? (T*)(scratch + s.b_bytes + s.a_bytes) : nullptr;
  for (piece.column = 0; piece.column < q.n; piece.column += s.columns) {
    piece.columns = smaller(s.columns, q.n - piece.column);
    for (piece.start = 0; piece.start < q.k; piece.start += kDepth) {
      piece.depth = smaller(kDepth, q.k - piece.start);
      piece.last = piece.start + piece.depth == q.k;
      piece.strips = packed_a + piece.start * whole_step;
      piece.next = panels ? next_of(q, s, piece) : Soon{};
      if (panels) pack_panels(q, piece, s.vectors * lanes, panels);
      multiply_piece(q, s, piece, strips, gradient);
    }
  }
}

// Finishes rows i0 .. i1 - 1 of c from sums in memory, `sums_row` apart; null: the sums are +0.
template <class T>
void finish_rows(const fastbp::Matmul<T>& q, int64_t i0, int64_t i1, const T* sums, int64_t sums_row) {
  TileCall<T> call;
  call.beside = {};
  set_finish(q, i0, 0, &call);
  call.out = {q.c + i0 * q.c_row, q.c_row};
  finish_from_memory<T>(&call, sums, sums_row, i1 - i0, q.n);
}

// For few columns: the vectors lie along the rows of c, kFlippedColumns<T> rows at a time.
template <class T>
void multiply_flipped(const fastbp::Matmul<T>& q, char* scratch) {
  alignas(64) T transposed[kFlippedRows * kFlippedColumns<T>];  // (n, rows)
  alignas(64) T gradients[kFlippedColumns<T> * kFlippedRows];  // (rows, n), where c is updated
  for (int64_t i0 = 0; i0 < q.m; i0 += kFlippedColumns<T>) {
    const int64_t i1 = smaller(i0 + kFlippedColumns<T>, q.m);
    const fastbp::Matmul<T> part = flipped(q, i0, i1, transposed);
    multiply<T>(part, upright_blocking_of(part), scratch, nullptr);
    const bool steps = q.finish == fastbp::Finish::step, apart = changes_weight(q.finish);
    T* const out = apart ? gradients : q.c + i0 * q.c_row;
    const int64_t out_row = apart ? q.n : q.c_row;
    transpose_out<T>(i1 - i0, q.n, transposed, kFlippedColumns<T>, out, out_row);
    if (steps) {
      take_step(q, i0, 0, i1 - i0, q.n, out, out_row);
    } else if (q.finish != fastbp::Finish::none) {
      finish_rows<T>(q, i0, i1, out, out_row);
    }
    if (q.epilogue) q.epilogue(q.context, i0, i1, 0, q.n);
  }
}

}  // namespace
