#include "run/units.h"

#include <algorithm>

#include "base/memory.h"

namespace fastbp {
namespace {

// Units per thread. With many units all threads end at about the same time; but a thread that looks for unclaimed units
// scans all of them, and each unit needs memory for its sums. Hence fewer with many threads or large sums.
constexpr Index kMostUnits = 16, kFewestUnits = 4, kUnitsOfMany = 64;
constexpr Index kSumBytes = 512 * 1024;  // memory aimed at for all units' sums; there may be twice as many units

Index units_per_thread(int threads, Index sum_bytes) {
  const Index wanted = std::max(std::min(kMostUnits, kUnitsOfMany / threads), kFewestUnits);
  return std::clamp(kSumBytes / std::max<Index>(product_of({sum_bytes, threads}), 1), kFewestUnits, wanted);
}

}  // namespace

Units::Units(Index most_blocks, int threads, Index sum_bytes)
    : per_thread_(units_per_thread(threads, sum_bytes)),
      begun_(static_cast<std::size_t>(threads == 1 ? 1 : std::min(most_blocks, 2 * per_thread_ * threads + 1))) {}

Index Units::blocks_each(Index blocks, int threads) const {
  Index each = 1;
  while (threads == 1 ? each < blocks : 2 * each * per_thread_ * threads <= blocks) each *= 2;
  return each;
}

}  // namespace fastbp
