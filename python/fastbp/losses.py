"""The losses: functions (y_true, y_pred) of expressions that give a scalar, over m rows and k outputs.

Where y_pred is a softmax or a sigmoid, the cross entropies take the stable form of rule 7 of the numeric contract, from
the logits. The plain formulas read 0·ln 0 as 0; those of classes divide each row of outputs by its sum.

y_true of shape (m,) stands for (m, 1) where there is one output; nothing else is broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._shared.arguments import real_array, truth
from ._shared.nearest import look_up_either_way
from .expressions.expression import Expression, Operation, Shaped
from .expressions.functions import abs, call, exp, log, maximum, reshape, square, where_positive
from .expressions.reductions import mean, sum
from .expressions.shape_rules import divided_by_rows, shape_text
from .lowering import domains
from .lowering.identities import below_identities
from .lowering.lowering import Node
from .lowering.ranges import can_leave_probabilities

Loss = Callable[[Any, Any], Expression]

HALF_LOG_TWO_PI = 0.9189385332046727  # ½ ln 2π


def matched_target(y_true: Node, y_pred: Node) -> Expression:
    """y_true in the shape of y_pred, or an error: targets are not broadcast."""
    _expect_choice(y_pred, per_class=False)
    if y_true.shape == y_pred.shape:
        return y_true
    if y_true.rows == y_pred.rows and y_true.dims == () and y_pred.dims == (1,):
        return reshape(y_true, (1,))
    raise ValueError(
        f"{y_true.name or 'y_true'} must have the shape {shape_text(y_pred.rows, y_pred.dims)} of the outputs, "
        f"got {shape_text(y_true.rows, y_true.dims)}"
    )


def labels(y_true: Node, y_pred: Node) -> Expression:
    """y_true as labels, one per row of outputs: (m,) or (m, 1) for outputs (m, k)."""
    if not y_pred.dims:
        raise ValueError(
            f"a categorical loss needs outputs of shape (rows, classes), got {shape_text(y_pred.rows, y_pred.dims)}"
        )
    _expect_choice(y_pred, per_class=True)
    *leading, classes = y_pred.dims
    expected = tuple(leading)
    if y_true.rows != y_pred.rows or y_true.dims not in (expected, (*expected, 1)):
        raise ValueError(
            f"{y_true.name or 'y_true'} must hold one label per row, of shape "
            f"{shape_text(y_pred.rows, expected)}, got {shape_text(y_true.rows, y_true.dims)}"
        )
    y_true.expect(domains.labels(classes))
    return y_true if y_true.dims == expected else reshape(y_true, expected)


def _expect_choice(y_pred: Node, per_class: bool) -> None:
    """Objects to outputs that are no choice between classes: a softmax over one unit, or one output, if `per_class`."""
    remedy = "use a sigmoid with binary_crossentropy for two classes, or one unit for each class"
    p = below_identities(y_pred, y_pred.lowering.training)
    if p.operation == "softmax" and p.dims[-1:] == (1,):
        y_pred.lowering.objections.append(f"the softmax over one unit{_where(p)} is always 1: {remedy}")
    elif per_class and y_pred.dims[-1:] == (1,):
        y_pred.lowering.objections.append(
            f"a categorical loss needs an output for each class, got one{_where(y_pred)}: {remedy}"
        )


def _expect_probabilities(y_pred: Node, loss: str, function: str) -> None:
    """Doubts outputs that are no probabilities: those of a layer without its activation."""
    if can_leave_probabilities(y_pred):
        y_pred.lowering.doubts.append(
            f"{loss} takes probabilities, but the outputs{_where(y_pred)} are not confined to 0 … 1: does the last "
            f"layer lack its {function}?"
        )


def _where(node: Node) -> str:
    return f" in {node.name!r}" if node.name else ""


def is_labels(y_true: Node, y_pred: Node) -> bool:
    """Whether y_true holds labels, rather than one number per output."""
    if y_true.dims == y_pred.dims or not y_pred.dims or y_pred.dims == (1,):
        return False
    return y_true.dims in (y_pred.dims[:-1], (*y_pred.dims[:-1], 1))


def logits(a: Node, function: str) -> Expression | None:
    """The z of which `a` has the values function(z), in the shape of `a`: function is "sigmoid" or "softmax".

    Nodes between that change no value are looked through; those after a softmax must keep its last axis.
    """
    p = below_identities(a, a.lowering.training)
    if p.operation != function or (function == "softmax" and p.dims[-1:] != a.dims[-1:]):
        return None
    return reshape(p.operand(0), a.dims)


def mean_squared_error(y_true: Any, y_pred: Any) -> Expression:
    """1/(mk) ΣΣ (a − y)²: over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).

    Returns
    -------
    Expression
        A scalar.

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
    return call(_mean_squared_error, y_true, y_pred, name="mean_squared_error")


