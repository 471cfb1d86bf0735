// Shape inference: the shape of a node that is to be added.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace fastbp {

struct Request {
  Op op;
  std::vector<Shape> shapes;  // of the operands
  const std::vector<Index>& integers;
  const std::vector<double>& numbers;
  std::string what;  // names the node in errors
};

Shape infer_shape(const Request& request);  // Error(value) where operands or attributes do not fit

}  // namespace fastbp
