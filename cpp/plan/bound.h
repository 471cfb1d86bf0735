// Kernel calls that are bound to all that they need: what a run on one thread repeats as long as it has the same number
// of rows. Only inputs and outputs move from run to run, and what dropout's random numbers are counted by.
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
                            BoundCall<Matmul<T>>, BoundCall<Dropout<T>>>;
  // A pointer of a call into a value that moves.
  struct Pointer {
    const T** at;
    int value;
    Index offset;
  };
  struct Counted {
    Dropout<T>* call;
    const Item* item;
    Index row;  // of the run, where the call's tile begins
  };

  Index rows = 0;  // of the runs that the calls are for; 0: of none
  Index last_rows = 0;  // of the last run that was not one of those
  std::vector<Call> calls;  // never grow beyond what is reserved: pointers and drops point into them
  std::vector<Pointer> pointers;
  std::vector<Counted> dropouts;

  void reserve(const Tape& tape) {
    std::size_t operands = 0;
    for (const Item& item : tape.items) operands += item.operands.size() + 1;
    calls.reserve(kMostTiles * tape.items.size());
    pointers.reserve(kMostTiles * operands);
    dropouts.reserve(kMostTiles * tape.items.size());
  }
  void clear() {
    calls.clear();
    pointers.clear();
    dropouts.clear();
  }

  // A program of more tiles is not bound: its kernels have enough to do to hide what leads to them.
  static constexpr std::size_t kMostTiles = 4;
};

}  // namespace fastbp
