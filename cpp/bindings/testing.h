// Shared by the files of the submodule `testing`: access to arrays as kernels need it.
#pragma once

#include <pybind11/numpy.h>

#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/threads.h"
#include "base/types.h"

namespace fastbp {

namespace py = pybind11;

void register_testing_updates(py::module_& testing);

[[noreturn]] inline void refuse(const std::string& message) { throw Error(Cause::value, message); }

// Calls work(T()), where T is the dtype's element type.
template <class Work>
auto with_type(const py::dtype& dtype, Work work) {
  if (dtype.is(py::dtype::of<float>())) return work(float());
  if (dtype.is(py::dtype::of<double>())) return work(double());
  throw Error(Cause::type, "the dtype must be float32 or float64, got " + std::string(py::str(dtype)));
}

template <class T>
const T* elements(const py::array& a) {
  if (!a.dtype().is(py::dtype::of<T>())) refuse("all arrays must have one dtype, float32 or float64");
  return static_cast<const T*>(a.data());
}

template <class T>
T* elements_of_new(py::array& a) {
  return static_cast<T*>(a.mutable_data());
}

inline py::array empty(const py::dtype& dtype, std::vector<py::ssize_t> shape) {
  return py::array(dtype, std::move(shape));
}

inline Index stride(const py::array& a, int axis) { return a.strides(axis) / a.itemsize(); }

inline void require_axes(const py::array& a, int axes) {
  if (a.ndim() == axes) return;
  refuse("an array of " + std::to_string(axes) + " axes is needed, got " + std::to_string(a.ndim()));
}

// A 2-D array whose columns are contiguous.
inline void require_rows(const py::array& a) {
  require_axes(a, 2);
  if (a.shape(0) > 0 && a.shape(1) > 1 && stride(a, 1) != 1) refuse("columns must be contiguous");
}

inline void require_vector(const py::array& a) {
  require_axes(a, 1);
  if (a.shape(0) > 1 && stride(a, 0) != 1) refuse("the array must be contiguous");
}

// Wraps a function to run in the floating-point state that all threads of a plan have.
template <class Result, class... Arguments>
auto in_state(Result (*function)(Arguments...)) {
  return [function](Arguments... arguments) -> Result {
    const FloatingPointState state;
    return function(std::forward<Arguments>(arguments)...);
  };
}

}  // namespace fastbp
