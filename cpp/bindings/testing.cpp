// The submodule `testing`: the kernels in use, one call each, for parity tests; and allocations that fail.
// Arrays come as float32 or float64, all of one call in one dtype; columns contiguous unless said otherwise.
#include "bindings/testing.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/memory.h"
#include "base/processors.h"
#include "base/share.h"
#include "base/threads.h"
#include "bindings/bindings.h"
#include "bindings/gil.h"
#include "kernels/dispatch.h"
#include "train/shuffle.h"

namespace fastbp {

namespace py = pybind11;

namespace {

MapOp map_operation(const std::string& name) {
#define FASTBP_X(known, operands)                                                                                      \
  if (name == #known) return MapOp::known;
  FASTBP_ELEMENTWISE_OPERATIONS(FASTBP_X)
  FASTBP_COMBINED_OPERATIONS(FASTBP_X)
#undef FASTBP_X
  refuse("no elementwise operation is called '" + name + "'");
}

// The operations that only plans know, and their numbers of operands.
py::dict combined_operations() {
  py::dict table;
#define FASTBP_X(name, operands) table[#name] = operands;
  FASTBP_COMBINED_OPERATIONS(FASTBP_X)
#undef FASTBP_X
  return table;
}

// operands: 2-D, an axis of 1 is broadcast. An operand that is not read may be None.
py::array map(const std::string& name, const std::vector<py::object>& operands, const std::vector<double>& scalars,
              Index integer) {
  const MapOp operation = map_operation(name);
  if (operands.empty() || operands.size() > 3) refuse("1 to 3 operands are needed");
  const py::dtype dtype = py::cast<py::array>(operands[0]).dtype();
  return with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    Map<T> call = {};
    call.rows = call.cols = 1;
    for (const py::object& operand : operands) {
      if (operand.is_none()) continue;
      const py::array a = py::cast<py::array>(operand);
      require_rows(a);
      if (a.shape(0) != 1) call.rows = a.shape(0);
      if (a.shape(1) != 1) call.cols = a.shape(1);
    }
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (operands[i].is_none()) continue;
      const py::array a = py::cast<py::array>(operands[i]);
      if ((a.shape(0) != 1 && a.shape(0) != call.rows) || (a.shape(1) != 1 && a.shape(1) != call.cols)) {
        refuse("the operands do not broadcast together");
      }
      call.in[i] = elements<T>(a);
      call.row_stride[i] = a.shape(0) == 1 ? 0 : stride(a, 0);
      call.col_stride[i] = a.shape(1) == 1 && call.cols != 1 ? 0 : 1;
    }
    for (std::size_t i = 0; i < scalars.size() && i < 2; ++i) call.scalar[i] = static_cast<T>(scalars[i]);
    call.integer = integer;
    py::array out = empty(dtype, {call.rows, call.cols});
    call.out = elements_of_new<T>(out);
    call.out_row = call.cols;
    kernels_for<T>().map[static_cast<int>(operation)](&call);
    return out;
  });
}

template <class T>
using RowKernel = void (*)(const RowMap<T>*);

// The kernel of that name; whole_rows becomes whether its result is a row per row.
template <class T>
RowKernel<T> row_kernel(const std::string& name, bool& whole_rows) {
  const Kernels<T>& k = kernels_for<T>();
  const std::pair<const char*, RowKernel<T>> wide[] = {{"row_first_max", k.row_first_max},
                                                       {"softmax", k.softmax},
                                                       {"log_softmax", k.log_softmax},
                                                       {"one_hot", k.one_hot}};
  const std::pair<const char*, RowKernel<T>> narrow[] = {
      {"row_sum", k.row_sum},
      {"row_max", k.row_max},
      {"row_argmax", k.row_argmax},
      {"logsumexp", k.logsumexp},
      {"softmax_cross_entropy", k.softmax_cross_entropy},
      {"sparse_softmax_cross_entropy", k.sparse_softmax_cross_entropy},
      {"pick", k.pick}};
  for (const auto& [known, kernel] : wide) {
    if (name == known) return whole_rows = true, kernel;
  }
  for (const auto& [known, kernel] : narrow) {
    if (name == known) return whole_rows = false, kernel;
  }
  refuse("no kernel along rows is called '" + name + "'");
}

