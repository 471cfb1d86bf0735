#include "train/update_rules.h"

#include <algorithm>
#include <cmath>

#include "base/errors.h"

namespace fastbp {

UpdateRule rule_of(const OptimizerSettings& s) {
  if (s.name == "sgd") {
    if (s.momentum == 0.0) return UpdateRule::sgd;
    return s.nesterov ? UpdateRule::nesterov : UpdateRule::momentum;
  }
  if (s.name == "adagrad") return UpdateRule::adagrad;
  if (s.name == "rmsprop") {
    if (s.centered) return s.momentum == 0.0 ? UpdateRule::rmsprop_centered : UpdateRule::rmsprop_centered_momentum;
    return s.momentum == 0.0 ? UpdateRule::rmsprop : UpdateRule::rmsprop_momentum;
  }
  if (s.name == "adam") return s.amsgrad ? UpdateRule::amsgrad : UpdateRule::adam;
  if (s.name == "nadam") return UpdateRule::nadam;
  if (s.name == "lion") return UpdateRule::lion;
  throw Error(Cause::internal, "no update rule for the optimizer '" + s.name + "'");
}

namespace {

const std::vector<std::string> kNone, kVelocity{"velocity"}, kMomentum{"momentum"}, kAccumulator{"accumulator"},
    kVelocityMomentum{"velocity", "momentum"}, kCentered{"velocity", "average_gradient"},
    kCenteredMomentum{"velocity", "average_gradient", "momentum"}, kMoments{"momentum", "velocity"},
    kMomentsAndLargest{"momentum", "velocity", "velocity_hat"};

}  // namespace

const std::vector<std::string>& state_names(UpdateRule rule) {
  switch (rule) {
    case UpdateRule::sgd: return kNone;
    case UpdateRule::momentum:
    case UpdateRule::nesterov:
    case UpdateRule::rmsprop: return kVelocity;
    case UpdateRule::adagrad: return kAccumulator;
    case UpdateRule::rmsprop_momentum: return kVelocityMomentum;
    case UpdateRule::rmsprop_centered: return kCentered;
    case UpdateRule::rmsprop_centered_momentum: return kCenteredMomentum;
    case UpdateRule::adam:
    case UpdateRule::nadam: return kMoments;
    case UpdateRule::amsgrad: return kMomentsAndLargest;
    case UpdateRule::lion: return kMomentum;
  }
  return kNone;
}

bool counts_updates(UpdateRule rule) {
  return rule == UpdateRule::adam || rule == UpdateRule::amsgrad || rule == UpdateRule::nadam;
}

namespace {

constexpr double kNadamDecay = 0.96;  // of the momentum's schedule (Dozat, 2016)

constexpr bool kDivides[] = {
#define FASTBP_X(name, states, scalars, divides) divides,
    FASTBP_UPDATE_RULES(FASTBP_X)
#undef FASTBP_X
};

double nadam_momentum(const OptimizerSettings& s, double decay_power) { return s.beta_1 * (1.0 - 0.5 * decay_power); }

}  // namespace

UpdateCounters after_update(UpdateRule rule, const OptimizerSettings& s, UpdateCounters p) {
  p.updates += 1;
  p.pending = 0;
  if (rule == UpdateRule::adam || rule == UpdateRule::amsgrad) {
    p.product[0] *= s.beta_1;
    p.product[1] *= s.beta_2;
  } else if (rule == UpdateRule::nadam) {
    p.product[2] *= kNadamDecay;
    p.product[0] *= nadam_momentum(s, p.product[2]);
    p.product[1] *= s.beta_2;
  }
  return p;
}

void combine_scalars(UpdateRule rule, const OptimizerSettings& s, const UpdateCounters& after, double eta,
                     double scalars[kUpdateScalars]) {
  const auto set = [scalars](std::initializer_list<double> values) {
    std::fill(std::copy(values.begin(), values.end(), scalars), scalars + kUpdateScalars, 0.0);
  };
  const double first = after.product[0], second = after.product[1];
  switch (rule) {
    case UpdateRule::sgd: return set({eta});
    case UpdateRule::momentum:
    case UpdateRule::nesterov: return set({eta, s.momentum});
    case UpdateRule::adagrad: return set({eta, s.epsilon});
    case UpdateRule::rmsprop:
    case UpdateRule::rmsprop_centered: return set({eta, s.epsilon, s.rho, 1.0 - s.rho});
    case UpdateRule::rmsprop_momentum:
    case UpdateRule::rmsprop_centered_momentum: return set({eta, s.epsilon, s.rho, 1.0 - s.rho, s.momentum});
    case UpdateRule::adam:
    case UpdateRule::amsgrad:
      return set({eta * (std::sqrt(1.0 - second) / (1.0 - first)), s.epsilon, 1.0 - s.beta_1, 1.0 - s.beta_2});
    case UpdateRule::nadam: {
      const double now = nadam_momentum(s, after.product[2]);
      const double next = nadam_momentum(s, after.product[2] * kNadamDecay);
      return set({eta * (next / (1.0 - first * next)), eta * ((1.0 - now) / (1.0 - first)), s.epsilon, 1.0 - s.beta_1,
                  1.0 - s.beta_2, 1.0 / (1.0 - second)});
    }
    case UpdateRule::lion: return set({eta, s.beta_1, 1.0 - s.beta_1, s.beta_2, 1.0 - s.beta_2});
  }
}

// The largest value written is a momentum or gradient of 2^60 times a rate of 2^30 over an epsilon of 2^-33: 2^123,
// which float32 can hold.
bool is_moderate(UpdateRule rule, const OptimizerSettings& s, double decay, const double scalars[kUpdateScalars]) {
  const bool divides = kDivides[static_cast<int>(rule)];
  return std::all_of(scalars, scalars + kUpdateScalars, [](double x) { return std::fabs(x) < 1e9; }) &&
         std::fabs(decay) < 1e9 && (!divides || s.epsilon >= 1.2e-10);
}

}  // namespace fastbp
