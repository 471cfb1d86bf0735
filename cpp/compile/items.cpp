// Makes items of nodes: finds which nodes are needed and which are only views, and how to compute each of the others.
#include <algorithm>

#include "compile/tape.h"

namespace fastbp {
namespace {

std::vector<Index> without_leading_ones(const std::vector<Index>& dims) {
  auto first = std::find_if(dims.begin(), dims.end(), [](Index d) { return d != 1; });
  return std::vector<Index>(first, dims.end());
}

std::vector<Index> contiguous_strides(const std::vector<Index>& dims) {
  std::vector<Index> strides(dims.size());
  Index stride = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return strides;
}

Index product(const std::vector<Index>& dims) {
  Index all = 1;
  for (Index d : dims) all *= d;
  return all;
}

// The operand that only the gradient reads (rule 7): the probability.
bool reads_only_for_gradient(Op op, std::size_t operand) {
  return operand == 1 &&
         (op == Op::softmax_cross_entropy || op == Op::sparse_softmax_cross_entropy || op == Op::sigmoid_cross_entropy);
}

class ItemMaker {
 public:
  ItemMaker(const TapeRequest& request, Tape& tape)
      : graph_(*request.graph), training_(request.training), tape_(tape), value_(graph_.size(), -1) {
    std::vector<bool> needed(graph_.size(), false);
    for (int output : request.outputs) needed[output] = true;
    for (int i = graph_.size() - 1; i >= 0; --i) {
      if (!needed[i]) continue;
      const Node& node = graph_.node(i);
      for (std::size_t k = 0; k < node.inputs.size(); ++k)
        if (!reads_only_for_gradient(node.op, k)) needed[node.inputs[k]] = true;
    }
    for (int i = 0; i < graph_.size(); ++i)
      if (needed[i] && graph_.node(i).op != Op::broadcast) translate(i);
    for (int output : request.outputs) tape.outputs.push_back(value_of(output));
  }

 private:
  const Shape& shape(int node) const { return graph_.node(node).shape; }

  int new_value(bool rows, Index width) {
    Value value;
    value.rows = rows;
    value.width = width;
    tape_.values.push_back(value);
    return static_cast<int>(tape_.values.size()) - 1;
  }
  int new_value(const Shape& shape) { return new_value(shape.rows, shape.features()); }

  // The value of a node in memory. A broadcast is materialised when it is first asked for.
  int value_of(int node) {
    if (value_[node] < 0) {
      const Node& n = graph_.node(node);
      value_[node] = expand(n.inputs[0], n.shape);
    }
    return value_[node];
  }

  Operand whole(int node) {
    int value = value_of(node);
    return Operand{value, tape_.values[value].rows ? tape_.values[value].width : 0, 1};
  }

  // A map's operand: a view where strides of 0 or 1 can express the broadcast, else a materialised one.
  Operand map_operand(int node, const Shape& out) {
    while (graph_.node(node).op == Op::broadcast && value_[node] < 0) {
      const Shape& source = shape(graph_.node(node).inputs[0]);
      if (!is_view(source, out)) break;
      node = graph_.node(node).inputs[0];
    }
    const Shape& source = shape(node);
    int value = is_view(source, out) ? value_of(node) : expand(node, Shape{source.rows, out.dims});
    Index width = tape_.values[value].width;
    bool single = width == 1 && out.features() != 1;
    return Operand{value, tape_.values[value].rows ? width : 0, single ? 0 : 1};
  }

  static bool is_view(const Shape& source, const Shape& out) {
    return source.features() == 1 || without_leading_ones(source.dims) == without_leading_ones(out.dims);
  }

  // Materialises `source` broadcast to `out`: rows by a map's strides, features by a strided copy.
  int expand(int source, const Shape& out) {
    const Shape& from = shape(source);
    if (is_view(from, out)) {
      Item item = make(Item::Kind::map, Op(static_cast<int>(MapOp::copy)), out);
      item.operands = {map_operand(source, out)};
      return push(item);
    }
    Shape features{from.rows, out.dims};
    Item item = make(Item::Kind::move, Op::broadcast, features);
    item.operands = {whole(source)};
    Copy copy;
    copy.sizes = out.dims;
    copy.out_strides = contiguous_strides(out.dims);
    std::vector<Index> strides = contiguous_strides(from.dims);
    copy.in_strides.assign(out.dims.size(), 0);
    for (std::size_t i = 0; i < from.dims.size(); ++i)
      if (from.dims[i] != 1) copy.in_strides[out.dims.size() - from.dims.size() + i] = strides[i];
    item.copies = {copy};
    int value = push(item);
    if (from.rows == out.rows) return value;
    Item rows = make(Item::Kind::map, Op(static_cast<int>(MapOp::copy)), out);
    rows.operands = {Operand{value, 0, 1}};
    return push(rows);
  }

