#include "compile/access.h"

namespace fastbp {
namespace {

using By = Pattern::By;

class Accesses {
 public:
  Accesses(const Tape& tape, const Stage& stage) : tape_(tape), stage_(stage) {}

  std::vector<Access> found;

  void all_alike(By by) {
    for (int i : stage_.items) {
      write(item(i).output, {by});
      for (const Operand& operand : item(i).operands) read(operand.value, {by});
    }
  }

  void shared() {
    switch (stage_.kind) {
      case Stage::Kind::row: return row_program(0);
      case Stage::Kind::plain: return column_program(0, stage_.width, kPlainUnit);
      case Stage::Kind::product: return product();
      case Stage::Kind::product_rows: return product_rows();
      case Stage::Kind::over_rows: return over_rows();
      case Stage::Kind::first_max: return all_alike(By::one);
    }
  }

 private:
  const Item& item(int i) const { return tape_.items[static_cast<std::size_t>(i)]; }
  const Value& value(int v) const { return tape_.values[static_cast<std::size_t>(v)]; }
  void read(int v, Pattern pattern) { found.push_back({v, false, pattern}); }
  void write(int v, Pattern pattern) { found.push_back({v, true, pattern}); }

  Pattern columns(Index width, Index unit) const {
    if (width <= unit) return {By::one};  // one unit, which thread 0 gets
    return {By::columns, width, unit};
  }

  // The accesses of items from `first` on, in a stage whose threads share the rows.
  void row_program(std::size_t first) {
    for (std::size_t k = first; k < stage_.items.size(); ++k) {
      const Item& one = item(stage_.items[k]);
      write(one.output, {By::rows, kRowsOfRun});
      for (const Operand& operand : one.operands)
        read(operand.value, value(operand.value).rows ? Pattern{By::rows, kRowsOfRun} : Pattern{By::any});
    }
  }

  // The accesses of items from `first` on, in a stage whose threads share the columns of results of one width.
  void column_program(std::size_t first, Index width, Index unit) {
    for (std::size_t k = first; k < stage_.items.size(); ++k) {
      const Item& one = item(stage_.items[k]);
      write(one.output, columns(width, unit));
      for (const Operand& operand : one.operands) {
        const bool cut = operand.col_stride == 1 && value(operand.value).width == width;
        read(operand.value, cut ? columns(width, unit) : Pattern{By::any});
      }
    }
  }

  void product() {
    const Item& product = item(stage_.items.front());
    const int a = product.operands[0].value;
    read(product.operands[1].value, {By::any});
    const bool finishes = product.finish != Finish::none;
    if (stage_.sharing == Sharing::columns) {
      read(a, {By::any});
      if (finishes) read(product.operands[2].value, columns(product.n, tape_.column_unit));
      write(product.output, columns(product.n, tape_.column_unit));
      return column_program(1, product.n, tape_.column_unit);
    }
    const bool rows = value(product.output).rows;
    read(a, rows ? Pattern{By::rows, kRowsOfRun} : Pattern{By::any});
    if (finishes) {
      const int beside = product.operands[2].value;
      read(beside, value(beside).rows ? Pattern{By::rows, kRowsOfRun} : Pattern{By::any});
    }
    write(product.output, {By::rows, rows ? kRowsOfRun : product.m});
    row_program(1);
  }

  // x (rows, m), g (rows, n) -> (m, n): the result's rows are columns of x, its columns are those of g.
  void product_rows() {
    const Item& product = item(stage_.items.front());
    const int x = product.operands[0].value, g = product.operands[1].value;
    if (stage_.sharing == Sharing::columns) {
      read(x, {By::any});
      read(g, columns(product.n, tape_.column_unit));
      write(product.output, columns(product.n, tape_.column_unit));
    } else {
      read(x, columns(product.m, 1));
      read(g, {By::any});
      write(product.output, {By::rows, product.m});
    }
  }

  void over_rows() {
    for (int i : stage_.items) {
      const Index width = item(i).operands[0].row_stride;
      read(item(i).operands[0].value, columns(width, tape_.column_unit));
      write(item(i).output, columns(width, tape_.column_unit));
    }
  }

  const Tape& tape_;
  const Stage& stage_;
};

}  // namespace

bool keeps_threads_apart(const Pattern& p, const Pattern& q) {
  if (p.by != q.by || p.by == By::any) return false;
  return p.by == By::one || (p.count == q.count && p.unit == q.unit);
}

std::vector<Access> accesses_of(const Tape& tape, const Stage& stage, bool in_loop) {
  Accesses accesses(tape, stage);
  if (in_loop)
    accesses.all_alike(By::any);
  else if (stage.sharing == Sharing::one)
    accesses.all_alike(By::one);
  else
    accesses.shared();
  return accesses.found;
}

}  // namespace fastbp
