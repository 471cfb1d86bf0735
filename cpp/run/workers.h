// What every thread of a team begins a run with: its scratch for programs, and the rows that it will gather next.
#pragma once

#include <vector>

#include "base/buffer.h"
#include "base/memory.h"
#include "run/layout.h"
#include "run/worker.h"

namespace fastbp {

template <class T>
class Workers {
 public:
  explicit Workers(const Tape& tape)
      : threads_(tape.threads),
        step_(apart(tape.scratch * kElement, tape.threads) / kElement),
        scratch_(bytes_of({step_, kElement, tape.threads})),
        ahead_(static_cast<std::size_t>(tape.threads)) {}

  // A worker on all rows of the frame; in the block loop, which sets its block, or before the team has started.
  Worker<T> of(const Frame& frame, int thread) {
    Worker<T> worker;
    worker.frame = &frame;
    worker.thread = thread;
    worker.rows = frame.rows;
    worker.ahead = &ahead_[static_cast<std::size_t>(thread)];
    worker.scratch = scratch_.template as<T>() + step_ * thread;
    return worker;
  }
  // A worker outside the block loop.
  Worker<T> in_team(const Frame& frame, Team& team, int thread) {
    Worker<T> worker = of(frame, thread);
    worker.team = &team;
    if (team.size() > 1) worker.threads = threads_;
    return worker;
  }
  std::size_t bytes() const { return scratch_.bytes(); }

 private:
  static constexpr Index kElement = static_cast<Index>(sizeof(T));

  int threads_;
  Index step_;  // elements from one thread's scratch to the next
  Buffer scratch_;
  std::vector<Ahead> ahead_;  // by thread, to prefetch
};

}  // namespace fastbp
