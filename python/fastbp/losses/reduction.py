"""How a loss or a metric becomes one number: its terms are summed over a row, weighted, and averaged over the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from .._shared.nearest import look_up
from ..expressions.builder import GraphBuilder
from ..expressions.expression import Call, Expression, Operation, Shaped
from ..expressions.functions import call, reshape
from ..expressions.reductions import sum
from ..expressions.shape_rules import divided_by_rows, shape_text
from ..lowering.lowering import Node

MEAN = "sum_over_batch_size"
TermsFunction = TypeVar("TermsFunction", bound=Callable[..., "Terms"])

REDUCTIONS = {  # what each name means
    MEAN: MEAN,
    "mean": MEAN,
    "sum": "sum",
    "mean_with_sample_weight": "mean_with_sample_weight",
    "none": "none",
}


class Terms(NamedTuple):
    """What a loss sums up: scale · values + offset, over the outputs of a row, divided by `divisor`."""

    values: Expression  # with rows, and any features
    divisor: int | None = None  # None: the number of features
    scale: float = 1.0
    offset: float = 0.0
    counts: Expression | None = None  # of the shape of the values: 1, or 0 where a value is none, and 0; None: all are


class Reduced(Call):
    """A loss or metric that is one number for all rows. The graph is told: multiplied by rows, it would weigh none."""

    __slots__ = ()

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        node = super().lower(builder, nodes)
        builder.note_reduced(node, self.name)
        return node


def checked_reduction(reduction: Any, argument: str = "reduction") -> str:
    """The reduction that a name, or None, stands for."""
    if reduction is None:
        return "none"
    if not isinstance(reduction, str):
        raise TypeError(f"{argument} must be a name or None, got {reduction!r}")
    name: str = look_up(argument, reduction, REDUCTIONS)
    return name


_TERMS: dict[str, Callable[..., Terms]] = {}


def terms_of(name: str) -> Callable[[TermsFunction], TermsFunction]:
    """Decorator: a function of nodes (\\*options, y_true, y_pred, …) gives the terms of the loss or metric `name`."""

    def register(function: TermsFunction) -> TermsFunction:
        _TERMS[name] = function
        return function

    return register


@dataclass(frozen=True)
class Reduction:
    """The function of nodes that a named loss or metric is. Pickles hold its name, so functions may move."""

    name: str
    options: tuple[Any, ...]
    reduction: str
    weighted: bool  # whether the last node is the rows' weights

    def __call__(self, *nodes: Node) -> Expression:
        operands, weight = (nodes[:-1], nodes[-1:]) if self.weighted else (nodes, ())
        terms = _TERMS[self.name](*self.options, *operands)
        if terms.counts is not None and self.reduction in (MEAN, "mean_with_sample_weight"):
            of_counts = weight if self.reduction != MEAN else ()
            total, count = (
                weighed(values, "sum", *weights, divisor=terms.divisor)
                for values, weights in ((_scaled(terms.values, terms), weight), (terms.counts, of_counts))
            )
            return Operation("quotient_or_zero", total, count)
        if not weight and self.reduction in (MEAN, "mean_with_sample_weight"):
            return _scaled(call(partial(_mean, terms.divisor), terms.values), terms)
        return weighed(_scaled(terms.values, terms), self.reduction, *weight, divisor=terms.divisor)


def reduced(
    name: str,
    operands: Sequence[Any],
    sample_weight: Any = None,
    reduction: Any = MEAN,
    options: tuple[Any, ...] = (),
) -> Expression:
    """The loss or metric `name` of operands (y_true, y_pred, …); its terms are registered by `terms_of`."""
    reduction = checked_reduction(reduction)
    weights = () if sample_weight is None else (sample_weight,)
    kind: type[Call] = Call if reduction == "none" else Reduced
    return kind(Reduction(name, options, reduction, bool(weights)), *operands, *weights, name=name)


def weighed(
    values: Any, reduction: str, weight: Any = None, *, divisor: int | None = None, name: str = "the loss"
) -> Expression:
    """Values that have rows, weighted and reduced; the features of a row are averaged, or their sum is divided."""
    weights = () if weight is None else (weight,)
    return call(partial(_weighted, reduction, divisor, name), values, *weights)


def _scaled(value: Expression, terms: Terms) -> Expression:
    value = value if terms.scale == 1 else terms.scale * value
    return value if terms.offset == 0 else value + terms.offset


def _mean(divisor: int | None, values: Node) -> Expression:
    return Shaped(divided_by_rows, (sum(values), values), _count(divisor, values))


def _count(divisor: int | None, values: Node) -> int:
    return math.prod(values.dims) if divisor is None else divisor


def _weighted(reduction: str, divisor: int | None, name: str, values: Node, weight: Node | None = None) -> Expression:
    """Rows are weighted before the division, so that a weight of 1 changes no bit."""
    features = tuple(range(values.rows, values.rows + len(values.dims)))
    per_row: Expression = sum(values, axis=features) if features else values
    count = _count(divisor, values)
    if weight is not None:
        weight_of_row = _weight_of_row(weight, values, name)
        per_row = Operation("product_or_zero", per_row, weight_of_row)
    if reduction == MEAN:
        return Shaped(divided_by_rows, (sum(per_row), values), count)
    if reduction == "none":
        return _divided(per_row, count)
    total = _divided(sum(per_row) if values.rows else per_row, count)
    if reduction == "sum" or weight is None:
        return total
    return Operation("quotient_or_zero", total, sum(weight_of_row))


def _weight_of_row(weight: Node, values: Node, name: str) -> Expression:
    if not values.rows:
        raise ValueError(
            f"sample_weight weighs rows, but {name} gives one number for all of them: let it return a value per row, "
            "as a loss of fastbp with reduction=None does"
        )
    if weight.dims not in ((), (1,)) or (weight.dims and not weight.rows):
        raise ValueError(
            f"sample_weight must hold one number per row, of shape (rows,), got {shape_text(weight.rows, weight.dims)}"
        )
    if not weight.rows:
        return Operation("broadcast", weight, integers=(1,))  # one of each row, since their sum may be asked for
    return reshape(weight, ()) if weight.dims else weight


def _divided(value: Expression, count: int) -> Expression:
    return value if count == 1 else Operation("divide_by_count", value, integers=(count, 0))
