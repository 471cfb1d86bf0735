// A product's sizes as its kernel takes them.
#pragma once

#include "compile/tape.h"
#include "kernels/table.h"

namespace fastbp {

// The call for that many rows, without addresses.
template <class T>
Matmul<T> matmul_of(const Tape& tape, const Item& item, Index rows) {
  const Value& a = tape.values[static_cast<std::size_t>(item.operands[0].value)];
  Matmul<T> p{};
  p.n = item.n;
  p.c_row = item.n;
  if (item.kind == Item::Kind::product_rows) {
    p.m = item.m;
    p.k = item.k * rows;
    p.a_row = 1;
    p.a_col = item.m;
    p.b_row = item.n;
    p.b_col = 1;
    p.over_rows = 1;
    return p;
  }
  p.finish = item.finish;
  if (item.finish != Finish::none) p.beside_row = item.operands[2].row_stride;
  p.m = a.rows ? item.m * rows : item.m;
  p.k = item.k;
  p.a_row = item.transpose_a ? 1 : item.k;
  p.a_col = item.transpose_a ? item.m : 1;
  p.b_row = item.transpose_b ? 1 : item.n;
  p.b_col = item.transpose_b ? item.k : 1;
  return p;
}

}  // namespace fastbp
