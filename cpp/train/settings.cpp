#include "train/settings.h"

#include "base/errors.h"

namespace fastbp {
namespace {

using S = OptimizerSettings;

const std::vector<Hyperparameter> kCommon = {{"learning_rate", &S::learning_rate, 0.01},
                                             {"weight_decay", &S::weight_decay, 0},
                                             {"clipvalue", &S::clipvalue, 0},
                                             {"clipnorm", &S::clipnorm, 0},
                                             {"global_clipnorm", &S::global_clipnorm, 0},
                                             {"gradient_accumulation_steps", &S::gradient_accumulation_steps, 1},
                                             {"use_ema", &S::use_ema, false},
                                             {"ema_momentum", &S::ema_momentum, 0.99},
                                             {"ema_overwrite_frequency", &S::ema_overwrite_frequency, 0}};

const std::vector<OptimizerKind> kOptimizers = {
    {"sgd", {{"momentum", &S::momentum, 0}, {"nesterov", &S::nesterov, false}}},
    {"adagrad", {{"initial_accumulator_value", &S::initial_accumulator_value, 0.1}, {"epsilon", &S::epsilon, 1e-7}}},
    {"rmsprop",
     {{"rho", &S::rho, 0.9},
      {"momentum", &S::momentum, 0},
      {"epsilon", &S::epsilon, 1e-7},
      {"centered", &S::centered, false}}},
    {"adam",
     {{"beta_1", &S::beta_1, 0.9},
      {"beta_2", &S::beta_2, 0.999},
      {"epsilon", &S::epsilon, 1e-7},
      {"amsgrad", &S::amsgrad, false}}},
    {"nadam", {{"beta_1", &S::beta_1, 0.9}, {"beta_2", &S::beta_2, 0.999}, {"epsilon", &S::epsilon, 1e-7}}},
    {"lion", {{"beta_1", &S::beta_1, 0.9}, {"beta_2", &S::beta_2, 0.99}}}};

// "sgd, adagrad, ... or lion"
std::string all_names() {
  std::string names;
  for (const OptimizerKind& optimizer : kOptimizers) {
    if (&optimizer != &kOptimizers.front()) names += &optimizer == &kOptimizers.back() ? " or " : ", ";
    names += optimizer.name;
  }
  return names;
}

}  // namespace

const std::vector<OptimizerKind>& optimizers() { return kOptimizers; }
const std::vector<Hyperparameter>& common_hyperparameters() { return kCommon; }

const OptimizerKind& optimizer_named(const std::string& name) {
  for (const OptimizerKind& optimizer : kOptimizers)
    if (optimizer.name == name) return optimizer;
  throw Error(Cause::value, "optimizer's name must be " + all_names() + ", got '" + name + "'");
}

OptimizerSettings initial_settings(const OptimizerKind& optimizer) {
  OptimizerSettings settings;
  settings.name = optimizer.name;
  for (const std::vector<Hyperparameter>* all : {&kCommon, &optimizer.hyperparameters})
    for (const Hyperparameter& one : *all) set_number(settings, one, one.initial);
  return settings;
}

void set_number(OptimizerSettings& settings, const Hyperparameter& hyperparameter, double value) {
  std::visit([&](auto member) { settings.*member = static_cast<std::decay_t<decltype(settings.*member)>>(value); },
             hyperparameter.member);
}

}  // namespace fastbp
