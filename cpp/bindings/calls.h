// For calls that release the GIL: allow one call at a time on each object, and Ctrl-C while it runs.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/errors.h"

namespace fastbp {

// A plan serves one caller. Other Python threads wait for their turn; a callback of the call itself cannot get one.
class Turns {
 public:
  bool is_mine() const { return owner_.load() == std::this_thread::get_id(); }

 private:
  friend class Turn;
  std::mutex mutex_;
  std::atomic<std::thread::id> owner_{};
};

class Turn {
 public:
  // Call it with the GIL held; it releases the GIL while it waits. what: the object in messages, "this trainer".
  Turn(Turns& turns, const char* what) : turns_(turns) {
    if (turns.is_mine())
      throw Error(Cause::internal, std::string(what) + " is running: its callbacks can not call it again");
    if (!turns_.mutex_.try_lock()) {
      pybind11::gil_scoped_release release;
      turns_.mutex_.lock();
    }
    turns_.owner_.store(std::this_thread::get_id());
  }
  ~Turn() {
    turns_.owner_.store(std::thread::id());
    turns_.mutex_.unlock();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Turns& turns_;
};

// Lets Python run its signal handlers (on its main thread only) and keeps what they raise until the work has ended.
class Signals {
 public:
  bool asked() {
    pybind11::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() == 0) return false;
    raised_.emplace();
    return true;
  }
  Cancel cancel() {
    return Cancel([](void* of) { return static_cast<Signals*>(of)->asked(); }, this);
  }
  void rethrow() {
    if (raised_) throw std::move(*raised_);
  }

 private:
  std::optional<pybind11::error_already_set> raised_;
};

}  // namespace fastbp
