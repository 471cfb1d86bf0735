// The peak rate of fma, for benchmarks: independent chains in registers and nothing else.
#pragma once

#include "kernels/fma.h"
#include "kernels/packing.h"

namespace {

// Enough chains to hide the latency of an fma (4 or 5 cycles) on two ports, few enough for 16 registers.
constexpr int kChains = 12;

// Runs `rounds` rounds of one fma per chain and returns their flops. The sums go to *sink, so that the compiler keeps
// them; they tend to 2, so that no operand is ever slow.
int64_t fma_chains(int64_t rounds, float* sink) {
  const V<float> half = splat<float>(0.5f), one = splat<float>(1.0f);
  V<float> chain[kChains];
  for (int i = 0; i < kChains; ++i) chain[i] = splat<float>((float)i);
  for (int64_t round = 0; round < rounds; ++round) {
    FASTBP_UNROLL
    for (int i = 0; i < kChains; ++i) chain[i] = fma_of(chain[i], half, one);
  }
  V<float> sum = chain[0];
  for (int i = 1; i < kChains; ++i) sum = sum + chain[i];
  *sink = sum[0];
  return rounds * kChains * Vector<float>::lanes * 2;
}

}  // namespace
