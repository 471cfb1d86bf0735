// The order of the rows in an epoch (rule 9): Fisher-Yates with Lemire's bounded draws from Philox.
#pragma once

#include "base/cancel.h"
#include "base/types.h"
#include "kernels/table.h"

namespace fastbp {

// order[0 .. n) becomes a permutation of 0 .. n-1 that depends on seed, epoch and n alone. n < 2^32. Returns false, the
// order unfinished, where it was cancelled: so many rows take seconds.
bool shuffle(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch, Index n, Index* order,
             Cancel& cancel);

}  // namespace fastbp
