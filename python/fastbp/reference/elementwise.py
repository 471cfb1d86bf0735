"""The elementwise operations of cpp/kernels/operations.h: rules 4, 5 and 7 of docs/numerics.md.

Arrays of one dtype (float32 or float64) that broadcast together; the result has that dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from fastbp.reference import functions

_Function = TypeVar("_Function", bound=Callable[..., np.ndarray])


def _quiet(function: _Function) -> _Function:
    """Without NumPy's warnings: Inf and NaN are ordinary values here."""
    return np.errstate(all="ignore")(function)


def _like(x: np.ndarray, value: float) -> np.ndarray:
    return np.asarray(value, x.dtype)


def negative(x: np.ndarray) -> np.ndarray:
    return np.negative(x)


def absolute(x: np.ndarray) -> np.ndarray:
    return np.absolute(x)


@_quiet
def sign(x: np.ndarray) -> np.ndarray:
    zero_or_nan = np.where(x == 0, _like(x, 0), x)
    return np.where(x > 0, _like(x, 1), np.where(x < 0, _like(x, -1), zero_or_nan))


@_quiet
def square(x: np.ndarray) -> np.ndarray:
    return x * x


@_quiet
def sqrt(x: np.ndarray) -> np.ndarray:
    return np.sqrt(x)


exp = functions.exp
expm1 = functions.expm1
log = functions.log
log1p = functions.log1p
sin = functions.sin
cos = functions.cos
tanh = functions.tanh
sigmoid = functions.sigmoid
softplus = functions.softplus
erf = functions.erf
power = functions.power


@_quiet
def relu(x: np.ndarray) -> np.ndarray:
    return np.where(_like(x, 0) > x, _like(x, 0), x)


@_quiet
def power_integer(x: np.ndarray, n: int) -> np.ndarray:
    """Left-to-right binary powering of |n|: square, then multiply by x where the bit is 1."""
    if n == 0:
        return np.ones_like(x)
    result = x
    for bit in bin(abs(n))[3:]:
        result = result * result
        if bit == "1":
            result = result * x
    return _like(x, 1) / result if n < 0 else result


@_quiet
def divide_by_count(x: np.ndarray, count: int) -> np.ndarray:
    return x / _like(x, count)


def copy(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.array(np.broadcast_to(x, shape))


@_quiet
def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


@_quiet
def subtract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a - b


@_quiet
def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * b


@_quiet
def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a / b


@_quiet
def product_or_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where((a == 0) | (b == 0), a.dtype.type(0), a * b)


@_quiet
def quotient_or_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a == 0, a.dtype.type(0), a / b)


def _first_is_maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a >= b) | (a != a)


def _first_is_minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a <= b) | (a != a)


@_quiet
def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(_first_is_maximum(a, b), a, b)


@_quiet
def minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(_first_is_minimum(a, b), a, b)


@_quiet
def equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a == b, a.dtype.type(1), _zero_or_nan(a, b))


@_quiet
def greater(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a > b, a.dtype.type(1), _zero_or_nan(a, b))


def _zero_or_nan(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where((a != a) | (b != b), a + b, a.dtype.type(0))


@_quiet
def where_positive(c: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(c > 0, a, b)


def _gate(first_is_chosen: np.ndarray, g: np.ndarray, which: int) -> np.ndarray:
    return np.where(first_is_chosen if which == 0 else ~first_is_chosen, g, _like(g, 0))


@_quiet
def maximum_gate(a: np.ndarray, b: np.ndarray, g: np.ndarray, which: int) -> np.ndarray:
    """g where maximum(a, b) chose the operand `which` (0 or 1), else +0."""
    return _gate(_first_is_maximum(a, b), g, which)


@_quiet
def minimum_gate(a: np.ndarray, b: np.ndarray, g: np.ndarray, which: int) -> np.ndarray:
    return _gate(_first_is_minimum(a, b), g, which)


@_quiet
def sigmoid_cross_entropy(z: np.ndarray, p: np.ndarray | None, y: np.ndarray) -> np.ndarray:
    """Rule 7, from the logits z; p is an operand for the gradient alone."""
    share = np.where(z > 0, _like(z, 1) - y, y)  # of the logit, where it is infinite
    at_infinity = np.where(share == 0, _like(z, 0), share * absolute(z))
    linear = np.where(np.isinf(z), at_infinity, relu(z) - z * y)
    return linear + log1p(exp(negative(absolute(z))))
