#include "base/cpu.h"

#include <unistd.h>

#include <cstdio>

namespace fastbp {

CpuFeatures cpu_features() {
  CpuFeatures features = {false, false};
#if defined(__x86_64__) || defined(__i386__)
  // These builtins look at XCR0 too: a set whose registers the operating system does not save counts as absent.
  __builtin_cpu_init();
  features.avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  features.avx512 = features.avx2_fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#endif
  return features;
}

namespace {

// Linux describes each cache of a processor in a folder: its level, its type and its size ("48K", "2M").
long size_in_sysfs(int level) {
#if defined(__linux__)
  for (int index = 0; index < 8; ++index) {
    const auto read = [index](const char* name, const char* format, auto*... values) {
      char path[80];
      std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
      std::FILE* file = std::fopen(path, "r");
      if (file == nullptr) return 0;
      const int count = std::fscanf(file, format, values...);
      std::fclose(file);
      return count;
    };
    int this_level = 0;
    char type = 0, unit = 0;
    long size = 0;
    if (read("level", "%d", &this_level) != 1) break;
    if (this_level != level || read("type", "%c", &type) != 1 || type == 'I') continue;
    if (read("size", "%ld%c", &size, &unit) < 1) continue;
    return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
  }
#endif
  (void)level;
  return 0;
}

long cache_size(int level, long from_sysconf, long guess) {
  if (from_sysconf > 0) return from_sysconf;
  const long size = size_in_sysfs(level);
  return size > 0 ? size : guess;
}

}  // namespace

CacheSizes cache_sizes() {
  long l1 = 0, l2 = 0, l3 = 0;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return {cache_size(1, l1, 32L << 10), cache_size(2, l2, 512L << 10), cache_size(3, l3, 8L << 20)};
}

}  // namespace fastbp