// operands: as RowMap::in, 2-D (rows, cols), labels 1-D, None where nothing is read. cols: for one_hot.
py::array row(const std::string& name, const std::vector<py::object>& operands, Index cols) {
  if (operands.empty() || operands.size() > 3) refuse("1 to 3 operands are needed");
  const py::array first = py::cast<py::array>(operands[0]);
  return with_type(first.dtype(), [&](auto zero) {
    using T = decltype(zero);
    bool whole_rows = false;
    const RowKernel<T> kernel = row_kernel<T>(name, whole_rows);
    RowMap<T> call = {};
    call.rows = first.shape(0);
    call.cols = first.ndim() == 2 ? first.shape(1) : cols;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (operands[i].is_none()) continue;
      const py::array a = py::cast<py::array>(operands[i]);
      if (a.ndim() == 2) require_rows(a);
      if (a.ndim() < 1 || a.shape(0) != call.rows || (a.ndim() == 2 && a.shape(1) != call.cols)) {
        refuse("the operands' shapes do not agree");
      }
      call.in[i] = elements<T>(a);
      call.in_row[i] = stride(a, 0);
    }
    py::array out = whole_rows ? empty(first.dtype(), {call.rows, call.cols}) : empty(first.dtype(), {call.rows});
    call.out = elements_of_new<T>(out);
    call.out_row = whole_rows ? call.cols : 1;
    kernel(&call);
    return out;
  });
}

// "sum" or "max" over the rows of x.
py::array over_rows(const std::string& name, const py::array& x) {
  if (name != "sum" && name != "max") refuse("name must be 'sum' or 'max', got '" + name + "'");
  require_rows(x);
  return with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    py::array out = empty(x.dtype(), {x.shape(1)});
    const OverRows<T> call = {x.shape(0), x.shape(1), elements<T>(x), stride(x, 0), elements_of_new<T>(out)};
    const Kernels<T>& k = kernels_for<T>();
    (name == "sum" ? k.sum_over_rows : k.max_over_rows)(&call);
    return out;
  });
}

// "sum" or "max" of all of a vector, as an array without axes.
py::array flat(const std::string& name, const py::array& x) {
  if (name != "sum" && name != "max") refuse("name must be 'sum' or 'max', got '" + name + "'");
  require_vector(x);
  return with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    py::array out = empty(x.dtype(), {});
    const Kernels<T>& k = kernels_for<T>();
    *elements_of_new<T>(out) = (name == "sum" ? k.sum_flat : k.max_flat)(elements<T>(x), x.shape(0));
    return out;
  });
}

py::array dropout(const py::array& x, double rate, std::uint64_t seed, const std::vector<Index>& row_ids,
                  std::uint32_t stream, std::uint32_t counter, Index first_col, Index width, Index exact) {
  require_rows(x);
  if (exact > width || (exact >= 0 && first_col + x.shape(1) > width)) refuse("x and exact must fit the width");
  if (static_cast<Index>(row_ids.size()) != x.shape(0)) refuse("one row id per row is needed");
  if (first_col % 8 != 0) refuse("first_col must be a multiple of 8");
  return with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    py::array out = empty(x.dtype(), {x.shape(0), x.shape(1)});
    Dropout<T> call = {};
    call.rows = x.shape(0);
    call.cols = x.shape(1);
    call.first_col = first_col;
    call.width = width;
    call.exact = exact;
    call.in = elements<T>(x);
    call.in_row = stride(x, 0);
    call.out = elements_of_new<T>(out);
    call.out_row = x.shape(1);
    call.seed = seed;
    call.row_ids = row_ids.data();
    call.stream = stream;
    call.counter = counter;
    const double scaled = 65536.0 * rate;  // rounded by hand: half away from zero, without libm
    const auto whole = static_cast<std::uint32_t>(scaled);
    call.threshold = whole + (scaled - whole >= 0.5);
    call.scale = static_cast<T>(1.0 / (1.0 - rate));
    kernels_for<T>().dropout(&call);
    return out;
  });
}

