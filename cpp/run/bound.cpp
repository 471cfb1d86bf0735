// Binds stages for one thread: records the kernel calls of small stages, with their arguments, for later runs.
#include "run/plan.h"

namespace fastbp {
namespace {

// The epilogue of a larger product runs strip by strip, while the strips are in L1; such a stage is not bound.
constexpr Index kEpilogueBytes = 16 * 1024;

}  // namespace

// Runs stages begin .. end - 1 on the worker's rows by bound calls; binds them first if there are none yet.
template <class T>
void Plan<T>::run_bound(const Worker<T>& worker, int begin, int end) {
  const Frame& frame = *worker.frame;
  Bound<T>& bound = *worker.bound;
  if (bound.rows == 0) bind(worker, begin, end);
  for (const auto& pointer : bound.pointers)
    *pointer.at = memory_.row_of(pointer.value, worker, worker.row) + pointer.offset;
  for (const auto& listed : bound.lists) *listed.rows = inputs_.listed_rows(listed.value, worker.thread);
  for (const auto& counted : bound.dropouts) calls_.count(*counted.item, frame, worker.row + counted.row, counted.call);
  for (const auto& call : bound.calls)
    std::visit(
        [&](const auto& one) {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, UnboundStage>)
            executor_.run_stage(*one.stage, worker, 1);
          else
            one.kernel(&one.call);
        },
        call);
}

template <class T>
void Plan<T>::bind(const Worker<T>& worker, int begin, int end) {
  Bound<T>& bound = *worker.bound;
  for (int s = begin; s < end; ++s) {
    const Stage& stage = tape_.stages[static_cast<std::size_t>(s)];
    const std::size_t calls = bound.calls.size(), pointers = bound.pointers.size();
    const std::size_t lists = bound.lists.size(), dropouts = bound.dropouts.size();
    if (bind_stage(stage, worker)) continue;
    bound.calls.resize(calls);
    bound.pointers.resize(pointers);
    bound.lists.resize(lists);
    bound.dropouts.resize(dropouts);
    bound.calls.push_back(UnboundStage{&stage});
  }
  bound.rows = worker.frame->rows;
}

// Returns whether the stage could be bound; if not, the caller must remove the partly added calls.
template <class T>
bool Plan<T>::bind_stage(const Stage& stage, const Worker<T>& worker) {
  switch (stage.kind) {
    case Stage::Kind::row: return bind_program(stage, 0, worker, Region{worker.row, worker.rows, 0, -1});
    case Stage::Kind::plain:
      return bind_program(stage, 0, worker, Region{0, 1, 0, stage.by_columns ? stage.width : -1});
    case Stage::Kind::product:
    case Stage::Kind::product_rows: {
      const Item& item = tape_.first_item(stage);
      Matmul<T> product = calls_.product(stage, worker);
      if (product.m == 0 || product.n == 0) return true;
      if (stage.items.size() > 1 && product.m * product.n * static_cast<Index>(sizeof(T)) > kEpilogueBytes)
        return false;
      if (worker.rows != tape_.max_rows && !products_.has_scratch_for(product, worker)) return false;
      if (!inputs_.may_be_listed(item.operands[0].value)) kernels_.matmul_prepare(&product);
      auto& bound = add_call(worker, kernels_.matmul, product);
      move_with(item.operands[0].value, worker, &bound.a);
      if (inputs_.may_be_listed(item.operands[0].value))
        worker.bound->lists.push_back({&bound.listed, item.operands[0].value});
      move_with(item.operands[1].value, worker, &bound.b);
      move_with(item.output, worker, &bound.c);
      if (item.finish != Finish::none) move_with(item.operands[2].value, worker, &bound.beside);
      return bind_program(stage, 1, worker, Region{worker.row, product.m, 0, product.n});
    }
    case Stage::Kind::over_rows:
      for (int i : stage.items) {
        const Item& item = tape_.items[static_cast<std::size_t>(i)];
        if (item.operands[0].row_stride == 0) continue;
        auto& bound = add_call(worker, calls_.over_rows_kernel(item.op),
                               calls_.over_rows(item, worker, Share{0, item.operands[0].row_stride}));
        move_with(item.operands[0].value, worker, &bound.in);
        move_with(item.output, worker, &bound.out);
      }
      return true;
    case Stage::Kind::first_max: return false;
  }
  return false;
}

template <class T>
bool Plan<T>::bind_program(const Stage& stage, std::size_t first_item, const Worker<T>& worker, const Region& region) {
  if (first_item == stage.items.size() && stage.measured.empty()) return true;
  std::size_t tiles = 0;
  bool all = true;
  for_tiles(stage, region, [&](const Region& tile) {
    all = all && ++tiles <= Bound<T>::kMostTiles;
    for (std::size_t k = first_item; all && k < stage.items.size(); ++k)
      all = bind_item(stage, tape_.items[static_cast<std::size_t>(stage.items[k])], worker, tile);
    if (all)
      for (int value : stage.measured)
        move_with(value, worker,
                  &add_call(worker, kernels_.magnitude, calls_.magnitude(stage, value, worker, tile)).in);
  });
  return all;
}

template <class T>
bool Plan<T>::bind_item(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) {
  const auto move_operands = [&](auto& call) {
    for (std::size_t k = 0; k < item.operands.size(); ++k) move_with(item.operands[k].value, worker, &call.in[k]);
    move_with(item.output, worker, &call.out);
  };
  switch (item.kind) {
    case Item::Kind::map:
      move_operands(add_call(worker, calls_.map_kernel(item.op), calls_.map(stage, item, worker, tile)));
      return true;
    case Item::Kind::row:
      if (item.lead > 0)
        move_operands(add_call(worker, calls_.row_kernel(item.op), calls_.row(stage, item, worker, tile)));
      return true;
    case Item::Kind::dropout: {
      auto& call = add_call(worker, kernels_.dropout, calls_.dropout(stage, item, worker, tile));
      move_with(item.operands[0].value, worker, &call.in);
      move_with(item.output, worker, &call.out);
      worker.bound->dropouts.push_back({&call, &item, tile.row - worker.row});
      return true;
    }
    default: return false;
  }
}

template <class T>
template <class Call>
Call& Plan<T>::add_call(const Worker<T>& worker, void (*kernel)(const Call*), const Call& call) {
  return std::get<BoundCall<Call>>(worker.bound->calls.emplace_back(BoundCall<Call>{kernel, call})).call;
}

// Registers the pointer to be set in every run, if the value's address may change: the caller's inputs and outputs and,
// in the loop, a block's sums.
template <class T>
template <class Pointer>
void Plan<T>::move_with(int value, const Worker<T>& worker, Pointer* pointer) {
  const Value& v = tape_.values[static_cast<std::size_t>(value)];
  const bool callers = v.place == Value::Place::input || v.place == Value::Place::output;
  if (!callers && v.sum_offset < 0) return;
  const T** at = const_cast<const T**>(pointer);
  worker.bound->pointers.push_back({at, value, *at - memory_.row_of(value, worker, worker.row)});
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
