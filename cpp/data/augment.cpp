#include "data/augment.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "base/errors.h"
#include "base/memory.h"
#include "base/share.h"
#include "base/threads.h"

namespace fastbp {
namespace {

constexpr std::uint32_t kPurpose = 4;                  // rule 9
constexpr double kRadians = 0.017453292519943295;      // per degree
constexpr double kTruncate = 4.0;                      // a Gaussian's radius in standard deviations
constexpr double kLeastSigma = 1e-3, kMostSigma = 1e4;
constexpr Index kRowsAtATime = 256;  // rows per thread of augment_rows between two checks for cancellation

Index rounded(Index elements) { return (elements + 31) / 32 * 32; }

[[noreturn]] void refuse(const std::string& message) { throw Error(Cause::value, message); }

}  // namespace

AugmentStep augment_step(const std::string& kind, const std::vector<double>& numbers) {
  static const struct {
    const char* name;
    AugmentStep::Kind kind;
    std::size_t numbers;
  } kKinds[] = {{"affine", AugmentStep::Kind::affine, 9},
                {"flip", AugmentStep::Kind::flip, 2},
                {"elastic", AugmentStep::Kind::elastic, 3},
                {"noise", AugmentStep::Kind::noise, 1}};
  for (const auto& known : kKinds) {
    if (kind != known.name) continue;
    if (numbers.size() != known.numbers)
      refuse("'" + kind + "' takes " + std::to_string(known.numbers) + " numbers, got " +
             std::to_string(numbers.size()));
    if (!std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isfinite(x); }))
      refuse("the numbers of '" + kind + "' must be finite");
    if (known.kind == AugmentStep::Kind::elastic && !(numbers[1] >= kLeastSigma && numbers[1] <= kMostSigma))
      refuse("sigma must be 0.001 to 10000, got " + std::to_string(numbers[1]));
    AugmentStep step{known.kind, {}};
    std::copy(numbers.begin(), numbers.end(), step.numbers.begin());
    return step;
  }
  refuse("a step must be 'affine', 'flip', 'elastic' or 'noise', got '" + kind + "'");
}

double Augmentation::row_cost() const {
  double cost = 0;
  const double pixels = static_cast<double>(height * width), all = static_cast<double>(elements());
  for (const AugmentStep& step : steps) {
    switch (step.kind) {
      case AugmentStep::Kind::affine:
      case AugmentStep::Kind::flip: cost += 300 + 2 * all; break;
      case AugmentStep::Kind::elastic: {
        const double taps = 2 * kTruncate * step.numbers[1] + 1;
        cost += 300 + 2 * all + pixels * (2 + 0.1 * (std::min<double>(taps, height) + std::min<double>(taps, width)));
        break;
      }
      case AugmentStep::Kind::noise: cost += 10 * all; break;
    }
  }
  return cost;
}

template <class T>
struct Augmenter<T>::Matrix {
  double at[2][3] = {{1, 0, 0}, {0, 1, 0}};

  // The matrix of p -> this(inner(p)).
  Matrix after(const Matrix& inner) const {
    Matrix product;
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 3; ++j) product.at[i][j] = at[i][0] * inner.at[0][j] + at[i][1] * inner.at[1][j];
      product.at[i][2] = product.at[i][2] + at[i][2];
    }
    return product;
  }
};

template <class T>
struct Augmenter<T>::Scratch {
  T *padded, *field, *between;
};

template <class T>
Augmenter<T>::Augmenter(const Augmentation& augmentation, int threads)
    : augmentation_(augmentation), table_(kernels()), kernels_(kernels_for<T>()) {
  const Index height = augmentation.height, width = augmentation.width;
  constexpr Index slack = kFieldSlackBytes / static_cast<Index>(sizeof(T));
  bool elastic = false;
  for (const AugmentStep& step : augmentation.steps) {
    filters_.push_back(step.kind == AugmentStep::Kind::elastic ? filter_of(step.numbers[1]) : Filter{});
    elastic = elastic || step.kind == AugmentStep::Kind::elastic;
    if (step.kind == AugmentStep::Kind::elastic) pad_ = std::max(pad_, filters_.back().radius[1]);
  }
  padded_ = rounded((height + kSampleMargin) * (width + kSampleMargin) * augmentation.channels);
  if (elastic) {
    between_row_ = pad_ + width + pad_;
    plane_ = rounded(height * width + slack);
    between_ = rounded((height + kFieldPad) * between_row_ + slack);
  }
  scratch_ = Buffer(bytes_of({threads, padded_ + 2 * plane_ + between_, static_cast<Index>(sizeof(T))}));
}

