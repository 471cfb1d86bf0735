"""Losses of probabilities: the cross entropies and the divergence of distributions."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import finite, known_keywords, truth, whole
from ..expressions.expression import Expression, Operation
from ..expressions.functions import abs, log, maximum, where_positive
from ..expressions.reductions import sum
from ..lowering import domains
from ..lowering.lowering import Node
from .reduction import MEAN, Terms, reduced, terms_of
from .targets import (
    doubt_logits,
    expect_choice,
    expect_probabilities,
    is_labels,
    labels,
    logits,
    matched_target,
    times_log,
)


@known_keywords
def cross_entropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    sample_weight: Any = None,
    reduction: str | None = MEAN,
) -> Expression:
    """−1/m ΣΣ [y ln a + (1 − y) ln(1 − a)], the lecture's: summed over the outputs, averaged over m rows.

    Parameters
    ----------
    y_true : expression
        The targets y, probabilities 0 … 1, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    from_logits : bool
        Whether `y_pred` holds logits, as those of a linear layer, of which the sigmoid is taken. Default False.
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
    TypeError
        If `from_logits` is neither True nor False.

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
    options = (truth("from_logits", from_logits),)
    return reduced("cross_entropy", (y_true, y_pred), sample_weight, reduction, options)


@terms_of("cross_entropy")
def _cross_entropy(from_logits: bool, y: Node, a: Node) -> Terms:
    return Terms(_binary_terms(y, a, "cross_entropy", from_logits), divisor=1)


