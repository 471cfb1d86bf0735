// Loaded before the C library (LD_PRELOAD): one allocation fails, whatever asks for it.
// Calls glibc's internal names, so that it need not look up the next function of the same name.
#include <atomic>
#include <cerrno>
#include <cstddef>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

std::atomic<long> left{0};
std::atomic<std::size_t> least{0};

bool fails(std::size_t bytes) {
  if (bytes < least.load(std::memory_order_relaxed) || left.load(std::memory_order_relaxed) <= 0) return false;
  if (left.fetch_sub(1, std::memory_order_relaxed) != 1) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {

// The n-th from now of at least so many bytes fails; n = 0: none does. Returns how many were left until the failure
// that the call before asked for: 0 if it came.
long fail_malloc_after(long n, std::size_t bytes) {
  least.store(bytes, std::memory_order_relaxed);
  return left.exchange(n, std::memory_order_relaxed);
}

void* malloc(std::size_t bytes) { return fails(bytes) ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t n, std::size_t bytes) { return fails(n * bytes) ? nullptr : __libc_calloc(n, bytes); }
void* realloc(void* p, std::size_t bytes) { return fails(bytes) ? nullptr : __libc_realloc(p, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) {
  return fails(bytes) ? nullptr : __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) {
  void* made = memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *p = made;
  return 0;
}

}  // extern "C"
