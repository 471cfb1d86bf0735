// Whether a step goes faster on the whole team or on one thread alone. A plan guesses; this measures, again and again,
// because other programs come and go: on a busy machine a barrier can cost more than the step. Bits do not depend on
// it.
#pragma once

#include <chrono>

namespace fastbp {

class Pace {
 public:
  Pace() = default;  // of one thread: no choice
  // threads: of the team; step_nanoseconds: a guess, which sets how often the clock is read. always: no step alone.
  Pace(int threads, double step_nanoseconds, bool always);

  // Steps are measured between start and pause. Where the pause is left out (an exception), the window begins anew.
  void start();
  void pause();

  bool together() const { return together_; }  // the next step
  void step_done();

 private:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;

  void window_done(Duration took);
  bool is_clear() const;  // of the windows of this probe, which mode is faster
  void begin_probe();

  bool has_choice_ = false;
  bool running_ = false;
  long steps_per_window_ = 1;
  bool together_ = false;
  bool team_won_ = false;          // the last probe
  long steps_ = 0;                 // of this window
  Duration before_{};              // of this window, before the last pause
  int probe_ = 0;                  // windows measured in this probe; kProbe: none is under way
  Duration best_[2], probing_[2];  // by mode: the shortest window and all of them, of the last probe
  Duration hold_{};                // from the end of a probe to the next
  int slow_ = 0;                   // windows in a row that were far slower than the probe promised
  Duration worked_{}, hold_until_{};  // time between start and pause alone
  Clock::time_point window_began_;
};

}  // namespace fastbp
