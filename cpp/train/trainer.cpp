#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/memory.h"
#include "train/run.h"
#include "train/shuffle.h"

namespace fastbp {
namespace {

void check_count(const char* name, std::size_t count, std::size_t trainable) {
  if (count == trainable) return;
  throw Error(Cause::value, std::string(name) + " must have as many entries as trainable (" +
                                std::to_string(trainable) + "), got " + std::to_string(count));
}

std::vector<Trained> trained(const Graph& graph, const std::vector<int>& trainable, Parameters& parameters,
                             const std::vector<double>& decays, const std::vector<double>& rates,
                             const std::vector<double>& max_norms) {
  check_count("decayed", decays.size(), trainable.size());
  check_count("rates", rates.size(), trainable.size());
  check_count("max_norms", max_norms.size(), trainable.size());
  std::vector<Trained> weights;
  for (std::size_t i = 0; i < trainable.size(); ++i) {
    const Node& node = graph.node(trainable[i]);
    if (node.op != Op::parameter)
      throw Error(Cause::value, describe(graph, trainable[i]) + " is not a parameter and can not be trained");
    weights.push_back({&parameters.at(node.integers[0]), rates[i], decays[i], max_norms[i]});
  }
  return weights;
}

}  // namespace

template <class T>
Trainer<T>::Trainer(const Graph& graph, int cost, int descended, const std::vector<int>& figures,
                    std::shared_ptr<Parameters> parameters, const std::vector<int>& trainable,
                    const std::vector<double>& decays, const std::vector<double>& rates,
                    const std::vector<double>& max_norms, const OptimizerSettings& settings, std::uint64_t seed)
    : graph_(graph),
      cost_(cost),
      figures_(static_cast<int>(figures.size()) + 1),
      trainable_(trainable),
      parameters_(std::move(parameters)),
      optimizer_(trained(graph_, trainable_, *parameters_, decays, rates, max_norms), settings),
      seed_(seed) {
  outputs_.push_back(cost);
  outputs_.insert(outputs_.end(), figures.begin(), figures.end());
  for (int output : outputs_)
    if (graph_.node(output).shape.rows || graph_.node(output).shape.features() != 1)
      throw Error(Cause::value,
                  describe(graph_, output) + " must be a scalar, it has shape " + to_string(graph_.node(output).shape));
  for (int gradient : graph_.gradients(descended, trainable_)) outputs_.push_back(gradient);
}

template <class T>
void Trainer<T>::set_settings(const OptimizerSettings& settings) {
  optimizer_.set(settings);
  values_small_ = false;  // states that were unused for a while may be used again
}

template <class T>
void Trainer<T>::set_proximal_l1(const std::vector<double>& lambdas) {
  optimizer_.set_proximal_l1(lambdas);
  values_small_ = false;  // plain steps may now change weights unchecked, whose bound is unknown
}

template <class T>
const std::vector<typename Optimizer<T>::State>& Trainer<T>::states() {
  values_small_ = false;  // the caller may write
  return optimizer_.states();
}

template <class T>
const std::vector<Index>& Trainer<T>::dims_of(std::size_t weight) const {
  return parameters_->at(graph_.node(trainable_[weight]).integers[0]).dims;
}

// Provides the plan for steps of this size; rebuilds it if the size, the kernels, the threads, the augmentation or the
// optimiser's way of working have changed.
template <class T>
void Trainer<T>::prepare(Index batch_size, const Augmentation& augmentation, bool often) {
  // A plan for far more rows would work, but its tiles and threads do not suit so few rows.
  constexpr Index kFarMore = 16;
  const bool fits = plan_ && plan_->max_rows() >= batch_size && plan_->max_rows() <= kFarMore * batch_size;
  const bool in_parts = optimizer_.works_on_parts(), plain = optimizer_.is_plain();
  if (!fits || !plan_->is_current(often) || !plan_->augments_by(augmentation) || in_parts != in_parts_ ||
      plain != plain_) {
    plan_.reset();
    StepsInProducts steps = {std::vector<bool>(in_parts ? outputs_.size() : 0, true), plain};
    std::fill_n(steps.outputs.begin(), in_parts ? figures_ : 0, false);
    plan_ = std::make_unique<Plan<T>>(graph_, outputs_, *parameters_, true, batch_size, augmentation, steps);
    in_parts_ = in_parts;
    plain_ = plain;
    largest_ = std::numeric_limits<double>::infinity();
    shows_weights_ = false;
    for (int i = 0; i < figures_; ++i)
      shows_weights_ = shows_weights_ || plan_->output(i).place == Value::Place::parameter;
    pace_ = Pace(plan_->threads(), plan_->cost(), shares_always());
    pace_of_calls_ = Pace(plan_->threads(), plan_->cost(), shares_always());
  }
  bind_gradients();
}

template <class T>
void Trainer<T>::bind_gradients() {
  stored_ = 0;
  for (std::size_t i = 0; i < trainable_.size(); ++i) {
    const int output = figures_ + static_cast<int>(i);
    const T* gradient = plan_->output_data(output);
    optimizer_.bind(i, gradient);
    plan_->bind_update(output, &optimizer_.update_of(i));
    if (gradient != nullptr) stored_ += optimizer_.update_of(i).cols;
  }
}

// Stores all gradients from now on: for an optimiser that needs them whole, or to check a step before it is taken.
template <class T>
void Trainer<T>::store_gradients() {
  plan_->store_all();
  bind_gradients();
}

namespace {

// "row 17, column 2 is nan"
template <class T>
std::string place_text(Index row, Index column, T number) {
  const char* what = std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
  return "row " + std::to_string(row) + ", column " + std::to_string(column) + " is " + what;
}

}  // namespace

// fit(check_finite=True): throws at the first number that is not finite, input by input, before it is used.
template <class T>
void Trainer<T>::check_rows(Run& run) const {
  const Frame& frame = run.frame;
  for (int slot = 0; slot < plan_->inputs(); ++slot) {
    const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
    if (!plan_->reads_input(slot)) continue;
    for (Index begin = 0; begin < frame.rows; begin += kRowBlock) {
      const Index rows = std::min(kRowBlock, frame.rows - begin);
      const std::size_t bytes = bytes_of({kRowBlock, source.width, static_cast<Index>(sizeof(T))});
      if (run.checked.bytes() < bytes) run.checked = Buffer(bytes);
      T* numbers = run.checked.template as<T>();
      const Index* order = frame.row_ids == nullptr ? nullptr : frame.row_ids + begin;
      gather_rows(kernels_for<T>(), source, order, frame.first_row + begin, 0, rows, numbers);
      if (kernels_for<T>().within(numbers, rows * source.width, std::numeric_limits<T>::max())) continue;
      const T* bad = std::find_if(numbers, numbers + rows * source.width, [](T x) { return !std::isfinite(x); });
      const Index in_block = (bad - numbers) / source.width, column = (bad - numbers) % source.width;
      const Index row = order != nullptr ? order[in_block] : frame.first_row + begin + in_block;
      throw Error(Cause::value, source.name + " must be finite, " + place_text(row, column, *bad));
    }
  }
}

// Makes the order of the rows in this epoch. Returns false if cancelled.
template <class T>
bool Trainer<T>::shuffle_rows(Run& run) const {
  if (run.next_is_ready) {
    run.order.swap(run.next_order);
    run.next_is_ready = false;
    return true;
  }
  return shuffle(kernels(), seed_, epoch, static_cast<Index>(run.order.size()), run.order.data(), run.cancel);
}

// Makes the order of the next epoch, while the other threads take over this thread's units of the current step.
template <class T>
void Trainer<T>::shuffle_ahead(Run& run) const {
  const Index rows = static_cast<Index>(run.next_order.size());
  run.next_is_ready = rows > 0 && shuffle(kernels(), seed_, epoch + 1, rows, run.next_order.data(), run.cancel);
}

// Thread 0 runs every step of every epoch, on the team or alone, whichever is faster at the time.
template <class T>
void Trainer<T>::drive(Run& run, const FitRequest& request, Listener& listener, FitResult& result, Team& team) {
  Team alone(1);
  pace_.start();
  Frame& frame = run.frame;
  bool stop = false;
  for (Index e = 0; e < request.epochs && !stop; ++e) {
    if (request.shuffle && !shuffle_rows(run)) break;
    if (result.means.capacity() - result.means.size() < run.sums.size())  // now, not when the epoch is trained
      result.means.reserve(2 * (result.means.size() + run.sums.size()));
    std::fill(run.sums.begin(), run.sums.end(), 0.0);
    run.rows_done = 0;
    for (Index step = 0; run.rows_done < request.rows && !stop; ++step) {
      frame.first_row = run.rows_done;
      frame.row_ids = request.shuffle ? run.order.data() + frame.first_row : nullptr;
      frame.rows = std::min(request.batch_size, request.rows - frame.first_row);
      frame.rows_after = std::min(request.batch_size, request.rows - frame.first_row - frame.rows);
      frame.counter = epoch;
      if (request.check_finite) check_rows(run);
      if (!plan_->stores_all() && !optimizer_.works_on_parts()) store_gradients();
      optimizer_.begin_step();
      plan_->begin(frame);
      const bool together = pace_.together();
      if (together) team.barrier(0);
      if (together && frame.rows_after == 0 && e + 1 < request.epochs) shuffle_ahead(run);
      train_batch(run, together ? team : alone, 0);
      pace_.step_done();
      if (!run.finite) throw NonFinite(epoch, step, first_non_finite(run, request.augmentation));
      stop = after_step(run, listener, result, e, step, request.rows);
    }
  }
  run.over = true;
  team.barrier(0);
}

// The other threads run a step whenever thread 0 calls for one.
template <class T>
void Trainer<T>::follow(Run& run, Team& team, int thread) {
  for (;;) {
    team.barrier(thread);
    if (run.over) return;
    train_batch(run, team, thread);
  }
}

// Figures, callbacks, Ctrl-C. Returns whether to stop.
template <class T>
bool Trainer<T>::after_step(Run& run, Listener& listener, FitResult& result, Index epoch_index, Index step,
                            Index rows_total) {
  ++steps;
  run.rows_done += run.frame.rows;
  const double rows = static_cast<double>(run.frame.rows), rows_done = static_cast<double>(run.rows_done);
  for (std::size_t i = 0; i < run.sums.size(); ++i) run.sums[i] += run.figures[i] * rows;
  const auto add_to_result = [&run, &result, rows_done] {
    for (double sum : run.sums) result.means.push_back(sum / rows_done);
    ++result.epochs;
  };

  const bool last = run.rows_done == rows_total;
  if (last) {  // before anything that may throw: the epoch is complete
    add_to_result();
    ++epoch;
  }
  bool stop = listener.wants_steps() && listener.step_done(step, run.figures.data());
  const bool look = static_cast<Index>(steps) % run.look_every == 0;  // over all epochs: they may have one step each
  const Clock::time_point now = (look || last) && listener.wants_progress() ? Clock::now() : run.told;
  const bool tell = listener.wants_progress() && (last || now - run.told >= std::chrono::milliseconds(100));
  if (tell) {
    run.told = now;
    for (std::size_t i = 0; i < run.sums.size(); ++i) run.means[i] = run.sums[i] / rows_done;
    stop = listener.progress(epoch_index, run.rows_done, run.means.data()) || stop;
  }
  if (listener.wants_steps() || tell) values_small_ = false;  // a callback may set weights
  if (stop && !last) add_to_result();
  // Asked last: an epoch that Ctrl-C cuts short does not enter the result.
  return stop || (look && run.cancel.requested());
}

template <class T>
void Trainer<T>::fit(const FitRequest& request, Listener& listener, FitResult& result) {
  if (request.rows >= Index(1) << 32) throw Error(Cause::value, "a data set must have fewer than 2^32 rows");
  prepare(std::min(request.batch_size, request.rows), request.augmentation, false);
  values_small_ = false;
  Run run;
  run.frame.inputs = &request.inputs;
  run.frame.seed = seed_;
  run.frame.purpose = 0;
  run.cancel = Cancel([](void* of) { return static_cast<Listener*>(of)->interrupted(); }, &listener);
  if (request.shuffle) require_memory(bytes_of({request.rows, static_cast<Index>(sizeof(run.order[0]))}));
  if (request.shuffle) run.order.resize(static_cast<std::size_t>(request.rows));
  constexpr Index kShuffledAhead = 1 << 15;  // rows; for more, a second order takes more memory than it is worth
  if (plan_->evens_out() && request.rows <= kShuffledAhead && request.epochs > 1)
    run.next_order.resize(run.order.size());
  run.figures.resize(static_cast<std::size_t>(figures_));
  run.sums.resize(static_cast<std::size_t>(figures_));
  run.means.resize(static_cast<std::size_t>(figures_));
  run.allot(plan_->threads());
  run.look_every = static_cast<Index>(std::min(16.0, std::max(1.0, 20000.0 / plan_->cost())));
  constexpr Index kReserved = 1 << 16;  // epochs whose figures need no allocation while training
  result.means.reserve(static_cast<std::size_t>(figures_ * std::min(request.epochs, kReserved)));
  run_team(plan_->threads(), [&](Team& team, int thread) {
    if (thread == 0)
      drive(run, request, listener, result, team);
    else
      follow(run, team, thread);
  });
}

template <class T>
std::vector<double> Trainer<T>::step(const std::vector<Source>& inputs, Index rows) {
  const FloatingPointState state;  // work outside the team is computed in the same state
  prepare(rows, {}, true);
  if (own_writes_ != parameters_->writes) values_small_ = false;
  Run run;
  run.frame.inputs = &inputs;
  run.frame.rows = rows;
  run.frame.seed = seed_;
  run.frame.counter = steps;
  run.figures.resize(static_cast<std::size_t>(figures_));
  run.allot(plan_->threads());
  optimizer_.begin_step();
  plan_->begin(run.frame);
  const int threads = pace_of_calls_.together() ? plan_->threads() : 1;
  pace_of_calls_.start();
  run_team(threads, [&](Team& team, int thread) { train_batch(run, team, thread); });
  pace_of_calls_.step_done();
  pace_of_calls_.pause();
  own_writes_ = parameters_->writes;
  if (!run.finite) throw NonFinite(epoch, steps, first_non_finite(run, {}));
  ++steps;
  return std::move(run.figures);  // a copy might fail, after the step
}

template <class T>
void Trainer<T>::finish() {
  if (!optimizer_.has_rest()) return;
  const FloatingPointState state;
  Index largest = 0;
  for (std::size_t i = 0; i < trainable_.size(); ++i) largest = std::max(largest, optimizer_.update_of(i).cols);
  const Buffer zeros(bytes_of({largest, static_cast<Index>(sizeof(T))}));
  optimizer_.begin_rest(zeros.template as<T>());
  bool good = true;
  if (optimizer_.measures_norms()) {
    optimizer_.measure(1, 0);
    good = optimizer_.scale();
  }
  good = good && optimizer_.is_finite(1, 0);
  std::string cause;
  for (std::size_t i = 0; i < trainable_.size() && !good && cause.empty(); ++i)
    if (const std::string what = optimizer_.what_is_not_finite(i); !what.empty())
      cause = describe(graph_, trainable_[i]) + ", " + what;
  if (good) {
    optimizer_.write(1, 0);
    if (optimizer_.limits_norms()) optimizer_.limit_norms(1, 0);
    optimizer_.end_step();
    ++parameters_->writes;
  }
  values_small_ = false;
  largest_ = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < trainable_.size(); ++i) optimizer_.bind(i, nullptr);  // until the next call's `prepare`
  if (!good) throw NonFinite(epoch, steps, cause);
}

