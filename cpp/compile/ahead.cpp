// Chooses the products that prefetch the rows that will be gathered next: the last ones of a run or a block, as late as
// time allows, so that nothing else evicts the rows before they are read.
#include <algorithm>

#include "compile/tape.h"

namespace fastbp {
namespace {

constexpr Index kLine = 64;
constexpr Index kWorkForLine = 1024;  // fma per line to prefetch; the lines are estimated from the widest input

Index work_of(const Item& product, const Tape& tape, Index rows) {
  const Value& a = tape.values[static_cast<std::size_t>(product.operands[0].value)];
  return product.m * product.n * product.k * (a.rows ? rows : 1);
}

}  // namespace

void choose_who_asks(const TapeRequest& request, Tape& tape) {
  const Index rows = tape.has_loop() ? kRowBlock : tape.max_rows;
  Index bytes = 0;
  for (int input : tape.inputs)
    if (input >= 0)
      bytes = std::max(bytes, rows * tape.values[static_cast<std::size_t>(input)].width * request.element_bytes);
  const int begin = tape.has_loop() ? tape.loop_begin : 0;
  Index work = 0;
  for (int s = tape.has_loop() ? tape.loop_end : static_cast<int>(tape.stages.size()); s-- > begin;) {
    Stage& stage = tape.stages[static_cast<std::size_t>(s)];
    if (!stage.is_product()) continue;
    stage.asks_ahead = work < bytes / kLine * kWorkForLine;
    work += work_of(tape.first_item(stage), tape, rows);
  }
}

}  // namespace fastbp
