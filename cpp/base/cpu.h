// What the processor can do.
#pragma once

namespace fastbp {

struct CpuFeatures {
  bool avx2_fma;  // AVX2, FMA, and the operating system saves YMM
  bool avx512;    // F, VL, BW, DQ, and the operating system saves ZMM
};
CpuFeatures cpu_features();

struct CacheSizes {
  long l1, l2, l3;  // bytes; a sensible guess where the system does not say
};
CacheSizes cache_sizes();

}  // namespace fastbp
