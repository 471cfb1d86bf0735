#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>

#include "base/cpu.h"
#include "base/errors.h"

namespace fastbp {

namespace {

struct InstructionSet {
  const char* name;
  bool (*on_this_machine)();
  void (*fill_maps)(KernelTable*);
  void (*fill_products)(KernelTable*);
};

// Ascending: a table is filled by all sets up to its own, so that each overrides only what it does better.
// FASTBP_HAVE_*: the build made that set's kernels.
constexpr InstructionSet kInstructionSets[] = {
    {"generic", [] { return true; }, fill_maps_generic, fill_products_generic},
#if defined(FASTBP_HAVE_AVX2)
    {"avx2", [] { return cpu_features().avx2_fma; }, fill_maps_avx2, fill_products_avx2},
#endif
#if defined(FASTBP_HAVE_AVX512)
    {"avx512", [] { return cpu_features().avx512; }, fill_maps_avx512, fill_products_avx512},
#endif
};
constexpr int kCount = sizeof kInstructionSets / sizeof kInstructionSets[0];

// Every table of this machine, made once: plans keep pointers into them.
struct Tables {
  KernelTable table[kCount] = {};
  bool available[kCount] = {};

  Tables() {
    for (int i = 0; i < kCount; ++i) {
      available[i] = kInstructionSets[i].on_this_machine();
      if (!available[i]) continue;
      for (int j = 0; j <= i; ++j) {
        kInstructionSets[j].fill_maps(&table[i]);
        kInstructionSets[j].fill_products(&table[i]);
      }
      table[i].name = kInstructionSets[i].name;
    }
  }
};

const Tables& tables() {
  static const Tables all;  // made at import, which asks for the kernels: no forked child can find its lock taken
  return all;
}

bool known(const std::string& name) {
  for (const char* one : {"generic", "avx2", "avx512"}) {
    if (name == one) return true;
  }
  return false;
}

std::string in_lower_case(std::string name) {
  for (char& letter : name) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return name;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Errors call the name `what`, which says where it came from.
const KernelTable& table_named(const std::string& name, const std::string& what) {
  for (int i = 0; i < kCount; ++i) {
    if (name == kInstructionSets[i].name && tables().available[i]) return tables().table[i];
  }
  const std::string available = joined(available_isas());
  if (known(name))
    throw Error(Cause::value, what + " is '" + name + "', which this machine does not have; it has: " + available);
  const std::string hint = known(in_lower_case(name)) ? ": did you mean '" + in_lower_case(name) + "'?" : "";
  throw Error(Cause::value, what + " must be one of: " + available + "; got '" + name + "'" + hint);
}

const KernelTable& table_at_load() {
  const char* forced = std::getenv("FASTBP_ISA");
  if (forced != nullptr && *forced != '\0') return table_named(forced, "FASTBP_ISA");
  return table_named(available_isas().back(), "the instruction set");
}

std::atomic<const KernelTable*> in_use{nullptr};

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int i = 0; i < kCount; ++i) {
    if (tables().available[i]) names.emplace_back(kInstructionSets[i].name);
  }
  return names;
}

const KernelTable& kernels() {
  if (const KernelTable* table = in_use.load(std::memory_order_acquire)) return *table;
  const KernelTable* none = nullptr;  // what a set_isa has chosen meanwhile is kept
  in_use.compare_exchange_strong(none, &table_at_load(), std::memory_order_acq_rel);
  return *in_use.load(std::memory_order_acquire);
}

void set_isa(const std::string& name) { in_use.store(&table_named(name, "isa"), std::memory_order_release); }

}  // namespace fastbp
