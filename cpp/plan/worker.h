// What the threads that run a tape pass around; for execute.cpp and loop.cpp alone.
#pragma once

#include "plan/plan.h"

namespace fastbp {

// A program's part of the rows and columns. Without rows: one row.
template <class T>
struct Plan<T>::Region {
  Index row, rows;
  Index column, columns;  // columns < 0: every value's whole width
};

// One thread and the rows that it works on: all of the run, or one block of the loop.
template <class T>
struct Plan<T>::Worker {
  const Frame* frame;
  int thread;
  Index row, rows;
  T* scratch;  // of programs
  Ahead* ahead;  // the rows that this thread gathers next
  T* block;    // in the loop: the values of the block
  T* sums;     // in the loop: the block's part of every sum over rows
  // In the loop: rule 2's binary counter. slot[level] holds a sum of 2^level blocks or null; the rest are free.
  static constexpr int kLevels = 48;
  T* slot[kLevels];
  T* free[kLevels];
  int free_slots;
};

template <class T>
struct Plan<T>::Epilogue {
  Plan<T>* plan;
  const Stage* stage;
  const Worker* worker;
  Index row, column;  // of the thread's part of the product
};

}  // namespace fastbp
