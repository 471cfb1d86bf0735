#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/memory.h"
#include "train/shuffle.h"

namespace fastbp {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<Trained> trained(const Graph& graph, const std::vector<TrainedWeight>& weights, Parameters& parameters) {
  std::vector<Trained> found;
  for (const TrainedWeight& weight : weights) {
    const Node& node = graph.node(weight.node);
    if (node.op != Op::parameter)
      throw Error(Cause::value, describe(graph, weight.node) + " is not a parameter and can not be trained");
    found.push_back({weight, &parameters.at(node.integers[0])});
  }
  return found;
}

std::vector<int> nodes_of(const std::vector<TrainedWeight>& weights) {
  std::vector<int> nodes;
  for (const TrainedWeight& weight : weights) nodes.push_back(weight.node);
  return nodes;
}

// cost, figures, the gradients of what is descended, which are added to the graph, and what is kept.
std::vector<int> outputs_of(Graph& graph, int cost, int descended, const std::vector<int>& figures,
                            const std::vector<TrainedWeight>& weights, const std::vector<int>& kept) {
  std::vector<int> outputs = {cost};
  outputs.insert(outputs.end(), figures.begin(), figures.end());
  for (int output : outputs)
    if (graph.node(output).shape.rows || graph.node(output).shape.features() != 1)
      throw Error(Cause::value,
                  describe(graph, output) + " must be a scalar, it has shape " + to_string(graph.node(output).shape));
  for (int gradient : graph.gradients(descended, nodes_of(weights))) outputs.push_back(gradient);
  for (int node : kept) {
    if (!graph.node(node).shape.rows)
      throw Error(Cause::value, describe(graph, node) + " has no rows and can not be kept by row");
    outputs.push_back(node);
  }
  return outputs;
}

}  // namespace

// State of a fit, which its threads share.
template <class T>
struct Trainer<T>::Run {
  Run(int figures, int threads)
      : step(figures, threads), sums(static_cast<std::size_t>(figures)), means(static_cast<std::size_t>(figures)) {}

  SharedStep step;
  bool over = false;  // thread 0 sets it before a barrier

  // Only thread 0 uses these.
  std::vector<Index> order, next_order;  // of the rows; next_order: the next epoch's, or empty (see shuffle_ahead)
  bool next_is_ready = false;
  std::vector<double> sums, means;  // of the epoch: sums of figure x rows; these divided by the rows
  Index rows_done = 0;              // of the epoch
  Index look_every = 1;             // steps between two looks at the clock
  Buffer checked;                   // for check_finite: rows of one input
  Cancel cancel;
  Clock::time_point told = Clock::now();
};

template <class T>
Trainer<T>::Trainer(const Graph& graph, int cost, int descended, const std::vector<int>& figures, int total_weight,
                    const std::vector<int>& kept, std::shared_ptr<Parameters> parameters,
                    const std::vector<TrainedWeight>& weights, const OptimizerSettings& settings, std::uint64_t seed)
    : graph_(graph),
      cost_(cost),
      kept_(kept),
      parameters_(std::move(parameters)),
      optimizer_(trained(graph_, weights, *parameters_), settings),
      seed_(seed),
      stepper_(graph_, outputs_of(graph_, cost, descended, figures, weights, kept),
               static_cast<int>(figures.size()) + 1, total_weight, *parameters_, optimizer_) {
  if (total_weight > static_cast<int>(figures.size()))
    throw Error(Cause::value, "total_weight must be the place of a figure, 0 to " + std::to_string(figures.size()) +
                                  ", got " + std::to_string(total_weight));
}

template <class T>
void Trainer<T>::prepare(Index batch_size, const Augmentation& augmentation, bool often) {
  if (!stepper_.prepare(batch_size, augmentation, often)) return;
  const Plan<T>& plan = stepper_.plan();
  pace_ = Pace(plan.threads(), plan.cost(), shares_always());
  pace_of_calls_ = Pace(plan.threads(), plan.cost(), shares_always());
}

template <class T>
void Trainer<T>::set_settings(const OptimizerSettings& settings) {
  optimizer_.set(settings);
  stepper_.forget_magnitudes();  // states that were unused for a while may be used again
}

