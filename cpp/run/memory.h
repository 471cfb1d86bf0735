// Where the values of a tape are: in the plan's own memory, among the weights, or in the caller's arrays.
#pragma once

#include <vector>

#include "base/buffer.h"
#include "compile/tape.h"
#include "data/parameters.h"
#include "run/worker.h"

namespace fastbp {

template <class T>
class Memory {
 public:
  Memory(const Tape& tape, Parameters& parameters);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // The whole value; null if it is not in memory as a whole: it is in block arenas, unstored, or not bound yet.
  T* whole(int value) const { return data_[static_cast<std::size_t>(value)]; }

  // Where the worker finds a row of a value that is not local to a tile.
  T* row_of(int value, const Worker<T>& worker, Index row) const {
    const Value& v = values_[value];
    T* data = whole(value);
    if (worker.sums != nullptr && v.sum_offset >= 0) return worker.sums + v.sum_offset;
    if (!v.rows) return data;
    if (v.in_block && data == nullptr) return worker.block + v.offset + (row - worker.row) * v.width;
    return data + row * v.width;
  }

  // Where the worker finds a tile of a value. A local value holds only the tile.
  T* tile_of(int value, const Stage& stage, const Worker<T>& worker, const Region& tile, Index col_stride) const {
    const Value& v = values_[value];
    if (v.place == Value::Place::local) return worker.scratch + stage.slots[static_cast<std::size_t>(v.storage)];
    return row_of(value, worker, tile.row) + tile.column * col_stride;
  }

  // An input that is read where the caller has it, or, if null, in the plan's own memory.
  void read_in_place(int value, T* data);
  bool is_read_in_place(int value) const { return whole(value) != own_[static_cast<std::size_t>(value)]; }

  void bind_output(int i, T* data);
  void unbind() { data_ = own_; }  // inputs and outputs are in the plan's own memory again
  void store_gradients();          // from now on, unstored gradients have memory
  std::size_t bytes() const { return arena_.bytes() + outputs_.bytes() + constants_.bytes(); }

 private:
  void place_constants();

  const Tape& tape_;
  const Value* const values_;  // the tape's: one step less to each address
  Buffer arena_, outputs_, constants_;
  std::vector<Buffer> gradients_;  // the unstored ones, once they are stored
  std::vector<T*> own_;            // by value: where the plan put it
  std::vector<T*> data_;           // by value: where it is now
};

extern template class Memory<float>;
extern template class Memory<double>;

}  // namespace fastbp
