"""Rows of weight 0: their data are read as zeros, so that nothing they hold gets into a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..expressions.expression import Call, Expression, Input
from ..expressions.functions import abs, reshape, where_positive
from ..losses.reduction import Reduction
from ..lowering.lowering import Lowering


def mask(lowering: Lowering, inputs: Sequence[Expression], weights: Sequence[Expression]) -> None:
    """Has all that is lowered from now on read zeros, for these inputs, in rows whose weights are all 0."""
    counts = total(weights)
    masked = [where_positive(counts, own, 0.0) for own in inputs]
    lowering.nodes.update(zip(inputs, lowering.lower(masked)))


def total(weights: Sequence[Expression]) -> Expression:
    """Σ|s| of each row, which is 0 where it does not count: weights may be below 0."""
    first, *others = (reshape(abs(weight), ()) for weight in weights)
    for other in others:
        first = first + other
    return first


def weights_of_all(cost: Expression) -> list[Input]:
    """The inputs that weigh the rows of `cost`; none if it depends on rows that nothing weighs, or not by an input."""
    weights: dict[Input, None] = {}
    stack, seen = [cost], {cost}
    while stack:
        expression = stack.pop()
        if isinstance(expression, Input):
            return []
        operands = expression.operands
        if isinstance(expression, Call) and isinstance(expression.function, Reduction) and expression.function.weighted:
            if not isinstance(operands[-1], Input):
                return []
            weights[operands[-1]] = None
            continue
        stack += [operand for operand in operands if operand not in seen]
        seen.update(operands)
    return list(weights)


def rows_that_count(weights: Sequence[np.ndarray]) -> np.ndarray:
    """Which rows have a weight other than 0."""
    return np.any([weight.reshape(len(weight), -1) != 0 for weight in weights], axis=(0, 2))
