// Places values in memory: local to a tile if nothing outside the stage reads them, else in one arena, where values
// that are never alive together share space.
#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "compile/tape.h"

namespace fastbp {
namespace {

constexpr Index kTileBytes = 24 * 1024;  // most that a program's tile holds, to stay in L1 with some operands
constexpr Index kSumsBytes = 128;        // blocks' sums begin at multiples of this: two cache lines

Index round_up(Index n, Index multiple) { return (n + multiple - 1) / multiple * multiple; }

class Placement {
 public:
  Placement(const TapeRequest& request, Tape& tape)
      : tape_(tape), max_rows_(std::max<Index>(request.max_rows, 1)), element_bytes_(request.element_bytes) {
    lifetimes();
    mark_outputs();
    for (std::size_t s = 0; s < tape.stages.size(); ++s) place_program(tape.stages[s], in_loop(static_cast<int>(s)));
    for (Value& value : tape_.values) {
      bool rows = value.rows && (value.place == Value::Place::arena || value.place == Value::Place::input);
      bool asked_for = value.last_stage == static_cast<int>(tape_.stages.size());
      value.in_block = rows && !asked_for && tape_.has_loop();
    }
    tape_.arena = place_arena(false);
    tape_.block_arena = place_arena(true);
    place_sums();
  }

 private:
  Index size(const Value& value) const {
    return value.rows ? value.width * (value.in_block ? kRowBlock : max_rows_) : value.width;
  }
  // Values of one section get separate memory, because one thread may be far ahead of another there.
  int section(int stage) const {
    if (stage < 0) return -1;
    const int stages = static_cast<int>(tape_.stages.size());
    return stage < stages ? tape_.stages[static_cast<std::size_t>(stage)].section : stages;
  }
  bool in_loop(int stage) const { return stage >= tape_.loop_begin && stage < tape_.loop_end; }

  void lifetimes() {
    for (Value& value : tape_.values) value.first_stage = value.last_stage = -1;
    for (std::size_t s = 0; s < tape_.stages.size(); ++s)
      for (int i : tape_.stages[s].items) {
        Value& output = tape_.values[tape_.items[i].output];
        output.first_stage = static_cast<int>(s);
        output.last_stage = std::max(output.last_stage, output.first_stage);
        for (const Operand& operand : tape_.items[i].operands) {
          int& last = tape_.values[operand.value].last_stage;
          last = std::max(last, static_cast<int>(s));
        }
      }
    for (Value& value : tape_.values) {
      if (value.first_stage < tape_.loop_begin && value.last_stage >= tape_.loop_begin)
        value.last_stage = std::max(value.last_stage, tape_.loop_end - 1);  // every block reads it
      if (!value.rows && value.first_stage >= tape_.loop_begin && value.first_stage < tape_.loop_end)
        value.first_stage = tape_.loop_end - 1;  // a sum, written when all blocks are done
    }
  }

  void mark_outputs() {
    for (std::size_t i = 0; i < tape_.outputs.size(); ++i) {
      Value& value = tape_.values[tape_.outputs[i]];
      value.last_stage = static_cast<int>(tape_.stages.size());
      if (value.place == Value::Place::unused) {
        value.place = Value::Place::output;
        value.storage = static_cast<int>(i);
      }
    }
  }

  static bool is_program(Stage::Kind kind) {
    return kind == Stage::Kind::plain || kind == Stage::Kind::row || kind == Stage::Kind::product;
  }

  void place_program(Stage& stage, bool looped) {
    for (int i : stage.items) {
      Value& value = tape_.values[tape_.items[i].output];
      bool leaves = value.last_stage != value.first_stage || !is_program(stage.kind);
      if (value.place == Value::Place::unused) value.place = leaves ? Value::Place::arena : Value::Place::local;
    }
    if (!is_program(stage.kind)) return;
    if (stage.kind == Stage::Kind::product) place_product(stage);

    std::vector<Index> widths = assign_slots(stage);
    if (stage.by_columns) {
      stage.tile_elements =
          round_up(std::max<Index>(kTileBytes / element_bytes_ / std::max<Index>(1, widths.size()), 256), 64);
      if (stage.kind == Stage::Kind::product)
        stage.tile_elements = std::max(stage.tile_elements, round_up(stage.width, 64));
      for (std::size_t s = 0; s < widths.size(); ++s)
        stage.slots.push_back(static_cast<Index>(s) * stage.tile_elements);
      stage.scratch = static_cast<Index>(widths.size()) * stage.tile_elements;
    } else {
      Index row = 0, touched = 1;
      for (Index width : widths) row += width;
      for (int i : stage.items) touched += tape_.values[tape_.items[i].output].width;
      bool rows = stage.kind == Stage::Kind::row;
      const Index most = looped ? kRowBlock : max_rows_;
      stage.tile_rows =
          rows ? std::min(most, std::max<Index>(1, kTileBytes / element_bytes_ / std::max(touched, row))) : 1;
      for (Index width : widths) {
        stage.slots.push_back(stage.scratch);
        stage.scratch += round_up(width * stage.tile_rows, 16);
      }
    }
    tape_.scratch = std::max(tape_.scratch, stage.scratch);
  }

