// Trainer in Python: docs/architecture.md, "The two backends".
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <variant>

#include "bindings/arrays.h"
#include "bindings/augment.h"
#include "bindings/bindings.h"
#include "bindings/calls.h"
#include "bindings/gil.h"
#include "bindings/made.h"
#include "bindings/optimizer.h"
#include "bindings/shared_parameters.h"
#include "bindings/trained_weight.h"
#include "train/trainer.h"

namespace fastbp {
namespace {

namespace py = pybind11;

// Reports the trainer's progress to Python; thread 0 of the team is the thread that called fit.
class PythonListener : public Listener {
 public:
  PythonListener(py::object on_batch, py::object on_progress, int figures)
      : on_batch_(std::move(on_batch)), on_progress_(std::move(on_progress)), figures_(figures) {}

  bool wants_steps() const override { return !on_batch_.is_none(); }
  bool wants_progress() const override { return !on_progress_.is_none(); }
  bool step_done(Index step, const double* figures) override {
    const HeldLock held;
    return is_true(on_batch_(step, std::vector<double>(figures, figures + figures_)));
  }
  bool progress(Index epoch, Index rows_done, const double* means) override {
    const HeldLock held;
    return is_true(on_progress_(epoch, rows_done, std::vector<double>(means, means + figures_)));
  }
  bool interrupted() override { return signals_.asked(); }
  void rethrow() { signals_.rethrow(); }

 private:
  static bool is_true(const py::object& answer) {
    const int truth = PyObject_IsTrue(answer.ptr());
    if (truth < 0) throw py::error_already_set();
    return truth == 1;
  }

  py::object on_batch_, on_progress_;
  int figures_;
  Signals signals_;
};

class AnyTrainer {
 public:
  AnyTrainer(Made<Graph> made, int cost, const std::vector<int>& figures, std::shared_ptr<SharedParameters> parameters,
             const std::vector<TrainedWeight>& weights, const py::dict& optimizer, std::uint64_t seed,
             std::optional<int> descended, std::optional<unsigned> total_weight, const std::vector<int>& kept)
      : inputs_(*made), parameters_(parameters) {
    const Graph& graph = *made;
    const OptimizerSettings settings = settings_of(optimizer);
    const auto make = [&](auto zero) {
      return std::make_unique<Trainer<decltype(zero)>>(graph, cost, descended.value_or(cost), figures,
                                                       total_weight ? static_cast<int>(*total_weight) : -1, kept,
                                                       parameters, weights, settings, seed);
    };
    if (parameters->dtype() == Dtype::float32)
      trainer_ = make(0.0f);
    else
      trainer_ = make(0.0);
  }

  py::array_t<double> fit(const std::vector<py::array>& arrays, std::optional<py::list> finished, Index batch_size,
                          Index epochs, bool shuffle, std::optional<Index> rows, bool check_finite, py::object on_batch,
                          py::object on_progress, const py::object& augment,
                          std::optional<std::vector<py::array>> kept) {
    if (batch_size < 1) throw Error(Cause::value, "batch_size must be at least 1, got " + std::to_string(batch_size));
    if (epochs < 0) throw Error(Cause::value, "epochs must be at least 0, got " + std::to_string(epochs));
    Inputs inputs = inputs_.read(arrays);
    FitRequest request;
    request.rows = rows.value_or(inputs.rows);
    if (request.rows < 1 || request.rows > inputs.rows)
      throw Error(Cause::value, "rows must be 1 to " + std::to_string(inputs.rows) + ", the rows of the inputs, got " +
                                    std::to_string(request.rows));
    request.inputs = std::move(inputs.sources);
    request.batch_size = batch_size;
    request.epochs = epochs;
    request.shuffle = shuffle;
    request.check_finite = check_finite;
    request.augmentation = augmentation_of(augment);
    if (!request.inputs.empty()) check_images(request.augmentation, request.inputs.front());
    if (kept) request.kept = places_of(*kept, request.rows);
    const Turn turn = take_turn();
    FitResult result;
    const py::ssize_t figures = std::visit([](auto& trainer) { return trainer->figures(); }, trainer_);
    constexpr Index kRoom = 1 << 12;  // epochs whose figures have their memory before training, so that none are lost
    py::array_t<double> room({static_cast<py::ssize_t>(std::min(epochs, kRoom)), figures});
    const auto means = [&] {
      const py::ssize_t done = static_cast<py::ssize_t>(result.epochs);
      if (done > room.shape(0)) room = py::array_t<double>({done, figures});
      std::copy_n(result.means.begin(), done * figures, room.mutable_data());
      const py::array_t<double> copied =
          done == room.shape(0) ? room : py::array_t<double>({done, figures}, room.data(), room);
      if (finished) finished->append(copied);
      return copied;
    };
    try {
      std::visit([&](auto& trainer) { run(*trainer, request, on_batch, on_progress, result); }, trainer_);
    } catch (...) {
      const py::error_scope raised;
      try {
        means();
      } catch (const std::exception&) {  // no memory for the figures: what ended the fit is the better message
      }
      throw;
    }
    return means();
  }

