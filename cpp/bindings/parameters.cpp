// Parameters in Python: docs/architecture.md, "The two backends".
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <tuple>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/made.h"
#include "bindings/shared_parameters.h"

namespace fastbp {
namespace {

namespace py = pybind11;

// The value in the parameters' dtype, C-contiguous: NumPy's conversion rounds once.
py::array converted(const Parameters& parameters, const py::object& value) {
  const py::module_ numpy = py::module_::import("numpy");
  const py::dtype dtype(name_of(parameters.dtype()));
  require_converted(value, dtype);
  return numpy.attr("ascontiguousarray")(value, py::arg("dtype") = dtype)
      .attr("reshape")(numpy.attr("shape")(value))
      .cast<py::array>();
}

std::vector<Index> dims_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

void write(Parameter& parameter, const py::array& values) {
  if (parameter.size > 0) std::memcpy(parameter.data.data(), values.data(), static_cast<std::size_t>(values.nbytes()));
}

int add_parameter(Made<SharedParameters> self, const py::object& value, std::string name) {
  Parameters& parameters = *self;
  py::array values = converted(parameters, value);
  Parameter parameter(std::move(name), dims_of(values), parameters.element_bytes());
  write(parameter, values);
  return parameters.add(std::move(parameter));
}

// Fills the parameter part by part; there is never an array of the whole.
int add_parts(Made<SharedParameters> self, const std::vector<Index>& shape, const py::iterable& parts,
              std::string name) {
  Parameters& parameters = *self;
  Parameter parameter(std::move(name), shape, parameters.element_bytes());
  Index filled = 0;
  for (const py::handle& part : parts) {
    const py::array values = converted(parameters, py::reinterpret_borrow<py::object>(part));
    if (values.size() <= parameter.size - filled && values.size() > 0)
      std::memcpy(parameter.data.as<char>() + filled * parameters.element_bytes(), values.data(),
                  static_cast<std::size_t>(values.nbytes()));
    filled += values.size();
  }
  if (filled != parameter.size)
    throw Error(Cause::value, "parameter '" + parameter.name + "' has " + std::to_string(parameter.size) +
                                  " values, its parts have " + std::to_string(filled));
  return parameters.add(std::move(parameter));
}

py::array get_parameter(const py::object& self, Index slot, bool copy) {
  Parameters& parameters = *self.cast<Made<SharedParameters>>();
  const Parameter& parameter = parameters.at(slot);
  const std::vector<py::ssize_t> shape(parameter.dims.begin(), parameter.dims.end());
  return copied_or_seen(py::array(py::dtype(name_of(parameters.dtype())), shape, parameter.data.data(), self), copy);
}

// Those of several Parameters, all of them or none: everything that may fail comes before the first write.
void set_all(const std::vector<std::tuple<Made<SharedParameters>, Index, py::object>>& values) {
  std::vector<std::tuple<SharedParameters*, Parameter*, py::array>> checked;
  for (const auto& [made, slot, value] : values) {
    SharedParameters& parameters = *made;
    Parameter& parameter = parameters.at(slot);
    py::array converted_value = converted(parameters, value);
    if (dims_of(converted_value) != parameter.dims)
      throw Error(Cause::value, "parameter '" + parameter.name + "' has shape " +
                                    to_string(Shape{false, parameter.dims}) + ", got " +
                                    to_string(Shape{false, dims_of(converted_value)}));
    checked.emplace_back(&parameters, &parameter, std::move(converted_value));
  }
  for (const auto& [parameters, parameter, value] : checked) {
    write(*parameter, value);
    ++parameters->writes;
  }
}

void set_parameter(Made<SharedParameters> self, Index slot, const py::object& value) { set_all({{self, slot, value}}); }

}  // namespace

void register_parameters(py::module_& module) {
  py::class_<SharedParameters, std::shared_ptr<SharedParameters>>(module, "Parameters",
                                                                  "The weights that functions and trainers share.")
      .def(py::init([](const std::string& dtype) { return std::make_shared<SharedParameters>(dtype_named(dtype)); }),
           py::arg("dtype"))
      .def("add", &add_parameter, py::arg("value"), py::arg("name") = "", "Append a parameter; returns its slot.")
      .def("add_parts", &add_parts, py::arg("shape"), py::arg("parts"), py::arg("name") = "",
           "Append a parameter whose values come in parts that lie one behind the other; returns its slot.")
      .def("get", &get_parameter, py::arg("slot"), py::kw_only(), py::arg("copy") = true,
           "A copy of the parameter, or a read-only view: what trains changes it.")
      .def("set", &set_parameter, py::arg("slot"), py::arg("value"))
      .def_property_readonly(
          "writes", [](Made<SharedParameters> p) { return p->writes.load(); }, "How often values were written.")
      .def_property_readonly(
          "is_training", [](Made<SharedParameters> p) { return p->training.is_taken(); },
          "Whether a trainer is at work on them.")
      .def_property_readonly(
          "is_training_here", [](Made<SharedParameters> p) { return p->training.is_mine(); },
          "Whether this thread is inside a trainer's call, as callbacks are.")
      .def("__len__", [](Made<SharedParameters> p) { return p->size(); });

  module.def("set_all", &set_all, py::arg("values"), "Set (parameters, slot, value) triples, all of them or none.");
}

}  // namespace fastbp
