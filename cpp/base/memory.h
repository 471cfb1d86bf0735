// Sizes that fit, and memory that exists. Every product of sizes that becomes a number of bytes is computed here, so
// that it cannot overflow, and every large allocation asks here first, because a system that promises memory which it
// does not have ends the process later, when the memory is touched.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "base/types.h"

namespace fastbp {

// The product of sizes of at least 0. Error(memory) if it does not fit an Index.
Index product_of(const std::vector<Index>& sizes);
Index product_of(std::initializer_list<Index> sizes);

// The same as a number of bytes.
inline std::size_t bytes_of(std::initializer_list<Index> sizes) { return static_cast<std::size_t>(product_of(sizes)); }

// The bytes that this process can have at most: memory and swap of the machine, or less where a control group says so.
std::size_t memory_limit();

// Error(memory) if the process cannot have `bytes` more beside `held`, the bytes that it is going to use anyway.
void require_memory(std::size_t bytes, std::size_t held = 0);

}  // namespace fastbp
