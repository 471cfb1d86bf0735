"""Losses of counts and amounts, which are not negative: likelihoods and deviances of exponential families."""

from __future__ import annotations

import math
from typing import Any

from .._shared.arguments import known_keywords, real
from ..expressions.expression import Expression, Operation
from ..expressions.expression import power as raised
from ..expressions.functions import log1p, maximum, square, where_positive
from ..lowering import domains
from ..lowering.lowering import Node
from .reduction import MEAN, Terms, reduced, terms_of
from .targets import matched_target, times_log


@known_keywords
def poisson(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/(mk) ΣΣ (a − y ln a): over m rows and k outputs, as in Keras without its 1e-7.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The expected values a, at least 0, of shape (m, k) or (m,): such as those of an `exp` or `softplus`.
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
        `minimize` gets a negative target; `function` computes the formula.

    Notes
    -----
    The negative log-likelihood of counts y with the expected values a, but for ln y!, which a does not change. Its
    gradient at a is (1 − y/a) / (mk). 0·ln 0 = 0, so that a = 0 costs nothing where y = 0; the logarithm of a number
    below 0 is NaN. (Keras has ln(a + 1e-7).)

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.poisson(y, a), backend="reference")([0.0, 2.0], [1.0, 1.0])
    np.float32(1.0)
    """
    return reduced("poisson", (y_true, y_pred), sample_weight, reduction)


@terms_of("poisson")
def _poisson(y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    y.expect(domains.not_negative("poisson"))
    return Terms(a - times_log(target, a))


@known_keywords
def gamma_deviance(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """2/(mk) ΣΣ [ln(a/y) + y/a − 1]: the deviance of the gamma distribution, over m rows and k outputs.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The expected values a, above 0, of shape (m, k) or (m,): such as those of an `exp` or `softplus`.
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
        `minimize` gets a target that is not above 0; `function` computes the formula.

    Notes
    -----
    It depends on the ratio y/a alone: errors count relative to the size of what is expected. Its gradient at a is 2 (a
    − y) / (mk a²). Outputs of 0 and below give NaN. Computed from (y − a)/a, so that it keeps its digits near 0.

    References: P. McCullagh, J. A. Nelder, Generalized Linear Models (1989), table 2.1; scikit-learn's
    `mean_gamma_deviance`.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.gamma_deviance(y, a), backend="reference")([1.0, 2.0], [1.0, 1.0])
    np.float32(0.30685282)
    """
    return reduced("gamma_deviance", (y_true, y_pred), sample_weight, reduction)


@terms_of("gamma_deviance")
def _gamma_deviance(y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    y.expect(domains.positive("gamma_deviance"))
    return _gamma_terms(target, _positive(a))


def _gamma_terms(target: Expression, a: Expression) -> Terms:
    return Terms((target - a) / a - _log_ratio(target, a), scale=2.0)


def _positive(a: Expression) -> Expression:
    """a, or NaN where it is not above 0: a power or a square would hide it."""
    return where_positive(a, a, math.nan)


def _log_ratio(y: Expression, a: Expression) -> Expression:
    """ln(y/a), of the ratio's distance from 1: near 1 it keeps its digits."""
    return where_positive(y - a, log1p((y - a) / a), -log1p((a - y) / y))


@known_keywords
def tweedie_deviance(
    y_true: Any, y_pred: Any, power: float = 1.5, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """1/(mk) ΣΣ d(y, a), the deviance of a Tweedie distribution of a power p: over m rows and k outputs.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The expected values a, above 0 but for p = 0, of shape (m, k) or (m,): such as those of an `exp` or `softplus`.
    power : float
        p: 0 for normal targets, 1 for counts (Poisson), between 1 and 2 for amounts that may be 0 (compound Poisson), 2
        for gamma, 3 for inverse Gaussian ones; any number but those between 0 and 1. Default 1.5.
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
        If `power` lies between 0 and 1, or is not finite; if the targets' shape does not fit: when it is computed,
        since shapes are not known before. If a model or `minimize` gets a negative target for 1 ≤ p < 2, or one that is
        not above 0 for p ≥ 2; `function` computes the formula.
    TypeError
        If `power` is no number.

    Notes
    -----
    d is 2 [max(y, 0)²⁻ᵖ / ((1 − p)(2 − p)) − y a¹⁻ᵖ / (1 − p) + a²⁻ᵖ / (2 − p)]; (y − a)² for p = 0; 2 [y ln(y/a) − y +
    a] for p = 1, with 0·ln 0 = 0; 2 [ln(a/y) + y/a − 1] for p = 2. It is 0 where a = y. Its gradient at a is 2 (a − y)
    / (mk aᵖ): the variance of y is taken to grow as aᵖ. Outputs of 0 and below give NaN, but for p = 0.

    References: B. Jørgensen, "Exponential dispersion models" (1987); scikit-learn's `mean_tweedie_deviance`.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.tweedie_deviance(y, a), backend="reference")([0.0, 4.0], [1.0, 4.0])
    np.float32(2.0)
    """
    power = real("power", power)
    if not math.isfinite(power) or 0 < power < 1:
        raise ValueError(
            f"power must be at most 0 or at least 1, and finite, got {power}: there is no such distribution"
        )
    return reduced("tweedie_deviance", (y_true, y_pred), sample_weight, reduction, (power,))


@terms_of("tweedie_deviance")
def _tweedie_deviance(power: float, y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    if power >= 1:
        y.expect((domains.positive if power >= 2 else domains.not_negative)("tweedie_deviance"))
    if power == 0:
        return Terms(square(a - target))
    mean = _positive(a)
    if power == 1:
        return Terms(Operation("product_or_zero", target, _log_ratio(target, mean)) - (target - mean), scale=2.0)
    if power == 2:
        return _gamma_terms(target, mean)
    above = maximum(target, 0.0) if power < 0 else target
    own = raised(above, 2 - power) / ((1 - power) * (2 - power))
    mixed = target * raised(mean, 1 - power) / (1 - power)
    return Terms((own - mixed) + raised(mean, 2 - power) / (2 - power), scale=2.0)
