"""`hessian`: the matrix of a scalar expression's second derivatives, as an expression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._shared.arguments import known_keywords
from .._shared.memory import require_memory
from .builder import GraphBuilder
from .expression import Expression
from .shape_rules import shape_text


class Hessian(Expression):
    """d² cost / d w d w; the cost is operands[0], w is all elements of operands[1:], one after the other."""

    __slots__ = ()
    operation = "hessian"

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        cost, *wrt = nodes
        for node in wrt:
            rows, dims = builder.shape(node)
            if rows:
                shape = shape_text(rows, dims)
                raise ValueError(f"wrt must hold expressions without rows, such as parameters, got the shape {shape}")
        require_memory(8 * sum(math.prod(builder.shape(node)[1]) for node in wrt) ** 2)
        rows_of_matrix = []
        for gradient in builder.gradients(cost, tuple(wrt)):
            flat, size = _flat(builder, [gradient])
            for element in range(size):
                slope = builder.add("slice", [flat], (0, element, element + 1, 1))
                slope = builder.add("reshape", [slope], ())
                row, width = _flat(builder, builder.gradients(slope, tuple(wrt)))
                rows_of_matrix.append(builder.add("reshape", [row], (1, width)))
        return _joined(builder, rows_of_matrix)


def _flat(builder: GraphBuilder, nodes: Sequence[int]) -> tuple[int, int]:
    """All elements of the nodes, row-major, in one axis; and how many there are."""
    sizes = [math.prod(builder.shape(node)[1]) for node in nodes]
    flat = [builder.add("reshape", [node], (size,)) for node, size in zip(nodes, sizes)]
    return _joined(builder, flat), sum(sizes)


def _joined(builder: GraphBuilder, nodes: Sequence[int]) -> int:
    return nodes[0] if len(nodes) == 1 else builder.add("concatenate", nodes, (0,))


@known_keywords
def hessian(cost: Expression, wrt: Any) -> Expression:
    """The matrix of the second derivatives of a scalar expression, as an expression.

    It is exact: the graph of the gradient is differentiated once more for each of its elements. Its eigenvalues are the
    curvatures of the cost along its eigenvectors: all positive at a minimum, of both signs at a saddle point.

    Parameters
    ----------
    cost : expression
        A scalar: `sum` or `mean` make one.
    wrt : expression or list of expressions
        What to differentiate by, twice: parameters, or other expressions without rows.

    Returns
    -------
    Expression
        Of shape (n, n), n being the number of elements of all `wrt` together: those of the first, row-major, then those
        of the second, …. H[i, j] = ∂/∂wⱼ (∂ cost / ∂wᵢ).

    Raises
    ------
    TypeError
        If `cost` or what is in `wrt` is no expression.
    ValueError
        If `wrt` is empty; if the cost is no scalar or what is in `wrt` has rows: when it is computed, since shapes are
        not known before.

    Notes
    -----
    Rule 6 of the numeric contract. The graph holds n backward passes, so it is for small functions; for the product of
    a Hessian and a vector v, ``bp.gradients(bp.sum(bp.gradients(cost, w) * v), w)`` needs one. Where a function has a
    kink, the second derivative is that of the side that was chosen. H[i, j] and H[j, i] may differ by roundings;
    ``dtype="float64"`` in `function` makes them small.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> w = bp.parameter([1.0, 2.0])
    >>> saddle = w[0] ** 2 - w[1] ** 2 + w[0] * w[1]
    >>> H = bp.function([], bp.hessian(saddle, w), dtype="float64", backend="reference")()
    >>> H
    array([[ 2.,  1.],
           [ 1., -2.]])
    >>> np.linalg.eigvalsh(H).round(3)
    array([-2.236,  2.236])
    """
    if not isinstance(cost, Expression):
        raise TypeError(f"cost must be an expression, got {type(cost).__name__}")
    listed = [wrt] if isinstance(wrt, Expression) else wrt
    if not isinstance(listed, (list, tuple)) or not all(isinstance(expression, Expression) for expression in listed):
        raise TypeError(f"wrt must be an expression or a list of them, got {wrt!r}")
    if not listed:
        raise ValueError("wrt must hold at least one expression, got none")
    return Hessian([cost, *listed])
