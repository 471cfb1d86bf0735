// The weights. Functions and trainers built on the same Parameters share them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/memory.h"

namespace fastbp {

struct Parameter {
  Parameter(std::string name_, std::vector<Index> dims_, Index element_bytes)
      : name(std::move(name_)), dims(std::move(dims_)) {
    for (Index d : dims)
      if (d < 0)
        throw Error(Cause::value, "parameter '" + name + "' must have no negative sizes, got " + std::to_string(d));
    size = product_of(dims);
    data = Buffer(bytes_of({size, element_bytes}), Use::wholly);
  }

  std::string name;
  std::vector<Index> dims;
  Index size = 1;
  Buffer data;  // never moves: plans keep pointers into it
};

class Parameters {
 public:
  explicit Parameters(Dtype dtype) : dtype_(dtype) {}

  Dtype dtype() const { return dtype_; }
  Index element_bytes() const { return dtype_ == Dtype::float32 ? 4 : 8; }
  int size() const { return static_cast<int>(slots_.size()); }

  // Returns its slot.
  int add(Parameter parameter) {
    slots_.push_back(std::move(parameter));
    return size() - 1;
  }
  Parameter& at(Index slot) {
    if (slot < 0 || slot >= size())
      throw Error(Cause::value, "slot must be 0 to " + std::to_string(size() - 1) + ", got " + std::to_string(slot));
    return slots_[static_cast<std::size_t>(slot)];
  }

  // Counts the steps and calls that have written values, so that a trainer can tell whether others have written since.
  std::atomic<std::uint64_t> writes{0};

 private:
  Dtype dtype_;
  std::deque<Parameter> slots_;  // a deque never moves its elements: a trainer may be running while more are added
};

}  // namespace fastbp
