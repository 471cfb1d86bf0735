#include "base/buffer.h"

#include <sys/mman.h>

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
std::atomic<std::size_t> bytes_now{0}, bytes_at_most{0};

bool told_to_fail() {
  if (allocations_until_failure.load(std::memory_order_relaxed) <= 0) return false;
  return allocations_until_failure.fetch_sub(1, std::memory_order_relaxed) == 1;
}

void count(std::size_t bytes) {
  const std::size_t now = bytes_now.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::size_t most = bytes_at_most.load(std::memory_order_relaxed);
  while (most < now && !bytes_at_most.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
  }
}

void release(void* data, std::size_t bytes) {
  std::free(data);
  bytes_now.fetch_sub(bytes, std::memory_order_relaxed);
}

Error out_of_memory(std::size_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  char message[96];
  std::snprintf(message, sizeof message, "out of memory: %zu bytes (%.1f MiB) could not be allocated", bytes,
                static_cast<double>(bytes) / kMebibyte);
  return Error(Cause::memory, message);
}

// Of x86 and most others. A block of a matrix with rows of 16 KB lies in hundreds of small pages, more than the
// processor remembers the places of.
constexpr std::size_t kHugePage = std::size_t(2) << 20;

// Asks for huge pages, as many as fit into [data, data + bytes), before memory is first touched. A wish: without them
// everything is slower and nothing else.
void wish_for_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  static_cast<void>(madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE));
#endif
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const bool huge = bytes >= kHugePage;
  if (told_to_fail() || posix_memalign(&data_, huge ? kHugePage : kAlignment, bytes) != 0) throw out_of_memory(bytes);
  count(bytes);
  if (huge) wish_for_huge_pages(data_, bytes);
  std::memset(data_, 0, bytes);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release(data_, bytes_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Buffer::~Buffer() { release(data_, bytes_); }

void fail_allocation_after(Index n) { allocations_until_failure.store(n, std::memory_order_relaxed); }

Allocated allocated() {
  return {bytes_now.load(std::memory_order_relaxed), bytes_at_most.load(std::memory_order_relaxed)};
}

void forget_most_allocated() { bytes_at_most.store(bytes_now.load(std::memory_order_relaxed)); }

}  // namespace fastbp
