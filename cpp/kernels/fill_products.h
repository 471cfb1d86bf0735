// Fills the table's slots for matrix products, and for the fma peak that they are measured against. The including file
// names the function: FASTBP_FILL_PRODUCTS.
#pragma once

#include "kernels/matmul.h"
#include "kernels/peak.h"
#include "kernels/table.h"

namespace {

template <class T>
void fill_products(fastbp::Kernels<T>* kernels) {
  kernels->matmul = matmul<T>;
  kernels->matmul_prepare = matmul_prepare<T>;
  kernels->matmul_scratch = matmul_scratch<T>;
  kernels->matmul_packed = matmul_packed<T>;
  kernels->matmul_pack = matmul_pack<T>;
  kernels->matmul_reads_listed = matmul_reads_listed<T>;
  kernels->tile_rows = kTileRows;
  kernels->tile_cols = kTileVectors * Vector<T>::lanes;
}

}  // namespace

namespace fastbp {

void FASTBP_FILL_PRODUCTS(KernelTable* table) {
  fill_products(&table->f32);
  fill_products(&table->f64);
  table->fma_chains = fma_chains;
}

}  // namespace fastbp
