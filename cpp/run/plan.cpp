#include "run/plan.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/memory.h"
#include "run/layout.h"

namespace fastbp {
namespace {

// Units of the block loop per thread. With many units all threads end at about the same time; but a thread that looks
// for unclaimed units scans all of them, and each unit needs memory for its sums. Hence fewer with many threads or
// large sums.
constexpr Index kMostUnits = 16, kFewestUnits = 4, kUnitsOfMany = 64;
constexpr Index kUnitSumBytes = 512 * 1024;  // memory aimed at for all units' sums; there may be twice as many units

}  // namespace

template <class T>
Tape Plan<T>::tape_of(const Graph& graph, const std::vector<int>& outputs, bool training, Index max_rows, int threads,
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

template <class T>
Plan<T>::Plan(const Graph& graph, const std::vector<int>& outputs, Parameters& parameters, bool training,
              Index max_rows, const Augmentation& augmentation, const StepsInProducts& steps)
    : kernels_(kernels_for<T>()),
      tape_(tape_of(graph, outputs, training, max_rows, conditions_.threads(), augmentation, steps)),
      memory_(tape_, parameters),
      magnitudes_(tape_),
      inputs_(tape_, kernels_, memory_, magnitudes_, augmentation),
      products_(tape_, kernels_),
      workers_(tape_),
      calls_(tape_, kernels_, memory_, magnitudes_, inputs_, products_),
      executor_(tape_, kernels_, memory_, calls_, products_),
      recorder_(tape_, kernels_, memory_, inputs_, products_, calls_, executor_),
      weight_steps_(tape_, kernels_, memory_, magnitudes_, products_, calls_, executor_) {
  allocate_loop();
}

// Memory of the block loop: for each thread a block's values and a binary counter; for each unit its sums.
template <class T>
void Plan<T>::allocate_loop() {
  if (!tape_.has_loop()) return;
  const Index element = static_cast<Index>(sizeof(T));
  const Index most_blocks = (tape_.max_rows + kRowBlock - 1) / kRowBlock;
  for (counter_slots_ = 2; (Index(1) << (counter_slots_ - 2)) <= most_blocks; ++counter_slots_) {
  }
  loop_threads_ = tape_.loop_threads();
  block_step_ = apart(tape_.block_arena * element, loop_threads_) / element;
  counter_ = apart(product_of({tape_.block_sums, counter_slots_, element}), loop_threads_) / element;
  blocks_ = Buffer(bytes_of({block_step_, element, loop_threads_}));
  sums_ = Buffer(bytes_of({counter_, element, loop_threads_}));
  const Index bytes =
      std::max<Index>(product_of({tape_.block_sums, element, loop_threads_}), 1);  // one unit of each thread
  const Index wanted = std::min(kMostUnits, kUnitsOfMany / loop_threads_);
  units_per_thread_ = std::clamp(kUnitSumBytes / bytes, kFewestUnits, std::max(wanted, kFewestUnits));
  const Index most_units = loop_threads_ == 1 ? 1 : std::min(most_blocks, 2 * units_per_thread_ * loop_threads_ + 1);
  begun_ = std::vector<std::atomic<Index>>(static_cast<std::size_t>(most_units));
  unit_sums_ = Buffer(bytes_of({tape_.block_sums, element, most_units}));
}

template <class T>
void Plan<T>::begin(const Frame& frame) {
  ++runs_;
  inputs_.begin(frame);
  if (tape_.lead_end == 0) return;
  const Worker<T> worker = workers_.of(frame, 0);
  for (int s = 0; s < tape_.lead_end; ++s) executor_.run_stage(tape_.stages[static_cast<std::size_t>(s)], worker, 1);
}

template <class T>
void Plan<T>::run(const Frame& frame, Team& team, int thread) {
  inputs_.gather(frame, team.size(), thread);
  Worker<T> worker = workers_.in_team(frame, team, thread);
  weight_steps_.foresee(worker, team.size());
  const Share next = share(frame.rows, team.size(), thread, 1);
  inputs_.choose_ahead(worker, frame.rows + next.begin, frame.rows + next.end);
  const bool has_loop = tape_.has_loop();
  Recording<T>* recording = team.size() == 1 && !has_loop && frame.rows > 0 ? recorder_.of(0, frame.rows) : nullptr;
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
      run_loop(frame, std::min(loop_threads_, team.size()), team, thread);
      s = tape_.loop_end - 1;
    } else {
      executor_.run_part(stage, worker, team.size());
    }
  }
  team.barrier(thread);
}

template <class T>
bool Plan<T>::mixes_rows() const {
  return std::any_of(tape_.items.begin(), tape_.items.end(), [](const Item& item) {
    return item.kind == Item::Kind::over_rows || item.kind == Item::Kind::product_rows || item.count_rows ||
           (item.kind == Item::Kind::first_max && item.reduced[0]);
  });
}

// The number of blocks in a unit: a power of two, so that a unit's sum is a node of rule 2's tree.
template <class T>
Index Plan<T>::unit_of(Index blocks, int threads) const {
  Index unit = 1;
  while (threads == 1 ? unit < blocks : 2 * unit * units_per_thread_ * threads <= blocks) unit *= 2;
  return unit;
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
