// Chooses how a product is computed: with its last columns apart, in one call of a microkernel, or in blocks (gemm.h).
#pragma once

#include "kernels/gemm.h"

namespace {

constexpr int64_t kLocalBytes = 8 * 1024;  // scratch up to this comes from the stack

// Columns first .. first + count of a product, as a product of their own.
template <class T>
struct Columns {
  fastbp::Matmul<T> part;
  const fastbp::Matmul<T>& whole;
  int64_t first;

  Columns(const fastbp::Matmul<T>& q, int64_t begin, int64_t count) : part(q), whole(q), first(begin) {
    part.n = count;
    part.b += first * q.b_col;
    part.c += first;
    if (q.beside) part.beside += first;
    part.context = this;
    if (q.epilogue) part.epilogue = epilogue;
  }
  Columns(const Columns&) = delete;

  static void epilogue(void* context, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
    const Columns& own = *(const Columns*)context;
    own.whole.epilogue(own.whole.context, i0, i1, own.first + j0, own.first + j1);
  }
};

// Bytes for the sums of the columns apart, which under rule 2 may be gradients for a weight's step.
template <class T>
FASTBP_INLINE int64_t bytes_apart(const fastbp::Matmul<T>& q, int64_t apart) {
  return q.over_rows ? (q.m * apart * (int64_t)sizeof(T) + 63) / 64 * 64 : 0;
}

template <class T>
int64_t matmul_scratch(const fastbp::Matmul<T>* q) {
  if (q->m == 0 || q->n == 0 || q->k == 0) return 0;
  if (const int64_t apart = q->listed.at ? 0 : columns_apart(*q)) {
    const Columns<T> most(*q, 0, q->n - apart), rest(*q, q->n - apart, apart);
    const int64_t bytes = matmul_scratch(&most.part), other = matmul_scratch(&rest.part);
    return (bytes < other ? other : bytes) + bytes_apart(*q, apart);
  }
  const int64_t bytes = blocking_of(*q).bytes();
  return bytes <= kLocalBytes ? 0 : bytes;
}

template <class T>
int64_t matmul_packed(const fastbp::Matmul<T>* q) {
  if (q->threads <= 1 || q->listed.at) return 0;
  fastbp::Matmul<T> part = *q;
  part.n = q->n / q->threads;
  part.threads = 1;  // room for one a, not for each thread's
  if (part.m == 0 || part.n == 0 || part.k == 0 || is_narrow(part)) return 0;
  const Blocking s = upright_blocking_of(part);
  return s.pack_whole_a ? s.a_bytes : 0;
}

template <class T>
void matmul_pack(const fastbp::Matmul<T>* q, int64_t thread, int64_t threads) {
  const Blocking s = upright_blocking_of(*q);
  const int64_t groups = (s.strips + kGroupStrips - 1) / kGroupStrips;
  pack_groups(*q, s, groups * thread / threads, groups * (thread + 1) / threads);
}

// Whether the product can read a's rows through a list, however many there are.
template <class T>
int matmul_reads_listed(const fastbp::Matmul<T>* q) {
  return is_narrow(*q) && !blocking_of(*q).pack_b;
}

// Whether the product takes so few fma that nothing is faster than one call of a microkernel, even with few columns.
constexpr int64_t kTiny = 128;  // m x k
template <class T>
FASTBP_INLINE bool is_tiny(const fastbp::Matmul<T>& q) {
  return q.m <= kTileRows && q.n <= Vector<T>::lanes && q.m * q.k <= kTiny && q.b_col == 1 && !q.listed.at;
}
// Whether it is one call anyway, on its operands in place: then there is nothing to plan.
template <class T>
FASTBP_INLINE bool is_one_tile(const fastbp::Matmul<T>& q, bool across) {
  constexpr int lanes = Vector<T>::lanes;
  if (q.m > (across ? kMostRowsAcross : kTileRows)) return false;
  if (q.k > (q.over_rows ? fastbp::kRowBlock : kDepth) || is_narrow(q)) return false;
  return across ? q.n <= lanes : q.b_col == 1 && (q.n <= kTileVectors * lanes || q.n <= widest((int)q.m) * lanes);
}

template <class T>
void multiply_one_tile(const fastbp::Matmul<T>& q, bool across, StripGradient<T>* gradient) {
  constexpr int lanes = Vector<T>::lanes;
  const int64_t vectors = (q.n + lanes - 1) / lanes;
  TileCall<T> call;
  call.listed = {};
  Wanted wanted;
  call.wanted = nullptr;
  if (q.ahead && q.ahead->rows > 0) {
    wanted = {{}, {}, 0, {}, {}, q.ahead};
    call.wanted = &wanted;
  }
  call.k = q.k;
  call.contested = q.threads > 1;
  set_finish(q, 0, 0, &call);
  call.a = q.a;
  call.a_row = q.a_row;
  call.a_col = q.a_col;
  call.b = q.b;
  call.b_row = across ? q.b_col : q.b_row;
  call.out = {q.c, q.c_row};
  if (gradient) call.out = {gradient->sums, gradient_row_of(q)};
  call.earlier = nullptr;
  call.earlier_count = 0;
  call.last_lanes = q.n - (vectors - 1) * lanes;
  microkernel_of<T>(across, q.m, vectors, call.last_lanes, false)(&call);
  if (gradient) take_step(q, 0, 0, q.m, q.n, gradient->sums, call.out.row);
  if (q.epilogue) q.epilogue(q.context, 0, q.m, 0, q.n);
}

// A product with k == 0.
template <class T>
void multiply_empty(const fastbp::Matmul<T>& q) {
  finish_rows<T>(q, 0, q.m, nullptr, 0);
  if (q.epilogue) q.epilogue(q.context, 0, q.m, 0, q.n);
}

template <class T>
void multiply_blocks(const fastbp::Matmul<T>& q, const Blocking& s, char* scratch,
                     StripGradient<T>* gradient = nullptr) {
  if (s.flipped) {
    multiply_flipped(q, scratch);
  } else {
    multiply(q, s, scratch, gradient);
  }
}
// With scratch from the stack.
template <class T>
void multiply_blocks_here(const fastbp::Matmul<T>& q, const Blocking& s) {
  alignas(64) char local[kLocalBytes];
  multiply_blocks(q, s, local);
}

template <class T>
Blocking chosen(const fastbp::Matmul<T>& q) {
  using Way = Blocking::Way;
  Blocking s = {};
  const bool tiny = is_tiny(q), across = !tiny && is_across(q);
  if (tiny || (!q.listed.at && is_one_tile(q, across))) {
    s.way = across ? Way::one_tile_across : Way::one_tile;
    return s;
  }
  s = blocking_of(q);
  s.way = Way::blocks;
  return s;
}

// Not inlined, because its buffers would enlarge the stack of all other products.
template <class T>
__attribute__((noinline)) void multiply_for_step(const fastbp::Matmul<T>& q, const Blocking& s) {
  StripGradient<T> gradient;
  if (s.way != Blocking::Way::blocks) return multiply_one_tile(q, s.way == Blocking::Way::one_tile_across, &gradient);
  alignas(64) char local[kLocalBytes];
  multiply_blocks(q, s, s.bytes() <= kLocalBytes ? local : (char*)q.scratch, &gradient);
}

template <class T>
void multiply_as(const fastbp::Matmul<T>& q, const Blocking& s) {
  if (q.finish == fastbp::Finish::step) return multiply_for_step(q, s);
  if (s.way != Blocking::Way::blocks) return multiply_one_tile<T>(q, s.way == Blocking::Way::one_tile_across, nullptr);
  if (s.bytes() > 0 && s.bytes() <= kLocalBytes) return multiply_blocks_here(q, s);
  multiply_blocks(q, s, (char*)q.scratch);
}

template <class T>
void matmul(const fastbp::Matmul<T>* q);

// Computes the sums of the columns apart first, so that the other columns' product updates whole rows of the weight.
template <class T>
void step_with_rest(Columns<T>* most, Columns<T>* rest) {
  fastbp::Matmul<T>& last = rest->part;
  char* const scratch = (char*)last.scratch;
  last.finish = fastbp::Finish::none;
  last.c = (T*)scratch;
  last.c_row = last.n;
  last.scratch = most->part.scratch = scratch + bytes_apart(last, last.n);
  matmul(&last);
  fastbp::WeightStep<T> step = *most->part.step;
  step.apart = last.c;
  step.columns_apart = last.n;
  most->part.step = &step;
  matmul(&most->part);
  most->whole.step->small = step.small;
}

template <class T>
void matmul(const fastbp::Matmul<T>* q) {
  if (q->blocking.way != Blocking::Way::unknown) return multiply_as(*q, q->blocking);
  if (q->m == 0 || q->n == 0) return;
  if (q->k == 0) return multiply_empty(*q);
  if (const int64_t apart = q->listed.at ? 0 : columns_apart(*q)) {
    Columns<T> most(*q, 0, q->n - apart), rest(*q, q->n - apart, apart);
    if (q->finish == fastbp::Finish::step) return step_with_rest(&most, &rest);
    matmul(&most.part);
    return matmul(&rest.part);
  }
  multiply_as(*q, chosen(*q));
}

template <class T>
void matmul_prepare(fastbp::Matmul<T>* q) {
  const bool is_empty = q->m == 0 || q->n == 0 || q->k == 0;
  q->blocking = is_empty || columns_apart(*q) ? Blocking{} : chosen(*q);
}

}  // namespace
