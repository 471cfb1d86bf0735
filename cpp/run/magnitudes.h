// The largest magnitudes of the values that the tail reads, noted while they are written.
#pragma once

#include <algorithm>

#include "base/buffer.h"
#include "base/memory.h"
#include "compile/tape.h"

namespace fastbp {

template <class T>
class Magnitudes {
 public:
  explicit Magnitudes(const Tape& tape)
      : per_thread_((static_cast<Index>(tape.measured) + kLine - 1) / kLine * kLine),
        noted_(bytes_of({per_thread_, static_cast<Index>(sizeof(T)), tape.threads})) {}

  // What the thread has noted of a measured value.
  T* of(const Value& value, int thread) const {
    return noted_.template as<T>() + per_thread_ * thread + value.measured;
  }
  std::size_t bytes() const { return noted_.bytes(); }
  void forget(int thread) {
    if (per_thread_ > 0) std::fill_n(noted_.template as<T>() + per_thread_ * thread, per_thread_, T(0));
  }

 private:
  static constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));

  Index per_thread_;  // whole cache lines, so that threads share none
  Buffer noted_;
};

}  // namespace fastbp
