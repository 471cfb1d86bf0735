#include "train/shuffle.h"

#include <algorithm>
#include <utility>

namespace fastbp {
namespace {

constexpr std::uint32_t kPurpose = 2u << 24;

// The stream of 64-bit random numbers. `expected` of them will be drawn, and now and then a few more. They are
// generated many at a time, but a handful is generated faster block by block.
class Draws {
 public:
  Draws(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch, Index expected)
      : kernels_(kernels), seed_(seed), epoch_(epoch), expected_(expected) {}
  std::uint64_t next() {
    if (at_ == filled_) fill();
    return numbers_[at_++];
  }
  // Uniform in 0 .. n-1, without bias (Lemire 2019).
  std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(next()) * n;
    if (static_cast<std::uint64_t>(product) < n) {
      const std::uint64_t threshold = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(next()) * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

 private:
  void fill() {
    constexpr Index kHandful = 16;
    first_ += filled_;
    at_ = 0;
    filled_ = std::clamp<Index>(expected_ - first_, 2, kMost);
    filled_ += filled_ % 2;
    if (filled_ > kHandful) return kernels_.draws(seed_, kPurpose, epoch_, first_, filled_, numbers_);
    const std::uint32_t key[2] = {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)};
    for (Index t = 0; t < filled_; t += 2) {
      const std::uint32_t counter[4] = {static_cast<std::uint32_t>((first_ + t) / 2), 0, kPurpose, epoch_};
      std::uint32_t words[4];
      kernels_.philox(counter, key, words);
      numbers_[t] = static_cast<std::uint64_t>(words[0]) << 32 | words[1];
      numbers_[t + 1] = static_cast<std::uint64_t>(words[2]) << 32 | words[3];
    }
  }

  static constexpr Index kMost = 512;
  const KernelTable& kernels_;
  std::uint64_t seed_;
  std::uint32_t epoch_;
  Index expected_;
  Index first_ = 0, filled_ = 0, at_ = 0;  // index of the first buffered number, how many there are, place of the next
  std::uint64_t numbers_[kMost];
};

}  // namespace

bool shuffle(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch, Index n, Index* order,
             Cancel& cancel) {
  constexpr Index kBetweenLooks = 1 << 16;  // about a millisecond
  for (Index i = 0; i < n; ++i) order[i] = i;
  Draws draws(kernels, seed, epoch, n - 1);
  for (Index i = n - 1; i > 0; --i) {
    std::swap(order[i], order[static_cast<Index>(draws.below(static_cast<std::uint64_t>(i) + 1))]);
    if (i % kBetweenLooks == 0 && cancel.requested()) return false;
  }
  return true;
}

}  // namespace fastbp
