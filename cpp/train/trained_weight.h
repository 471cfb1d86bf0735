// What is set for one weight alone. The trainer, its bindings, the reference and Python have this same record.
#pragma once

#include <limits>

namespace fastbp {

struct TrainedWeight {
  int node = 0;            // its parameter node
  double decay = 1.0;      // factor of the weight decay
  double rate = 1.0;       // factor of the learning rate
  double max_norm = std::numeric_limits<double>::infinity();  // limit of its columns' norms
  double proximal_l1 = 0.0;  // lambda of the proximal step's threshold eta * lambda
};

}  // namespace fastbp