py::array random(bool is_normal, std::uint64_t seed, std::uint32_t row, std::uint32_t stream, std::uint32_t counter,
                 Index first, Index n, double low, double high) {
  py::array_t<double> out(n);
  const Random call = {first, n, out.mutable_data(), seed, row, stream, counter, low, high};
  (is_normal ? kernels().normal : kernels().uniform)(&call);
  return std::move(out);
}

Element element_of(const py::dtype& dtype) {
  const char kind = dtype.kind();
  const py::ssize_t size = dtype.itemsize();
  if (kind == 'b') return Element::boolean;
  if (kind == 'f' && size <= 8) return size == 2 ? Element::f16 : size == 4 ? Element::f32 : Element::f64;
  if (kind == 'i') return size == 1 ? Element::i8 : size == 2 ? Element::i16 : size == 4 ? Element::i32 : Element::i64;
  if (kind == 'u') return size == 1 ? Element::u8 : size == 2 ? Element::u16 : size == 4 ? Element::u32 : Element::u64;
  throw Error(Cause::type, "no kernel reads " + std::string(py::str(dtype)));
}

// source: 2-D, any strides. index: the rows, None for all of them in order.
py::array gather(const py::array& source, const py::object& index, const py::object& dtype) {
  require_axes(source, 2);
  return with_type(py::dtype::from_args(dtype), [&](auto zero) {
    using T = decltype(zero);
    std::vector<Index> rows;
    if (!index.is_none()) rows = py::cast<std::vector<Index>>(index);
    for (Index r : rows) {
      if (r < 0 || r >= source.shape(0)) refuse("no row " + std::to_string(r));
    }
    Gather<T> call = {};
    call.rows = index.is_none() ? source.shape(0) : static_cast<Index>(rows.size());
    call.cols = source.shape(1);
    call.source = static_cast<const char*>(source.data());
    call.row_bytes = source.strides(0);
    call.col_bytes = source.strides(1);
    call.element = element_of(source.dtype());
    call.index = index.is_none() ? nullptr : rows.data();
    py::array out = empty(py::dtype::of<T>(), {call.rows, call.cols});
    call.out = elements_of_new<T>(out);
    call.out_row = call.cols;
    kernels_for<T>().gather(&call);
    return out;
  });
}

std::vector<std::uint32_t> philox(const std::vector<std::uint32_t>& counter, const std::vector<std::uint32_t>& key) {
  if (counter.size() != 4 || key.size() != 2) refuse("a counter of 4 words and a key of 2 are needed");
  std::vector<std::uint32_t> out(4);
  kernels().philox(counter.data(), key.data(), out.data());
  return out;
}

// The order of n rows in an epoch.
std::vector<Index> shuffled(std::uint64_t seed, std::uint32_t epoch, Index n) {
  std::vector<Index> order(static_cast<std::size_t>(n));
  Cancel never;
  shuffle(kernels(), seed, epoch, n, order.data(), never);
  return order;
}

Finish finish_of(const std::string& name) {
  if (name == "update") return Finish::update;
  if (name == "add") return Finish::add;
  if (name == "relu_of_sum") return Finish::relu_of_sum;
  if (name == "gate") return Finish::gate;
  refuse("finish must be none, update, add, relu_of_sum or gate, got '" + name + "'");
}