  Item make(Item::Kind kind, Op op, const Shape& out) {
    Item item;
    item.kind = kind;
    item.op = op;
    item.output = new_value(out);
    item.last = tape_.values[item.output].width;
    return item;
  }

  int push(const Item& item) {
    tape_.items.push_back(item);
    return item.output;
  }

  void leaf(int node, Value::Place place, int storage) {
    int value = new_value(shape(node));
    tape_.values[value].place = place;
    tape_.values[value].storage = storage;
    value_[node] = value;
  }

  void translate(int i) {
    const Node& node = graph_.node(i);
    if (is_elementwise(node.op)) {
      value_[i] = elementwise(node);
      return;
    }
    switch (node.op) {
      case Op::input: {
        int slot = static_cast<int>(node.integers[0]);
        if (static_cast<int>(tape_.inputs.size()) <= slot) tape_.inputs.resize(slot + 1, -1);
        if (tape_.inputs[slot] >= 0)
          throw Error(Cause::value,
                      describe(graph_, i) + ": slot " + std::to_string(slot) + " is taken by another input");
        leaf(i, Value::Place::input, slot);
        tape_.inputs[slot] = value_[i];
        break;
      }
      case Op::parameter: leaf(i, Value::Place::parameter, static_cast<int>(node.integers[0])); break;
      case Op::constant:
        tape_.constants.push_back(node.numbers);
        leaf(i, Value::Place::constant, static_cast<int>(tape_.constants.size()) - 1);
        break;
      case Op::reshape: value_[i] = value_of(node.inputs[0]); break;
      case Op::dropout: value_[i] = training_ ? dropout(node) : whole_net(node); break;
      case Op::matmul: value_[i] = matmul(node); break;
      case Op::matmul_rows: value_[i] = matmul_rows(node); break;
      case Op::sum:
      case Op::max: value_[i] = reduction(node); break;
      case Op::first_max: value_[i] = first_max(node); break;
      case Op::slice:
      case Op::unslice: value_[i] = slice(node); break;
      case Op::concatenate: value_[i] = concatenate(node); break;
      case Op::transpose: {
        const std::vector<Index>& dims = shape(node.inputs[0]).dims;
        value_[i] = permute(node.inputs[0], {1, 0}, Shape{false, {dims[1], dims[0]}});
        break;
      }
      default: value_[i] = row(node);
    }
  }

  int elementwise(const Node& node) {
    Item item = make(Item::Kind::map, node.op, node.shape);
    for (std::size_t k = 0; k < node.inputs.size(); ++k)
      item.operands.push_back(map_operand(node.inputs[reads_only_for_gradient(node.op, k) ? 0 : k], node.shape));
    if (node.op == Op::divide_by_count) {
      item.number = static_cast<double>(node.integers[0]);
      item.integer = node.integers[0];
      item.count_rows = node.integers[1] != 0;
    } else if (!node.integers.empty()) {
      item.integer = node.integers[0];
    }
    return push(item);
  }

  // How dropout drops: integers are [ordinal] or [ordinal, per batch, exact, unscaled].
  struct Drop {
    bool per_batch, unscaled;
    Index exact;  // dropped elements per row, or -1
    double rate;  // share of the elements that are dropped
  };
  static Drop drop_of(const Node& node) {
    const auto flag = [&node](std::size_t i) { return node.integers.size() > i && node.integers[i] != 0; };
    Drop drop{flag(1), flag(3), -1, node.numbers[0]};
    const Index width = node.shape.features();
    if (flag(2) && width > 0) {
      // Rounded half up. The product of a decimal rate can be below a half that it should be: 0.29 * 50
      // is 14.4999...98.
      const double product = drop.rate * static_cast<double>(width);
      drop.exact = static_cast<Index>((product + product * 0x1p-50) + 0.5);
      drop.rate = static_cast<double>(drop.exact) / static_cast<double>(width);
    }
    return drop;
  }

