#include "run/inputs.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/share.h"
#include "run/matmul.h"

namespace fastbp {
namespace {

constexpr Index kListedBytes = 32 * 1024;  // not listed up to this size: a copy of the rows stays in L1

}  // namespace

template <class T>
InputRows<T>::InputRows(const Tape& tape, const Kernels<T>& kernels, Memory<T>& memory, Magnitudes<T>& magnitudes,
                        const Augmentation& augmentation)
    : tape_(tape),
      kernels_(kernels),
      memory_(memory),
      magnitudes_(magnitudes),
      cached_bytes_(2 * cache_sizes().l2),
      augmentation_(augmentation) {
  allocate_lists();
  if (!augmentation_.steps.empty() && are_read(0))
    augmenter_ = std::make_unique<Augmenter<T>>(augmentation_, tape_.threads);
}

template <class T>
void InputRows<T>::allocate_lists() {
  row_lists_.resize(tape_.inputs.size());
  for (std::size_t slot = 0; slot < tape_.inputs.size(); ++slot) {
    const int value = tape_.inputs[slot];
    if (value < 0 || !gains_by_list(value)) continue;
    const bool in_block = tape_.values[static_cast<std::size_t>(value)].in_block;
    row_lists_[slot].each = in_block ? kRowBlock : 0;
    const Index rows = in_block ? kRowBlock * tape_.loop_threads() : tape_.max_rows;
    require_memory(bytes_of({rows, sizeof(row_lists_[slot].at[0])}));
    row_lists_[slot].at.resize(static_cast<std::size_t>(rows));
  }
}

// Whether only products that can read listed rows, and gain by it, read the input. A measured input is copied first, so
// that it is in L1 when it is measured.
template <class T>
bool InputRows<T>::gains_by_list(int input) const {
  const Value& value = tape_.values[static_cast<std::size_t>(input)];
  if (value.measured >= 0) return false;
  const Index rows = value.in_block ? kRowBlock : tape_.max_rows;
  if (!shares_always() && rows * value.width * static_cast<Index>(sizeof(T)) <= kListedBytes) return false;
  if (std::find(tape_.outputs.begin(), tape_.outputs.end(), input) != tape_.outputs.end()) return false;
  for (const Item& item : tape_.items) {
    const bool rows_alike = item.kind == Item::Kind::product ? item.m == 1 && item.k == value.width
                                                             : item.kind == Item::Kind::product_rows && item.k == 1;
    for (std::size_t k = 0; k < item.operands.size(); ++k) {
      if (item.operands[k].value != input) continue;
      if (k != 0 || !rows_alike) return false;
      const Matmul<T> call = matmul_of<T>(tape_, item, rows);
      if (!kernels_.matmul_reads_listed(&call)) return false;
    }
  }
  return true;
}

template <class T>
void InputRows<T>::begin(const Frame& frame) {
  for (int slot = 0; slot < count(); ++slot) {
    if (!are_read(slot)) continue;
    const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
    // usable: the kernels can read each row where it lies. in_place: the rows also follow one another.
    const bool usable = !(slot == 0 && augmenter_ != nullptr) && source.template has_plain_rows<T>();
    const bool in_place = usable && frame.row_ids == nullptr && source.template is_plain<T>();
    RowLists& lists = row_lists_[static_cast<std::size_t>(slot)];
    lists.used = usable && !in_place && !lists.at.empty();
    const char* first = source.data + frame.first_row * source.row_bytes;
    memory_.read_in_place(tape_.inputs[static_cast<std::size_t>(slot)],
                          in_place ? reinterpret_cast<T*>(const_cast<char*>(first)) : nullptr);
  }
}

// Copies rows first + begin .. first + end of the frame to rows begin .. end of out, and augments those of the first
// input. If the input is listed, writes the rows' addresses to the thread's list instead.
template <class T>
void InputRows<T>::gather_rows_of(const Frame& frame, int slot, Index first, Index begin, Index end, T* out,
                                  int thread) {
  const Index* ids = frame.row_ids == nullptr ? nullptr : frame.row_ids + first;
  const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
  RowLists& lists = row_lists_[static_cast<std::size_t>(slot)];
  if (lists.used) {
    const T** list = lists.at.data() + lists.each * thread;
    for (Index r = begin; r < end; ++r) {
      const Index row = ids == nullptr ? frame.first_row + first + r : ids[r];
      list[r] = reinterpret_cast<const T*>(source.data + row * source.row_bytes);
    }
    return;
  }
  gather_rows(kernels_, source, ids, frame.first_row + first, begin, end, out);
  if (slot == 0 && augmenter_ != nullptr)
    augmenter_->run(out, begin, end, {ids, frame.first_row + first, frame.seed, frame.counter}, thread);
}

template <class T>
void InputRows<T>::gather(const Frame& frame, int threads, int thread) {
  constexpr Index kMeasuredBytes = 16 * 1024;
  const Share part = share(frame.rows, threads, thread, 1);
  magnitudes_.forget(thread);
  for (int slot = 0; slot < count(); ++slot) {
    if (!are_read(slot)) continue;
    const int v = tape_.inputs[static_cast<std::size_t>(slot)];
    T* const rows = memory_.whole(v);
    if (rows == nullptr) continue;  // in_block
    const Value& value = tape_.values[static_cast<std::size_t>(v)];
    const bool in_place = memory_.is_read_in_place(v);
    Index step = part.end - part.begin;
    if (value.measured >= 0)
      step = std::max<Index>(1, kMeasuredBytes / (value.width * static_cast<Index>(sizeof(T)) + 1));
    else if (in_place)
      continue;
    for (Index begin = part.begin; begin < part.end; begin += step) {
      const Index end = std::min(begin + step, part.end);
      if (!in_place) gather_rows_of(frame, slot, 0, begin, end, rows, thread);
      if (value.measured >= 0) {
        const Magnitude<T> call{end - begin, value.width, rows + begin * value.width, value.width,
                                magnitudes_.of(value, thread)};
        kernels_.magnitude(&call);
      }
    }
  }
}

template <class T>
void InputRows<T>::gather_block(const Worker<T>& worker) {
  for (int slot = 0; slot < count(); ++slot) {
    if (!are_read(slot)) continue;
    const int value = tape_.inputs[static_cast<std::size_t>(slot)];
    if (memory_.whole(value) != nullptr) continue;
    T* out = memory_.row_of(value, worker, worker.row);
    gather_rows_of(*worker.frame, slot, worker.row, 0, worker.rows, out, worker.thread);
  }
}

// They are those of the widest input whose rows lie scattered in more memory than the caches hold.
template <class T>
void InputRows<T>::choose_ahead(const Worker<T>& worker, Index begin, Index end) const {
  const Frame& frame = *worker.frame;
  worker.ahead->rows = worker.ahead->bytes = 0;
  end = std::min(end, frame.rows + frame.rows_after);
  if (frame.row_ids == nullptr || begin >= end) return;
  for (int slot = 0; slot < count(); ++slot) {
    const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
    if (source.rows * source.row_bytes < cached_bytes_ || !are_read(slot) || source.sizes.size() != 1) continue;
    const Index bytes = source.sizes[0] * source.strides[0];
    if (bytes <= worker.ahead->bytes) continue;
    const bool listed = row_lists_[static_cast<std::size_t>(slot)].used;
    *worker.ahead = Ahead{source.data, source.row_bytes, bytes, frame.row_ids + begin, end - begin, 0, listed};
  }
}

template class InputRows<float>;
template class InputRows<double>;

}  // namespace fastbp
