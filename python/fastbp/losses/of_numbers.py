"""Losses of numbers: squared, absolute and relative errors, angles, and the likelihood of normal targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._shared.arguments import known_keywords, real_array, truth
from ..expressions.expression import Expression
from ..expressions.functions import abs, exp, log, log1p, reshape, sqrt, square, where_positive
from ..expressions.reductions import max, sum
from ..expressions.shape_rules import shape_text
from ..lowering import domains
from ..lowering.lowering import Node
from .reduction import MEAN, Terms, reduced, terms_of
from .targets import matched_target

HALF_LOG_TWO_PI = 0.9189385332046727  # ½ ln 2π


@known_keywords
def mean_squared_error(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/(mk) ΣΣ (a − y)²: over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed, since shapes are not known before.

    Notes
    -----
    Also called "mse". Its gradient at a is 2 (a − y) / (mk).

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.mean_squared_error(y, a), backend="reference")([1.0, 2.0], [1.0, 4.0])
    np.float32(2.0)
    """
    return reduced("mean_squared_error", (y_true, y_pred), sample_weight, reduction)


@terms_of("mean_squared_error")
def _squared_error(y: Node, a: Node) -> Terms:
    return Terms(square(a - matched_target(y, a)))


@known_keywords
def mean_absolute_error(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """1/(mk) ΣΣ |a − y|: over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed, since shapes are not known before.

    Notes
    -----
    Also called "mae". Its gradient at a is the sign of a − y, divided by mk; 0 where they are equal.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.mean_absolute_error(y, a), backend="reference")([1.0, 2.0], [1.0, 4.0])
    np.float32(1.0)
    """
    return reduced("mean_absolute_error", (y_true, y_pred), sample_weight, reduction)


@terms_of("mean_absolute_error")
def _absolute_error(y: Node, a: Node) -> Terms:
    return Terms(abs(a - matched_target(y, a)))


@known_keywords
def quadratic(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/(2m) Σ‖y − a‖², the lecture's quadratic cost: summed over the outputs, averaged over m rows.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed, since shapes are not known before.

    Notes
    -----
    Its gradient at a is (a − y) / m.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.quadratic(y, a), backend="reference")([[1.0, 1.0], [2.0, 2.0]], [[1.0, 2.0], [2.0, 5.0]])
    np.float32(2.5)
    """
    return reduced("quadratic", (y_true, y_pred), sample_weight, reduction)


@terms_of("quadratic")
def _quadratic(y: Node, a: Node) -> Terms:
    return Terms(square(a - matched_target(y, a)), divisor=2)


@known_keywords
def gaussian_nll(
    y_true: Any,
    y_pred: Any,
    variance: Any = None,
    full: bool = False,
    sample_weight: Any = None,
    reduction: str | None = MEAN,
) -> Expression:
    """1/(mk) ΣΣ ½ [ln σ² + (y − μ)²/σ²]: the negative log-likelihood of normal targets, over m rows and k outputs.

    Parameters
    ----------
    y_true : expression
        The targets y, of the shape (m, k); (m,) stands for (m, 1).
    y_pred : expression
        The means μ, of the targets' shape. Without `variance` it may have twice as many outputs, (m, 2k): the k means,
        then the k logarithms of the variances, ln σ², which are learned too.
    variance : float, array or expression, optional
        σ² > 0, of a shape that broadcasts to the means': a number, or an expression such as ``bp.exp(s)`` of a
        parameter s, which is learned too. Default 1, or what `y_pred` says.
    full : bool
        Whether to add the constant ½ ln 2π, as a likelihood has it. Default False, as in PyTorch.
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If a number in `variance` is not above 0; if the shapes do not fit: when it is computed, since they are not
        known before.
    TypeError
        If `full` is neither True nor False, or `variance` holds no real numbers.

    Notes
    -----
    With σ² fixed it has the minimum of least squares: its gradient at μ is (μ − y)/(mkσ²). With σ² = 1 it is half the
    mean squared error. From the logarithm s = ln σ² it is computed as ½ [s + (y − μ)² exp(−s)]; nothing is clipped.

    References: D. A. Nix, A. S. Weigend, "Estimating the mean and variance of the target probability distribution"
    (1994), equation 3.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.gaussian_nll(y, a), backend="reference")([1.0, 2.0], [1.0, 4.0])
    np.float32(1.0)
    >>> bp.function([y, a], bp.gaussian_nll(y, a), backend="reference")([1.0, 2.0], [[1.0, 0.0], [4.0, 0.0]])
    np.float32(1.0)
    """
    if not (variance is None or isinstance(variance, Expression) or np.all(real_array("variance", variance) > 0)):
        raise ValueError(f"variance must be above 0, got {variance!r}")
    operands = (y_true, y_pred) if variance is None else (y_true, y_pred, variance)
    offset = HALF_LOG_TWO_PI if truth("full", full) else 0.0
    return reduced("gaussian_nll", operands, sample_weight, reduction, (offset,))


@terms_of("gaussian_nll")
def _gaussian(offset: float, y: Node, a: Node, variance: Node | None = None) -> Terms:
    if variance is not None:
        sizes = zip(reversed(variance.dims), reversed(a.dims))
        if variance.rows > a.rows or len(variance.dims) > len(a.dims) or any(v not in (1, d) for v, d in sizes):
            raise ValueError(
                f"variance must have the shape {shape_text(a.rows, a.dims)} of the means, or one that broadcasts "
                f"to it, got {shape_text(variance.rows, variance.dims)}"
            )
        return Terms(log(variance) + square(a - matched_target(y, a)) / variance, scale=0.5, offset=offset)
    outputs = 1 if y.dims == () else y.dims[-1]
    if y.rows != a.rows or a.dims != (*y.dims[:-1], 2 * outputs):
        return Terms(square(a - matched_target(y, a)), scale=0.5, offset=offset)
    target = reshape(y, (1,)) if y.dims == () else y
    means, log_variances = a[..., :outputs], a[..., outputs:]
    return Terms(log_variances + square(means - target) * exp(-log_variances), scale=0.5, offset=offset)


@known_keywords
def mean_absolute_percentage_error(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """100/(mk) ΣΣ |a − y| / |y|: over m rows and k outputs, in percent, as in Keras without its 1e-7.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed, since shapes are not known before. If a model or
        `minimize` gets a target 0; `function` computes the formula, inf or NaN.

    Notes
    -----
    Its gradient at a is 100 times the sign of a − y, divided by mk|y|; 0 where they are equal. Nothing is clipped: of a
    target 0 there is no percentage. (Keras divides by at least 1e-7.)

    Also called "mape".

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.mean_absolute_percentage_error(y, a), backend="reference")([1.0, 2.0], [1.5, 1.0])
    np.float32(50.0)
    """
    return reduced("mean_absolute_percentage_error", (y_true, y_pred), sample_weight, reduction)


@terms_of("mean_absolute_percentage_error")
def _absolute_percentage_error(y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    y.expect(domains.not_zero("mean_absolute_percentage_error"))
    return Terms(100.0 * (abs(a - target) / abs(target)))


@known_keywords
def mean_squared_logarithmic_error(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """1/(mk) ΣΣ [ln(1 + a) − ln(1 + y)]²: over m rows and k outputs, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed, since shapes are not known before. If a model or
        `minimize` gets a target of −1 or below; `function` computes the formula.

    Notes
    -----
    Its gradient at a is 2 [ln(1 + a) − ln(1 + y)] / (mk (1 + a)). Outputs of −1 and below have no logarithm: the loss
    is infinite or NaN. (Keras raises targets and outputs to at least 1e-7, where they teach nothing.)

    Also called "msle".

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.mean_squared_logarithmic_error(y, a), backend="reference")([0.0, 3.0], [1.0, 3.0])
    np.float32(0.2402265)
    """
    return reduced("mean_squared_logarithmic_error", (y_true, y_pred), sample_weight, reduction)


@terms_of("mean_squared_logarithmic_error")
def _squared_logarithmic_error(y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    y.expect(domains.above_minus_1("mean_squared_logarithmic_error"))
    return Terms(square(log1p(a) - log1p(target)))


@known_keywords
def cosine_similarity(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """−1/m Σ y·a / (‖y‖ ‖a‖): minus the cosine of the angle between targets and outputs, over m rows, as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k): the cosine is taken over the last axis, and averaged over any before it.
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar; of shape (m,) where `reduction` is None.

    Raises
    ------
    ValueError
        If the outputs have no features; if the targets' shape does not fit: when it is computed, since shapes are not
        known before.

    Notes
    -----
    −1 where they have the same direction, 1 where they have opposite ones. Its gradient at a is −(ŷ − (ŷ·â) â) / (m
    ‖a‖), with ŷ = y/‖y‖ and â = a/‖a‖. A vector of zeros has no direction: the cosine is 0, and the gradient −ŷ / m, as
    if ‖a‖ were 1. Vectors are divided by their largest element first, so that no square over- or underflows.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.cosine_similarity(y, a), backend="reference")([[0.0, 2.0]], [[3.0, 4.0]])
    np.float32(-0.8)
    """
    return reduced("cosine_similarity", (y_true, y_pred), sample_weight, reduction)


@terms_of("cosine_similarity")
def _cosine_similarity(y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    if not a.dims:
        raise ValueError(f"cosine_similarity needs outputs of shape (rows, features), got {shape_text(a.rows, a.dims)}")
    return Terms(-sum(_direction(target) * _direction(a), axis=-1))


def _direction(x: Expression) -> Expression:
    """x / ‖x‖ over the last axis; zeros stay zeros."""
    largest = max(abs(x), axis=-1, keepdims=True)
    scaled = x / where_positive(largest, largest, 1.0)
    squares = sum(square(scaled), axis=-1, keepdims=True)
    return scaled / sqrt(where_positive(squares, squares, 1.0))


mse = mean_squared_error
mae = mean_absolute_error
mape = mean_absolute_percentage_error
msle = mean_squared_logarithmic_error
