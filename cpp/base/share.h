// How threads share work: a thread's part of n things of one kind.
#pragma once

#include "base/types.h"

namespace fastbp {

// A thread's part of n: [begin, end), cut at multiples of `multiple`. If n is one multiple, thread 0 gets it all.
struct Share {
  Index begin, end;
};
inline Share share(Index n, int threads, int thread, Index multiple) {
  if (threads == 1) return {0, n};
  Index units = (n + multiple - 1) / multiple;
  Index begin = (units * thread + threads - 1) / threads * multiple;
  Index end = (units * (thread + 1) + threads - 1) / threads * multiple;
  return {begin < n ? begin : n, end < n ? end : n};
}

// How the size of the team and the sharing of stages are chosen: by estimated cost; or, for tests, all threads share
// every stage, however small: products by rows, with the stages ordered by the barriers that they wait for, or products
// by columns, with the stages in their original order.
enum class TeamChoice { measured, always_rows, always_columns };

// For tests: holds for what is built or begun from now on.
void share_always(TeamChoice choice);
TeamChoice team_choice();
bool shares_always();

}  // namespace fastbp
