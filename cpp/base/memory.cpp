#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "base/control_groups.h"
#include "base/errors.h"

namespace fastbp {

namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kSmall = std::size_t(16) << 20;  // allocations below are not worth a look at the system

// No locks, which a forked child could find taken.
std::atomic<std::size_t> known_limit{0};  // 0: not read yet
std::atomic<std::size_t> promised{0};     // bytes of buffers that will be filled, touched or not

// What a file of lines "name: number kB" says under a name, in bytes; `otherwise` if it says nothing.
std::size_t bytes_named(const std::string& path, const std::string& name, std::size_t otherwise) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string found;
    std::size_t kibibytes = 0;
    if (words >> found >> kibibytes && found == name) return kibibytes << 10;
  }
  return otherwise;
}

// A limit in a file of a control group; "max" is none, and in version 1 a huge number is.
std::size_t limit_in(const std::string& path) {
  constexpr std::size_t kNone = std::size_t(1) << 60;
  std::ifstream file(path);
  std::size_t limit = 0;
  return file >> limit && limit < kNone ? limit : kUnlimited;
}

struct Limits {
  std::size_t memory, swap, both;

  void lower_to(const Limits& other) {
    memory = std::min(memory, other.memory);
    swap = std::min(swap, other.swap);
    both = std::min(both, other.both);
  }
};

// Of one group. Where the kernel does not account swap, a group that limits memory counts as having none.
Limits limits_of(GroupVersion version, const std::string& folder) {
  const bool v2 = version == GroupVersion::v2;  // it limits swap alone, version 1 memory and swap together
  const std::size_t memory = limit_in(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  const std::string with_swap = folder + (v2 ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes");
  if (!std::ifstream(with_swap)) return {memory, memory == kUnlimited ? kUnlimited : 0, kUnlimited};
  const std::size_t limit = limit_in(with_swap);
  return v2 ? Limits{memory, limit, kUnlimited} : Limits{memory, kUnlimited, limit};
}

Index product(const Index* begin, const Index* end) {
  if (std::find(begin, end, Index{0}) != end) return 0;
  Index result = 1;
  bool fits = true;
  for (const Index* size = begin; size != end && fits; ++size)
    fits = !__builtin_mul_overflow(result, *size, &result) && result > 0;
  if (fits) return result;
  std::string text;
  for (const Index* size = begin; size != end; ++size) text += (text.empty() ? "" : " x ") + std::to_string(*size);
  throw Error(Cause::memory, "out of memory: the size " + text + " does not fit 64 bits");
}

}  // namespace

Index product_of(const std::vector<Index>& sizes) { return product(sizes.data(), sizes.data() + sizes.size()); }
Index product_of(std::initializer_list<Index> sizes) { return product(sizes.begin(), sizes.end()); }

std::size_t sum_of(std::size_t a, std::size_t b) { return a > kUnlimited - b ? kUnlimited : a + b; }

std::size_t memory_limit(const std::string& root) {
  const std::string machine = root + "/proc/meminfo";
  Limits limits{bytes_named(machine, "MemTotal:", kUnlimited), bytes_named(machine, "SwapTotal:", 0), kUnlimited};
  look_at_groups(root, "memory", [&limits](GroupVersion version, const std::string& folder) {
    limits.lower_to(limits_of(version, folder));
  });
  return std::min(limits.both, sum_of(limits.memory, limits.swap));
}

std::size_t memory_taken(const std::string& root) {
  std::ifstream file(root + "/proc/self/statm");
  std::size_t all = 0, pages = 0, shared = 0;  // shared: of files and of shared memory
  if (!(file >> all >> pages >> shared) || shared > pages) pages = shared = 0;
  const std::string status = root + "/proc/self/status";
  return (pages - shared) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + bytes_named(status, "RssShmem:", 0) +
         bytes_named(status, "VmSwap:", 0);
}

void limit_memory(std::size_t bytes) { known_limit.store(bytes, std::memory_order_relaxed); }

void note_promised(std::size_t bytes) { promised.fetch_add(bytes, std::memory_order_relaxed); }

void note_returned(std::size_t bytes) { promised.fetch_sub(bytes, std::memory_order_relaxed); }

void require_memory(std::size_t bytes) {
  if (bytes < kSmall) return;
  std::size_t limit = known_limit.load(std::memory_order_relaxed);
  if (limit == 0) limit_memory(limit = memory_limit(""));
  if (limit == kUnlimited) return;
  const std::size_t taken = std::min(std::max(promised.load(std::memory_order_relaxed), memory_taken("")), limit);
  if (bytes <= limit - taken) return;
  constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;
  char message[160];
  std::snprintf(message, sizeof message,
                "out of memory: %zu bytes (%.1f GiB) are more than the %.1f GiB that are left of %.1f GiB", bytes,
                static_cast<double>(bytes) / kGibibyte, static_cast<double>(limit - taken) / kGibibyte,
                static_cast<double>(limit) / kGibibyte);
  throw Error(Cause::memory, message);
}

}  // namespace fastbp
