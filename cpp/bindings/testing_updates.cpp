// The submodule `testing`: the optimisers' kernels, one call each.
#include <pybind11/stl.h>

#include <cmath>
#include <limits>
#include <optional>

#include "bindings/testing.h"
#include "kernels/dispatch.h"
#include "train/settings.h"

namespace fastbp {
namespace {

UpdateRule rule_of(const std::string& name) {
#define FASTBP_X(rule, states, scalars, divides)                                                                       \
  if (name == #rule) return UpdateRule::rule;
  FASTBP_UPDATE_RULES(FASTBP_X)
#undef FASTBP_X
  refuse("there is no update rule '" + name + "'");
}

// (states, scalars, whether it divides) by rule.
py::dict traits_of_rules() {
  py::dict table;
#define FASTBP_X(rule, states, scalars, divides) table[#rule] = py::make_tuple(states, scalars, divides);
  FASTBP_UPDATE_RULES(FASTBP_X)
#undef FASTBP_X
  return table;
}

// Every optimiser's hyperparameters with their defaults.
py::dict optimizer_defaults() {
  py::dict table;
  for (const OptimizerKind& optimizer : optimizers()) {
    py::dict defaults;
    const OptimizerSettings settings = initial_settings(optimizer);
    for (const std::vector<Hyperparameter>* all : {&common_hyperparameters(), &optimizer.hyperparameters})
      for (const Hyperparameter& one : *all)
        std::visit([&](auto member) { defaults[py::str(one.name)] = settings.*member; }, one.member);
    table[py::str(optimizer.name)] = defaults;
  }
  return table;
}

// An update of matrices that all have the same row stride, except the gradient.
template <class T>
Update<T> call_on(py::array& weight, const py::array& gradient) {
  Update<T> call = {};
  require_rows(weight);
  call.rows = weight.shape(0);
  call.cols = weight.shape(1);
  call.row = stride(weight, 0);
  call.weight = elements_of_new<T>(weight);
  require_rows(gradient);
  if (gradient.shape(0) != call.rows || gradient.shape(1) != call.cols) refuse("shapes must be the same");
  call.gradient = elements<T>(gradient);
  call.gradient_row = stride(gradient, 0);
  return call;
}

template <class T>
T* beside(const Update<T>& call, py::array& matrix) {
  require_rows(matrix);
  if (matrix.shape(0) != call.rows || matrix.shape(1) != call.cols) refuse("shapes must be the same");
  if (stride(matrix, 0) != call.row) refuse("weight and states must have the same strides");
  return elements_of_new<T>(matrix);
}

// Returns whether the update would be finite, and whether all of it was small; changes the weights and their states.
py::tuple update(const std::string& name, py::array weight, std::vector<py::array> states, const py::array& gradient,
                 double decay, const std::vector<double>& scalars, std::optional<py::array> accumulated, double count,
                 double limit, double scale, std::optional<py::array> average, double keep, bool overwrite,
                 double shrink) {
  const int rule = static_cast<int>(rule_of(name));
  if (states.size() > kUpdateStates || scalars.size() > kUpdateScalars) refuse("too many states or scalars");
  return with_type(weight.dtype(), [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    Update<T> call = call_on<T>(weight, gradient);
    for (std::size_t i = 0; i < states.size(); ++i) call.state[i] = beside(call, states[i]);
    call.decay = static_cast<T>(decay);
    for (std::size_t i = 0; i < scalars.size(); ++i) call.scalar[i] = static_cast<T>(scalars[i]);
    call.more = accumulated || average || std::isfinite(limit) || scale != 1;
    call.accumulated = accumulated ? beside(call, *accumulated) : nullptr;
    call.count = static_cast<T>(count);
    call.limit = static_cast<T>(limit);
    call.scale = static_cast<T>(scale);
    call.average = average ? beside(call, *average) : nullptr;
    call.keep = static_cast<T>(keep);
    call.take = static_cast<T>(1.0 - keep);
    call.overwrite = overwrite;
    call.shrink = static_cast<T>(shrink);
    const bool finite = kernels_for<T>().update_is_finite[rule](&call) != 0;
    const bool within = kernels_for<T>().update[rule](&call) != 0;
    return py::make_tuple(finite, within);
  });
}

// Returns the same two; changes `sums`.
py::tuple accumulate(py::array sums, const py::array& gradient) {
  return with_type(sums.dtype(), [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    Update<T> call = call_on<T>(sums, gradient);
    call.accumulated = call.weight;
    const bool finite = kernels_for<T>().accumulate_is_finite(&call) != 0;
    const bool within = kernels_for<T>().accumulate(&call) != 0;
    return py::make_tuple(finite, within);
  });
}

double square_sum(const py::array& x, const std::optional<py::array>& accumulated, double count) {
  require_vector(x);
  if (x.shape(0) > kFlatBlock) refuse("at most FLAT elements");
  return with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* sums = accumulated ? elements<T>(*accumulated) : nullptr;
    return kernels_for<T>().square_sum(elements<T>(x), sums, static_cast<T>(count), x.shape(0));
  });
}

// Changes x.
void limit_norms(py::array x, double most) {
  require_rows(x);
  with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    elements<T>(x);
    kernels_for<T>().limit_norms(elements_of_new<T>(x), x.shape(0), x.shape(1), stride(x, 0), most);
  });
}

// The larger of `before` and all |x|.
double magnitude(const py::array& x, double before) {
  require_rows(x);
  return with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T largest = static_cast<T>(before);
    const Magnitude<T> call = {x.shape(0), x.shape(1), elements<T>(x), stride(x, 0), &largest};
    kernels_for<T>().magnitude(&call);
    return static_cast<double>(largest);
  });
}

bool within(const py::array& x, double limit) {
  require_vector(x);
  return with_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return kernels_for<T>().within(elements<T>(x), x.shape(0), static_cast<T>(limit)) != 0;
  });
}

}  // namespace

void register_testing_updates(py::module_& testing) {
  using py::arg;
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  testing.def("update_rules", &traits_of_rules);
  testing.def("optimizers", &optimizer_defaults);
  testing.def("update", in_state(update), arg("rule"), arg("weight"), arg("states"), arg("gradient"), arg("decay"),
              arg("scalars"), arg("accumulated") = py::none(), arg("count") = 1.0, arg("limit") = kNoLimit,
              arg("scale") = 1.0, arg("average") = py::none(), arg("keep") = 0.0, arg("overwrite") = false,
              arg("shrink") = 0.0);
  testing.def("limit_norms", in_state(limit_norms), arg("x"), arg("most"));
  testing.def("accumulate", in_state(accumulate), arg("sums"), arg("gradient"));
  testing.def("square_sum", in_state(square_sum), arg("x"), arg("accumulated") = py::none(), arg("count") = 1.0);
  testing.def("magnitude", in_state(magnitude), arg("x"), arg("before") = 0.0);
  testing.def("within", in_state(within), arg("x"), arg("limit"));
}

}  // namespace fastbp
