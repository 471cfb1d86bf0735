#include "base/threads.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <csetjmp>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
std::atomic<unsigned> forks{0};
std::atomic<std::uint64_t> survivor{0};  // in a forked child: the thread that forked, the only one that lives on
std::atomic<ThreadOrder> chosen_order{ThreadOrder::any};

// A forked child has one thread, but its OpenMP runtime believes that the parent's threads still exist, and would wait
// for them for ever.
const int at_fork = pthread_atfork(nullptr, nullptr, [] {
  survivor.store(thread_number());
  forks.fetch_add(1);
});

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

// OpenMP's own variable, "4" or, for nested regions, "4,2". 0 if there is none that OpenMP would take.
int threads_from_openmp_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr) return 0;
  char* rest = nullptr;
  errno = 0;
  const long n = std::strtol(text, &rest, 10);
  while (*rest == ' ') ++rest;
  if (rest == text || errno != 0 || n < 1 || (*rest != '\0' && *rest != ',')) return 0;
  return static_cast<int>(std::min<long>(n, kMostThreads));
}

int default_threads() {
  constexpr int kUnread = -1;
  static std::atomic<int> from_environment{kUnread};  // no lock, which a forked child could find taken
  int n = from_environment.load();
  if (n == kUnread) {
    n = threads_from_environment();
    if (n == 0) n = threads_from_openmp_environment();
    from_environment.store(n);
  }
  return n > 0 ? n : std::min(available_processors(), kMostThreads);
}

#if defined(_OPENMP)
// What OpenMP's limit is if nobody has set it: fastbp may be imported where it is set already.
const int openmp_default = threads_from_openmp_environment() > 0 ? omp_get_max_threads() : omp_get_num_procs();
#endif

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

// threadpoolctl and the like set OpenMP's limit of the calling thread.
int thread_ceiling() {
#if defined(_OPENMP)
  const int limit = omp_get_max_threads();
  if (limit != openmp_default) return std::min(limit, kMostThreads);
#endif
  return kMostThreads;
}

int get_num_threads() {
  const int n = chosen_threads.load();
  const int wanted = n > 0 ? n : default_threads();
  return threads_forbidden() ? 1 : std::min(wanted, thread_ceiling());
}

unsigned fork_generation() { return forks.load(std::memory_order_relaxed); }

bool threads_forbidden() { return fork_generation() != 0 || at_fork != 0; }

// Not the system's identifiers: those are used again for new threads, also in a forked child.
std::uint64_t thread_number() {
  static std::atomic<std::uint64_t> next{1};
  thread_local std::uint64_t mine = 0;
  if (mine == 0) mine = next.fetch_add(1);
  return mine;
}

void Occupant::enter() {
  generation_.store(fork_generation());
  thread_.store(thread_number());
}

bool Occupant::is_anyone() const {
  const std::uint64_t thread = thread_.load();
  if (thread == 0) return false;
  return generation_.load() == fork_generation() || thread == survivor.load();
}

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
Team::Team(int size)
    : size_(size),
      spin_(size > 1 && size <= available_processors()),
      order_(chosen_order.load()),
      generation_(fork_generation()) {}

void Team::check_process() const {
  if (is_whole()) return;
  throw Error(Cause::internal,
              "a callback has forked this process, and the threads that it was called from exist in the parent alone: "
              "what was running ends here; a new call runs on one thread");
}

void Team::begin(int thread) {
  if (order_ == ThreadOrder::any) return;
  wait_for_turn(static_cast<unsigned>(order_ == ThreadOrder::ascending ? thread : size_ - 1 - thread));
}

void Team::end() {
  if (order_ != ThreadOrder::any) turn_.fetch_add(1);
}

