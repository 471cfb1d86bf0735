// Rule 2's order of additions: a binary counter. Its slots hold sums of 1, 2, 4, ... terms, so that terms that come one
// after the other are added up in the order of a binary tree. The kernels have their own, on registers.
#pragma once

#include <cstdint>

namespace fastbp {

// Sum: a number, or what stands for an array, such as its address. add(earlier, sum) returns earlier + sum, in this
// order of operands; if the sums are arrays, `earlier` is free for other use afterwards.
template <class Sum>
class BinaryCounter {
 public:
  static constexpr int kLevels = 48;  // 2^48 terms fit into no memory

  template <class Add>
  void push(Sum sum, Add add) {
    int level = 0;
    for (; is_full(level); ++level) sum = add(slot_[level], sum);
    slot_[level] = sum;
    ++terms_;
  }

  // Adds up the slots, from the lowest level up. There must be a term.
  template <class Add>
  Sum total(Add add) const {
    int level = 0;
    while (!is_full(level)) ++level;
    return add_above(level + 1, slot_[level], add);
  }
  // The same if another sum, `last`, ranks below every level. There need be no term.
  template <class Add>
  Sum total(Sum last, Add add) const {
    return add_above(0, last, add);
  }

 private:
  bool is_full(int level) const { return terms_ >> level & 1; }
  template <class Add>
  Sum add_above(int level, Sum sum, Add add) const {
    for (; terms_ >> level != 0; ++level)
      if (is_full(level)) sum = add(slot_[level], sum);
    return sum;
  }

  std::uint64_t terms_ = 0;  // pushed so far, whose bits say which levels are full
  Sum slot_[kLevels];
};

}  // namespace fastbp
