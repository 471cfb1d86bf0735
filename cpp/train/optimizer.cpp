#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/binary_counter.h"
#include "base/threads.h"
#include "kernels/dispatch.h"
#include "run/plan.h"

namespace fastbp {
namespace {

constexpr char kAccumulated[] = "accumulated_gradient", kAverage[] = "average";

double combined(const std::vector<double>& sums) {
  if (sums.empty()) return 0.0;
  const auto add = [](double earlier, double sum) { return earlier + sum; };
  BinaryCounter<double> counter;
  for (double sum : sums) counter.push(sum, add);
  return counter.total(add);
}

}  // namespace

template <class T>
Optimizer<T>::Optimizer(std::vector<Trained> weights, const OptimizerSettings& settings)
    : weights_(std::move(weights)), updates_(weights_.size()) {
  settings_.name = settings.name;
  look_for_limits();
  set(settings);
}

template <class T>
std::vector<std::string> Optimizer<T>::needed_states(const OptimizerSettings& s) const {
  std::vector<std::string> names = state_names(rule_of(s));
  if (s.gradient_accumulation_steps > 1) names.emplace_back(kAccumulated);
  if (s.use_ema) names.emplace_back(kAverage);
  return names;
}

// A new state: zero; but Adagrad's sums start at the settings' value, and an average starts as the weights.
template <class T>
typename Optimizer<T>::State Optimizer<T>::begun(const std::string& name, const OptimizerSettings& s) const {
  State state{name, {}};
  for (const Trained& weight : weights_) {
    const std::size_t size = static_cast<std::size_t>(weight.parameter->size);
    state.values.emplace_back(size * sizeof(T), Use::wholly);
    T* values = state.values.back().template as<T>();
    if (name == kAverage && size > 0) std::memcpy(values, weight.parameter->data.data(), size * sizeof(T));
    if (name == "accumulator") std::fill_n(values, size, static_cast<T>(s.initial_accumulator_value));
  }
  return state;
}

template <class T>
void Optimizer<T>::set(const OptimizerSettings& settings) {
  const UpdateRule rule = rule_of(settings);
  if (settings.name != settings_.name)
    throw Error(Cause::value,
                "the optimizer is '" + settings_.name + "' and cannot become '" + settings.name + "': compile anew");
  std::vector<State> more;
  for (const std::string& name : needed_states(settings)) {
    const auto known = [&name](const State& state) { return state.name == name; };
    if (std::none_of(states_.begin(), states_.end(), known)) more.push_back(begun(name, settings));
  }
  if (settings.clipnorm > 0 || settings.global_clipnorm > 0) {
    std::vector<std::vector<double>> sums;
    for (const Trained& weight : weights_)
      sums.emplace_back(static_cast<std::size_t>((weight.parameter->size + kFlatBlock - 1) / kFlatBlock));
    square_sums_ = std::move(sums);
  }
  states_.reserve(states_.size() + more.size());
  for (State& state : more) states_.push_back(std::move(state));
  settings_ = settings;
  rule_ = rule;
  measures_ = settings.clipnorm > 0 || settings.global_clipnorm > 0;
  point_at_states();
  stale_ = true;
}

// Sets what stays the same in all updates until the settings change.
template <class T>
void Optimizer<T>::point_at_states() {
  const std::vector<std::string>& names = state_names(rule_);
  accumulated_.assign(weights_.size(), nullptr);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    Update<T>& update = updates_[i];
    update.rows = 1;
    update.cols = update.row = update.gradient_row = weights_[i].parameter->size;
    update.weight = weights_[i].parameter->data.template as<T>();
    for (std::size_t k = 0; k < kUpdateStates; ++k) update.state[k] = k < names.size() ? state(names[k], i) : nullptr;
    update.average = settings_.use_ema ? state(kAverage, i) : nullptr;
    accumulated_[i] = state(kAccumulated, i);
  }
}

template <class T>
void Optimizer<T>::set_weights(const std::vector<TrainedWeight>& weights) {
  for (std::size_t i = 0; i < weights_.size(); ++i) static_cast<TrainedWeight&>(weights_[i]) = weights[i];
  look_for_limits();
  stale_ = true;
}

template <class T>
void Optimizer<T>::look_for_limits() {
  limits_ = std::any_of(weights_.begin(), weights_.end(), [](const Trained& w) { return std::isfinite(w.max_norm); });
}

template <class T>
T* Optimizer<T>::state(std::string_view name, std::size_t i) const {
  for (const State& state : states_)
    if (state.name == name) return state.values[i].template as<T>();
  return nullptr;
}

