// Training: whole epochs of shuffled mini-batch steps, from rows to updated weights, in one call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "data/source.h"
#include "evaluate/pace.h"
#include "train/stepper.h"

namespace fastbp {

// Thrown for a step whose loss, weights or optimiser values would not be finite. The step wrote nothing.
class NonFinite : public Error {
 public:
  NonFinite(Index epoch, Index step, std::string node)
      : Error(Cause::value, "the training step is not finite"), epoch(epoch), step(step), node(std::move(node)) {}
  Index epoch, step;
  std::string node;  // the first node, in the order of creation, that holds Inf or NaN
};

// What a training reports while it runs, always on the thread that called it.
class Listener {
 public:
  virtual ~Listener() = default;
  // After every step; figures: the cost and the metrics of this step. Returns whether to stop.
  virtual bool step_done(Index step, const double* figures) = 0;
  // At most every 0.1 s and at each epoch's end; means: of the epoch so far. Returns whether to stop.
  virtual bool progress(Index epoch, Index rows_done, const double* means) = 0;
  virtual bool wants_steps() const = 0;
  virtual bool wants_progress() const = 0;
  // Asked at most every 50 ms: has the user interrupted? Training then ends after the current step.
  virtual bool interrupted() = 0;
};

struct FitRequest {
  std::vector<Source> inputs;
  Index rows = 0, batch_size = 0, epochs = 1;
  bool shuffle = true, check_finite = false;
  Augmentation augmentation;  // of the first input
  std::vector<void*> kept;  // for each kept value, where it goes: rows x width elements, by row of the data; or empty
};

// Grows epoch by epoch; if fit throws, it holds the finished epochs.
struct FitResult {
  std::vector<double> means;  // epochs done x (1 + figures)
  Index epochs = 0;  // including one that a callback cut short
};

template <class T>
class Trainer {
 public:
  // cost is reported; the gradients are those of descended, by the weights. total_weight: see Stepper. kept: nodes with
  // rows, of which every step writes the values from before its update where the caller says.
  Trainer(const Graph& graph, int cost, int descended, const std::vector<int>& figures, int total_weight,
          const std::vector<int>& kept, std::shared_ptr<Parameters> parameters,
          const std::vector<TrainedWeight>& weights, const OptimizerSettings& settings, std::uint64_t seed);

  void fit(const FitRequest& request, Listener& listener, FitResult& result);
  // One step on these rows; returns the cost and the metrics before the update. kept: as in FitRequest.
  std::vector<double> step(const std::vector<Source>& inputs, Index rows, const std::vector<void*>& kept);
  // The update that accumulated gradients wait for, if there are any: with the mean of them.
  void finish();

  // Also allowed between two steps of a fit, on the thread that called it: the other threads wait then.
  void set_settings(const OptimizerSettings& settings);
  // The same weights, of which other things are set. Error if they are not the same.
  void set_weights(const std::vector<TrainedWeight>& weights);
  int figures() const { return stepper_.figures(); }  // cost included
  int kept() const { return stepper_.kept(); }
  // The features of a row of kept value i.
  const std::vector<Index>& kept_dims(int i) const {
    return graph_.node(kept_[static_cast<std::size_t>(i)]).shape.dims;
  }
  // The optimiser's states, to read or to write.
  const std::vector<typename Optimizer<T>::State>& states();
  UpdateCounters& counters() { return optimizer_.counters(); }
  const std::vector<Index>& dims_of(std::size_t weight) const;

  std::uint32_t epoch = 0, steps = 0;

 private:
  struct Run;  // state that the threads of one call share

  void prepare(Index batch_size, const Augmentation& augmentation, bool often);
  void check_rows(Run& run) const;
  bool shuffle_rows(Run& run) const;
  void shuffle_ahead(Run& run) const;
  void keep(const Frame& frame, const std::vector<void*>& kept) const;
  void drive(Run& run, const FitRequest& request, Listener& listener, FitResult& result, Team& team);
  void follow(Run& run, Team& team, int thread);
  bool after_step(Run& run, Listener& listener, FitResult& result, Index epoch_index, Index step, Index rows_total);
  std::string first_non_finite(const Frame& frame, const Augmentation& augmentation);
  std::string what_is_not_finite() const;

  Graph graph_;
  int cost_;
  std::vector<int> kept_;
  std::shared_ptr<Parameters> parameters_;
  Optimizer<T> optimizer_;
  std::uint64_t seed_;
  Stepper<T> stepper_;
  Pace pace_, pace_of_calls_;  // of a fit's steps; of single steps, each of which starts a team
  std::uint64_t own_writes_ = 0;  // parameters_->writes after the last `step`; if equal, magnitudes are still known
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace fastbp
