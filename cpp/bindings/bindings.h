// One register_* per concern, each in its own file; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

namespace fastbp {

void register_errors(pybind11::module_& module);   // first: the others may throw
void register_config(pybind11::module_& module);   // instruction sets, threads, config()
void register_graph(pybind11::module_& module);    // operations(), Graph
void register_parameters(pybind11::module_& module);  // Parameters, set_all()
void register_function(pybind11::module_& module);  // Function
void register_random(pybind11::module_& module);  // uniform(), normal()
void register_turn(pybind11::module_& module);     // Turn, take_turn()
void register_train(pybind11::module_& module);    // Trainer
void register_augment(pybind11::module_& module);  // augmented()
void register_domain(pybind11::module_& module);   // first_outside()
void register_testing(pybind11::module_& module);  // the submodule `testing`

}  // namespace fastbp
