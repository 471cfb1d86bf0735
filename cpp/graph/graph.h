// The graph: nodes, shape inference, gradients. docs/architecture.md lists the operations and their attributes.
#pragma once

#include <string>
#include <vector>

#include "base/errors.h"
#include "base/types.h"
#include "kernels/operations.h"

namespace fastbp {

// Structural operations; the elementwise ones are in kernels/operations.h.
// clang-format off
#define FASTBP_STRUCTURAL_OPERATIONS(X)                                                                      \
  X(input, 0) X(parameter, 0) X(constant, 0) X(matmul, 2) X(matmul_rows, 2) X(sum, 1) X(max, 1)              \
  X(first_max, 1) X(argmax, 1) X(softmax, 1) X(log_softmax, 1) X(logsumexp, 1) X(softmax_cross_entropy, 3)   \
  X(sparse_softmax_cross_entropy, 3) X(one_hot, 1) X(pick, 2) X(reshape, 1) X(broadcast, 1)                  \
  X(concatenate, -1) X(slice, 1) X(unslice, 1) X(transpose, 1) X(dropout, 1)
// clang-format on

// The first map_operations values are MapOp's, in the same order (no node is a `copy` or a combined operation).
enum class Op : int {
#define FASTBP_X(name, operands) name,
  FASTBP_ELEMENTWISE_OPERATIONS(FASTBP_X) FASTBP_COMBINED_OPERATIONS(FASTBP_X) FASTBP_STRUCTURAL_OPERATIONS(FASTBP_X)
#undef FASTBP_X
};

inline bool is_elementwise(Op op) { return static_cast<int>(op) < map_operations; }
inline MapOp map_op(Op op) { return static_cast<MapOp>(static_cast<int>(op)); }
const char* name_of(Op op);
int operands_of(Op op);                       // -1: any number, at least one
Op operation_named(const std::string& name);  // Error(value) with the nearest known name
std::vector<Op> all_operations();             // those that a node may have

struct Shape {
  bool rows = false;
  std::vector<Index> dims;  // features, or the whole shape without rows

  Index features() const;  // product of dims
  bool operator==(const Shape& other) const { return rows == other.rows && dims == other.dims; }
};
std::string to_string(const Shape& shape);  // "(rows, 3)", "(4, 5)", "()"

struct Node {
  Op op;
  std::vector<int> inputs;
  std::vector<Index> integers;
  std::vector<double> numbers;
  std::string name;
  Shape shape;
};

class Graph {
 public:
  // Checks operands, attributes and shapes; Error(value) names the node. Returns its number.
  int add(Op op, std::vector<int> inputs = {}, std::vector<Index> integers = {}, std::vector<double> numbers = {},
          std::string name = "");
  // d cost / d wrt[i] for each i (rules 6, 7): nodes of wrt[i]'s shape. cost: no rows, no dims.
  std::vector<int> gradients(int cost, const std::vector<int>& wrt);

  const Node& node(int i) const;  // Error(value) out of range
  int size() const { return static_cast<int>(nodes_.size()); }

 private:
  std::vector<Node> nodes_;
};

// The node as an error message shows it: "dense_2 (matmul, node 7)".
std::string describe(const Graph& graph, int node);

// The shape that broadcasting gives; Error(value) names the node in `what`.
Shape broadcast_shapes(const Shape& a, const Shape& b, const std::string& what);

}  // namespace fastbp
