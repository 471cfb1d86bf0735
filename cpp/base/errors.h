// One enum of causes; the bindings turn each into one Python exception.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace fastbp {

enum class Cause {
  value,        // ValueError: what came cannot be used, the message says what would be right
  type,         // TypeError
  memory,       // MemoryError
  interrupted,  // KeyboardInterrupt (already set in Python when raised from a signal)
  internal,     // RuntimeError: a bug in fastbp
};

class Error : public std::exception {
 public:
  Error(Cause cause, std::string message) : cause_(cause), message_(std::move(message)) {}
  Cause cause() const noexcept { return cause_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  Cause cause_;
  std::string message_;
};

}  // namespace fastbp
