// Which values a stage accesses, and which part of each value each thread of the team accesses.
#pragma once

#include <vector>

#include "compile/tape.h"

namespace fastbp {

// How the accesses to a value are divided among the threads.
struct Pattern {
  enum class By {
    any,      // any thread may touch all of it
    one,      // thread 0 alone
    rows,     // each thread its own rows
    columns,  // each thread its own columns of every row
  };
  By by = By::any;
  Index count = 0;  // rows: their number, or kRowsOfRun for those of the run; columns: their number
  Index unit = 1;   // columns: parts are cut at multiples of this
};
constexpr Index kRowsOfRun = -1;

// Whether no thread accesses by q what another thread accesses by p.
bool keeps_threads_apart(const Pattern& p, const Pattern& q);

struct Access {
  int value;
  bool writes;
  Pattern pattern;
};

// All accesses of a stage. in_loop: it is a stage of the block loop, where any thread may run any block.
std::vector<Access> accesses_of(const Tape& tape, const Stage& stage, bool in_loop);

}  // namespace fastbp
