// What the threads of a team touch when they share a stage: which values, and which thread which part of them.
#pragma once

#include <vector>

#include "plan/tape.h"

namespace fastbp {

// The parts of a value by thread.
struct Pattern {
  enum class By {
    any,      // any thread may touch all of it
    one,      // thread 0 alone
    rows,     // each thread its rows
    columns,  // each thread its columns of every row
  };
  By by = By::any;
  Index count = 0;  // rows: how many, kRowsOfRun: as many as come; columns: how many
  Index unit = 1;   // columns: how many go together
};
constexpr Index kRowsOfRun = -1;

// Whether what one thread touches by p, another never touches by q.
bool keeps_threads_apart(const Pattern& p, const Pattern& q);

struct Access {
  int value;
  bool writes;
  Pattern pattern;
};

// All accesses of a stage outside the loop over blocks, or of a stage of the loop (any thread may do any block).
std::vector<Access> accesses_of(const Tape& tape, const Stage& stage, bool in_loop);

}  // namespace fastbp