// a @ b of 2-D arrays with any strides, each transposed first if asked. beside: this many extra columns of ones follow
// those of the result and are returned with it. threads, finish, eta, decay: as in Matmul. other: the weight, or
// Matmul::beside; one row for all rows, or a matrix.
py::array matmul(const py::array& a, const py::array& b, bool over_rows, bool transpose_a, bool transpose_b,
                 Index beside, int threads, const std::string& finish, const py::object& other, double eta,
                 double decay) {
  require_axes(a, 2);
  require_axes(b, 2);
  return with_type(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Matmul<T> call = {};
    call.m = a.shape(transpose_a);
    call.k = a.shape(!transpose_a);
    call.n = b.shape(!transpose_b);
    if (b.shape(transpose_b) != call.k) refuse("the inner sizes differ");
    call.a = elements<T>(a);
    call.a_row = stride(a, transpose_a);
    call.a_col = stride(a, !transpose_a);
    call.b = elements<T>(b);
    call.b_row = stride(b, transpose_b);
    call.b_col = stride(b, !transpose_b);
    py::array c = empty(a.dtype(), {call.m, call.n + beside});
    call.c = elements_of_new<T>(c);
    call.c_row = call.n + beside;
    if (beside > 0) std::fill(call.c, call.c + call.m * call.c_row, T(1));
    call.over_rows = over_rows;
    call.threads = threads;
    if (finish != "none") {
      const py::array with = py::array::ensure(other);
      require_rows(with);
      call.finish = finish_of(finish);
      call.eta = static_cast<T>(eta);
      call.decay = static_cast<T>(decay);
      call.beside = elements<T>(with);
      call.beside_row = with.shape(0) == 1 ? 0 : stride(with, 0);
      if (call.finish == Finish::update)
        for (Index i = 0; i < call.m; ++i)
          std::copy_n(call.beside + i * call.beside_row, call.n, call.c + i * call.c_row);
    }
    const Index bytes = kernels_for<T>().matmul_scratch(&call);
    const Buffer scratch = bytes > 0 ? Buffer(static_cast<std::size_t>(bytes)) : Buffer();
    call.scratch = scratch.data();
    kernels_for<T>().matmul(&call);
    return c;
  });
}

// x[rows] @ b, or over_rows x[rows].T @ b, with x's rows read through a list; None if a product of 128 rows would not
// read a list.
py::object listed_matmul(const py::array& x, const std::vector<Index>& rows, const py::array& b, bool over_rows,
                         bool transpose_b) {
  require_rows(x);
  require_axes(b, 2);
  return with_type(x.dtype(), [&](auto zero) -> py::object {
    using T = decltype(zero);
    const Index count = static_cast<Index>(rows.size());
    std::vector<const T*> at;
    for (Index r : rows) {
      if (r < 0 || r >= x.shape(0)) refuse("no row " + std::to_string(r));
      at.push_back(elements<T>(x) + r * stride(x, 0));
    }
    Matmul<T> call = {};
    (over_rows ? call.a_row : call.a_col) = 1;
    (over_rows ? call.a_col : call.a_row) = x.shape(1);
    (over_rows ? call.m : call.k) = x.shape(1);
    call.n = b.shape(!transpose_b);
    call.b = elements<T>(b);
    call.b_row = stride(b, transpose_b);
    call.b_col = stride(b, !transpose_b);
    call.over_rows = over_rows;
    (over_rows ? call.k : call.m) = kRowBlock;
    if (!kernels_for<T>().matmul_reads_listed(&call)) return py::none();
    (over_rows ? call.k : call.m) = count;
    if (b.shape(transpose_b) != call.k) refuse("the inner sizes differ");
    py::array c = empty(x.dtype(), {call.m, call.n});
    call.c = elements_of_new<T>(c);
    call.c_row = call.n;
    call.listed = {at.data(), 0};
    const Buffer scratch(static_cast<std::size_t>(kernels_for<T>().matmul_scratch(&call)));
    call.scratch = scratch.data();
    kernels_for<T>().matmul(&call);
    return std::move(c);
  });
}

// (MR, NR): the rows and columns of the product's register tile.
std::pair<Index, Index> tile(const py::object& dtype) {
  return with_type(py::dtype::from_args(dtype), [](auto zero) {
    const auto& k = kernels_for<decltype(zero)>();
    return std::pair<Index, Index>(k.tile_rows, k.tile_cols);
  });
}

// The float32 flops per second of fma on this thread, measured for `seconds`; other Python threads run meanwhile.
double fma_peak(double seconds) {
  using Clock = std::chrono::steady_clock;
  if (!(seconds > 0 && seconds <= 60)) refuse("seconds must be above 0 and at most 60");
  const ReleasedLock released;
  constexpr Index kRounds = 10000;  // some 10 µs
  volatile float kept = 0;
  Index flops = 0;
  double elapsed = 0;
  for (const Clock::time_point start = Clock::now(); elapsed < seconds;) {
    float sink = 0;
    flops += kernels().fma_chains(kRounds, &sink);
    kept = kept + sink;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return static_cast<double>(flops) / elapsed;
}

}  // namespace

