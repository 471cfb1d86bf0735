// Bringing rows to the inputs: which are read where they lie, and how the others are gathered.
#include <algorithm>

#include "base/cpu.h"
#include "plan/worker.h"

namespace fastbp {

template <class T>
void Plan<T>::bind_inputs(const Frame& frame) {
  for (int slot = 0; slot < inputs(); ++slot) {
    if (!reads_input(slot)) continue;
    const std::size_t value = static_cast<std::size_t>(tape_.inputs[static_cast<std::size_t>(slot)]);
    const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
    // Whether the rows lie in memory as the kernels want them.
    const bool augmented = slot == 0 && augmenter_ != nullptr;
    const bool in_place = frame.row_ids == nullptr && !augmented && source.template is_plain<T>();
    const char* first = source.data + frame.first_row * source.row_bytes;
    data_[value] = in_place ? reinterpret_cast<T*>(const_cast<char*>(first)) : own_[value];
  }
}

// Rows first + begin .. first + end of the frame to rows begin .. end of out, the first input's augmented.
template <class T>
void Plan<T>::gather(const Frame& frame, int slot, Index first, Index begin, Index end, T* out, int thread) {
  const Index* ids = frame.row_ids == nullptr ? nullptr : frame.row_ids + first;
  gather_rows(kernels_, (*frame.inputs)[static_cast<std::size_t>(slot)], ids, frame.first_row + first, begin, end, out);
  if (slot == 0 && augmenter_ != nullptr)
    augmenter_->run(out, begin, end, {ids, frame.first_row + first, frame.seed, frame.counter}, thread);
}

// Each thread brings its own rows, those of the stages that share by rows; what is measured while it is in L1.
template <class T>
void Plan<T>::gather_inputs(const Frame& frame, int threads, int thread) {
  constexpr Index kMeasuredBytes = 16 * 1024;
  const Share part = share(frame.rows, threads, thread, 1);
  forget_magnitudes(thread);
  for (int slot = 0; slot < inputs(); ++slot) {
    if (!reads_input(slot)) continue;
    const std::size_t v = static_cast<std::size_t>(tape_.inputs[static_cast<std::size_t>(slot)]);
    if (data_[v] == nullptr) continue;  // in_block
    const Value& value = tape_.values[v];
    const bool in_place = data_[v] != own_[v];
    Index step = part.end - part.begin;
    if (value.measured >= 0)
      step = std::max<Index>(1, kMeasuredBytes / (value.width * static_cast<Index>(sizeof(T)) + 1));
    else if (in_place)
      continue;
    for (Index begin = part.begin; begin < part.end; begin += step) {
      const Index end = std::min(begin + step, part.end);
      if (!in_place) gather(frame, slot, 0, begin, end, own_[v], thread);
      if (value.measured >= 0) {
        const Magnitude<T> call{end - begin, value.width, data_[v] + begin * value.width, value.width,
                                magnitude_of(value, thread)};
        kernels_.magnitude(&call);
      }
    }
  }
}

// Rows begin .. end of the frame, counted into the next one, will be gathered next: those of the widest input, where
// they lie scattered in more memory than the caches hold.
template <class T>
void Plan<T>::choose_ahead(const Worker& worker, Index begin, Index end) const {
  static const Index caches = 2 * cache_sizes().l2;
  const Frame& frame = *worker.frame;
  *worker.ahead = Ahead{};
  end = std::min(end, frame.rows + frame.rows_after);
  if (frame.row_ids == nullptr || begin >= end) return;
  for (int slot = 0; slot < inputs(); ++slot) {
    const Source& source = (*frame.inputs)[static_cast<std::size_t>(slot)];
    if (!reads_input(slot) || source.sizes.size() != 1) continue;
    const Index bytes = source.sizes[0] * source.strides[0];
    if (bytes <= worker.ahead->bytes || source.rows * source.row_bytes < caches) continue;
    *worker.ahead = Ahead{source.data, source.row_bytes, bytes, frame.row_ids + begin, end - begin, 0};
  }
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastbp
