// Sizes. Every count and stride in fastbp is 64 bits wide.
#pragma once

#include <cstdint>

namespace fastbp {

using Index = std::int64_t;

enum class Dtype { float32, float64 };

}  // namespace fastbp
