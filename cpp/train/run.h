// What the threads of one call of a trainer share; for trainer.cpp and step.cpp alone.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/cancel.h"
#include "train/trainer.h"

namespace fastbp {

using Clock = std::chrono::steady_clock;

template <class T>
struct Trainer<T>::Run {
  // What thread 0 tells the others at the barrier before a step.
  Frame frame;
  bool over = false;

  std::vector<char> flags, small_before;  // by thread
  std::vector<double> figures;  // of the step
  bool norms_finite = true;     // those of the gradients, where they are measured
  bool finite = true;           // the step; if not, nothing of it was written

  // Thread 0's own.
  std::vector<Index> order, next_order;  // of the rows; the second is of the next epoch, or empty: see shuffle_ahead
  bool next_is_ready = false;
  std::vector<double> sums, means;  // of the epoch: figure x rows; divided by the rows
  Index rows_done = 0;              // of the epoch
  Index look_every = 1;             // steps between two looks at the clock
  Buffer checked;                   // for check_finite: rows of one input
  Cancel cancel;
  Clock::time_point told = Clock::now();

  void allot(int threads) {
    flags.resize(static_cast<std::size_t>(threads));
    small_before.resize(static_cast<std::size_t>(threads));
  }
  static bool all_set(const std::vector<char>& flags, const Team& team) {
    return std::all_of(flags.begin(), flags.begin() + team.size(), [](char flag) { return flag != 0; });
  }
};

}  // namespace fastbp
