// Running a tape. Every thread of the team walks the stages; a barrier ends each.
#include <algorithm>
#include <cstring>
#include <limits>

#include "plan/plan.h"

namespace fastbp {

// A program's part of the rows and columns. Without rows: one row.
template <class T>
struct Plan<T>::Region {
  Index row, rows;
  Index column, columns;  // columns < 0: every value's whole width
};

template <class T>
struct Plan<T>::Epilogue {
  Plan<T>* plan;
  const Stage* stage;
  const Frame* frame;
  Index row, column;
  T* scratch;
};

template <class T>
void Plan<T>::run(const Frame& frame, Team& team, int thread) {
  for (std::size_t s = 0; s < tape_.stages.size(); ++s) {
    int threads = std::min(stage_threads_[s], team.size());
    if (thread < threads) run_stage(tape_.stages[s], frame, threads, thread);
    team.barrier(thread);
  }
}

template <class T>
void Plan<T>::run_stage(const Stage& stage, const Frame& frame, int threads, int thread) {
  const Index per_thread = static_cast<Index>(programs_.bytes()) / threads_ / static_cast<Index>(sizeof(T));
  T* scratch = programs_.template as<T>() + per_thread * thread;
  switch (stage.kind) {
    case Stage::Kind::row: {
      Share rows = share(frame.rows, threads, thread, 1);
      run_program(stage, frame, 0, Region{rows.begin, rows.end - rows.begin, 0, -1}, scratch);
      break;
    }
    case Stage::Kind::plain: {
      Share columns = stage.by_columns ? share(stage.width, threads, thread, 64) : Share{0, -1};
      if (!stage.by_columns || columns.end > columns.begin)
        run_program(stage, frame, 0, Region{0, 1, columns.begin, columns.end - columns.begin}, scratch);
      break;
    }
    case Stage::Kind::product:
    case Stage::Kind::product_rows:
      run_product(stage, frame, threads, thread);
      break;
    case Stage::Kind::over_rows:
      for (int i : stage.items) run_over_rows(tape_.items[static_cast<std::size_t>(i)], frame, threads, thread);
      break;
    case Stage::Kind::first_max:
      for (int i : stage.items) run_first_max(tape_.items[static_cast<std::size_t>(i)], frame);
      break;
  }
}

template <class T>
void Plan<T>::run_product(const Stage& stage, const Frame& frame, int threads, int thread) {
  const Item& item = tape_.items[static_cast<std::size_t>(stage.items.front())];
  const Index per_thread = static_cast<Index>(programs_.bytes()) / threads_ / static_cast<Index>(sizeof(T));
  Epilogue epilogue{this, &stage, &frame, 0, 0, programs_.template as<T>() + per_thread * thread};
  Matmul<T> part = share_of(matmul_of(item, frame.rows), threads, thread, &epilogue.row, &epilogue.column);
  if (part.m == 0 || part.n == 0) return;
  part.scratch = products_.template as<char>() + product_scratch_ * thread;
  if (stage.items.size() > 1) {
    part.context = &epilogue;
    part.epilogue = [](void* context, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
      const Epilogue& e = *static_cast<Epilogue*>(context);
      e.plan->run_program(*e.stage, *e.frame, 1, Region{e.row + i0, i1 - i0, e.column + j0, j1 - j0}, e.scratch);
    };
  }
  if (kernels_.matmul_scratch(&part) > product_scratch_)
    throw Error(Cause::internal, "a product needs more scratch than its plan gave it");
  kernels_.matmul(&part);
}

// Tile by tile, so that what the items hand each other stays in cache.
template <class T>
void Plan<T>::run_program(const Stage& stage, const Frame& frame, std::size_t first_item, const Region& region,
                          T* scratch) {
  Index tile_rows = stage.tile_rows, tile_columns = region.columns;
  if (stage.by_columns) {
    tile_columns = std::min(region.columns, stage.tile_elements);
    tile_rows = std::max<Index>(1, stage.tile_elements / std::max<Index>(1, tile_columns));
  }
  for (Index row = 0; row < region.rows; row += tile_rows) {
    Index column = 0;
    do {
      Region tile{region.row + row, std::min(tile_rows, region.rows - row), region.column + column,
                  region.columns < 0 ? -1 : std::min(tile_columns, region.columns - column)};
      for (std::size_t k = first_item; k < stage.items.size(); ++k)
        run_item(stage, tape_.items[static_cast<std::size_t>(stage.items[k])], frame, tile, scratch);
      column += tile_columns;
    } while (column < region.columns);
  }
}

template <class T>
void Plan<T>::run_item(const Stage& stage, const Item& item, const Frame& frame, const Region& tile, T* scratch) {
  switch (item.kind) {
    case Item::Kind::map:
      return run_map(stage, item, frame, tile, scratch);
    case Item::Kind::row:
      return run_row(stage, item, tile, scratch);
    case Item::Kind::dropout:
      return run_dropout(stage, item, frame, tile, scratch);
    case Item::Kind::move:
      return run_move(stage, item, tile, scratch);
    case Item::Kind::flat:
      return run_flat(stage, item, scratch);
    default:
      throw Error(Cause::internal, "an item that no program runs");
  }
}

// Where a tile of a value begins. Local values hold the tile alone.
template <class T>
T* Plan<T>::address(const Stage& stage, int value, const Region& tile, Index row_stride, Index col_stride,
                    T* scratch) const {
  const Value& v = tape_.values[static_cast<std::size_t>(value)];
  if (v.place == Value::Place::local) return scratch + stage.slots[static_cast<std::size_t>(v.storage)];
  return data_[static_cast<std::size_t>(value)] + tile.row * row_stride + tile.column * col_stride;
}

template <class T>
void Plan<T>::run_map(const Stage& stage, const Item& item, const Frame& frame, const Region& tile, T* scratch) {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  Map<T> map{};
  map.rows = tile.rows;
  map.cols = tile.columns < 0 ? out.width : tile.columns;
  for (std::size_t k = 0; k < item.operands.size(); ++k) {
    const Operand& operand = item.operands[k];
    bool local = tape_.values[static_cast<std::size_t>(operand.value)].place == Value::Place::local;
    map.in[k] = address(stage, operand.value, tile, operand.row_stride, operand.col_stride, scratch);
    // A local value that is as wide as the tile has the tile's stride.
    bool cut = local && tile.columns >= 0 && operand.row_stride == out.width;
    map.row_stride[k] = cut ? map.cols : operand.row_stride;
    map.col_stride[k] = operand.col_stride;
  }
  bool local = out.place == Value::Place::local;
  map.out = address(stage, item.output, tile, out.rows ? out.width : 0, 1, scratch);
  map.out_row = local ? map.cols : out.width;
  map.integer = item.integer;
  if (item.op == Op::divide_by_count) map.scalar[0] = static_cast<T>(item.integer * (item.count_rows ? frame.rows : 1));
  kernels_.map[static_cast<int>(map_op(item.op))](&map);
}

template <class T>
void Plan<T>::run_row(const Stage& stage, const Item& item, const Region& tile, T* scratch) {
  if (item.lead == 0) return;
  RowMap<T> map{};
  map.rows = tile.rows * item.lead;
  map.cols = item.last;
  for (std::size_t k = 0; k < item.operands.size(); ++k) {
    const Operand& operand = item.operands[k];
    map.in[k] = address(stage, operand.value, tile, operand.row_stride, 0, scratch);
    // As many elements per row of the map as the map has columns, or one (a label).
    map.in_row[k] = tape_.values[static_cast<std::size_t>(operand.value)].width / item.lead;
  }
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  map.out = address(stage, item.output, tile, out.rows ? out.width : 0, 0, scratch);
  map.out_row = out.width / item.lead;
  switch (item.op) {
    case Op::sum: return kernels_.row_sum(&map);
    case Op::max: return kernels_.row_max(&map);
    case Op::first_max: return kernels_.row_first_max(&map);
    case Op::argmax: return kernels_.row_argmax(&map);
    case Op::softmax: return kernels_.softmax(&map);
    case Op::log_softmax: return kernels_.log_softmax(&map);
    case Op::logsumexp: return kernels_.logsumexp(&map);
    case Op::softmax_cross_entropy: return kernels_.softmax_cross_entropy(&map);
    case Op::sparse_softmax_cross_entropy: return kernels_.sparse_softmax_cross_entropy(&map);
    case Op::one_hot: return kernels_.one_hot(&map);
    case Op::pick: return kernels_.pick(&map);
    default: throw Error(Cause::internal, std::string("no row kernel for ") + name_of(item.op));
  }
}

template <class T>
void Plan<T>::run_dropout(const Stage& stage, const Item& item, const Frame& frame, const Region& tile, T* scratch) {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  const Operand& in = item.operands[0];
  const bool rows = out.rows;
  Dropout<T> d{};
  d.rows = tile.rows;
  d.cols = tile.columns < 0 ? out.width : tile.columns;
  d.first_col = tile.column;
  d.in = address(stage, in.value, tile, in.row_stride, 1, scratch);
  d.in_row = tape_.values[static_cast<std::size_t>(in.value)].place == Value::Place::local ? d.cols : in.row_stride;
  d.out = address(stage, item.output, tile, rows ? out.width : 0, 1, scratch);
  d.out_row = out.place == Value::Place::local ? d.cols : out.width;
  d.seed = frame.seed;
  d.row_ids = rows && frame.row_ids != nullptr ? frame.row_ids + tile.row : nullptr;
  d.first_row = rows ? frame.first_row + tile.row : 0;
  d.stream = frame.purpose << 24 | static_cast<std::uint32_t>(item.integer);
  d.counter = frame.counter;
  d.threshold = static_cast<std::uint32_t>(65536.0 * item.number + 0.5);
  d.scale = static_cast<T>(1.0 / (1.0 - item.number));
  kernels_.dropout(&d);
}

namespace {

template <class T>
void copy_axes(const Copy& copy, std::size_t axis, const T* in, T* out) {
  if (axis == copy.sizes.size()) {
    *out = *in;
    return;
  }
  const Index n = copy.sizes[axis], from = copy.in_strides[axis], to = copy.out_strides[axis];
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
void Plan<T>::run_move(const Stage& stage, const Item& item, const Region& tile, T* scratch) {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  T* to = address(stage, item.output, tile, out.rows ? out.width : 0, 0, scratch);
  for (Index r = 0; r < tile.rows; ++r, to += out.width) {
    if (item.zero_first) std::fill(to, to + out.width, T(0));
    for (std::size_t k = 0; k < item.copies.size(); ++k) {
      const Operand& operand = item.operands[k];
      const T* from = address(stage, operand.value, tile, operand.row_stride, 0, scratch) + r * operand.row_stride;
      copy_axes(item.copies[k], 0, from + item.copies[k].in_offset, to + item.copies[k].out_offset);
    }
  }
}

template <class T>
void Plan<T>::run_flat(const Stage& stage, const Item& item, T* scratch) {
  Region all{0, 1, 0, -1};
  const T* in = address(stage, item.operands[0].value, all, 0, 0, scratch);
  T* out = address(stage, item.output, all, 0, 0, scratch);
  for (Index i = 0; i < item.lead; ++i)
    out[i] = item.op == Op::sum ? kernels_.sum_flat(in + i * item.last, item.last)
                                : kernels_.max_flat(in + i * item.last, item.last);
}

template <class T>
void Plan<T>::run_over_rows(const Item& item, const Frame& frame, int threads, int thread) {
  const Operand& operand = item.operands[0];
  Share columns = share(operand.row_stride, threads, thread, 16);
  if (columns.begin == columns.end) return;
  OverRows<T> reduce{};
  reduce.rows = frame.rows;
  reduce.cols = columns.end - columns.begin;
  reduce.in = data_[static_cast<std::size_t>(operand.value)] + columns.begin;
  reduce.in_row = operand.row_stride;
  reduce.out = data_[static_cast<std::size_t>(item.output)] + columns.begin;
  (item.op == Op::sum ? kernels_.sum_over_rows : kernels_.max_over_rows)(&reduce);
}

// 1 at the first maximal element of every group, in row-major order; a group is made of the elements that agree in the
// axes that are not reduced. Rare and never hot: plain loops.
template <class T>
void Plan<T>::run_first_max(const Item& item, const Frame& frame) {
  const Value& out = tape_.values[static_cast<std::size_t>(item.output)];
  const T* in = data_[static_cast<std::size_t>(item.operands[0].value)];
  T* mask = data_[static_cast<std::size_t>(item.output)];
  const Index elements = out.rows ? out.width * frame.rows : out.width;
  // The mask itself remembers nothing until the end: first_max_ holds the best element of every group.
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
