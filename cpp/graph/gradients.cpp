// Reverse mode: one rule per operation. The twin of reference/gradients.py: the same nodes in the same order.
//
// Nodes are numbered as they are created, and C++ does not fix the order in which the arguments of an operator or a
// function are evaluated: where two of them create nodes, the first one gets a name and a line of its own.
#include <algorithm>
#include <optional>
#include <set>

#include "graph/graph.h"

namespace fastbp {
namespace {

using Dims = std::vector<Index>;

// A node of the graph that is being differentiated; arithmetic on it appends nodes, operands before results.
struct Value {
  Graph* graph;
  int number;

  const Node& node() const { return graph->node(number); }  // until the next node is added
  const Shape& shape() const { return node().shape; }
  const Dims& dims() const { return node().shape.dims; }
  Index integer(std::size_t i) const { return node().integers[i]; }
};

using Maybe = std::optional<Value>;

Value apply(Op op, const std::vector<Value>& operands, Dims integers = {}, std::vector<double> numbers = {}) {
  std::vector<int> inputs;
  for (const Value& x : operands) inputs.push_back(x.number);
  Graph* graph = operands[0].graph;
  return {graph, graph->add(op, std::move(inputs), std::move(integers), std::move(numbers))};
}

Value constant(Graph* graph, double number) { return {graph, graph->add(Op::constant, {}, {}, {number})}; }

Value operator-(Value a) { return apply(Op::negative, {a}); }
Value operator+(Value a, Value b) { return apply(Op::add, {a, b}); }
Value operator-(Value a, Value b) { return apply(Op::subtract, {a, b}); }
Value operator*(Value a, Value b) { return apply(Op::multiply, {a, b}); }

// The products and quotients of the rules: zero times anything is +0, and so is zero by anything. A gradient is 0 where
// a select, a mask or a factor of 0 has cut the path, and then an infinite slope behind the cut does not matter.
Value product(Value g, Value slope) { return apply(Op::product_or_zero, {g, slope}); }
Value quotient(Value g, Value x) { return apply(Op::quotient_or_zero, {g, x}); }

Value operator+(Value a, double b) { return a + constant(a.graph, b); }
Value operator+(double a, Value b) { return constant(b.graph, a) + b; }
Value operator-(Value a, double b) { return a - constant(a.graph, b); }
Value operator-(double a, Value b) { return constant(b.graph, a) - b; }
Value operator*(double a, Value b) { return constant(b.graph, a) * b; }

// -- helpers of the rules --

Value reshape(Value x, const Dims& dims) { return dims == x.dims() ? x : apply(Op::reshape, {x}, dims); }

Value broadcast(Value x, const Shape& shape) {
  if (shape == x.shape()) return x;
  Dims integers{shape.rows};
  integers.insert(integers.end(), shape.dims.begin(), shape.dims.end());
  return apply(Op::broadcast, {x}, std::move(integers));
}

// The adjoint of broadcasting `shape` to g's shape: the sum over the axes that were stretched.
Value unbroadcast(Value g, const Shape& shape) {
  const Dims dims = g.dims();
  const bool over_rows = g.shape().rows && !shape.rows;
  const std::size_t extra = dims.size() - shape.dims.size();
  Dims integers{over_rows};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] != 1 && (i < extra || shape.dims[i - extra] == 1)) integers.push_back(static_cast<Index>(i));
  }
  if (over_rows || integers.size() > 1) g = apply(Op::sum, {g}, std::move(integers));
  return reshape(g, shape.dims);
}

// Reshapes g, which has the shape of x reduced by y's integers [rows, *axes], so that it broadcasts to x.
Value with_ones(Value g, Value x, Value y) {
  Dims dims = x.dims();
  for (std::size_t i = 1; i < y.node().integers.size(); ++i) dims[static_cast<std::size_t>(y.integer(i))] = 1;
  const auto first = std::find_if(dims.begin(), dims.end(), [](Index d) { return d != 1; });
  return Dims(first, dims.end()) == g.dims() ? g : reshape(g, dims);
}

// (…) to (…, 1): restores a dropped last feature axis as 1.
Value expand(Value g) {
  Dims dims = g.dims();
  dims.push_back(1);
  return reshape(g, dims);
}

// The sum over the last feature axis, which is kept as 1.
Value sum_last(Value x) { return expand(apply(Op::sum, {x}, {0, static_cast<Index>(x.dims().size()) - 1})); }

Value one_hot(Value label, Value x) { return apply(Op::one_hot, {label}, {x.dims().back()}); }