template <class T>
void Trainer<T>::set_weights(const std::vector<TrainedWeight>& weights) {
  const std::vector<Trained>& own = optimizer_.weights();
  if (!std::equal(own.begin(), own.end(), weights.begin(), weights.end(),
                  [](const Trained& a, const TrainedWeight& b) { return a.node == b.node; }))
    throw Error(Cause::value, "weights must be those of the trainer, in its order: as many (" +
                                  std::to_string(own.size()) + "), with the same nodes; got " +
                                  std::to_string(weights.size()));
  optimizer_.set_weights(weights);
  stepper_.forget_magnitudes();  // plain steps may now change weights unchecked, whose bound is unknown
}

template <class T>
const std::vector<typename Optimizer<T>::State>& Trainer<T>::states() {
  stepper_.forget_magnitudes();  // the caller may write
  return optimizer_.states();
}

template <class T>
const std::vector<Index>& Trainer<T>::dims_of(std::size_t weight) const {
  return optimizer_.weights()[weight].parameter->dims;
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
  const Frame& frame = run.step.frame;
  for (int slot = 0; slot < stepper_.plan().inputs(); ++slot) {
    const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
    if (!stepper_.plan().reads_input(slot)) continue;
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

// Writes the last step's kept values to the places of its rows.
template <class T>
void Trainer<T>::keep(const Frame& frame, const std::vector<void*>& kept) const {
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const Index width = stepper_.kept_value(static_cast<int>(i)).width;
    const T* from = stepper_.kept_data(static_cast<int>(i));
    T* to = static_cast<T*>(kept[i]);
    for (Index row = 0; row < frame.rows; ++row) {
      const Index place = frame.row_ids != nullptr ? frame.row_ids[row] : frame.first_row + row;
      std::copy_n(from + row * width, width, to + place * width);
    }
  }
}

// Thread 0 runs every step of every epoch, on the team or alone, whichever is faster at the time.
template <class T>
void Trainer<T>::drive(Run& run, const FitRequest& request, Listener& listener, FitResult& result, Team& team) {
  Team alone(1);
  pace_.start();
  Frame& frame = run.step.frame;
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
      stepper_.begin(frame);
      const bool together = pace_.together();
      if (together) team.barrier(0);
      if (together && frame.rows_after == 0 && e + 1 < request.epochs) shuffle_ahead(run);
      stepper_.take(run.step, together ? team : alone, 0);
      pace_.step_done();
      if (!run.step.finite) throw NonFinite(epoch, step, first_non_finite(frame, request.augmentation));
      keep(frame, request.kept);
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
    stepper_.take(run.step, team, thread);
  }
}

// Figures, callbacks, Ctrl-C. Returns whether to stop.
template <class T>
bool Trainer<T>::after_step(Run& run, Listener& listener, FitResult& result, Index epoch_index, Index step,
                            Index rows_total) {
  ++steps;
  run.rows_done += run.step.frame.rows;
  const double rows = static_cast<double>(run.step.frame.rows), rows_done = static_cast<double>(run.rows_done);
  for (std::size_t i = 0; i < run.sums.size(); ++i) run.sums[i] += run.step.figures[i] * rows;
  const auto add_to_result = [&run, &result, rows_done] {
    for (double sum : run.sums) result.means.push_back(sum / rows_done);
    ++result.epochs;
  };

  const bool last = run.rows_done == rows_total;
  if (last) {  // before anything that may throw: the epoch is complete
    add_to_result();
    ++epoch;
  }
  bool stop = listener.wants_steps() && listener.step_done(step, run.step.figures.data());
  const bool look = static_cast<Index>(steps) % run.look_every == 0;  // over all epochs: they may have one step each
  const Clock::time_point now = (look || last) && listener.wants_progress() ? Clock::now() : run.told;
  const bool tell = listener.wants_progress() && (last || now - run.told >= std::chrono::milliseconds(100));
  if (tell) {
    run.told = now;
    for (std::size_t i = 0; i < run.sums.size(); ++i) run.means[i] = run.sums[i] / rows_done;
    stop = listener.progress(epoch_index, run.rows_done, run.means.data()) || stop;
  }
  if (listener.wants_steps() || tell) stepper_.forget_magnitudes();  // a callback may set weights
  if (stop && !last) add_to_result();
  // Asked last: an epoch that Ctrl-C cuts short does not enter the result.
  return stop || (look && run.cancel.requested());
}

