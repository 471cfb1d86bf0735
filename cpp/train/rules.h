// The scalar part of rule 10: which update an optimiser makes, which states it keeps, and the scalars of a step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/types.h"
#include "kernels/table.h"

namespace fastbp {

// The learning rate of every update, counted from 0. The calling thread asks for it once per update.
class LearningRates {
 public:
  virtual ~LearningRates() = default;
  virtual double at(Index update) = 0;
};

struct OptimizerSettings {
  std::string name = "sgd";  // or adagrad, rmsprop, adam, nadam, lion
  double learning_rate = 0.01;
  std::shared_ptr<LearningRates> schedule;  // instead of learning_rate; may be null
  double weight_decay = 0.0;
  double momentum = 0.0, rho = 0.9, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7, initial_accumulator_value = 0.1;
  bool nesterov = false, centered = false, amsgrad = false;
  double clipvalue = 0.0, clipnorm = 0.0, global_clipnorm = 0.0;  // 0: none
  Index gradient_accumulation_steps = 1;
  bool use_ema = false;
  double ema_momentum = 0.99;
  Index ema_overwrite_frequency = 0;  // 0: never
};

// An optimiser's counters: part of its state, all in float64.
struct Progress {
  double updates = 0;  // updates made
  double pending = 0;  // gradients accumulated since the last update
  // Running products over the updates. Adam: beta_1^t, beta_2^t. Nadam: the product of u_1 ... u_t, beta_2^t, 0.96^t.
  double product[3] = {1, 1, 1};
  static constexpr int size = 5;
};

UpdateRule rule_of(const OptimizerSettings& settings);
// The names of a weight's states, in the kernel's order.
const std::vector<std::string>& state_names(UpdateRule rule);
// Whether the rule's scalars differ from one update to the next.
bool counts_updates(UpdateRule rule);
// The counters after one more update.
Progress after_update(UpdateRule rule, const OptimizerSettings& settings, Progress progress);
// The scalars of the update that leads to `after`, with the learning rate eta, not rounded yet.
void combine_scalars(UpdateRule rule, const OptimizerSettings& settings, const Progress& after, double eta,
                     double scalars[kUpdateScalars]);
// Whether no update can overflow while weights, states and gradients are within +-2^60.
bool is_moderate(UpdateRule rule, const OptimizerSettings& settings, double decay,
                 const double scalars[kUpdateScalars]);

}  // namespace fastbp
