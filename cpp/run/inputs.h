// Brings rows to the inputs: chooses which inputs are read in place and which are listed, and gathers the others.
#pragma once

#include <memory>
#include <vector>

#include "data/augment.h"
#include "kernels/dispatch.h"
#include "run/magnitudes.h"
#include "run/memory.h"

namespace fastbp {

template <class T>
class InputRows {
 public:
  InputRows(const Tape& tape, const Kernels<T>& kernels, Memory<T>& memory, Magnitudes<T>& magnitudes,
            const Augmentation& augmentation);

  int count() const { return static_cast<int>(tape_.inputs.size()); }
  bool are_read(int slot) const { return slot < count() && tape_.inputs[static_cast<std::size_t>(slot)] >= 0; }
  bool are_augmented_by(const Augmentation& augmentation) const { return augmentation_ == augmentation; }

  // Called by one thread before a run: chooses how each input is read.
  void begin(const Frame& frame);
  // Each thread gathers the rows that it has in stages shared by rows, and measures what is measured while it is in L1.
  void gather(const Frame& frame, int threads, int thread);
  // Gathers the rows of the worker's block.
  void gather_block(const Worker<T>& worker);
  // Sets the rows that this thread will gather next: rows begin .. end of the frame, counted on into the next frame.
  void choose_ahead(const Worker<T>& worker, Index begin, Index end) const;

  // Whether a product may find this operand's rows listed in some run.
  bool may_be_listed(int value) const { return lists_of(value) != nullptr; }
  // What replaces a product's first operand if its rows are listed in this run; else an empty list.
  RowList<T> listed_rows(int value, int thread) const {
    const RowLists* lists = lists_of(value);
    return lists != nullptr && lists->used ? RowList<T>{lists->at.data() + lists->each * thread, 0} : RowList<T>{};
  }

 private:
  // Pointers to an input's rows, read instead of copies; empty if some reader of the input cannot use such a list.
  struct RowLists {
    std::vector<const T*> at;  // by row of the batch; in the block loop by thread and row of the block
    Index each = 0;            // entries from one thread's list to the next; 0: all threads share one list
    bool used = false;         // whether this run reads the list
  };

  void allocate_lists();
  bool gains_by_list(int input) const;
  const RowLists* lists_of(int value) const {
    const Value& v = tape_.values[static_cast<std::size_t>(value)];
    if (v.place != Value::Place::input || row_lists_[static_cast<std::size_t>(v.storage)].at.empty()) return nullptr;
    return &row_lists_[static_cast<std::size_t>(v.storage)];
  }
  void gather_rows_of(const Frame& frame, int slot, Index first, Index begin, Index end, T* out, int thread);

  const Tape& tape_;
  const Kernels<T>& kernels_;
  Memory<T>& memory_;
  Magnitudes<T>& magnitudes_;
  Index cached_bytes_;  // rows of data that take up to so many bytes are not prefetched: caches hold them
  Augmentation augmentation_;
  std::unique_ptr<Augmenter<T>> augmenter_;  // null: nothing is augmented
  std::vector<RowLists> row_lists_;          // by input slot
};

extern template class InputRows<float>;
extern template class InputRows<double>;

}  // namespace fastbp