@known_keywords
def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    sample_weight: Any = None,
    reduction: str | None = MEAN,
) -> Expression:
    """−1/(mk) ΣΣ [y ln a + (1 − y) ln(1 − a)]: over m rows and k outputs, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        The targets y, probabilities 0 … 1, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).
    from_logits : bool
        Whether `y_pred` holds logits, as those of a linear layer, of which the sigmoid is taken. Default False.
    label_smoothing : float
        s, from 0 to 1: targets y become y (1 − s) + ½ s. Default 0.
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
        If `label_smoothing` is not within 0 … 1. If the targets' shape does not fit: when it is computed, since shapes
        are not known before. If a model or `minimize` gets a target outside 0 … 1, by more than 1e-6; `function`
        computes the formula.
    TypeError
        If `from_logits` is neither True nor False, or `label_smoothing` no number.

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
    options = (truth("from_logits", from_logits), _smoothing(label_smoothing))
    return reduced("binary_crossentropy", (y_true, y_pred), sample_weight, reduction, options)


@terms_of("binary_crossentropy")
def _binary(from_logits: bool, label_smoothing: float, y: Node, a: Node) -> Terms:
    return Terms(_binary_terms(y, a, "binary_crossentropy", from_logits, label_smoothing))


def _binary_terms(y: Node, a: Node, loss: str, from_logits: bool, label_smoothing: float = 0.0) -> Expression:
    """−[y ln a + (1 − y) ln(1 − a)], element by element."""
    target = _smoothed(matched_target(y, a), label_smoothing, 2)
    y.expect(domains.probabilities(loss))
    stable = _of_logits("sigmoid", a, target, from_logits)
    if stable is not None:
        return stable
    expect_probabilities(a, loss, "sigmoid")
    return -(_times_log(target, a) + _times_log(1.0 - target, 1.0 - a))


def _of_logits(function: str, a: Node, target: Expression, from_logits: bool, sparse: str = "") -> Expression | None:
    """The stable form, of the z whose sigmoid or softmax is `a`, or of `a` itself; None if there is no z."""
    operation = f"{sparse}{function}_cross_entropy"
    z = logits(a, function)
    if from_logits:
        if z is not None:
            doubt_logits(a, function)
        return Operation(operation, a, Operation(function, a), target)
    return None if z is None else Operation(operation, z, a, target)


def _smoothing(label_smoothing: Any) -> float:
    smoothing = finite("label_smoothing", label_smoothing)
    if smoothing > 1:
        raise ValueError(f"label_smoothing must be at most 1, got {smoothing}")
    return smoothing


def _smoothed(target: Expression, smoothing: float, classes: int) -> Expression:
    """The targets, drawn to those of classes that are all as likely."""
    return target if smoothing == 0 else target * (1.0 - smoothing) + smoothing / classes


def _times_log(y: Expression, a: Expression, total: Expression | None = None) -> Expression:
    """y·ln a, or y·ln(a ÷ total); where y and a are 0, it and its gradients are 0. NaN stays NaN."""
    share = a if total is None else a / total
    return y * log(where_positive(maximum(abs(y), a), share, maximum(a, 1.0)))


@known_keywords
def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    sample_weight: Any = None,
    reduction: str | None = MEAN,
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
    from_logits : bool
        Whether `y_pred` holds logits, as those of a linear layer, of which the softmax is taken. Default False.
    label_smoothing : float
        s, from 0 to 1: targets y become y (1 − s) + s/k, also those of labels. Default 0.
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
        If `label_smoothing` is not within 0 … 1. If the targets' shape does not fit, or a label is not within 0 … k −
        1: when it is computed. If a model or `minimize` gets a negative target; `function` computes the formula.
    TypeError
        If `from_logits` is neither True nor False, or `label_smoothing` no number.

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
    options = (truth("from_logits", from_logits), _smoothing(label_smoothing))
    return reduced("categorical_crossentropy", (y_true, y_pred), sample_weight, reduction, options)


@terms_of("categorical_crossentropy")
def _categorical(from_logits: bool, label_smoothing: float, y: Node, a: Node) -> Terms:
    if is_labels(y, a):
        if label_smoothing == 0:
            return _sparse(from_logits, None, y, a)
        target: Expression = Operation("one_hot", labels(y, a), integers=(a.dims[-1],))
    else:
        target = matched_target(y, a)
        expect_choice(a, per_class=True)
        y.expect(domains.shares("categorical_crossentropy"))
    target = _smoothed(target, label_smoothing, a.dims[-1] if a.dims else 1)
    stable = _of_logits("softmax", a, target, from_logits) if a.dims else None
    if stable is not None:
        return Terms(stable)
    expect_probabilities(a, "categorical_crossentropy", "softmax")
    if not a.dims:
        return Terms(-_times_log(target, a))
    return Terms(-sum(_times_log(target, a, sum(a, axis=-1, keepdims=True)), axis=-1))


@known_keywords
def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    sample_weight: Any = None,
    reduction: str | None = MEAN,
) -> Expression:
    """−1/m Σ ln(a[label] ÷ Σa): over m rows of k classes, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        Labels, whole numbers 0 … k − 1, of shape (m,) or (m, 1).
    y_pred : expression
        The probabilities a, of shape (m, k), or numbers above 0 that become probabilities when each row is divided by
        its sum Σa.
    from_logits : bool
        Whether `y_pred` holds logits, as those of a linear layer, of which the softmax is taken. Default False.
    ignore_class : int, optional
        A label of rows that do not count: their value is 0, and means are over the other rows. It may be one that is no
        class, such as −1 or 255, which metrics such as the accuracy refuse. Default: none.
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
    TypeError
        If `from_logits` is neither True nor False, or `ignore_class` no whole number.

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
    options = (truth("from_logits", from_logits), None if ignore_class is None else whole("ignore_class", ignore_class))
    return reduced("sparse_categorical_crossentropy", (y_true, y_pred), sample_weight, reduction, options)


@terms_of("sparse_categorical_crossentropy")
def _sparse(from_logits: bool, ignore_class: int | None, y: Node, a: Node) -> Terms:
    target = labels(y, a, ignore_class)
    if ignore_class is None:
        return Terms(_sparse_terms(from_logits, target, a))
    ignored = Operation("equal", target, float(ignore_class))
    terms = _sparse_terms(from_logits, where_positive(ignored, 0.0, target), a)
    return Terms(where_positive(ignored, 0.0, terms), counts=1.0 - ignored)


def _sparse_terms(from_logits: bool, label: Expression, a: Node) -> Expression:
    """−ln a[label], one per row."""
    stable = _of_logits("softmax", a, label, from_logits, "sparse_")
    if stable is not None:
        return stable
    expect_probabilities(a, "a categorical loss of labels", "softmax")
    return -log(Operation("pick", a, label) / sum(a, axis=-1))


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
