"""Nodes that change no value, such as a flattening or ``x * 1``: losses look through them for a softmax or sigmoid."""

from __future__ import annotations

import math

from .lowering import Node

# By operation, which operand may be the one that stays, and the constant that the other one must be.
_NEUTRAL: dict[str, dict[int, float]] = {
    "add": {0: 0.0, 1: 0.0},
    "subtract": {0: 0.0},
    "multiply": {0: 1.0, 1: 1.0},
    "divide": {0: 1.0},
    "power": {0: 1.0},
}


def below_identities(node: Node, training: bool) -> Node:
    """The node from which `node` has its values, at most in another shape: they follow one another row-major.

    Sums with 0 count: they change −0 alone, which no probability is. So does dropout, unless `training`.
    """
    while (operand := _unchanged(node, training)) is not None:
        node = operand
    return node


def _unchanged(node: Node, training: bool) -> Node | None:
    """The operand that has the values of `node`; None if there is none."""
    operation = node.operation
    if operation in _NEUTRAL:
        return _beside_neutral(node, _NEUTRAL[operation])
    if operation == "dropout":
        return node.operand(0) if _drops_nothing(node, training) else None
    return node.operand(0) if _keeps_values(node, operation) else None


def _beside_neutral(node: Node, neutral: dict[int, float]) -> Node | None:
    for position, number in neutral.items():
        operand, other = node.operand(position), node.operand(1 - position)
        if other.operation == "constant" and set(other.numbers) == {number} and _has_as_many(operand, node):
            return operand
    return None


def _keeps_values(node: Node, operation: str) -> bool:
    if operation == "concatenate":
        return len(node.lowering.graph.inputs(node.index)) == 1
    if operation == "divide_by_count":
        return node.integers == (1, 0)
    if operation == "power_integer":
        return node.integers == (1,)
    if operation in ("reshape", "slice", "broadcast", "sum", "max"):  # the sums over axes of size 1
        return _has_as_many(node.operand(0), node)
    return False


def _drops_nothing(node: Node, training: bool) -> bool:
    (rate,), is_unscaled = node.numbers, any(node.integers[3:])
    return rate == 0 or not (training or is_unscaled)


def _has_as_many(operand: Node, node: Node) -> bool:
    """Whether `node` has as many values as its operand."""
    return operand.rows == node.rows and math.prod(operand.dims) == math.prod(node.dims)
