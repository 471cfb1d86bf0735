// The state of a thread that runs a tape.
#pragma once

#include <algorithm>

#include "base/threads.h"
#include "compile/tape.h"
#include "run/frame.h"

namespace fastbp {

// The rows and columns that a program works on. A program without rows has one row.
struct Region {
  Index row, rows;
  Index column, columns;  // columns < 0: every value's whole width
};

// One thread and the rows that it works on: all rows of the run, or one block of the loop.
template <class T>
struct Worker {
  const Frame* frame;
  int thread;
  Team* team = nullptr;  // null in the loop
  Index row = 0, rows;
  int threads = 1;  // threads that work on the same products; 1 in the loop, where each has its own
  T* scratch;  // for programs
  Ahead* ahead;  // the rows that this thread will gather next
  T* block = nullptr;  // in the loop: the values of the block
  T* sums = nullptr;  // in the loop: the block's partial sum of every sum over rows
};

// Calls run(tile) for the tiles of a region, one after the other.
template <class Run>
void for_tiles(const Stage& stage, const Region& region, Run run) {
  Index tile_rows = stage.tile_rows, tile_columns = region.columns;
  if (stage.by_columns) {
    tile_columns = std::min(region.columns, stage.tile_elements);
    tile_rows = std::max<Index>(1, stage.tile_elements / std::max<Index>(1, tile_columns));
  }
  for (Index row = 0; row < region.rows; row += tile_rows) {
    Index column = 0;
    do {
      run(Region{region.row + row, std::min(tile_rows, region.rows - row), region.column + column,
                 region.columns < 0 ? -1 : std::min(tile_columns, region.columns - column)});
      column += tile_columns;
    } while (column < region.columns);
  }
}

}  // namespace fastbp
