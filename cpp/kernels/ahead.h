// Asking for rows that will be read later, while the arithmetic units are busy.
#pragma once

#include "kernels/simd.h"
#include "kernels/table.h"

namespace {

// The next line.
FASTBP_INLINE void fetch_line(fastbp::Ahead* ahead) {
  if (ahead->rows <= 0) return;
  __builtin_prefetch(ahead->source + *ahead->index * ahead->row_bytes + ahead->offset, 0, 3);
  ahead->offset += 64;
  if (ahead->offset >= ahead->bytes) {
    ahead->offset = 0;
    ++ahead->index;
    --ahead->rows;
  }
}

}  // namespace
