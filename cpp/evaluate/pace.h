// Measures whether a step is faster on the whole team or on one thread. A plan only estimates this; Pace measures it
// again and again, because other programs come and go: on a busy machine a barrier can cost more than the step. Bits
// do not depend on the choice.
#pragma once

#include <chrono>

namespace fastbp {

class Pace {
 public:
  Pace() = default;  // for one thread: there is no choice
  // threads: the team's size. step_nanoseconds: an estimate, for how often to read the clock. always: use the team.
  Pace(int threads, double step_nanoseconds, bool always);

  // Steps are measured between start and pause. If pause was not called (an exception), start begins a new window.
  void start();
  void pause();

  bool together() const { return together_; }  // whether the next step runs on the team
  void step_done();

 private:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;

  void window_done(Duration took);
  bool is_clear() const;  // whether this probe already shows which mode is faster
  void begin_probe();

  bool has_choice_ = false;
  bool running_ = false;
  long steps_per_window_ = 1;
  bool together_ = false;
  bool team_won_ = false;          // whether the team won the last probe
  long steps_ = 0;                 // in this window
  Duration before_{};              // time of this window before the last pause
  int probe_ = 0;                  // windows measured in this probe; kProbe: no probe is under way
  Duration best_[2], probing_[2];  // of the last probe, by mode: the shortest window, the sum of all
  Duration hold_{};                // time from the end of a probe to the next
  int slow_ = 0;                   // windows in a row that were far slower than the probe promised
  Duration worked_{}, hold_until_{};  // measured in time between start and pause only
  Clock::time_point window_began_;
};

}  // namespace fastbp
