// Kernel calls: what an item, on a worker's rows, is as the arguments of its kernel. Nothing here runs anything.
#pragma once

#include "base/share.h"
#include "run/inputs.h"
#include "run/products.h"

namespace fastbp {

template <class T>
class Calls {
 public:
  Calls(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, const Magnitudes<T>& magnitudes,
        const InputRows<T>& inputs, const Products<T>& products)
      : tape_(tape),
        kernels_(kernels),
        memory_(memory),
        magnitudes_(magnitudes),
        inputs_(inputs),
        products_(products) {}

  Map<T> map(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const;
  RowMap<T> row(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const;
  Dropout<T> dropout(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile) const;
  // Sets the counters (rule 9) of the random numbers for a tile that begins at `row`.
  void count(const Item& item, const Frame& frame, Index row, Dropout<T>* call) const;
  OverRows<T> over_rows(const Item& item, const Worker<T>& worker, Share columns) const;
  Matmul<T> product(const Stage& stage, const Worker<T>& worker) const;
  // Measures a part of a value that the stage has written: whole rows, or rows and columns of its product, which may
  // have several rows per row of the value.
  Magnitude<T> magnitude(const Stage& stage, int value, const Worker<T>& worker, const Region& tile) const;

  auto map_kernel(Op op) const { return kernels_.map[static_cast<int>(map_op(op))]; }
  auto row_kernel(Op op) const -> void (*)(const RowMap<T>*);
  auto over_rows_kernel(Op op) const { return op == Op::sum ? kernels_.sum_over_rows : kernels_.max_over_rows; }

 private:
  const Value& value(int v) const { return tape_.values[static_cast<std::size_t>(v)]; }

  const Tape& tape_;
  const Kernels<T>& kernels_;
  const Memory<T>& memory_;
  const Magnitudes<T>& magnitudes_;
  const InputRows<T>& inputs_;
  const Products<T>& products_;
};

extern template class Calls<float>;
extern template class Calls<double>;

}  // namespace fastbp
