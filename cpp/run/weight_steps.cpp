#include "run/weight_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fastbp {

template <class T>
WeightSteps<T>::WeightSteps(const Tape& tape, const Kernels<T>& kernels, Memory<T>& memory,
                            const Magnitudes<T>& magnitudes, Products<T>& products, const Calls<T>& calls,
                            Executor<T>& executor)
    : tape_(tape),
      kernels_(kernels),
      memory_(memory),
      magnitudes_(magnitudes),
      products_(products),
      calls_(calls),
      executor_(executor),
      updates_(tape.tail_size()),
      stores_all_(tape.tail_size() == 0) {}

// Roundings can exceed the bound a little; the caller's limit is far enough below the largest number to allow for that.
template <class T>
double WeightSteps<T>::bound(const Frame& frame, int threads) const {
  double largest_of_all = 0;
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
    largest_of_all = std::max(largest_of_all, product);
  }
  return largest_of_all;
}

template <class T>
void WeightSteps<T>::bind(int i, const Update<T>* update) {
  const int value = tape_.outputs[static_cast<std::size_t>(i)];
  for (std::size_t k = 0; k < updates_.size(); ++k)
    if (tape_.first_item(tape_.tail(k)).output == value) updates_[k] = update;
}

// A thread's part of the product of stage k of the tail, as the update of its weight; empty if thread 0 does it all.
template <class T>
Matmul<T> WeightSteps<T>::part_of(std::size_t k, const Worker<T>& worker, int threads) const {
  const Stage& stage = tape_.tail(k);
  if (worker.thread > 0 && stage.sharing == Sharing::one) return {};
  Matmul<T> whole = calls_.product(stage, worker);
  whole.c = updates_[k]->weight;
  Index row, column;
  return products_.part_of(whole, stage, worker.rows, stage.sharing == Sharing::one ? 1 : threads, worker.thread, &row,
                           &column);
}

template <class T>
void WeightSteps<T>::foresee(const Worker<T>& worker, int threads) {
  if (stores_all_ || (worker.rows == tape_.max_rows && (threads == 1 || threads == tape_.threads))) return;
  for (std::size_t k = 0; k < updates_.size(); ++k) {
    Matmul<T> part = part_of(k, worker, threads);
    if (part.m > 0 && part.n > 0) products_.give_scratch(worker, &part);
  }
}

// Plain SGD's step is taken in registers, any other by the rule's kernel.
template <class T>
bool WeightSteps<T>::take(UpdateRule rule, const Worker<T>& worker, int threads) {
  bool small = true;
  for (std::size_t k = 0; k < updates_.size(); ++k) {
    const Update<T>& update = *updates_[k];
    WeightStep<T> step = {&update, kernels_.update[static_cast<int>(rule)], 1, nullptr, 0};
    Matmul<T> part = part_of(k, worker, threads);
    part.finish = takes_plain_step(rule, update) ? Finish::update : Finish::step;
    part.eta = update.scalar[0];
    part.decay = update.decay;
    part.step = &step;
    products_.multiply(part, worker, threads);
    small = small && step.small != 0;
  }
  return small;
}

template <class T>
void WeightSteps<T>::store_all() {
  memory_.store_gradients();
  stores_all_ = true;
}

template <class T>
void WeightSteps<T>::run_stored(const Worker<T>& worker, int threads) {
  for (std::size_t k = 0; k < tape_.tail_size(); ++k) executor_.run_part(tape_.tail(k), worker, threads);
}

template class WeightSteps<float>;
template class WeightSteps<double>;

}  // namespace fastbp