  std::vector<double> step(const std::vector<py::array>& arrays, std::optional<std::vector<py::array>> kept) {
    const Inputs inputs = inputs_.read(arrays);
    if (inputs.rows < 1) throw Error(Cause::value, "a training step needs at least 1 row, got 0");
    std::vector<void*> places;
    if (kept) places = places_of(*kept, inputs.rows);
    const Turn turn = take_turn();
    try {
      const ReleasedLock released;
      return std::visit([&](auto& trainer) { return trainer->step(inputs.sources, inputs.rows, places); }, trainer_);
    } catch (const NonFinite& error) {
      raise(error);
    }
  }

  void finish() {
    const Turn turn = take_turn();
    try {
      const ReleasedLock released;
      std::visit([](auto& trainer) { trainer->finish(); }, trainer_);
    } catch (const NonFinite& error) {
      raise(error);
    }
  }

  // A callback of fit may call it: the new settings hold from the next step on.
  void set_optimizer(const py::dict& optimizer) {
    const OptimizerSettings settings = settings_of(optimizer);
    const std::unique_ptr<Turn> turn = take_turn_unless_mine();
    std::visit([&](auto& trainer) { trainer->set_settings(settings); }, trainer_);
  }

  // A callback of fit may call it, as it may set_optimizer.
  void set_weights(const std::vector<TrainedWeight>& weights) {
    const std::unique_ptr<Turn> turn = take_turn_unless_mine();
    std::visit([&](auto& trainer) { trainer->set_weights(weights); }, trainer_);
  }

  static py::dict state(const py::object& self, bool copy) {
    return std::visit([&](auto& trainer) { return read_state(*trainer, self, copy); },
                      self.cast<Made<AnyTrainer>>()->trainer_);
  }
  void set_state(const py::dict& state) {
    std::visit([&](auto& trainer) { write_state(*trainer, state); }, trainer_);
  }

  std::uint32_t& epoch() {
    return std::visit([](auto& trainer) -> std::uint32_t& { return trainer->epoch; }, trainer_);
  }
  std::uint32_t& steps() {
    return std::visit([](auto& trainer) -> std::uint32_t& { return trainer->steps; }, trainer_);
  }

 private:
  Turn take_turn() {
    return Turn(parameters_->training, "a training of these parameters is running: its callbacks can not call it again",
                "another thread trains these parameters: wait for its end");
  }
  // For what a callback of fit may call.
  std::unique_ptr<Turn> take_turn_unless_mine() {
    return parameters_->training.is_mine() ? nullptr : std::unique_ptr<Turn>(new Turn(take_turn()));
  }

  // Where the kept values go, for as many rows.
  std::vector<void*> places_of(std::vector<py::array>& arrays, Index rows) {
    return std::visit([&](auto& trainer) { return places_in(*trainer, arrays, rows); }, trainer_);
  }

