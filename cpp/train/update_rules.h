// The scalar part of rule 10: which update an optimiser makes, which states it keeps, and the scalars of a step.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"
#include "train/settings.h"

namespace fastbp {

// An optimiser's counters: part of its state, all in float64.
struct UpdateCounters {
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
UpdateCounters after_update(UpdateRule rule, const OptimizerSettings& settings, UpdateCounters counters);
// The scalars of the update that leads to `after`, with the learning rate eta, not rounded yet.
void combine_scalars(UpdateRule rule, const OptimizerSettings& settings, const UpdateCounters& after, double eta,
                     double scalars[kUpdateScalars]);
// Whether no update can overflow while weights, states and gradients are within +-2^60.
bool is_moderate(UpdateRule rule, const OptimizerSettings& settings, double decay,
                 const double scalars[kUpdateScalars]);

}  // namespace fastbp
