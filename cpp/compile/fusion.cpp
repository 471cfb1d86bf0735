// Makes stages of items, greedily, in the order of the items. A row-local item joins the stage that computes the last
// of its operands, so that it finds them in cache; a product takes the maps that follow it as its epilogue. Then, if
// there are many rows and either the weights are small or the values of all rows are huge, the stages that work on rows
// become one block loop. If there is no loop, products that only update weights come last (run/weight_steps.cpp).
#include <algorithm>

#include "compile/tape.h"

namespace fastbp {
namespace {

// Nanoseconds per element on one thread. Rough: they only decide how many threads a stage gets.
double element_cost(const Item& item) {
  switch (item.kind) {
    case Item::Kind::dropout: return 1.0;
    case Item::Kind::row: return item.op == Op::sum || item.op == Op::max ? 0.2 : 3.0;
    case Item::Kind::map:
      switch (item.op) {
        case Op::exp:
        case Op::expm1:
        case Op::log:
        case Op::log1p:
        case Op::sin:
        case Op::cos:
        case Op::tanh:
        case Op::sigmoid:
        case Op::softplus:
        case Op::erf:
        case Op::tanh_of_sum:
        case Op::sigmoid_of_sum:
        case Op::sigmoid_cross_entropy: return 2.5;
        case Op::power: return 15.0;
        default: return 0.15;
      }
    default: return 0.5;
  }
}

// A gradient is left unstored if its operands, measured instead, have at most this many times its elements,
constexpr Index kMeasuredPerStored = 3;
constexpr Index kFewStored = 1024;  // and if it has more elements than this

class Fusion {
 public:
  Fusion(const TapeRequest& request, Tape& tape) : tape_(tape), stage_of_(tape.values.size(), -1) {
    new_stage(Stage::Kind::plain);  // what depends on constants and weights alone comes first
    for (std::size_t i = 0; i < tape.items.size(); ++i) {
      const Item& item = tape.items[i];
      int stage = choose(item);
      tape.stages[stage].items.push_back(static_cast<int>(i));
      stage_of_[item.output] = stage;
    }
    remove_empty();
    if (request.max_rows >= 2 * kRowBlock) make_loop(request);
    make_tail(request);
    columns();
    costs();
  }

 private:
  int new_stage(Stage::Kind kind) {
    Stage stage;
    stage.kind = kind;
    tape_.stages.push_back(stage);
    return static_cast<int>(tape_.stages.size()) - 1;
  }

  int ready_after(const Item& item) const {
    int stage = -1;
    for (const Operand& operand : item.operands) stage = std::max(stage, stage_of_[operand.value]);
    return stage;
  }

  int choose(const Item& item) {
    int ready = ready_after(item);
    switch (item.kind) {
      case Item::Kind::product: {
        int stage = new_stage(Stage::Kind::product);
        tape_.stages[stage].width = item.n;
        return stage;
      }
      case Item::Kind::product_rows: return new_stage(Stage::Kind::product_rows);
      case Item::Kind::first_max: return new_stage(Stage::Kind::first_max);
      case Item::Kind::over_rows: return first_of(Stage::Kind::over_rows, ready + 1);
      default: break;
    }
    Stage::Kind kind = tape_.values[item.output].rows ? Stage::Kind::row : Stage::Kind::plain;
    if (ready >= 0) {
      const Stage& stage = tape_.stages[ready];
      if (stage.kind == kind && fits(item, stage)) return ready;
      if (stage.kind == Stage::Kind::product && is_epilogue(item, ready)) return ready;
    }
    // A program that can be split by columns is not mixed with one that cannot.
    int from = std::max(ready + 1, 0);
    for (int s = from; s < static_cast<int>(tape_.stages.size()); ++s)
      if (tape_.stages[s].kind == kind && fits(item, tape_.stages[s])) return s;
    return new_stage(kind);
  }

  // Large plain maps stay apart from the rest so that threads can share their columns.
  bool fits(const Item& item, const Stage& stage) const {
    if (stage.kind != Stage::Kind::plain || stage.items.empty()) return true;
    const Item& first = tape_.first_item(stage);
    bool wide = is_wide_map(item), stage_wide = is_wide_map(first);
    return wide == stage_wide && (!wide || tape_.values[item.output].width == tape_.values[first.output].width);
  }
  bool is_wide_map(const Item& item) const {
    return item.kind == Item::Kind::map && !tape_.values[item.output].rows && tape_.values[item.output].width >= 2048;
  }

  int first_of(Stage::Kind kind, int from) {
    for (int s = from; s < static_cast<int>(tape_.stages.size()); ++s)
      if (tape_.stages[s].kind == kind) return s;
    return new_stage(kind);
  }

