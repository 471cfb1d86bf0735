#include "run/recorder.h"

namespace fastbp {
namespace {

// The epilogue of a larger product runs strip by strip, while the strips are in L1; such a stage is not recorded.
constexpr Index kEpilogueBytes = 16 * 1024;

}  // namespace

template <class T>
Recorder<T>::Recorder(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, const InputRows<T>& inputs,
                      const Products<T>& products, const Calls<T>& calls, Executor<T>& executor)
    : tape_(tape),
      kernels_(kernels),
      memory_(memory),
      inputs_(inputs),
      products_(products),
      calls_(calls),
      executor_(executor),
      recordings_(static_cast<std::size_t>(tape.loop_threads())) {
  for (Recording<T>& recording : recordings_) recording.reserve(tape_);
}

template <class T>
void Recorder<T>::run(Recording<T>& recording, const Worker<T>& worker, int begin, int end) {
  const Frame& frame = *worker.frame;
  const Memory<T>& memory = memory_;  // a local name: the calls below write through pointers that could be anything's
  if (recording.rows == 0) record(recording, worker, begin, end);
  for (const auto& pointer : recording.pointers)
    *pointer.at = memory.row_of(pointer.value, worker, worker.row) + pointer.offset;
  for (const auto& listed : recording.lists) *listed.rows = inputs_.listed_rows(listed.value, worker.thread);
  for (const auto& counted : recording.dropouts)
    calls_.count(*counted.item, frame, worker.row + counted.row, counted.call);
  for (const auto& call : recording.calls)
    std::visit(
        [&](const auto& one) {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, UnrecordedStage>)
            executor_.run_stage(*one.stage, worker, 1);
          else
            one.kernel(&one.call);
        },
        call);
}

template <class T>
void Recorder<T>::record(Recording<T>& to, const Worker<T>& worker, int begin, int end) {
  for (int s = begin; s < end; ++s) {
    const Stage& stage = tape_.stages[static_cast<std::size_t>(s)];
    const std::size_t calls = to.calls.size(), pointers = to.pointers.size();
    const std::size_t lists = to.lists.size(), dropouts = to.dropouts.size();
    if (record_stage(to, stage, worker)) continue;
    to.calls.resize(calls);
    to.pointers.resize(pointers);
    to.lists.resize(lists);
    to.dropouts.resize(dropouts);
    to.calls.push_back(UnrecordedStage{&stage});
  }
  to.rows = worker.frame->rows;
}

// Returns whether the stage could be recorded; if not, the caller must remove the partly added calls.
template <class T>
bool Recorder<T>::record_stage(Recording<T>& to, const Stage& stage, const Worker<T>& worker) {
  switch (stage.kind) {
    case Stage::Kind::row: return record_program(to, stage, 0, worker, Region{worker.row, worker.rows, 0, -1});
    case Stage::Kind::plain:
      return record_program(to, stage, 0, worker, Region{0, 1, 0, stage.by_columns ? stage.width : -1});
    case Stage::Kind::product:
    case Stage::Kind::product_rows: return record_product(to, stage, worker);
    case Stage::Kind::over_rows:
      for (int i : stage.items) {
        const Item& item = tape_.items[static_cast<std::size_t>(i)];
        if (item.operands[0].row_stride == 0) continue;
        auto& call = add_call(to, calls_.over_rows_kernel(item.op),
                              calls_.over_rows(item, worker, Share{0, item.operands[0].row_stride}));
        move_with(to, item.operands[0].value, worker, &call.in);
        move_with(to, item.output, worker, &call.out);
      }
      return true;
    case Stage::Kind::first_max: return false;
  }
  return false;
}

