#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/cancel.h"
#include "train/shuffle.h"

namespace fastbp {
namespace {

using Clock = std::chrono::steady_clock;

// Below this, no update of moderate hyperparameters can overflow, so that one comparison per gradient is enough.
constexpr double kSmall = 1152921504606846976.0;  // 2^60

bool moderate(const SgdSettings& s) {
  return std::fabs(s.learning_rate) < 1e9 && std::fabs(s.momentum) < 1e9 &&
         std::fabs(s.learning_rate * s.weight_decay) < 1e9;
}

}  // namespace

template <class T>
struct Trainer<T>::Run {
  const std::vector<Source>* inputs = nullptr;
  bool check_finite = false;
  std::vector<Index> order;
  std::vector<char> flags;     // by thread
  std::vector<double> figures;  // of the step
  std::vector<double> sums;     // of the epoch: figure x rows; the last is the rows
  std::vector<double> means;
  Index look_every = 1;         // steps between two looks at the clock
  std::atomic<bool> stop{false};
  bool failed = false;          // a step that was not finite
  Cancel cancel;
  Clock::time_point told = Clock::now();
};

template <class T>
Trainer<T>::Trainer(const Graph& graph, int cost, const std::vector<int>& figures,
                    std::shared_ptr<Parameters> parameters, const std::vector<int>& trainable,
                    const std::vector<bool>& decayed, SgdSettings settings, std::uint64_t seed)
    : graph_(graph),
      cost_(cost),
      figures_(static_cast<int>(figures.size()) + 1),
      trainable_(trainable),
      decayed_(decayed),
      parameters_(std::move(parameters)),
      settings_(settings),
      seed_(seed) {
  if (decayed_.size() != trainable_.size())
    throw Error(Cause::value, "decayed must have as many entries as trainable (" + std::to_string(trainable_.size()) +
                                  "), got " + std::to_string(decayed_.size()));
  for (int node : trainable_)
    if (graph_.node(node).op != Op::parameter)
      throw Error(Cause::value, describe(graph_, node) + " is not a parameter and can not be trained");
  outputs_.push_back(cost);
  outputs_.insert(outputs_.end(), figures.begin(), figures.end());
  for (int output : outputs_)
    if (graph_.node(output).shape.rows || graph_.node(output).shape.features() != 1)
      throw Error(Cause::value, describe(graph_, output) + " must be a scalar, it has shape " +
                                    to_string(graph_.node(output).shape));
  for (int gradient : graph_.gradients(cost, trainable_)) outputs_.push_back(gradient);
  for (int node : trainable_) parameters_->at(graph_.node(node).integers[0]);
  allocate_velocities();
}

template <class T>
void Trainer<T>::allocate_velocities() {
  if (settings_.momentum == 0.0 || !velocities_.empty()) return;
  std::vector<Buffer> velocities;
  for (int node : trainable_)
    velocities.emplace_back(
        static_cast<std::size_t>(parameters_->at(graph_.node(node).integers[0]).size) * sizeof(T));
  velocities_ = std::move(velocities);
}

template <class T>
void Trainer<T>::set_settings(const SgdSettings& settings) {
  SgdSettings before = settings_;
  settings_ = settings;
  try {
    allocate_velocities();
  } catch (...) {
    settings_ = before;
    throw;
  }
}

template <class T>
std::vector<std::pair<std::vector<Index>, T*>> Trainer<T>::state() {
  std::vector<std::pair<std::vector<Index>, T*>> all;
  for (std::size_t i = 0; i < velocities_.size(); ++i)
    all.push_back({parameters_->at(graph_.node(trainable_[i]).integers[0]).dims, velocities_[i].template as<T>()});
  values_small_ = false;  // the caller may write
  return all;
}

// The plan for steps of this size, built anew when the size, the kernels or the threads are others than before.
template <class T>
void Trainer<T>::prepare(Index batch_size) {
  const Kernels<T>* kernels = &kernels_for<T>();
  const int threads = threads_forbidden() ? 1 : get_num_threads();
  const bool fits = plan_ && plan_->max_rows() >= batch_size && plan_->max_rows() <= 16 * batch_size;
  if (!fits || built_for_ != kernels || built_threads_ != threads) {
    plan_.reset();
    plan_ = std::make_unique<Plan<T>>(graph_, outputs_, *parameters_, true, batch_size);
    built_for_ = kernels;
    built_threads_ = threads;
  }
  weights_.clear();
  for (std::size_t i = 0; i < trainable_.size(); ++i) {
    Weight weight;
    weight.parameter = &parameters_->at(graph_.node(trainable_[i]).integers[0]);
    weight.decayed = decayed_[i];
    weight.velocity = settings_.momentum != 0.0 ? velocities_[i].template as<T>() : nullptr;
    weight.gradient = plan_->output_data(figures_ + static_cast<int>(i));
    weights_.push_back(weight);
  }
}

// Rule 10: scalars are combined in float64 and rounded once.
template <class T>
Sgd<T> Trainer<T>::update_of(const Weight& weight, Share part) const {
  Sgd<T> sgd{};
  sgd.n = part.end - part.begin;
  sgd.weight = weight.parameter->data.template as<T>() + part.begin;
  sgd.velocity = weight.velocity == nullptr ? nullptr : weight.velocity + part.begin;
  sgd.gradient = weight.gradient + part.begin;
  sgd.learning_rate = static_cast<T>(settings_.learning_rate);
  sgd.momentum = static_cast<T>(settings_.momentum);
  sgd.decay = weight.decayed ? static_cast<T>(settings_.learning_rate * settings_.weight_decay) : T(0);
  sgd.nesterov = settings_.nesterov;
  return sgd;
}

template <class T>
bool Trainer<T>::gradients_small(int threads, int thread) const {
  for (const Weight& weight : weights_) {
    Share part = share(weight.parameter->size, threads, thread, 64);
    if (!kernels_for<T>().within(weight.gradient + part.begin, part.end - part.begin, static_cast<T>(kSmall)))
      return false;
  }
  return true;
}

template <class T>
bool Trainer<T>::update_is_finite(int threads, int thread) const {
  for (const Weight& weight : weights_) {
    Sgd<T> sgd = update_of(weight, share(weight.parameter->size, threads, thread, 64));
    if (!kernels_for<T>().sgd_is_finite(&sgd)) return false;
  }
  return true;
}

template <class T>
bool Trainer<T>::update(int threads, int thread) const {
  bool small = true;
  for (const Weight& weight : weights_) {
    Sgd<T> sgd = update_of(weight, share(weight.parameter->size, threads, thread, 64));
    small = kernels_for<T>().sgd(&sgd) && small;
  }
  return small;
}

// fit(check_finite=True): the rows of this step, before anything is computed from them.
template <class T>
void Trainer<T>::check_rows(const Run& run, int slot, Share part, const Index* order, Index first) const {
  const Index width = plan_->input_width(slot);
  const T* rows = plan_->input_buffer(slot) + part.begin * width;
  if (kernels_for<T>().within(rows, (part.end - part.begin) * width, std::numeric_limits<T>::max())) return;
  for (Index i = 0; i < (part.end - part.begin) * width; ++i) {
    if (std::isfinite(rows[i])) continue;
    const Index in_batch = part.begin + i / width;
    const Index row = order != nullptr ? order[in_batch] : first + in_batch;
    throw Error(Cause::value, (*run.inputs)[static_cast<std::size_t>(slot)].name + " must be finite, row " +
                                  std::to_string(row) + ", column " + std::to_string(i % width) + " is " +
                                  (std::isnan(rows[i]) ? "nan" : rows[i] > 0 ? "inf" : "-inf"));
  }
}

// Gathers, computes, checks, updates. Sets run.failed, and writes nothing, where the step is not finite.
template <class T>
void Trainer<T>::train_batch(Run& run, const Frame& frame, const Index* order, Index first, Team& team, int thread) {
  Share part = share(frame.rows, team.size(), thread, 1);
  for (int slot = 0; slot < plan_->inputs(); ++slot) {
    if (!plan_->reads_input(slot)) continue;
    gather_rows(kernels_for<T>(), (*run.inputs)[static_cast<std::size_t>(slot)], order, first, part.begin, part.end,
                plan_->input_buffer(slot));
    if (run.check_finite) check_rows(run, slot, part, order, first);
  }
  team.barrier(thread);
  if (run.stop.load(std::memory_order_relaxed)) return;
  plan_->run(frame, team, thread);
  for (int i = thread; i < figures_; i += team.size())
    run.figures[static_cast<std::size_t>(i)] = static_cast<double>(*plan_->output_data(i));
  run.flags[static_cast<std::size_t>(thread)] = gradients_small(team.size(), thread);
  team.barrier(thread);

  const auto all_set = [&run] { return std::all_of(run.flags.begin(), run.flags.end(), [](char f) { return f != 0; }); };
  bool good = std::isfinite(run.figures[0]);
  if (good && !(all_set() && values_small_ && moderate(settings_))) {
    team.barrier(thread);  // everyone has read the flags
    run.flags[static_cast<std::size_t>(thread)] = update_is_finite(team.size(), thread);
    team.barrier(thread);
    good = all_set();
  }
  team.barrier(thread);
  if (!good) {
    if (thread == 0) run.failed = true;
    team.barrier(thread);
    return;
  }
  run.flags[static_cast<std::size_t>(thread)] = update(team.size(), thread);
  team.barrier(thread);
  if (thread == 0) values_small_ = all_set();
}

template <class T>
void Trainer<T>::run_epochs(Run& run, const FitRequest& request, Listener& listener, FitResult& result, Team& team,
                            int thread) {
  for (Index e = 0; e < request.epochs; ++e) {
    if (thread == 0) {
      if (request.shuffle) shuffle(kernels(), seed_, epoch, request.rows, run.order.data());
      std::fill(run.sums.begin(), run.sums.end(), 0.0);
    }
    team.barrier(thread);
    Index step = 0;
    for (Index first = 0; first < request.rows; first += request.batch_size, ++step) {
      Frame frame;
      frame.rows = std::min(request.batch_size, request.rows - first);
      frame.seed = seed_;
      frame.row_ids = request.shuffle ? run.order.data() + first : nullptr;
      frame.first_row = first;
      frame.purpose = 0;
      frame.counter = epoch;
      train_batch(run, frame, frame.row_ids, first, team, thread);
      if (run.stop.load(std::memory_order_relaxed)) return;
      if (run.failed) {
        if (thread == 0) throw NonFinite(epoch, step, first_non_finite(run, frame, frame.row_ids, first));
        team.barrier(thread);  // until the team is stopped
      }
      if (thread == 0) after_step(run, listener, result, e, step, first + frame.rows, request.rows);
    }
    // The figures of this epoch must be told before the next one clears them; the counter is read by every thread.
    team.barrier(thread);
    if (thread == 0) ++epoch;
    team.barrier(thread);
    if (run.stop.load(std::memory_order_relaxed)) return;
  }
}

// Thread 0, while the others already gather the next step: figures, callbacks, Ctrl-C.
template <class T>
void Trainer<T>::after_step(Run& run, Listener& listener, FitResult& result, Index epoch_index, Index step,
                            Index rows_done, Index rows_total) {
  ++steps;
  const Index before = result.epochs;
  const std::size_t n = run.sums.size();
  const double rows = static_cast<double>(rows_done) - run.sums[n - 1];  // sums ends with the rows so far
  for (std::size_t i = 0; i + 1 < n; ++i) run.sums[i] += run.figures[i] * rows;
  run.sums[n - 1] = static_cast<double>(rows_done);
  bool stop = listener.wants_steps() && listener.step_done(step, run.figures.data());

  const bool last = rows_done == rows_total;
  const bool look = last || step % run.look_every == 0;
  if (look && run.cancel.requested()) result.interrupted = stop = true;
  const Clock::time_point now = look && listener.wants_progress() ? Clock::now() : run.told;
  const bool tell = listener.wants_progress() && (last || now - run.told >= std::chrono::milliseconds(100));
  if (tell || last || stop) {
    for (std::size_t i = 0; i + 1 < n; ++i) run.means[i] = run.sums[i] / run.sums[n - 1];
    if (last || stop) {
      result.means.insert(result.means.end(), run.means.begin(), run.means.end());  // within what fit reserved
      result.epochs = before + 1;
    }
    if (tell) {
      run.told = now;
      stop = listener.progress(epoch_index, rows_done, run.means.data()) || stop;
    }
  }
  if (stop) run.stop.store(true, std::memory_order_relaxed);
}

template <class T>
FitResult Trainer<T>::fit(const FitRequest& request, Listener& listener) {
  if (request.rows >= Index(1) << 32) throw Error(Cause::value, "a data set must have fewer than 2^32 rows");
  prepare(std::min(request.batch_size, request.rows));
  values_small_ = false;
  Run run;
  run.inputs = &request.inputs;
  run.check_finite = request.check_finite;
  run.cancel = Cancel([](void* of) { return static_cast<Listener*>(of)->interrupted(); }, &listener);
  if (request.shuffle) run.order.resize(static_cast<std::size_t>(request.rows));
  run.figures.resize(static_cast<std::size_t>(figures_));
  run.sums.resize(static_cast<std::size_t>(figures_) + 1);
  run.means.resize(static_cast<std::size_t>(figures_));
  run.look_every = static_cast<Index>(std::min(64.0, std::max(1.0, 20000.0 / plan_->cost())));
  FitResult result;
  result.means.reserve(static_cast<std::size_t>(figures_ * request.epochs));
  run_team(plan_->threads(), [&](Team& team, int thread) {
    if (thread == 0) run.flags.assign(static_cast<std::size_t>(team.size()), 0);
    team.barrier(thread);
    run_epochs(run, request, listener, result, team, thread);
  });
  return result;
}

template <class T>
std::vector<double> Trainer<T>::step(const std::vector<Source>& inputs, Index rows) {
  prepare(rows);
  values_small_ = false;
  Run run;
  run.inputs = &inputs;
  run.figures.resize(static_cast<std::size_t>(figures_));
  Frame frame;
  frame.rows = rows;
  frame.seed = seed_;
  frame.counter = steps;
  run_team(plan_->threads(), [&](Team& team, int thread) {
    if (thread == 0) run.flags.assign(static_cast<std::size_t>(team.size()), 0);
    team.barrier(thread);
    train_batch(run, frame, nullptr, 0, team, thread);
  });
  if (run.failed) throw NonFinite(epoch, steps, first_non_finite(run, frame, nullptr, 0));
  ++steps;
  return run.figures;
}

// The failed step again, on one thread, with every node kept; nothing of it was written, so it fails alike.
template <class T>
std::string Trainer<T>::first_non_finite(const Run& run, const Frame& frame, const Index* order, Index first) {
  std::vector<int> nodes;
  for (int i = 0; i < graph_.size(); ++i)
    if (graph_.node(i).op != Op::constant) nodes.push_back(i);
  Plan<T> all(graph_, nodes, *parameters_, true, frame.rows);
  std::vector<Buffer> buffers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Value& value = all.output(static_cast<int>(i));
    if (!all.writes_output(static_cast<int>(i)) || !value.rows) continue;
    buffers.emplace_back(static_cast<std::size_t>(value.width * frame.rows) * sizeof(T));
    all.bind_output(static_cast<int>(i), buffers.back().template as<T>());
  }
  for (int slot = 0; slot < all.inputs(); ++slot) {
    if (!all.reads_input(slot)) continue;
    // The failed plan's own inputs may have been overwritten by values that came later.
    gather_rows(kernels_for<T>(), (*run.inputs)[static_cast<std::size_t>(slot)], order, first, 0, frame.rows,
                all.input_buffer(slot));
  }
  Team alone(1);
  all.run(frame, alone, 0);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Value& value = all.output(static_cast<int>(i));
    const T* data = all.output_data(static_cast<int>(i));
    const Index count = value.rows ? value.width * frame.rows : value.width;
    if (!kernels_for<T>().within(data, count, std::numeric_limits<T>::max())) return describe(graph_, nodes[i]);
  }
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    Sgd<T> sgd = update_of(weights_[i], Share{0, weights_[i].parameter->size});
    if (!kernels_for<T>().sgd_is_finite(&sgd)) return describe(graph_, trainable_[i]) + ", its update";
  }
  return describe(graph_, cost_);
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fastbp
