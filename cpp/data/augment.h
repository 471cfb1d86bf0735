// Artificial expansion of training data (rule 12): rotates, distorts and adds noise to gathered images, in place.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/cancel.h"
#include "data/source.h"
#include "kernels/dispatch.h"

namespace fastbp {

// One transform; its place in the pipeline is the ordinal of its random numbers.
struct AugmentStep {
  enum class Kind {
    affine,   // degrees low, high; translate x, y; scale low, high; shear x, y (degrees); fill
    flip,     // probability of left-right, of upside-down
    elastic,  // alpha, sigma (pixels); fill
    noise,    // standard deviation
  };
  Kind kind;
  std::array<double, 9> numbers;
  bool operator==(const AugmentStep& other) const { return kind == other.kind && numbers == other.numbers; }
};

// Error(value) for an unknown kind, a wrong count of numbers, a number that is not finite, or a sigma out of range.
AugmentStep augment_step(const std::string& kind, const std::vector<double>& numbers);

// The transforms of the first input, each row of which is an image. No steps: the images stay as they are.
struct Augmentation {
  std::vector<AugmentStep> steps;
  Index height = 0, width = 0, channels = 0;

  Index elements() const { return height * width * channels; }
  double row_cost() const;  // estimate in nanoseconds on one thread
  bool operator==(const Augmentation& other) const {
    return steps == other.steps && height == other.height && width == other.width && channels == other.channels;
  }
};

// What selects the random numbers (rule 9): row i counts as row_ids[i], or as first_row + i if row_ids is null.
struct AugmentRows {
  const Index* row_ids;
  Index first_row;
  std::uint64_t seed;
  std::uint32_t counter;
};

template <class T>
class Augmenter {
 public:
  // Allocates all memory that this many threads need.
  Augmenter(const Augmentation& augmentation, int threads);

  const Augmentation& augmentation() const { return augmentation_; }
  // Transforms rows begin .. end of images in place.
  void run(T* images, Index begin, Index end, const AugmentRows& rows, int thread) const;

 private:
  struct Matrix;   // (y, x, 1) of a pixel of the output -> (y, x) in the input, float64
  struct Scratch;  // of one thread
  struct Filter {  // of an elastic step: a Gaussian along y and x
    std::vector<T> weights[2];
    Index radius[2];
  };

  Filter filter_of(double sigma) const;
  Scratch scratch_of(int thread) const;
  void run_image(T* image, Random stream, const Scratch& scratch) const;
  Matrix affine(const std::array<double, 9>& numbers, Random stream) const;
  Matrix flip(const std::array<double, 9>& numbers, Random stream) const;
  void displace(const Filter& filter, const Random& stream, const Scratch& scratch) const;
  void sample(T* image, const Matrix& matrix, bool displaced, double alpha, double fill, const Scratch& scratch) const;
  void add_noise(T* image, double deviation, Random stream) const;

  Augmentation augmentation_;
  const KernelTable& table_;
  const Kernels<T>& kernels_;
  std::vector<Filter> filters_;  // by step; empty unless the step is elastic
  Index pad_ = 0, between_row_ = 0;  // of Displace
  Index padded_ = 0, plane_ = 0, between_ = 0;  // elements of the parts of a thread's scratch
  Buffer scratch_;
};

// Writes all rows of source, augmented, to out: on all threads if that pays. Ends early if cancelled.
template <class T>
void augment_rows(const Augmentation& augmentation, const Source& source, std::uint64_t seed, std::uint32_t counter,
                  T* out, Cancel cancel);

extern template class Augmenter<float>;
extern template class Augmenter<double>;

}  // namespace fastbp
