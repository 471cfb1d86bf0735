#include "run/memory.h"

#include <string>
#include <utility>

#include "base/errors.h"
#include "base/memory.h"
#include "run/layout.h"

namespace fastbp {
namespace {

template <class T>
T* weight_of(const Value& value, Parameters& parameters) {
  Parameter& parameter = parameters.at(value.storage);
  if (parameter.size != value.width)
    throw Error(Cause::value, "parameter '" + parameter.name + "' has " + std::to_string(parameter.size) +
                                  " elements, the graph's has " + std::to_string(value.width));
  return parameter.data.template as<T>();
}

}  // namespace

// Sets the address of every value that is not local to a tile or a block. bind_output sets those of outputs with rows.
template <class T>
Memory<T>::Memory(const Tape& tape, Parameters& parameters) : tape_(tape), values_(tape.values.data()) {
  const Index element = static_cast<Index>(sizeof(T));
  Index outputs = 0;
  for (const Value& value : tape_.values)
    if (value.place == Value::Place::output && !value.rows) outputs += rounded(value.width * element);
  arena_ = Buffer(bytes_of({tape_.arena, element}));
  outputs_ = Buffer(static_cast<std::size_t>(outputs));
  own_.assign(tape_.values.size(), nullptr);
  place_constants();
  T* next = outputs_.template as<T>();
  for (std::size_t v = 0; v < tape_.values.size(); ++v) {
    const Value& value = tape_.values[v];
    switch (value.place) {
      case Value::Place::parameter: own_[v] = weight_of<T>(value, parameters); break;
      case Value::Place::input:
      case Value::Place::arena: own_[v] = value.in_block ? nullptr : arena_.template as<T>() + value.offset; break;
      case Value::Place::output:
        if (value.rows) break;
        own_[v] = next;
        next += rounded(value.width * element) / element;
        break;
      default: break;
    }
  }
  data_ = own_;
}

template <class T>
void Memory<T>::place_constants() {
  const Index element = static_cast<Index>(sizeof(T));
  Index bytes = 0;
  for (const auto& values : tape_.constants) bytes += rounded(static_cast<Index>(values.size()) * element);
  constants_ = Buffer(static_cast<std::size_t>(bytes));
  std::vector<T*> constant;
  T* next = constants_.template as<T>();
  for (const auto& values : tape_.constants) {
    constant.push_back(next);
    for (std::size_t i = 0; i < values.size(); ++i) next[i] = static_cast<T>(values[i]);
    next += rounded(static_cast<Index>(values.size()) * element) / element;
  }
  for (std::size_t v = 0; v < tape_.values.size(); ++v)
    if (tape_.values[v].place == Value::Place::constant)
      own_[v] = constant[static_cast<std::size_t>(tape_.values[v].storage)];
}

template <class T>
void Memory<T>::read_in_place(int value, T* data) {
  const std::size_t v = static_cast<std::size_t>(value);
  data_[v] = data != nullptr ? data : own_[v];
}

// A product that works in place with its epilogue's result moves with that output.
template <class T>
void Memory<T>::bind_output(int i, T* data) {
  const Value& bound = tape_.values[static_cast<std::size_t>(tape_.outputs[static_cast<std::size_t>(i)])];
  for (std::size_t v = 0; v < tape_.values.size(); ++v)
    if (tape_.values[v].place == Value::Place::output && tape_.values[v].storage == bound.storage) data_[v] = data;
}

template <class T>
void Memory<T>::store_gradients() {
  std::vector<Buffer> gradients;
  for (const Value& value : tape_.values)
    if (value.place == Value::Place::unstored)
      gradients.emplace_back(static_cast<std::size_t>(value.width) * sizeof(T));
  gradients_ = std::move(gradients);
  auto next = gradients_.begin();
  for (std::size_t v = 0; v < tape_.values.size(); ++v)
    if (tape_.values[v].place == Value::Place::unstored) data_[v] = own_[v] = (next++)->template as<T>();
}

template class Memory<float>;
template class Memory<double>;

}  // namespace fastbp
