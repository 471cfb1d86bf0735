#include "bindings/augment.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/calls.h"
#include "bindings/gil.h"

namespace fastbp {

namespace py = pybind11;

Augmentation augmentation_of(const py::object& request) {
  Augmentation augmentation;
  if (request.is_none()) return augmentation;
  using Steps = std::vector<std::pair<std::string, std::vector<double>>>;
  const auto [steps, shape] = request.cast<std::pair<Steps, std::vector<Index>>>();
  constexpr Index kMostSize = Index(1) << 20, kMostElements = Index(1) << 30;
  Index elements = 1;
  for (Index size : shape) {
    if (size < 1 || size > kMostSize)
      throw Error(Cause::value,
                  "an image's sizes must be 1 to " + std::to_string(kMostSize) + ", got " + std::to_string(size));
    elements =
        elements > kMostElements / (size + kSampleMargin) ? kMostElements + 1 : elements * (size + kSampleMargin);
  }
  if (shape.size() != 3 || elements > kMostElements)
    throw Error(Cause::value, "an image must have a height, a width and channels, and fewer than 2^30 numbers");
  for (const auto& [kind, numbers] : steps) augmentation.steps.push_back(augment_step(kind, numbers));
  augmentation.height = shape[0];
  augmentation.width = shape[1];
  augmentation.channels = shape[2];
  return augmentation;
}

void check_images(const Augmentation& augmentation, const Source& source) {
  if (augmentation.steps.empty() || source.width == augmentation.elements()) return;
  throw Error(Cause::value, source.name + " has " + std::to_string(source.width) + " numbers a row, but an image of " +
                                std::to_string(augmentation.height) + " x " + std::to_string(augmentation.width) +
                                " x " + std::to_string(augmentation.channels) + " has " +
                                std::to_string(augmentation.elements()));
}

namespace {

template <class T>
py::array augmented_as(const Augmentation& augmentation, const py::array& x, std::uint64_t seed,
                       std::uint32_t counter) {
  const Source source = source_of("x", x);
  check_images(augmentation, source);
  require_memory(bytes_of({source.rows, source.width, static_cast<Index>(sizeof(T))}));
  py::array_t<T> out(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  T* data = out.mutable_data();
  Signals signals;
  {
    const ReleasedLock released;
    augment_rows<T>(augmentation, source, seed, counter, data, signals.cancel());
  }
  signals.rethrow();
  return std::move(out);
}

py::array augmented(const py::array& x, const py::object& augment, const std::string& dtype, std::uint64_t seed,
                    std::uint32_t epoch) {
  const Augmentation augmentation = augmentation_of(augment);
  return dtype_named(dtype) == Dtype::float32 ? augmented_as<float>(augmentation, x, seed, epoch)
                                              : augmented_as<double>(augmentation, x, seed, epoch);
}

}  // namespace

void register_augment(py::module_& module) {
  module.def("augmented", &augmented, py::arg("x"), py::arg("augment"), py::kw_only(), py::arg("dtype"),
             py::arg("seed"), py::arg("epoch"),
             "The images as a fit with `augment` sees them in that epoch (rule 12), in a new array.");
}

}  // namespace fastbp
