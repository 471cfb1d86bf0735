// State that the threads of one call of a trainer share; only for trainer.cpp and step.cpp.
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
  // Thread 0 sets these before the barrier that starts a step.
  Frame frame;
  bool over = false;

  std::vector<char> flags, small_before;  // by thread
  std::vector<double> figures;  // of the step
  bool norms_finite = true;     // whether the gradients' norms are finite, if they are measured
  bool finite = true;           // whether the step is finite; if not, it wrote nothing

  // Only thread 0 uses these.
  std::vector<Index> order, next_order;  // of the rows; next_order: the next epoch's, or empty (see shuffle_ahead)
  bool next_is_ready = false;
  std::vector<double> sums, means;  // of the epoch: sums of figure x rows; these divided by the rows
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
