// The units of the block loop: how many blocks make one, and which thread runs it.
#pragma once

#include <atomic>
#include <vector>

#include "base/types.h"

namespace fastbp {

class Units {
 public:
  // sum_bytes: of the sums of one unit.
  Units(Index most_blocks, int threads, Index sum_bytes);

  Index most() const { return static_cast<Index>(begun_.size()); }  // units of a run
  // The number of blocks in a unit: a power of two, so that a unit's sum is a node of rule 2's tree.
  Index blocks_each(Index blocks, int threads) const;

  void begin_run() { ++run_; }
  // Claims the unit for the caller; returns false if it was already begun in this run.
  bool claim(Index unit) {
    std::atomic<Index>& begun = begun_[static_cast<std::size_t>(unit)];
    return begun.load(std::memory_order_relaxed) != run_ && begun.exchange(run_, std::memory_order_relaxed) != run_;
  }

 private:
  Index per_thread_;
  Index run_ = 0;                          // the number of the run, from 1
  std::vector<std::atomic<Index>> begun_;  // by unit: the last run in which a thread claimed it
};

}  // namespace fastbp