def _mean_squared_error(y: Node, a: Node) -> Expression:
    return mean(square(a - matched_target(y, a)))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Expression:
    """1/(mk) ΣΣ |a − y|: over m rows and k outputs, as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).

    Returns
    -------
    Expression
        A scalar.

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
    return call(_mean_absolute_error, y_true, y_pred, name="mean_absolute_error")


def _mean_absolute_error(y: Node, a: Node) -> Expression:
    return mean(abs(a - matched_target(y, a)))


def quadratic(y_true: Any, y_pred: Any) -> Expression:
    """1/(2m) Σ‖y − a‖², the lecture's quadratic cost: summed over the outputs, averaged over m rows.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).

    Returns
    -------
    Expression
        A scalar.

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
    return call(_quadratic, y_true, y_pred, name="quadratic")


def _quadratic(y: Node, a: Node) -> Expression:
    return Shaped(divided_by_rows, (sum(square(a - matched_target(y, a))), a), 2)


def gaussian_nll(y_true: Any, y_pred: Any, variance: Any = None, full: bool = False) -> Expression:
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

    Returns
    -------
    Expression
        A scalar.

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
    cost = call(_gaussian, *operands, name="gaussian_nll")
    return cost + HALF_LOG_TWO_PI if truth("full", full) else cost


def _gaussian(y: Node, a: Node, variance: Node | None = None) -> Expression:
    if variance is not None:
        sizes = zip(reversed(variance.dims), reversed(a.dims))
        if variance.rows > a.rows or len(variance.dims) > len(a.dims) or any(v not in (1, d) for v, d in sizes):
            raise ValueError(
                f"variance must have the shape {shape_text(a.rows, a.dims)} of the means, or one that broadcasts "
                f"to it, got {shape_text(variance.rows, variance.dims)}"
            )
        return 0.5 * mean(log(variance) + square(a - matched_target(y, a)) / variance)
    outputs = 1 if y.dims == () else y.dims[-1]
    if y.rows != a.rows or a.dims != (*y.dims[:-1], 2 * outputs):
        return 0.5 * mean(square(a - matched_target(y, a)))
    target = reshape(y, (1,)) if y.dims == () else y
    means, log_variances = a[..., :outputs], a[..., outputs:]
    return 0.5 * mean(log_variances + square(means - target) * exp(-log_variances))


def cross_entropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/m ΣΣ [y ln a + (1 − y) ln(1 − a)], the lecture's: summed over the outputs, averaged over m rows.

    Parameters
    ----------
    y_true : expression
        The targets y, probabilities 0 … 1, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).

    Returns
    -------
    Expression
        A scalar.

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
    return call(_cross_entropy, y_true, y_pred, name="cross_entropy")


def _cross_entropy(y: Node, a: Node) -> Expression:
    return Shaped(divided_by_rows, (sum(_binary_terms(y, a, "cross_entropy")), a), 1)


def binary_crossentropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/(mk) ΣΣ [y ln a + (1 − y) ln(1 − a)]: over m rows and k outputs, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        The targets y, probabilities 0 … 1, of the outputs' shape; (m,) stands for (m, 1). Any other shape is an error.
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).

    Returns
    -------
    Expression
        A scalar.

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
    return call(_binary, y_true, y_pred, name="binary_crossentropy")


