"""The losses: functions (y_true, y_pred) of expressions, scalars, m rows and k outputs.

Where y_pred is a softmax or a sigmoid, the cross entropies take the stable form of rule 7 of the numeric contract, from
the logits. The plain formulas read 0·ln 0 as 0.

y_true of shape (m,) stands for (m, 1) where there is one output; nothing else is broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import rules
from .expression import Expression, Operation, Shaped
from .functions import abs, call, log, mean, reshape, square, sum, where_positive
from .lowering import Node
from .names import look_up

Loss = Callable[[Any, Any], Expression]


def matched_target(y_true: Node, y_pred: Node) -> Expression:
    """y_true in the shape of y_pred, or an error: targets are not broadcast."""
    if y_true.shape == y_pred.shape:
        return y_true
    if y_true.rows == y_pred.rows and y_true.dims == () and y_pred.dims == (1,):
        return reshape(y_true, (1,))
    raise ValueError(
        f"{y_true.name or 'y_true'} must have the shape {rules.shape_text(y_pred.rows, y_pred.dims)} of the outputs, "
        f"got {rules.shape_text(y_true.rows, y_true.dims)}"
    )


def labels(y_true: Node, y_pred: Node) -> Expression:
    """y_true as labels, one per row of outputs: (m,) or (m, 1) for outputs (m, k)."""
    if not y_pred.dims:
        raise ValueError(
            "a categorical loss needs outputs of shape (rows, classes), got "
            f"{rules.shape_text(y_pred.rows, y_pred.dims)}"
        )
    *leading, classes = y_pred.dims
    expected = tuple(leading)
    if y_true.rows != y_pred.rows or y_true.dims not in (expected, (*expected, 1)):
        raise ValueError(
            f"{y_true.name or 'y_true'} must hold one label per row, of shape "
            f"{rules.shape_text(y_pred.rows, expected)}, got {rules.shape_text(y_true.rows, y_true.dims)}"
        )
    y_true.expect_labels(classes)
    return y_true if y_true.dims == expected else reshape(y_true, expected)


def is_labels(y_true: Node, y_pred: Node) -> bool:
    """Whether y_true holds labels, rather than one number per output."""
    if y_true.dims == y_pred.dims or not y_pred.dims or y_pred.dims == (1,):
        return False
    return y_true.dims in (y_pred.dims[:-1], (*y_pred.dims[:-1], 1))


def mean_squared_error(y_true: Any, y_pred: Any) -> Expression:
    """1/(mk) ΣΣ (a − y)², as in Keras.

    Parameters
    ----------
    y_true : expression
        The targets y, of the outputs' shape; (m,) stands for (m, 1).
    y_pred : expression
        The outputs a, of shape (m, k) or (m,).

    >>> import fastbp as bp
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], bp.mean_squared_error(y, a), backend="reference")([1.0, 2.0], [1.0, 4.0])
    np.float32(2.0)
    """
    return call(lambda y, a: mean(square(a - matched_target(y, a))), y_true, y_pred, name="mean_squared_error")


def mean_absolute_error(y_true: Any, y_pred: Any) -> Expression:
    """1/(mk) ΣΣ |a − y|, as in Keras."""
    return call(lambda y, a: mean(abs(a - matched_target(y, a))), y_true, y_pred, name="mean_absolute_error")


def quadratic(y_true: Any, y_pred: Any) -> Expression:
    """1/(2m) Σ‖y − a‖², the lecture's quadratic cost: summed over the outputs, averaged over the rows."""
    return call(_quadratic, y_true, y_pred, name="quadratic")


def _quadratic(y: Node, a: Node) -> Expression:
    return Shaped(rules.divided_by_rows, (sum(square(a - matched_target(y, a))), a), 2)


def cross_entropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/m ΣΣ [y ln a + (1 − y) ln(1 − a)], the lecture's: summed over the outputs, averaged over the rows.

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
    return Shaped(rules.divided_by_rows, (sum(_binary_terms(y, a)), a), 1)


def binary_crossentropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/(mk) ΣΣ [y ln a + (1 − y) ln(1 − a)], as in Keras (without its clipping of a)."""
    return call(lambda y, a: mean(_binary_terms(y, a)), y_true, y_pred, name="binary_crossentropy")


def _binary_terms(y: Node, a: Node) -> Expression:
    """−[y ln a + (1 − y) ln(1 − a)], element by element."""
    target = matched_target(y, a)
    if a.operation == "sigmoid":
        return Operation("sigmoid_cross_entropy", a.operand(0), a, target)
    return -(_times_log(target, a) + _times_log(1.0 - target, 1.0 - a))


def _times_log(y: Expression, a: Expression) -> Expression:
    """y·ln a; 0, with a gradient of 0 at a, where y is 0."""
    return y * log(where_positive(abs(y), a, 1.0))


def categorical_crossentropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/m ΣΣ y ln a: targets one-hot (or any distribution), of the outputs' shape, or labels, (m,) or (m, 1)."""
    return call(_categorical, y_true, y_pred, name="categorical_crossentropy")


def _categorical(y: Node, a: Node) -> Expression:
    if is_labels(y, a):
        return _sparse(y, a)
    target = matched_target(y, a)
    if a.operation == "softmax":
        return mean(Operation("softmax_cross_entropy", a.operand(0), a, target))
    return mean(-sum(_times_log(target, a), axis=-1)) if a.dims else mean(-_times_log(target, a))


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any) -> Expression:
    """−1/m Σ ln a[label]: targets are whole numbers 0 … k−1, of shape (m,) or (m, 1)."""
    return call(_sparse, y_true, y_pred, name="sparse_categorical_crossentropy")


def _sparse(y: Node, a: Node) -> Expression:
    target = labels(y, a)
    if a.operation == "softmax":
        return mean(Operation("sparse_softmax_cross_entropy", a.operand(0), a, target))
    return mean(-log(Operation("pick", a, target)))


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
    "cross_entropy": cross_entropy,
}


def get_loss(loss: Any) -> Loss:
    """The loss that a name or a function (y_true, y_pred) stands for."""
    if isinstance(loss, str):
        function: Loss = look_up("loss", loss, LOSSES)
        return function
    if callable(loss):
        return loss
    raise TypeError(f"loss must be a name or a function (y_true, y_pred) of expressions, got {type(loss).__name__}")
