// An optimiser's settings: its hyperparameters, and the one list of their names and defaults.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/types.h"

namespace fastbp {

// The learning rate of every update, counted from 0. The calling thread asks for it once per update.
class LearningRates {
 public:
  virtual ~LearningRates() = default;
  virtual double at(Index update) = 0;
};

// What an optimiser does not have is 0 or false. Also 0: no clipping, no decay, weights that are never overwritten.
struct OptimizerSettings {
  std::string name;
  double learning_rate = 0;
  std::shared_ptr<LearningRates> schedule;  // instead of learning_rate; may be null
  double weight_decay = 0;
  double momentum = 0, rho = 0, beta_1 = 0, beta_2 = 0, epsilon = 0, initial_accumulator_value = 0;
  bool nesterov = false, centered = false, amsgrad = false;
  double clipvalue = 0, clipnorm = 0, global_clipnorm = 0;
  Index gradient_accumulation_steps = 0;
  bool use_ema = false;
  double ema_momentum = 0;
  Index ema_overwrite_frequency = 0;
};

struct Hyperparameter {
  std::string name;
  std::variant<double OptimizerSettings::*, bool OptimizerSettings::*, Index OptimizerSettings::*> member;
  double initial;  // its default
};

struct OptimizerKind {
  std::string name;
  std::vector<Hyperparameter> hyperparameters;  // without those that all optimisers have
};

const std::vector<OptimizerKind>& optimizers();
// Those that all optimisers have.
const std::vector<Hyperparameter>& common_hyperparameters();
// Error(value) if there is no such optimiser.
const OptimizerKind& optimizer_named(const std::string& name);
// An optimiser with its defaults.
OptimizerSettings initial_settings(const OptimizerKind& optimizer);
// Sets a hyperparameter of any type; a flag is set by any number but 0.
void set_number(OptimizerSettings& settings, const Hyperparameter& hyperparameter, double value);

}  // namespace fastbp
