// The extension fastbp._core.
#include "bindings/bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "fastbp's core: the backend that fastbp.reference mirrors, bit for bit.";
  module.attr("__version__") = FASTBP_VERSION;
  fastbp::register_errors(module);
  fastbp::register_config(module);
  fastbp::register_graph(module);
  fastbp::register_parameters(module);
  fastbp::register_function(module);
  fastbp::register_random(module);
  fastbp::register_turn(module);
  fastbp::register_train(module);
  fastbp::register_augment(module);
  fastbp::register_domain(module);
  fastbp::register_testing(module);
}