void register_testing(py::module_& module) {
  using py::arg;
  py::module_ testing = module.def_submodule("testing", "The kernels in use, for parity tests; not part of the API.");
  testing.def("map", in_state(map), arg("name"), arg("operands"), arg("scalars") = std::vector<double>(),
              arg("integer") = 0);
  testing.def("combined_operations", &combined_operations);
  testing.def("row", in_state(row), arg("name"), arg("operands"), arg("cols") = 0);
  testing.def("over_rows", in_state(over_rows), arg("name"), arg("x"));
  testing.def("flat", in_state(flat), arg("name"), arg("x"));
  testing.def("dropout", in_state(dropout), arg("x"), arg("rate"), arg("seed"), arg("row_ids"), arg("stream"),
              arg("counter"), arg("first_col") = 0, arg("width") = 0, arg("exact") = -1);
  testing.def("random", in_state(random), arg("is_normal"), arg("seed"), arg("row"), arg("stream"), arg("counter"),
              arg("first"), arg("n"), arg("low") = 0.0, arg("high") = 1.0);
  register_testing_updates(testing);
  testing.def("gather", in_state(gather), arg("source"), arg("index"), arg("dtype"));
  testing.def("philox", in_state(philox), arg("counter"), arg("key"));
  testing.def("shuffle", in_state(shuffled), arg("seed"), arg("epoch"), arg("n"));
  testing.def("matmul", in_state(matmul), arg("a"), arg("b"), arg("over_rows") = false, arg("transpose_a") = false,
              arg("transpose_b") = false, arg("beside") = 0, arg("threads") = 1, arg("finish") = "none",
              arg("other") = py::none(), arg("eta") = 0.0, arg("decay") = 0.0);
  testing.def("listed_matmul", in_state(listed_matmul), arg("x"), arg("rows"), arg("b"), arg("over_rows") = false,
              arg("transpose_b") = false);
  testing.def("tile", &tile, arg("dtype"));
  testing.def("fma_peak", in_state(fma_peak), arg("seconds"));
  testing.def(
      "share_always",
      [](bool on, bool columns) {
        share_always(!on ? TeamChoice::measured : columns ? TeamChoice::always_columns : TeamChoice::always_rows);
      },
      arg("on"), arg("columns") = false,
      "Plans built from now on share every stage among all threads, however small it is; products by rows or columns.");
  testing.def(
      "order_threads",
      [](const std::string& order) {
        if (order != "any" && order != "ascending" && order != "descending")
          throw Error(Cause::value, "order must be 'any', 'ascending' or 'descending', got '" + order + "'");
        order_threads(order == "any"         ? ThreadOrder::any
                      : order == "ascending" ? ThreadOrder::ascending
                                             : ThreadOrder::descending);
      },
      arg("order"),
      "Between two barriers the threads of a team run all at once ('any') or one after another, from the first on "
      "('ascending') or from the last on ('descending').");
  testing.def("fail_allocation_after", &fail_allocation_after, arg("n"),
              "The n-th allocation from now fails; 0: none does. Returns how many were left until that of the call "
              "before: 0 if it failed.");
  testing.def(
      "allocated", [] { return std::pair(allocated().now, allocated().most); },
      "Bytes that the core's buffers hold: now, and the most at a time since forget_most_allocated.");
  testing.def("forget_most_allocated", &forget_most_allocated);
  testing.def("limit_memory", &limit_memory, arg("bytes"), "As if the system allowed so many bytes; 0: what it does.");
  testing.def("memory_limit", &memory_limit, arg("root"), "The limit that the files below a folder give.");
  testing.def("memory_taken", &memory_taken, arg("root"), "The memory that a process has by the files below a folder.");
  testing.def("processors_by_quota", &processors_by_quota, arg("root"), "The same for the CPU quota.");
}

}  // namespace fastbp
