// What a plan is built for, besides its tape: the number of threads and the process.
#pragma once

#include "base/threads.h"

namespace fastbp {

class Conditions {
 public:
  int threads() const { return available_; }  // the most that a plan may use
  // Whether the conditions are still the same. often: for calls of microseconds; only every 64th of them asks the
  // system for the number of processors, which is the costly part.
  bool hold(bool often) {
    constexpr unsigned kBetweenLooks = 64;
    if (chosen_ != chosen_num_threads() || ceiling_ != thread_ceiling()) return false;
    if (generation_ != fork_generation()) return false;  // a thread that this forked child lacks may have been at work
    const bool looks = !often || ++calls_ % kBetweenLooks == 0;
    return !looks || available_ == get_num_threads();
  }

 private:
  int chosen_ = chosen_num_threads(), available_ = get_num_threads(), ceiling_ = thread_ceiling();
  unsigned generation_ = fork_generation();
  unsigned calls_ = 0;  // of hold
};

}  // namespace fastbp