Value where_positive(Value c, Value a, double b) { return apply(Op::where_positive, {c, a, constant(c.graph, b)}); }
Value where_positive(Value c, double a, Value b) { return apply(Op::where_positive, {c, constant(c.graph, a), b}); }

// g where maximum(a, b), or minimum(a, b), has chosen a (which = 0) or b (which = 1); else 0. y: that node or its gate.
Value gate(Value y, Value a, Value b, Value g, Index which) {
  const bool of_maximum = y.node().op == Op::maximum || y.node().op == Op::maximum_gate;
  return apply(of_maximum ? Op::maximum_gate : Op::minimum_gate, {a, b, g}, {which});
}

Value matmul(Value a, Value b, Index transpose_a = 0, Index transpose_b = 0) {
  return apply(Op::matmul, {a, b}, {transpose_a, transpose_b});
}

Value matmul_rows(Value x, Value g) { return apply(Op::matmul_rows, {x, g}); }

Maybe power_integer_rule(Value g, Value y, Value x) {
  const Index n = y.integer(0);
  if (n == 0) return {};
  if (n == 1) return g;
  const Value power = n == 2 ? x : apply(Op::power_integer, {x}, {n - 1});
  return product(g, static_cast<double>(n) * power);
}

Value divide_second_rule(Value g, Value y, Value b) {
  const Value numerator = product(g, y);
  return quotient(numerator, -b);
}

// g·(b·a^(b−1)); +0 where b is 0, also at a = 0.
Value power_first_rule(Value g, Value a, Value b) {
  const Value power = apply(Op::power, {a, b - 1.0});
  return product(g, product(b, power));
}

Value matmul_first_rule(Value g, Value y, Value b) {
  const Index transpose_a = y.integer(0), transpose_b = y.integer(1);
  return transpose_a ? matmul(b, g, transpose_b, 1) : matmul(g, b, 0, 1 - transpose_b);
}

Value matmul_second_rule(Value g, Value y, Value a) {
  const Index transpose_a = y.integer(0), transpose_b = y.integer(1);
  if (a.shape().rows) return transpose_b ? matmul_rows(g, a) : matmul_rows(a, g);
  return transpose_b ? matmul(g, a, 1, transpose_a) : matmul(a, g, 1 - transpose_a, 0);
}

Value max_rule(Value g, Value y, Value x) {
  const Value first = apply(Op::first_max, {x}, y.node().integers);
  return where_positive(first, with_ones(g, x, y), 0.0);
}

Value softmax_rule(Value g, Value y) { return y * (g - sum_last(g * y)); }

Value log_softmax_rule(Value g, Value x) {
  const Value p = apply(Op::softmax, {x});
  return g - p * sum_last(g);
}

Value logsumexp_rule(Value g, Value x) {
  const Value p = apply(Op::softmax, {x});
  return p * expand(g);
}

// The gradient of each row's loss at its logits: g (p - t), where a row of t sums to one.
Value softmax_loss_rule(Value g, Value p, Value t) {
  const Value d = expand(g);
  const Value total = sum_last(t);  // 1 for a distribution, and then the product changes no bit
  return d * (p * total - t);
}

Value sparse_softmax_loss_rule(Value g, Value z, Value p, Value label) {
  const Value d = expand(g);
  return d * (p - one_hot(label, z));
}

Value softmax_loss_target_rule(Value g, Value z) {
  const Value d = -expand(g);
  return product(d, apply(Op::log_softmax, {z}));
}

Value pick_rule(Value g, Value x, Value label) {
  const Value chosen = one_hot(label, x);
  return where_positive(chosen, expand(g), 0.0);
}

Value slice_rule(Value g, Value y, Value x) {
  Dims integers = y.node().integers;
  integers.push_back(x.dims()[static_cast<std::size_t>(integers[0])]);
  return apply(Op::unslice, {g}, std::move(integers));
}

Value unslice_rule(Value g, Value y) {
  Dims integers = y.node().integers;
  integers.pop_back();
  return apply(Op::slice, {g}, std::move(integers));
}

Value concatenate_rule(Value g, Value y, const std::vector<Value>& x, int operand) {
  const std::size_t axis = static_cast<std::size_t>(y.integer(0));
  Index start = 0;
  for (int i = 0; i < operand; ++i) start += x[static_cast<std::size_t>(i)].dims()[axis];
  const Index stop = start + x[static_cast<std::size_t>(operand)].dims()[axis];
  return apply(Op::slice, {g}, {static_cast<Index>(axis), start, stop, 1});
}

