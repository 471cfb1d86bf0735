// The tail of a tape: products over rows whose results are weight gradients that only the update reads. Their tiles
// take the optimiser's step while they are in registers or in cache, and the gradients are never stored. Before
// anything is written, overflow is ruled out by a bound: |sum of x_r g_r| <= rows * max |x| * max |g|. The largest
// magnitudes are noted when x and g are written, while they are in L1.
#pragma once

#include <vector>

#include "run/executor.h"

namespace fastbp {

// Whether an update is plain SGD's step, which a product's tiles can take while the gradient is in registers.
template <class T>
bool takes_plain_step(UpdateRule rule, const Update<T>& update) {
  return rule == UpdateRule::sgd && !update.more && update.shrink == 0;
}

template <class T>
class WeightSteps {
 public:
  WeightSteps(const Tape& tape, const Kernels<T>& kernels, Memory<T>& memory, const Magnitudes<T>& magnitudes,
              Products<T>& products, const Calls<T>& calls, Executor<T>& executor);

  bool stores_all() const { return stores_all_; }
  // Allocates memory for the unstored gradients and stores them from now on.
  void store_all();
  // Computes them, by this thread's part, without a barrier.
  void run_stored(const Worker<T>& worker, int threads);

  // Sets the step that output i, a gradient, takes if it is unstored.
  void bind(int i, const Update<T>* update);
  // Allocates the scratch that `take` will need, because that must not fail halfway.
  void foresee(const Worker<T>& worker, int threads);
  // No element of an unstored gradient has a larger magnitude than this; Inf if unknown.
  double bound(const Frame& frame, int threads) const;
  // Takes this thread's part of the steps, without a barrier. Returns whether the kernels report all that it wrote as
  // small; plain SGD's step reports nothing, which counts as small.
  bool take(UpdateRule rule, const Worker<T>& worker, int threads);

 private:
  Matmul<T> part_of(std::size_t k, const Worker<T>& worker, int threads) const;

  const Tape& tape_;
  const Kernels<T>& kernels_;
  Memory<T>& memory_;
  const Magnitudes<T>& magnitudes_;
  Products<T>& products_;
  const Calls<T>& calls_;
  Executor<T>& executor_;
  std::vector<const Update<T>*> updates_;  // by stage of the tail
  bool stores_all_;
};

extern template class WeightSteps<float>;
extern template class WeightSteps<double>;

}  // namespace fastbp