template <class T>
void Trainer<T>::fit(const FitRequest& request, Listener& listener, FitResult& result) {
  if (request.rows >= Index(1) << 32) throw Error(Cause::value, "a data set must have fewer than 2^32 rows");
  prepare(std::min(request.batch_size, request.rows), request.augmentation, false);
  stepper_.forget_magnitudes();
  Run run(figures(), stepper_.plan().threads());
  run.step.frame.inputs = &request.inputs;
  run.step.frame.seed = seed_;
  run.step.frame.purpose = 0;
  run.cancel = Cancel([](void* of) { return static_cast<Listener*>(of)->interrupted(); }, &listener);
  if (request.shuffle) require_memory(bytes_of({request.rows, static_cast<Index>(sizeof(run.order[0]))}));
  if (request.shuffle) run.order.resize(static_cast<std::size_t>(request.rows));
  constexpr Index kShuffledAhead = 1 << 15;  // rows; for more, a second order takes more memory than it is worth
  if (stepper_.plan().evens_out() && request.rows <= kShuffledAhead && request.epochs > 1)
    run.next_order.resize(run.order.size());
  run.look_every = static_cast<Index>(std::min(16.0, std::max(1.0, 20000.0 / stepper_.plan().cost())));
  constexpr Index kReserved = 1 << 16;  // epochs whose figures need no allocation while training
  result.means.reserve(static_cast<std::size_t>(figures() * std::min(request.epochs, kReserved)));
  run_team(stepper_.plan().threads(), [&](Team& team, int thread) {
    if (thread == 0)
      drive(run, request, listener, result, team);
    else
      follow(run, team, thread);
  });
}

template <class T>
std::vector<double> Trainer<T>::step(const std::vector<Source>& inputs, Index rows, const std::vector<void*>& kept) {
  const FloatingPointState state;  // work outside the team is computed in the same state
  prepare(rows, {}, true);
  if (own_writes_ != parameters_->writes) stepper_.forget_magnitudes();
  SharedStep step(stepper_.figures(), stepper_.plan().threads());
  step.frame.inputs = &inputs;
  step.frame.rows = rows;
  step.frame.seed = seed_;
  step.frame.counter = steps;
  stepper_.begin(step.frame);
  const int threads = pace_of_calls_.together() ? stepper_.plan().threads() : 1;
  pace_of_calls_.start();
  run_team(threads, [&](Team& team, int thread) { stepper_.take(step, team, thread); });
  pace_of_calls_.step_done();
  pace_of_calls_.pause();
  own_writes_ = parameters_->writes;
  if (!step.finite) throw NonFinite(epoch, steps, first_non_finite(step.frame, {}));
  keep(step.frame, kept);
  ++steps;
  return std::move(step.figures);  // a copy might fail, after the step
}

template <class T>
void Trainer<T>::finish() {
  if (!optimizer_.has_rest()) return;
  const FloatingPointState state;
  Index largest = 0;
  const std::size_t weights = optimizer_.weights().size();
  for (std::size_t i = 0; i < weights; ++i) largest = std::max(largest, optimizer_.update_of(i).cols);
  const Buffer zeros(bytes_of({largest, static_cast<Index>(sizeof(T))}));
  optimizer_.begin_rest(zeros.template as<T>());
  bool good = true;
  if (optimizer_.measures_norms()) {
    optimizer_.measure(1, 0);
    good = optimizer_.scale();
  }
  good = good && optimizer_.is_finite(1, 0);
  const std::string cause = good ? "" : what_is_not_finite();
  if (good) {
    optimizer_.write(1, 0);
    if (optimizer_.limits_norms()) optimizer_.limit_norms(1, 0);
    optimizer_.end_step();
    ++parameters_->writes;
  }
  stepper_.forget_magnitudes();
  for (std::size_t i = 0; i < weights; ++i) optimizer_.bind(i, nullptr);  // until the next call's `prepare`
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
std::string Trainer<T>::first_non_finite(const Frame& frame, const Augmentation& augmentation) {
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
  const std::string cause = what_is_not_finite();
  return cause.empty() ? describe(graph_, cost_) : cause;
}

// The first weight whose update is not finite, and what of it; "" if all are.
template <class T>
std::string Trainer<T>::what_is_not_finite() const {
  const std::vector<Trained>& weights = optimizer_.weights();
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (const std::string what = optimizer_.what_is_not_finite(i); !what.empty())
      return describe(graph_, weights[i].node) + ", " + what;
  return "";
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fastbp
