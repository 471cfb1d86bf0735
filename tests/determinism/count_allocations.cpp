// Loaded before the C library (LD_PRELOAD): counts every allocation of every thread, whatever asks for it.
// Calls glibc's internal names, so that it need not look up the next function of the same name.
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

std::atomic<long> allocations{0};

void* counted(void* p) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return p;
}

void* made(std::size_t bytes, std::size_t alignment = 0) {
  void* p = counted(alignment == 0 ? __libc_malloc(bytes) : __libc_memalign(alignment, bytes));
  if (p == nullptr) std::abort();
  return p;
}

}  // namespace

extern "C" {

long allocations_so_far() { return allocations.load(std::memory_order_relaxed); }

void* malloc(std::size_t bytes) { return counted(__libc_malloc(bytes)); }
void* calloc(std::size_t n, std::size_t bytes) { return counted(__libc_calloc(n, bytes)); }
void* realloc(void* p, std::size_t bytes) { return counted(__libc_realloc(p, bytes)); }
void* memalign(std::size_t alignment, std::size_t bytes) { return counted(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return counted(__libc_memalign(alignment, bytes)); }
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) {
  void* made = counted(__libc_memalign(alignment, bytes));
  if (made == nullptr) return ENOMEM;
  *p = made;
  return 0;
}

}  // extern "C"

void* operator new(std::size_t bytes) { return made(bytes); }
void* operator new[](std::size_t bytes) { return made(bytes); }
void* operator new(std::size_t bytes, std::align_val_t a) { return made(bytes, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return made(bytes, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
