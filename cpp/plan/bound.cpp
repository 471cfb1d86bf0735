// Binding a tape for one thread: the kernels of small stages are called with what was worked out once.
#include "plan/worker.h"

namespace fastbp {
namespace {

// A larger product calls its epilogue strip by strip, while the strips are in L1.
constexpr Index kEpilogueBytes = 16 * 1024;

}  // namespace

// Whether the run is done: on one thread, for a number of rows that is bound or worth it.
template <class T>
bool Plan<T>::run_bound(const Frame& frame) {
  if (tape_.loop_end > tape_.loop_begin || frame.rows == 0) return false;
  if (frame.rows != bound_.rows) {
    // The short batch at the end of an epoch does not disturb what the others are bound to.
    const bool again = frame.rows == max_rows_ || frame.rows == bound_.last_rows || bound_.rows == 0;
    bound_.last_rows = frame.rows;
    if (!again) return false;
    bind(frame);
  }
  for (const auto& pointer : bound_.pointers)
    *pointer.at = data_[static_cast<std::size_t>(pointer.value)] + pointer.offset;
  for (const auto& counted : bound_.dropouts) count_dropout(*counted.item, frame, counted.row, counted.call);
  for (const auto& call : bound_.calls)
    std::visit(
        [&](const auto& bound) {
          if constexpr (std::is_same_v<std::decay_t<decltype(bound)>, UnboundStage>)
            run_stage(*bound.stage, worker_of(frame, 0), 1);
          else
            bound.kernel(&bound.call);
        },
        call);
  return true;
}

template <class T>
void Plan<T>::bind(const Frame& frame) {
  bound_.clear();
  bound_.rows = 0;
  const Worker worker = worker_of(frame, 0);
  for (const Stage& stage : tape_.stages) {
    const std::size_t calls = bound_.calls.size(), pointers = bound_.pointers.size();
    const std::size_t dropouts = bound_.dropouts.size();
    if (bind_stage(stage, worker)) continue;
    bound_.calls.resize(calls);
    bound_.pointers.resize(pointers);
    bound_.dropouts.resize(dropouts);
    bound_.calls.push_back(UnboundStage{&stage});
  }
  bound_.rows = frame.rows;
}

// Whether the stage could be bound; if not, what is there of it is the caller's to take away.
template <class T>
bool Plan<T>::bind_stage(const Stage& stage, const Worker& worker) {
  switch (stage.kind) {
    case Stage::Kind::row: return bind_program(stage, 0, worker, Region{0, worker.rows, 0, -1});
    case Stage::Kind::plain:
      return bind_program(stage, 0, worker, Region{0, 1, 0, stage.by_columns ? stage.width : -1});
    case Stage::Kind::product:
    case Stage::Kind::product_rows: {
      const Item& item = tape_.items[static_cast<std::size_t>(stage.items.front())];
      Matmul<T> product = product_call(item, worker);
      if (product.m == 0 || product.n == 0) return true;
      if (stage.items.size() > 1 && product.m * product.n * static_cast<Index>(sizeof(T)) > kEpilogueBytes)
        return false;
      if (worker.rows != max_rows_) check_scratch(product);
      auto& bound = add_call(kernels_.matmul, product);
      move_with(item.operands[0].value, &bound.a);
      move_with(item.operands[1].value, &bound.b);
      move_with(item.output, &bound.c);
      return bind_program(stage, 1, worker, Region{0, product.m, 0, product.n});
    }
    case Stage::Kind::over_rows:
      for (int i : stage.items) {
        const Item& item = tape_.items[static_cast<std::size_t>(i)];
        if (item.operands[0].row_stride == 0) continue;
        auto& bound = add_call(item.op == Op::sum ? kernels_.sum_over_rows : kernels_.max_over_rows,
                               over_rows_call(item, worker, Share{0, item.operands[0].row_stride}));
        move_with(item.operands[0].value, &bound.in);
        move_with(item.output, &bound.out);
      }
      return true;
    case Stage::Kind::first_max: return false;
  }
  return false;
}

template <class T>
bool Plan<T>::bind_program(const Stage& stage, std::size_t first_item, const Worker& worker, const Region& region) {
  if (first_item == stage.items.size()) return true;
  std::size_t tiles = 0;
  bool all = true;
  for_tiles(stage, region, [&](const Region& tile) {
    all = all && ++tiles <= Bound<T>::kMostTiles;
    for (std::size_t k = first_item; all && k < stage.items.size(); ++k)
      all = bind_item(stage, tape_.items[static_cast<std::size_t>(stage.items[k])], worker, tile);
  });
  return all;
}

template <class T>
bool Plan<T>::bind_item(const Stage& stage, const Item& item, const Worker& worker, const Region& tile) {
  const auto move_operands = [&](auto& call) {
    for (std::size_t k = 0; k < item.operands.size(); ++k) move_with(item.operands[k].value, &call.in[k]);
    move_with(item.output, &call.out);
  };
  switch (item.kind) {
    case Item::Kind::map:
      move_operands(add_call(kernels_.map[static_cast<int>(map_op(item.op))], map_call(stage, item, worker, tile)));
      return true;
    case Item::Kind::row:
      if (item.lead > 0) move_operands(add_call(row_kernel(item.op), row_call(stage, item, worker, tile)));
      return true;
    case Item::Kind::dropout: {
      auto& call = add_call(kernels_.dropout, dropout_call(stage, item, worker, tile));
      move_with(item.operands[0].value, &call.in);
      move_with(item.output, &call.out);
      bound_.dropouts.push_back({&call, &item, tile.row});
      return true;
    }
    default: return false;
  }
}

template <class T>
template <class Call>
Call& Plan<T>::add_call(void (*kernel)(const Call*), const Call& call) {
  return std::get<BoundCall<Call>>(bound_.calls.emplace_back(BoundCall<Call>{kernel, call})).call;
}

// The pointer follows the value where it may move: the caller's data, and results that he wants somewhere.
template <class T>
template <class Pointer>
void Plan<T>::move_with(int value, Pointer* pointer) {
  const Value::Place place = tape_.values[static_cast<std::size_t>(value)].place;
  if (place != Value::Place::input && place != Value::Place::output) return;
  const T** at = const_cast<const T**>(pointer);
  bound_.pointers.push_back({at, value, *at - data_[static_cast<std::size_t>(value)]});
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