// A Gaussian's weights are scaled to a sum of about 1; then those for distances that no two pixels have are left out.
template <class T>
typename Augmenter<T>::Filter Augmenter<T>::filter_of(double sigma) const {
  const Index whole = static_cast<Index>(kTruncate * sigma + 0.5);
  std::vector<double> weights(static_cast<std::size_t>(2 * whole + 1));
  for (Index k = -whole; k <= whole; ++k)
    weights[static_cast<std::size_t>(k + whole)] = static_cast<double>(k * k) * (-0.5 / (sigma * sigma));
  Map<double> exp{};
  exp.rows = 1;
  exp.cols = exp.out_row = exp.row_stride[0] = 2 * whole + 1;
  exp.col_stride[0] = 1;
  exp.in[0] = exp.out = weights.data();
  const FloatingPointState state;
  table_.f64.map[static_cast<int>(MapOp::exp)](&exp);
  double total = 0;
  for (double weight : weights) total += weight;
  Filter filter;
  for (int axis = 0; axis < 2; ++axis) {
    const Index size = axis == 0 ? augmentation_.height : augmentation_.width;
    const Index radius = filter.radius[axis] = std::min(whole, size - 1);
    filter.weights[axis].assign(static_cast<std::size_t>(2 * (radius + kFieldPad) + 1), T(0));
    for (Index k = -radius; k <= radius; ++k)
      filter.weights[axis][static_cast<std::size_t>(k + radius + kFieldPad)] =
          static_cast<T>(weights[static_cast<std::size_t>(k + whole)] / total);
  }
  return filter;
}

template <class T>
typename Augmenter<T>::Scratch Augmenter<T>::scratch_of(int thread) const {
  T* padded = scratch_.template as<T>() + thread * (padded_ + 2 * plane_ + between_);
  return {padded, padded + padded_, padded + padded_ + 2 * plane_};
}

template <class T>
void Augmenter<T>::run(T* images, Index begin, Index end, const AugmentRows& rows, int thread) const {
  const Scratch scratch = scratch_of(thread);
  Random stream{};
  stream.seed = rows.seed;
  stream.counter = rows.counter;
  stream.high = 1;
  for (Index row = begin; row < end; ++row) {
    stream.row = static_cast<std::uint32_t>(rows.row_ids != nullptr ? rows.row_ids[row] : rows.first_row + row);
    run_image(images + row * augmentation_.elements(), stream, scratch);
  }
}

// Consecutive geometric transforms are composed, so that the image is interpolated once; an elastic one ends the run.
template <class T>
void Augmenter<T>::run_image(T* image, Random stream, const Scratch& scratch) const {
  Matrix matrix;
  double fill = 0;
  bool pending = false;
  for (std::size_t ordinal = 0; ordinal < augmentation_.steps.size(); ++ordinal) {
    const AugmentStep& step = augmentation_.steps[ordinal];
    stream.stream = kPurpose << 24 | static_cast<std::uint32_t>(ordinal);
    switch (step.kind) {
      case AugmentStep::Kind::affine:
        fill = step.numbers[8];
        matrix = matrix.after(affine(step.numbers, stream));
        pending = true;
        break;
      case AugmentStep::Kind::flip:
        matrix = matrix.after(flip(step.numbers, stream));
        pending = true;
        break;
      case AugmentStep::Kind::elastic:
        displace(filters_[ordinal], stream, scratch);
        sample(image, matrix, true, step.numbers[0], step.numbers[2], scratch);
        matrix = Matrix();
        fill = 0;
        pending = false;
        break;
      case AugmentStep::Kind::noise:
        if (pending) sample(image, matrix, false, 0, fill, scratch);
        matrix = Matrix();
        fill = 0;
        pending = false;
        add_noise(image, step.numbers[0], stream);
        break;
    }
  }
  if (pending) sample(image, matrix, false, 0, fill, scratch);
}

// The transform shears the input about the image's centre, rotates it counter-clockwise, scales it, then shifts it; the
// matrix is the inverse of that.
template <class T>
typename Augmenter<T>::Matrix Augmenter<T>::affine(const std::array<double, 9>& numbers, Random stream) const {
  const auto [low, high, share_x, share_y, smallest, largest, most_x, most_y, fill] = numbers;
  static_cast<void>(fill);
  const double height = static_cast<double>(augmentation_.height), width = static_cast<double>(augmentation_.width);
  double u[6];
  stream.n = 6;
  stream.out = u;
  table_.uniform(&stream);
  double angles[3] = {(low + (high - low) * u[0]) * kRadians, (most_x * (2.0 * u[4] - 1.0)) * kRadians,
                      (most_y * (2.0 * u[5] - 1.0)) * kRadians};
  const double shift_x = (share_x * width) * (2.0 * u[1] - 1.0), shift_y = (share_y * height) * (2.0 * u[2] - 1.0);
  const double scale = smallest + (largest - smallest) * u[3];
  double sines[3], cosines[3];
  Map<double> map{};
  map.rows = 1;
  map.cols = map.out_row = map.row_stride[0] = 3;
  map.col_stride[0] = 1;
  map.in[0] = angles;
  map.out = sines;
  table_.f64.map[static_cast<int>(MapOp::sin)](&map);
  map.out = cosines;
  table_.f64.map[static_cast<int>(MapOp::cos)](&map);
  const double c = cosines[0], s = sines[0], along_x = sines[1] / cosines[1], along_y = sines[2] / cosines[2];
  const double unit = (1.0 - along_x * along_y) * scale;
  const double yy = (c + along_y * s) / unit, yx = (s - along_y * c) / unit;
  const double xy = (-s - along_x * c) / unit, xx = (c - along_x * s) / unit;
  const double centre_y = 0.5 * (height - 1), centre_x = 0.5 * (width - 1);
  const double from_y = centre_y + shift_y, from_x = centre_x + shift_x;
  return {{{yy, yx, centre_y - (yy * from_y + yx * from_x)}, {xy, xx, centre_x - (xy * from_y + xx * from_x)}}};
}

