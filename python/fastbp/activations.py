"""The activations, with Keras 3's names, formulas and defaults, and how a layer finds them by name.

Keras has a few more: docs/coming-from-keras.md lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ._shared.arguments import known_keywords, truth
from ._shared.nearest import look_up
from .expressions.expression import Expression, Operation, as_expression
from .expressions.functions import abs, erf, exp, expm1, maximum, minimum, where_positive
from .expressions.reductions import log_softmax, softmax

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def identity(x: Any) -> Expression:
    """x itself: the activation "linear".

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Derivative: 1.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.identity(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-1.,  0.,  2.], dtype=float32)
    """
    return as_expression(x)


def relu(x: Any) -> Expression:
    """max(x, 0), element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    +0 where 0 > x, else x: NaN stays NaN (rule 5 of the numeric contract). Derivative: 1 where x > 0, else 0.
    V. Nair and G. Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.relu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([0., 0., 2.], dtype=float32)
    """
    return Operation("relu", x)


def relu6(x: Any) -> Expression:
    """min(max(x, 0), 6), element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Derivative: 1 where 0 < x ≤ 6, else 0. A. Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.relu6(x), backend="reference")([-1.0, 0.0, 2.0])
    array([0., 0., 2.], dtype=float32)
    """
    return minimum(relu(x), 6.0)


@known_keywords
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Expression:
    """x where x > 0, else negative_slope · x.

    Parameters
    ----------
    x : expression, number or array
    negative_slope : float or expression
        Default 0.2, as Keras' activation.

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    A. Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.leaky_relu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.2,  0. ,  2. ], dtype=float32)
    """
    x = as_expression(x)
    return where_positive(x, x, negative_slope * x)


@known_keywords
def elu(x: Any, alpha: float = 1.0) -> Expression:
    """x where x > 0, else alpha · (e^x − 1).

    Parameters
    ----------
    x : expression, number or array
    alpha : float or expression
        Default 1.

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    D.-A. Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2015.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.elu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.63212055,  0.        ,  2.        ], dtype=float32)
    """
    x = as_expression(x)
    return where_positive(x, x, alpha * expm1(minimum(x, 0.0)))


@known_keywords
def celu(x: Any, alpha: float = 1.0) -> Expression:
    """x where x > 0, else alpha · (e^(x/alpha) − 1): slope 1 at 0 for any alpha.

    Parameters
    ----------
    x : expression, number or array
    alpha : float or expression
        Other than 0. Default 1.

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    J. Barron, Continuously Differentiable Exponential Linear Units, 2017.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.celu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.63212055,  0.        ,  2.        ], dtype=float32)
    """
    x = as_expression(x)
    return where_positive(x, x, alpha * expm1(minimum(x, 0.0) / alpha))


def selu(x: Any) -> Expression:
    """1.0507… · elu(x, 1.6732…).

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    G. Klambauer et al., Self-Normalizing Neural Networks, 2017; it goes with the initialiser "lecun_normal".

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.selu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-1.1113307,  0.       ,  2.101402 ], dtype=float32)
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


@known_keywords
def gelu(x: Any, approximate: bool = False) -> Expression:
    """x·Φ(x), with Φ the standard normal distribution's function.

    Parameters
    ----------
    x : expression, number or array
    approximate : bool
        Whether to take the form with tanh. Default False, as in Keras.

    Returns
    -------
    Expression
        Of the shape of `x`.

    Raises
    ------
    TypeError
        If `approximate` is neither True nor False.

    Notes
    -----
    x/2 · (1 + erf(x/√2)), or x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))).
    D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, 2016.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.gelu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.15865526,  0.        ,  1.9544997 ], dtype=float32)
    """
    x = as_expression(x)
    if truth("approximate", approximate):
        return 0.5 * x * (1.0 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2)))


def silu(x: Any) -> Expression:
    """x · sigmoid(x), also known as swish.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    D. Hendrycks and K. Gimpel, 2016; P. Ramachandran et al., Searching for Activation Functions, 2017.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.silu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.26894143,  0.        ,  1.7615942 ], dtype=float32)
    """
    x = as_expression(x)
    return x * sigmoid(x)


swish = silu


def mish(x: Any) -> Expression:
    """x · tanh(softplus(x)).

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.mish(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.30340147,  0.        ,  1.943959  ], dtype=float32)
    """
    x = as_expression(x)
    return x * tanh(softplus(x))


def softplus(x: Any) -> Expression:
    """ln(1 + e^x), element by element, without overflow.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: sigmoid(x).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.softplus(x), backend="reference")([-1.0, 0.0, 2.0])
    array([0.3132617, 0.6931472, 2.126928 ], dtype=float32)
    """
    return Operation("softplus", x)


def softsign(x: Any) -> Expression:
    """x / (1 + |x|), element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Derivative: 1/(1 + |x|)². X. Glorot and Y. Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
    Networks, 2010.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.softsign(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.5      ,  0.       ,  0.6666667], dtype=float32)
    """
    x = as_expression(x)
    return x / (1.0 + abs(x))


def sigmoid(x: Any) -> Expression:
    """1 / (1 + e^−x), element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: a·(1 − a), with a the result. A cross entropy of a sigmoid is computed
    from the logits (rule 7).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.sigmoid(x), backend="reference")([-1.0, 0.0, 2.0])
    array([0.26894143, 0.5       , 0.8807971 ], dtype=float32)
    """
    return Operation("sigmoid", x)


def log_sigmoid(x: Any) -> Expression:
    """ln sigmoid(x) = −ln(1 + e^−x), element by element, without overflow.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    −softplus(−x). Derivative: sigmoid(−x).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.log_sigmoid(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-1.3132616 , -0.6931472 , -0.12692802], dtype=float32)
    """
    return -softplus(-as_expression(x))


def tanh(x: Any) -> Expression:
    """The hyperbolic tangent, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: 1 − a², with a the result.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.tanh(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.7615942,  0.       ,  0.9640276], dtype=float32)
    """
    return Operation("tanh", x)


def hard_sigmoid(x: Any) -> Expression:
    """x/6 + 1/2, kept within 0 … 1.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    min(relu(x + 3), 6) / 6, as in Keras 3.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.hard_sigmoid(x), backend="reference")([-1.0, 0.0, 2.0])
    array([0.33333334, 0.5       , 0.8333333 ], dtype=float32)
    """
    return minimum(relu(as_expression(x) + 3.0), 6.0) / 6.0


def hard_tanh(x: Any) -> Expression:
    """x, kept within −1 … 1.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Derivative: 1 where −1 ≤ x ≤ 1, else 0. R. Collobert, Large Scale Machine Learning, 2004.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.hard_tanh(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-1.,  0.,  1.], dtype=float32)
    """
    return minimum(maximum(x, -1.0), 1.0)


def hard_silu(x: Any) -> Expression:
    """x · hard_sigmoid(x), also known as hard_swish.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    A. Howard et al., Searching for MobileNetV3, 2019.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.hard_silu(x), backend="reference")([-1.0, 0.0, 2.0])
    array([-0.33333334,  0.        ,  1.6666666 ], dtype=float32)
    """
    x = as_expression(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


ACTIVATIONS: dict[str, Callable[..., Expression]] = {
    "identity": identity,
    "linear": identity,
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "celu": celu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "swish": swish,
    "mish": mish,
    "softplus": softplus,
    "softsign": softsign,
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
    "tanh": tanh,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_swish,
    "hard_tanh": hard_tanh,
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
