// Where data leave the domain of what they are for: labels, probabilities.
#include <pybind11/numpy.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/buffer.h"
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "kernels/dispatch.h"

namespace fastbp {

namespace py = pybind11;

namespace {

constexpr Index kPiece = 1 << 16;  // elements looked at between two looks at Ctrl-C, but at least one row
constexpr Index kTogether = 1024;  // elements looked at without a branch

template <class T>
struct Domain {
  T low, high;
  bool whole;  // whether only whole numbers belong to it; then NaN does not

  // Without branches, so that the compiler can look at several elements at once.
  bool excludes_any(const T* x, Index count) const {
    int found = 0;
    if (whole)
      for (Index i = 0; i < count; ++i) found |= !(x[i] >= low) | !(x[i] <= high) | (std::floor(x[i]) != x[i]);
    else
      for (Index i = 0; i < count; ++i) found |= (x[i] < low) | (x[i] > high);
    return found != 0;
  }

  // The place of the first element outside; -1 if there is none.
  Index first_outside(const T* x, Index count) const {
    for (Index first = 0; first < count; first += kTogether) {
      if (!excludes_any(x + first, std::min(kTogether, count - first))) continue;
      for (Index i = first;; ++i)
        if (excludes_any(x + i, 1)) return i;
    }
    return -1;
  }
};

template <class T>
Index first_outside_in_place(const Source& source, Index first, Index rows, const Domain<T>& domain) {
  const char* data = source.data + first * source.row_bytes;
  return domain.first_outside(reinterpret_cast<const T*>(data), rows * source.width);
}

Index first_outside_converted(const Source& source, Index first, Index rows, const Domain<double>& domain) {
  const Buffer converted(static_cast<std::size_t>(rows * source.width) * sizeof(double));
  gather_rows<double>(kernels_for<double>(), source, nullptr, first, 0, rows, converted.as<double>());
  return domain.first_outside(converted.as<double>(), rows * source.width);
}

Index first_outside(const py::array& array, double low, double high, bool whole) {
  const Source source = source_of("the array", array);
  if (source.width == 0) return -1;
  const Domain<float> singles{static_cast<float>(low), static_cast<float>(high), whole};
  const Domain<double> doubles{low, high, whole};
  const Index rows_at_a_time = std::max(Index(1), kPiece / source.width);
  for (Index first = 0; first < source.rows; first += rows_at_a_time) {
    const Index rows = std::min(rows_at_a_time, source.rows - first);
    if (first > 0 && PyErr_CheckSignals() != 0) throw py::error_already_set();
    std::optional<py::gil_scoped_release> release;
    if (source.rows > rows_at_a_time) release.emplace();
    const Index found = source.is_plain<float>()    ? first_outside_in_place(source, first, rows, singles)
                        : source.is_plain<double>() ? first_outside_in_place(source, first, rows, doubles)
                                                    : first_outside_converted(source, first, rows, doubles);
    if (found >= 0) return first * source.width + found;
  }
  return -1;
}

}  // namespace

void register_domain(py::module_& module) {
  module.def("first_outside", &first_outside, py::arg("array"), py::arg("low"), py::arg("high"), py::arg("whole"),
             "The row-major place of the first element below low or above high, or, where whole is true, that is not a "
             "whole number (as NaN is not); -1 if there is none.");
}

}  // namespace fastbp
