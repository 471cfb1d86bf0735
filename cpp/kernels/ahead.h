// Prefetches memory that will be read later, while the arithmetic units are busy.
#pragma once

#include "kernels/simd.h"
#include "kernels/table.h"

namespace {

constexpr int64_t kLineBytes = 64;

// Prefetches the next line of the rows in `ahead`; returns whether there was one. Listed rows, which products read in
// place, go to the second-level cache only: measured, lines from memory delay the products' own on their way to the
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
  int64_t offset;  // of the next line in the current row
};

// What the tiles of a product prefetch, one line at a time: these parts in order, then the rows that will be gathered.
struct Wanted {
  Soon tile;  // of c, where the next sums go
  Soon states[fastbp::kUpdateStates];  // then the optimiser's states of that tile: the first `states_left`
  int states_left;
  Soon strip;  // of a, after the current one
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

// Prefetches the next line of the parts; returns whether there was one.
FASTBP_INLINE bool fetch_line_of_parts(Wanted* wanted) {
  if (wanted->tile.rows <= 0 && wanted->states_left > 0) wanted->tile = wanted->states[--wanted->states_left];
  Soon* const part = wanted->tile.rows > 0 ? &wanted->tile : wanted->strip.rows > 0 ? &wanted->strip : &wanted->block;
  if (part->rows <= 0) return false;
  fetch_part_line(part);
  return true;
}

// Prefetches the next line; returns whether there was one.
FASTBP_INLINE bool fetch_line(Wanted* wanted) {
  return fetch_line_of_parts(wanted) || (wanted->gathered && fetch_row_line(wanted->gathered));
}

// Where there is time, prefetch only one line of the parts per kPause k: lines from memory in quick succession fill the
// queue through which the product's own lines come from the second-level cache.
constexpr int64_t kPause = 4;

// Prefetches for kPause k; returns false if nothing was left. Rows that will be gathered are prefetched as fast as
// elsewhere, one line per k.
FASTBP_INLINE bool fetch_with_pauses(Wanted* wanted) {
  if (fetch_line_of_parts(wanted)) return true;
  if (!wanted->gathered) return false;
  for (int64_t line = 0; line < kPause; ++line) {
    if (!fetch_row_line(wanted->gathered)) return false;
  }
  return true;
}

}  // namespace
