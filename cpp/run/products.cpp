#include "run/products.h"

#include <algorithm>

#include "base/memory.h"
#include "base/share.h"
#include "run/layout.h"
#include "run/matmul.h"

namespace fastbp {

template <class T>
Products<T>::Products(const Tape& tape, const Kernels<T>& kernels)
    : tape_(tape),
      kernels_(kernels),
      packed_(static_cast<std::size_t>(packed_together())),
      more_(static_cast<std::size_t>(tape.threads)) {
  allocate_scratch();
}

// The most bytes that a product's first operand takes where threads pack it together.
template <class T>
Index Products<T>::packed_together() const {
  Index most = 0;
  for (std::size_t s = 0; s < tape_.stages.size(); ++s) {
    const Stage& stage = tape_.stages[s];
    if (!stage.is_product() || stage.sharing != Sharing::columns || tape_.in_loop(static_cast<int>(s))) continue;
    Matmul<T> whole = matmul_of<T>(tape_, tape_.first_item(stage), tape_.max_rows);
    whole.threads = tape_.threads;
    most = std::max(most, kernels_.matmul_packed(&whole));
  }
  return most;
}

template <class T>
void Products<T>::allocate_scratch() {
  Index alone = 0;  // bytes, if one thread runs all
  for (std::size_t s = 0; s < tape_.stages.size(); ++s) {
    const Stage& stage = tape_.stages[s];
    if (!stage.is_product()) continue;
    const bool looped = tape_.in_loop(static_cast<int>(s));
    const Index rows = looped ? kRowBlock : tape_.max_rows;
    Matmul<T> whole = matmul_of<T>(tape_, tape_.first_item(stage), rows);
    for (int threads : {1, tape_.threads}) {
      whole.threads = looped ? 1 : threads;
      const int shares = looped || stage.sharing == Sharing::one ? 1 : threads;
      Index& bytes = looped || threads > 1 ? bytes_ : alone;
      for (int thread = 0; thread < shares; ++thread) {
        Index row, column;
        const Matmul<T> part = part_of(whole, stage, rows, shares, thread, &row, &column);
        bytes = std::max(bytes, rounded(kernels_.matmul_scratch(&part)));
      }
    }
  }
  step_ = apart(bytes_, tape_.threads);
  scratch_ = Buffer(bytes_of({std::max(alone, product_of({step_, tape_.threads}))}));
}

template <class T>
Matmul<T> Products<T>::part_of(Matmul<T> whole, const Stage& stage, Index rows, int threads, int thread, Index* row,
                               Index* column) const {
  *row = *column = 0;
  if (threads == 1) return whole;
  if (stage.sharing == Sharing::columns) {
    const Index room = static_cast<Index>(packed_.bytes()), packed = room > 0 ? kernels_.matmul_packed(&whole) : 0;
    if (packed > 0 && packed <= room) whole.packed = packed_.template as<T>();
    Share part = share(whole.n, threads, thread, tape_.column_unit);
    *column = part.begin;
    whole.n = part.end - part.begin;
  } else {
    const Item& item = tape_.first_item(stage);
    const bool of_run = tape_.values[static_cast<std::size_t>(item.output)].rows;
    Share part = share(of_run ? rows : whole.m, threads, thread, 1);
    const Index each = of_run ? item.m : 1;
    *row = part.begin * each;
    whole.m = (part.end - part.begin) * each;
  }
  if (whole.listed.at != nullptr && whole.over_rows) whole.listed.first += *row;
  if (whole.listed.at != nullptr && !whole.over_rows) whole.listed.at += *row;
  if (whole.c != nullptr) {
    whole.a += *row * whole.a_row;
    whole.b += *column * whole.b_col;
    whole.c += *row * whole.c_row + *column;
    if (whole.beside != nullptr) whole.beside += *row * whole.beside_row + *column;
  }
  return whole;
}

template <class T>
void Products<T>::multiply(Matmul<T> part, const Worker<T>& worker, int threads) {
  if (part.packed != nullptr) pack_together(part, worker, threads);
  if (part.m == 0 || part.n == 0) return;
  // There is scratch for full batches and blocks, on one thread and on the whole team; else ask how much is needed.
  const bool full = worker.rows == tape_.max_rows || (worker.block != nullptr && worker.rows == kRowBlock);
  if (!full || (threads != 1 && threads != tape_.threads)) give_scratch(worker, &part);
  kernels_.matmul(&part);
}

// Threads that share the columns of a product all read its whole first operand. If it is packed whole, they pack it
// jointly, each a part, into one shared buffer.
template <class T>
void Products<T>::pack_together(const Matmul<T>& part, const Worker<T>& worker, int threads) const {
  worker.team->barrier(worker.thread);  // nobody still reads the previous product's packing
  kernels_.matmul_pack(&part, worker.thread, threads);
  worker.team->barrier(worker.thread);
}

template <class T>
bool Products<T>::has_scratch_for(const Matmul<T>& part, const Worker<T>& worker) const {
  const bool alone = worker.team != nullptr && worker.team->size() == 1;
  return kernels_.matmul_scratch(&part) <= (alone ? static_cast<Index>(scratch_.bytes()) : bytes_);
}

// A product of fewer rows may be packed in another way and need more scratch than the constructor allocated. The first
// run that needs it allocates it.
template <class T>
void Products<T>::give_scratch(const Worker<T>& worker, Matmul<T>* part) {
  if (has_scratch_for(*part, worker)) return;
  const Index bytes = kernels_.matmul_scratch(part);
  Buffer& more = more_[static_cast<std::size_t>(worker.thread)];
  if (static_cast<Index>(more.bytes()) < bytes) {
    more = Buffer();  // free the old buffer first
    more = Buffer(static_cast<std::size_t>(bytes));
  }
  part->scratch = more.data();
}

template class Products<float>;
template class Products<double>;

}  // namespace fastbp
