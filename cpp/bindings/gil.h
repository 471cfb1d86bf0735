// Python's lock, released and held. Where the interpreter has ended, Python ends a thread that wants the lock by an
// exception of the system's, which pybind11's own guards turn into std::terminate. Such a thread sleeps here instead,
// until the process ends, as in CPython from 3.14 on.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

namespace fastbp {

[[noreturn]] inline void sleep_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

class ReleasedLock {
 public:
  ReleasedLock() : state_(PyEval_SaveThread()) {}
  ~ReleasedLock() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      sleep_for_ever();
    }
  }
  ReleasedLock(const ReleasedLock&) = delete;
  ReleasedLock& operator=(const ReleasedLock&) = delete;

 private:
  PyThreadState* state_;
};

class HeldLock {
 public:
  HeldLock() : state_(acquired()) {}
  ~HeldLock() {
    if (PyGILState_Check() == 0) sleep_for_ever();  // it was lost in a call of Python, which the system is leaving
    PyGILState_Release(state_);
  }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  static PyGILState_STATE acquired() {
    try {
      return PyGILState_Ensure();
    } catch (...) {
      sleep_for_ever();
    }
  }

  PyGILState_STATE state_;
};

}  // namespace fastbp
