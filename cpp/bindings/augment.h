// Augmentation (rule 12), as Python requests it.
#pragma once

#include <pybind11/pybind11.h>

#include "data/augment.h"

namespace fastbp {

// request: (steps, (height, width, channels)), where steps are pairs (kind, numbers), or None for no steps.
Augmentation augmentation_of(const pybind11::object& request);

// Error(value) unless the rows of the source are images of that size, or there are no steps.
void check_images(const Augmentation& augmentation, const Source& source);

}  // namespace fastbp
