// Runs a tape. Every thread of the team walks through the stages; the threads meet at the tape's barriers.
#include <algorithm>
#include <cstring>

#include "run/matmul.h"
#include "run/plan.h"

namespace fastbp {

template <class T>
struct Plan<T>::Epilogue {
  Plan<T>* plan;
  const Stage* stage;
  const Worker<T>* worker;
  Index row, column;  // where the thread's part of the product begins
};

template <class T>
void Plan<T>::run(const Frame& frame, Team& team, int thread) {
  inputs_.gather(frame, team.size(), thread);
  Worker<T> worker = workers_.in_team(frame, team, thread);
  foresee_updates(worker, team.size());
  const Share next = share(frame.rows, team.size(), thread, 1);
  inputs_.choose_ahead(worker, frame.rows + next.begin, frame.rows + next.end);
  const bool has_loop = tape_.has_loop();
  if (team.size() == 1 && !has_loop && frame.rows > 0 && bound_.front().is_for(frame.rows, tape_.max_rows)) {
    worker.bound = &bound_.front();
    run_bound(worker, tape_.lead_end, tape_.tail_begin);
    if (stores_all_) run_tail(frame, team, 0);
    return;
  }
  const int end = stores_all_ ? static_cast<int>(tape_.stages.size()) : tape_.tail_begin;
  for (int s = tape_.lead_end; s < end; ++s) {
    const Stage& stage = tape_.stages[static_cast<std::size_t>(s)];
    if (tape_.barriers[static_cast<std::size_t>(s)]) team.barrier(thread);
    if (s == tape_.loop_begin && s < tape_.loop_end) {
      run_loop(frame, std::min(loop_threads_, team.size()), team, thread);
      s = tape_.loop_end - 1;
    } else {
      run_part(stage, worker, team.size());
    }
  }
  team.barrier(thread);
}

// Runs this thread's part of a stage.
template <class T>
void Plan<T>::run_part(const Stage& stage, const Worker<T>& worker, int threads) {
  if (stage.sharing != Sharing::one)
    run_stage(stage, worker, threads);
  else if (worker.thread == 0)
    run_stage(stage, worker, 1);
}

// Runs a stage on the worker's rows, or on its share of them if several threads share the stage.
template <class T>
void Plan<T>::run_stage(const Stage& stage, const Worker<T>& worker, int threads) {
  const int thread = threads == 1 ? 0 : worker.thread;
  switch (stage.kind) {
    case Stage::Kind::row: {
      Share rows = share(worker.rows, threads, thread, 1);
      run_program(stage, 0, worker, Region{worker.row + rows.begin, rows.end - rows.begin, 0, -1});
      break;
    }
    case Stage::Kind::plain: {
      Share columns = stage.by_columns ? share(stage.width, threads, thread, kPlainUnit) : Share{0, -1};
      if (!stage.by_columns || columns.end > columns.begin)
        run_program(stage, 0, worker, Region{0, 1, columns.begin, columns.end - columns.begin});
      break;
    }
    case Stage::Kind::product:
    case Stage::Kind::product_rows: run_product(stage, worker, threads); break;
    case Stage::Kind::over_rows:
      for (int i : stage.items) run_over_rows(tape_.items[static_cast<std::size_t>(i)], worker, threads);
      break;
    case Stage::Kind::first_max:
      for (int i : stage.items) run_first_max(tape_.items[static_cast<std::size_t>(i)], *worker.frame);
      measure(stage, worker, Region{worker.row, worker.rows, 0, -1});
      break;
  }
}

template <class T>
void Plan<T>::run_product(const Stage& stage, const Worker<T>& worker, int threads) {
  const int thread = threads == 1 ? 0 : worker.thread;
  Epilogue epilogue{this, &stage, &worker, 0, 0};
  const Matmul<T> whole = product_call(stage, worker);
  Matmul<T> part = products_.part_of(whole, stage, worker.rows, threads, thread, &epilogue.row, &epilogue.column);
  epilogue.row += worker.row;
  if (stage.items.size() > 1 || !stage.measured.empty()) {
    part.context = &epilogue;
    part.epilogue = [](void* context, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
      const Epilogue& e = *static_cast<Epilogue*>(context);
      e.plan->run_program(*e.stage, 1, *e.worker, Region{e.row + i0, i1 - i0, e.column + j0, j1 - j0});
    };
  }
  products_.multiply(part, worker, threads);
}

template <class T>
Matmul<T> Plan<T>::product_call(const Stage& stage, const Worker<T>& worker) const {
  const Item& item = tape_.first_item(stage);
  Matmul<T> whole = matmul_of<T>(tape_, item, worker.rows);
  whole.ahead = stage.asks_ahead ? worker.ahead : nullptr;
  whole.threads = worker.threads;
  whole.a = memory_.row_of(item.operands[0].value, worker, worker.row);
  whole.listed = inputs_.listed_rows(item.operands[0].value, worker.thread);
  whole.b = memory_.row_of(item.operands[1].value, worker, worker.row);
  whole.c = memory_.row_of(item.output, worker, worker.row);
  if (item.finish != Finish::none) whole.beside = memory_.row_of(item.operands[2].value, worker, worker.row);
  whole.scratch = products_.scratch_of(worker.thread);
  return whole;
}

// Runs the items tile by tile, so that the values that they pass on stay in cache.
template <class T>
void Plan<T>::run_program(const Stage& stage, std::size_t first_item, const Worker<T>& worker, const Region& region) {
  for_tiles(stage, region, [&](const Region& tile) {
    for (std::size_t k = first_item; k < stage.items.size(); ++k)
      run_item(stage, tape_.items[static_cast<std::size_t>(stage.items[k])], worker, tile);
    measure(stage, worker, tile);
  });
}

template <class T>
void Plan<T>::run_item(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) {
  switch (item.kind) {
    case Item::Kind::map: {
      const Map<T> map = map_call(stage, item, worker, tile);
      return kernels_.map[static_cast<int>(map_op(item.op))](&map);
    }
    case Item::Kind::row: {
      if (item.lead == 0) return;
      const RowMap<T> map = row_call(stage, item, worker, tile);
      return row_kernel(item.op)(&map);
    }
    case Item::Kind::dropout: {
      const Dropout<T> dropout = dropout_call(stage, item, worker, tile);
      return kernels_.dropout(&dropout);
    }
    case Item::Kind::move: return run_move(stage, item, worker, tile);
    case Item::Kind::flat: return run_flat(stage, item, worker);
    default: throw Error(Cause::internal, "an item that no program runs");
  }
}

namespace {

// Joins the rows of a call to one long row, if every operand is contiguous throughout or a single number.
template <class T>
void collapse(Map<T>& call, std::size_t operands) {
  if (call.rows <= 1 || call.out_row != call.cols) return;
  for (std::size_t i = 0; i < operands; ++i) {
    const bool contiguous = call.row_stride[i] == call.cols && (call.col_stride[i] == 1 || call.cols == 1);
    const bool number = call.row_stride[i] == 0 && (call.col_stride[i] == 0 || call.cols == 1);
    if (!contiguous && !number) return;
  }
  for (std::size_t i = 0; i < operands; ++i) call.col_stride[i] = call.row_stride[i] == 0 ? 0 : 1;
  call.cols *= call.rows;
  call.rows = 1;
}

}  // namespace

template <class T>
Map<T> Plan<T>::map_call(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  Map<T> map{};
  map.rows = tile.rows;
  map.cols = tile.columns < 0 ? out.width : tile.columns;
  for (std::size_t k = 0; k < item.operands.size(); ++k) {
    const Operand& operand = item.operands[k];
    bool local = tape_.values[static_cast<std::size_t>(operand.value)].place == Value::Place::local;
    map.in[k] = memory_.tile_of(operand.value, stage, worker, tile, operand.col_stride);
    // A local value as wide as the result holds only the tile's columns, so its stride is the tile's.
    bool cut = local && tile.columns >= 0 && operand.row_stride == out.width;
    map.row_stride[k] = cut ? map.cols : operand.row_stride;
    map.col_stride[k] = operand.col_stride;
  }
  bool local = out.place == Value::Place::local;
  map.out = memory_.tile_of(item.output, stage, worker, tile, 1);
  map.out_row = local ? map.cols : out.width;
  map.integer = item.integer;
  if (item.op == Op::divide_by_count)
    map.scalar[0] = static_cast<T>(item.integer * (item.count_rows ? worker.frame->rows : 1));
  collapse(map, item.operands.size());
  return map;
}

template <class T>
RowMap<T> Plan<T>::row_call(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const {
  RowMap<T> map{};
  map.rows = tile.rows * item.lead;
  map.cols = item.last;
  for (std::size_t k = 0; k < item.operands.size(); ++k) {
    const Operand& operand = item.operands[k];
    map.in[k] = memory_.tile_of(operand.value, stage, worker, tile, 0);
    // A row of the map reads as many elements as the map has columns, or one (a label).
    map.in_row[k] = tape_.values[static_cast<std::size_t>(operand.value)].width / item.lead;
  }
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  map.out = memory_.tile_of(item.output, stage, worker, tile, 0);
  map.out_row = out.width / item.lead;
  return map;
}

template <class T>
auto Plan<T>::row_kernel(Op op) const -> void (*)(const RowMap<T>*) {
  switch (op) {
    case Op::sum: return kernels_.row_sum;
    case Op::max: return kernels_.row_max;
    case Op::first_max: return kernels_.row_first_max;
    case Op::argmax: return kernels_.row_argmax;
    case Op::softmax: return kernels_.softmax;
    case Op::log_softmax: return kernels_.log_softmax;
    case Op::logsumexp: return kernels_.logsumexp;
    case Op::softmax_cross_entropy: return kernels_.softmax_cross_entropy;
    case Op::sparse_softmax_cross_entropy: return kernels_.sparse_softmax_cross_entropy;
    case Op::one_hot: return kernels_.one_hot;
    case Op::pick: return kernels_.pick;
    default: throw Error(Cause::internal, std::string("no row kernel for ") + name_of(op));
  }
}

template <class T>
Dropout<T> Plan<T>::dropout_call(const Stage& stage, const Item& item, const Worker<T>& worker,
                                 const Region& tile) const {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  const Operand& in = item.operands[0];
  Dropout<T> d{};
  d.rows = tile.rows;
  d.cols = tile.columns < 0 ? out.width : tile.columns;
  d.first_col = tile.column;
  d.width = out.width;
  d.exact = item.exact;
  d.in = memory_.tile_of(in.value, stage, worker, tile, 1);
  d.in_row = tape_.values[static_cast<std::size_t>(in.value)].place == Value::Place::local ? d.cols : in.row_stride;
  d.out = memory_.tile_of(item.output, stage, worker, tile, 1);
  d.out_row = out.place == Value::Place::local ? d.cols : out.width;
  d.threshold = item.threshold;
  d.scale = static_cast<T>(item.number);
  count_dropout(item, *worker.frame, tile.row, &d);
  return d;
}

// Sets the counters (rule 9) of the random numbers for a tile that begins at `row`.
template <class T>
void Plan<T>::count_dropout(const Item& item, const Frame& frame, Index row, Dropout<T>* d) const {
  const bool rows = tape_.values[static_cast<std::size_t>(item.output)].rows;
  d->seed = frame.seed;
  if (item.per_batch) {
    d->first_row = frame.purpose == 0 ? frame.first_row : 0;
  } else {
    d->row_ids = rows && frame.row_ids != nullptr ? frame.row_ids + row : nullptr;
    d->first_row = rows ? frame.first_row + row : 0;
    d->row_step = 1;
  }
  d->stream = frame.purpose << 24 | static_cast<std::uint32_t>(item.integer);
  d->counter = frame.counter;
}

namespace {

template <class T>
void copy_axes(const Copy& copy, std::size_t axis, const T* in, T* out) {
  if (axis == copy.sizes.size()) {
    *out = *in;
    return;
  }
  const Index n = copy.sizes[axis], from = copy.in_strides[axis], to = copy.out_strides[axis];
  if (n == 0) return;
  if (axis + 1 == copy.sizes.size()) {
    if (from == 1 && to == 1) {
      std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(T));
    } else {
      for (Index i = 0; i < n; ++i) out[i * to] = in[i * from];
    }
    return;
  }
  for (Index i = 0; i < n; ++i) copy_axes(copy, axis + 1, in + i * from, out + i * to);
}

}  // namespace

template <class T>
void Plan<T>::run_move(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  T* to = memory_.tile_of(item.output, stage, worker, tile, 0);
  for (Index r = 0; r < tile.rows; ++r, to += out.width) {
    if (item.zero_first) std::fill(to, to + out.width, T(0));
    for (std::size_t k = 0; k < item.copies.size(); ++k) {
      const Operand& operand = item.operands[k];
      const T* from = memory_.tile_of(operand.value, stage, worker, tile, 0) + r * operand.row_stride;
      copy_axes(item.copies[k], 0, from + item.copies[k].in_offset, to + item.copies[k].out_offset);
    }
  }
}

template <class T>
void Plan<T>::run_flat(const Stage& stage, const Item& item, const Worker<T>& worker) {
  Region all{0, 1, 0, -1};
  const T* in = memory_.tile_of(item.operands[0].value, stage, worker, all, 0);
  T* out = memory_.tile_of(item.output, stage, worker, all, 0);
  for (Index i = 0; i < item.lead; ++i)
    out[i] = item.op == Op::sum ? kernels_.sum_flat(in + i * item.last, item.last)
                                : kernels_.max_flat(in + i * item.last, item.last);
}

template <class T>
void Plan<T>::run_over_rows(const Item& item, const Worker<T>& worker, int threads) {
  const Operand& operand = item.operands[0];
  Share columns = share(operand.row_stride, threads, threads == 1 ? 0 : worker.thread, tape_.column_unit);
  if (columns.begin == columns.end) return;
  const OverRows<T> reduce = over_rows_call(item, worker, columns);
  (item.op == Op::sum ? kernels_.sum_over_rows : kernels_.max_over_rows)(&reduce);
}

template <class T>
OverRows<T> Plan<T>::over_rows_call(const Item& item, const Worker<T>& worker, Share columns) const {
  const Operand& operand = item.operands[0];
  OverRows<T> reduce{};
  reduce.rows = worker.rows;
  reduce.cols = columns.end - columns.begin;
  reduce.in = memory_.row_of(operand.value, worker, worker.row) + columns.begin;
  reduce.in_row = operand.row_stride;
  reduce.out = memory_.row_of(item.output, worker, worker.row) + columns.begin;
  return reduce;
}

// Writes 1 at the first maximal element of every group, in row-major order, and 0 elsewhere. A group consists of the
// elements with equal indices along the axes that are not reduced. Rare and never hot, so the loops are plain.
template <class T>
void Plan<T>::run_first_max(const Item& item, const Frame& frame) {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  const T* in = memory_.whole(item.operands[0].value);
  T* mask = memory_.whole(item.output);
  const Index elements = out.rows ? out.width * frame.rows : out.width;
  // The mask is written at the end; until then first_max_ holds the best element of every group.
  std::fill(first_max_.begin(), first_max_.end(), Index(-1));
  for (Index e = 0; e < elements; ++e) {
    Index group = 0, rest = e, groups = 1;
    for (std::size_t axis = item.dims.size() + 1; axis-- > 0;) {
      const Index size = axis > 0 ? item.dims[axis - 1] : rest + 1;
      if (!item.reduced[axis]) {
        group += rest % size * groups;
        groups *= size;
      }
      rest /= size;
    }
    Index& best = first_max_[static_cast<std::size_t>(group)];
    if (best < 0 || in[e] > in[best] || (in[e] != in[e] && in[best] == in[best])) best = e;
  }
  std::fill(mask, mask + elements, T(0));
  for (Index best : first_max_)
    if (best >= 0) mask[best] = T(1);
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
