// The only allocator of numeric memory: aligned and zero. Large buffers take memory only where they are touched, and
// tests can make an allocation fail.
#pragma once

#include <cstddef>

#include "base/types.h"

namespace fastbp {

constexpr std::size_t kAlignment = 128;

// Whether all of a buffer will be written. Of others some pages may stay untouched and take no memory.
enum class Use { partly, wholly };

// Owns `bytes` bytes aligned to kAlignment. Throws Error(Cause::memory) naming the size if the machine, the control
// group or the process' limits do not allow for so many. Movable, not copyable.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes, Use use = Use::partly);  // contents are zero
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::size_t bytes() const { return bytes_; }
  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Use use_ = Use::partly;
};

// Tests: the n-th allocation from now (1 = the next) fails; 0 switches it off. Returns how many were left until that of
// the call before: 0 if it failed.
Index fail_allocation_after(Index n);

// Tests: the bytes that all buffers hold, and the most that they have held at a time since `forget_most_allocated`.
struct Allocated {
  std::size_t now, most;
};
Allocated allocated();
void forget_most_allocated();

}  // namespace fastbp
