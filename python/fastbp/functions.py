"""Functions of expressions: ``exp``, ``sum``, ``softmax`` …, and the activations with Keras 3's formulas."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from . import rules
from .expression import Call, Expression, Operation, Shaped, as_expression
from .names import look_up

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def maximum(a: Any, b: Any) -> Expression:
    """The larger of a and b, element by element; a where they are equal or a is NaN."""
    return Operation("maximum", a, b)


def minimum(a: Any, b: Any) -> Expression:
    """The smaller of a and b, element by element; a where they are equal or a is NaN."""
    return Operation("minimum", a, b)


def where_positive(condition: Any, a: Any, b: Any) -> Expression:
    """a where condition > 0, b elsewhere; gradients flow to the chosen one alone, none to the condition."""
    return Operation("where_positive", condition, a, b)


def exp(x: Any) -> Expression:
    """e^x"""
    return Operation("exp", x)


def expm1(x: Any) -> Expression:
    """e^x − 1, exact near 0."""
    return Operation("expm1", x)


def log(x: Any) -> Expression:
    """The natural logarithm."""
    return Operation("log", x)


def log1p(x: Any) -> Expression:
    """ln(1 + x), exact near 0."""
    return Operation("log1p", x)


def sin(x: Any) -> Expression:
    """The sine of x radians."""
    return Operation("sin", x)


def cos(x: Any) -> Expression:
    """The cosine of x radians."""
    return Operation("cos", x)


def erf(x: Any) -> Expression:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt."""
    return Operation("erf", x)


def sqrt(x: Any) -> Expression:
    """The square root."""
    return Operation("sqrt", x)


def square(x: Any) -> Expression:
    """x·x"""
    return Operation("square", x)


def abs(x: Any) -> Expression:
    """|x|; its gradient at 0 is 0."""
    return Operation("absolute", x)


