// Asking for memory that will be read later, while the arithmetic units are busy.
#pragma once

#include "kernels/simd.h"
#include "kernels/table.h"

namespace {

constexpr int64_t kLineBytes = 64;

// The next line of the rows that come after these; whether there was one. Those that products read where they lie are
// brought to the second-level cache alone: measured, lines from memory delay the products' own on their way to the
// first.
FASTBP_INLINE bool fetch_row_line(fastbp::Ahead* ahead) {
  if (ahead->rows <= 0) return false;
  const char* const line = ahead->source + *ahead->index * ahead->row_bytes + ahead->offset;
  if (ahead->listed) {
    __builtin_prefetch(line, 0, 2);
  } else {
    __builtin_prefetch(line, 0, 3);
  }
  ahead->offset += kLineBytes;
  if (ahead->offset >= ahead->bytes) {
    ahead->offset = 0;
    ++ahead->index;
    --ahead->rows;
  }
  return true;
}

// Part of a matrix that will be read soon: `rows` rows of `bytes` bytes, `step` bytes apart.
struct Soon {
  const char* at;
  int64_t bytes, step, rows;
  int64_t offset;  // in the row in hand: the next line's
};

// What the tiles of a product ask for, line by line: the first part that is not done, then the rows that will be
// gathered.
struct Wanted {
  Soon tile;  // of c, where the next sums go
  Soon states[fastbp::kUpdateStates];  // then of what an optimiser keeps beside it: the first `states_left`
  int states_left;
  Soon strip;  // of a, behind the one in hand
  Soon block;  // of b, to be packed next
  fastbp::Ahead* gathered;  // may be null
};

FASTBP_INLINE void fetch_part_line(Soon* part) {
  __builtin_prefetch(part->at + part->offset, 0, 3);
  part->offset += kLineBytes;
  if (part->offset >= part->bytes) {
    part->offset = 0;
    part->at += part->step;
    --part->rows;
  }
}

// The next line of the parts; whether there was one.
FASTBP_INLINE bool fetch_line_of_parts(Wanted* wanted) {
  if (wanted->tile.rows <= 0 && wanted->states_left > 0) wanted->tile = wanted->states[--wanted->states_left];
  Soon* const part = wanted->tile.rows > 0 ? &wanted->tile : wanted->strip.rows > 0 ? &wanted->strip : &wanted->block;
  if (part->rows <= 0) return false;
  fetch_part_line(part);
  return true;
}

// The next line; whether there was one.
FASTBP_INLINE bool fetch_line(Wanted* wanted) {
  return fetch_line_of_parts(wanted) || (wanted->gathered && fetch_row_line(wanted->gathered));
}

// Where there is time, a line of the parts is asked for with every so many k: lines from memory that follow each other
// closely fill the queue through which the product's own come from the second-level cache.
constexpr int64_t kPause = 4;

// What kPause k ask for; whether there was anything. Rows that will be gathered are asked for no slower than elsewhere.
FASTBP_INLINE bool fetch_with_pauses(Wanted* wanted) {
  if (fetch_line_of_parts(wanted)) return true;
  if (!wanted->gathered) return false;
  for (int64_t line = 0; line < kPause; ++line) {
    if (!fetch_row_line(wanted->gathered)) return false;
  }
  return true;
}

}  // namespace