// -- the rules --

constexpr double kTwoOverSqrtPi = 1.1283791670955126;

// What y = op(x...) contributes to the gradient of an operand, given the gradient g at y; nothing if it has none.
Maybe rule(Op op, int operand, Value g, Value y, const std::vector<Value>& x) {
  const Value a = x.empty() ? y : x[0], b = x.size() > 1 ? x[1] : a, c = x.size() > 2 ? x[2] : b;
  const bool first = operand == 0;
  switch (op) {
    case Op::input:
    case Op::parameter:
    case Op::constant:
    case Op::copy:
#define FASTBP_X(name, operands) case Op::name:
      FASTBP_COMBINED_OPERATIONS(FASTBP_X)
#undef FASTBP_X
      return {};
    case Op::negative: return -g;
    case Op::absolute: return g * apply(Op::sign, {a});
    case Op::sign: return {};
    case Op::square: return product(g, 2.0 * a);
    case Op::sqrt: return quotient(0.5 * g, y);
    case Op::exp: return product(g, y);
    case Op::expm1: return product(g, y + 1.0);
    case Op::log: return quotient(g, a);
    case Op::log1p: return quotient(g, 1.0 + a);
    case Op::sin: return g * apply(Op::cos, {a});
    case Op::cos: return -(g * apply(Op::sin, {a}));
    case Op::tanh: return g * (1.0 - apply(Op::square, {y}));
    case Op::sigmoid: return g * (y * (1.0 - y));
    case Op::softplus: return g * apply(Op::sigmoid, {a});
    case Op::erf: return g * (kTwoOverSqrtPi * apply(Op::exp, {-apply(Op::square, {a})}));
    case Op::relu: return where_positive(y, g, 0.0);
    case Op::power_integer: return power_integer_rule(g, y, a);
    case Op::divide_by_count: return apply(op, {g}, y.node().integers);
    case Op::add: return g;
    case Op::subtract: return first ? g : -g;
    case Op::multiply: return product(g, first ? b : a);
    case Op::divide: return first ? quotient(g, b) : divide_second_rule(g, y, b);
    case Op::product_or_zero: return product(g, first ? b : a);
    case Op::quotient_or_zero: return first ? quotient(g, b) : divide_second_rule(g, y, b);
    case Op::power: return first ? power_first_rule(g, a, b) : product(g, product(y, apply(Op::log, {a})));
    case Op::maximum:
    case Op::minimum: return gate(y, a, b, g, operand);
    case Op::equal:
    case Op::greater: return {};
    case Op::where_positive:
      return first ? Maybe{} : operand == 1 ? where_positive(a, g, 0.0) : where_positive(a, 0.0, g);
    case Op::maximum_gate:
    case Op::minimum_gate: return operand == 2 ? Maybe{gate(y, a, b, g, y.integer(0))} : Maybe{};
    case Op::sigmoid_cross_entropy: return first ? g * (b - c) : product(g, -a);
    case Op::matmul: return first ? matmul_first_rule(g, y, b) : matmul_second_rule(g, y, a);
    case Op::matmul_rows: return first ? matmul(b, g, 0, 1) : matmul(a, g);
    case Op::sum: return broadcast(with_ones(g, a, y), Shape(a.shape()));
    case Op::max: return max_rule(g, y, a);
    case Op::first_max:
    case Op::argmax: return {};
    case Op::softmax: return softmax_rule(g, y);
    case Op::log_softmax: return log_softmax_rule(g, a);
    case Op::logsumexp: return logsumexp_rule(g, a);
    case Op::softmax_cross_entropy: return first ? softmax_loss_rule(g, b, c) : softmax_loss_target_rule(g, a);
    case Op::sparse_softmax_cross_entropy: return first ? Maybe{sparse_softmax_loss_rule(g, a, b, c)} : Maybe{};
    case Op::one_hot: return {};
    case Op::pick: return first ? Maybe{pick_rule(g, a, b)} : Maybe{};
    case Op::reshape: return reshape(g, Dims(a.dims()));
    case Op::broadcast: return g;
    case Op::concatenate: return concatenate_rule(g, y, x, operand);
    case Op::slice: return slice_rule(g, y, a);
    case Op::unslice: return unslice_rule(g, y);
    case Op::transpose: return apply(op, {g});
    case Op::dropout: return apply(op, {g}, y.node().integers, y.node().numbers);
  }
  return {};
}

