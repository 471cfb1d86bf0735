// An optimiser at work on the weights of a trainer: what it keeps of the past for each, and the steps it makes.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "plan/parameters.h"
#include "train/rules.h"

namespace fastbp {

// A weight that is trained, with the factors of its learning rate and its decay, what its columns' norms are brought
// down to, and lambda of the proximal step's threshold eta * lambda.
struct Trained {
  Parameter* parameter;
  double rate = 1.0, decay = 1.0;
  double max_norm = std::numeric_limits<double>::infinity();
  double proximal_l1 = 0.0;
};

// A step is, by thread 0: begin_step; by all, with a barrier after each: measure and, by thread 0, scale, where
// measures_norms says so; is_finite, unless it is known; write; limit_norms, where limits_norms says so; and by thread
// 0: end_step.
template <class T>
class Optimizer {
 public:
  Optimizer(std::vector<Trained> weights, const OptimizerSettings& settings);

  // Settings that hold from the next step on. What was kept stays; what they need beside it begins. All or nothing.
  void set(const OptimizerSettings& settings);
  // By weight, from the next step on.
  void set_proximal_l1(const std::vector<double>& lambdas);
  // Where a weight's gradient is from now on; null: nowhere, its own product updates the weight.
  void bind(std::size_t i, const T* gradient);

  // Whether the next steps need no more of a gradient at a time than the weights they change: no norms, nothing that is
  // accumulated.
  bool works_on_parts() const;
  // Whether they are plain SGD's: nothing but the decay and the gradient times the rate.
  bool is_plain() const;
  // Whether all weights and what is kept beside them are within +-limit: this thread's part of them.
  bool values_within(double limit, int threads, int thread) const;
  // How large weights within +-largest may be after the step, those that plain SGD's step changes unseen, their
  // gradients being nowhere, but within +-gradient.
  double largest_after(double largest, double gradient) const;

  void begin_step();
  bool measures_norms() const { return measures_ && !accumulates_; }
  void measure(int threads, int thread);
  // Whether all norms are finite.
  bool scale();
  // Whether the step in hand only accumulates gradients.
  bool accumulates() const { return accumulates_; }
  // Whether no step from weights, states and gradients within +-2^60 can give an infinity.
  bool moderate() const { return moderate_; }
  // Whether all that would be written is finite, and writing it: whether it is within +-2^60.
  bool is_finite(int threads, int thread) const;
  bool write(int threads, int thread) const;
  bool limits_norms() const { return limits_ && !accumulates_; }
  void limit_norms(int threads, int thread) const;
  void end_step() { progress_ = after_; }
  // After a step that was not finite, of a weight: "its gradient's norm" or "its update", if that is not; or nothing.
  std::string what_is_not_finite(std::size_t i) const;

  // The step in hand for a whole weight, as one row.
  const Update<T>& update_of(std::size_t i) const { return updates_[i]; }
  UpdateRule rule() const { return rule_; }

  struct State {
    std::string name;
    std::vector<Buffer> values;  // by weight
  };
  const std::vector<State>& states() const { return states_; }
  Progress& progress() {
    stale_ = true;  // the caller may write
    return progress_;
  }

 private:
  using Kernel = int (*)(const Update<T>*);

  std::vector<std::string> needed_states(const OptimizerSettings& settings) const;
  State begun(const std::string& name, const OptimizerSettings& settings) const;
  T* state(const std::string& name, std::size_t i) const;
  void point_at_states();
  void fill(std::size_t i, double learning_rate);
  bool all_are(Kernel kernel, int threads, int thread) const;
  double norm_of(std::size_t i) const;

  std::vector<Trained> weights_;
  OptimizerSettings settings_;
  UpdateRule rule_ = UpdateRule::sgd;
  std::vector<State> states_;
  Progress progress_, after_;  // before and after the step in hand
  std::vector<Update<T>> updates_;
  std::vector<T*> accumulated_;  // by weight; null before there are any
  bool stale_ = true;  // the updates are not those of the settings
  bool moderate_ = false, measures_ = false, accumulates_ = false, limits_ = false;
  std::vector<std::vector<double>> square_sums_;  // by weight and block of FLAT
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace fastbp