template <class T>
bool Recorder<T>::record_product(Recording<T>& to, const Stage& stage, const Worker<T>& worker) {
  const Item& item = tape_.first_item(stage);
  Matmul<T> product = calls_.product(stage, worker);
  if (product.m == 0 || product.n == 0) return true;
  if (stage.items.size() > 1 && product.m * product.n * static_cast<Index>(sizeof(T)) > kEpilogueBytes) return false;
  if (worker.rows != tape_.max_rows && !products_.has_scratch_for(product, worker)) return false;
  if (!inputs_.may_be_listed(item.operands[0].value)) kernels_.matmul_prepare(&product);
  auto& call = add_call(to, kernels_.matmul, product);
  move_with(to, item.operands[0].value, worker, &call.a);
  if (inputs_.may_be_listed(item.operands[0].value)) to.lists.push_back({&call.listed, item.operands[0].value});
  move_with(to, item.operands[1].value, worker, &call.b);
  move_with(to, item.output, worker, &call.c);
  if (item.finish != Finish::none) move_with(to, item.operands[2].value, worker, &call.beside);
  return record_program(to, stage, 1, worker, Region{worker.row, product.m, 0, product.n});
}

template <class T>
bool Recorder<T>::record_program(Recording<T>& to, const Stage& stage, std::size_t first_item, const Worker<T>& worker,
                                 const Region& region) {
  if (first_item == stage.items.size() && stage.measured.empty()) return true;
  std::size_t tiles = 0;
  bool all = true;
  for_tiles(stage, region, [&](const Region& tile) {
    all = all && ++tiles <= Recording<T>::kMostTiles;
    for (std::size_t k = first_item; all && k < stage.items.size(); ++k)
      all = record_item(to, stage, tape_.items[static_cast<std::size_t>(stage.items[k])], worker, tile);
    if (all)
      for (int value : stage.measured)
        move_with(to, value, worker,
                  &add_call(to, kernels_.magnitude, calls_.magnitude(stage, value, worker, tile)).in);
  });
  return all;
}

template <class T>
bool Recorder<T>::record_item(Recording<T>& to, const Stage& stage, const Item& item, const Worker<T>& worker,
                              const Region& tile) {
  const auto move_operands = [&](auto& call) {
    for (std::size_t k = 0; k < item.operands.size(); ++k) move_with(to, item.operands[k].value, worker, &call.in[k]);
    move_with(to, item.output, worker, &call.out);
  };
  switch (item.kind) {
    case Item::Kind::map:
      move_operands(add_call(to, calls_.map_kernel(item.op), calls_.map(stage, item, worker, tile)));
      return true;
    case Item::Kind::row:
      if (item.lead > 0) move_operands(add_call(to, calls_.row_kernel(item.op), calls_.row(stage, item, worker, tile)));
      return true;
    case Item::Kind::dropout: {
      auto& call = add_call(to, kernels_.dropout, calls_.dropout(stage, item, worker, tile));
      move_with(to, item.operands[0].value, worker, &call.in);
      move_with(to, item.output, worker, &call.out);
      to.dropouts.push_back({&call, &item, tile.row - worker.row});
      return true;
    }
    default: return false;
  }
}

template <class T>
template <class Call>
Call& Recorder<T>::add_call(Recording<T>& to, void (*kernel)(const Call*), const Call& call) {
  return std::get<RecordedCall<Call>>(to.calls.emplace_back(RecordedCall<Call>{kernel, call})).call;
}

// Registers the pointer to be set in every run, if the value's address may change: the caller's inputs and outputs and,
// in the loop, a block's sums.
template <class T>
template <class Pointer>
void Recorder<T>::move_with(Recording<T>& to, int value, const Worker<T>& worker, Pointer* pointer) const {
  const Value& v = tape_.values[static_cast<std::size_t>(value)];
  const bool callers = v.place == Value::Place::input || v.place == Value::Place::output;
  if (!callers && v.sum_offset < 0) return;
  const T** at = const_cast<const T**>(pointer);
  to.pointers.push_back({at, value, *at - memory_.row_of(value, worker, worker.row)});
}

template class Recorder<float>;
template class Recorder<double>;

}  // namespace fastbp
