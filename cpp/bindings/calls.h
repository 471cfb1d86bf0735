// For calls that release the GIL: allow one call at a time on each object, and Ctrl-C while it runs.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "base/cancel.h"
#include "base/errors.h"
#include "base/threads.h"
#include "bindings/gil.h"

namespace fastbp {

// An object serves one call at a time. A callback of the call itself cannot get a turn.
class Turns {
 public:
  Turns() : lock_(new Lock(fork_generation())) {}
  ~Turns() { delete lock_.load(); }
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  bool is_taken() const { return lock_.load()->occupant.is_anyone(); }
  bool is_mine() const { return lock_.load()->occupant.is_this_thread(); }

 private:
  friend class Turn;
  struct Lock {
    explicit Lock(unsigned generation_) : generation(generation_) {}
    unsigned generation;
    std::timed_mutex mutex;
    Occupant occupant;
  };

  // The lock of this process. One that a forked child inherits may be locked by a thread that does not exist there: it
  // gets a new one, and the old one is never touched again.
  Lock* lock() {
    Lock* found = lock_.load();
    while (found->generation != fork_generation() && !found->occupant.is_anyone()) {
      Lock* fresh = new Lock(fork_generation());
      if (lock_.compare_exchange_strong(found, fresh)) return fresh;
      delete fresh;
    }
    return found;
  }

  std::atomic<Lock*> lock_;
};

// What has no callbacks lets other threads wait. What has some refuses them: two trainings whose callbacks wait for
// each other, or a callback that waits for another thread, would wait for ever.
class Turn {
 public:
  // Call it with the GIL held; it releases the GIL while it waits, and ends with what a signal handler raises.
  // inside: the message for a call from within a call. beside: for one from another thread; null lets it wait.
  Turn(Turns& turns, const char* inside, const char* beside) : lock_(turns.lock()) {
    if (lock_->occupant.is_this_thread()) throw Error(Cause::internal, inside);
    while (!lock_->mutex.try_lock()) {
      if (beside != nullptr) throw Error(Cause::internal, beside);
      wait(turns);
    }
    lock_->occupant.enter();
  }
  ~Turn() {
    lock_->occupant.leave();
    lock_->mutex.unlock();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  // Until the lock may be free. The process may fork meanwhile, and another thread of the child get a new lock.
  void wait(Turns& turns) {
    {
      const ReleasedLock released;
      if (lock_->mutex.try_lock_for(std::chrono::milliseconds(50))) lock_->mutex.unlock();
    }
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    lock_ = turns.lock();
  }

  Turns::Lock* lock_;
};

// Lets Python run its signal handlers (on its main thread only) and keeps what they raise until the work has ended.
class Signals {
 public:
  bool asked() {
    const HeldLock held;
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