void Team::wait_for_turn(unsigned turn) const {
  while (turn_.load() != turn && !stopped_.load()) {
    check_process();
    std::this_thread::yield();
  }
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
    check_process();
    std::this_thread::yield();
  }
  while (!over()) {
    check_process();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void Team::fail(std::exception_ptr error) noexcept {
  if (!claimed_.exchange(true)) error_ = std::move(error);
  stopped_.store(true, std::memory_order_release);
}

namespace {

#if defined(_OPENMP)
// OpenMP's runtimes end the process when the system refuses a thread. So before this thread calls its first team of a
// size, as many threads as that team needs are made and ended again.
std::size_t openmp_stack_bytes() {
  for (const char* name : {"OMP_STACKSIZE", "GOMP_STACKSIZE", "KMP_STACKSIZE"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    char* unit = nullptr;
    errno = 0;
    const unsigned long long number = std::strtoull(text, &unit, 10);
    if (unit == text || errno != 0) continue;
    while (*unit == ' ') ++unit;
    const int shift = *unit == 'B' || *unit == 'b'   ? 0
                      : *unit == 'M' || *unit == 'm' ? 20
                      : *unit == 'G' || *unit == 'g' ? 30
                                                     : 10;  // kilobytes, also without a unit
    if (number > 0 && number < (1ull << 40 >> shift)) return static_cast<std::size_t>(number << shift);
  }
  return 0;  // the system's default
}

struct Trial {
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
};

void* wait_for_end(void* of) {
  Trial& trial = *static_cast<Trial*>(of);
  std::unique_lock<std::mutex> lock(trial.mutex);
  trial.changed.wait(lock, [&trial] { return trial.over; });
  return nullptr;
}

// How many of so many threads, which live at the same time, the system makes.
int threads_made(int wanted) {
  Trial trial;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return 0;
  const std::size_t stack = openmp_stack_bytes();
  if (stack > 0) pthread_attr_setstacksize(&attributes, std::max<std::size_t>(stack, PTHREAD_STACK_MIN));
  std::vector<pthread_t> made;
  made.reserve(static_cast<std::size_t>(wanted));
  for (int i = 0; i < wanted; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, wait_for_end, &trial) != 0) break;
    made.push_back(thread);
  }
  pthread_attr_destroy(&attributes);
  {
    const std::lock_guard<std::mutex> lock(trial.mutex);
    trial.over = true;
  }
  trial.changed.notify_all();
  for (pthread_t thread : made) pthread_join(thread, nullptr);
  return static_cast<int>(made.size());
}

std::atomic<void (*)(int, int)> warn_of_refusal{nullptr};
thread_local int last_team = 1;  // of this thread: OpenMP ends the threads above it, so a larger one makes threads
thread_local int refused_team = kMostThreads + 1;  // the smallest that this thread could not call
thread_local std::chrono::steady_clock::time_point refused_at;
constexpr std::chrono::seconds kRefusalHolds{1};  // after which the system is asked again

// The size of team, at most `threads`, that this thread can call; the caller calls it.
int possible_team(int threads) {
  if (threads > last_team && threads >= refused_team) {
    if (std::chrono::steady_clock::now() - refused_at < kRefusalHolds) return last_team;
    refused_team = kMostThreads + 1;
  }
  const int possible = threads <= last_team ? threads : last_team + threads_made(threads - last_team);
  if (possible < threads) {
    refused_team = threads;
    refused_at = std::chrono::steady_clock::now();
    void (*const warn)(int, int) = warn_of_refusal.exchange(nullptr);
    if (warn != nullptr) warn(threads, possible);  // may throw
  }
  if (possible > 1) last_team = possible;
  return possible;
}

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

// The only OpenMP region. In a forked child, at its end, thread 0 would wait for ever for threads that do not exist
// there: it jumps out instead. No frame in between has anything to destroy, and a child never enters a region again.
void run_region(int threads, void (*body)(void* context, Team& team, int thread), void* context,
                std::optional<Team>& team, std::jmp_buf& out) {
#pragma omp parallel num_threads(threads)
  {
#pragma omp single
    team.emplace(omp_get_num_threads());  // made here, where the number of threads is known
    run_thread(*team, omp_get_thread_num(), body, context);
    if (!team->is_whole()) std::longjmp(out, 1);
  }
}
#endif

void run_alone(void (*body)(void* context, Team& team, int thread), void* context) {
  const FloatingPointState state;
  Team team(1);
  body(context, team, 0);
}

}  // namespace

void on_refused_threads(void (*warn)(int wanted, int made)) {
#if defined(_OPENMP)
  warn_of_refusal.store(warn);
#else
  static_cast<void>(warn);
#endif
}

void run_team(int threads, void (*body)(void* context, Team& team, int thread), void* context) {
#if defined(_OPENMP)
  if (threads > 1 && !threads_forbidden()) threads = possible_team(threads);
  if (threads > 1 && !threads_forbidden()) {
    available_processors();  // its first call reads files and may throw, later calls may not
    std::optional<Team> team;
    std::jmp_buf out;
    if (setjmp(out) == 0) run_region(threads, body, context, team, out);
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
