// What is done to images, as Python says it.
#pragma once

#include <pybind11/pybind11.h>

#include "plan/augment.h"

namespace fastbp {

// (steps, (height, width, channels)), steps being pairs (kind, numbers); none for None.
Augmentation augmentation_of(const pybind11::object& request);

// Error(value) unless the rows of the source are such images.
void check_images(const Augmentation& augmentation, const Source& source);

}  // namespace fastbp
