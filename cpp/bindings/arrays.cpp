#include "bindings/arrays.h"

#include <algorithm>

namespace fastbp {
namespace py = pybind11;

Dtype dtype_named(const std::string& name) {
  if (name == "float32") return Dtype::float32;
  if (name == "float64") return Dtype::float64;
  throw Error(Cause::value, "dtype must be 'float32' or 'float64', got '" + name + "'");
}

const char* name_of(Dtype dtype) { return dtype == Dtype::float32 ? "float32" : "float64"; }

void require_converted(const py::handle& value, const py::dtype& dtype) {
  if (!py::isinstance<py::array>(value)) return;
  const py::array array = py::reinterpret_borrow<py::array>(value);
  const bool as_it_is = array.dtype().is(dtype) && (array.flags() & py::array::c_style) != 0;
  if (!as_it_is) require_memory(bytes_of({array.size(), dtype.itemsize()}));
}

py::array copied_or_seen(const py::array& array, bool copy) {
  if (copy) {
    require_memory(static_cast<std::size_t>(array.nbytes()));
    return array.attr("copy")();
  }
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

namespace {

constexpr char kOtherOrder = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<';  // as NumPy writes it

Element element_of(const std::string& name, const py::dtype& dtype) {
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  if (kind == 'f' && size == 4) return Element::f32;
  if (kind == 'f' && size == 8) return Element::f64;
  if (kind == 'f' && size == 2) return Element::f16;
  if (kind == 'b') return Element::boolean;
  if (kind == 'i') return size == 1 ? Element::i8 : size == 2 ? Element::i16 : size == 4 ? Element::i32 : Element::i64;
  if (kind == 'u') return size == 1 ? Element::u8 : size == 2 ? Element::u16 : size == 4 ? Element::u32 : Element::u64;
  throw Error(Cause::type,
              name + " must be an array of real numbers (bool, integer, or float of at most 64 bits), got dtype " +
                  py::str(dtype).cast<std::string>());
}

}  // namespace

Source source_of(const std::string& name, const py::array& array) {
  Source source;
  source.name = name;
  source.element = element_of(name, array.dtype());
  source.swap = array.dtype().byteorder() == kOtherOrder;
  if (array.ndim() == 0) throw Error(Cause::value, name + " must have rows, got a single number");
  source.data = static_cast<const char*>(array.data());
  source.rows = array.shape(0);
  source.row_bytes = array.strides(0);
  for (py::ssize_t axis = 1; axis < array.ndim(); ++axis) {
    source.sizes.push_back(array.shape(axis));
    source.strides.push_back(array.strides(axis));
  }
  simplify(source);
  return source;
}

namespace {

// "(3, 4)", "(3,)", "()": as Python writes a tuple.
std::string tuple_of(const std::vector<Index>& dims) {
  std::string text = "(";
  for (std::size_t i = 0; i < dims.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + (dims.size() == 1 ? ",)" : ")");
}

void check_shape(const std::string& name, const py::array& array, const std::vector<Index>& expected) {
  const py::ssize_t axes = array.ndim() - 1;
  if (axes == static_cast<py::ssize_t>(expected.size()) &&
      std::equal(expected.begin(), expected.end(), array.shape() + 1))
    return;
  const std::vector<Index> came(array.shape() + 1, array.shape() + array.ndim());
  if (came.size() == 1 && expected.size() == 1)
    throw Error(Cause::value, name + " has " + std::to_string(came[0]) + " features, but this graph was built for " +
                                  std::to_string(expected[0]));
  throw Error(Cause::value,
              name + " has rows of shape " + tuple_of(came) + ", but this graph was built for " + tuple_of(expected));
}

std::string name_of_input(const Node& node) {
  return node.name.empty() ? "input " + std::to_string(node.integers[0]) : "input '" + node.name + "'";
}

}  // namespace

InputNodes::InputNodes(const Graph& graph) {
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op != Op::input) continue;
    const std::size_t slot = static_cast<std::size_t>(node.integers[0]);
    while (slots_.size() <= slot) slots_.push_back({false, "input " + std::to_string(slots_.size()), {}});
    slots_[slot] = {true, name_of_input(node), node.shape.dims};
  }
}

void InputNodes::refuse_number(std::size_t came) const {
  std::string names;
  for (const Expected& slot : slots_) names += (names.empty() ? "" : ", ") + (slot.known ? slot.name : "-");
  throw Error(Cause::value, "the graph takes " + std::to_string(slots_.size()) + " inputs (" + names + "), got " +
                                std::to_string(came));
}

Inputs InputNodes::read(const std::vector<py::array>& arrays) const {
  if (slots_.size() != arrays.size() && !slots_.empty()) refuse_number(arrays.size());
  Inputs inputs;
  inputs.rows = 1;  // for a graph without inputs, unless arrays give the number
  inputs.sources.reserve(arrays.size());
  for (std::size_t slot = 0; slot < arrays.size(); ++slot) {
    const bool known = slot < slots_.size() && slots_[slot].known;
    inputs.sources.push_back(
        source_of(slot < slots_.size() ? slots_[slot].name : "input " + std::to_string(slot), arrays[slot]));
    const Source& source = inputs.sources.back();
    if (known) check_shape(source.name, arrays[slot], slots_[slot].dims);
    if (slot == 0) inputs.rows = source.rows;
    if (source.rows != inputs.rows)
      throw Error(Cause::value, source.name + " has " + std::to_string(source.rows) + " rows, but " +
                                    inputs.sources.front().name + " has " + std::to_string(inputs.rows));
  }
  return inputs;
}

}  // namespace fastbp
