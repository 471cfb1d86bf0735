// An optimiser's settings and state in Python: docs/architecture.md, "The two backends".
#pragma once

#include <pybind11/pybind11.h>

#include "train/trainer.h"

namespace fastbp {

// The classes of `fastbp.optimizers` check a user's values; this rejects what would break a promise of the trainer.
OptimizerSettings settings_of(const pybind11::dict& optimizer);

// {name of a state: an array per weight, "counters": float64}; the arrays are copies, or read-only views of memory that
// `owner`, the trainer in Python, keeps alive.
template <class T>
pybind11::dict read_state(Trainer<T>& trainer, const pybind11::object& owner, bool copy);
// Checks everything before it writes anything. States that are not named stay.
template <class T>
void write_state(Trainer<T>& trainer, const pybind11::dict& state);

}  // namespace fastbp
