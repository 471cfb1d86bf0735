#include "compile/tape.h"

#include <algorithm>
#include <string>

#include "base/errors.h"
#include "base/memory.h"

namespace fastbp {
namespace {

// Sizes that the passes may add up without overflow, and a run that ends: no row of a value takes more memory than
// there is, and all values together have fewer elements than anybody could compute.
void check_sizes(const TapeRequest& request, const Tape& tape) {
  constexpr Index kMostElements = Index{1} << 50;
  Index elements = 0;
  for (const Value& value : tape.values) {
    require_memory(bytes_of({value.width, request.element_bytes}));
    if (__builtin_add_overflow(elements, product_of({value.width, value.rows ? request.max_rows : 1}), &elements) ||
        elements > kMostElements)
      throw Error(Cause::memory,
                  "out of memory: a run of " + std::to_string(request.max_rows) + " rows has more than 2^50 values");
  }
}

}  // namespace

int Tape::loop_threads() const {
  const Index most_blocks = (max_rows + kRowBlock - 1) / kRowBlock;
  return has_loop() ? static_cast<int>(std::min<Index>(threads, most_blocks)) : 1;
}

bool Tape::mixes_rows() const {
  return std::any_of(items.begin(), items.end(), [](const Item& item) {
    return item.kind == Item::Kind::over_rows || item.kind == Item::Kind::product_rows || item.count_rows ||
           (item.kind == Item::Kind::first_max && item.reduced[0]);
  });
}

Tape build_tape(const TapeRequest& request) {
  Tape tape;
  tape.max_rows = request.max_rows;
  make_items(request, tape);
  check_sizes(request, tape);
  combine(request, tape);
  fuse(request, tape);
  share_out(request, tape);
  place(request, tape);
  set_barriers(request, tape);
  choose_who_asks(request, tape);
  return tape;
}

}  // namespace fastbp
