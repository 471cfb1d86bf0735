#include "plan/plan.h"

#include <algorithm>

#include "base/cpu.h"

namespace fastbp {
namespace {

// A stage is shared between threads when that saves well more than the barriers cost.
constexpr double kWorthSharing = 6000;  // nanoseconds of a stage
constexpr double kWorthATeam = 40000;   // nanoseconds saved per run: a team is woken and waits for its slowest
constexpr Index kUnitsPerThread = 4;    // of the block loop, so that threads end at about the same time
bool always_share = false;

Index rounded(Index bytes) { return (bytes + 127) / 128 * 128; }

int available_threads() { return threads_forbidden() ? 1 : get_num_threads(); }

}  // namespace

void share_always(bool on) { always_share = on; }
bool shares_always() { return always_share; }

template <class T>
Plan<T>::Plan(const Graph& graph, const std::vector<int>& outputs, Parameters& parameters, bool training,
              Index max_rows)
    : max_rows_(std::max<Index>(max_rows, 1)), kernels_(kernels_for<T>()), available_threads_(available_threads()) {
  const Index block_bytes = std::max<Index>(cache_sizes().l2 / 4, 64 * 1024);
  tape_ = build_tape({&graph, outputs, training, max_rows_, static_cast<Index>(sizeof(T)), block_bytes});
  choose_threads();
  allocate_loop();
  place_values(parameters);
  allocate_scratch();
  bound_.reserve(tape_);
}

template <class T>
bool Plan<T>::is_current() const {
  return &kernels_ == &kernels_for<T>() && available_threads_ == available_threads();
}

template <class T>
void Plan<T>::choose_threads() {
  const int available = available_threads_;
  double saved = 0, looped = 0;
  int most = 1;
  for (const Stage& stage : tape_.stages) {
    double cost = stage.fixed_cost + stage.row_cost * static_cast<double>(max_rows_);
    cost_ += cost;
    const int s = static_cast<int>(stage_threads_.size());
    if (s >= tape_.loop_begin && s < tape_.loop_end) {
      looped += cost;
      stage_threads_.push_back(1);
      continue;
    }
    int threads = cost < kWorthSharing ? 1 : static_cast<int>(std::min<double>(available, 1 + cost / kWorthSharing));
    if (always_share) threads = available;
    bool serial = stage.kind == Stage::Kind::first_max || (stage.kind == Stage::Kind::plain && !stage.by_columns);
    if (serial) threads = 1;
    stage_threads_.push_back(threads);
    most = std::max(most, threads);
    saved += cost * (1.0 - 1.0 / threads);
  }
  if (tape_.loop_end > tape_.loop_begin) {
    const Index blocks = (max_rows_ + kRowBlock - 1) / kRowBlock;
    loop_threads_ = static_cast<int>(std::min<Index>(available, blocks));
    if (looped < kWorthSharing && !always_share) loop_threads_ = 1;
    most = std::max(most, loop_threads_);
    saved += looped * (1.0 - 1.0 / loop_threads_);
  }
  threads_ = saved < kWorthATeam && !always_share ? 1 : most;
  if (threads_ == 1) {
    std::fill(stage_threads_.begin(), stage_threads_.end(), 1);
    loop_threads_ = 1;
  }
}

// The memory of the loop over blocks: by thread a block's values and a binary counter; the sums of all units.
template <class T>
void Plan<T>::allocate_loop() {
  if (tape_.loop_end == tape_.loop_begin) return;
  const Index element = static_cast<Index>(sizeof(T));
  const Index most_blocks = (max_rows_ + kRowBlock - 1) / kRowBlock;
  for (counter_slots_ = 2; (Index(1) << (counter_slots_ - 2)) <= most_blocks; ++counter_slots_) {
  }
  tape_.block_arena = rounded(tape_.block_arena * element) / element;
  tape_.block_sums = rounded(tape_.block_sums * element) / element;
  blocks_ = Buffer(static_cast<std::size_t>(tape_.block_arena * element * loop_threads_));
  sums_ = Buffer(static_cast<std::size_t>(tape_.block_sums * element * counter_slots_ * loop_threads_));
  const Index most_units = loop_threads_ == 1 ? 1 : std::min(most_blocks, 2 * kUnitsPerThread * loop_threads_ + 1);
  unit_sums_ = Buffer(static_cast<std::size_t>(tape_.block_sums * element * most_units));
}

// Where every value lies that is not local to a tile or a block. Outputs with rows wait for bind_output.
template <class T>
void Plan<T>::place_values(Parameters& parameters) {
  const Index element = static_cast<Index>(sizeof(T));
  Index constants = 0, outputs = 0;
  for (const auto& values : tape_.constants) constants += rounded(static_cast<Index>(values.size()) * element);
  for (const Value& value : tape_.values)
    if (value.place == Value::Place::output && !value.rows) outputs += rounded(value.width * element);
  arena_ = Buffer(static_cast<std::size_t>(tape_.arena * element));
  constants_ = Buffer(static_cast<std::size_t>(constants));
  own_outputs_ = Buffer(static_cast<std::size_t>(outputs));

  std::vector<T*> constant;
  T* next = constants_.template as<T>();
  for (const auto& values : tape_.constants) {
    constant.push_back(next);
    for (std::size_t i = 0; i < values.size(); ++i) next[i] = static_cast<T>(values[i]);
    next += rounded(static_cast<Index>(values.size()) * element) / element;
  }
  own_.assign(tape_.values.size(), nullptr);
  next = own_outputs_.template as<T>();
  for (std::size_t v = 0; v < tape_.values.size(); ++v) {
    const Value& value = tape_.values[v];
    switch (value.place) {
      case Value::Place::constant: own_[v] = constant[static_cast<std::size_t>(value.storage)]; break;
      case Value::Place::parameter: {
        Parameter& parameter = parameters.at(value.storage);
        if (parameter.size != value.width)
          throw Error(Cause::value, "parameter '" + parameter.name + "' has " + std::to_string(parameter.size) +
                                        " elements, the graph's has " + std::to_string(value.width));
        own_[v] = parameter.data.template as<T>();
        break;
      }
      case Value::Place::input:
      case Value::Place::arena: own_[v] = value.in_block ? nullptr : arena_.template as<T>() + value.offset; break;
      case Value::Place::output:
        if (value.rows) break;
        own_[v] = next;
        next += rounded(value.width * element) / element;
        break;
      default: break;
    }
  }
  data_ = own_;
}

// What programs, products and first_max work with; by thread, but for the last, which runs on one.
template <class T>
void Plan<T>::allocate_scratch() {
  const Index element = static_cast<Index>(sizeof(T));
  program_scratch_ = rounded(tape_.scratch * element) / element;
  programs_ = Buffer(static_cast<std::size_t>(program_scratch_ * element * threads_));
  for (const Item& item : tape_.items) {
    if (item.kind != Item::Kind::first_max) continue;
    Index groups = item.reduced[0] || !tape_.values[static_cast<std::size_t>(item.output)].rows ? 1 : max_rows_;
    for (std::size_t axis = 0; axis < item.dims.size(); ++axis)
      if (!item.reduced[axis + 1]) groups *= item.dims[axis];
    first_max_.resize(std::max(first_max_.size(), static_cast<std::size_t>(groups)));
  }
  for (std::size_t s = 0; s < tape_.stages.size(); ++s) {
    const Stage& stage = tape_.stages[s];
    if (stage.kind != Stage::Kind::product && stage.kind != Stage::Kind::product_rows) continue;
    const bool looped = static_cast<int>(s) >= tape_.loop_begin && static_cast<int>(s) < tape_.loop_end;
    Matmul<T> whole = matmul_of(tape_.items[stage.items.front()], looped ? kRowBlock : max_rows_);
    for (int threads : {1, stage_threads_[s]})
      for (int thread = 0; thread < threads; ++thread) {
        Index row, column;
        Matmul<T> part = share_of(whole, threads, thread, &row, &column);
        product_scratch_ = std::max(product_scratch_, rounded(kernels_.matmul_scratch(&part)));
      }
  }
  products_ = Buffer(static_cast<std::size_t>(product_scratch_ * threads_));
}

template <class T>
bool Plan<T>::mixes_rows() const {
  return std::any_of(tape_.items.begin(), tape_.items.end(), [](const Item& item) {
    return item.kind == Item::Kind::over_rows || item.kind == Item::Kind::product_rows || item.count_rows ||
           (item.kind == Item::Kind::first_max && item.reduced[0]);
  });
}

// A product that writes in place of its epilogue's result follows it when it is bound.
template <class T>
void Plan<T>::rebind_shared(int value) {
  const Value& bound = tape_.values[static_cast<std::size_t>(value)];
  for (std::size_t v = 0; v < tape_.values.size(); ++v)
    if (tape_.values[v].place == Value::Place::output && tape_.values[v].storage == bound.storage)
      data_[v] = data_[static_cast<std::size_t>(value)];
}

template <class T>
Matmul<T> Plan<T>::matmul_of(const Item& item, Index rows) const {
  const Value& a = tape_.values[static_cast<std::size_t>(item.operands[0].value)];
  Matmul<T> p{};
  p.n = item.n;
  p.c_row = item.n;
  if (item.kind == Item::Kind::product_rows) {
    p.m = item.m;
    p.k = item.k * rows;
    p.a_row = 1;
    p.a_col = item.m;
    p.b_row = item.n;
    p.b_col = 1;
    p.over_rows = 1;
    return p;
  }
  p.m = a.rows ? item.m * rows : item.m;
  p.k = item.k;
  p.a_row = item.transpose_a ? 1 : item.k;
  p.a_col = item.transpose_a ? item.m : 1;
  p.b_row = item.transpose_b ? 1 : item.n;
  p.b_col = item.transpose_b ? item.k : 1;
  return p;
}

// Blocks of the loop that one thread adds up by itself: a power of two, so that its sum is a node of rule 2's tree.
template <class T>
Index Plan<T>::unit_of(Index blocks, int threads) const {
  Index unit = 1;
  while (threads == 1 ? unit < blocks : 2 * unit * kUnitsPerThread * threads <= blocks) unit *= 2;
  return unit;
}

// A thread's part of a product: columns where they are many (each thread packs its own part of b), else rows.
// A part begins at a multiple of 8 columns: an epilogue's dropout needs it.
template <class T>
Matmul<T> Plan<T>::share_of(Matmul<T> whole, int threads, int thread, Index* row, Index* column) const {
  *row = *column = 0;
  if (threads == 1) return whole;
  bool columns = whole.n >= 2 * threads * kernels_.tile_cols && whole.m < 4 * whole.n;
  if (columns) {
    Share part = share(whole.n, threads, thread, std::max<Index>(kernels_.tile_cols, 8));
    *column = part.begin;
    whole.n = part.end - part.begin;
  } else {
    Share part = share(whole.m, threads, thread, kernels_.tile_rows);
    *row = part.begin;
    whole.m = part.end - part.begin;
  }
  if (whole.c != nullptr) {
    whole.a += *row * whole.a_row;
    whole.b += *column * whole.b_col;
    whole.c += *row * whole.c_row + *column;
  }
  return whole;
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
