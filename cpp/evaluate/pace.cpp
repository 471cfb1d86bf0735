#include "evaluate/pace.h"

#include <algorithm>

namespace fastbp {
namespace {

using namespace std::chrono_literals;

constexpr double kWindow = 100e3;  // nanoseconds
constexpr int kProbe = 4;          // windows: alone, together, alone, together
constexpr int kHopeless = 3;       // if the team takes this many times as long, one window is enough
constexpr int kTooSlow = 4;        // times the probe's best window
constexpr auto kShortestHold = 10ms;
constexpr auto kLongestHold = 2s;
constexpr int kLoserShare = 100;   // the slower mode's part of a probe takes at most one 100th of the time
constexpr auto kLongWindow = 2ms;  // a window that no single interruption decides,
constexpr double kClear = 1.4;     // so one is enough if a mode takes this many times as long

long steps_in(double nanoseconds, double step) {
  return static_cast<long>(std::clamp(nanoseconds / std::max(step, 1.0), 1.0, 1000.0));
}

}  // namespace

Pace::Pace(int threads, double step_nanoseconds, bool always)
    : has_choice_(threads > 1 && !always),
      steps_per_window_(steps_in(kWindow, step_nanoseconds)),
      hold_(kShortestHold) {
  begin_probe();
  together_ = always && threads > 1;
}

void Pace::start() {
  if (!has_choice_) return;
  if (running_) {
    steps_ = 0;
    before_ = Duration::zero();
  }
  running_ = true;
  window_began_ = Clock::now();
}

void Pace::pause() {
  if (!has_choice_) return;
  running_ = false;
  before_ += Clock::now() - window_began_;
}

void Pace::begin_probe() {
  probe_ = 0;
  slow_ = 0;
  together_ = false;
  for (int mode : {0, 1}) {
    best_[mode] = Duration::max();
    probing_[mode] = Duration::zero();
  }
}

void Pace::step_done() {
  if (!has_choice_ || ++steps_ < steps_per_window_) return;
  const Clock::time_point now = Clock::now();
  window_done(before_ + (now - window_began_));
  window_began_ = now;
  before_ = Duration::zero();
  steps_ = 0;
}

bool Pace::is_clear() const {
  if (best_[0] == Duration::max() || best_[1] == Duration::max()) return false;
  if (best_[1] / kHopeless > best_[0]) return true;
  const auto [shorter, longer] = std::minmax(best_[0], best_[1]);
  return shorter >= kLongWindow && longer > kClear * shorter;
}

void Pace::window_done(Duration took) {
  worked_ += took;
  if (probe_ < kProbe) {
    best_[together_] = std::min(best_[together_], took);
    probing_[together_] += took;
    together_ = !together_;
    if (is_clear()) probe_ = kProbe - 1;
    if (++probe_ < kProbe) return;
    together_ = best_[1] < best_[0];
    // A probe is wrong if two threads ran on one processor, which does not last long; so probe again soon.
    if (together_ != team_won_) hold_ = kShortestHold;
    team_won_ = together_;
    hold_until_ = worked_ + std::max<Duration>(hold_, kLoserShare * probing_[!together_]);
    hold_ = std::min<Duration>(2 * hold_, kLongestHold);
    return;
  }
  slow_ = took > kTooSlow * best_[together_] ? slow_ + 1 : 0;
  if (slow_ == 2) hold_ = kShortestHold;
  if (slow_ == 2 || worked_ >= hold_until_) begin_probe();
}

}  // namespace fastbp