template <class T>
void Optimizer<T>::bind(std::size_t i, const T* gradient) {
  updates_[i].gradient = gradient;
}

template <class T>
bool Optimizer<T>::works_on_parts() const {
  return settings_.gradient_accumulation_steps <= 1 && counters_.pending == 0 && !measures_;
}

template <class T>
bool Optimizer<T>::is_plain() const {
  return rule_ == UpdateRule::sgd && !(settings_.clipvalue > 0) && !measures_ && !settings_.use_ema &&
         std::all_of(weights_.begin(), weights_.end(), [](const Trained& weight) { return weight.proximal_l1 == 0; });
}

template <class T>
bool Optimizer<T>::values_within(double limit, int threads, int thread) const {
  return std::all_of(updates_.begin(), updates_.end(), [=](const Update<T>& update) {
    const Share part = share(update.cols, threads, thread, 64);
    const T* all[] = {update.weight, update.state[0], update.state[1], update.state[2], update.average};
    static_assert(kUpdateStates == 3);
    return std::all_of(std::begin(all), std::end(all), [=](const T* values) {
      return values == nullptr ||
             kernels_for<T>().within(values + part.begin, part.end - part.begin, static_cast<T>(limit)) != 0;
    });
  });
}

template <class T>
double Optimizer<T>::largest_after(double largest, double gradient) const {
  constexpr double kRoundings = 1 + 1e-6;
  double after = largest;
  for (const Update<T>& update : updates_) {
    if (update.gradient != nullptr || !takes_plain_step(rule_, update)) continue;
    const double decay = std::fabs(static_cast<double>(update.decay)),
                 eta = std::fabs(static_cast<double>(update.scalar[0]));
    after = std::max(after, (largest * (1 + decay) + eta * gradient) * kRoundings);
  }
  return after;
}

template <class T>
void Optimizer<T>::begin_step() {
  const OptimizerSettings& s = settings_;
  const bool changes = s.schedule != nullptr || counts_updates(rule_) || s.gradient_accumulation_steps > 1 || s.use_ema;
  if (!stale_ && !changes) {
    after_.updates = counters_.updates + 1;
    return;
  }
  accumulates_ = counters_.pending + 1 < static_cast<double>(s.gradient_accumulation_steps);
  begin_update(counters_.pending + 1);
}

template <class T>
void Optimizer<T>::begin_rest(const T* zeros) {
  accumulates_ = false;
  begin_update(counters_.pending);
  for (Update<T>& update : updates_) update.gradient = zeros;
}

// gradients: how many the update, or the step that only accumulates, has then.
template <class T>
void Optimizer<T>::begin_update(double gradients) {
  const OptimizerSettings& s = settings_;
  after_ = counters_;
  if (accumulates_)
    after_.pending += 1;
  else
    after_ = after_update(rule_, s, counters_);
  const bool asks = s.schedule != nullptr && !accumulates_;
  const double rate = asks ? s.schedule->at(static_cast<Index>(counters_.updates)) : s.learning_rate;
  moderate_ = true;
  for (std::size_t i = 0; i < weights_.size(); ++i) fill(i, rate, gradients);
  moderate_ = moderate_ || accumulates_;
  stale_ = counters_.pending > 0;  // accumulated gradients are used once
}

// Scalars are combined in float64 and rounded once.
template <class T>
void Optimizer<T>::fill(std::size_t i, double learning_rate, double gradients) {
  const OptimizerSettings& s = settings_;
  const Trained& weight = weights_[i];
  Update<T>& update = updates_[i];
  const double eta = learning_rate * weight.rate, decay = eta * (s.weight_decay * weight.decay);
  double scalars[kUpdateScalars];
  combine_scalars(rule_, s, after_, eta, scalars);
  std::transform(scalars, scalars + kUpdateScalars, update.scalar, [](double x) { return static_cast<T>(x); });
  update.decay = static_cast<T>(decay);
  update.shrink = static_cast<T>(eta * weight.proximal_l1);
  moderate_ = moderate_ && is_moderate(rule_, s, decay, scalars);

  const bool collects = s.gradient_accumulation_steps > 1 || counters_.pending > 0;
  update.accumulated = collects ? accumulated_[i] : nullptr;
  update.count = static_cast<T>(gradients);
  update.limit = s.clipvalue > 0 ? static_cast<T>(s.clipvalue) : std::numeric_limits<T>::infinity();
  update.scale = T(1);
  const double keep = after_.updates == 1 ? 0.0 : s.ema_momentum;
  update.keep = static_cast<T>(keep);
  update.take = static_cast<T>(1.0 - keep);
  update.overwrite =
      s.use_ema && s.ema_overwrite_frequency > 0 && static_cast<Index>(after_.updates) % s.ema_overwrite_frequency == 0;
  update.more = update.accumulated != nullptr || s.clipvalue > 0 || measures_ || update.average != nullptr;
}