  // If the product's result is not needed itself, the product writes to the memory of the first epilogue result of the
  // same size that is kept: an elementwise operation may work in place if nothing reads its operand afterwards.
  void place_product(Stage& stage) {
    Item& product = tape_.items[stage.items.front()];
    Value& result = tape_.values[product.output];
    if (result.place != Value::Place::local) return;
    result.place = Value::Place::arena;
    std::size_t last_use = 0;
    for (std::size_t k = 1; k < stage.items.size(); ++k)
      for (const Operand& operand : tape_.items[stage.items[k]].operands)
        if (operand.value == product.output) last_use = k;
    for (std::size_t k = std::max<std::size_t>(last_use, 1); k < stage.items.size(); ++k) {
      const Value& later = tape_.values[tape_.items[stage.items[k]].output];
      if (later.place == Value::Place::arena || later.place == Value::Place::output) {
        shares_.push_back({product.output, tape_.items[stage.items[k]].output});
        return;
      }
    }
  }

  // Assigns slots to a program's local values; a slot is free again after its value's last use. Returns their widths.
  std::vector<Index> assign_slots(const Stage& stage) {
    std::vector<Index> widths;
    std::vector<int> busy_until;
    std::vector<int> last_use(tape_.values.size(), -1);
    for (std::size_t k = 0; k < stage.items.size(); ++k)
      for (const Operand& operand : tape_.items[stage.items[k]].operands) last_use[operand.value] = static_cast<int>(k);
    for (std::size_t k = 0; k < stage.items.size(); ++k) {
      int v = tape_.items[stage.items[k]].output;
      Value& value = tape_.values[v];
      if (value.place != Value::Place::local) continue;
      std::size_t slot = 0;
      while (slot < widths.size() && busy_until[slot] >= static_cast<int>(k)) ++slot;
      if (slot == widths.size()) {
        widths.push_back(0);
        busy_until.push_back(0);
      }
      widths[slot] = std::max(widths[slot], value.width);
      busy_until[slot] = std::max(last_use[v], static_cast<int>(k));
      value.storage = static_cast<int>(slot);
    }
    return widths;
  }

  // Sets the offsets of the values with the given in_block; returns how many elements they take.
  Index place_arena(bool in_block) {
    Index total = 0;
    std::vector<int> values;
    for (std::size_t v = 0; v < tape_.values.size(); ++v) {
      Value& value = tape_.values[v];
      bool shares =
          std::any_of(shares_.begin(), shares_.end(), [&](auto& s) { return s.first == static_cast<int>(v); });
      bool gathered = value.place == Value::Place::input;
      bool wanted = (value.place == Value::Place::arena && !shares) || gathered;
      if (wanted && value.in_block == in_block) values.push_back(static_cast<int>(v));
    }
    std::sort(values.begin(), values.end(), [&](int a, int b) {
      const Index size_a = size(tape_.values[a]), size_b = size(tape_.values[b]);
      return size_a != size_b ? size_a > size_b : a < b;
    });
    std::vector<int> placed;
    for (int v : values) {
      Value& value = tape_.values[v];
      Index need = round_up(std::max<Index>(size(value), 1), 32);
      std::vector<std::pair<Index, Index>> taken;
      for (int other : placed) {
        const Value& o = tape_.values[other];
        if (section(o.first_stage) <= section(value.last_stage) && section(value.first_stage) <= section(o.last_stage))
          taken.push_back({o.offset, o.offset + round_up(std::max<Index>(size(o), 1), 32)});
      }
      std::sort(taken.begin(), taken.end());
      Index offset = 0;
      for (auto [begin, end] : taken) {
        if (offset + need <= begin) break;
        offset = std::max(offset, end);
      }
      value.offset = offset;
      total = std::max(total, offset + need);
      placed.push_back(v);
    }
    for (auto [from, to] : shares_) {
      tape_.values[from].place = tape_.values[to].place;
      tape_.values[from].storage = tape_.values[to].storage;
      tape_.values[from].offset = tape_.values[to].offset;
      tape_.values[from].in_block = tape_.values[to].in_block;
    }
    return total;
  }

  void place_sums() {
    for (Value& value : tape_.values) {
      if (value.rows || value.first_stage != tape_.loop_end - 1 || !tape_.has_loop()) continue;
      value.sum_offset = tape_.block_sums;
      tape_.block_sums += round_up(value.width, 16);
    }
    tape_.block_sums = round_up(tape_.block_sums, kSumsBytes / element_bytes_);
  }

  Tape& tape_;
  Index max_rows_;
  Index element_bytes_;
  std::vector<std::pair<int, int>> shares_;
};

}  // namespace

void place(const TapeRequest& request, Tape& tape) { Placement(request, tape); }

}  // namespace fastbp
