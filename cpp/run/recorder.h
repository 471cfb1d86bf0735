// Recorded calls: kernel calls with all their arguments. A run on one thread repeats them, and in the block loop each
// thread repeats them for every block, as long as the run has the same number of rows. From run to run only the
// addresses of inputs and outputs and dropout's counters change; from block to block those of the sums, too.
#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "run/executor.h"

namespace fastbp {

template <class Call>
struct RecordedCall {
  void (*kernel)(const Call*);
  Call call;
};

// A stage that is too large to record, or of a kind that is never recorded: it runs from the tape.
struct UnrecordedStage {
  const Stage* stage;
};

template <class T>
struct Recording {
  using Call = std::variant<UnrecordedStage, RecordedCall<Map<T>>, RecordedCall<RowMap<T>>, RecordedCall<OverRows<T>>,
                            RecordedCall<Matmul<T>>, RecordedCall<Dropout<T>>, RecordedCall<Magnitude<T>>>;
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

  Index rows = 0;  // rows of the runs that the calls are for; 0: nothing is recorded
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
  // Whether to run this many rows by recorded calls. If the number differs from before, the old calls are cleared.
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

  // A program of more tiles is not recorded: its kernels run long enough to hide the cost of reading the tape.
  static constexpr std::size_t kMostTiles = 4;
};

// Runs stages for one thread, by the calls that it has recorded. There are recordings for one number of rows at a time:
// of the block loop by thread, or of the whole run if there is no loop.
template <class T>
class Recorder {
 public:
  Recorder(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, const InputRows<T>& inputs,
           const Products<T>& products, const Calls<T>& calls, Executor<T>& executor);

  // The thread's recording, if a run of so many rows is to use it; else null.
  Recording<T>* of(int thread, Index rows) {
    Recording<T>& recording = recordings_[static_cast<std::size_t>(thread)];
    return recording.is_for(rows, tape_.max_rows) ? &recording : nullptr;
  }
  // Runs stages begin .. end - 1 on the worker's rows; records them first if that has not been done.
  void run(Recording<T>& recording, const Worker<T>& worker, int begin, int end);

 private:
  void record(Recording<T>& to, const Worker<T>& worker, int begin, int end);
  bool record_stage(Recording<T>& to, const Stage& stage, const Worker<T>& worker);
  bool record_product(Recording<T>& to, const Stage& stage, const Worker<T>& worker);
  bool record_program(Recording<T>& to, const Stage& stage, std::size_t first_item, const Worker<T>& worker,
                      const Region& region);
  bool record_item(Recording<T>& to, const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile);
  template <class Call>
  static Call& add_call(Recording<T>& to, void (*kernel)(const Call*), const Call& call);
  template <class Pointer>
  void move_with(Recording<T>& to, int value, const Worker<T>& worker, Pointer* pointer) const;

  const Tape& tape_;
  const Kernels<T>& kernels_;
  const Memory<T>& memory_;
  const InputRows<T>& inputs_;
  const Products<T>& products_;
  const Calls<T>& calls_;
  Executor<T>& executor_;
  std::vector<Recording<T>> recordings_;  // by thread
};

extern template class Recorder<float>;
extern template class Recorder<double>;

}  // namespace fastbp
