// The graph in Python: docs/architecture.md, "The two backends".
#include "graph/graph.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/made.h"

namespace fastbp {
namespace {

namespace py = pybind11;

py::dict operations() {
  py::dict table;
  for (Op op : all_operations()) table[name_of(op)] = operands_of(op);
  return table;
}

int add(Made<Graph> graph, const std::string& operation, std::vector<int> inputs, std::vector<Index> integers,
        std::vector<double> numbers, std::string name) {
  return graph->add(operation_named(operation), std::move(inputs), std::move(integers), std::move(numbers),
                    std::move(name));
}

py::tuple shape(Made<Graph> graph, int node) {
  const Shape& shape = graph->node(node).shape;
  return py::make_tuple(shape.rows, py::tuple(py::cast(shape.dims)));
}

}  // namespace

void register_graph(py::module_& module) {
  module.def("operations", &operations, "Every operation's name and its number of operands (-1: any number).");

  py::class_<Graph>(module, "Graph", "Nodes, each made of earlier ones.")
      .def(py::init<>())
      .def("add", &add, py::arg("operation"), py::arg("inputs") = py::tuple(), py::arg("integers") = py::tuple(),
           py::arg("numbers") = py::tuple(), py::arg("name") = "",
           "Check operands, attributes and shapes, append the node and return its number.")
      .def("gradients", method(&Graph::gradients), py::arg("cost"), py::arg("wrt"),
           "Append the backward graph of `cost`; the nodes that hold d cost / d wrt[i].")
      .def("shape", &shape, py::arg("node"))
      .def(
          "operation", [](Made<Graph> graph, int node) { return name_of(graph->node(node).op); }, py::arg("node"))
      .def(
          "inputs", [](Made<Graph> graph, int node) { return graph->node(node).inputs; }, py::arg("node"))
      .def(
          "integers", [](Made<Graph> graph, int node) { return graph->node(node).integers; }, py::arg("node"))
      .def(
          "numbers", [](Made<Graph> graph, int node) { return graph->node(node).numbers; }, py::arg("node"))
      .def(
          "name", [](Made<Graph> graph, int node) { return graph->node(node).name; }, py::arg("node"))
      .def("__len__", method(&Graph::size));
}

}  // namespace fastbp