  int dropout(const Node& node) {
    const Drop drop = drop_of(node);
    Item item = make(Item::Kind::dropout, node.op, node.shape);
    item.operands = {whole(node.inputs[0])};
    item.integer = node.integers[0];
    item.threshold = static_cast<std::uint32_t>(65536.0 * drop.rate + 0.5);
    item.number = drop.unscaled ? 1.0 : 1.0 / (1.0 - drop.rate);
    item.per_batch = drop.per_batch;
    item.exact = drop.exact;
    return push(item);
  }

  // Dropout outside training drops nothing. If it does not scale in training, it multiplies by (1 - rate) here.
  int whole_net(const Node& node) {
    const Drop drop = drop_of(node);
    if (!drop.unscaled) return value_of(node.inputs[0]);
    tape_.constants.push_back({1.0 - drop.rate});
    const int share = new_value(false, 1);
    tape_.values[share].place = Value::Place::constant;
    tape_.values[share].storage = static_cast<int>(tape_.constants.size()) - 1;
    Item item = make(Item::Kind::map, Op(static_cast<int>(MapOp::multiply)), node.shape);
    item.operands = {whole(node.inputs[0]), Operand{share, 0, 0}};
    return push(item);
  }

  // The functions of a row's last axis.
  int row(const Node& node) {
    Item item = make(Item::Kind::row, node.op, node.shape);
    const std::vector<Index>& dims = shape(node.inputs[0]).dims;
    item.last = node.op == Op::one_hot ? node.integers[0] : dims.back();
    item.lead = node.op == Op::one_hot ? product(dims) : product({dims.begin(), dims.end() - 1});
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      int input = node.inputs[reads_only_for_gradient(node.op, k) ? 0 : k];
      bool lacks_rows = node.shape.rows && !shape(input).rows;
      int value = lacks_rows ? expand(input, Shape{true, shape(input).dims}) : value_of(input);
      item.operands.push_back(Operand{value, node.shape.rows ? tape_.values[value].width : 0, 1});
    }
    return push(item);
  }

  int matmul(const Node& node) {
    const Shape& a = shape(node.inputs[0]);
    Item item = make(Item::Kind::product, node.op, node.shape);
    item.operands = {whole(node.inputs[0]), whole(node.inputs[1])};
    item.transpose_a = node.integers[0] != 0;
    item.transpose_b = node.integers[1] != 0;
    item.n = node.shape.dims.back();
    item.k = item.transpose_a ? a.dims[a.dims.size() - 2] : a.dims.back();
    item.m = product({node.shape.dims.begin(), node.shape.dims.end() - 1});
    return push(item);
  }

  int matmul_rows(const Node& node) {
    const Shape& x = shape(node.inputs[0]);
    Item item = make(Item::Kind::product_rows, node.op, node.shape);
    item.operands = {whole(node.inputs[0]), whole(node.inputs[1])};
    item.m = node.shape.dims[0];
    item.n = node.shape.dims[1];
    item.k = product({x.dims.begin(), x.dims.end() - 1});
    return push(item);
  }

  // Reduces the feature axes first, as trailing axes (moved there if necessary), then the rows.
  int reduction(const Node& node) {
    const Shape& x = shape(node.inputs[0]);
    bool over_rows = node.integers[0] != 0;
    std::vector<Index> axes(node.integers.begin() + 1, node.integers.end());
    int value = value_of(node.inputs[0]);
    if (!axes.empty()) {
      Index lead = 1, last = 1;
      value = axes_last(node.inputs[0], axes, &lead, &last);
      Item item = make(x.rows ? Item::Kind::row : Item::Kind::flat, node.op, Shape{x.rows, {lead}});
      item.operands = {Operand{value, x.rows ? lead * last : 0, 1}};
      item.lead = lead;
      item.last = last;
      value = push(item);
    }
    if (!over_rows) return value;
    Item item = make(Item::Kind::over_rows, node.op, node.shape);
    item.operands = {Operand{value, tape_.values[value].width, 1}};
    return push(item);
  }

