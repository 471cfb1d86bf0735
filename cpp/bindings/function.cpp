// Function in Python: docs/architecture.md, "The two backends".
#include "evaluate/function.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <variant>

#include "base/memory.h"
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/calls.h"
#include "bindings/gil.h"
#include "bindings/made.h"
#include "bindings/shared_parameters.h"

namespace fastbp {
namespace {

namespace py = pybind11;

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

  void prepare(Index rows) {
    if (rows < 1) throw Error(Cause::value, "rows must be at least 1, got " + std::to_string(rows));
    const Turn turn = take_turn();
    std::visit([&](auto& function) { function->prepare(rows); }, function_);
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
    std::size_t bytes = 0;
    for (int i = 0; i < function.outputs(); ++i) {
      const Shape& shape = function.shape(i);
      bytes = sum_of(bytes, bytes_of({shape.rows ? inputs.rows : 1, shape.features(), Index{sizeof(T)}}));
    }
    require_memory(bytes);
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

}  // namespace

void register_function(py::module_& module) {
  py::class_<AnyFunction>(module, "Function", "Evaluates nodes of a graph.")
      .def(py::init<Made<Graph>, const std::vector<int>&, std::shared_ptr<SharedParameters>, bool, std::uint64_t>(),
           py::arg("graph"), py::arg("outputs"), py::arg("parameters").none(false), py::kw_only(),
           py::arg("training") = false, py::arg("seed") = 0)
      .def("__call__", method(&AnyFunction::call), py::arg("inputs"), py::kw_only(), py::arg("batch_size") = py::none(),
           py::arg("counter") = 0)
      .def("prepare", method(&AnyFunction::prepare), py::arg("rows"))
      .def("means", method(&AnyFunction::means), py::arg("inputs"), py::kw_only(), py::arg("batch_size"));
}

}  // namespace fastbp
