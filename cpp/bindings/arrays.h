// NumPy arrays as the core sees them, without copying.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "graph/graph.h"
#include "plan/source.h"

namespace fastbp {

Dtype dtype_named(const std::string& name);
const char* name_of(Dtype dtype);

// Error(type) where the element type is none that can be gathered (complex, text, objects, long doubles).
Source source_of(const std::string& name, const pybind11::array& array);

// The inputs of a graph, checked against its input nodes: one array per slot, the same number of rows in all. A
// graph without inputs takes any arrays, which give the rows, or none: then there is one row. The arrays must outlive
// what is returned.
struct Inputs {
  std::vector<Source> sources;  // by slot
  Index rows = 0;
};
Inputs inputs_of(const Graph& graph, const std::vector<pybind11::array>& arrays);

template <class T>
pybind11::array_t<T> new_array(const Shape& shape, Index rows) {
  std::vector<pybind11::ssize_t> sizes;
  if (shape.rows) sizes.push_back(rows);
  sizes.insert(sizes.end(), shape.dims.begin(), shape.dims.end());
  return pybind11::array_t<T>(sizes);
}

}  // namespace fastbp
