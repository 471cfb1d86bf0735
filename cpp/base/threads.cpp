#include "base/threads.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/errors.h"

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace fastbp {

namespace {

std::atomic<int> chosen_threads{0};  // 0: the default
std::atomic<bool> forked{false};
std::atomic<ThreadOrder> chosen_order{ThreadOrder::any};

// A forked child has one thread, but its OpenMP runtime believes that the parent's threads still exist, and would wait
// for them for ever.
const int at_fork = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

int threads_from_environment() {
  const char* text = std::getenv("FASTBP_NUM_THREADS");
  if (text == nullptr || *text == '\0') return 0;
  int n = 0;
  const char* c = text;
  for (; *c >= '0' && *c <= '9' && n <= kMostThreads; ++c) n = 10 * n + (*c - '0');
  if (n > kMostThreads) {
    throw Error(Cause::value,
                "FASTBP_NUM_THREADS must be at most " + std::to_string(kMostThreads) + ", got '" + text + "'");
  }
  if (*c != '\0' || n < 1) {
    throw Error(Cause::value,
                std::string("FASTBP_NUM_THREADS must be a whole number of at least 1, got '") + text + "'");
  }
  return n;
}

int default_threads() {
  static const int from_environment = threads_from_environment();
  return from_environment > 0 ? from_environment : std::min(available_processors(), kMostThreads);
}

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void set_num_threads(int n) {
  if (n < 0 || n > kMostThreads) {
    throw Error(Cause::value,
                "n must be between 0 (the default) and " + std::to_string(kMostThreads) + ", got " + std::to_string(n));
  }
  chosen_threads.store(n);
}

int chosen_num_threads() { return chosen_threads.load(std::memory_order_relaxed); }

int get_num_threads() {
  const int n = chosen_threads.load();
  return n > 0 ? n : default_threads();
}

bool threads_forbidden() { return forked.load(std::memory_order_relaxed) || at_fork != 0; }

const char* openmp_runtime() {
#if !defined(_OPENMP)
  return "none: built serial";
#else
#if defined(__clang__)
#define FASTBP_OPENMP_LIBRARY " (libomp)"
#else
#define FASTBP_OPENMP_LIBRARY " (libgomp)"
#endif
  // _OPENMP is the month of the standard.
  return _OPENMP >= 202111   ? "OpenMP 5.2" FASTBP_OPENMP_LIBRARY
         : _OPENMP >= 202011 ? "OpenMP 5.1" FASTBP_OPENMP_LIBRARY
         : _OPENMP >= 201811 ? "OpenMP 5.0" FASTBP_OPENMP_LIBRARY
         : _OPENMP >= 201511 ? "OpenMP 4.5" FASTBP_OPENMP_LIBRARY
                             : "OpenMP" FASTBP_OPENMP_LIBRARY;
#endif
}

void order_threads(ThreadOrder order) { chosen_order.store(order); }

// A team of one waits for nobody, so it need not ask the system how many processors there are.
Team::Team(int size) : size_(size), spin_(size > 1 && size <= available_processors()), order_(chosen_order.load()) {}

void Team::begin(int thread) {
  if (order_ == ThreadOrder::any) return;
  wait_for_turn(static_cast<unsigned>(order_ == ThreadOrder::ascending ? thread : size_ - 1 - thread));
}

void Team::end() {
  if (order_ != ThreadOrder::any) turn_.fetch_add(1);
}

void Team::wait_for_turn(unsigned turn) const {
  while (turn_.load() != turn && !stopped_.load()) std::this_thread::yield();
  if (stopped_.load()) throw TeamStopped{};
}

void Team::barrier(int /*thread*/) {
  if (size_ == 1) return;
  if (order_ != ThreadOrder::any) {
    const unsigned mine = turn_.fetch_add(1);
    return wait_for_turn(mine + static_cast<unsigned>(size_));  // all others have arrived by then
  }
  // Read before arriving: the phase cannot change until this thread has arrived.
  const unsigned phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
  } else {
    wait_for_phase_after(phase);
  }
  if (stopped_.load(std::memory_order_acquire)) throw TeamStopped{};
}

// Spins for about as long as a small step lasts, then yields the processor, then sleeps: by now the wait is so long
// that nobody notices another 50 us (thread 0 may be in a Python callback).
void Team::wait_for_phase_after(unsigned phase) const {
  constexpr int kSpins = 1 << 10;
  constexpr int kYields = 1 << 12;
  const auto over = [this, phase] {
    return phase_.load(std::memory_order_acquire) != phase || stopped_.load(std::memory_order_acquire);
  };
  for (int i = 0; spin_ && i < kSpins; ++i) {
    if (over()) return;
    pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (over()) return;
    std::this_thread::yield();
  }
  while (!over()) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

void Team::fail(std::exception_ptr error) noexcept {
  if (!claimed_.exchange(true)) error_ = std::move(error);
  stopped_.store(true, std::memory_order_release);
}

namespace {

#if defined(_OPENMP)
void run_thread(Team& team, int thread, void (*body)(void* context, Team& team, int thread), void* context) noexcept {
  const FloatingPointState state;
  try {
    team.begin(thread);
    body(context, team, thread);
    team.end();
  } catch (const TeamStopped&) {
    // The thread that failed has left its error with the team.
  } catch (...) {
    team.fail(std::current_exception());
  }
}
#endif

void run_alone(void (*body)(void* context, Team& team, int thread), void* context) {
  const FloatingPointState state;
  Team team(1);
  body(context, team, 0);
}

}  // namespace

void run_team(int threads, void (*body)(void* context, Team& team, int thread), void* context) {
#if defined(_OPENMP)
  if (threads > 1 && !threads_forbidden()) {
    available_processors();    // its first call reads files and may throw, later calls may not
    std::optional<Team> team;  // made inside, where the number of threads is known
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
      team.emplace(omp_get_num_threads());
      run_thread(*team, omp_get_thread_num(), body, context);
    }
    if (team->error()) std::rethrow_exception(team->error());
    return;
  }
#endif
  (void)threads;
  run_alone(body, context);
}

// The state is MXCSR on x86, FPCR on aarch64: rounding, what happens to subnormals, which exceptions trap.
FloatingPointState::FloatingPointState() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  constexpr unsigned kDefault = 0x1f80;  // all exceptions masked, nothing else set
  saved_ = _mm_getcsr();
  _mm_setcsr(kDefault);
#elif defined(__aarch64__)
  unsigned long control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  saved_ = control;
  asm volatile("msr fpcr, %0" : : "r"(0UL));
#else
  saved_ = static_cast<unsigned long>(std::fegetround());
  std::fesetround(FE_TONEAREST);
#endif
}

FloatingPointState::~FloatingPointState() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_setcsr(static_cast<unsigned>(saved_));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(saved_));
#else
  std::fesetround(static_cast<int>(saved_));
#endif
}

}  // namespace fastbp
