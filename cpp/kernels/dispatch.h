// Chooses the kernels at load: the best instruction set of this machine, or the one that FASTBP_ISA names.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace fastbp {

std::vector<std::string> available_isas();  // ascending: generic, avx2, avx512
// The table in use. First call reads FASTBP_ISA; Error(value) names an unknown or unavailable one and those available.
const KernelTable& kernels();
void set_isa(const std::string& name);  // for tests; plans built before keep their kernels
template <class T>
const Kernels<T>& kernels_for();
template <>
inline const Kernels<float>& kernels_for<float>() {
  return kernels().f32;
}
template <>
inline const Kernels<double>& kernels_for<double>() {
  return kernels().f64;
}

}  // namespace fastbp
