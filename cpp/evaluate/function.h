// Evaluates nodes of a graph on data: predict, evaluate, bp.function.
#pragma once

#include <memory>
#include <vector>

#include "base/cancel.h"
#include "data/source.h"
#include "evaluate/pace.h"
#include "run/plan.h"

namespace fastbp {

template <class T>
class Function {
 public:
  Function(const Graph& graph, std::vector<int> outputs, std::shared_ptr<Parameters> parameters, bool training,
           std::uint64_t seed);

  // Writes output i to outputs[i]: rows x features, or the plain array. batch_size 0: the engine chooses the rows per
  // batch. The bits are the same in any case. If cancelled, it ends between two batches, unfinished.
  void operator()(const std::vector<Source>& inputs, Index rows, Index batch_size, std::uint32_t counter,
                  const std::vector<T*>& outputs, Cancel cancel);
  // For scalar outputs: row-weighted means over batches, added in float64 in the order of the batches.
  std::vector<double> means(const std::vector<Source>& inputs, Index rows, Index batch_size, Cancel cancel);

  // Allocates what a call for so many rows needs, if it is not there yet.
  void prepare(Index rows) { plan_for(rows, false); }

  const Shape& shape(int output) const { return graph_.node(outputs_[static_cast<std::size_t>(output)]).shape; }
  int outputs() const { return static_cast<int>(outputs_.size()); }

 private:
  Plan<T>& plan_for(Index rows, bool often);
  template <class Before, class After>
  void run(Frame frame, Index rows, Index at_a_time, Cancel cancel, Before before, After after);

  Graph graph_;
  std::vector<int> outputs_;
  std::shared_ptr<Parameters> parameters_;
  bool training_;
  std::uint64_t seed_;
  std::unique_ptr<Plan<T>> plan_;
  Pace of_calls_, of_batches_;  // of calls of one batch, each of which starts a team; of the batches of one call
};

extern template class Function<float>;
extern template class Function<double>;

}  // namespace fastbp