template <class T>
typename Augmenter<T>::Matrix Augmenter<T>::flip(const std::array<double, 9>& numbers, Random stream) const {
  double u[2];
  stream.n = 2;
  stream.out = u;
  table_.uniform(&stream);
  Matrix matrix;
  if (u[1] < numbers[1]) matrix.at[0][0] = -1, matrix.at[0][2] = static_cast<double>(augmentation_.height) - 1.0;
  if (u[0] < numbers[0]) matrix.at[1][1] = -1, matrix.at[1][2] = static_cast<double>(augmentation_.width) - 1.0;
  return matrix;
}

template <class T>
void Augmenter<T>::displace(const Filter& filter, const Random& stream, const Scratch& scratch) const {
  Displace<T> call{};
  call.height = augmentation_.height;
  call.width = augmentation_.width;
  for (int axis = 0; axis < 2; ++axis) {
    call.weights[axis] = filter.weights[axis].data() + kFieldPad;
    call.radius[axis] = filter.radius[axis];
  }
  call.seed = stream.seed;
  call.row = stream.row;
  call.stream = stream.stream;
  call.counter = stream.counter;
  call.field = scratch.field;
  call.plane = plane_;
  call.between = scratch.between;
  call.between_row = between_row_;
  call.pad = pad_;
  kernels_.displace(&call);
}

template <class T>
void Augmenter<T>::sample(T* image, const Matrix& matrix, bool displaced, double alpha, double fill,
                          const Scratch& scratch) const {
  const Index height = augmentation_.height, row = augmentation_.width * augmentation_.channels;
  const Index margin = kSampleMargin * augmentation_.channels, before = 2 * augmentation_.channels;
  const std::size_t bytes = static_cast<std::size_t>(row) * sizeof(T);
  std::fill(scratch.padded, scratch.padded + (height + kSampleMargin) * (row + margin), static_cast<T>(fill));
  for (Index y = 0; y < height; ++y)
    std::memcpy(scratch.padded + (y + 2) * (row + margin) + before, image + y * row, bytes);
  Sample<T> call{};
  call.height = height;
  call.width = augmentation_.width;
  call.channels = augmentation_.channels;
  call.padded = scratch.padded;
  for (int i = 0; i < 6; ++i) call.matrix[i] = static_cast<T>(matrix.at[i / 3][i % 3]);
  call.displacement = displaced ? scratch.field : nullptr;
  call.plane = plane_;
  call.alpha = static_cast<T>(alpha);
  call.out = image;
  kernels_.sample(&call);
}

template <class T>
void Augmenter<T>::add_noise(T* image, double deviation, Random stream) const {
  constexpr Index kMost = 128;
  double numbers[kMost];
  stream.out = numbers;
  for (stream.first = 0; stream.first < augmentation_.elements(); stream.first += kMost) {
    stream.n = std::min(kMost, augmentation_.elements() - stream.first);
    table_.normal(&stream);
    for (Index i = 0; i < stream.n; ++i)
      image[stream.first + i] = image[stream.first + i] + static_cast<T>(deviation * numbers[i]);
  }
}

template <class T>
void augment_rows(const Augmentation& augmentation, const Source& source, std::uint64_t seed, std::uint32_t counter,
                  T* out, Cancel cancel) {
  const double saved = augmentation.row_cost() * static_cast<double>(source.rows);
  constexpr double kWorthATeam = 80000;  // nanoseconds
  const int threads = saved < kWorthATeam && !shares_always() ? 1 : get_num_threads();
  const Augmenter<T> augmenter(augmentation, threads);
  const Kernels<T>& kernels = kernels_for<T>();
  std::atomic<bool> stop{false};
  run_team(threads, [&](Team& team, int thread) {
    const Index at_a_time = kRowsAtATime * team.size();
    for (Index first = 0; first < source.rows && !stop.load(std::memory_order_relaxed); first += at_a_time) {
      const Share part = share(std::min(at_a_time, source.rows - first), team.size(), thread, 1);
      T* images = out + first * source.width;
      gather_rows(kernels, source, nullptr, first, part.begin, part.end, images);
      augmenter.run(images, part.begin, part.end, {nullptr, first, seed, counter}, thread);
      team.barrier(thread);
      if (thread == 0 && cancel.requested()) stop.store(true, std::memory_order_relaxed);
      team.barrier(thread);
    }
  });
}

template class Augmenter<float>;
template class Augmenter<double>;
template void augment_rows<float>(const Augmentation&, const Source&, std::uint64_t, std::uint32_t, float*, Cancel);
template void augment_rows<double>(const Augmentation&, const Source&, std::uint64_t, std::uint32_t, double*, Cancel);

}  // namespace fastbp