  // Whether the item can run on a part of the rows and columns of the product that the stage computes.
  bool is_epilogue(const Item& item, int stage) const {
    const Item& product = tape_.first_item(tape_.stages[stage]);
    const Value& result = tape_.values[product.output];
    const Value& output = tape_.values[item.output];
    bool elementwise = item.kind == Item::Kind::map || item.kind == Item::Kind::dropout;
    if (!elementwise || !result.rows || product.m != 1 || !output.rows || output.width != result.width) return false;
    return true;
  }

  void remove_empty() {
    std::vector<Stage> kept;
    std::vector<int> number(tape_.stages.size(), -1);
    for (std::size_t s = 0; s < tape_.stages.size(); ++s)
      if (!tape_.stages[s].items.empty()) {
        number[s] = static_cast<int>(kept.size());
        kept.push_back(tape_.stages[s]);
      }
    tape_.stages = kept;
    for (int& stage : stage_of_)
      if (stage >= 0) stage = number[stage];
  }

  bool sums_rows(const Stage& stage) const {
    return stage.kind == Stage::Kind::over_rows || stage.kind == Stage::Kind::product_rows;
  }
  bool has_rows(const Stage& stage) const {
    return sums_rows(stage) || tape_.values[tape_.first_item(stage).output].rows;
  }

  // Moves the stages that work on rows after those that they need and before those that need their sums.
  void make_loop(const TapeRequest& request) {
    enum Part { before, loop, after };
    std::vector<Part> part;
    bool any = false;
    for (const Stage& stage : tape_.stages) {
      bool late = false;  // needs a sum over rows
      for (int i : stage.items)
        for (const Operand& operand : tape_.items[i].operands) {
          int from = stage_of_[operand.value];
          if (from < 0 || from == static_cast<int>(part.size())) continue;
          late = late || part[from] == after || sums_rows(tape_.stages[from]);
        }
      bool rows = has_rows(stage);
      if (stage.kind == Stage::Kind::first_max || (rows && late) || !fits_loop(stage)) return;
      part.push_back(late ? after : rows ? loop : before);
      any = any || rows;
    }
    if (!any || !is_worth_it(request, part, loop)) return;

    std::vector<Stage> ordered;
    std::vector<int> number(tape_.stages.size());
    for (Part p : {before, loop, after}) {
      if (p == loop) tape_.loop_begin = static_cast<int>(ordered.size());
      for (std::size_t s = 0; s < part.size(); ++s)
        if (part[s] == p) {
          number[s] = static_cast<int>(ordered.size());
          ordered.push_back(tape_.stages[s]);
        }
      if (p == loop) tape_.loop_end = static_cast<int>(ordered.size());
    }
    tape_.stages = ordered;
    for (int& stage : stage_of_)
      if (stage >= 0) stage = number[stage];
  }

  // Moves the products that only update weights after all other stages.
  void make_tail(const TapeRequest& request) {
    std::vector<int> uses(tape_.values.size(), 0);
    for (const Item& item : tape_.items)
      for (const Operand& operand : item.operands) ++uses[operand.value];
    for (int value : tape_.outputs) ++uses[value];
    std::vector<bool> in_tail(tape_.stages.size(), false);
    for (std::size_t i = 0; i < request.steps.outputs.size(); ++i) {
      const int value = tape_.outputs[i], stage = stage_of_[value];
      if (!request.steps.outputs[i] || stage < 0 || uses[value] != 1) continue;
      const bool looped = stage >= tape_.loop_begin && stage < tape_.loop_end;
      if (looped || tape_.stages[stage].kind != Stage::Kind::product_rows) continue;
      const Item& product = tape_.first_item(tape_.stages[stage]);
      const bool empty = product.k == 0;  // k = 0: no tile would take the step
      in_tail[stage] = !empty && can_be_measured(product) && is_worth_not_storing(product, request);
      if (in_tail[stage]) tape_.values[value].place = Value::Place::unstored;
    }
    move_tail(in_tail);
    for (std::size_t s = static_cast<std::size_t>(tape_.tail_begin); s < tape_.stages.size(); ++s)
      for (const Operand& operand : tape_.first_item(tape_.stages[s]).operands) {
        Value& value = tape_.values[operand.value];
        if (value.measured >= 0) continue;
        value.measured = tape_.measured++;
        if (stage_of_[operand.value] >= 0) tape_.stages[stage_of_[operand.value]].measured.push_back(operand.value);
      }
  }

