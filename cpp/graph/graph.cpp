// Nodes in the order of their creation.
#include "graph/graph.h"

#include <utility>

#include "graph/shapes.h"

namespace fastbp {
namespace {

std::string describe_as(Op op, int number, const std::string& name) {
  const std::string place = "node " + std::to_string(number) + ")";
  return name.empty() ? std::string(name_of(op)) + " (" + place : name + " (" + name_of(op) + ", " + place;
}

}  // namespace

int Graph::add(Op op, std::vector<int> inputs, std::vector<Index> integers, std::vector<double> numbers,
               std::string name) {
  std::vector<Shape> shapes;
  for (int input : inputs) shapes.push_back(node(input).shape);
  Shape shape = infer_shape({op, std::move(shapes), integers, numbers, describe_as(op, size(), name)});
  nodes_.push_back({op, std::move(inputs), std::move(integers), std::move(numbers), std::move(name), std::move(shape)});
  return size() - 1;
}

const Node& Graph::node(int i) const {
  if (i < 0 || i >= size()) {
    throw Error(Cause::value,
                "node " + std::to_string(i) + " does not exist: the graph has " + std::to_string(size()) + " nodes");
  }
  return nodes_[static_cast<std::size_t>(i)];
}

std::string describe(const Graph& graph, int node) {
  return describe_as(graph.node(node).op, node, graph.node(node).name);
}

}  // namespace fastbp
