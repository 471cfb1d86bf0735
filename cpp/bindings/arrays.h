// NumPy arrays as the core sees them, without copying.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "base/memory.h"
#include "data/source.h"
#include "graph/graph.h"

namespace fastbp {

Dtype dtype_named(const std::string& name);
const char* name_of(Dtype dtype);

// Error(type) for element types that cannot be gathered (complex, text, objects, long doubles).
Source source_of(const std::string& name, const pybind11::array& array);

struct Inputs {
  std::vector<Source> sources;  // by slot
  Index rows = 0;
};

// The input nodes, by slot, of a graph that no longer grows.
class InputNodes {
 public:
  explicit InputNodes(const Graph& graph);

  // Checks the arrays against the nodes: one array per slot, the same number of rows in all. A graph without inputs
  // takes any arrays, which give the rows, or none: then there is one row. The arrays must outlive the result.
  Inputs read(const std::vector<pybind11::array>& arrays) const;

 private:
  struct Expected {
    bool known = false;  // whether the slot has a node
    std::string name;    // for messages
    std::vector<Index> dims;
  };
  [[noreturn]] void refuse_number(std::size_t came) const;

  std::vector<Expected> slots_;
};

// Error(memory) if there is no memory for NumPy's conversion of an array to C-contiguous numbers of this dtype. Nested
// lists take more memory than what is made of them, and are not looked at.
void require_converted(const pybind11::handle& value, const pybind11::dtype& dtype);

// A copy of the array, or the array itself, made read-only.
pybind11::array copied_or_seen(const pybind11::array& array, bool copy);

// Ask for its memory first.
template <class T>
pybind11::array_t<T> new_array(const Shape& shape, Index rows) {
  std::vector<pybind11::ssize_t> sizes;
  if (shape.rows) sizes.push_back(rows);
  sizes.insert(sizes.end(), shape.dims.begin(), shape.dims.end());
  return pybind11::array_t<T>(sizes);
}

}  // namespace fastbp
