// Threads: the only place that knows OpenMP. A team runs one body on every thread (SPMD) for as long as a whole epoch;
// the threads meet at barriers. Without OpenMP, in a forked child, or for a team of one, the body runs on the calling
// thread alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <type_traits>

#include "base/processors.h"  // available_processors
#include "base/types.h"

namespace fastbp {

constexpr int kMostThreads = 1024;  // OpenMP ends the process when a thread cannot start, so nobody may ask for 10^6

void set_num_threads(int n);  // 0: the default, see architecture.md; Error(value) outside
int chosen_num_threads();  // the last n given to set_num_threads
// The most threads that a plan may use: 1 in a forked child, else what was chosen, but no more than the ceiling.
// Error(value) where FASTBP_NUM_THREADS is wrong.
int get_num_threads();
int thread_ceiling();  // OpenMP's own limit for this thread, where it differs from the default; else no limit
bool threads_forbidden();  // true in a forked child of a process that had imported fastbp

// How many forks lie between this process and the one that imported fastbp.
unsigned fork_generation();

std::uint64_t thread_number();  // of the calling thread, from 1; no other thread that this process knows has it

// Who is inside something, by thread and process. A forked child inherits the note, but of the threads that it names
// only the one that forked lives on there: for the child, others are no longer inside.
class Occupant {
 public:
  void enter();
  void leave() { thread_.store(0); }
  bool is_anyone() const;
  bool is_this_thread() const { return thread_.load() == thread_number() && is_anyone(); }

 private:
  std::atomic<std::uint64_t> thread_{0};
  std::atomic<unsigned> generation_{0};
};
const char* openmp_runtime();  // e.g. "OpenMP 4.5 (libgomp)" or "none: built serial"

// Thrown at the barriers of a team after one of its threads has thrown; never leaves run_team.
struct TeamStopped {};

// Tests: between two barriers the threads of a team run one after another, in ascending or descending order. So if a
// thread needs another's results or spoils its data, a missing barrier in between shows every time. A thread that may
// steal others' parts steals none in ascending order, and only every second one in descending order.
enum class ThreadOrder { any, ascending, descending };
void order_threads(ThreadOrder order);  // for teams made from now on

class Team {
 public:
  explicit Team(int size);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }
  // Whether a thread may steal this part from another that has not begun it.
  bool helps_with(Index part) const {
    return order_ == ThreadOrder::any || (order_ == ThreadOrder::descending && part % 2 == 0);
  }
  // Waits for all threads of the team. Spins if there is a processor for each thread, else yields. Throws TeamStopped
  // when a thread of the team has failed. No-op for a team of one.
  void barrier(int thread);

  void begin(int thread);  // each thread calls this before its first barrier
  void end();  // and this after its last

  // Whether all its threads exist: not in a child that a callback has forked.
  bool is_whole() const { return size_ == 1 || generation_ == fork_generation(); }

  void fail(std::exception_ptr error) noexcept;  // first one wins; the others stop at their next barrier
  // The first error; complete once every thread has left the body.
  std::exception_ptr error() const { return error_; }

 private:
  void check_process() const;  // Error(internal) if it is not whole
  void wait_for_phase_after(unsigned phase) const;
  void wait_for_turn(unsigned turn) const;

  int size_;
  bool spin_;
  ThreadOrder order_;
  unsigned generation_;  // of forks
  std::atomic<unsigned> turn_{0};  // incremented when a thread reaches a barrier or its end
  std::atomic<bool> claimed_{false};  // error_ belongs to the thread that set this
  std::exception_ptr error_;
  // On separate cache lines, so that threads that arrive do not disturb those that wait.
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> phase_{0};
  std::atomic<bool> stopped_{false};
};

// Runs body(context, team, thread) on `threads` threads (fewer where forbidden); the calling thread is thread 0. Sets
// the floating-point state (round to nearest, subnormals kept, exceptions masked) on each and restores it. The first
// exception is rethrown here, in the caller. team.size() is the number of threads it really got.
// If the system refuses to make so many threads, the team is smaller.
void run_team(int threads, void (*body)(void* context, Team& team, int thread), void* context);

// Called once, before the first team that is smaller than asked for, with the numbers of threads wanted and made.
void on_refused_threads(void (*warn)(int wanted, int made));

template <class Body>
void run_team(int threads, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  run_team(
      threads, [](void* context, Team& team, int thread) { (*static_cast<Plain*>(context))(team, thread); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Sets the floating-point state of this thread for its lifetime.
class FloatingPointState {
 public:
  FloatingPointState() noexcept;
  ~FloatingPointState();
  FloatingPointState(const FloatingPointState&) = delete;
  FloatingPointState& operator=(const FloatingPointState&) = delete;

 private:
  unsigned long saved_;
};

}  // namespace fastbp
