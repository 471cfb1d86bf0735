#include "run/executor.h"

#include <algorithm>
#include <cstring>

#include "base/memory.h"

namespace fastbp {

template <class T>
struct Executor<T>::Epilogue {
  Executor<T>* executor;
  const Stage* stage;
  const Worker<T>* worker;
  Index row, column;  // where the thread's part of the product begins
};

template <class T>
Executor<T>::Executor(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, const Calls<T>& calls,
                      Products<T>& products)
    : tape_(tape), kernels_(kernels), memory_(memory), calls_(calls), products_(products) {
  std::size_t most = 0;
  for (const Item& item : tape_.items) {
    if (item.kind != Item::Kind::first_max) continue;
    Index groups = item.reduced[0] || !tape_.values[static_cast<std::size_t>(item.output)].rows ? 1 : tape_.max_rows;
    for (std::size_t axis = 0; axis < item.dims.size(); ++axis)
      if (!item.reduced[axis + 1]) groups *= item.dims[axis];
    most = std::max(most, static_cast<std::size_t>(groups));
  }
  require_memory(bytes_of({static_cast<Index>(most), sizeof(first_max_[0])}));
  first_max_.resize(most);
}

template <class T>
void Executor<T>::run_part(const Stage& stage, const Worker<T>& worker, int threads) {
  if (stage.sharing != Sharing::one)
    run_stage(stage, worker, threads);
  else if (worker.thread == 0)
    run_stage(stage, worker, 1);
}

template <class T>
void Executor<T>::run_stage(const Stage& stage, const Worker<T>& worker, int threads) {
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
void Executor<T>::run_product(const Stage& stage, const Worker<T>& worker, int threads) {
  const int thread = threads == 1 ? 0 : worker.thread;
  Epilogue epilogue{this, &stage, &worker, 0, 0};
  const Matmul<T> whole = calls_.product(stage, worker);
  Matmul<T> part = products_.part_of(whole, stage, worker.rows, threads, thread, &epilogue.row, &epilogue.column);
  epilogue.row += worker.row;
  if (stage.items.size() > 1 || !stage.measured.empty()) {
    part.context = &epilogue;
    part.epilogue = [](void* context, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
      const Epilogue& e = *static_cast<Epilogue*>(context);
      e.executor->run_program(*e.stage, 1, *e.worker, Region{e.row + i0, i1 - i0, e.column + j0, j1 - j0});
    };
  }
  products_.multiply(part, worker, threads);
}

template <class T>
void Executor<T>::run_program(const Stage& stage, std::size_t first_item, const Worker<T>& worker,
                              const Region& region) {
  for_tiles(stage, region, [&](const Region& tile) {
    for (std::size_t k = first_item; k < stage.items.size(); ++k)
      run_item(stage, tape_.items[static_cast<std::size_t>(stage.items[k])], worker, tile);
    measure(stage, worker, tile);
  });
}

template <class T>
void Executor<T>::measure(const Stage& stage, const Worker<T>& worker, const Region& tile) const {
  for (int value : stage.measured) {
    const Magnitude<T> call = calls_.magnitude(stage, value, worker, tile);
    kernels_.magnitude(&call);
  }
}

template <class T>
void Executor<T>::run_item(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) {
  switch (item.kind) {
    case Item::Kind::map: {
      const Map<T> map = calls_.map(stage, item, worker, tile);
      return calls_.map_kernel(item.op)(&map);
    }
    case Item::Kind::row: {
      if (item.lead == 0) return;
      const RowMap<T> map = calls_.row(stage, item, worker, tile);
      return calls_.row_kernel(item.op)(&map);
    }
    case Item::Kind::dropout: {
      const Dropout<T> dropout = calls_.dropout(stage, item, worker, tile);
      return kernels_.dropout(&dropout);
    }
    case Item::Kind::move: return run_move(stage, item, worker, tile);
    case Item::Kind::flat: return run_flat(stage, item, worker);
    default: throw Error(Cause::internal, "an item that no program runs");
  }
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
void Executor<T>::run_move(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) {
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
void Executor<T>::run_flat(const Stage& stage, const Item& item, const Worker<T>& worker) {
  Region all{0, 1, 0, -1};
  const T* in = memory_.tile_of(item.operands[0].value, stage, worker, all, 0);
  T* out = memory_.tile_of(item.output, stage, worker, all, 0);
  for (Index i = 0; i < item.lead; ++i)
    out[i] = item.op == Op::sum ? kernels_.sum_flat(in + i * item.last, item.last)
                                : kernels_.max_flat(in + i * item.last, item.last);
}

template <class T>
void Executor<T>::run_over_rows(const Item& item, const Worker<T>& worker, int threads) {
  const Operand& operand = item.operands[0];
  Share columns = share(operand.row_stride, threads, threads == 1 ? 0 : worker.thread, tape_.column_unit);
  if (columns.begin == columns.end) return;
  const OverRows<T> reduce = calls_.over_rows(item, worker, columns);
  calls_.over_rows_kernel(item.op)(&reduce);
}

// Writes 1 at the first maximal element of every group, in row-major order, and 0 elsewhere. A group consists of the
// elements with equal indices along the axes that are not reduced. Rare and never hot, so the loops are plain.
template <class T>
void Executor<T>::run_first_max(const Item& item, const Frame& frame) {
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

template class Executor<float>;
template class Executor<double>;

}  // namespace fastbp
