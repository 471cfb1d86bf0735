// The elementwise operations: name and number of operands. One list for the kernels' table, the graph and the tests.
// Semantics: docs/numerics.md, rules 4, 5 and 7. Comments name the attributes: Map::integer or Map::scalar. The third
// list holds the optimisers' update rules.
#pragma once

// clang-format off
#define FASTBP_ELEMENTWISE_OPERATIONS(X)                                                            \
  X(negative, 1)                                                                                    \
  X(absolute, 1)                                                                                    \
  X(sign, 1)                                                                                        \
  X(square, 1)                                                                                      \
  X(sqrt, 1)                                                                                        \
  X(exp, 1)                                                                                         \
  X(expm1, 1)                                                                                       \
  X(log, 1)                                                                                         \
  X(log1p, 1)                                                                                       \
  X(sin, 1)                                                                                         \
  X(cos, 1)                                                                                         \
  X(tanh, 1)                                                                                        \
  X(sigmoid, 1)                                                                                     \
  X(softplus, 1)                                                                                    \
  X(erf, 1)                                                                                         \
  X(relu, 1)                                                                                        \
  X(power_integer, 1)   /* Map::integer: the exponent */                                            \
  X(divide_by_count, 1) /* x / scalar[0]: the count, set when the number of rows is known */        \
  X(copy, 1)            /* broadcasting copies: the operand's strides do the work */                \
  X(add, 2)                                                                                         \
  X(subtract, 2)                                                                                    \
  X(multiply, 2)                                                                                    \
  X(divide, 2)                                                                                      \
  X(product_or_zero, 2)  /* a == 0 or b == 0 ? +0 : a * b; for gradients */  \
  X(quotient_or_zero, 2) /* a == 0 ? +0 : a / b */                                                  \
  X(power, 2)                                                                                       \
  X(maximum, 2)                                                                                     \
  X(minimum, 2)                                                                                     \
  X(equal, 2)                                                                                       \
  X(greater, 2)                                                                                     \
  X(where_positive, 3)        /* c > 0 ? a : b */                                                   \
  X(maximum_gate, 3)          /* (a, b, g), integer w: is a chosen by maximum(a, b)? w==0: g : +0; w==1: +0 : g */ \
  X(minimum_gate, 3)          /* the same for minimum(a, b) */                                      \
  X(sigmoid_cross_entropy, 3) /* (z, p, y); p is not read */
// clang-format on

// Several operations as one map, which stores no value in between (rule 8). No node is one of these: a plan combines
// nodes into them.
// clang-format off
#define FASTBP_COMBINED_OPERATIONS(X)                                                               \
  X(relu_of_sum, 2)      /* relu(a + b): a layer's bias and its activation */                       \
  X(tanh_of_sum, 2)                                                                                 \
  X(sigmoid_of_sum, 2)                                                                              \
  X(tanh_gradient, 2)    /* (y, g): g * (1 - y * y) */                                              \
  X(sigmoid_gradient, 2) /* (y, g): g * (y * (1 - y)) */
// clang-format on

// The optimisers' updates (rule 10): X(name, states per weight, scalars, whether it divides). A rule that divides by
// what may be as small as epsilon can overflow even with moderate weights, states and gradients. A rule's states and
// scalars are listed where it is defined, in update.h.
// clang-format off
#define FASTBP_UPDATE_RULES(X)                \
  X(sgd, 0, 1, false)                         \
  X(momentum, 1, 2, false)                    \
  X(nesterov, 1, 2, false)                    \
  X(adagrad, 1, 2, true)                      \
  X(rmsprop, 1, 4, true)                      \
  X(rmsprop_momentum, 2, 5, true)             \
  X(rmsprop_centered, 2, 4, true)             \
  X(rmsprop_centered_momentum, 3, 5, true)    \
  X(adam, 2, 4, true)                         \
  X(amsgrad, 3, 4, true)                      \
  X(nadam, 2, 6, true)                        \
  X(lion, 1, 5, false)
// clang-format on

namespace fastbp {

enum class MapOp : int {
#define FASTBP_X(name, operands) name,
  FASTBP_ELEMENTWISE_OPERATIONS(FASTBP_X) FASTBP_COMBINED_OPERATIONS(FASTBP_X)
#undef FASTBP_X
};

#define FASTBP_X(name, operands) +1
constexpr int map_operations = 0 FASTBP_ELEMENTWISE_OPERATIONS(FASTBP_X) FASTBP_COMBINED_OPERATIONS(FASTBP_X);
#undef FASTBP_X

enum class UpdateRule : int {
#define FASTBP_X(name, states, scalars, divides) name,
  FASTBP_UPDATE_RULES(FASTBP_X)
#undef FASTBP_X
};

#define FASTBP_X(name, states, scalars, divides) +1
constexpr int update_rules = 0 FASTBP_UPDATE_RULES(FASTBP_X);
#undef FASTBP_X

}  // namespace fastbp
