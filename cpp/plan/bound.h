// Kernel calls that are bound to all that they need: what a run on one thread, or each thread with every block of the
// loop, repeats as long as the run has the same number of rows. From run to run only inputs and outputs move, and what
// dropout's random numbers are counted by; from block to block the sums too.
#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "base/types.h"
#include "kernels/table.h"
#include "plan/tape.h"

namespace fastbp {

template <class Call>
struct BoundCall {
  void (*kernel)(const Call*);
  Call call;
};

// A stage that is too large to be bound, or of a kind that is not: run as the tape says.
struct UnboundStage {
  const Stage* stage;
};

template <class T>
struct Bound {
  using Call = std::variant<UnboundStage, BoundCall<Map<T>>, BoundCall<RowMap<T>>, BoundCall<OverRows<T>>,
                            BoundCall<Matmul<T>>, BoundCall<Dropout<T>>, BoundCall<Magnitude<T>>>;
  // A pointer of a call into a value that moves.
  struct Pointer {
    const T** at;
    int value;
    Index offset;
  };
  // A product's list of rows, which some runs have.
  struct Listed {
    RowList<T>* rows;
    int value;
  };
  struct Counted {
    Dropout<T>* call;
    const Item* item;
    Index row;  // where the call's tile begins, counted from the worker's first row
  };

  Index rows = 0;  // of the runs that the calls are for; 0: of none
  Index last_rows = 0;  // of the last run that was not one of those
  std::vector<Call> calls;  // never grow beyond what is reserved: pointers and drops point into them
  std::vector<Pointer> pointers;
  std::vector<Listed> lists;
  std::vector<Counted> dropouts;

  void reserve(const Tape& tape) {
    std::size_t operands = 0;
    for (const Item& item : tape.items) operands += item.operands.size() + 1;
    const std::size_t measured = static_cast<std::size_t>(tape.measured);
    operands += measured;
    calls.reserve(kMostTiles * (tape.items.size() + measured));
    pointers.reserve(kMostTiles * operands);
    lists.reserve(tape.items.size());
    dropouts.reserve(kMostTiles * tape.items.size());
  }
  // Whether runs of so many rows are worth binding to; if it is others than before, what was bound is gone.
  bool is_for(Index wanted, Index most) {
    if (wanted == rows) return true;
    // The short batch at the end of an epoch does not disturb what the others are bound to.
    const bool again = wanted == most || wanted == last_rows || rows == 0;
    last_rows = wanted;
    if (again) clear();
    return again;
  }
  void clear() {
    rows = 0;
    calls.clear();
    pointers.clear();
    lists.clear();
    dropouts.clear();
  }

  // A program of more tiles is not bound: its kernels have enough to do to hide what leads to them.
  static constexpr std::size_t kMostTiles = 4;
};

}  // namespace fastbp
