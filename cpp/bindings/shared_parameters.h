// The weights as Python holds them: with turns for those that train them.
#pragma once

#include "bindings/calls.h"
#include "data/parameters.h"

namespace fastbp {

// Trainers that are built on the same parameters train them one after the other. Whether anything trains them is known
// from the turn itself, so that no interrupt of Python can leave a wrong mark behind.
struct SharedParameters : Parameters {
  using Parameters::Parameters;
  Turns training;
};

}  // namespace fastbp
