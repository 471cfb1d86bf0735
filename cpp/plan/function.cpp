#include "plan/function.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace fastbp {
namespace {

constexpr Index kRowsAtATime = 1024;  // of predict: enough to repay packing, small enough for the caches

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

// The plan for at least this many rows, built anew when it is too small or the kernels or the threads were changed.
template <class T>
Plan<T>& Function<T>::plan_for(Index rows) {
  if (!plan_ || plan_->max_rows() < rows || !plan_->is_current()) {
    plan_.reset();
    plan_ = std::make_unique<Plan<T>>(graph_, outputs_, *parameters_, training_, rows);
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
    if (!plan_for(wanted).mixes_rows()) at_a_time = wanted;
  }
  Plan<T>& plan = plan_for(at_a_time);
  const auto frame_at = [&](Index first) {
    Frame frame;
    frame.inputs = &inputs;
    frame.rows = std::min(at_a_time, rows - first);
    frame.seed = seed_;
    frame.first_row = first;
    frame.counter = counter;
    return frame;
  };
  const auto bind = [&](Index first) {
    plan.bind_inputs(frame_at(first));
    for (int i = 0; i < this->outputs(); ++i)
      if (plan.writes_output(i))
        plan.bind_output(i, outputs[static_cast<std::size_t>(i)] + (shape(i).rows ? first * plan.output(i).width : 0));
  };
  // Where the plan has its own memory for an output.
  const auto copy_outputs = [&](Index first) {
    for (int i = 0; i < this->outputs(); ++i) {
      if (plan.writes_output(i)) continue;
      const Index width = plan.output(i).width;
      const Index count = shape(i).rows ? frame_at(first).rows * width : width;
      T* to = outputs[static_cast<std::size_t>(i)] + (shape(i).rows ? first * width : 0);
      if (count > 0) std::memcpy(to, plan.output_data(i), static_cast<std::size_t>(count) * sizeof(T));
    }
  };
  std::atomic<bool> stop{false};  // thread 0 writes it before a barrier, all read it behind that
  bind(0);
  run_team(plan.threads(), [&](Team& team, int thread) {
    for (Index first = 0;;) {
      plan.run(frame_at(first), team, thread);
      const Index next = first + at_a_time;
      if (thread == 0) {
        copy_outputs(first);
        if (next < rows) bind(next);
        if (cancel.requested()) stop.store(true, std::memory_order_relaxed);
      }
      team.barrier(thread);
      if (next >= rows || stop.load(std::memory_order_relaxed)) return;
      first = next;
    }
  });
}

template <class T>
std::vector<double> Function<T>::means(const std::vector<Source>& inputs, Index rows, Index batch_size, Cancel cancel) {
  for (int i = 0; i < outputs(); ++i)
    if (shape(i).rows || shape(i).features() != 1)
      throw Error(Cause::value,
                  "means needs scalar outputs, output " + std::to_string(i) + " has shape " + to_string(shape(i)));
  std::vector<double> sums(outputs_.size(), 0.0);
  Plan<T>& plan = plan_for(std::min(rows, batch_size));
  plan.unbind();
  const auto frame_at = [&](Index first) {
    Frame frame;
    frame.inputs = &inputs;
    frame.rows = std::min(batch_size, rows - first);
    frame.seed = seed_;
    frame.first_row = first;
    return frame;
  };
  std::atomic<bool> stop{rows == 0};
  if (rows > 0) plan.bind_inputs(frame_at(0));
  run_team(plan.threads(), [&](Team& team, int thread) {
    for (Index first = 0; first < rows && !stop.load(std::memory_order_relaxed); first += batch_size) {
      const Frame frame = frame_at(first);
      plan.run(frame, team, thread);
      if (thread == 0) {
        for (int i = 0; i < outputs(); ++i)
          sums[static_cast<std::size_t>(i)] +=
              static_cast<double>(*plan.output_data(i)) * static_cast<double>(frame.rows);
        if (first + batch_size < rows) plan.bind_inputs(frame_at(first + batch_size));
        if (cancel.requested()) stop.store(true, std::memory_order_relaxed);
      }
      team.barrier(thread);
    }
  });
  for (double& sum : sums) sum /= static_cast<double>(rows);
  return sums;
}

template class Function<float>;
template class Function<double>;

}  // namespace fastbp
