"""Whether values can leave 0 … 1, as far as the operations that make them show it."""

from __future__ import annotations

from .lowering import Node

_BEYOND = {"tanh", "sin", "cos", "erf", "log_softmax"}  # bounded, but below 0, too
_AS_ITS_OPERANDS = {
    "add", "subtract", "multiply", "negative", "relu", "softplus", "reshape", "slice", "concatenate", "dropout",
}  # fmt: skip


def can_leave_probabilities(node: Node) -> bool:
    """Whether `node` can certainly be below 0 or above 1; False for what is not known, such as a clipped value."""
    return node.operation in _BEYOND or _is_unbounded(node)


def _is_unbounded(node: Node) -> bool:
    """Whether `node` is a product with weights, or made of one by operations that keep its range infinite."""
    stack, seen = [node], {node.index}
    while stack:
        current = stack.pop()
        if current.operation == "matmul" and current.operand(1).operation == "parameter":
            return True
        for operand in _deciding(current):
            if operand.index not in seen:
                seen.add(operand.index)
                stack.append(operand)
    return False


def _deciding(node: Node) -> list[Node]:
    """The operands of which one that is unbounded makes `node` so."""
    operands = [Node(node.lowering, index) for index in node.lowering.graph.inputs(node.index)]
    if node.operation in _AS_ITS_OPERANDS:
        return operands
    if node.operation == "where_positive":
        return operands[1:]
    if node.operation == "divide" and operands[1].operation == "constant":
        return operands[:1]
    return []
