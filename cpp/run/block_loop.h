// The block loop: runs all its stages on one block of rows, then on the next, and adds up sums over rows by rule 2.
#pragma once

#include "base/buffer.h"
#include "run/block_sums.h"
#include "run/recorder.h"
#include "run/units.h"
#include "run/workers.h"

namespace fastbp {

template <class T>
class BlockLoop {
 public:
  BlockLoop(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, InputRows<T>& inputs,
            Workers<T>& workers, Executor<T>& executor, Recorder<T>& recorder);

  void begin_run() { units_.begin_run(); }
  // Every thread runs whole units: first its own, then units that others have not begun (work stealing), because a
  // thread may come late or be slower. Then the threads combine the units' sums. Ends without a barrier.
  void run(const Frame& frame, Team& team, int thread);
  std::size_t bytes() const { return blocks_.bytes() + sums_.bytes(); }

 private:
  struct Part;  // what one thread has for a run

  void run_unit(Part& part, Index unit, Index next);
  void run_block(Part& part, Index block);

  const Tape& tape_;
  InputRows<T>& inputs_;
  Workers<T>& workers_;
  Executor<T>& executor_;
  Recorder<T>& recorder_;
  Index step_;     // elements from one thread's block to the next
  Buffer blocks_;  // by thread: the values of a block
  Units units_;
  BlockSums<T> sums_;
};

extern template class BlockLoop<float>;
extern template class BlockLoop<double>;

}  // namespace fastbp
