#include "base/processors.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <fstream>
#include <limits>
#include <string>

#include "base/control_groups.h"

namespace fastbp {

namespace {

int processors_by_affinity() {
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) return std::max(CPU_COUNT(&mask), 1);
  // The mask must be as large as the kernel's, and this kernel's is larger: try until it fits.
  for (int processors = 2 * CPU_SETSIZE; processors <= 1 << 20; processors *= 2) {
    cpu_set_t* large_mask = CPU_ALLOC(processors);
    if (large_mask == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(processors);
    const bool known = sched_getaffinity(0, bytes, large_mask) == 0;
    const int count = known ? CPU_COUNT_S(bytes, large_mask) : 0;
    CPU_FREE(large_mask);
    if (known) return std::max(count, 1);
  }
#endif
  return std::max(static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)), 1);
}

constexpr double kNoQuota = std::numeric_limits<double>::infinity();

// Version 2: cpu.max holds "max 100000" or "150000 100000", microseconds of processor time in each period.
double quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  double quota = 0, period = 0;
  return file >> quota >> period && quota > 0 && period > 0 ? quota / period : kNoQuota;
}

// Version 1: the same in two files; a quota of -1 means none.
double quota_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  return quota_file >> quota && period_file >> period && quota > 0 && period > 0 ? quota / period : kNoQuota;
}

}  // namespace

double processors_by_quota(const std::string& root) {
  double smallest = kNoQuota;
  look_at_groups(root, "cpu", [&smallest](GroupVersion version, const std::string& folder) {
    smallest = std::min(smallest, version == GroupVersion::v2 ? quota_v2(folder) : quota_v1(folder));
  });
  return smallest;
}

int available_processors() {
  // The mask can change at any time and takes one system call; the quota takes several files and is read once. A
  // fraction of a processor does not count: a thread out of quota would hold up all others at the next barrier.
  static std::atomic<double> known{0};  // no lock, which a forked child could find taken
  double quota = known.load(std::memory_order_relaxed);
  if (quota == 0) {
    quota = processors_by_quota("");
    known.store(quota, std::memory_order_relaxed);
  }
  const int processors = processors_by_affinity();
  return quota < processors ? std::max(static_cast<int>(quota), 1) : processors;
}

}  // namespace fastbp
