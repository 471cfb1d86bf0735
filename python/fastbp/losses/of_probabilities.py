"""Losses of probabilities: the cross entropies and the divergence of distributions."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import known_keywords
from ..expressions.expression import Expression, Operation
from ..expressions.functions import abs, log, maximum, where_positive
from ..expressions.reductions import sum
from ..lowering import domains
from ..lowering.lowering import Node
from .reduction import MEAN, Terms, reduced, terms_of
from .targets import expect_choice, expect_probabilities, is_labels, labels, logits, matched_target, times_log


@known_keywords
def cross_entropy(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """−1/m ΣΣ [y ln a + (1 − y) ln(1 − a)], the lecture's: summed over the outputs, averaged over m rows.

    Parameters
    ----------
    y_true : expression
        The targets y, probabilities 0 … 1, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
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
        `minimize` gets a target outside 0 … 1, by more than 1e-6; `function` computes the formula.

    Notes
    -----
    Where `y_pred` is a sigmoid, it is computed from the logits z, without overflow: (relu(z) − z·y) + ln(1 + exp(−|z|))
    per output, with gradient a − y (rule 7 of the numeric contract). Otherwise by the formula, with 0·ln 0 = 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, z = bp.input("y"), bp.input("z")
    >>> p = bp.sigmoid(z)
    >>> f = bp.function([y, z], bp.cross_entropy(y, p), gradients=[p, z], dtype="float64", backend="reference")
    >>> cost, (dp, dz) = f([1.0], [1.0])
    >>> print(f"{cost:.6f} {dp[0]:.6f} {dz[0]:.6f}")
    0.313262 -1.367879 -0.268941
    """
    return reduced("cross_entropy", (y_true, y_pred), sample_weight, reduction)


@terms_of("cross_entropy")
def _cross_entropy(y: Node, a: Node) -> Terms:
    return Terms(_binary_terms(y, a, "cross_entropy"), divisor=1)


@known_keywords
def binary_crossentropy(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """−1/(mk) ΣΣ [y ln a + (1 − y) ln(1 − a)]: over m rows and k outputs, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        The targets y, probabilities 0 … 1, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
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
        `minimize` gets a target outside 0 … 1, by more than 1e-6; `function` computes the formula.

    Notes
    -----
    Where `y_pred` is a sigmoid, it is computed from the logits z, without overflow: (relu(z) − z·y) + ln(1 + exp(−|z|))
    per output, with gradient a − y (rule 7 of the numeric contract). Otherwise by the formula, with 0·ln 0 = 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.binary_crossentropy(y, bp.sigmoid(a)), backend="reference")([1.0, 0.0], [0.0, 0.0])
    np.float32(0.6931472)
    """
    return reduced("binary_crossentropy", (y_true, y_pred), sample_weight, reduction)


@terms_of("binary_crossentropy")
def _binary(y: Node, a: Node) -> Terms:
    return Terms(_binary_terms(y, a, "binary_crossentropy"))


def _binary_terms(y: Node, a: Node, loss: str) -> Expression:
    """−[y ln a + (1 − y) ln(1 − a)], element by element."""
    target = matched_target(y, a)
    y.expect(domains.probabilities(loss))
    z = logits(a, "sigmoid")
    if z is not None:
        return Operation("sigmoid_cross_entropy", z, a, target)
    expect_probabilities(a, loss, "sigmoid")
    return -(_times_log(target, a) + _times_log(1.0 - target, 1.0 - a))


def _times_log(y: Expression, a: Expression, total: Expression | None = None) -> Expression:
    """y·ln a, or y·ln(a ÷ total); where y and a are 0, it and its gradients are 0. NaN stays NaN."""
    share = a if total is None else a / total
    return y * log(where_positive(maximum(abs(y), a), share, maximum(a, 1.0)))


@known_keywords
def categorical_crossentropy(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """−1/m ΣΣ y ln(a ÷ Σa): over m rows of k classes, as in Keras without its clipping; the targets may be labels.

    Parameters
    ----------
    y_true : expression
        One-hot rows or other distributions, also times a weight of the row, of the outputs' shape (m, k); or labels as
        for `sparse_categorical_crossentropy`.
    y_pred : expression
        The probabilities a, of shape (m, k), or numbers above 0 that become probabilities when each row is divided by
        its sum Σa.
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
        If the targets' shape does not fit, or a label is not within 0 … k − 1: when it is computed. If a model or
        `minimize` gets a negative target; `function` computes the formula.

    Notes
    -----
    Where `y_pred` is a softmax, whose rows sum to 1, it is computed from the logits, as −ln softmax, without overflow,
    with gradient a·Σy − y at them and −y/a at the softmax (rule 7 of the numeric contract). Otherwise by the formula,
    with gradient Σy/Σa − y/a. 0·ln 0 = 0, so a row of zeros counts nothing but as a row. Nothing is clipped.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> f = bp.function([y, a], bp.categorical_crossentropy(y, bp.softmax(a)), backend="reference")
    >>> f([[0.0, 1.0]], [[1.0, 1.0]])
    np.float32(0.6931472)
    """
    return reduced("categorical_crossentropy", (y_true, y_pred), sample_weight, reduction)


@terms_of("categorical_crossentropy")
def _categorical(y: Node, a: Node) -> Terms:
    if is_labels(y, a):
        return _sparse(y, a)
    target = matched_target(y, a)
    expect_choice(a, per_class=True)
    y.expect(domains.shares("categorical_crossentropy"))
    z = logits(a, "softmax")
    if z is not None:
        return Terms(Operation("softmax_cross_entropy", z, a, target))
    expect_probabilities(a, "categorical_crossentropy", "softmax")
    if not a.dims:
        return Terms(-_times_log(target, a))
    return Terms(-sum(_times_log(target, a, sum(a, axis=-1, keepdims=True)), axis=-1))


@known_keywords
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """−1/m Σ ln(a[label] ÷ Σa): over m rows of k classes, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        Labels, whole numbers 0 … k − 1, of shape (m,) or (m, 1).
    y_pred : expression
        The probabilities a, of shape (m, k), or numbers above 0 that become probabilities when each row is divided by
        its sum Σa.
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
        If the shapes do not fit, or a label is not a whole number within 0 … k − 1: when it is computed.

    Notes
    -----
    Where `y_pred` is a softmax, whose rows sum to 1, it is computed from the logits, as −ln softmax, without overflow,
    with gradient a − one_hot(label) at them and −one_hot(label)/a at the softmax (rule 7 of the numeric contract).
    Otherwise by the formula, with gradient 1/Σa − one_hot(label)/a. Nothing is clipped.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> f = bp.function([y, a], bp.sparse_categorical_crossentropy(y, bp.softmax(a)), backend="reference")
    >>> f([1, 0], [[1.0, 1.0], [3.0, 3.0]])
    np.float32(0.6931472)
    """
    return reduced("sparse_categorical_crossentropy", (y_true, y_pred), sample_weight, reduction)


@terms_of("sparse_categorical_crossentropy")
def _sparse(y: Node, a: Node) -> Terms:
    target = labels(y, a)
    z = logits(a, "softmax")
    if z is not None:
        return Terms(Operation("sparse_softmax_cross_entropy", z, a, target))
    expect_probabilities(a, "a categorical loss of labels", "softmax")
    return Terms(-log(Operation("pick", a, target) / sum(a, axis=-1)))


@known_keywords
def kl_divergence(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/m ΣΣ y ln(y/a), the Kullback-Leibler divergence: over m rows, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        The distributions y, rows of shares 0 … 1, of the outputs' shape. Any other shape is an error.
    y_pred : expression
        The distributions a, of shape (m, k): the last axis is summed over, any before it are averaged over.
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
    What the cross entropy of y and a has more than y's own entropy: 0 where they are equal. 0·ln 0 = 0: a class of y =
    0 costs nothing, and has the gradient −ln a by y. Rows of outputs are not divided by their sums. Where `y_pred` is a
    softmax, it is computed from the logits, with gradient (a·Σy − y)/m at them and −y/(ma) at the softmax (rule 7 of
    the numeric contract). Nothing is clipped. (Keras brings y and a within 1e-7 … 1.)

    Also called "kld".

    References: S. Kullback, R. A. Leibler, "On information and sufficiency" (1951).

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.kl_divergence(y, a), backend="reference")([[0.0, 1.0]], [[0.5, 0.5]])
    np.float32(0.6931472)
    """
    return reduced("kl_divergence", (y_true, y_pred), sample_weight, reduction)


@terms_of("kl_divergence")
def _kl_divergence(y: Node, a: Node) -> Terms:
    target = matched_target(y, a)
    y.expect(domains.shares("kl_divergence"))
    own = times_log(target, target)
    z = logits(a, "softmax")
    if z is not None:
        return Terms(Operation("softmax_cross_entropy", z, a, target) + sum(own, axis=-1))
    expect_probabilities(a, "kl_divergence", "softmax")
    terms = own - times_log(target, a)
    return Terms(sum(terms, axis=-1) if a.dims else terms)


bce = binary_crossentropy
kld = kl_divergence
