// Random numbers of rule 9 in Python: for initial weights and splits.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "base/errors.h"
#include "base/memory.h"
#include "base/threads.h"
#include "bindings/bindings.h"
#include "bindings/gil.h"
#include "kernels/dispatch.h"

namespace fastbp {
namespace {

namespace py = pybind11;

py::array_t<double> random_numbers(void (*kernel)(const Random*), std::uint64_t seed, std::uint32_t ordinal, Index n,
                                   double low, double high, Index first) {
  if (n < 0) throw Error(Cause::value, "n must be at least 0, got " + std::to_string(n));
  constexpr Index kMostNumbers = Index{1} << 62;
  if (first < 0) throw Error(Cause::value, "first must be at least 0, got " + std::to_string(first));
  if (first > kMostNumbers) throw Error(Cause::value, "first must be at most 2^62, got " + std::to_string(first));
  require_memory(bytes_of({n, sizeof(double)}));
  py::array_t<double> numbers(static_cast<py::ssize_t>(n));
  Random request{};
  request.first = first;
  request.n = n;
  request.out = numbers.mutable_data();
  request.seed = seed;
  request.stream = 3u << 24 | ordinal;
  request.low = low;
  request.high = high;
  const ReleasedLock released;
  run_team(1, [&](Team&, int) { kernel(&request); });
  return numbers;
}

}  // namespace

void register_random(py::module_& module) {
  module.def(
      "uniform",
      [](std::uint64_t seed, std::uint32_t ordinal, Index n, Index first) {
        return random_numbers(kernels().uniform, seed, ordinal, n, 0.0, 1.0, first);
      },
      py::arg("seed"), py::arg("ordinal"), py::arg("n"), py::kw_only(), py::arg("first") = 0,
      "n uniform numbers in [0, 1) from number `first` on, float64 (rule 9).");
  module.def(
      "normal",
      [](std::uint64_t seed, std::uint32_t ordinal, Index n, double low, double high, Index first) {
        return random_numbers(kernels().normal, seed, ordinal, n, low, high, first);
      },
      py::arg("seed"), py::arg("ordinal"), py::arg("n"), py::arg("low") = 0.0, py::arg("high") = 1.0, py::kw_only(),
      py::arg("first") = 0,
      "n standard normal numbers whose CDF lies in (low, high), from number `first` on, float64 (rule 9).");
}

}  // namespace fastbp
