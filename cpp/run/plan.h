// A plan computes chosen nodes of a graph for at most max_rows rows at a time. It holds a tape and the objects that run
// it. Building it allocates all memory; running it allocates nothing, except scratch that fewer rows may need.
#pragma once

#include <vector>

#include "base/threads.h"
#include "compile/tape.h"
#include "kernels/dispatch.h"
#include "run/block_loop.h"
#include "run/conditions.h"
#include "run/weight_steps.h"

namespace fastbp {

template <class T>
class Plan {
 public:
  // parameters must outlive the plan. augmentation: of the first input's rows, as they are gathered. steps: for
  // update_weights.
  Plan(const Graph& graph, const std::vector<int>& outputs, Parameters& parameters, bool training, Index max_rows,
       const Augmentation& augmentation = {}, const StepsInProducts& steps = {});
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  Index max_rows() const { return tape_.max_rows; }
  // Whether the instruction set and the conditions are still those that the plan was built for.
  bool is_current(bool often) { return &kernels_ == &kernels_for<T>() && conditions_.hold(often); }
  bool augments_by(const Augmentation& augmentation) const { return inputs_.are_augmented_by(augmentation); }
  double cost() const { return tape_.cost; }  // estimate for max_rows rows, in nanoseconds on one thread
  int threads() const { return tape_.threads; }  // the team size that pays; 1 enters no parallel region

  // Whether idle threads take over units of the block loop that others have not begun (work stealing).
  bool evens_out() const { return tape_.loop_threads() > 1; }

  int inputs() const { return inputs_.count(); }
  bool reads_input(int slot) const { return inputs_.are_read(slot); }

  const Value& output(int i) const { return tape_.values[tape_.outputs[i]]; }
  // Whether the run writes output i where bind_output says; if not, the caller copies it from output_data afterwards.
  bool writes_output(int i) const { return output(i).place == Value::Place::output && output(i).storage == i; }
  void bind_output(int i, T* data) { memory_.bind_output(i, data); }
  const T* output_data(int i) const { return memory_.whole(tape_.outputs[static_cast<std::size_t>(i)]); }

  void unbind() { memory_.unbind(); }  // outputs go to the plan's own memory again

  // Called by one thread before every run: decides which inputs are read in place and runs the lead stages. The team
  // must start or meet at a barrier between this and the run.
  void begin(const Frame& frame);

  // Gathers the inputs that are not read in place and runs the tape. Called by every thread of the team with the same
  // frame; ends with a barrier.
  void run(const Frame& frame, Team& team, int thread);

  // Unstored gradients: `run` computes only their operands. update_weights computes the gradients and takes the
  // optimiser's step in the same tiles, with the updates bound by bind_update. output_data of an unstored gradient is
  // null. See WeightSteps.
  bool stores_all() const { return weight_steps_.stores_all(); }
  void bind_update(int i, const Update<T>* update) { weight_steps_.bind(i, update); }
  bool update_weights(const Frame& frame, UpdateRule rule, Team& team, int thread) {
    return weight_steps_.take(rule, workers_.in_team(frame, team, thread), team.size());
  }
  double unstored_bound(const Frame& frame, int threads) const { return weight_steps_.bound(frame, threads); }
  // store_all is called by one thread; then run_tail, by every thread, computes the gradients of the last `run`.
  void store_all() { weight_steps_.store_all(); }
  void run_tail(const Frame& frame, Team& team, int thread) {
    weight_steps_.run_stored(workers_.in_team(frame, team, thread), team.size());
  }

  // Whether a row of some output may depend on other rows, so that rows cannot be computed a part at a time.
  bool mixes_rows() const { return tape_.mixes_rows(); }

 private:
  // Each of them knows only those before it.
  const Kernels<T>& kernels_;
  Conditions conditions_;
  const Tape tape_;
  Memory<T> memory_;
  Magnitudes<T> magnitudes_;
  InputRows<T> inputs_;
  Products<T> products_;
  Workers<T> workers_;
  Calls<T> calls_;
  Executor<T> executor_;
  Recorder<T> recorder_;
  WeightSteps<T> weight_steps_;
  BlockLoop<T> block_loop_;
};

extern template class Plan<float>;
extern template class Plan<double>;

}  // namespace fastbp
