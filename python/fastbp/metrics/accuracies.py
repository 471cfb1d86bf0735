"""The accuracies: functions (y_true, y_pred) of expressions whose batch means `fit` and `evaluate` report."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import known_keywords
from ..expressions.expression import Expression, Operation
from ..expressions.reductions import argmax
from ..losses.reduction import MEAN, Terms, reduced, terms_of
from ..losses.targets import is_labels, labels, matched_target
from ..lowering.lowering import Node


@known_keywords
def accuracy(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """The share predicted right: one of the three other accuracies, chosen by the loss and the shapes.

    Parameters
    ----------
    y_true : expression
        The targets, as the loss takes them.
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
        A scalar, 0 to 1, or of shape (m,) where `reduction` is None; it has no gradient.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed.

    Notes
    -----
    In a model whose loss is `binary_crossentropy`: `binary_accuracy`, since each output then answers a question of its
    own. Otherwise by the shapes, as in Keras: one output: `binary_accuracy`; several outputs and labels:
    `sparse_categorical_accuracy`; all else: `categorical_accuracy`. A NaN among the outputs gives NaN.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.accuracy(y, a), backend="reference")([1, 0], [[0.1, 0.9], [0.3, 0.7]])
    np.float32(0.5)
    """
    return reduced("accuracy", (y_true, y_pred), sample_weight, reduction)


@terms_of("accuracy")
def _accuracy(y: Node, a: Node) -> Terms:
    if a.dims in ((), (1,)):
        return _binary(y, a)
    return _sparse(y, a) if is_labels(y, a) else _categorical(y, a)


@known_keywords
def binary_accuracy(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """The share of outputs on the target's side of 0.5.

    Parameters
    ----------
    y_true : expression
        Zeros and ones, of the outputs' shape; (m,) stands for (m, 1).
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
        A scalar, 0 to 1, or of shape (m,) where `reduction` is None; it has no gradient.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed.

    Notes
    -----
    An output is right where y = 1 and a > 0.5, or y = 0 and not a > 0.5. A NaN gives NaN.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.binary_accuracy(y, a), backend="reference")([1, 0, 1], [0.9, 0.5, 0.2])
    np.float32(0.6666667)
    """
    return reduced("binary_accuracy", (y_true, y_pred), sample_weight, reduction)


@terms_of("binary_accuracy")
def _binary(y: Node, a: Node) -> Terms:
    return Terms(Operation("equal", matched_target(y, a), Operation("greater", a, 0.5)))


@known_keywords
def categorical_accuracy(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """The share of rows whose largest output is where the largest target is.

    Parameters
    ----------
    y_true : expression
        One-hot rows, of the outputs' shape.
    y_pred : expression
        The outputs a, of shape (m, k).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar, 0 to 1, or of shape (m,) where `reduction` is None; it has no gradient.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed.

    Notes
    -----
    Where several are largest, the first counts. A NaN gives NaN.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> f = bp.function([y, a], bp.categorical_accuracy(y, a), backend="reference")
    >>> f([[0, 1], [1, 0]], [[0.1, 0.9], [0.3, 0.7]])
    np.float32(0.5)
    """
    return reduced("categorical_accuracy", (y_true, y_pred), sample_weight, reduction)


@terms_of("categorical_accuracy")
def _categorical(y: Node, a: Node) -> Terms:
    return Terms(Operation("equal", argmax(matched_target(y, a)), argmax(a)))


@known_keywords
def sparse_categorical_accuracy(
    y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN
) -> Expression:
    """The share of rows whose largest output is the label's.

    Parameters
    ----------
    y_true : expression
        Labels, whole numbers 0 … k − 1, of shape (m,) or (m, 1).
    y_pred : expression
        The outputs a, of shape (m, k).
    sample_weight : expression or number, optional
        Of shape (m,) or (m, 1): what the row's value is multiplied by. Default 1.
    reduction : str or None
        "sum_over_batch_size" divides the sum over rows by m, "mean_with_sample_weight" by the sum of the weights, "sum"
        by nothing; None gives the value of each row. Default "sum_over_batch_size".

    Returns
    -------
    Expression
        A scalar, 0 to 1, or of shape (m,) where `reduction` is None; it has no gradient.

    Raises
    ------
    ValueError
        If the targets' shape does not fit: when it is computed.

    Notes
    -----
    Where several are largest, the first counts. A NaN gives NaN.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.sparse_categorical_accuracy(y, a), backend="reference")([1, 0], [[0.1, 0.9], [0.3, 0.7]])
    np.float32(0.5)
    """
    return reduced("sparse_categorical_accuracy", (y_true, y_pred), sample_weight, reduction)


@terms_of("sparse_categorical_accuracy")
def _sparse(y: Node, a: Node) -> Terms:
    return Terms(Operation("equal", labels(y, a), argmax(a)))
