#include "train/shuffle.h"

#include <utility>

namespace fastbp {
namespace {

constexpr std::uint32_t kPurpose = 2u << 24;

// The stream of 64-bit numbers: draw t is words 2(t mod 2) (high) and 2(t mod 2) + 1 (low) of block t / 2.
class Draws {
 public:
  Draws(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch) : kernels_(kernels) {
    key_[0] = static_cast<std::uint32_t>(seed);
    key_[1] = static_cast<std::uint32_t>(seed >> 32);
    counter_[2] = kPurpose;
    counter_[3] = epoch;
  }
  std::uint64_t next() {
    const int half = static_cast<int>(draw_ % 2);
    if (half == 0) {
      counter_[0] = static_cast<std::uint32_t>(draw_ / 2);
      kernels_.philox(counter_, key_, words_);
    }
    ++draw_;
    return static_cast<std::uint64_t>(words_[2 * half]) << 32 | words_[2 * half + 1];
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
  const KernelTable& kernels_;
  std::uint32_t key_[2];
  std::uint32_t counter_[4] = {0, 0, 0, 0};
  std::uint32_t words_[4] = {0, 0, 0, 0};
  std::uint64_t draw_ = 0;
};

}  // namespace

bool shuffle(const KernelTable& kernels, std::uint64_t seed, std::uint32_t epoch, Index n, Index* order,
             Cancel& cancel) {
  constexpr Index kBetweenLooks = 1 << 16;  // about a millisecond
  for (Index i = 0; i < n; ++i) order[i] = i;
  Draws draws(kernels, seed, epoch);
  for (Index i = n - 1; i > 0; --i) {
    std::swap(order[i], order[static_cast<Index>(draws.below(static_cast<std::uint64_t>(i) + 1))]);
    if (i % kBetweenLooks == 0 && cancel.requested()) return false;
  }
  return true;
}

}  // namespace fastbp
