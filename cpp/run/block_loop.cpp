// The block loop: runs all stages on one block of rows, then on the next, and adds up sums over rows by rule 2.
#include <algorithm>
#include <cstring>

#include "base/binary_counter.h"
#include "run/plan.h"

namespace fastbp {
namespace {

// sum = earlier + sum, elementwise.
template <class T>
void add_earlier(const Kernels<T>& kernels, const T* earlier, T* sum, Index n) {
  Map<T> map{};
  map.rows = 1;
  map.cols = n;
  map.out = sum;
  map.in[0] = earlier;
  map.in[1] = sum;
  map.out_row = map.row_stride[0] = map.row_stride[1] = n;
  map.col_stride[0] = map.col_stride[1] = 1;
  kernels.map[static_cast<int>(MapOp::add)](&map);
}

}  // namespace

// Every thread runs whole units: first its own, then units that others have not begun (work stealing), because a thread
// may come late or be slower. Then the threads combine the units' sums. Ends without a barrier.
template <class T>
void Plan<T>::run_loop(const Frame& frame, int threads, Team& team, int thread) {
  const Index blocks = (frame.rows + kRowBlock - 1) / kRowBlock;
  const Index unit = unit_of(blocks, threads), units = (blocks + unit - 1) / unit;
  if (thread < threads) {
    Worker<T> worker = workers_.of(frame, thread);
    Recording<T>* const recording = recorder_.of(thread, frame.rows);
    worker.block = blocks_.template as<T>() + block_step_ * thread;
    const Share mine = share(units, threads, thread, 1);
    const Index next_run = frame.rows + mine.begin * unit * kRowBlock;
    for (Index u = mine.begin; u < mine.end; ++u) {
      const Index end = std::min((u + 1) * unit, blocks);
      if (threads == 1 || claim(u))
        run_unit(worker, recording, u, u * unit, end, u + 1 < mine.end ? end * kRowBlock : next_run);
    }
    for (Index u = threads > 1 ? units : 0; u-- > 0;)
      if (team.helps_with(u) && claim(u))
        run_unit(worker, recording, u, u * unit, std::min((u + 1) * unit, blocks), next_run);
  }
  if (tape_.block_sums == 0) return;
  team.barrier(thread);
  combine_units(blocks, unit, team.size(), thread);
}

// Claims the unit for the caller; returns false if it was already begun in this run.
template <class T>
bool Plan<T>::claim(Index unit) {
  std::atomic<Index>& run = begun_[static_cast<std::size_t>(unit)];
  return run.load(std::memory_order_relaxed) != runs_ && run.exchange(runs_, std::memory_order_relaxed) != runs_;
}

// Runs blocks begin .. end - 1 and adds up their sums over rows. next: the row with which the thread will go on.
template <class T>
void Plan<T>::run_unit(Worker<T>& worker, Recording<T>* recording, Index unit, Index begin, Index end, Index next) {
  T* const sums = sums_.template as<T>() + counter_ * worker.thread;
  T* free[BinaryCounter<T*>::kLevels + 2];
  int free_sums = 0;
  while (free_sums < counter_slots_) {
    free[free_sums] = sums + tape_.block_sums * free_sums;
    ++free_sums;
  }
  BinaryCounter<T*> counter;
  const auto add = [&](T* earlier, T* sum) {
    add_earlier(kernels_, earlier, sum, tape_.block_sums);
    free[free_sums++] = earlier;
    return sum;
  };
  for (Index b = begin; b < end; ++b) {
    const Index ahead = b + 1 < end ? (b + 1) * kRowBlock : next;
    inputs_.choose_ahead(worker, ahead, ahead + kRowBlock);
    if (tape_.block_sums > 0) worker.sums = free[--free_sums];
    run_block(worker, recording, b);
    if (tape_.block_sums > 0) counter.push(worker.sums, add);
  }
  if (tape_.block_sums > 0)
    std::memcpy(unit_sums_.template as<T>() + tape_.block_sums * unit, counter.total(add),
                static_cast<std::size_t>(tape_.block_sums) * sizeof(T));
}

template <class T>
void Plan<T>::run_block(Worker<T>& worker, Recording<T>* recording, Index block) {
  const Frame& frame = *worker.frame;
  worker.row = block * kRowBlock;
  worker.rows = std::min(kRowBlock, frame.rows - worker.row);
  inputs_.gather_block(worker);
  if (recording != nullptr && worker.rows == kRowBlock) {
    recorder_.run(*recording, worker, tape_.loop_begin, tape_.loop_end);
  } else {
    for (int s = tape_.loop_begin; s < tape_.loop_end; ++s)
      executor_.run_stage(tape_.stages[static_cast<std::size_t>(s)], worker, 1);
  }
}

// Adds up the units' sums by rule 2's binary counter. Every unit has 2^l blocks, except that the last may have fewer;
// the last unit's sum then ranks below every level of the others.
template <class T>
void Plan<T>::combine_units(Index blocks, Index unit, int threads, int thread) {
  const Index whole = blocks / unit;
  for (std::size_t v = 0; v < tape_.values.size(); ++v) {
    const Value& value = tape_.values[v];
    if (value.sum_offset < 0) continue;
    Share part = share(value.width, threads, thread, 1024);
    const Index n = part.end - part.begin;
    if (n == 0) continue;
    T* out = memory_.whole(static_cast<int>(v)) + part.begin;
    if (blocks == 0) {
      std::fill(out, out + n, T(0));
      continue;
    }
    auto unit_sum = [&](Index u) {
      return unit_sums_.template as<T>() + tape_.block_sums * u + value.sum_offset + part.begin;
    };
    const auto add = [&](T* earlier, T* sum) {
      add_earlier(kernels_, earlier, sum, n);
      return sum;
    };
    BinaryCounter<T*> counter;
    for (Index u = 0; u < whole; ++u) counter.push(unit_sum(u), add);
    const bool has_rest = whole * unit < blocks;
    const T* total = has_rest ? counter.total(unit_sum(whole), add) : counter.total(add);
    std::memcpy(out, total, static_cast<std::size_t>(n) * sizeof(T));
  }
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
