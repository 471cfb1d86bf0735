#include "run/calls.h"

#include "run/matmul.h"

namespace fastbp {
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
Map<T> Calls<T>::map(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const {
  const Value& out = value(item.output);
  Map<T> map{};
  map.rows = tile.rows;
  map.cols = tile.columns < 0 ? out.width : tile.columns;
  for (std::size_t k = 0; k < item.operands.size(); ++k) {
    const Operand& operand = item.operands[k];
    bool local = value(operand.value).place == Value::Place::local;
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
RowMap<T> Calls<T>::row(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const {
  RowMap<T> map{};
  map.rows = tile.rows * item.lead;
  map.cols = item.last;
  for (std::size_t k = 0; k < item.operands.size(); ++k) {
    const Operand& operand = item.operands[k];
    map.in[k] = memory_.tile_of(operand.value, stage, worker, tile, 0);
    // A row of the map reads as many elements as the map has columns, or one (a label).
    map.in_row[k] = value(operand.value).width / item.lead;
  }
  const Value& out = value(item.output);
  map.out = memory_.tile_of(item.output, stage, worker, tile, 0);
  map.out_row = out.width / item.lead;
  return map;
}

template <class T>
auto Calls<T>::row_kernel(Op op) const -> void (*)(const RowMap<T>*) {
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
Dropout<T> Calls<T>::dropout(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const {
  const Value& out = value(item.output);
  const Operand& in = item.operands[0];
  Dropout<T> d{};
  d.rows = tile.rows;
  d.cols = tile.columns < 0 ? out.width : tile.columns;
  d.first_col = tile.column;
  d.width = out.width;
  d.exact = item.exact;
  d.in = memory_.tile_of(in.value, stage, worker, tile, 1);
  d.in_row = value(in.value).place == Value::Place::local ? d.cols : in.row_stride;
  d.out = memory_.tile_of(item.output, stage, worker, tile, 1);
  d.out_row = out.place == Value::Place::local ? d.cols : out.width;
  d.threshold = item.threshold;
  d.scale = static_cast<T>(item.number);
  count(item, *worker.frame, tile.row, &d);
  return d;
}

template <class T>
void Calls<T>::count(const Item& item, const Frame& frame, Index row, Dropout<T>* d) const {
  const bool rows = value(item.output).rows;
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

template <class T>
Matmul<T> Calls<T>::product(const Stage& stage, const Worker<T>& worker) const {
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

template <class T>
OverRows<T> Calls<T>::over_rows(const Item& item, const Worker<T>& worker, Share columns) const {
  const Operand& operand = item.operands[0];
  OverRows<T> reduce{};
  reduce.rows = worker.rows;
  reduce.cols = columns.end - columns.begin;
  reduce.in = memory_.row_of(operand.value, worker, worker.row) + columns.begin;
  reduce.in_row = operand.row_stride;
  reduce.out = memory_.row_of(item.output, worker, worker.row) + columns.begin;
  return reduce;
}

template <class T>
Magnitude<T> Calls<T>::magnitude(const Stage& stage, int value, const Worker<T>& worker, const Region& tile) const {
  const Value& v = this->value(value);
  const Index width = tile.columns < 0 ? v.width : stage.width, columns = tile.columns < 0 ? width : tile.columns;
  const T* const first = memory_.row_of(value, worker, worker.row) + (tile.row - worker.row) * width + tile.column;
  return {tile.rows, columns, first, width, magnitudes_.of(v, worker.thread)};
}

template class Calls<float>;
template class Calls<double>;

}  // namespace fastbp
