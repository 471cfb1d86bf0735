#include "train/optimizer.h"

#include <cmath>

namespace fastbp {
namespace {

UpdateRule rule_of(const OptimizerSettings& s) {
  if (s.momentum == 0.0) return UpdateRule::sgd;
  return s.nesterov ? UpdateRule::nesterov : UpdateRule::momentum;
}

std::size_t states_of(UpdateRule rule) {
  switch (rule) {
#define FASTBP_X(name, states, scalars)                                                                                \
  case UpdateRule::name: return states;
    FASTBP_UPDATE_RULES(FASTBP_X)
#undef FASTBP_X
  }
  return 0;
}

}  // namespace

template <class T>
Optimizer<T>::Optimizer(std::vector<Index> sizes, std::vector<bool> decayed, const OptimizerSettings& settings)
    : sizes_(std::move(sizes)), decayed_(std::move(decayed)), updates_(sizes_.size()) {
  set(settings);
}

template <class T>
void Optimizer<T>::set(const OptimizerSettings& settings) {
  const UpdateRule rule = rule_of(settings);
  std::vector<std::vector<Buffer>> begun;
  for (std::size_t kind = states_.size(); kind < states_of(rule); ++kind) {
    begun.emplace_back();
    for (Index size : sizes_) begun.back().emplace_back(static_cast<std::size_t>(size) * sizeof(T));
  }
  for (std::vector<Buffer>& kind : begun) states_.push_back(std::move(kind));
  settings_ = settings;
  rule_ = rule;
  combine();
}

template <class T>
bool Optimizer<T>::moderate() const {
  return std::fabs(settings_.learning_rate) < 1e9 && std::fabs(settings_.momentum) < 1e9 &&
         std::fabs(settings_.learning_rate * settings_.weight_decay) < 1e9;
}

// Scalars are combined in float64 and rounded once.
template <class T>
void Optimizer<T>::combine() {
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    Update<T>& update = updates_[i] = {};
    update.rows = 1;
    update.cols = update.row = update.gradient_row = sizes_[i];
    for (std::size_t kind = 0; kind < states_of(rule_); ++kind) update.state[kind] = states_[kind][i].template as<T>();
    update.decay = decayed_[i] ? static_cast<T>(settings_.learning_rate * settings_.weight_decay) : T(0);
    update.scalar[0] = static_cast<T>(settings_.learning_rate);
    update.scalar[1] = static_cast<T>(settings_.momentum);
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace fastbp
