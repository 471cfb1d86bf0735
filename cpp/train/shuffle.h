// The order of the rows in an epoch (rule 9): Fisher-Yates with Lemire's bounded draws from Philox.
#pragma once

#include "base/types.h"
#include "kernels/table.h"

namespace fastbp {

// order[0 .. n) becomes a permutation of 0 .. n-1 that depends on seed, epoch and n alone. n < 2^32.
void shuffle(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch, Index n, Index* order);

}  // namespace fastbp
