// Names of operations.
#include <algorithm>

#include "graph/graph.h"

namespace fastbp {
namespace {

struct Entry {
  const char* name;
  int operands;
};

// In the order of Op.
constexpr Entry kEntries[] = {
#define FASTBP_X(name, operands) {#name, operands},
    FASTBP_ELEMENTWISE_OPERATIONS(FASTBP_X) FASTBP_COMBINED_OPERATIONS(FASTBP_X) FASTBP_STRUCTURAL_OPERATIONS(FASTBP_X)
#undef FASTBP_X
};

// The fewest insertions, deletions and replacements of letters that turn a into b.
int edit_distance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// Whether only plans use the operation, and no node.
bool is_of_plans(Op op) {
  switch (op) {
    case Op::copy:
#define FASTBP_X(name, operands) case Op::name:
      FASTBP_COMBINED_OPERATIONS(FASTBP_X)
#undef FASTBP_X
      return true;
    default: return false;
  }
}

}  // namespace

const char* name_of(Op op) { return kEntries[static_cast<int>(op)].name; }

int operands_of(Op op) { return kEntries[static_cast<int>(op)].operands; }

std::vector<Op> all_operations() {
  std::vector<Op> all;
  for (int i = 0; i < static_cast<int>(sizeof kEntries / sizeof kEntries[0]); ++i) {
    if (!is_of_plans(static_cast<Op>(i))) all.push_back(static_cast<Op>(i));
  }
  return all;
}

Op operation_named(const std::string& name) {
  const std::vector<Op> known = all_operations();
  Op nearest = known.front();
  int fewest = edit_distance(name, name_of(nearest));
  for (Op op : known) {
    const int edits = edit_distance(name, name_of(op));
    if (edits == 0) return op;
    if (edits < fewest) {
      nearest = op;
      fewest = edits;
    }
  }
  throw Error(Cause::value, "unknown operation '" + name + "'; did you mean '" + name_of(nearest) + "'?");
}

}  // namespace fastbp