  // Whether each operand is written by a stage or gathered.
  bool can_be_measured(const Item& item) const {
    return std::all_of(item.operands.begin(), item.operands.end(), [&](const Operand& operand) {
      const Value& value = tape_.values[operand.value];
      return value.rows && (stage_of_[operand.value] >= 0 || value.place == Value::Place::input);
    });
  }

  // On one thread, a weight in cache is updated faster from a stored gradient, which is then in cache, too; except by
  // plain SGD, whose step is taken in registers. In a team, the product's tiles hide the cost of writing lines that
  // other threads have read.
  static bool is_worth_not_storing(const Item& item, const TapeRequest& request) {
    if (request.team != TeamChoice::measured) return true;
    const Index stored = item.m * item.n;
    const bool in_cache = stored * request.element_bytes <= 2 * request.block_bytes;  // half of L2
    if (!request.steps.plain && request.threads == 1 && in_cache) return false;
    return stored > kFewStored && request.max_rows * item.k * (item.m + item.n) <= kMeasuredPerStored * stored;
  }

  void move_tail(const std::vector<bool>& in_tail) {
    std::vector<Stage> ordered;
    std::vector<int> number(tape_.stages.size());
    for (bool tail : {false, true}) {
      if (tail) tape_.tail_begin = static_cast<int>(ordered.size());
      for (std::size_t s = 0; s < in_tail.size(); ++s)
        if (in_tail[s] == tail) {
          number[s] = static_cast<int>(ordered.size());
          ordered.push_back(tape_.stages[s]);
        }
    }
    tape_.stages = ordered;
    for (int& stage : stage_of_)
      if (stage >= 0) stage = number[stage];
  }

  // A block of the loop must be a block of rule 2, and only sums can be carried from block to block.
  bool fits_loop(const Stage& stage) const {
    if (!sums_rows(stage)) return true;
    return std::all_of(stage.items.begin(), stage.items.end(), [&](int i) {
      const Item& item = tape_.items[i];
      return item.kind == Item::Kind::product_rows ? item.k == 1 : item.op == Op::sum;
    });
  }

  // The loop pays if the weights stay in cache from block to block, or if there are so many rows that their values
  // would fill the memory. In both cases the sums must be small.
  template <class Part>
  bool is_worth_it(const TapeRequest& request, const std::vector<Part>& part, Part loop) const {
    Index weights = 0, sums = 0, row = 0;
    for (std::size_t s = 0; s < part.size(); ++s) {
      if (part[s] != loop) continue;
      for (int i : tape_.stages[s].items) {
        const Item& item = tape_.items[i];
        const Value& output = tape_.values[item.output];
        if (item.kind == Item::Kind::product) weights += tape_.values[item.operands[1].value].width;
        (output.rows ? row : sums) += output.width;
      }
    }
    const Index most = request.block_bytes / request.element_bytes;
    return sums <= most && (weights + sums <= most || row * request.max_rows > 64 * most);
  }

  // Marks the stages that can be split by columns: epilogues, and plain maps of one width.
  void columns() {
    for (Stage& stage : tape_.stages) {
      const Index width = tape_.values[tape_.first_item(stage).output].width;
      if (stage.kind == Stage::Kind::plain) {
        stage.width = width;
        stage.by_columns = std::all_of(stage.items.begin(), stage.items.end(), [&](int i) {
          return tape_.items[i].kind == Item::Kind::map && tape_.values[tape_.items[i].output].width == width;
        });
      } else {
        stage.by_columns = stage.kind == Stage::Kind::product;
      }
    }
  }

  void costs() {
    for (Stage& stage : tape_.stages) {
      stage.fixed_cost = stage.row_cost = 0;
      for (int i : stage.items) {
        const Item& item = tape_.items[i];
        const Value& output = tape_.values[item.output];
        double flops = 2.0 * static_cast<double>(item.m) * static_cast<double>(item.n) * static_cast<double>(item.k);
        if (item.kind == Item::Kind::product || item.kind == Item::Kind::product_rows) {
          bool per_row = output.rows || item.kind == Item::Kind::product_rows;
          (per_row ? stage.row_cost : stage.fixed_cost) += flops / 90.0;
        } else {
          const Value& input = item.operands.empty() ? output : tape_.values[item.operands[0].value];
          double elements = static_cast<double>(std::max(output.width, input.width)) * element_cost(item);
          (output.rows || input.rows ? stage.row_cost : stage.fixed_cost) += elements;
        }
      }
    }
  }

  Tape& tape_;
  std::vector<int> stage_of_;  // by value; -1: available before the first stage
};

}  // namespace

void fuse(const TapeRequest& request, Tape& tape) { Fusion fusion(request, tape); }

}  // namespace fastbp
