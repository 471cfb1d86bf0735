// The sums over rows of the block loop: a thread adds up those of a unit's blocks, then the threads those of all units.
#pragma once

#include "base/binary_counter.h"
#include "base/buffer.h"
#include "kernels/dispatch.h"
#include "run/memory.h"

namespace fastbp {

template <class T>
class BlockSums {
 public:
  class OfUnit;

  BlockSums(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, Index most_blocks, Index most_units);

  bool exist() const { return tape_.block_sums > 0; }
  // Adds up the units' sums, this thread's part of them, in the order of rule 2's binary counter. unit: blocks in each.
  void combine(Index blocks, Index unit, int threads, int thread) const;
  std::size_t bytes() const { return sums_.bytes() + unit_sums_.bytes(); }

 private:
  T* of_unit(Index unit) const { return unit_sums_.template as<T>() + tape_.block_sums * unit; }

  const Tape& tape_;
  const Kernels<T>& kernels_;
  const Memory<T>& memory_;
  int slots_;  // buffers of a thread's binary counter
  Index step_;  // elements from one thread's buffers to the next
  Buffer sums_, unit_sums_;  // by thread; by unit
};

// The sums of one unit, added up by one thread. If there are no sums, it does nothing.
template <class T>
class BlockSums<T>::OfUnit {
 public:
  OfUnit(const BlockSums& all, int thread);

  T* next() { return all_.exist() ? free_[--free_count_] : nullptr; }  // memory for a block's sums
  void add(T* block);  // once the block has been run
  void store(Index unit);  // when all have been added

 private:
  T* add_earlier(T* earlier, T* sum);

  const BlockSums& all_;
  BinaryCounter<T*> counter_;
  T* free_[BinaryCounter<T*>::kLevels + 2];
  int free_count_ = 0;
};

extern template class BlockSums<float>;
extern template class BlockSums<double>;

}  // namespace fastbp
