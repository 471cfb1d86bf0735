// Turn and take_turn in Python: a function of Python that runs while no other thread may run one of the same Turn. The
// turn ends with the C++ scope, so no interrupt of Python can leave it taken.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/bindings.h"
#include "bindings/calls.h"
#include "bindings/made.h"

namespace fastbp {
namespace {

namespace py = pybind11;

// How many turns this thread holds for which others wait. It must not wait for another one itself: the other thread may
// wait for this one's.
thread_local int awaited = 0;

struct NamedTurns {
  NamedTurns(std::string inside_, std::optional<std::string> beside_)
      : inside(std::move(inside_)), beside(std::move(beside_)) {}

  Turns turns;
  std::string inside;
  std::optional<std::string> beside;  // without it, other threads wait
};

// take_turn(turn, method, function, *arguments, **keywords). `train_on_batch` goes through here for every step, so the
// arguments are passed on as they came, by the vectorcall protocol.
PyObject* take_turn(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  try {
    py::detail::make_caster<Made<NamedTurns>> caster;
    if (count < 3 || !caster.load(arguments[0], false) || !PyUnicode_Check(arguments[1])) {
      PyErr_SetString(PyExc_TypeError, "take_turn takes a Turn, the method's name, a function and its arguments");
      return nullptr;
    }
    NamedTurns& of = *py::detail::cast_op<Made<NamedTurns>&>(caster);
    std::optional<Turn> turn;
    try {
      const char* meanwhile = awaited > 0 ? "cannot wait for another thread, which may wait for this one" : nullptr;
      turn.emplace(of.turns, of.inside.c_str(), of.beside ? of.beside->c_str() : meanwhile);
    } catch (const Error& error) {
      PyErr_Format(PyExc_RuntimeError, "%U %s", arguments[1], error.what());
      return nullptr;
    }
    awaited += of.beside ? 0 : 1;
    PyObject* result = PyObject_Vectorcall(arguments[2], arguments + 3, static_cast<std::size_t>(count - 3), keywords);
    awaited -= of.beside ? 0 : 1;
    return result;
  } catch (py::error_already_set& error) {  // a signal handler's, while it waited
    error.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

PyMethodDef take_turn_definition = {
    "take_turn", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(take_turn)), METH_FASTCALL | METH_KEYWORDS,
    "take_turn(turn, method, function, *arguments, **keywords): calls function, holding the turn.\n\n"
    "A RuntimeError that begins with the method's name, where the turn is taken and its others are refused."};

}  // namespace

void register_turn(py::module_& module) {
  py::class_<NamedTurns>(module, "Turn", "Held by one thread at a time, while take_turn runs its function.")
      .def(py::init<std::string, std::optional<std::string>>(), py::arg("inside"), py::arg("beside") = py::none())
      .def_property_readonly(
          "is_taken", [](Made<NamedTurns> turn) { return turn->turns.is_taken(); }, "Whether any thread holds it.")
      .def_property_readonly(
          "is_mine", [](Made<NamedTurns> turn) { return turn->turns.is_mine(); }, "Whether this thread holds it.");
  module.add_object("take_turn", py::reinterpret_steal<py::object>(PyCFunction_New(&take_turn_definition, nullptr)));
}

}  // namespace fastbp