def _binary(y: Node, a: Node) -> Expression:
    return mean(_binary_terms(y, a, "binary_crossentropy"))


def _binary_terms(y: Node, a: Node, loss: str) -> Expression:
    """−[y ln a + (1 − y) ln(1 − a)], element by element."""
    target = matched_target(y, a)
    y.expect(domains.probabilities(loss))
    z = logits(a, "sigmoid")
    if z is not None:
        return Operation("sigmoid_cross_entropy", z, a, target)
    _expect_probabilities(a, loss, "sigmoid")
    return -(_times_log(target, a) + _times_log(1.0 - target, 1.0 - a))


def _times_log(y: Expression, a: Expression, total: Expression | None = None) -> Expression:
    """y·ln a, or y·ln(a ÷ total); where y and a are 0, it and its gradients are 0. NaN stays NaN."""
    share = a if total is None else a / total
    return y * log(where_positive(maximum(abs(y), a), share, maximum(a, 1.0)))


def categorical_crossentropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/m ΣΣ y ln(a ÷ Σa): over m rows of k classes, as in Keras without its clipping; the targets may be labels.

    Parameters
    ----------
    y_true : expression
        One-hot rows or other distributions, also times a weight of the row, of the outputs' shape (m, k); or labels as
        for `sparse_categorical_crossentropy`.
    y_pred : expression
        The probabilities a, of shape (m, k), or numbers above 0 that become probabilities when each row is divided by
        its sum Σa.

    Returns
    -------
    Expression
        A scalar.

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
    return call(_categorical, y_true, y_pred, name="categorical_crossentropy")


def _categorical(y: Node, a: Node) -> Expression:
    if is_labels(y, a):
        return _sparse(y, a)
    target = matched_target(y, a)
    _expect_choice(a, per_class=True)
    y.expect(domains.shares("categorical_crossentropy"))
    z = logits(a, "softmax")
    if z is not None:
        return mean(Operation("softmax_cross_entropy", z, a, target))
    _expect_probabilities(a, "categorical_crossentropy", "softmax")
    if not a.dims:
        return mean(-_times_log(target, a))
    return mean(-sum(_times_log(target, a, sum(a, axis=-1, keepdims=True)), axis=-1))


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/m Σ ln(a[label] ÷ Σa): over m rows of k classes, as in Keras without its clipping.

    Parameters
    ----------
    y_true : expression
        Labels, whole numbers 0 … k − 1, of shape (m,) or (m, 1).
    y_pred : expression
        The probabilities a, of shape (m, k), or numbers above 0 that become probabilities when each row is divided by
        its sum Σa.

    Returns
    -------
    Expression
        A scalar.

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
    return call(_sparse, y_true, y_pred, name="sparse_categorical_crossentropy")


def _sparse(y: Node, a: Node) -> Expression:
    target = labels(y, a)
    z = logits(a, "softmax")
    if z is not None:
        return mean(Operation("sparse_softmax_cross_entropy", z, a, target))
    _expect_probabilities(a, "a categorical loss of labels", "softmax")
    return mean(-log(Operation("pick", a, target) / sum(a, axis=-1)))


mse = mean_squared_error
mae = mean_absolute_error

LOSSES: dict[str, Loss] = {
    "mean_squared_error": mean_squared_error,
    "mse": mean_squared_error,
    "mean_absolute_error": mean_absolute_error,
    "mae": mean_absolute_error,
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "quadratic": quadratic,
    "gaussian_nll": gaussian_nll,
    "cross_entropy": cross_entropy,
}


def get_loss(loss: Any) -> Loss:
    """The loss that a name or a function (y_true, y_pred) stands for."""
    if isinstance(loss, str):
        function: Loss = look_up_either_way("loss", loss, LOSSES)
        return function
    if callable(loss):
        return loss
    raise TypeError(f"loss must be a name or a function (y_true, y_pred) of expressions, got {type(loss).__name__}")
