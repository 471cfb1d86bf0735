// Sizes that fit, and memory that exists. Every product of sizes that becomes a number of bytes is computed here, so
// that it cannot overflow, and every large allocation asks here first, because a system that promises memory which it
// does not have ends the process later, when the memory is touched.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/types.h"

namespace fastbp {

// The product of sizes of at least 0. Error(memory) if it does not fit an Index.
Index product_of(const std::vector<Index>& sizes);
Index product_of(std::initializer_list<Index> sizes);

// The sum of two numbers of bytes; the largest number if it does not fit.
std::size_t sum_of(std::size_t a, std::size_t b);

// The product as a number of bytes.
inline std::size_t bytes_of(std::initializer_list<Index> sizes) { return static_cast<std::size_t>(product_of(sizes)); }

// Error(memory) if the process cannot have `bytes` more. Ask for several arrays at once: what was allocated but not
// touched yet does not count as taken, except promised buffers.
void require_memory(std::size_t bytes);

// Memory that is allocated and will be touched as a whole, and that which was given back.
void note_promised(std::size_t bytes);
void note_returned(std::size_t bytes);

// The bytes that a process can have at most: memory and swap of the machine, or less where a control group says so.
// root: where "/" is, for tests.
std::size_t memory_limit(const std::string& root);

// The bytes of it that this process has, in memory and in swap. Pages of files do not count, memory maps too: the
// kernel takes those back.
std::size_t memory_taken(const std::string& root);

// Tests: the limit that `require_memory` keeps to; 0 goes back to the system's.
void limit_memory(std::size_t bytes);

}  // namespace fastbp
