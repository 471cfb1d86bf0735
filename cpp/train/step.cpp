// One step: computes, checks, updates.
#include <cmath>
#include <limits>

#include "train/run.h"

namespace fastbp {
namespace {

// Below this, no update of moderate hyperparameters can overflow, so one comparison per gradient is enough.
constexpr double kSmall = 1152921504606846976.0;  // 2^60

// Up to this many elements of stored gradients in all, every thread checks all of them: cheaper than a barrier.
constexpr Index kStoredForEach = 8192;

}  // namespace

template <class T>
bool Trainer<T>::gradients_small(int threads, int thread) const {
  for (std::size_t i = 0; i < trainable_.size(); ++i) {
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
bool Trainer<T>::is_settled(Run& run, double bound, Team& team, int thread) {
  const bool known = values_small_ && largest_ <= kSmall;
  bool small;
  if (known && stored_ <= kStoredForEach && !shows_weights_) {
    small = gradients_small(1, 0);
  } else {
    run.small_before[static_cast<std::size_t>(thread)] =
        gradients_small(team.size(), thread) && (known || optimizer_.values_within(kSmall / 2, team.size(), thread));
    team.barrier(thread);
    small = Run::all_set(run.small_before, team);
  }
  return small && bound <= kSmall && optimizer_.moderate() && std::isfinite(*plan_->output_data(0));
}

// Computes and stores the gradients that `run` left unstored.
template <class T>
void Trainer<T>::make_gradients(Run& run, Team& team, int thread) {
  team.barrier(thread);  // all threads have read whether the plan stores them
  if (thread == 0) store_gradients();
  team.barrier(thread);
  plan_->run_tail(run.frame, team, thread);
  team.barrier(thread);
}

// Whether the step is finite. All gradients must be stored.
template <class T>
bool Trainer<T>::is_good(Run& run, Team& team, int thread) {
  char& flag = run.flags[static_cast<std::size_t>(thread)];
  flag = gradients_small(team.size(), thread);
  if (optimizer_.measures_norms()) optimizer_.measure(team.size(), thread);
  team.barrier(thread);

  if (optimizer_.measures_norms()) {
    if (thread == 0) run.norms_finite = optimizer_.scale();
    team.barrier(thread);
  }
  bool good = std::isfinite(run.figures[0]) && run.norms_finite;
  if (good && !(Run::all_set(run.flags, team) && values_small_ && optimizer_.moderate())) {
    team.barrier(thread);  // all threads have read the flags
    flag = optimizer_.is_finite(team.size(), thread);
    team.barrier(thread);
    good = Run::all_set(run.flags, team);
  }
  team.barrier(thread);
  return good;
}

// One step on the rows of run.frame: computes, checks, updates. Writes nothing if the step is not finite.
template <class T>
void Trainer<T>::train_batch(Run& run, Team& team, int thread) {
  plan_->run(run.frame, team, thread);
  for (int i = thread; i < figures_; i += team.size())
    run.figures[static_cast<std::size_t>(i)] = static_cast<double>(*plan_->output_data(i));
  const bool stored = plan_->stores_all();
  const double bound = stored ? 0 : plan_->unstored_bound(run.frame, team.size());
  const bool in_products = !stored && is_settled(run, bound, team, thread);
  if (!stored && !in_products) make_gradients(run, team, thread);
  const bool good = in_products || is_good(run, team, thread);
  bool small = !in_products || plan_->update_weights(run.frame, optimizer_.rule(), team, thread);
  if (good) {
    small = optimizer_.write(team.size(), thread) && small;
    run.flags[static_cast<std::size_t>(thread)] = small;
  }
  const bool limits = good && optimizer_.limits_norms();  // read now: after the barrier thread 0 may begin a new step
  team.barrier(thread);
  if (limits) {
    optimizer_.limit_norms(team.size(), thread);
    team.barrier(thread);
  }
  if (thread != 0) return;
  if (good) ++parameters_->writes;
  run.finite = good;
  const double before = values_small_ && largest_ <= kSmall ? largest_ : kSmall / 2;
  largest_ = in_products ? optimizer_.largest_after(before, bound) : std::numeric_limits<double>::infinity();
  // The flags of a step that only accumulates say nothing about the weights.
  const bool others_small = in_products ? largest_ <= kSmall : values_small_ || !optimizer_.accumulates();
  values_small_ = good && Run::all_set(run.flags, team) && others_small;
  if (good) optimizer_.end_step();
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fastbp
