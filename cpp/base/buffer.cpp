#include "base/buffer.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/errors.h"

namespace fastbp {

namespace {

std::atomic<Index> allocations_until_failure{0};

bool told_to_fail() {
  if (allocations_until_failure.load(std::memory_order_relaxed) <= 0) return false;
  return allocations_until_failure.fetch_sub(1, std::memory_order_relaxed) == 1;
}

Error out_of_memory(std::size_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  char message[96];
  std::snprintf(message, sizeof message, "out of memory: %zu bytes (%.1f MiB) could not be allocated", bytes,
                static_cast<double>(bytes) / kMebibyte);
  return Error(Cause::memory, message);
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  if (told_to_fail() || posix_memalign(&data_, kAlignment, bytes) != 0) throw out_of_memory(bytes);
  std::memset(data_, 0, bytes);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    std::free(data_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Buffer::~Buffer() { std::free(data_); }

void fail_allocation_after(Index n) { allocations_until_failure.store(n, std::memory_order_relaxed); }

}  // namespace fastbp
