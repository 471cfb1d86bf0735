// An optimiser's step by parts of a weight: each part is updated when a product has computed its gradient, which is
// still in cache and is never stored.
#pragma once

#include "kernels/blocking.h"
#include "kernels/table.h"

namespace {

// How many columns of a strip's gradient are collected for one step, which reads that much of each row at a time.
template <class T>
constexpr int64_t kStepColumns = 4096 / (int64_t)sizeof(T);

// Room for the gradients of a strip, and for those of the columns apart.
template <class T>
struct StripGradient {
  alignas(
      64) T sums[(kTileRows > kMostRowsAcross ? kTileRows : kMostRowsAcross) * (kStepColumns<T> + Vector<T>::lanes)];
};

// The distance between its rows. If it has room for whole rows of the weight, this is the weight's: then the rows of a
// strip are contiguous in both, and count as one row.
template <class T>
FASTBP_INLINE int64_t gradient_row_of(const fastbp::Matmul<T>& q) {
  const bool whole = q.n + q.step->columns_apart == q.c_row && q.c_row <= kStepColumns<T>;
  return whole ? q.c_row : kStepColumns<T> + Vector<T>::lanes;
}

// Takes the step for rows x cols of the weight, from element (i, j) of the product on. gradient: of that part.
template <class T>
void take_step(const fastbp::Matmul<T>& q, int64_t i, int64_t j, int64_t rows, int64_t cols, T* gradient,
               int64_t gradient_row) {
  fastbp::WeightStep<T>& step = *q.step;
  if (step.columns_apart && j + cols == q.n) {
    const T* apart = step.apart + i * step.columns_apart;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t col = 0; col < step.columns_apart; ++col) gradient[row * gradient_row + cols + col] = *apart++;
    }
    cols += step.columns_apart;
  }
  const bool one_row = cols == q.c_row && cols == gradient_row;
  fastbp::Update<T> part = *step.whole;
  const int64_t at = q.c + i * q.c_row + j - part.weight;
  part.rows = one_row ? 1 : rows;
  part.cols = one_row ? rows * cols : cols;
  part.row = q.c_row;
  part.weight += at;
  for (T*& state : part.state) {
    if (state) state += at;
  }
  if (part.average) part.average += at;
  part.gradient = gradient;
  part.gradient_row = gradient_row;
  if (!step.update(&part)) step.small = 0;
}

// Adds the optimiser's states of `wanted->tile`, a tile of the weight, to what is prefetched.
template <class T>
FASTBP_INLINE void want_states(const fastbp::Matmul<T>& q, Wanted* wanted) {
  const fastbp::Update<T>& whole = *q.step->whole;
  wanted->states_left = 0;
  for (T* state : whole.state) {
    if (!state) continue;
    Soon& soon = wanted->states[wanted->states_left++];
    soon = wanted->tile;
    soon.at += (const char*)state - (const char*)whole.weight;
  }
}

}  // namespace
