// What the core was built with and what it runs on.
#include <pybind11/stl.h>

#include <algorithm>
#include <string>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/threads.h"
#include "bindings/bindings.h"
#include "bindings/gil.h"
#include "kernels/dispatch.h"

namespace fastbp {

namespace {

namespace py = pybind11;

std::string compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return "unknown";
#endif
}

py::dict config() {
  const CacheSizes caches = cache_sizes();
  py::dict result;
  result["version"] = FASTBP_VERSION;
  result["contract_version"] = kContractVersion;
  result["isa"] = kernels().name;
  result["available_isas"] = available_isas();
  result["threads"] = get_num_threads();
  result["processors"] = available_processors();
  result["openmp"] = openmp_runtime();
  result["compiler"] = compiler();
  result["caches"] = py::make_tuple(caches.l1, caches.l2, caches.l3);
  return result;
}

}  // namespace

void register_config(py::module_& module) {
  kernels();  // a wrong FASTBP_ISA ends the import here, with an ImportError that says what would be right

  on_refused_threads([](int wanted, int made) {
    const HeldLock held;
    const std::string message = "the system refuses to make " + std::to_string(wanted) +
                                " threads: fastbp goes on with " + std::to_string(made) +
                                ", to the same bits. Look at limits of processes and memory " +
                                "(ulimit -u, a container's pids limit), or set FASTBP_NUM_THREADS";
    if (PyErr_WarnEx(PyExc_RuntimeWarning, message.c_str(), 1) < 0) throw py::error_already_set();
  });

  module.def(
      "require_memory", [](Index bytes) { require_memory(static_cast<std::size_t>(std::max<Index>(bytes, 0))); },
      py::arg("bytes"), "MemoryError if this process cannot have so many bytes more; asked before NumPy allocates.");
  module.def("isa", [] { return std::string(kernels().name); }, "The name of the instruction set in use.");
  module.def("available_isas", &available_isas, "The instruction sets of this build that this machine has, ascending.");
  module.def("set_isa", &set_isa, py::arg("name"), "Forces an instruction set, for what is built from now on.");
  module.def("get_num_threads", &get_num_threads, "The most threads that a plan may use.");
  module.def("set_num_threads", &set_num_threads, py::arg("n"), "Sets it; 0 is the default.");
  module.def("config", &config, "What the core was built with and what it runs on.");
}

}  // namespace fastbp
