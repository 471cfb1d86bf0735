// Arguments that are objects of the core: only those that were initialised. pybind11 gives uninitialised memory for an
// object that was made by `cls.__new__(cls)` alone.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <utility>

namespace fastbp {

template <class Class>
struct Made {
  Class* object = nullptr;
  Class& operator*() const { return *object; }
  Class* operator->() const { return object; }
};

// A member function as a function of an initialised object.
template <class Result, class Class, class... Arguments>
auto method(Result (Class::*member)(Arguments...)) {
  return [member](Made<Class> self, Arguments... arguments) -> Result {
    return ((*self).*member)(std::forward<Arguments>(arguments)...);
  };
}
template <class Result, class Class, class... Arguments>
auto method(Result (Class::*member)(Arguments...) const) {
  return [member](Made<Class> self, Arguments... arguments) -> Result {
    return ((*self).*member)(std::forward<Arguments>(arguments)...);
  };
}

}  // namespace fastbp

namespace pybind11 {
namespace detail {

template <class Class>
struct type_caster<fastbp::Made<Class>> {
  PYBIND11_TYPE_CASTER(fastbp::Made<Class>, make_caster<Class>::name);

  bool load(handle source, bool) {
    static std::atomic<type_info*> looked_up{nullptr};  // no lock, which a forked child could find taken
    type_info* known = looked_up.load(std::memory_order_relaxed);
    if (known == nullptr) looked_up.store(known = get_type_info(typeid(Class), true), std::memory_order_relaxed);
    PyTypeObject* const type = Py_TYPE(source.ptr());
    if (type != known->type && !PyType_IsSubtype(type, known->type)) return false;
    const value_and_holder found = reinterpret_cast<instance*>(source.ptr())->get_value_and_holder(known);
    if (!found.holder_constructed()) return false;
    value.object = static_cast<Class*>(found.value_ptr());
    return true;
  }
  static handle cast(const fastbp::Made<Class>&, return_value_policy, handle) { return {}; }
};

}  // namespace detail
}  // namespace pybind11
