#include "base/cancel.h"

namespace fastbp {

namespace {

constexpr auto kBetweenQuestions = std::chrono::milliseconds(50);

}  // namespace

Cancel::Cancel(bool (*ask)(void* context), void* context)
    : ask_(ask), context_(context), next_(std::chrono::steady_clock::now() + kBetweenQuestions) {}

bool Cancel::requested() {
  if (requested_ || ask_ == nullptr) return requested_;
  if (std::chrono::steady_clock::now() < next_) return false;
  requested_ = ask_(context_);
  next_ = std::chrono::steady_clock::now() + kBetweenQuestions;  // after the answer, however long it took
  return requested_;
}

}  // namespace fastbp
