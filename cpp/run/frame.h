#pragma once

#include <cstdint>
#include <vector>

#include "data/source.h"

namespace fastbp {

// The input of one run: which rows to read, and the counters of its random numbers (rule 9).
struct Frame {
  const std::vector<Source>* inputs = nullptr;  // by slot
  Index rows = 0;
  const Index* row_ids = nullptr;  // null: first_row, first_row + 1, ...
  Index first_row = 0;
  Index rows_after = 0;  // how many more entries of row_ids follow: the next frame's rows, a hint for prefetching
  std::uint64_t seed = 0;
  std::uint32_t purpose = 1;
  std::uint32_t counter = 0;
};

}  // namespace fastbp
