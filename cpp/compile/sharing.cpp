// Assigns stages to threads: chooses how many threads a run is worth, how they share each stage, the order of the
// stages, and which stages run before the team starts.
#include <algorithm>
#include <limits>
#include <utility>

#include "compile/access.h"

namespace fastbp {
namespace {

// Nanoseconds, measured with two threads on one machine. They affect speed only, not results.
constexpr double kBarrier = 1500;         // a barrier: meet, wait for the last, then read what others wrote
constexpr double kBarrierOfMany = 50;     // added per thread of the team
constexpr double kWorthATeam = 40000;  // least saving per run: less is soon lost if other programs run beside a team
constexpr double kWeight = 0.05;          // one thread reads or packs one weight of a product
constexpr double kTransposedWeight = 0.15;
constexpr Index kKeptBytes = Index(4) << 20;  // of a batch's values: a barrier costs less than keeping more

class SharingOut {
 public:
  SharingOut(const TapeRequest& request, Tape& tape)
      : request_(request), tape_(tape), rows_(std::max<Index>(request.max_rows, 1)) {
    tape_.column_unit = request.column_unit;
    for (const Stage& stage : tape_.stages) tape_.cost += cost(stage);
    tape_.cost += gathering();
    choose_team();
    for (Stage& stage : tape_.stages) stage.sharing = best(stage, tape_.threads).sharing;
    order();
    choose_lead();
  }

 private:
  struct Choice {
    Sharing sharing;
    double time;  // until the last thread is done
  };

  const Item& item(int i) const { return tape_.items[static_cast<std::size_t>(i)]; }
  const Value& value(int v) const { return tape_.values[static_cast<std::size_t>(v)]; }
  double cost(const Stage& stage) const { return stage.fixed_cost + stage.row_cost * static_cast<double>(rows_); }
  double gathering() const { return request_.gather_cost * static_cast<double>(rows_); }

  // The fraction of the work that the busiest thread gets.
  static double largest(Index count, Index unit, int threads) {
    const Index units = (count + unit - 1) / unit;
    if (units == 0) return 0;
    return static_cast<double>((units + threads - 1) / threads) / static_cast<double>(units);
  }

  void choose_team() {
    tape_.threads = 1;
    if (request_.team != TeamChoice::measured) {
      tape_.threads = request_.threads;
      return;
    }
    double alone = gathering(), best_time = std::numeric_limits<double>::max();
    for (std::size_t s = 0; s < tape_.stages.size(); ++s)
      alone += tape_.in_loop(static_cast<int>(s)) ? cost(tape_.stages[s]) : best(tape_.stages[s], 1).time;
    for (int threads = 2; threads <= request_.threads; threads = next(threads)) {
      const double time = time_of(threads);
      if (time >= best_time) continue;
      best_time = time;
      tape_.threads = threads;
    }
    if (alone - best_time < kWorthATeam) tape_.threads = 1;
  }

  int next(int threads) const {
    if (threads == request_.threads) return threads + 1;
    return std::min(threads + (threads + 1) / 2, request_.threads);
  }

  double time_of(int threads) {
    double time = gathering() * largest(rows_, tape_.has_loop() ? kRowBlock : 1, threads), looped = 0;
    for (std::size_t s = 0; s < tape_.stages.size(); ++s) {
      if (tape_.in_loop(static_cast<int>(s))) {
        looped += cost(tape_.stages[s]);
        continue;
      }
      Choice choice = best(tape_.stages[s], threads);
      tape_.stages[s].sharing = choice.sharing;
      time += choice.time;
    }
    const int barriers = tape_.has_loop()
                             ? 2 + static_cast<int>(tape_.stages.size()) + tape_.loop_begin - tape_.loop_end
                             : count_sections() + 1;
    return time + looped * largest(rows_, kRowBlock, threads) + barriers * barrier(threads);
  }

  static double barrier(int threads) { return threads == 1 ? 0 : kBarrier + kBarrierOfMany * threads; }

  Choice best(const Stage& stage, int threads) const {
    const double cost = this->cost(stage);
    if (threads == 1) return {Sharing::one, stage.is_product() ? cost + of_a(stage) + of_b(stage) : cost};
    switch (stage.kind) {
      case Stage::Kind::row: return {Sharing::rows, cost * largest(rows_, 1, threads)};
      case Stage::Kind::plain:
        if (!stage.by_columns) return {Sharing::one, cost};
        return {Sharing::columns, cost * largest(stage.width, kPlainUnit, threads)};
      case Stage::Kind::product: return of_product(stage, threads);
      case Stage::Kind::product_rows: return of_product(stage, threads);
      case Stage::Kind::over_rows: return {Sharing::columns, cost * largest(width(stage), tape_.column_unit, threads)};
      case Stage::Kind::first_max: return {Sharing::one, cost};
    }
    return {Sharing::one, cost};
  }