def sum(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expression:
    """The sum over `axis`: by default over everything, rows included, which gives a scalar.

    Parameters
    ----------
    x : expression
        Of shape (rows, …) or without rows.
    axis : int or sequence of int, optional
        0 is the rows (of an expression that has them), −1 the last feature axis. Default: all.
    keepdims : bool
        Whether summed axes stay, with size 1. Default False.

    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], [bp.sum(x), bp.sum(x, axis=-1)], backend="reference")([[1, 2], [3, 4]])
    [np.float32(10.0), array([3., 7.], dtype=float32)]
    """
    return Shaped(rules.reduction, (x,), "sum", axis, keepdims)


def mean(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expression:
    """The sum over `axis` (see `sum`) divided by the number of elements summed; rows count as many as are present."""
    return Shaped(rules.reduction, (x,), "mean", axis, keepdims)


def max(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expression:
    """The largest element over `axis` (see `sum`); the gradient goes to the first of the largest."""
    return Shaped(rules.reduction, (x,), "max", axis, keepdims)


def argmax(x: Any) -> Expression:
    """The index of the largest of the last axis' features (the first of them), as a number; it has no gradient."""
    return Shaped(rules.last_axis, (x,), "argmax", -1)


def softmax(x: Any, axis: int = -1) -> Expression:
    """exp(xⱼ) / Σᵢ exp(xᵢ) over the last feature axis, computed from x − max(x)."""
    return Shaped(rules.last_axis, (x,), "softmax", axis)


def log_softmax(x: Any, axis: int = -1) -> Expression:
    """ln softmax(x) over the last feature axis, without overflow."""
    return Shaped(rules.last_axis, (x,), "log_softmax", axis)


def logsumexp(x: Any, axis: int = -1) -> Expression:
    """ln Σⱼ exp(xⱼ) over the last feature axis, which is dropped."""
    return Shaped(rules.last_axis, (x,), "logsumexp", axis)


def concatenate(expressions: Sequence[Any], axis: int = -1) -> Expression:
    """Joins along a feature axis. Expressions without rows are repeated for every row where others have rows."""
    if isinstance(expressions, Expression) or not expressions:
        raise TypeError("expressions must be a list of at least one expression")
    return Shaped(rules.concatenate, tuple(expressions), operator.index(axis))


def reshape(x: Any, shape: Sequence[int] | int) -> Expression:
    """The features of every row, row-major, in another shape; one size may be −1. The rows are not part of `shape`."""
    dims = tuple(operator.index(d) for d in ((shape,) if isinstance(shape, int) else shape))
    if builtins.any(d < -1 for d in dims) or dims.count(-1) > 1:
        raise ValueError(f"shape must have sizes of at least 0 and at most one -1, got {dims}")
    return Shaped(rules.reshape, (x,), dims)


def dropout(x: Any, rate: float) -> Expression:
    """While training, zero with probability `rate`, else x / (1 − rate); x itself otherwise.

    Parameters
    ----------
    x : expression
    rate : float
        0 ≤ rate < 1; rule 9 of the numeric contract says which elements are dropped.
    """
    rate = float(rate)
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be at least 0 and below 1, got {rate}")
    return Shaped(rules.dropout, (x,), rate)


# Activations: Keras 3's names, formulas and defaults.


def identity(x: Any) -> Expression:
    """x"""
    return as_expression(x)


def relu(x: Any) -> Expression:
    """max(x, 0)"""
    return Operation("relu", x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Expression:
    """x where x > 0, else negative_slope · x (default 0.2, as Keras' activation)."""
    x = as_expression(x)
    return where_positive(x, x, negative_slope * x)


def elu(x: Any, alpha: float = 1.0) -> Expression:
    """x where x > 0, else alpha · (e^x − 1)."""
    x = as_expression(x)
    return where_positive(x, x, alpha * expm1(minimum(x, 0.0)))


def selu(x: Any) -> Expression:
    """1.0507… · elu(x, 1.6732…): Klambauer et al., Self-Normalizing Neural Networks, 2017."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Any, approximate: bool = False) -> Expression:
    """x·Φ(x) (Hendrycks and Gimpel, 2016): by the error function, or with ``approximate=True`` by their tanh form."""
    x = as_expression(x)
    if approximate:
        return 0.5 * x * (1.0 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2)))


def silu(x: Any) -> Expression:
    """x · sigmoid(x), also known as swish."""
    x = as_expression(x)
    return x * sigmoid(x)


swish = silu


def mish(x: Any) -> Expression:
    """x · tanh(softplus(x)): Misra, 2019."""
    x = as_expression(x)
    return x * tanh(softplus(x))


def softplus(x: Any) -> Expression:
    """ln(1 + e^x), without overflow."""
    return Operation("softplus", x)


def sigmoid(x: Any) -> Expression:
    """1 / (1 + e^−x)"""
    return Operation("sigmoid", x)


def tanh(x: Any) -> Expression:
    """The hyperbolic tangent."""
    return Operation("tanh", x)


def hard_sigmoid(x: Any) -> Expression:
    """x/6 + 1/2, kept within 0 … 1."""
    return minimum(relu(as_expression(x) + 3.0), 6.0) / 6.0


ACTIVATIONS: dict[str, Callable[..., Expression]] = {
    "identity": identity,
    "linear": identity,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "swish": swish,
    "mish": mish,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "hard_sigmoid": hard_sigmoid,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "exponential": exp,
}


def get_activation(activation: Any) -> Callable[..., Expression]:
    """The activation that a name, a function or None (identity) stands for."""
    if activation is None:
        return identity
    if isinstance(activation, str):
        function: Callable[..., Expression] = look_up("activation", activation, ACTIVATIONS)
        return function
    if callable(activation):
        return activation
    raise TypeError(f"activation must be a name, a function of expressions or None, got {type(activation).__name__}")


def call(function: Callable[..., Expression], *operands: Any, name: str = "") -> Expression:
    """``function(*operands)``, entered when the operands' shapes and operations are known."""
    return Call(function, *operands, name=name)
