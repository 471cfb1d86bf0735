"""Losses of numbers that weigh large errors less than their squares, or those of one sign more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._shared.arguments import above_0, known_keywords, real
from ..expressions.expression import Expression, Operation
from ..expressions.functions import abs, expm1, log1p, maximum, minimum, reshape, where_positive
from ..expressions.shape_rules import shape_text
from ..lowering.lowering import Node
from .reduction import MEAN, Terms, reduced, terms_of
from .targets import expect_choice, matched_target

LOG_TWO = 0.6931471805599453


@known_keywords
def huber(
    y_true: Any, y_pred: Any, delta: float = 1.0, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """1/(mk) ΣΣ ½ (a − y)² where |a − y| ≤ δ, else δ (|a − y| − ½ δ): over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    delta : float
        δ, above 0: how large an error may be before it counts linearly. Default 1.
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
        If `delta` is not finite and above 0; if the targets' shape does not fit: when it is computed, since shapes are
        not known before.
    TypeError
        If `delta` is no number.

    Notes
    -----
    Its gradient at a is a − y within −δ … δ, divided by mk. Computed as c (e − ½ c), with the error e = a − y and c = e
    brought within −δ … δ, so that no square overflows.

    References: P. J. Huber, "Robust estimation of a location parameter" (1964).

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.huber(y, a), backend="reference")([1.0, 2.0], [1.5, 4.0])
    np.float32(0.8125)
    """
    return reduced("huber", (y_true, y_pred), sample_weight, reduction, (above_0("delta", delta),))


@terms_of("huber")
def _huber(delta: float, y: Node, a: Node) -> Terms:
    error = a - matched_target(y, a)
    near = _within(error, delta)
    return Terms(near * (error - 0.5 * near))


def _within(x: Expression, limit: float) -> Expression:
    return maximum(minimum(x, limit), -limit)


@known_keywords
def log_cosh(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/(mk) ΣΣ ln cosh(a − y): over m rows and k outputs, as in Keras.

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
    Near ½ (a − y)² where the error is small, near |a − y| − ln 2 where it is large. Its gradient at a is tanh(a − y) /
    (mk). Errors e up to 1 are computed as ln(1 − ½ expm1(e) expm1(−e)), which keeps the digits of small ones; others as
    |e| + ln(1 + exp(−2|e|)) − ln 2, which does not overflow.

    Also called "logcosh".

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.log_cosh(y, a), backend="reference")([1.0, 2.0], [1.0, 4.0])
    np.float32(0.66250134)
    """
    return reduced("log_cosh", (y_true, y_pred), sample_weight, reduction)


@terms_of("log_cosh")
def _log_cosh(y: Node, a: Node) -> Terms:
    error = a - matched_target(y, a)
    near, size = _within(error, 1.0), abs(error)
    small = log1p(-0.5 * (expm1(near) * expm1(-near)))
    large = (size + Operation("softplus", -2.0 * size)) - LOG_TWO
    return Terms(where_positive(size - 1.0, large, small))


@known_keywords
def quantile(
    y_true: Any, y_pred: Any, q: Any = 0.5, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """1/(mk) ΣΣ q (y − a) where y > a, else (1 − q) (a − y): the pinball loss, over m rows and k outputs.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). For several quantiles of shape (m,) or (m, 1):
        each output is compared with the same target. Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,); of shape (m, n) for n quantiles.
    q : float or sequence of float
        The quantile, between 0 and 1; or n of them, one for each output. Default 0.5.
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
        If `q` is not above 0 and below 1, or holds nothing; if the targets' shape does not fit: when it is computed,
        since shapes are not known before.
    TypeError
        If `q` holds what is no number.

    Notes
    -----
    Its least value has a as the quantile q of y: a share q of the targets lies below it; q = 0.5 is the median, and
    half the mean absolute error. Its gradient at a is −q where y > a, 1 − q where y < a, divided by mk; 0 where they
    are equal.

    References: R. Koenker, G. Bassett, "Regression quantiles" (1978); scikit-learn's `mean_pinball_loss` of `alpha`.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.quantile(y, a, q=0.75), backend="reference")([1.0, 2.0], [1.0, 4.0])
    np.float32(0.25)
    >>> bp.function([y, a], bp.quantile(y, a, q=(0.25, 0.75)), backend="reference")([2.0], [[1.0, 4.0]])
    np.float32(0.375)
    """
    return reduced("quantile", (y_true, y_pred), sample_weight, reduction, (_quantiles(q),))


def _quantiles(q: Any) -> float | tuple[float, ...]:
    """A quantile, or several, checked."""
    if isinstance(q, (Sequence, np.ndarray)) and not isinstance(q, (str, bytes)):
        several = tuple(real("q", one) for one in q)
        if not several or not all(0 < one < 1 for one in several):
            raise ValueError(f"q must hold numbers above 0 and below 1, got {q!r}")
        return several
    one = real("q", q)
    if not 0 < one < 1:
        raise ValueError(f"q must be above 0 and below 1, got {q!r}")
    return one


@terms_of("quantile")
def _quantile(q: float | tuple[float, ...], y: Node, a: Node) -> Terms:
    error = (_target_of_quantiles(len(q), y, a) if isinstance(q, tuple) else matched_target(y, a)) - a
    shares: Any = np.array(q) if isinstance(q, tuple) else q
    return Terms(shares * Operation("relu", error) + (1.0 - shares) * Operation("relu", -error))


def _target_of_quantiles(count: int, y: Node, a: Node) -> Expression:
    """y_true of shape (m, 1), for outputs of shape (m, count)."""
    if a.dims != (count,):
        raise ValueError(
            f"y_pred must have the shape {shape_text(a.rows, (count,))}, one output for each q, "
            f"got {shape_text(a.rows, a.dims)}"
        )
    expect_choice(a, per_class=False)
    if y.rows == a.rows and y.dims in ((), (1,)):
        return reshape(y, (1,)) if y.dims == () else y
    raise ValueError(
        f"{y.name or 'y_true'} must have the shape {shape_text(a.rows, (1,))} for several quantiles, "
        f"got {shape_text(y.rows, y.dims)}"
    )


logcosh = log_cosh
