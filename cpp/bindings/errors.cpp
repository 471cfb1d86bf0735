// The core's errors as Python's exceptions: one per cause.
#include "base/errors.h"

#include <exception>
#include <new>
#include <stdexcept>

#include "bindings/bindings.h"

namespace fastbp {

namespace {

PyObject* exception_for(Cause cause) {
  switch (cause) {
    case Cause::value: return PyExc_ValueError;
    case Cause::type: return PyExc_TypeError;
    case Cause::memory: return PyExc_MemoryError;
    case Cause::interrupted: return PyExc_KeyboardInterrupt;
    case Cause::internal: break;
  }
  return PyExc_RuntimeError;
}

void translate(std::exception_ptr raised) {
  try {
    if (raised) std::rethrow_exception(raised);
  } catch (const Error& error) {
    // A signal handler has already set its own exception, which need not be KeyboardInterrupt.
    if (error.cause() == Cause::interrupted && PyErr_Occurred() != nullptr) return;
    pybind11::set_error(exception_for(error.cause()), error.what());
  } catch (const pybind11::cast_error& error) {  // a number, string or object where the core needs another kind
    pybind11::set_error(PyExc_TypeError, error.what());
  } catch (const std::bad_alloc&) {
    pybind11::set_error(PyExc_MemoryError, "out of memory");
  } catch (const std::length_error&) {  // a list longer than any memory
    pybind11::set_error(PyExc_MemoryError, "out of memory");
  }
}

}  // namespace

void register_errors(pybind11::module_&) { pybind11::register_local_exception_translator(translate); }

}  // namespace fastbp
