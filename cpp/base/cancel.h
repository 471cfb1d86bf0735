// The cancel flag: long work asks, every so often, whether it should end. Knows no Python; the bindings say what to
// ask.
#pragma once

#include <chrono>

namespace fastbp {

// Belongs to thread 0 of a team, which tells the others. Not thread-safe.
class Cancel {
 public:
  Cancel() = default;  // never requested
  // ask(context) is called at most every 50 ms, on the thread that calls requested(). It may throw.
  Cancel(bool (*ask)(void* context), void* context);

  // Cheap enough for every step: between two questions it reads the clock only. Once true, always true.
  bool requested();

 private:
  bool (*ask_)(void* context) = nullptr;
  void* context_ = nullptr;
  std::chrono::steady_clock::time_point next_{};
  bool requested_ = false;
};

}  // namespace fastbp
