// What an optimiser keeps of the past for every weight, and the scalars of each step (rule 10).
#pragma once

#include <vector>

#include "base/buffer.h"
#include "kernels/table.h"

namespace fastbp {

struct OptimizerSettings {
  double learning_rate = 0.01, momentum = 0.0, weight_decay = 0.0;
  bool nesterov = false;
};

template <class T>
class Optimizer {
 public:
  // sizes: of the weights; decayed: whether weight decay applies to each.
  Optimizer(std::vector<Index> sizes, std::vector<bool> decayed, const OptimizerSettings& settings);

  // Settings that hold from the next step on. What was kept stays; what they need beside it begins. All or nothing.
  void set(const OptimizerSettings& settings);

  UpdateRule rule() const { return rule_; }
  // Whether no update of weights, states and gradients within +-2^60 can give an infinity.
  bool moderate() const;
  // The next update of a whole weight as one row; weight and gradient are to be filled in.
  const Update<T>& update_of(std::size_t weight) const { return updates_[weight]; }
  // By kind of state, then by weight.
  const std::vector<std::vector<Buffer>>& states() const { return states_; }

 private:
  void combine();

  std::vector<Index> sizes_;
  std::vector<bool> decayed_;
  OptimizerSettings settings_;
  UpdateRule rule_ = UpdateRule::sgd;
  std::vector<std::vector<Buffer>> states_;
  std::vector<Update<T>> updates_;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace fastbp
