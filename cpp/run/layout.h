// Distances in buffers that several values or threads share.
#pragma once

#include "base/types.h"

namespace fastbp {

// To whole pairs of cache lines.
inline Index rounded(Index bytes) { return (bytes + 127) / 128 * 128; }

// From one thread's part of a buffer to the next. A page in between keeps the hardware prefetcher of one thread away
// from lines that another thread writes.
inline Index apart(Index bytes, int threads) {
  constexpr Index kBetween = 4096;
  return bytes == 0 || threads == 1 ? rounded(bytes) : rounded(bytes) + kBetween;
}

}  // namespace fastbp
