// Products: which part of one is a thread's, and the scratch that their kernels need.
#pragma once

#include <vector>

#include "base/buffer.h"
#include "kernels/dispatch.h"
#include "run/worker.h"

namespace fastbp {

template <class T>
class Products {
 public:
  // Allocates scratch for full batches and blocks, on one thread and on the whole team.
  Products(const Tape& tape, const Kernels<T>& kernels);

  // A thread's part of a product. Of the run's rows, it is the same part that the thread has of every other value.
  // row, column: where it begins.
  Matmul<T> part_of(Matmul<T> whole, const Stage& stage, Index rows, int threads, int thread, Index* row,
                    Index* column) const;
  // Computes a thread's part of a product.
  void multiply(Matmul<T> part, const Worker<T>& worker, int threads);

  char* scratch_of(int thread) const { return scratch_.template as<char>() + step_ * thread; }
  bool has_scratch_for(const Matmul<T>& part, const Worker<T>& worker) const;
  // Gives the part more scratch if it needs more than there is.
  void give_scratch(const Worker<T>& worker, Matmul<T>* part);
  std::size_t bytes() const { return packed_.bytes() + scratch_.bytes(); }

 private:
  Index packed_together() const;
  void allocate_scratch();
  void pack_together(const Matmul<T>& part, const Worker<T>& worker, int threads) const;

  const Tape& tape_;
  const Kernels<T>& kernels_;
  Buffer packed_;             // joint packing of a product's first operand
  Buffer scratch_;            // by thread
  Index bytes_ = 0;  // of a thread's scratch, in a team or in the loop; a thread that runs alone may use all
  Index step_ = 0;  // bytes from one thread's scratch to the next
  std::vector<Buffer> more_;  // by thread: scratch of products that need more; replaced if it is too small
};

extern template class Products<float>;
extern template class Products<double>;

}  // namespace fastbp