// The threads share the blocks of FLAT.
template <class T>
void Optimizer<T>::measure(int threads, int thread) {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const Update<T>& update = updates_[i];
    const Share blocks = share(static_cast<Index>(square_sums_[i].size()), threads, thread, 1);
    for (Index block = blocks.begin; block < blocks.end; ++block) {
      const Index first = block * kFlatBlock, n = std::min(kFlatBlock, update.cols - first);
      const T* accumulated = update.accumulated == nullptr ? nullptr : update.accumulated + first;
      square_sums_[i][static_cast<std::size_t>(block)] =
          kernels_for<T>().square_sum(update.gradient + first, accumulated, update.count, n);
    }
  }
}

template <class T>
double Optimizer<T>::norm_of(std::size_t i) const {
  return std::sqrt(combined(square_sums_[i]));
}

// Gradients whose norm is above the limit are scaled down to it.
template <class T>
bool Optimizer<T>::scale() {
  const auto factor = [](double norm, double most) { return static_cast<T>(norm > most ? most / norm : 1.0); };
  bool finite = true;
  double total = 0.0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const double squares = combined(square_sums_[i]);
    total = i == 0 ? squares : total + squares;
    updates_[i].scale = factor(std::sqrt(squares), settings_.clipnorm);
    finite = finite && std::isfinite(squares);
  }
  if (settings_.global_clipnorm > 0) {
    for (Update<T>& update : updates_) update.scale = factor(std::sqrt(total), settings_.global_clipnorm);
    finite = finite && std::isfinite(total);
  }
  return finite;
}

// Calls the kernel on this thread's share of every weight.
template <class T>
bool Optimizer<T>::all_are(Kernel kernel, int threads, int thread) const {
  bool all = true;
  for (const Update<T>& whole : updates_) {
    if (whole.gradient == nullptr) continue;
    if (threads == 1) {
      all = kernel(&whole) && all;
      continue;
    }
    const Share part = share(whole.cols, threads, thread, 64);
    Update<T> update = whole;
    update.cols = part.end - part.begin;
    update.weight += part.begin;
    update.gradient += part.begin;
    for (T*& state : update.state)
      if (state != nullptr) state += part.begin;
    if (update.accumulated != nullptr) update.accumulated += part.begin;
    if (update.average != nullptr) update.average += part.begin;
    all = kernel(&update) && all;
  }
  return all;
}

template <class T>
bool Optimizer<T>::is_finite(int threads, int thread) const {
  const Kernels<T>& k = kernels_for<T>();
  return all_are(accumulates_ ? k.accumulate_is_finite : k.update_is_finite[static_cast<int>(rule_)], threads, thread);
}

template <class T>
bool Optimizer<T>::write(int threads, int thread) const {
  const Kernels<T>& k = kernels_for<T>();
  return all_are(accumulates_ ? k.accumulate : k.update[static_cast<int>(rule_)], threads, thread);
}

// Limits the norms of this thread's share of every weight's columns (all axes but the first).
template <class T>
void Optimizer<T>::limit_norms(int threads, int thread) const {
  for (const Trained& weight : weights_) {
    const Parameter& parameter = *weight.parameter;
    if (!std::isfinite(weight.max_norm) || parameter.size == 0) continue;
    const Index rows = parameter.dims.empty() ? 1 : parameter.dims[0], columns = parameter.size / rows;
    const Share part = share(columns, threads, thread, 16);
    T* first = weight.parameter->data.template as<T>() + part.begin;
    kernels_for<T>().limit_norms(first, rows, part.end - part.begin, columns, weight.max_norm);
  }
}

template <class T>
std::string Optimizer<T>::what_is_not_finite(std::size_t i) const {
  const Kernels<T>& k = kernels_for<T>();
  if (measures_norms() && !std::isfinite(norm_of(i))) return "its gradient's norm";
  const Kernel kernel = accumulates_ ? k.accumulate_is_finite : k.update_is_finite[static_cast<int>(rule_)];
  return kernel(&updates_[i]) ? "" : "its update";
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace fastbp