// Rule 7: is this operand a probability, whose gradient is reported and does not flow on?
bool is_report_only(Op op, int operand) {
  return operand == 1 &&
         (op == Op::sigmoid_cross_entropy || op == Op::softmax_cross_entropy || op == Op::sparse_softmax_cross_entropy);
}

// The gradient at the probability's own node, by the plain formula.
Value report(Op op, Value g, const std::vector<Value>& x) {
  const Value z = x[0], p = x[1], t = x[2];
  if (op == Op::sigmoid_cross_entropy) {
    const Value up = 1.0 - t;
    const Value down = quotient(up, 1.0 - p);
    return product(g, down - quotient(t, p));
  }
  if (op == Op::softmax_cross_entropy) {
    const Value d = expand(g);
    return product(d, -quotient(t, p));
  }
  const Value chosen = one_hot(t, z);
  const Value d = -expand(g);
  return where_positive(chosen, quotient(d, p), 0.0);
}

// For each node up to the cost: whether it is a wanted node or depends on one.
std::vector<char> dependence(const Graph& graph, const std::set<int>& wanted, int cost) {
  for (int number : wanted) graph.node(number);
  std::vector<char> depends;
  for (int number = 0; number <= cost; ++number) {
    bool made = wanted.count(number) != 0;
    for (int input : graph.node(number).inputs) made = made || depends[static_cast<std::size_t>(input)];
    depends.push_back(made);
  }
  return depends;
}

class Builder {
 public:
  Builder(Graph* graph, int cost, const std::vector<int>& wrt)
      : graph_(graph),
        cost_(cost),
        wanted_(wrt.begin(), wrt.end()),
        depends_(dependence(*graph, wanted_, cost)),
        flow_(static_cast<std::size_t>(graph->size())),
        reported_(flow_.size()) {}

  std::vector<int> build(const std::vector<int>& wrt) {
    at(flow_, cost_) = constant(graph_, 1.0);
    for (int number = cost_; number >= 0; --number) {
      if (depends_[static_cast<std::size_t>(number)] && at(flow_, number)) visit(number);
    }
    std::vector<int> found;
    for (int number : wrt) {
      if (!at(flow_, number) && !at(reported_, number)) at(flow_, number) = zeros(Shape(graph_->node(number).shape));
      found.push_back((at(reported_, number) ? at(reported_, number) : at(flow_, number))->number);
    }
    return found;
  }

 private:
  static Maybe& at(std::vector<Maybe>& values, int number) { return values[static_cast<std::size_t>(number)]; }

  Value zeros(const Shape& shape) { return broadcast(constant(graph_, 0.0), shape); }

  // Contributions of one node to its operands, first operand first.
  void visit(int number) {
    const Op op = graph_->node(number).op;
    std::vector<Value> operands;
    for (int input : graph_->node(number).inputs) operands.push_back({graph_, input});
    const Value g = *at(flow_, number), y{graph_, number};
    for (int operand = 0; operand < static_cast<int>(operands.size()); ++operand) {
      const int x = operands[static_cast<std::size_t>(operand)].number;
      const bool report_only = is_report_only(op, operand);
      if (!depends_[static_cast<std::size_t>(x)] || (report_only && !wanted_.count(x))) continue;
      const Maybe contribution = report_only ? report(op, g, operands) : rule(op, operand, g, y, operands);
      if (contribution) contribute(x, unbroadcast(*contribution, Shape(graph_->node(x).shape)), report_only);
    }
  }

  void contribute(int x, Value contribution, bool report_only) {
    Maybe &flow = at(flow_, x), &reported = at(reported_, x);
    if (report_only || reported) {
      const Maybe before = reported ? reported : flow;
      reported = before ? *before + contribution : contribution;
    }
    if (!report_only) flow = flow ? *flow + contribution : contribution;
  }

  Graph* graph_;
  int cost_;
  std::set<int> wanted_;
  std::vector<char> depends_;
  std::vector<Maybe> flow_;      // the gradient at each node, summed so far
  std::vector<Maybe> reported_;  // the same plus what is reported at probabilities and does not flow on (rule 7)
};

}  // namespace

std::vector<int> Graph::gradients(int cost, const std::vector<int>& wrt) {
  const Shape& shape = node(cost).shape;
  if (shape.rows || !shape.dims.empty()) {
    throw Error(Cause::value, "the cost must be a scalar without rows, got " + describe(*this, cost) + " of shape " +
                                  to_string(shape));
  }
  return Builder(this, cost, wrt).build(wrt);
}

}  // namespace fastbp
