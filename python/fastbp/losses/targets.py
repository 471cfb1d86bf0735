"""Checks of what a loss is given: the targets' shape and domain, and the logits of its outputs."""

from __future__ import annotations

from ..expressions.expression import Expression, Operation
from ..expressions.functions import abs, log, maximum, reshape, where_positive
from ..expressions.shape_rules import shape_text
from ..lowering import domains
from ..lowering.identities import below_identities
from ..lowering.lowering import Node
from ..lowering.ranges import can_leave_probabilities


def matched_target(y_true: Node, y_pred: Node) -> Expression:
    """y_true in the shape of y_pred, or an error: targets are not broadcast."""
    expect_choice(y_pred, per_class=False)
    if y_true.shape == y_pred.shape:
        return y_true
    if y_true.rows == y_pred.rows and y_true.dims == () and y_pred.dims == (1,):
        return reshape(y_true, (1,))
    raise ValueError(
        f"{y_true.name or 'y_true'} must have the shape {shape_text(y_pred.rows, y_pred.dims)} of the outputs, "
        f"got {shape_text(y_true.rows, y_true.dims)}"
    )


def labels(y_true: Node, y_pred: Node, besides: int | None = None) -> Expression:
    """y_true as labels, one per row of outputs: (m,) or (m, 1) for outputs (m, k); `besides` need be no class."""
    if not y_pred.dims:
        raise ValueError(
            f"a categorical loss needs outputs of shape (rows, classes), got {shape_text(y_pred.rows, y_pred.dims)}"
        )
    expect_choice(y_pred, per_class=True)
    *leading, classes = y_pred.dims
    expected = tuple(leading)
    if y_true.rows != y_pred.rows or y_true.dims not in (expected, (*expected, 1)):
        raise ValueError(
            f"{y_true.name or 'y_true'} must hold one label per row, of shape "
            f"{shape_text(y_pred.rows, expected)}, got {shape_text(y_true.rows, y_true.dims)}"
        )
    y_true.expect(domains.labels(classes, besides))
    return y_true if y_true.dims == expected else reshape(y_true, expected)


def expect_choice(y_pred: Node, per_class: bool) -> None:
    """Objects to outputs that are no choice between classes: a softmax over one unit, or one output, if `per_class`."""
    remedy = "use a sigmoid with binary_crossentropy for two classes, or one unit for each class"
    p = below_identities(y_pred, y_pred.lowering.training)
    if p.operation == "softmax" and p.dims[-1:] == (1,):
        y_pred.lowering.objections.append(f"the softmax over one unit{_where(p)} is always 1: {remedy}")
    elif per_class and y_pred.dims[-1:] == (1,):
        y_pred.lowering.objections.append(
            f"a categorical loss needs an output for each class, got one{_where(y_pred)}: {remedy}"
        )


def expect_probabilities(y_pred: Node, loss: str, function: str) -> None:
    """Doubts outputs that are no probabilities: those of a layer without its activation."""
    if can_leave_probabilities(y_pred):
        y_pred.lowering.doubts.append(
            f"{loss} takes probabilities, but the outputs{_where(y_pred)} are not confined to 0 … 1: does the last "
            f"layer lack its {function}?"
        )


def doubt_logits(y_pred: Node, function: str) -> None:
    """Doubts outputs that are called logits and are probabilities."""
    y_pred.lowering.doubts.append(
        f"from_logits=True takes the {function} of the outputs{_where(y_pred)}, which are a {function} already: leave "
        "out one of them"
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


def times_log(y: Expression, a: Expression) -> Expression:
    """y·ln a; where y and a are 0, it and its gradients are 0. NaN stays NaN, and a below 0 gives NaN."""
    is_number = Operation("equal", a, a)  # 1 or NaN
    return y * log(where_positive(maximum(abs(y), abs(a)), a, is_number))
