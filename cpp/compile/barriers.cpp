// Decides where the threads of a team meet. A stage may begin while another thread is still in an earlier stage, unless
// both access the same memory, at least one of them writes, and the threads do not keep to their own parts of it. For
// example, one thread takes its rows of a batch from gathering through the products and their epilogues to the last
// delta without a barrier; the weight gradients read all rows, so a barrier precedes the first of them.
#include <algorithm>

#include "compile/access.h"

namespace fastbp {
namespace {

class Barriers {
 public:
  Barriers(const TapeRequest& request, Tape& tape) : tape_(tape), max_rows_(std::max<Index>(request.max_rows, 1)) {
    tape_.barriers.assign(tape_.stages.size(), false);
    if (tape_.threads == 1) return;
    for (int input : tape_.inputs)  // each thread gathers its own rows
      if (input >= 0) since_.push_back({input, true, {Pattern::By::rows, kRowsOfRun}});
    for (int s = tape_.lead_end; s < static_cast<int>(tape_.stages.size()); ++s) {
      const bool looped = s >= tape_.loop_begin && s < tape_.loop_end;
      if (looped && s > tape_.loop_begin) continue;
      std::vector<Access> accesses;
      for (int i = s; i < (looped ? tape_.loop_end : s + 1); ++i)
        for (const Access& access : accesses_of(tape_, tape_.stages[static_cast<std::size_t>(i)], looped))
          accesses.push_back(access);
      if (meets_others(accesses)) {
        tape_.barriers[static_cast<std::size_t>(s)] = true;
        since_.clear();
      }
      since_.insert(since_.end(), accesses.begin(), accesses.end());
    }
  }

 private:
  bool meets_others(const std::vector<Access>& accesses) const {
    for (const Access& access : accesses)
      for (const Access& earlier : since_)
        if ((access.writes || earlier.writes) && conflict(access, earlier)) return true;
    return false;
  }

  // Values with disjoint lifetimes may overlap in the arena, wholly or in part.
  bool conflict(const Access& a, const Access& b) const {
    const Value &x = value(a), &y = value(b);
    if (!overlap(x, y)) return false;
    const bool congruent = x.offset == y.offset && x.rows == y.rows && x.width == y.width;
    if (a.pattern.by != Pattern::By::one && !congruent) return true;
    return !keeps_threads_apart(a.pattern, b.pattern);
  }

  const Value& value(const Access& access) const { return tape_.values[static_cast<std::size_t>(access.value)]; }

  static bool in_arena(const Value& value) {
    return value.place == Value::Place::arena || value.place == Value::Place::input;
  }

  bool overlap(const Value& x, const Value& y) const {
    if (in_arena(x) && in_arena(y)) {
      if (x.in_block || y.in_block) return false;  // every thread has its own block arena
      return x.offset < y.offset + size(y) && y.offset < x.offset + size(x);
    }
    const bool shared = x.place == Value::Place::output || x.place == Value::Place::parameter;
    return shared && x.place == y.place && x.storage == y.storage;
  }

  Index size(const Value& value) const { return value.rows ? value.width * max_rows_ : value.width; }

  Tape& tape_;
  Index max_rows_;
  std::vector<Access> since_;  // accesses since the last barrier
};

}  // namespace

void set_barriers(const TapeRequest& request, Tape& tape) { Barriers(request, tape); }

}  // namespace fastbp
