#include "bindings/optimizer.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <variant>

#include "bindings/arrays.h"
#include "bindings/gil.h"

namespace fastbp {
namespace {

namespace py = pybind11;

std::string text(double number) { return py::str(py::float_(number)).cast<std::string>(); }

double number_of(const std::string& key, const py::handle& value) {
  const double number = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw Error(Cause::type, key + " must be a number, got " + Py_TYPE(value.ptr())->tp_name);
  }
  if (!std::isfinite(number) || number < 0)
    throw Error(Cause::value, key + " must be finite and at least 0, got " + text(number));
  return number;
}

// Calls `rates(first)`, which gives the learning rates of the updates first, first + 1, ..., as many as it likes.
class PythonRates : public LearningRates {
 public:
  explicit PythonRates(py::object rates) : rates_(std::move(rates)) {}
  ~PythonRates() override {
    const HeldLock held;
    rates_ = py::object();
  }

  double at(Index update) override {
    if (update < first_ || update >= first_ + static_cast<Index>(table_.size())) read(update);
    return table_[static_cast<std::size_t>(update - first_)];
  }

 private:
  void read(Index first) {
    const HeldLock held;
    std::vector<double> table;
    for (const py::handle& rate : rates_(first)) {
      const std::string key = "learning_rate of update " + std::to_string(first + static_cast<Index>(table.size()));
      table.push_back(number_of(key, rate));
    }
    if (table.empty()) throw Error(Cause::value, "learning_rate must give at least 1 rate, got none");
    table_ = std::move(table);
    first_ = first;
  }

  py::object rates_;
  std::vector<double> table_;
  Index first_ = 0;
};

void at_most_1(const char* key, double value) {
  if (value > 1) throw Error(Cause::value, std::string(key) + " must be at most 1, got " + text(value));
}

void check(const OptimizerSettings& s) {
  at_most_1("momentum", s.momentum);
  at_most_1("rho", s.rho);
  at_most_1("ema_momentum", s.ema_momentum);
  for (const auto& [key, beta] : {std::pair("beta_1", s.beta_1), std::pair("beta_2", s.beta_2)})
    if (beta >= 1) throw Error(Cause::value, std::string(key) + " must be below 1, got " + text(beta));
  if (s.gradient_accumulation_steps < 1)
    throw Error(Cause::value,
                "gradient_accumulation_steps must be at least 1, got " + std::to_string(s.gradient_accumulation_steps));
  if ((s.clipvalue > 0) + (s.clipnorm > 0) + (s.global_clipnorm > 0) > 1)
    throw Error(Cause::value, "only one of clipvalue, clipnorm and global_clipnorm can be given");
}

// The hyperparameter of that name; Error(value) if the optimiser has none.
const Hyperparameter& hyperparameter_of(const OptimizerKind& optimizer, const std::string& name) {
  std::string known = "name";
  for (const std::vector<Hyperparameter>* all : {&common_hyperparameters(), &optimizer.hyperparameters})
    for (const Hyperparameter& one : *all) {
      if (one.name == name) return one;
      known += ", " + one.name;
    }
  throw Error(Cause::value, "optimizer has no '" + name + "'; known are " + known);
}

bool is_flag(const Hyperparameter& hyperparameter) {
  return std::holds_alternative<bool OptimizerSettings::*>(hyperparameter.member);
}

}  // namespace

OptimizerSettings settings_of(const py::dict& given) {
  const OptimizerKind& optimizer =
      optimizer_named(given.contains("name") ? given["name"].cast<std::string>() : std::string());
  OptimizerSettings settings = initial_settings(optimizer);
  for (auto [key_object, value] : given) {
    const std::string key = key_object.cast<std::string>();
    if (key == "name") continue;
    if (key == "learning_rate" && PyCallable_Check(value.ptr())) {
      settings.schedule = std::make_shared<PythonRates>(py::reinterpret_borrow<py::object>(value));
      continue;
    }
    const Hyperparameter& hyperparameter = hyperparameter_of(optimizer, key);
    set_number(settings, hyperparameter, is_flag(hyperparameter) ? value.cast<bool>() : number_of(key, value));
  }
  check(settings);
  return settings;
}

template <class T>
py::dict read_state(Trainer<T>& trainer, const py::object& owner, bool copy) {
  py::dict result;
  for (const auto& state : trainer.states()) {
    py::list arrays;
    for (std::size_t i = 0; i < state.values.size(); ++i) {
      const std::vector<Index>& dims = trainer.dims_of(i);
      const std::vector<py::ssize_t> shape(dims.begin(), dims.end());
      arrays.append(copied_or_seen(py::array_t<T>(shape, state.values[i].template as<T>(), owner), copy));
    }
    result[py::str(state.name)] = arrays;
  }
  const UpdateCounters& p = trainer.counters();
  const double counters[UpdateCounters::size] = {p.updates, p.pending, p.product[0], p.product[1], p.product[2]};
  result["counters"] = py::array_t<double>(UpdateCounters::size, counters);
  return result;
}

template <class T>
void write_state(Trainer<T>& trainer, const py::dict& given) {
  using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;
  std::vector<std::pair<void*, Array>> copies;
  std::optional<UpdateCounters> replaced;
  for (auto [key, value] : given) {
    const std::string name = py::cast<std::string>(key);
    if (name == "counters") {
      const auto numbers = py::cast<std::vector<double>>(value);
      if (numbers.size() != UpdateCounters::size)
        throw Error(Cause::value, "state['counters'] must have " + std::to_string(UpdateCounters::size) +
                                      " numbers, got " + std::to_string(numbers.size()));
      replaced = UpdateCounters{numbers[0], numbers[1], {numbers[2], numbers[3], numbers[4]}};
      continue;
    }
    const auto& states = trainer.states();
    const auto named = [&name](const auto& state) { return state.name == name; };
    const auto state = std::find_if(states.begin(), states.end(), named);
    if (state == states.end()) throw Error(Cause::value, "this optimizer keeps no '" + name + "'");
    const auto arrays = py::cast<py::list>(value);
    if (arrays.size() != state->values.size())
      throw Error(Cause::value, "state['" + name + "'] must have " + std::to_string(state->values.size()) +
                                    " arrays, got " + std::to_string(arrays.size()));
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      require_converted(arrays[i], py::dtype::of<T>());
      const auto array = py::cast<Array>(arrays[i]);
      const std::vector<Index> dims(array.shape(), array.shape() + array.ndim());
      if (dims != trainer.dims_of(i))
        throw Error(Cause::value, "state['" + name + "'][" + std::to_string(i) + "] must have shape " +
                                      to_string(Shape{false, trainer.dims_of(i)}) + ", got " +
                                      to_string(Shape{false, dims}));
      copies.emplace_back(state->values[i].data(), array);
    }
  }
  for (auto& [to, from] : copies)  // from may be a view of to
    if (from.nbytes() > 0) std::memmove(to, from.data(), static_cast<std::size_t>(from.nbytes()));
  if (replaced) trainer.counters() = *replaced;
}

template py::dict read_state(Trainer<float>&, const py::object&, bool);
template py::dict read_state(Trainer<double>&, const py::object&, bool);
template void write_state(Trainer<float>&, const py::dict&);
template void write_state(Trainer<double>&, const py::dict&);

}  // namespace fastbp