namespace {

// What is known about a node's first value that is not finite: where it is in the data, or why a function has none.
template <class T>
std::string about(Op op, const Frame& frame, const Value& value, const T* data) {
  const T* end = data + value.width * (value.rows ? frame.rows : 1);
  const T* bad = std::find_if(data, end, [](T x) { return !std::isfinite(x); });
  if (op == Op::input) {
    const Index in_batch = (bad - data) / value.width;
    const Index row = frame.row_ids != nullptr ? frame.row_ids[in_batch] : frame.first_row + in_batch;
    return ", " + place_text(row, (bad - data) % value.width, *bad);
  }
  if (op != Op::log && op != Op::sqrt) return "";
  if (std::any_of(bad, end, [](T x) { return std::isnan(x); })) return ", of a negative number";
  return op == Op::log ? ", of 0" : "";
}

}  // namespace

// Repeats the failed step on one thread with every node kept; it wrote nothing, so it fails in the same way.
template <class T>
std::string Trainer<T>::first_non_finite(const Run& run, const Augmentation& augmentation) {
  const Frame& frame = run.frame;
  std::vector<int> nodes;
  for (int i = 0; i < graph_.size(); ++i)
    if (graph_.node(i).op != Op::constant) nodes.push_back(i);
  Plan<T> all(graph_, nodes, *parameters_, true, frame.rows, augmentation);
  std::vector<Buffer> buffers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Value& value = all.output(static_cast<int>(i));
    if (!all.writes_output(static_cast<int>(i)) || !value.rows) continue;
    buffers.emplace_back(static_cast<std::size_t>(value.width * frame.rows) * sizeof(T));
    all.bind_output(static_cast<int>(i), buffers.back().template as<T>());
  }
  Team alone(1);
  all.begin(frame);
  all.run(frame, alone, 0);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Value& value = all.output(static_cast<int>(i));
    const T* data = all.output_data(static_cast<int>(i));
    const Index count = value.rows ? value.width * frame.rows : value.width;
    if (!kernels_for<T>().within(data, count, std::numeric_limits<T>::max()))
      return describe(graph_, nodes[i]) + about(graph_.node(nodes[i]).op, frame, value, data);
  }
  for (std::size_t i = 0; i < trainable_.size(); ++i) {
    const std::string what = optimizer_.what_is_not_finite(i);
    if (!what.empty()) return describe(graph_, trainable_[i]) + ", " + what;
  }
  return describe(graph_, cost_);
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fastbp
