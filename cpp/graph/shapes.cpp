// Shapes of nodes: one function per family of operations. The twin of reference/shapes.py, messages included.
#include "graph/shapes.h"

#include <algorithm>
#include <limits>

namespace fastbp {
namespace {

constexpr Index kLargestSize = Index{1} << 56;  // elements of a value without its rows: their byte count fits 64 bits
constexpr Index kLastSlot = (Index{1} << 20) - 1;  // lists of inputs and parameters are as long as their slots reach
constexpr Index kLargestExponent = Index{1} << 53;
constexpr Index kOrdinals = Index{1} << 24;

using Dims = std::vector<Index>;

[[noreturn]] void fail(const Request& r, const std::string& problem) {
  throw Error(Cause::value, r.what + ": " + problem);
}

std::string text(Index i) { return std::to_string(i); }

void check_integers(const Request& r, const char* meaning, std::size_t count, bool or_more = false) {
  if (r.integers.size() < count || (r.integers.size() > count && !or_more)) {
    fail(r, std::string("integers must be ") + meaning + ", got " + std::to_string(r.integers.size()));
  }
}

// The integers from `first` on, checked as sizes.
Dims check_dims(const Request& r, std::size_t first = 0, std::size_t last = std::numeric_limits<std::size_t>::max()) {
  Dims dims;
  for (std::size_t i = first; i < std::min(last, r.integers.size()); ++i) {
    const Index d = r.integers[i];
    if (d < 0 || d > kLargestSize) fail(r, "a size must be in 0 ... 2**56, got " + text(d));
    dims.push_back(d);
  }
  return dims;
}

bool check_flag(const Request& r, const char* name, Index value) {
  if (value != 0 && value != 1) fail(r, std::string(name) + " must be 0 or 1, got " + text(value));
  return value == 1;
}

std::size_t check_axis(const Request& r, const Shape& shape, Index axis) {
  if (axis < 0 || axis >= static_cast<Index>(shape.dims.size())) {
    fail(r, "feature axis " + text(axis) + " does not exist in shape " + to_string(shape));
  }
  return static_cast<std::size_t>(axis);
}

void check_last_axis(const Request& r) {
  if (r.shapes[0].dims.empty()) fail(r, "needs a feature axis, got shape " + to_string(r.shapes[0]));
}

Shape with_dim(const Shape& shape, std::size_t axis, Index size) {
  Shape result = shape;
  result.dims[axis] = size;
  return result;
}

Shape elementwise(const Request& r) {
  if (r.op == Op::power_integer) {
    check_integers(r, "[exponent]", 1);
    if (r.integers[0] < -kLargestExponent || r.integers[0] > kLargestExponent) {
      fail(r, "exponent must be within 2**53, got " + text(r.integers[0]));
    }
  } else if (r.op == Op::divide_by_count) {
    check_integers(r, "[features, rows]", 2);
    check_dims(r, 0, 1);
    check_flag(r, "rows", r.integers[1]);
  } else if (r.op == Op::maximum_gate || r.op == Op::minimum_gate) {
    check_integers(r, "[which]", 1);
    check_flag(r, "which", r.integers[0]);
  } else {
    check_integers(r, "[]", 0);
  }
  Shape shape = r.shapes[0];
  for (std::size_t i = 1; i < r.shapes.size(); ++i) shape = broadcast_shapes(shape, r.shapes[i], r.what);
  return shape;
}

Shape slot(const Request& r) {
  check_integers(r, "[slot, *dims]", 1, true);
  if (r.integers[0] < 0) fail(r, "slot must be at least 0, got " + text(r.integers[0]));
  if (r.integers[0] > kLastSlot) fail(r, "slot must be at most " + text(kLastSlot) + ", got " + text(r.integers[0]));
  return {r.op == Op::input, check_dims(r, 1)};
}

Shape constant(const Request& r) {
  const Shape shape{false, check_dims(r)};
  if (static_cast<Index>(r.numbers.size()) != shape.features()) {
    fail(r, "a constant of shape " + to_string(shape) + " needs " + text(shape.features()) + " numbers, got " +
                std::to_string(r.numbers.size()));
  }
  return shape;
}

Shape matmul(const Request& r) {
  check_integers(r, "[transpose_a, transpose_b]", 2);
  const bool transpose_a = check_flag(r, "transpose_a", r.integers[0]);
  const bool transpose_b = check_flag(r, "transpose_b", r.integers[1]);
  const Shape &a = r.shapes[0], &b = r.shapes[1];
  if (b.rows || b.dims.size() != 2) {
    fail(r, "the second operand must be a matrix without rows, got shape " + to_string(b));
  }
  if (a.rows && (transpose_a || a.dims.empty())) {
    fail(r, "the first operand of shape " + to_string(a) +
                (a.dims.empty() ? " has no features" : " cannot be transposed"));
  }
  if (!a.rows && a.dims.size() != 2) {
    fail(r, "the first operand must be a matrix or have rows, got shape " + to_string(a));
  }
  Dims dims = a.dims;
  if (transpose_a) std::reverse(dims.begin(), dims.end());
  const Index k = b.dims[transpose_b ? 1 : 0];
  if (dims.back() != k) {
    fail(r, "the first operand has " + text(dims.back()) + " features, but the second was built for " + text(k));
  }
  dims.back() = b.dims[transpose_b ? 0 : 1];
  return {a.rows, dims};
}

Shape matmul_rows(const Request& r) {
  check_integers(r, "[]", 0);
  const Shape &x = r.shapes[0], &g = r.shapes[1];
  const bool alike = x.rows && g.rows && !x.dims.empty() && x.dims.size() == g.dims.size() &&
                     std::equal(x.dims.begin(), x.dims.end() - 1, g.dims.begin());
  if (!alike) {
    fail(r,
         "both operands must have rows and the same axes but the last, got " + to_string(x) + " and " + to_string(g));
  }
  return {false, {x.dims.back(), g.dims.back()}};
}

Shape reduction(const Request& r) {
  check_integers(r, "[rows, *axes]", 1, true);
  const Shape& x = r.shapes[0];
  const bool over_rows = check_flag(r, "rows", r.integers[0]);
  if (over_rows && !x.rows) fail(r, "an operand of shape " + to_string(x) + " has no rows to reduce");
  std::vector<char> reduced(x.dims.size(), 0);
  for (std::size_t i = 1; i < r.integers.size(); ++i) {
    reduced[check_axis(r, x, r.integers[i])] = 1;
    if (i > 1 && r.integers[i] <= r.integers[i - 1]) fail(r, "feature axes must ascend");
  }
  if (r.integers.size() == 1 && !over_rows && (x.rows || !x.dims.empty())) fail(r, "needs an axis to reduce");
  if (r.op == Op::first_max) return x;
  Shape shape{x.rows && !over_rows, {}};
  for (std::size_t i = 0; i < x.dims.size(); ++i) {
    if (!reduced[i]) shape.dims.push_back(x.dims[i]);
  }
  return shape;
}

Shape drop_last(const Request& r) {
  check_integers(r, "[]", 0);
  check_last_axis(r);
  return {r.shapes[0].rows, Dims(r.shapes[0].dims.begin(), r.shapes[0].dims.end() - 1)};
}

Shape keep(const Request& r) {
  check_integers(r, "[]", 0);
  check_last_axis(r);
  return r.shapes[0];
}

Shape cross_entropy(const Request& r) {
  const Shape &z = r.shapes[0], &p = r.shapes[1], &y = r.shapes[2];
  const Shape shape = drop_last(r);
  if (!(p == z)) {
    fail(r, "logits of shape " + to_string(z) + " and probabilities of shape " + to_string(p) + " must be alike");
  }
  const Shape& expected = r.op == Op::softmax_cross_entropy ? z : shape;
  if (!(y == expected)) {
    fail(r, "the target must have shape " + to_string(expected) + ", got " + to_string(y));
  }
  return shape;
}

Shape one_hot(const Request& r) {
  check_integers(r, "[k]", 1);
  Shape shape = r.shapes[0];
  shape.dims.push_back(check_dims(r)[0]);
  return shape;
}

Shape pick(const Request& r) {
  const Shape shape = drop_last(r);
  if (!(r.shapes[1] == shape)) {
    fail(r, "the label must have shape " + to_string(shape) + ", got " + to_string(r.shapes[1]));
  }
  return shape;
}

Shape reshape(const Request& r) {
  const Shape& x = r.shapes[0];
  const Shape shape{x.rows, check_dims(r)};
  if (shape.features() != x.features()) {
    fail(r, "shape " + to_string(x) + " cannot become " + to_string(shape) + ": " + text(x.features()) +
                " elements against " + text(shape.features()));
  }
  return shape;
}

Shape broadcast(const Request& r) {
  check_integers(r, "[rows, *dims]", 1, true);
  const Shape& x = r.shapes[0];
  const bool rows = check_flag(r, "rows", r.integers[0]);
  const Shape shape{rows, check_dims(r, 1)};
  if (!(broadcast_shapes(x, shape, r.what) == shape)) {
    fail(r, "shape " + to_string(x) + " does not broadcast to " + to_string(shape));
  }
  return shape;
}

Shape concatenate(const Request& r) {
  check_integers(r, "[axis]", 1);
  const Shape& first = r.shapes[0];
  const std::size_t axis = check_axis(r, first, r.integers[0]);
  Index size = 0;
  for (const Shape& shape : r.shapes) {
    const bool alike = shape.rows == first.rows && shape.dims.size() == first.dims.size() &&
                       with_dim(shape, axis, 0) == with_dim(first, axis, 0);
    if (!alike) {
      fail(r, "shapes " + to_string(first) + " and " + to_string(shape) + " differ beyond feature axis " +
                  std::to_string(axis));
    }
    size = std::min(size + shape.dims[axis], kLargestSize + 1);
  }
  return with_dim(first, axis, size);
}

Index slice_size(const Request& r, Index size) {
  const Index start = r.integers[1], stop = r.integers[2], step = r.integers[3];
  if (start < 0 || stop < start || size < stop || step < 1) {
    fail(r, "start " + text(start) + ", stop " + text(stop) + ", step " + text(step) + " do not fit an axis of " +
                text(size));
  }
  return (stop - start) / step + ((stop - start) % step != 0);
}

Shape slice(const Request& r) {
  check_integers(r, "[axis, start, stop, step]", 4);
  const Shape& x = r.shapes[0];
  const std::size_t axis = check_axis(r, x, r.integers[0]);
  return with_dim(x, axis, slice_size(r, x.dims[axis]));
}

Shape unslice(const Request& r) {
  check_integers(r, "[axis, start, stop, step, size]", 5);
  check_dims(r, 4);
  const Shape& g = r.shapes[0];
  const std::size_t axis = check_axis(r, g, r.integers[0]);
  const Index size = slice_size(r, r.integers[4]);
  if (g.dims[axis] != size) {
    fail(r, "feature axis " + std::to_string(axis) + " of shape " + to_string(g) + " must have " + text(size) +
                " elements");
  }
  return with_dim(g, axis, r.integers[4]);
}

Shape transpose(const Request& r) {
  check_integers(r, "[]", 0);
  const Shape& x = r.shapes[0];
  if (x.rows || x.dims.size() != 2) fail(r, "needs a matrix without rows, got shape " + to_string(x));
  return {false, {x.dims[1], x.dims[0]}};
}

Shape dropout(const Request& r) {
  if (r.integers.size() != 1) check_integers(r, "[ordinal] or [ordinal, per batch, exact, unscaled]", 4);
  if (r.integers[0] < 0 || r.integers[0] >= kOrdinals) {
    fail(r, "ordinal must be in 0 ... 2**24 - 1, got " + text(r.integers[0]));
  }
  for (std::size_t i = 1; i < r.integers.size(); ++i)
    if (r.integers[i] != 0 && r.integers[i] != 1)
      fail(r, "per batch, exact and unscaled must be 0 or 1, got " + text(r.integers[i]));
  if (r.numbers.size() != 1 || !(r.numbers[0] >= 0 && r.numbers[0] <= 1)) {
    fail(r, "numbers must be [rate] with a rate in 0 ... 1");
  }
  if (!r.shapes[0].rows) fail(r, "needs an operand with rows, got shape " + to_string(r.shapes[0]));
  return r.shapes[0];
}

Shape structural(const Request& r) {
  switch (r.op) {
    case Op::input:
    case Op::parameter: return slot(r);
    case Op::constant: return constant(r);
    case Op::matmul: return matmul(r);
    case Op::matmul_rows: return matmul_rows(r);
    case Op::sum:
    case Op::max:
    case Op::first_max: return reduction(r);
    case Op::argmax:
    case Op::logsumexp: return drop_last(r);
    case Op::softmax:
    case Op::log_softmax: return keep(r);
    case Op::softmax_cross_entropy:
    case Op::sparse_softmax_cross_entropy: return cross_entropy(r);
    case Op::one_hot: return one_hot(r);
    case Op::pick: return pick(r);
    case Op::reshape: return reshape(r);
    case Op::broadcast: return broadcast(r);
    case Op::concatenate: return concatenate(r);
    case Op::slice: return slice(r);
    case Op::unslice: return unslice(r);
    case Op::transpose: return transpose(r);
    case Op::dropout: return dropout(r);
    default: throw Error(Cause::internal, r.what + ": no shape is known for this operation");
  }
}

bool too_large(const Shape& shape) {
  return shape.features() > kLargestSize ||
         std::any_of(shape.dims.begin(), shape.dims.end(), [](Index d) { return d > kLargestSize; });
}

}  // namespace

Index Shape::features() const {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return 0;
  Index product = 1;
  for (Index d : dims) {
    if (__builtin_mul_overflow(product, d, &product)) return std::numeric_limits<Index>::max();
  }
  return product;
}

std::string to_string(const Shape& shape) {
  std::string parts = shape.rows ? "rows" : "";
  for (Index d : shape.dims) parts += (parts.empty() ? "" : ", ") + text(d);
  const bool one = shape.dims.size() + shape.rows == 1;
  return "(" + parts + (one ? ",)" : ")");
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const std::string& what) {
  Dims dims = a.dims.size() >= b.dims.size() ? a.dims : b.dims;
  const Dims& shorter = a.dims.size() >= b.dims.size() ? b.dims : a.dims;
  const std::size_t offset = dims.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    if (dims[offset + i] == 1) {
      dims[offset + i] = shorter[i];
    } else if (shorter[i] != 1 && shorter[i] != dims[offset + i]) {
      throw Error(Cause::value, what + ": shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    }
  }
  return {a.rows || b.rows, dims};
}

Shape infer_shape(const Request& r) {
  const int operands = operands_of(r.op);
  if (operands == -1 && r.shapes.empty()) fail(r, "needs at least one operand");
  if (operands != -1 && static_cast<int>(r.shapes.size()) != operands) {
    fail(r, "takes " + std::to_string(operands) + (operands == 1 ? " operand" : " operands") + ", got " +
                std::to_string(r.shapes.size()));
  }
  if (!r.numbers.empty() && r.op != Op::constant && r.op != Op::dropout) {
    fail(r, "takes no numbers, got " + std::to_string(r.numbers.size()));
  }
  Shape shape = is_elementwise(r.op) ? elementwise(r) : structural(r);
  if (too_large(shape)) fail(r, "a value of shape " + to_string(shape) + " is too large");
  return shape;
}

}  // namespace fastbp
