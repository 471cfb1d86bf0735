// Combines chains of items that one kernel can compute: a bias and its activation or an activation's gradient, alone or
// (a sum, relu of a sum, relu's gradient) as the finish of a product. The values in between are then neither stored nor
// read again, so nothing else may need them. The bits stay the same (rule 8).
#include <algorithm>
#include <cmath>

#include "compile/tape.h"

namespace fastbp {
namespace {

constexpr Index kOneTile = 64;  // up to so many rows x features a product is one register tile, whatever its columns

class Combining {
 public:
  Combining(const TapeRequest& request, Tape& tape)
      : max_rows_(request.max_rows), tape_(tape), maker_(tape.values.size(), -1), readers_(tape.values.size(), 0) {
    for (std::size_t i = 0; i < tape.items.size(); ++i) {
      maker_[index(tape.items[i].output)] = static_cast<int>(i);
      for (const Operand& operand : tape.items[i].operands) ++readers_[index(operand.value)];
    }
    for (int output : tape.outputs) ++readers_[index(output)];
    taken_.resize(tape.items.size());
    for (Item& item : tape.items) {
      if (item.kind != Item::Kind::map) continue;
      switch (item.op) {
        case Op::relu: of_sum(item, Op::relu_of_sum, true); break;
        case Op::tanh: of_sum(item, Op::tanh_of_sum, fills_vectors(item)); break;
        case Op::sigmoid: of_sum(item, Op::sigmoid_of_sum, fills_vectors(item)); break;
        case Op::multiply: gradient(item); break;
        default: break;
      }
    }
    for (std::size_t i = 0; i < tape.items.size(); ++i)
      if (!taken_[i]) finish_product(tape.items[i]);
    std::vector<Item> left;
    for (std::size_t i = 0; i < tape.items.size(); ++i)
      if (!taken_[i]) left.push_back(tape.items[i]);
    tape.items = left;
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }

  // Whether rows fill whole vectors, but for at most 1/8 of the row. A combined map computes each row's last vector at
  // the cost of a full one; a function alone treats contiguous rows as one long row and has no such loss.
  bool fills_vectors(const Item& item) const {
    const Index width = tape_.values[index(item.output)].width;
    return (width + kLanes - 1) / kLanes * kLanes - width <= width / 8;
  }

  // The map with operation `op` that computes operand k of `item`; null if there is none, if the operand's size differs
  // from the result's, or if anything else reads the operand.
  Item* source(const Item& item, std::size_t k, Op op) {
    const int value = item.operands[k].value;
    if (maker_[index(value)] < 0 || readers_[index(value)] != 1) return nullptr;
    Item& from = tape_.items[index(maker_[index(value)])];
    const Value &out = tape_.values[index(item.output)], &between = tape_.values[index(value)];
    const bool alike = between.rows == out.rows && between.width == out.width;
    return alike && from.kind == Item::Kind::map && from.op == op ? &from : nullptr;
  }

  bool is_constant(const Operand& operand, double number) const {
    const Value& value = tape_.values[index(operand.value)];
    if (value.place != Value::Place::constant) return false;
    const std::vector<double>& numbers = tape_.constants[index(value.storage)];
    return std::all_of(numbers.begin(), numbers.end(), [number](double x) { return x == number && !std::signbit(x); });
  }

  static bool same(const Operand& a, const Operand& b) {
    return a.value == b.value && a.row_stride == b.row_stride && a.col_stride == b.col_stride;
  }

  void take(const Item& item) { taken_[index(maker_[index(item.output)])] = true; }

  void of_sum(Item& item, Op op, bool pays) {
    const Item* sum = pays ? source(item, 0, Op::add) : nullptr;
    if (sum == nullptr) return;
    take(*sum);
    item.op = op;
    item.operands = sum->operands;
  }

  // Combines g * (1 - y * y) and g * (y * (1 - y)): rules of graph/gradients.cpp, with the operands in the same order.
  void gradient(Item& item) {
    const Operand g = item.operands[0];
    if (const Item* minus = source(item, 1, Op::subtract)) {
      const Item* square = is_constant(minus->operands[0], 1.0) ? source(*minus, 1, Op::square) : nullptr;
      if (square == nullptr) return;
      take(*minus);
      take(*square);
      item.op = Op::tanh_gradient;
      item.operands = {square->operands[0], g};
    } else if (const Item* slope = source(item, 1, Op::multiply)) {
      const Item* rest = source(*slope, 1, Op::subtract);
      if (rest == nullptr || !is_constant(rest->operands[0], 1.0) || !same(rest->operands[1], slope->operands[0]))
        return;
      take(*slope);
      take(*rest);
      item.op = Op::sigmoid_gradient;
      item.operands = {slope->operands[0], g};
    }
  }

  // A map of a product's sums and one other operand becomes the product's finish. A product with fewer columns than a
  // vector may have is computed along the rows, where a separate map is faster, unless the rows are few, too.
  void finish_product(Item& item) {
    if (item.kind != Item::Kind::map) return;
    const bool adds = item.op == Op::add || item.op == Op::relu_of_sum;
    const bool gates = item.op == Op::where_positive && is_constant(item.operands[2], 0.0);
    if (!adds && !gates) return;
    for (std::size_t k : {0, 1}) {
      const Operand& sums = item.operands[k];
      const Operand beside = item.operands[1 - k];
      if ((gates && k == 0) || readers_[index(sums.value)] != 1 || maker_[index(sums.value)] < 0) continue;
      const Item& product = tape_.items[index(maker_[index(sums.value)])];
      if (product.kind != Item::Kind::product || !reaches(product, item, beside)) continue;
      Item whole = product;
      whole.finish = gates ? Finish::gate : item.op == Op::add ? Finish::add : Finish::relu_of_sum;
      whole.operands.push_back(beside);
      whole.output = item.output;
      take(product);
      item = whole;
      return;
    }
  }

  // Whether the product has one row per row of the run and the shape of the map's result, and the other operand is one
  // row for all of them, or a matrix like the result.
  bool reaches(const Item& product, const Item& map, const Operand& beside) const {
    const Value &out = tape_.values[index(map.output)], &sums = tape_.values[index(product.output)];
    const Value& other = tape_.values[index(beside.value)];
    const bool alike = product.m == 1 && sums.rows && out.rows && out.width == product.n && sums.width == product.n;
    const bool row = beside.row_stride == 0 && !other.rows, matrix = beside.row_stride == product.n && other.rows;
    const bool pays = product.n >= kLanes || max_rows_ * product.k <= kOneTile;
    return alike && pays && product.finish == Finish::none && beside.col_stride == 1 && (row || matrix);
  }

  const Index max_rows_;
  Tape& tape_;
  std::vector<int> maker_;  // by value: the item that computes it, or -1
  std::vector<int> readers_;  // by value: how many operands and requested outputs it is
  std::vector<bool> taken_;  // by item: whether it has become part of another
};

}  // namespace

void combine(const TapeRequest& request, Tape& tape) { Combining combining(request, tape); }

}  // namespace fastbp
