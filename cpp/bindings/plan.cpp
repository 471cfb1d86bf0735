// Parameters and Function in Python: docs/architecture.md, "The two backends".
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <optional>
#include <tuple>
#include <variant>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/calls.h"
#include "bindings/gil.h"
#include "bindings/made.h"
#include "bindings/shared_parameters.h"
#include "evaluate/function.h"
#include "kernels/dispatch.h"

namespace fastbp {
namespace {

namespace py = pybind11;

// The value in the parameters' dtype, C-contiguous: NumPy's conversion rounds once.
py::array converted(const Parameters& parameters, const py::object& value) {
  py::module_ numpy = py::module_::import("numpy");
  return numpy.attr("ascontiguousarray")(value, py::arg("dtype") = name_of(parameters.dtype()))
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

// One class in Python for both element types.
class AnyFunction {
 public:
  AnyFunction(Made<Graph> made, const std::vector<int>& outputs, std::shared_ptr<SharedParameters> parameters,
              bool training, std::uint64_t seed)
      : inputs_(*made) {
    const Graph& graph = *made;
    if (parameters->dtype() == Dtype::float32)
      function_ = std::make_unique<Function<float>>(graph, outputs, parameters, training, seed);
    else
      function_ = std::make_unique<Function<double>>(graph, outputs, parameters, training, seed);
  }

  py::list call(const std::vector<py::array>& arrays, std::optional<Index> batch_size, std::uint32_t counter) {
    if (batch_size && *batch_size < 1)
      throw Error(Cause::value, "batch_size must be at least 1, got " + std::to_string(*batch_size));
    const Inputs inputs = inputs_.read(arrays);
    const Turn turn = take_turn();
    return std::visit([&](auto& function) { return evaluate(*function, inputs, batch_size.value_or(0), counter); },
                      function_);
  }

  std::vector<double> means(const std::vector<py::array>& arrays, Index batch_size) {
    if (batch_size < 1) throw Error(Cause::value, "batch_size must be at least 1, got " + std::to_string(batch_size));
    const Inputs inputs = inputs_.read(arrays);
    if (inputs.rows == 0) throw Error(Cause::value, "a mean over 0 rows does not exist");
    const Turn turn = take_turn();
    Signals signals;
    std::vector<double> means;
    {
      const ReleasedLock released;
      means = std::visit(
          [&](auto& function) { return function->means(inputs.sources, inputs.rows, batch_size, signals.cancel()); },
          function_);
    }
    signals.rethrow();
    return means;
  }

 private:
  Turn take_turn() { return Turn(turns_, "this function is running: it can not call itself", nullptr); }

  template <class T>
  static py::list evaluate(Function<T>& function, const Inputs& inputs, Index batch_size, std::uint32_t counter) {
    py::list results;
    std::vector<T*> data;
    for (int i = 0; i < function.outputs(); ++i) {
      py::array_t<T> array = new_array<T>(function.shape(i), inputs.rows);
      data.push_back(array.mutable_data());
      results.append(std::move(array));
    }
    Signals signals;
    {
      const ReleasedLock released;
      function(inputs.sources, inputs.rows, batch_size, counter, data, signals.cancel());
    }
    signals.rethrow();
    return results;
  }

  InputNodes inputs_;
  Turns turns_;
  std::variant<std::unique_ptr<Function<float>>, std::unique_ptr<Function<double>>> function_;
};

py::array_t<double> random_numbers(void (*kernel)(const Random*), std::uint64_t seed, std::uint32_t ordinal, Index n,
                                   double low, double high, Index first) {
  if (n < 0) throw Error(Cause::value, "n must be at least 0, got " + std::to_string(n));
  constexpr Index kMostNumbers = Index{1} << 62;
  if (first < 0) throw Error(Cause::value, "first must be at least 0, got " + std::to_string(first));
  if (first > kMostNumbers) throw Error(Cause::value, "first must be at most 2^62, got " + std::to_string(first));
  require_memory(bytes_of({n, sizeof(double)}));
  py::array_t<double> numbers(static_cast<py::ssize_t>(n));
  Random request{};
  request.first = first;
  request.n = n;
  request.out = numbers.mutable_data();
  request.seed = seed;
  request.stream = 3u << 24 | ordinal;
  request.low = low;
  request.high = high;
  const ReleasedLock released;
  run_team(1, [&](Team&, int) { kernel(&request); });
  return numbers;
}

}  // namespace

void register_plan(py::module_& module) {
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

  py::class_<AnyFunction>(module, "Function", "Evaluates nodes of a graph.")
      .def(py::init<Made<Graph>, const std::vector<int>&, std::shared_ptr<SharedParameters>, bool, std::uint64_t>(),
           py::arg("graph"), py::arg("outputs"), py::arg("parameters").none(false), py::kw_only(),
           py::arg("training") = false, py::arg("seed") = 0)
      .def("__call__", method(&AnyFunction::call), py::arg("inputs"), py::kw_only(), py::arg("batch_size") = py::none(),
           py::arg("counter") = 0)
      .def("means", method(&AnyFunction::means), py::arg("inputs"), py::kw_only(), py::arg("batch_size"));

  module.def(
      "uniform",
      [](std::uint64_t seed, std::uint32_t ordinal, Index n, Index first) {
        return random_numbers(kernels().uniform, seed, ordinal, n, 0.0, 1.0, first);
      },
      py::arg("seed"), py::arg("ordinal"), py::arg("n"), py::kw_only(), py::arg("first") = 0,
      "n uniform numbers in [0, 1) from number `first` on, float64 (rule 9).");
  module.def(
      "normal",
      [](std::uint64_t seed, std::uint32_t ordinal, Index n, double low, double high, Index first) {
        return random_numbers(kernels().normal, seed, ordinal, n, low, high, first);
      },
      py::arg("seed"), py::arg("ordinal"), py::arg("n"), py::arg("low") = 0.0, py::arg("high") = 1.0, py::kw_only(),
      py::arg("first") = 0,
      "n standard normal numbers whose CDF lies in (low, high), from number `first` on, float64 (rule 9).");
}

}  // namespace fastbp
