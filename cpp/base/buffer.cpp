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
  if (huge) wish_for_huge_pages(data_, bytes);
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
