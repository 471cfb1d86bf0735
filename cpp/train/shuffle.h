// The order of the rows in an epoch (rule 9): Fisher-Yates with Lemire's bounded draws from Philox.
#pragma once

#include "base/cancel.h"
#include "base/types.h"
#include "kernels/table.h"

namespace fastbp {

// Makes order[0 .. n) a permutation of 0 .. n-1 that depends only on seed, epoch and n. n < 2^32. Returns false, with
// the order unfinished, if cancelled: many rows take seconds.
bool shuffle(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch, Index n, Index* order,
             Cancel& cancel);

}  // namespace fastbp
