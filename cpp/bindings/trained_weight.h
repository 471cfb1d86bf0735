// A TrainedWeight from Python: any object with its five attributes.
#pragma once

#include <pybind11/pybind11.h>

#include "train/trained_weight.h"

namespace pybind11::detail {

template <>
struct type_caster<fastbp::TrainedWeight> {
  PYBIND11_TYPE_CASTER(fastbp::TrainedWeight, const_name("TrainedWeight"));

  bool load(handle source, bool convert) {
    const auto load_into = [&](const char* name, auto& number) {
      const object given = getattr(source, name, none());
      make_caster<std::decay_t<decltype(number)>> caster;
      if (!caster.load(given, convert)) return false;
      number = cast_op<std::decay_t<decltype(number)>>(caster);
      return true;
    };
    return load_into("node", value.node) && load_into("decay", value.decay) && load_into("rate", value.rate) &&
           load_into("max_norm", value.max_norm) && load_into("proximal_l1", value.proximal_l1);
  }
};

}  // namespace pybind11::detail
