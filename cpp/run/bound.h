// Bound calls: kernel calls recorded with all their arguments. A run on one thread repeats them, and in the block loop
// each thread repeats them for every block, as long as the run has the same number of rows. From run to run only the
// addresses of inputs and outputs and dropout's counters change; from block to block those of the sums, too.
#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "base/types.h"
#include "compile/tape.h"
#include "kernels/table.h"

namespace fastbp {

template <class Call>
struct BoundCall {
  void (*kernel)(const Call*);
  Call call;
};

// A stage that is too large to bind, or of a kind that is never bound: it runs from the tape.
struct UnboundStage {
  const Stage* stage;
};

template <class T>
struct Bound {
  using Call = std::variant<UnboundStage, BoundCall<Map<T>>, BoundCall<RowMap<T>>, BoundCall<OverRows<T>>,
                            BoundCall<Matmul<T>>, BoundCall<Dropout<T>>, BoundCall<Magnitude<T>>>;
  // A pointer in a call to a value whose address changes.
  struct Pointer {
    const T** at;
    int value;
    Index offset;
  };
  // A product's list of rows, which is empty in runs that do not list them.
  struct Listed {
    RowList<T>* rows;
    int value;
  };
  struct Counted {
    Dropout<T>* call;
    const Item* item;
    Index row;  // where the call's tile begins, counted from the worker's first row
  };

  Index rows = 0;  // rows of the runs that the calls are for; 0: nothing is bound
  Index last_rows = 0;  // rows of the last run that had another number of rows
  std::vector<Call> calls;  // never grow beyond what is reserved: the three lists below point into them
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
  // Whether to run this many rows by bound calls. If the number differs from before, the old calls are cleared.
  bool is_for(Index wanted, Index most) {
    if (wanted == rows) return true;
    // A single short batch, as at the end of an epoch, does not replace the calls of the other batches.
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

  // A program of more tiles is not bound: its kernels run long enough to hide the cost of reading the tape.
  static constexpr std::size_t kMostTiles = 4;
};

}  // namespace fastbp
