// The tail of a tape: products over rows whose results are weight gradients that only the update reads. Their tiles
// take the optimiser's step while they are in registers or in cache, and the gradients are never stored. Before
// anything is written, overflow is ruled out by a bound: |sum of x_r g_r| <= rows * max |x| * max |g|. The largest
// magnitudes are noted when x and g are written, while they are in L1.
#include <algorithm>
#include <cmath>
#include <limits>

#include "run/plan.h"

namespace fastbp {

// Roundings can exceed the bound a little; the caller's limit is far enough below the largest number to allow for that.
template <class T>
double Plan<T>::unstored_bound(const Frame& frame, int threads) const {
  double bound = 0;
  for (std::size_t k = 0; k < tape_.tail_size(); ++k) {
    const Item& item = tape_.first_item(tape_.tail(k));
    double product = static_cast<double>(frame.rows * item.k);
    for (const Operand& operand : item.operands) {
      double largest = 0;
      for (int thread = 0; thread < threads; ++thread) {
        const T one = *magnitudes_.of(tape_.values[static_cast<std::size_t>(operand.value)], thread);
        if (!std::isfinite(one)) return std::numeric_limits<double>::infinity();
        largest = std::max(largest, static_cast<double>(one));
      }
      product *= largest;
    }
    bound = std::max(bound, product);
  }
  return bound;
}

template <class T>
void Plan<T>::bind_update(int i, const Update<T>* update) {
  const int value = tape_.outputs[static_cast<std::size_t>(i)];
  for (std::size_t k = 0; k < updates_.size(); ++k)
    if (tape_.first_item(tape_.tail(k)).output == value) updates_[k] = update;
}

// A thread's part of the product of stage k of the tail, as the update of its weight; empty if thread 0 does it all.
template <class T>
Matmul<T> Plan<T>::weight_update(std::size_t k, const Worker<T>& worker, int threads) const {
  const Stage& stage = tape_.tail(k);
  if (worker.thread > 0 && stage.sharing == Sharing::one) return {};
  Matmul<T> whole = calls_.product(stage, worker);
  whole.c = updates_[k]->weight;
  Index row, column;
  return products_.part_of(whole, stage, worker.rows, stage.sharing == Sharing::one ? 1 : threads, worker.thread, &row,
                           &column);
}

// Allocates the scratch that update_weights will need, because that must not fail halfway.
template <class T>
void Plan<T>::foresee_updates(const Worker<T>& worker, int threads) {
  if (stores_all_ || (worker.rows == tape_.max_rows && (threads == 1 || threads == tape_.threads))) return;
  for (std::size_t k = 0; k < updates_.size(); ++k) {
    Matmul<T> part = weight_update(k, worker, threads);
    if (part.m > 0 && part.n > 0) products_.give_scratch(worker, &part);
  }
}

// Plain SGD's step is taken in registers, any other by the rule's kernel.
template <class T>
bool Plan<T>::update_weights(const Frame& frame, UpdateRule rule, Team& team, int thread) {
  const Worker<T> worker = workers_.in_team(frame, team, thread);
  bool small = true;
  for (std::size_t k = 0; k < updates_.size(); ++k) {
    const Update<T>& update = *updates_[k];
    WeightStep<T> step = {&update, kernels_.update[static_cast<int>(rule)], 1, nullptr, 0};
    Matmul<T> part = weight_update(k, worker, team.size());
    part.finish = takes_plain_step(rule, update) ? Finish::update : Finish::step;
    part.eta = update.scalar[0];
    part.decay = update.decay;
    part.step = &step;
    products_.multiply(part, worker, team.size());
    small = small && step.small != 0;
  }
  return small;
}

template <class T>
void Plan<T>::store_all() {
  memory_.store_gradients();
  stores_all_ = true;
}

template <class T>
void Plan<T>::run_tail(const Frame& frame, Team& team, int thread) {
  const Worker<T> worker = workers_.in_team(frame, team, thread);
  for (std::size_t k = 0; k < tape_.tail_size(); ++k) executor_.run_part(tape_.tail(k), worker, team.size());
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
