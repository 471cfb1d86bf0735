#include "train/stepper.h"

#include <cmath>
#include <limits>

#include "base/memory.h"
#include "base/share.h"

namespace fastbp {
namespace {

// Below this, no update of moderate hyperparameters can overflow, so one comparison per gradient is enough.
constexpr double kSmall = 1152921504606846976.0;  // 2^60

// Up to this many elements of stored gradients in all, every thread checks all of them: cheaper than a barrier.
constexpr Index kStoredForEach = 8192;

}  // namespace

template <class T>
bool Stepper<T>::prepare(Index batch_size, const Augmentation& augmentation, bool often) {
  // A plan for far more rows would work, but its tiles and threads do not suit so few rows.
  constexpr Index kFarMore = 16;
  const bool fits = plan_ && plan_->max_rows() >= batch_size && plan_->max_rows() <= kFarMore * batch_size;
  const bool in_parts = optimizer_.works_on_parts(), plain = optimizer_.is_plain();
  const bool renewed = !fits || !plan_->is_current(often) || !plan_->augments_by(augmentation) ||
                       in_parts != in_parts_ || plain != plain_;
  if (renewed) {
    plan_.reset();
    StepsInProducts steps = {std::vector<bool>(in_parts ? outputs_.size() : 0, true), plain};
    std::fill_n(steps.outputs.begin(), in_parts ? figures_ : 0, false);
    std::fill_n(steps.outputs.rbegin(), in_parts ? kept() : 0, false);
    plan_ = std::make_unique<Plan<T>>(graph_, outputs_, parameters_, true, batch_size, augmentation, steps);
    bind_kept();
    in_parts_ = in_parts;
    plain_ = plain;
    largest_ = std::numeric_limits<double>::infinity();
    shows_weights_ = false;
    for (int i = 0; i < figures_; ++i)
      shows_weights_ = shows_weights_ || plan_->output(i).place == Value::Place::parameter;
  }
  bind_gradients();
  return renewed;
}

template <class T>
void Stepper<T>::bind_kept() {
  kept_.clear();
  for (int i = first_kept(); i < first_kept() + kept(); ++i) {
    if (!plan_->writes_output(i)) continue;
    kept_.emplace_back(bytes_of({plan_->max_rows(), plan_->output(i).width, static_cast<Index>(sizeof(T))}));
    plan_->bind_output(i, kept_.back().template as<T>());
  }
}

template <class T>
void Stepper<T>::bind_gradients() {
  stored_ = 0;
  for (std::size_t i = 0; i < optimizer_.weights().size(); ++i) {
    const int output = figures_ + static_cast<int>(i);
    const T* gradient = plan_->output_data(output);
    optimizer_.bind(i, gradient);
    plan_->bind_update(output, &optimizer_.update_of(i));
    if (gradient != nullptr) stored_ += optimizer_.update_of(i).cols;
  }
}

// Stores all gradients from now on: for an optimiser that needs them whole, or to check a step before it is taken.
template <class T>
void Stepper<T>::store_gradients() {
  plan_->store_all();
  bind_gradients();
}

template <class T>
void Stepper<T>::begin(const Frame& frame) {
  if (!plan_->stores_all() && !optimizer_.works_on_parts()) store_gradients();
  optimizer_.begin_step();
  plan_->begin(frame);
}

template <class T>
bool Stepper<T>::gradients_small(int threads, int thread) const {
  for (std::size_t i = 0; i < optimizer_.weights().size(); ++i) {
    const Update<T>& update = optimizer_.update_of(i);
    if (update.gradient == nullptr) continue;
    const Share part = share(update.cols, threads, thread, 64);
    if (!kernels_for<T>().within(update.gradient + part.begin, part.end - part.begin, static_cast<T>(kSmall)))
      return false;
  }
  return true;
}

// Whether the step is known to be finite before it is taken, although some gradients are unstored; those are within
// +-bound. All threads get the same answer.
template <class T>
bool Stepper<T>::is_settled(SharedStep& step, double bound, Team& team, int thread) {
  const bool known = values_small_ && largest_ <= kSmall;
  bool small;
  if (known && stored_ <= kStoredForEach && !shows_weights_) {
    small = gradients_small(1, 0);
  } else {
    step.small_before[static_cast<std::size_t>(thread)] =
        gradients_small(team.size(), thread) && (known || optimizer_.values_within(kSmall / 2, team.size(), thread));
    team.barrier(thread);
    small = SharedStep::all_set(step.small_before, team);
  }
  return small && bound <= kSmall && optimizer_.moderate() && std::isfinite(*plan_->output_data(0));
}

// Computes and stores the gradients that `run` left unstored.
template <class T>
void Stepper<T>::make_gradients(SharedStep& step, Team& team, int thread) {
  team.barrier(thread);  // all threads have read whether the plan stores them
  if (thread == 0) store_gradients();
  team.barrier(thread);
  plan_->run_tail(step.frame, team, thread);
  team.barrier(thread);
}

// Whether the step is finite. All gradients must be stored.
template <class T>
bool Stepper<T>::is_good(SharedStep& step, Team& team, int thread) {
  char& flag = step.flags[static_cast<std::size_t>(thread)];
  flag = gradients_small(team.size(), thread);
  if (optimizer_.measures_norms()) optimizer_.measure(team.size(), thread);
  team.barrier(thread);

  if (optimizer_.measures_norms()) {
    if (thread == 0) step.norms_finite = optimizer_.scale();
    team.barrier(thread);
  }
  bool good = std::isfinite(step.figures[0]) && step.norms_finite;
  if (good && !(SharedStep::all_set(step.flags, team) && values_small_ && optimizer_.moderate())) {
    team.barrier(thread);  // all threads have read the flags
    flag = optimizer_.is_finite(team.size(), thread);
    team.barrier(thread);
    good = SharedStep::all_set(step.flags, team);
  }
  team.barrier(thread);
  return good;
}

template <class T>
void Stepper<T>::take(SharedStep& step, Team& team, int thread) {
  plan_->run(step.frame, team, thread);
  for (int i = thread; i < figures_; i += team.size())
    step.figures[static_cast<std::size_t>(i)] = static_cast<double>(*plan_->output_data(i));
  if (total_weight_ >= 0 && *plan_->output_data(total_weight_) == 0) {
    team.barrier(thread);  // all threads have read their figures
    if (thread == 0) step.finite = std::isfinite(step.figures[0]);
    return;
  }
  const bool stored = plan_->stores_all();
  const double bound = stored ? 0 : plan_->unstored_bound(step.frame, team.size());
  const bool in_products = !stored && is_settled(step, bound, team, thread);
  if (!stored && !in_products) make_gradients(step, team, thread);
  const bool good = in_products || is_good(step, team, thread);
  bool small = !in_products || plan_->update_weights(step.frame, optimizer_.rule(), team, thread);
  if (good) {
    small = optimizer_.write(team.size(), thread) && small;
    step.flags[static_cast<std::size_t>(thread)] = small;
  }
  const bool limits = good && optimizer_.limits_norms();  // read now: after the barrier thread 0 may begin a new step
  team.barrier(thread);
  if (limits) {
    optimizer_.limit_norms(team.size(), thread);
    team.barrier(thread);
  }
  if (thread != 0) return;
  if (good) ++parameters_.writes;
  step.finite = good;
  const double before = values_small_ && largest_ <= kSmall ? largest_ : kSmall / 2;
  largest_ = in_products ? optimizer_.largest_after(before, bound) : std::numeric_limits<double>::infinity();
  // The flags of a step that only accumulates say nothing about the weights.
  const bool others_small = in_products ? largest_ <= kSmall : values_small_ || !optimizer_.accumulates();
  values_small_ = good && SharedStep::all_set(step.flags, team) && others_small;
  if (good) optimizer_.end_step();
}

template class Stepper<float>;
template class Stepper<double>;

}  // namespace fastbp
