"""Losses of margins: how far an output lies on the right side, as support vector machines count it."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import known_keywords
from ..expressions.expression import Expression, Operation
from ..expressions.functions import square
from ..expressions.reductions import max, sum
from ..expressions.shape_rules import shape_text
from ..lowering import domains
from ..lowering.lowering import Node
from .reduction import MEAN, Terms, reduced, terms_of
from .targets import expect_choice, is_labels, labels, matched_target


@known_keywords
def hinge(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/(mk) ΣΣ max(1 − y a, 0): over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The classes y, −1 and 1, or 0 and 1, where 0 counts as −1; of the outputs' shape, (m,) stands for (m, 1). Any
        other shape is an error.
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
        `minimize` gets a target outside −1 … 1; `function` computes the formula.

    Notes
    -----
    Its gradient at a is −y / (mk) where y a < 1, else 0. An output is any number, such as that of a linear layer: its
    sign is the class. (Keras reads 0 as −1 only where a batch has no other numbers than 0 and 1.)

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.hinge(y, a), backend="reference")([-1.0, 1.0], [0.5, 2.0])
    np.float32(0.75)
    """
    return reduced("hinge", (y_true, y_pred), sample_weight, reduction)


@terms_of("hinge")
def _hinge(y: Node, a: Node) -> Terms:
    return Terms(_lack_of_margin(y, a, "hinge"))


@known_keywords
def squared_hinge(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/(mk) ΣΣ max(1 − y a, 0)²: over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The classes y, −1 and 1, or 0 and 1, where 0 counts as −1; of the outputs' shape, (m,) stands for (m, 1). Any
        other shape is an error.
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
        `minimize` gets a target outside −1 … 1; `function` computes the formula.

    Notes
    -----
    Its gradient at a is −2 y max(1 − y a, 0) / (mk). An output is any number, such as that of a linear layer: its sign
    is the class. (Keras reads 0 as −1 only where a batch has no other numbers than 0 and 1.)

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.squared_hinge(y, a), backend="reference")([-1.0, 1.0], [0.5, 2.0])
    np.float32(1.125)
    """
    return reduced("squared_hinge", (y_true, y_pred), sample_weight, reduction)


@terms_of("squared_hinge")
def _squared_hinge(y: Node, a: Node) -> Terms:
    return Terms(square(_lack_of_margin(y, a, "squared_hinge")))


def _lack_of_margin(y: Node, a: Node, loss: str) -> Expression:
    """max(1 − y a, 0), element by element."""
    target = matched_target(y, a)
    y.expect(domains.signs(loss))
    sign = target - Operation("equal", target, 0.0)
    return Operation("relu", 1.0 - sign * a)


@known_keywords
def categorical_hinge(y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = MEAN) -> Expression:
    """1/m Σ max(max((1 − y) a) − Σ y a + 1, 0): over m rows of k classes, as in Keras; the targets may be labels.

    Parameters
    ----------
    y_true : expression
        One-hot rows, of the outputs' shape (m, k); or labels, whole numbers 0 … k − 1, of shape (m,) or (m, 1).
    y_pred : expression
        The outputs a, any numbers, of shape (m, k).
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
        If the outputs have no features, the targets' shape does not fit, or a label is not within 0 … k − 1: when it is
        computed. If a model or `minimize` gets a target outside −1 … 1 that is no label; `function` computes the
        formula.

    Notes
    -----
    For one-hot rows: by how much the largest output of another class, or 0, comes closer than 1 to that of the row's
    class. Where that is above 0, its gradient at a is (1 − y)/m at the first largest of (1 − y) a, and −y/m everywhere;
    else 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.categorical_hinge(y, a), backend="reference")([[0.0, 1.0]], [[2.0, 2.5]])
    np.float32(0.5)
    """
    return reduced("categorical_hinge", (y_true, y_pred), sample_weight, reduction)


@terms_of("categorical_hinge")
def _categorical_hinge(y: Node, a: Node) -> Terms:
    target = _one_hot(y, a)
    wrong = max((1.0 - target) * a, axis=-1)
    return Terms(Operation("relu", (wrong - sum(target * a, axis=-1)) + 1.0))


def _one_hot(y: Node, a: Node) -> Expression:
    """The targets as rows of the outputs' shape."""
    if is_labels(y, a):
        return Operation("one_hot", labels(y, a), integers=(a.dims[-1],))
    target = matched_target(y, a)
    if not a.dims:
        raise ValueError(f"a categorical loss needs outputs of shape (rows, classes), got {shape_text(a.rows, a.dims)}")
    expect_choice(a, per_class=True)
    y.expect(domains.signs("categorical_hinge"))
    return target
