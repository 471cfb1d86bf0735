// Fills every slot of the table except fill_products.h's. One file per instruction set includes this, as its last line.
#pragma once

#include "kernels/augment.h"
#include "kernels/gather.h"
#include "kernels/map.h"
#include "kernels/norms.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/update.h"

#ifndef FASTBP_FILL_MAPS
#error "define FASTBP_FILL_MAPS as the name of the function to define"
#endif

namespace fastbp {
namespace {

template <class T>
void fill_maps(Kernels<T>& kernels) {
#define FASTBP_X(name, operands)                                                                                       \
  kernels.map[static_cast<int>(MapOp::name)] = map_kernel<T, operation::name<T>, operands>;
  FASTBP_ELEMENTWISE_OPERATIONS(FASTBP_X)
  FASTBP_COMBINED_OPERATIONS(FASTBP_X)
#undef FASTBP_X
  kernels.row_sum = row_sum<T>;
  kernels.row_max = row_max<T>;
  kernels.row_first_max = row_first_max<T>;
  kernels.row_argmax = row_argmax<T>;
  kernels.softmax = softmax<T>;
  kernels.log_softmax = log_softmax<T>;
  kernels.logsumexp = logsumexp<T>;
  kernels.softmax_cross_entropy = softmax_cross_entropy<T>;
  kernels.sparse_softmax_cross_entropy = sparse_softmax_cross_entropy<T>;
  kernels.one_hot = one_hot<T>;
  kernels.pick = pick<T>;
  kernels.sum_over_rows = sum_over_rows<T>;
  kernels.max_over_rows = max_over_rows<T>;
  kernels.sum_flat = sum_flat<T>;
  kernels.max_flat = max_flat<T>;
  kernels.dropout = dropout<T>;
#define FASTBP_X(name, states, scalars, divides)                                                                       \
  kernels.update[static_cast<int>(UpdateRule::name)] = update<T, update_rule::name<T>, states, scalars>;               \
  kernels.update_is_finite[static_cast<int>(UpdateRule::name)] =                                                       \
      update_is_finite<T, update_rule::name<T>, states, scalars>;
  FASTBP_UPDATE_RULES(FASTBP_X)
#undef FASTBP_X
  kernels.accumulate = accumulate<T>;
  kernels.accumulate_is_finite = accumulate_is_finite<T>;
  kernels.square_sum = square_sum<T>;
  kernels.limit_norms = limit_norms<T>;
  kernels.within = within<T>;
  kernels.magnitude = magnitude_of<T>;
  kernels.gather = gather<T>;
  kernels.displace = displace<T>;
  kernels.sample = sample<T>;
}

}  // namespace

void FASTBP_FILL_MAPS(KernelTable* table) {
  fill_maps(table->f32);
  fill_maps(table->f64);
  table->philox = philox;
  table->draws = draws;
  table->uniform = uniform;
  table->normal = normal;
}

}  // namespace fastbp