  int axes_last(int node, const std::vector<Index>& axes, Index* lead, Index* last) {
    const Shape& x = shape(node);
    std::vector<Index> order;
    for (Index axis = 0; axis < static_cast<Index>(x.dims.size()); ++axis)
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) {
        order.push_back(axis);
        *lead *= x.dims[axis];
      }
    for (Index axis : axes) {
      order.push_back(axis);
      *last *= x.dims[axis];
    }
    if (std::is_sorted(order.begin(), order.end())) return value_of(node);
    return permute(node, order, x);
  }

  // Axis i of the result is axis order[i] of the node. `out` gives rows and size.
  int permute(int node, const std::vector<Index>& order, const Shape& out) {
    const Shape& x = shape(node);
    Item item = make(Item::Kind::move, Op::transpose, out);
    item.operands = {whole(node)};
    std::vector<Index> strides = contiguous_strides(x.dims);
    Copy copy;
    for (Index axis : order) {
      copy.sizes.push_back(x.dims[axis]);
      copy.in_strides.push_back(strides[axis]);
    }
    copy.out_strides = contiguous_strides(copy.sizes);
    item.copies = {copy};
    return push(item);
  }

  int first_max(const Node& node) {
    const Shape& x = shape(node.inputs[0]);
    bool over_rows = node.integers[0] != 0;
    std::vector<Index> axes(node.integers.begin() + 1, node.integers.end());
    Index trailing = static_cast<Index>(x.dims.size() - axes.size());
    bool trailing_axes = !axes.empty() && axes.front() == trailing;
    if (x.rows && !over_rows && trailing_axes) {
      Item item = make(Item::Kind::row, node.op, node.shape);
      item.operands = {whole(node.inputs[0])};
      item.lead = product({x.dims.begin(), x.dims.begin() + trailing});
      item.last = product({x.dims.begin() + trailing, x.dims.end()});
      return push(item);
    }
    Item item = make(Item::Kind::first_max, node.op, node.shape);
    item.operands = {whole(node.inputs[0])};
    item.dims = x.dims;
    item.reduced.assign(x.dims.size() + 1, false);
    item.reduced[0] = over_rows;
    for (Index axis : axes) item.reduced[axis + 1] = true;
    return push(item);
  }

  int slice(const Node& node) {
    bool adjoint = node.op == Op::unslice;
    const std::vector<Index>& whole_dims = adjoint ? node.shape.dims : shape(node.inputs[0]).dims;
    const std::vector<Index>& part_dims = adjoint ? shape(node.inputs[0]).dims : node.shape.dims;
    std::size_t axis = static_cast<std::size_t>(node.integers[0]);
    std::vector<Index> strides = contiguous_strides(whole_dims);
    Index offset = node.integers[1] * strides[axis];
    strides[axis] *= node.integers[3];
    Item item = make(Item::Kind::move, node.op, node.shape);
    item.operands = {whole(node.inputs[0])};
    Copy copy;
    copy.sizes = part_dims;
    copy.in_strides = adjoint ? contiguous_strides(part_dims) : strides;
    copy.out_strides = adjoint ? strides : contiguous_strides(part_dims);
    (adjoint ? copy.out_offset : copy.in_offset) = offset;
    item.copies = {copy};
    item.zero_first = adjoint;
    return push(item);
  }

  int concatenate(const Node& node) {
    Item item = make(Item::Kind::move, node.op, node.shape);
    std::size_t axis = static_cast<std::size_t>(node.integers[0]);
    Index start = 0;
    for (int input : node.inputs) {
      item.operands.push_back(whole(input));
      Copy copy;
      copy.sizes = shape(input).dims;
      copy.in_strides = contiguous_strides(copy.sizes);
      copy.out_strides = contiguous_strides(node.shape.dims);
      copy.out_offset = start * copy.out_strides[axis];
      item.copies.push_back(copy);
      start += copy.sizes[axis];
    }
    return push(item);
  }

  const Graph& graph_;
  bool training_;
  Tape& tape_;
  std::vector<int> value_;  // by node
};

}  // namespace

void make_items(const TapeRequest& request, Tape& tape) { ItemMaker(request, tape); }

}  // namespace fastbp
