#include "evaluate/function.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace fastbp {
namespace {

constexpr Index kRowsAtATime = 1024;  // per batch of predict: enough to repay packing, small enough for the caches

}  // namespace

template <class T>
Function<T>::Function(const Graph& graph, std::vector<int> outputs, std::shared_ptr<Parameters> parameters,
                      bool training, std::uint64_t seed)
    : graph_(graph),
      outputs_(std::move(outputs)),
      parameters_(std::move(parameters)),
      training_(training),
      seed_(seed) {
  for (int output : outputs_) graph_.node(output);  // range check
}

// A plan for at least this many rows, rebuilt if it is too small or if the kernels or the threads have changed.
template <class T>
Plan<T>& Function<T>::plan_for(Index rows, bool often) {
  if (!plan_ || plan_->max_rows() < rows || !plan_->is_current(often)) {
    plan_.reset();
    plan_ = std::make_unique<Plan<T>>(graph_, outputs_, *parameters_, training_, rows);
    of_calls_ = Pace(plan_->threads(), plan_->cost(), shares_always());
    of_batches_ = Pace(plan_->threads(), plan_->cost(), shares_always());
  }
  return *plan_;
}

template <class T>
void Function<T>::operator()(const std::vector<Source>& inputs, Index rows, Index batch_size, std::uint32_t counter,
                             const std::vector<T*>& outputs, Cancel cancel) {
  bool all_rows = true;
  for (int i = 0; i < this->outputs(); ++i) all_rows = all_rows && shape(i).rows;
  Index at_a_time = rows;
  if (all_rows && rows > 1) {
    Index wanted = std::min(rows, batch_size > 0 ? batch_size : kRowsAtATime);
    if (!plan_for(wanted, true).mixes_rows()) at_a_time = wanted;
  }
  Plan<T>& plan = plan_for(at_a_time, true);
  Frame frame;
  frame.inputs = &inputs;
  frame.seed = seed_;
  frame.counter = counter;
  const auto bind = [&](const Frame& at) {
    for (int i = 0; i < this->outputs(); ++i) {
      const Index first = shape(i).rows ? at.first_row * plan.output(i).width : 0;
      if (plan.writes_output(i)) plan.bind_output(i, outputs[static_cast<std::size_t>(i)] + first);
    }
  };
  const auto copy_others = [&](const Frame& at) {
    for (int i = 0; i < this->outputs(); ++i) {
      if (plan.writes_output(i)) continue;
      const Index width = plan.output(i).width;
      const Index first = shape(i).rows ? at.first_row * width : 0, count = shape(i).rows ? at.rows * width : width;
      T* to = outputs[static_cast<std::size_t>(i)] + first;
      if (count > 0) std::memcpy(to, plan.output_data(i), static_cast<std::size_t>(count) * sizeof(T));
    }
  };
  run(frame, rows, at_a_time, cancel, bind, copy_others);
}

// Runs the plan on one batch of at_a_time rows after another; thread 0 calls `before` and `after` around each. The
// other threads follow when thread 0 calls them: as in training, a batch runs on the team or on one thread, whichever
// is faster at the time.
template <class T>
template <class Before, class After>
void Function<T>::run(Frame frame, Index rows, Index at_a_time, Cancel cancel, Before before, After after) {
  Plan<T>& plan = *plan_;
  const bool once = rows <= at_a_time;
  Pace& pace = once ? of_calls_ : of_batches_;
  const int threads = once && !pace.together() ? 1 : plan.threads();
  bool over = false;
  const auto drive = [&](Team& team) {
    Team alone(1);
    do {
      frame.rows = std::min(at_a_time, rows - frame.first_row);
      before(frame);
      plan.begin(frame);
      const bool together = pace.together();
      if (together) team.barrier(0);
      plan.run(frame, together ? team : alone, 0);
      after(frame);
      pace.step_done();
      frame.first_row += at_a_time;
    } while (frame.first_row < rows && !cancel.requested());
    over = true;
    team.barrier(0);
  };
  pace.start();
  run_team(threads, [&](Team& team, int thread) {
    if (thread == 0) return drive(team);
    for (;;) {
      team.barrier(thread);
      if (over) return;
      plan.run(frame, team, thread);
    }
  });
  pace.pause();
}

template <class T>
std::vector<double> Function<T>::means(const std::vector<Source>& inputs, Index rows, Index batch_size, Cancel cancel) {
  for (int i = 0; i < outputs(); ++i)
    if (shape(i).rows || shape(i).features() != 1)
      throw Error(Cause::value,
                  "means needs scalar outputs, output " + std::to_string(i) + " has shape " + to_string(shape(i)));
  std::vector<double> sums(outputs_.size(), 0.0);
  if (rows == 0) return std::vector<double>(outputs_.size(), std::numeric_limits<double>::quiet_NaN());
  Plan<T>& plan = plan_for(std::min(rows, batch_size), false);
  plan.unbind();
  Frame frame;
  frame.inputs = &inputs;
  frame.seed = seed_;
  const auto add = [&](const Frame& at) {
    for (int i = 0; i < outputs(); ++i)
      sums[static_cast<std::size_t>(i)] += static_cast<double>(*plan.output_data(i)) * static_cast<double>(at.rows);
  };
  run(frame, rows, batch_size, cancel, [](const Frame&) {}, add);
  for (double& sum : sums) sum /= static_cast<double>(rows);
  return sums;
}

template class Function<float>;
template class Function<double>;

}  // namespace fastbp
