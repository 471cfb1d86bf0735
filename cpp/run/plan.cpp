#include "run/plan.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/share.h"

namespace fastbp {
namespace {

// The tape for these kernels, on this machine.
template <class T>
Tape tape_of(const Graph& graph, const std::vector<int>& outputs, bool training, Index max_rows, int threads,
             const Augmentation& augmentation, const StepsInProducts& steps) {
  TapeRequest request;
  request.graph = &graph;
  request.outputs = outputs;
  request.training = training;
  request.max_rows = std::max<Index>(max_rows, 1);
  request.element_bytes = static_cast<Index>(sizeof(T));
  request.block_bytes = std::max<Index>(cache_sizes().l2 / 4, 64 * 1024);
  request.threads = threads;
  request.column_unit = std::max<Index>(kernels_for<T>().tile_cols, 8);
  request.gather_cost = augmentation.row_cost();
  request.team = team_choice();
  request.steps = steps;
  return build_tape(request);
}

}  // namespace

template <class T>
Plan<T>::Plan(const Graph& graph, const std::vector<int>& outputs, Parameters& parameters, bool training,
              Index max_rows, const Augmentation& augmentation, const StepsInProducts& steps)
    : kernels_(kernels_for<T>()),
      tape_(tape_of<T>(graph, outputs, training, max_rows, conditions_.threads(), augmentation, steps)),
      memory_(tape_, parameters),
      magnitudes_(tape_),
      inputs_(tape_, kernels_, memory_, magnitudes_, augmentation),
      products_(tape_, kernels_),
      workers_(tape_),
      calls_(tape_, kernels_, memory_, magnitudes_, inputs_, products_),
      executor_(tape_, kernels_, memory_, calls_, products_),
      recorder_(tape_, kernels_, memory_, inputs_, products_, calls_, executor_),
      weight_steps_(tape_, kernels_, memory_, magnitudes_, products_, calls_, executor_),
      block_loop_(tape_, kernels_, memory_, inputs_, workers_, executor_, recorder_) {
  // None of this is touched yet: each buffer was asked for as if it were the only one.
  require_memory(memory_.bytes() + magnitudes_.bytes() + products_.bytes() + workers_.bytes() + block_loop_.bytes());
}

template <class T>
void Plan<T>::begin(const Frame& frame) {
  block_loop_.begin_run();
  inputs_.begin(frame);
  if (tape_.lead_end == 0) return;
  const Worker<T> worker = workers_.of(frame, 0);
  for (int s = 0; s < tape_.lead_end; ++s) executor_.run_stage(tape_.stages[static_cast<std::size_t>(s)], worker, 1);
}

template <class T>
void Plan<T>::run(const Frame& frame, Team& team, int thread) {
  inputs_.gather(frame, team.size(), thread);
  const Worker<T> worker = workers_.in_team(frame, team, thread);
  weight_steps_.foresee(worker, team.size());
  const Share next = share(frame.rows, team.size(), thread, 1);
  inputs_.choose_ahead(worker, frame.rows + next.begin, frame.rows + next.end);
  const bool repeats = team.size() == 1 && !tape_.has_loop() && frame.rows > 0;
  Recording<T>* const recording = repeats ? recorder_.of(0, frame.rows) : nullptr;
  if (recording != nullptr) {
    recorder_.run(*recording, worker, tape_.lead_end, tape_.tail_begin);
    if (stores_all()) weight_steps_.run_stored(worker, 1);
    return;
  }
  const int end = stores_all() ? static_cast<int>(tape_.stages.size()) : tape_.tail_begin;
  for (int s = tape_.lead_end; s < end; ++s) {
    const Stage& stage = tape_.stages[static_cast<std::size_t>(s)];
    if (tape_.barriers[static_cast<std::size_t>(s)]) team.barrier(thread);
    if (s == tape_.loop_begin && s < tape_.loop_end) {
      block_loop_.run(frame, team, thread);
      s = tape_.loop_end - 1;
    } else {
      executor_.run_part(stage, worker, team.size());
    }
  }
  team.barrier(thread);
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
