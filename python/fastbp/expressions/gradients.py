"""`gradients`: the gradient of a scalar expression, as expressions that can be differentiated again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._shared.arguments import known_keywords
from .builder import GraphBuilder
from .expression import Expression


class Gradient(Expression):
    """d cost / d operands[1 + which], with operands[0] the cost. Those of the same operands are made once, together."""

    __slots__ = ("which",)
    operation = "gradient"

    def __init__(self, cost: Expression, wrt: Sequence[Expression], which: int) -> None:
        super().__init__([cost, *wrt])
        self.which = which

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        cost, *wrt = nodes
        return builder.gradients(cost, tuple(wrt))[self.which]


@known_keywords
def gradients(cost: Expression, wrt: Any) -> Any:
    """The gradients of a scalar expression, in reverse mode, as expressions.

    They are expressions like any other: use them in other ones, in `function`, `minimize` and custom losses, and
    differentiate them again.

    Parameters
    ----------
    cost : expression
        A scalar: `sum` or `mean` make one.
    wrt : expression or list of expressions
        What to differentiate by: parameters, inputs or any node in between. It must be the very object that the cost
        is made of; what the cost does not depend on has a gradient of zeros.

    Returns
    -------
    Expression or list of Expression
        d cost / d wrt, of the shape of `wrt`; a list for a list.

    Raises
    ------
    TypeError
        If `cost` or what is in `wrt` is no expression.
    ValueError
        If the cost is no scalar: when it is computed, since shapes are not known before.

    Notes
    -----
    Rules 6 and 7 of the numeric contract. Where the loss takes the stable form for a softmax or a sigmoid, the gradient
    at the probability's own node is that of the plain formula, and is not part of what flows on to the logits.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([1.0, 2.0])
    >>> cost = bp.sum(w**3)
    >>> slope = bp.gradients(cost, w)
    >>> product = bp.gradients(bp.sum(slope * [1.0, 10.0]), w)  # of the Hessian and a vector
    >>> bp.function([], [slope, product], backend="reference")()
    [array([ 3., 12.], dtype=float32), array([  6., 120.], dtype=float32)]
    """
    if not isinstance(cost, Expression):
        raise TypeError(f"cost must be an expression, got {type(cost).__name__}")
    if isinstance(wrt, Expression):
        return Gradient(cost, [wrt], 0)
    if not isinstance(wrt, (list, tuple)) or not all(isinstance(expression, Expression) for expression in wrt):
        raise TypeError(f"wrt must be an expression or a list of them, got {wrt!r}")
    return [Gradient(cost, wrt, which) for which in range(len(wrt))]