  // The cost of reading or packing a product's operands once.
  double of_a(const Stage& stage) const {
    const Item& product = item(stage.items.front());
    const Index m = value(product.output).rows ? product.m * rows_ : product.m;
    return kWeight * static_cast<double>(m) * static_cast<double>(depth(product));
  }
  double of_b(const Stage& stage) const {
    const Item& product = item(stage.items.front());
    const double each = product.transpose_b ? kTransposedWeight : kWeight;
    return each * static_cast<double>(depth(product)) * static_cast<double>(product.n);
  }
  Index depth(const Item& product) const {
    return product.kind == Item::Kind::product_rows ? product.k * rows_ : product.k;
  }

  // Threads that share the columns read and pack only their part of b, but all of a, which needs a barrier before.
  Choice of_product(const Stage& stage, int threads) const {
    const Item& product = item(stage.items.front());
    const bool rows = value(product.output).rows;
    const double a = of_a(stage), b = of_b(stage);
    const double by_rows = (cost(stage) + a) * largest(rows ? rows_ : product.m, 1, threads) + b;
    const double by_columns =
        (cost(stage) + b) * largest(product.n, tape_.column_unit, threads) + a + (rows ? barrier(threads) : 0);
    if (request_.team == TeamChoice::always_rows) return {Sharing::rows, by_rows};
    if (request_.team == TeamChoice::always_columns) return {Sharing::columns, by_columns};
    return by_rows <= by_columns ? Choice{Sharing::rows, by_rows} : Choice{Sharing::columns, by_columns};
  }

  Index width(const Stage& stage) const {
    Index widest = 0;
    for (int i : stage.items) widest = std::max(widest, value(item(i).output).width);
    return widest;
  }

  // Puts each stage in the earliest section (stages between two barriers) that its operands allow; counts the sections.
  int count_sections() {
    struct Written {
      int section = 0;
      Pattern pattern{Pattern::By::rows, kRowsOfRun};  // initially: the inputs as they are gathered
    };
    std::vector<Written> written(tape_.values.size());
    std::vector<bool> moves(tape_.values.size(), false);
    for (int input : tape_.inputs)
      if (input >= 0) moves[static_cast<std::size_t>(input)] = true;
    int sections = 0;
    for (Stage& stage : tape_.stages) {
      stage.section = 0;
      const std::vector<Access> accesses = accesses_of(tape_, stage, false);
      for (const Access& access : accesses) {
        const std::size_t v = static_cast<std::size_t>(access.value);
        if (access.writes || !moves[v]) continue;
        const int apart = keeps_threads_apart(written[v].pattern, access.pattern) ? 0 : 1;
        stage.section = std::max(stage.section, written[v].section + apart);
      }
      for (const Access& access : accesses) {
        const std::size_t v = static_cast<std::size_t>(access.value);
        if (!access.writes) continue;
        moves[v] = true;
        written[v].section = stage.section;
        written[v].pattern = access.pattern;
      }
      sections = std::max(sections, stage.section + 1);
    }
    return sections;
  }

  // Sorts the stages by section, so that stages that need no barrier between them are adjacent; unless keeping all
  // values of the batch for that long takes more memory than it is worth.
  void order() {
    Index kept = 0;
    for (const Value& value : tape_.values)
      if (value.rows) kept += value.width * rows_ * request_.element_bytes;
    const bool wanted = kept <= kKeptBytes && request_.team != TeamChoice::always_columns;
    if (tape_.threads > 1 && !tape_.has_loop() && wanted) {
      const int last = count_sections();
      for (std::size_t s = static_cast<std::size_t>(tape_.tail_begin); s < tape_.stages.size(); ++s)
        tape_.stages[s].section = last;
      std::vector<std::vector<Stage>> sections(static_cast<std::size_t>(last) + 1);
      for (Stage& stage : tape_.stages) sections[static_cast<std::size_t>(stage.section)].push_back(std::move(stage));
      tape_.stages.clear();
      for (std::vector<Stage>& section : sections)
        for (Stage& stage : section) tape_.stages.push_back(std::move(stage));
    } else {
      for (std::size_t s = 0; s < tape_.stages.size(); ++s) tape_.stages[s].section = static_cast<int>(s);
    }
  }

  // Leading stages of plain scalars, such as 1/rows, run before the team starts: a barrier would cost more.
  void choose_lead() {
    const int stages = static_cast<int>(tape_.stages.size());
    while (tape_.threads > 1 && tape_.lead_end < stages && is_numbers(tape_.lead_end)) ++tape_.lead_end;
  }
  bool is_numbers(int stage) const {
    const auto is_number = [this](int v) { return !value(v).rows && value(v).width == 1; };
    if (tape_.in_loop(stage)) return false;
    for (int i : tape_.stages[static_cast<std::size_t>(stage)].items) {
      if (item(i).kind != Item::Kind::map || !is_number(item(i).output)) return false;
      for (const Operand& operand : item(i).operands)
        if (!is_number(operand.value)) return false;
    }
    return true;
  }

  const TapeRequest& request_;
  Tape& tape_;
  Index rows_;
};

}  // namespace

void share_out(const TapeRequest& request, Tape& tape) { SharingOut(request, tape); }

}  // namespace fastbp