  template <class T>
  static std::vector<void*> places_in(const Trainer<T>& trainer, std::vector<py::array>& arrays, Index rows) {
    if (static_cast<int>(arrays.size()) != trainer.kept())
      throw Error(Cause::value, "kept must hold an array for each kept value, " + std::to_string(trainer.kept()) +
                                    ", got " + std::to_string(arrays.size()));
    std::vector<void*> places;
    for (int i = 0; i < trainer.kept(); ++i) {
      py::array& array = arrays[static_cast<std::size_t>(i)];
      std::vector<Index> sizes = trainer.kept_dims(i);
      sizes.insert(sizes.begin(), rows);
      const bool fits = py::array_t<T, py::array::c_style>::check_(array) && array.writeable() &&
                        std::equal(sizes.begin(), sizes.end(), array.shape(), array.shape() + array.ndim());
      if (!fits)
        throw Error(Cause::value, "kept[" + std::to_string(i) +
                                      "] must be a writeable C-contiguous array of the trainer's dtype with " +
                                      std::to_string(rows) + " rows and the features of its value");
      places.push_back(array.mutable_data());
    }
    return places;
  }

  template <class T>
  void run(Trainer<T>& trainer, const FitRequest& request, py::object on_batch, py::object on_progress,
           FitResult& found) {
    PythonListener listener(std::move(on_batch), std::move(on_progress), trainer.figures());
    try {
      const ReleasedLock released;
      trainer.fit(request, listener, found);
    } catch (const NonFinite& error) {
      raise(error);
    }
    listener.rethrow();
  }

  [[noreturn]] static void raise(const NonFinite& error) {
    py::object type = py::module_::import("fastbp.errors").attr("NonFiniteError");
    py::object exception =
        type(py::arg("epoch") = error.epoch, py::arg("step") = error.step, py::arg("node") = error.node);
    PyErr_SetObject(type.ptr(), exception.ptr());
    throw py::error_already_set();
  }

  InputNodes inputs_;
  std::shared_ptr<SharedParameters> parameters_;
  std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer_;
};

}  // namespace

void register_train(py::module_& module) {
  py::class_<AnyTrainer>(module, "Trainer", "Mini-batch training, whole epochs in one call.")
      .def(py::init<Made<Graph>, int, const std::vector<int>&, std::shared_ptr<SharedParameters>,
                    const std::vector<TrainedWeight>&, const py::dict&, std::uint64_t, std::optional<int>,
                    std::optional<unsigned>, const std::vector<int>&>(),
           py::arg("graph"), py::arg("cost"), py::arg("figures"), py::arg("parameters").none(false), py::arg("weights"),
           py::arg("optimizer"), py::arg("seed"), py::arg("descended") = py::none(),
           py::arg("total_weight") = py::none(), py::arg("kept") = std::vector<int>())
      .def("fit", method(&AnyTrainer::fit), py::arg("inputs"), py::arg("finished") = py::none(), py::kw_only(),
           py::arg("batch_size"), py::arg("epochs") = 1, py::arg("shuffle") = true, py::arg("rows") = py::none(),
           py::arg("check_finite") = false, py::arg("on_batch") = py::none(), py::arg("on_progress") = py::none(),
           py::arg("augment") = py::none(), py::arg("kept") = py::none())
      .def("step", method(&AnyTrainer::step), py::arg("inputs"), py::arg("kept") = py::none())
      .def("finish", method(&AnyTrainer::finish),
           "The update that accumulated gradients wait for, if there are any: with the mean of them.")
      .def("set_optimizer", method(&AnyTrainer::set_optimizer), py::arg("optimizer"))
      .def("set_weights", method(&AnyTrainer::set_weights), py::arg("weights"))
      .def("state", &AnyTrainer::state, py::kw_only(), py::arg("copy") = true)
      .def("set_state", method(&AnyTrainer::set_state), py::arg("state"))
      .def_property(
          "epoch", [](Made<AnyTrainer> t) { return t->epoch(); },
          [](Made<AnyTrainer> t, std::uint32_t n) { t->epoch() = n; })
      .def_property(
          "steps", [](Made<AnyTrainer> t) { return t->steps(); },
          [](Made<AnyTrainer> t, std::uint32_t n) { t->steps() = n; });
}

}  // namespace fastbp
