"""`curvature`: whether an expression is affine, convex or concave, as far as the rules of composition tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._shared.arguments import known_keywords
from ..expressions.expression import Expression, Input
from ..expressions.parameter import Parameter
from ..lowering.lowering import Lowering, expressions_below
from ..lowering.parameter_store import ParameterStore

if TYPE_CHECKING:
    from .convexity_rules import Term


class Symbols(ParameterStore):
    """Gives parameters slots but no values, so that layers that are not built yet stay unbuilt."""

    def slot(self, parameter: Parameter) -> int:
        return self._slots.setdefault(parameter, len(self._slots))


@known_keywords
def curvature(expression: Expression, wrt: Any = None, positive: Any = ()) -> str:
    """Whether an expression is affine, convex or concave, by the composition rules of disciplined convex programming.

    A convex cost has no local minimum that is not global: wherever descent starts, it ends at the same cost.

    Parameters
    ----------
    expression : expression
        Of any shape; what is said holds for every element. An input without a declared shape counts as one number per
        row.
    wrt : expression or list of expressions, optional
        The variables: parameters, inputs or any node in between. Default: the parameters that training changes, or the
        inputs of an expression that has none.
    positive : expression or list of expressions
        Parts of the expression that are known to be above 0: the domain of x³ or 1/x, the sign of a factor. Default:
        none.

    Returns
    -------
    {"affine", "convex", "concave", "unknown"}
        Where the expression is defined. A constant is affine. "unknown" means that the rules do not tell: the
        expression may be neither, or be convex for a reason that they do not know.

    Raises
    ------
    TypeError
        For what is no expression.
    ValueError
        If `positive` holds what is no part of the expression, or shapes do not fit.

    Notes
    -----
    M. Grant, S. Boyd and Y. Ye, Disciplined Convex Programming, 2006: f(g) is convex where f is convex and g affine, f
    nondecreasing and g convex, or f nonincreasing and g concave. Signs are followed from constants, squares, absolute
    values and the like. Logarithms, roots and powers that are no whole numbers say themselves that their operand is
    positive: they are NaN elsewhere. Also known are x·ln x, norms √Σx², x²/y for y > 0, products of equal factors, and
    most losses. These are convex in an affine output, whatever the targets: squares, absolute values, percentages,
    quantiles and hinges; of logits also the cross entropies and the divergence `kl_divergence`. Of `huber`, `log_cosh`,
    `poisson` and other losses the rules do not tell.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([1.0, 2.0])
    >>> [bp.curvature(f) for f in (3 * w + 1, bp.exp(w), bp.log(w), bp.sigmoid(w), w * bp.log(w))]
    ['affine', 'convex', 'concave', 'unknown', 'convex']
    >>> bp.curvature(w**3), bp.curvature(w**3, positive=w)
    ('unknown', 'convex')
    """
    (output,) = _expressions("expression", expression)
    known = _expressions("positive", positive)
    store = Symbols("reference", "float64")
    inputs = [e for e in expressions_below([output]) if isinstance(e, Input)]
    lowering = Lowering(store, inputs, [i.shape or () for i in inputs])
    node = lowering.lower([output])[0]
    for layer in lowering.made:
        layer._unbuild()
    for part in known:
        if part not in lowering.nodes:
            raise ValueError(f"positive must hold parts of the expression, got {part!r}")
    variables = _variables(lowering) if wrt is None else _expressions("wrt", wrt)
    facts = terms_of(
        lowering.graph,
        {lowering.nodes[variable] for variable in variables if variable in lowering.nodes},
        {lowering.nodes[part] for part in known},
    )[node].facts
    if facts.affine:
        return "affine"
    return "convex" if facts.convex else "concave" if facts.concave else "unknown"


def _variables(lowering: Lowering) -> Sequence[Expression]:
    return lowering.trained() or lowering.inputs


def _expressions(argument: str, value: Any) -> list[Expression]:
    listed = [value] if isinstance(value, Expression) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(e, Expression) for e in listed):
        what = "an expression" if argument == "expression" else "an expression or a list of them"
        raise TypeError(f"{argument} must be {what}, got {value!r}")
    return list(listed)


def terms_of(graph: Any, variables: set[int], positive: set[int]) -> list[Term]:
    """A term for each node. Nodes that compute the same are one term, except variables and positive nodes."""
    from .convexity_rules import AFFINE, Term, facts_of  # 2 ms: not for every `import fastbp`

    terms: list[Term] = []
    made: dict[Any, Term] = {}
    for node in range(len(graph)):
        operands = tuple(terms[i] for i in graph.inputs(node))
        term = Term(graph.operation(node), operands, tuple(graph.integers(node)), tuple(graph.numbers(node)))
        own = node if node in variables | positive else None
        key = (term.operation, *map(id, operands), term.integers, term.numbers, own)
        if key not in made:
            facts = AFFINE if node in variables else facts_of(term)
            if node in positive:
                facts = replace(facts, nonnegative=True, squares=facts.squares or facts.constant)
            made[key] = replace(term, facts=facts)
        terms.append(made[key])
    return terms
