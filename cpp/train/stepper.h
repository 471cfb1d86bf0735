// One step at a time: computes, checks, updates. It has the plan, and knows what is known of magnitudes.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "run/plan.h"
#include "train/optimizer.h"

namespace fastbp {

// What the threads of a step share.
struct SharedStep {
  SharedStep(int figures_, int threads)
      : figures(static_cast<std::size_t>(figures_)),
        flags(static_cast<std::size_t>(threads)),
        small_before(static_cast<std::size_t>(threads)) {}

  Frame frame;                  // thread 0 sets it before the barrier that starts the step
  std::vector<double> figures;  // the cost and the metrics
  bool norms_finite = true;     // whether the gradients' norms are finite, if they are measured
  bool finite = true;           // whether the step is finite; if not, it wrote nothing

  std::vector<char> flags, small_before;  // by thread
  static bool all_set(const std::vector<char>& flags, const Team& team) {
    return std::all_of(flags.begin(), flags.begin() + team.size(), [](char flag) { return flag != 0; });
  }
};

template <class T>
class Stepper {
 public:
  // outputs: figures scalars, of which the cost is the first, then the gradients of the optimiser's weights, then kept
  // values.
  // total_weight: the figure, or -1, that is 0 where no row of a step counts; such a step changes nothing.
  Stepper(const Graph& graph, std::vector<int> outputs, int figures, int total_weight, Parameters& parameters,
          Optimizer<T>& optimizer)
      : graph_(graph),
        outputs_(std::move(outputs)),
        figures_(figures),
        total_weight_(total_weight),
        parameters_(parameters),
        optimizer_(optimizer) {}

  // Provides the plan for steps of this size; rebuilds it if the size, the kernels, the threads, the augmentation or
  // the optimiser's way of working have changed. Returns whether it is a new one.
  bool prepare(Index batch_size, const Augmentation& augmentation, bool often);
  const Plan<T>& plan() const { return *plan_; }
  int figures() const { return figures_; }
  int kept() const { return static_cast<int>(outputs_.size()) - first_kept(); }
  // The last step's value i of those that are kept, by row of the batch.
  const Value& kept_value(int i) const { return plan_->output(first_kept() + i); }
  const T* kept_data(int i) const { return plan_->output_data(first_kept() + i); }

  // Something else may have written weights or states since the last step, or they will be used in another way.
  void forget_magnitudes() { values_small_ = false; }

  // begin: by thread 0. take: then by every thread; writes nothing if the step is not finite or no row counts.
  void begin(const Frame& frame);
  void take(SharedStep& step, Team& team, int thread);

 private:
  int first_kept() const { return figures_ + static_cast<int>(optimizer_.weights().size()); }
  void bind_kept();
  void bind_gradients();
  void store_gradients();
  bool gradients_small(int threads, int thread) const;
  bool is_settled(SharedStep& step, double bound, Team& team, int thread);
  void make_gradients(SharedStep& step, Team& team, int thread);
  bool is_good(SharedStep& step, Team& team, int thread);

  const Graph& graph_;
  std::vector<int> outputs_;
  int figures_, total_weight_;
  Parameters& parameters_;
  Optimizer<T>& optimizer_;
  std::vector<Buffer> kept_;  // where the plan writes the kept values that it has no other place for
  std::unique_ptr<Plan<T>> plan_;
  bool in_parts_ = false, plain_ = false;  // works_on_parts() and is_plain() when the plan was built
  Index stored_ = 0;                       // elements of all gradients that the plan stores
  bool shows_weights_ = false;             // a figure aliases a weight: all threads must read it before one writes
  bool values_small_ = false;  // every weight and every state of the optimiser is known to be within +-2^60
  // After a step in products: an upper bound of the weights that plain SGD's steps change there.
  double largest_ = std::numeric_limits<double>::infinity();
};

extern template class Stepper<float>;
extern template class Stepper<double>;

}  // namespace fastbp
