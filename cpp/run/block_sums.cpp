#include "run/block_sums.h"

#include <algorithm>
#include <cstring>

#include "base/memory.h"
#include "base/share.h"
#include "run/layout.h"

namespace fastbp {
namespace {

// Of a binary counter: one for each level that so many blocks fill, one for the block that is being run, one to spare.
int slots_for(Index blocks) {
  int slots = 2;
  while ((Index(1) << (slots - 2)) <= blocks) ++slots;
  return slots;
}

// sum = earlier + sum, elementwise.
template <class T>
void add_earlier(const Kernels<T>& kernels, const T* earlier, T* sum, Index n) {
  Map<T> map{};
  map.rows = 1;
  map.cols = n;
  map.out = sum;
  map.in[0] = earlier;
  map.in[1] = sum;
  map.out_row = map.row_stride[0] = map.row_stride[1] = n;
  map.col_stride[0] = map.col_stride[1] = 1;
  kernels.map[static_cast<int>(MapOp::add)](&map);
}

}  // namespace

template <class T>
BlockSums<T>::BlockSums(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, Index most_blocks,
                        Index most_units)
    : tape_(tape), kernels_(kernels), memory_(memory), slots_(slots_for(most_blocks)) {
  const Index element = static_cast<Index>(sizeof(T));
  const int threads = tape.loop_threads();
  step_ = apart(product_of({tape.block_sums, slots_, element}), threads) / element;
  sums_ = Buffer(bytes_of({step_, element, threads}));
  unit_sums_ = Buffer(bytes_of({tape.block_sums, element, most_units}));
}

template <class T>
BlockSums<T>::OfUnit::OfUnit(const BlockSums& all, int thread) : all_(all) {
  T* const sums = all.sums_.template as<T>() + all.step_ * thread;
  for (; free_count_ < all.slots_; ++free_count_) free_[free_count_] = sums + all.tape_.block_sums * free_count_;
}

template <class T>
T* BlockSums<T>::OfUnit::add_earlier(T* earlier, T* sum) {
  fastbp::add_earlier(all_.kernels_, earlier, sum, all_.tape_.block_sums);
  free_[free_count_++] = earlier;
  return sum;
}

template <class T>
void BlockSums<T>::OfUnit::add(T* block) {
  if (!all_.exist()) return;
  counter_.push(block, [this](T* earlier, T* sum) { return add_earlier(earlier, sum); });
}

template <class T>
void BlockSums<T>::OfUnit::store(Index unit) {
  if (!all_.exist()) return;
  const T* total = counter_.total([this](T* earlier, T* sum) { return add_earlier(earlier, sum); });
  std::memcpy(all_.of_unit(unit), total, static_cast<std::size_t>(all_.tape_.block_sums) * sizeof(T));
}

// Every unit has 2^l blocks, except that the last may have fewer; the last unit's sum then ranks below every level of
// the others.
template <class T>
void BlockSums<T>::combine(Index blocks, Index unit, int threads, int thread) const {
  const Index whole = blocks / unit;
  for (std::size_t v = 0; v < tape_.values.size(); ++v) {
    const Value& value = tape_.values[v];
    if (value.sum_offset < 0) continue;
    Share part = share(value.width, threads, thread, 1024);
    const Index n = part.end - part.begin;
    if (n == 0) continue;
    T* out = memory_.whole(static_cast<int>(v)) + part.begin;
    if (blocks == 0) {
      std::fill(out, out + n, T(0));
      continue;
    }
    const auto unit_sum = [&](Index u) { return of_unit(u) + value.sum_offset + part.begin; };
    const auto add = [&](T* earlier, T* sum) {
      add_earlier(kernels_, earlier, sum, n);
      return sum;
    };
    BinaryCounter<T*> counter;
    for (Index u = 0; u < whole; ++u) counter.push(unit_sum(u), add);
    const bool has_rest = whole * unit < blocks;
    const T* total = has_rest ? counter.total(unit_sum(whole), add) : counter.total(add);
    std::memcpy(out, total, static_cast<std::size_t>(n) * sizeof(T));
  }
}

template class BlockSums<float>;
template class BlockSums<double>;

}  // namespace fastbp
