#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "base/errors.h"

namespace fastbp {

namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kSmall = std::size_t(16) << 20;  // allocations below are not worth a look at the system

std::size_t sum_of(std::size_t a, std::size_t b) { return a > kUnlimited - b ? kUnlimited : a + b; }

// MemTotal and SwapTotal of /proc/meminfo, in bytes.
std::size_t machine_memory() {
  std::ifstream file("/proc/meminfo");
  std::size_t total = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::size_t kibibytes = 0;
    if (words >> name >> kibibytes && (name == "MemTotal:" || name == "SwapTotal:")) total += kibibytes << 10;
  }
  return total > 0 ? total : kUnlimited;
}

// A limit in a file of a control group; "max" is none.
std::size_t limit_in(const std::string& path) {
  std::ifstream file(path);
  std::size_t limit = 0;
  return file >> limit ? limit : kUnlimited;
}

// The smallest limit of a group and its ancestors, memory and swap together.
std::size_t smallest_limit(const std::string& mount, std::string group,
                           std::size_t (*limit_of)(const std::string& folder)) {
  std::size_t smallest = kUnlimited;
  for (;;) {
    smallest = std::min(smallest, limit_of(mount + group));
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return smallest;
    group.resize(slash);
  }
}

// Version 2: swap has a limit of its own. Without the controller for swap, memory.max is taken alone.
std::size_t limit_v2(const std::string& folder) {
  const std::size_t memory = limit_in(folder + "/memory.max");
  if (memory == kUnlimited) return kUnlimited;
  std::ifstream swap_file(folder + "/memory.swap.max");
  if (!swap_file) return memory;
  return sum_of(memory, limit_in(folder + "/memory.swap.max"));
}

// Version 1: memsw is the sum of both, where swap is accounted.
std::size_t limit_v1(const std::string& folder) {
  const std::size_t memory = limit_in(folder + "/memory.limit_in_bytes");
  const std::size_t both = limit_in(folder + "/memory.memsw.limit_in_bytes");
  return both == kUnlimited ? memory : both;
}

std::size_t group_memory() {
  std::size_t smallest = kUnlimited;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "hierarchy:controllers:/group"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty())
      smallest = std::min(smallest, smallest_limit("/sys/fs/cgroup", group, limit_v2));
    else if (("," + controllers + ",").find(",memory,") != std::string::npos)
      smallest = std::min(smallest, smallest_limit("/sys/fs/cgroup/memory", group, limit_v1));
  }
  return smallest;
}

// The memory that the process has touched, without pages of files, memory maps too: the kernel takes those back.
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, pages = 0, of_files = 0;
  if (!(file >> all >> pages >> of_files) || of_files > pages) return 0;
  return (pages - of_files) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
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

std::size_t memory_limit() {
  // Read once; no lock, which a forked child could find taken.
  static std::atomic<std::size_t> known{0};
  std::size_t limit = known.load(std::memory_order_relaxed);
  if (limit == 0) {
    limit = std::min(machine_memory(), group_memory());
    known.store(limit, std::memory_order_relaxed);
  }
  return limit;
}

void require_memory(std::size_t bytes, std::size_t held) {
  if (bytes < kSmall) return;
  const std::size_t limit = memory_limit();
  if (limit == kUnlimited) return;
  const std::size_t taken = std::min(std::max(held, resident()), limit);
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
