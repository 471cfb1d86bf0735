// An optimiser of a trainer's weights: the states that it keeps for each weight, and the steps that it takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "data/parameters.h"
#include "train/trained_weight.h"
#include "train/update_rules.h"

namespace fastbp {

// A trained weight with its values.
struct Trained : TrainedWeight {
  Parameter* parameter;
};

// The calls of a step, in this order:
//   begin_step   by thread 0
//   measure      by all threads, then scale by thread 0: if measures_norms()
//   is_finite    by all, unless the answer is known
//   write        by all
//   limit_norms  by all, if limits_norms()
//   end_step     by thread 0
// A barrier follows each of measure, scale, is_finite, write and limit_norms.
template <class T>
class Optimizer {
 public:
  Optimizer(std::vector<Trained> weights, const OptimizerSettings& settings);

  // Applies settings from the next step on. Existing states stay; missing ones are created. All or nothing.
  void set(const OptimizerSettings& settings);
  // What is set for each weight alone, from the next step on.
  void set_weights(const std::vector<TrainedWeight>& weights);
  const std::vector<Trained>& weights() const { return weights_; }
  // Sets where a weight's gradient is from now on; null: it is unstored, and its product updates the weight.
  void bind(std::size_t i, const T* gradient);

  // Whether the next steps can update a part of a weight from that part of its gradient: no norms, no accumulation.
  bool works_on_parts() const;
  // Whether the next steps are plain SGD's: only decay and the gradient times the learning rate.
  bool is_plain() const;
  // Whether this thread's part of all weights, the rule's states and averages is within +-limit.
  bool values_within(double limit, int threads, int thread) const;
  // A bound, after the step, of the weights that plain SGD's step updates in products, unchecked: before the step they
  // are within +-largest, and their unstored gradients are within +-gradient.
  double largest_after(double largest, double gradient) const;

  void begin_step();
  // In place of begin_step: the update that accumulated gradients wait for, of them alone. zeros: in place of every
  // weight's gradient; `bind` must follow before the next step.
  void begin_rest(const T* zeros);
  bool has_rest() const { return counters_.pending > 0; }
  bool measures_norms() const { return measures_ && !accumulates_; }
  void measure(int threads, int thread);
  // Computes the factors of clipping by norm; returns whether all norms are finite.
  bool scale();
  // Whether the current step only accumulates gradients.
  bool accumulates() const { return accumulates_; }
  // Whether no step can overflow while weights, states and gradients are within +-2^60.
  bool moderate() const { return moderate_; }
  // is_finite: whether all that `write` would write is finite. write: returns whether what it wrote is within +-2^60.
  bool is_finite(int threads, int thread) const;
  bool write(int threads, int thread) const;
  bool limits_norms() const { return limits_ && !accumulates_; }
  void limit_norms(int threads, int thread) const;
  void end_step() { counters_ = after_; }
  // After a step that was not finite, names the cause in weight i: "its gradient's norm" or "its update"; else "".
  std::string what_is_not_finite(std::size_t i) const;

  // The current step for the whole weight i, as one row.
  const Update<T>& update_of(std::size_t i) const { return updates_[i]; }
  UpdateRule rule() const { return rule_; }

  struct State {
    std::string name;
    std::vector<Buffer> values;  // by weight
  };
  const std::vector<State>& states() const { return states_; }
  UpdateCounters& counters() {
    stale_ = true;  // the caller may write
    return counters_;
  }

 private:
  using Kernel = int (*)(const Update<T>*);

  std::vector<std::string> needed_states(const OptimizerSettings& settings) const;
  State begun(const std::string& name, const OptimizerSettings& settings) const;
  T* state(std::string_view name, std::size_t i) const;
  void point_at_states();
  void begin_update(double gradients);
  void fill(std::size_t i, double learning_rate, double gradients);
  bool all_are(Kernel kernel, int threads, int thread) const;
  double norm_of(std::size_t i) const;
  void look_for_limits();

  std::vector<Trained> weights_;
  OptimizerSettings settings_;
  UpdateRule rule_ = UpdateRule::sgd;
  std::vector<State> states_;
  UpdateCounters counters_, after_;  // before and after the current step
  std::vector<Update<T>> updates_;
  std::vector<T*> accumulated_;  // by weight; null if there is no such state
  bool stale_ = true;  // the updates must be filled from the settings again
  bool moderate_ = false, measures_ = false, accumulates_ = false, limits_ = false;
  std::vector<std::vector<double>> square_sums_;  // by weight and block of FLAT
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace fastbp
