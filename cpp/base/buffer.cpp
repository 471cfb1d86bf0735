#include "base/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/memory.h"

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

Error out_of_memory(std::size_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  char message[96];
  std::snprintf(message, sizeof message, "out of memory: %zu bytes (%.1f MiB) could not be allocated", bytes,
                static_cast<double>(bytes) / kMebibyte);
  return Error(Cause::memory, message);
}

// On x86 and most others. A block of a matrix with rows of 16 KB lies in hundreds of small pages, more than the TLB
// holds.
constexpr std::size_t kHugePage = std::size_t(2) << 20;

// Buffers from this size on get pages of their own, which are zero and take memory only once they are touched: so room
// for copies of rows costs nothing if the rows turn out to be read in place. Sanitisers watch only the heap.
#if defined(__SANITIZE_ADDRESS__)
#define FASTBP_HEAP_ALONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTBP_HEAP_ALONE 1
#endif
#endif
#if defined(FASTBP_HEAP_ALONE)
constexpr std::size_t kOwnPages = std::numeric_limits<std::size_t>::max();
#else
constexpr std::size_t kOwnPages = 128 * 1024;
#endif

std::size_t in_pages(std::size_t bytes) {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// Returns null if there is no memory. Huge pages begin at multiples of their size. They are only a request: without
// them everything works, but slower.
void* map_pages(std::size_t bytes) {
  const std::size_t whole = in_pages(bytes);
  const std::size_t more = bytes >= kHugePage ? kHugePage : 0;
  if (whole < bytes || whole + more < whole) return nullptr;
  void* const mapped = mmap(nullptr, whole + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (more == 0) return mapped;
  char* const first = static_cast<char*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(mapped) % kHugePage) % kHugePage;
  if (before > 0) munmap(first, before);
  if (more > before) munmap(first + before + whole, more - before);
#ifdef MADV_HUGEPAGE
  static_cast<void>(madvise(first + before, bytes / kHugePage * kHugePage, MADV_HUGEPAGE));
#endif
  return first + before;
}

void* allocate(std::size_t bytes) {
  if (bytes >= kOwnPages) return map_pages(bytes);
  void* data = nullptr;
  if (posix_memalign(&data, kAlignment, bytes) != 0) return nullptr;
  return std::memset(data, 0, bytes);
}

void release(void* data, std::size_t bytes, Use use) {
  if (bytes >= kOwnPages)
    munmap(data, in_pages(bytes));
  else
    std::free(data);
  bytes_now.fetch_sub(bytes, std::memory_order_relaxed);
  if (use == Use::wholly) note_returned(bytes);
}

}  // namespace

Buffer::Buffer(std::size_t bytes, Use use) : bytes_(bytes), use_(use) {
  if (bytes == 0) return;
  require_memory(bytes);
  data_ = told_to_fail() ? nullptr : allocate(bytes);
  if (data_ == nullptr) throw out_of_memory(bytes);
  count(bytes);
  if (use == Use::wholly) note_promised(bytes);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)), use_(other.use_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release(data_, bytes_, use_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    use_ = other.use_;
  }
  return *this;
}

Buffer::~Buffer() { release(data_, bytes_, use_); }

Index fail_allocation_after(Index n) { return allocations_until_failure.exchange(n, std::memory_order_relaxed); }

Allocated allocated() {
  return {bytes_now.load(std::memory_order_relaxed), bytes_at_most.load(std::memory_order_relaxed)};
}

void forget_most_allocated() { bytes_at_most.store(bytes_now.load(std::memory_order_relaxed)); }

}  // namespace fastbp
