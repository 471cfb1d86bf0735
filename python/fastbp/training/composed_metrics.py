"""Figures that are no means over rows, such as the root of a mean: they are computed once, from all predictions.

A mean over rows may be computed batch by batch: the batches' values, weighted by their rows, make that of all rows. The
root of a mean, a quotient of sums or a maximum may not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

from ..expressions.expression import Expression, Input, Operation
from ..expressions.functions import reshape
from ..lowering.identities import below_identities
from ..lowering.lowering import Lowering, Node


class Kind(Enum):
    """How a value depends on the rows."""

    fixed = auto()  # not at all
    per_row = auto()  # it has rows, and each depends on that row of the data alone
    total = auto()  # a sum over rows
    mean = auto()  # a mean over rows, and what is fixed
    other = auto()


LINEAR = {"negative", "add", "subtract", "reshape", "broadcast", "concatenate", "slice", "unslice", "transpose", "sum"}
PRODUCTS = {"multiply", "product_or_zero", "divide", "quotient_or_zero", "matmul"}


def is_mean_over_rows(graph: Any, node: int) -> bool:
    """Whether a scalar of a graph is a mean over rows of values that each depend on one row, or depends on none."""
    kinds: list[Kind] = []
    for index in range(node + 1):
        kinds.append(_kind_of(graph, index, [kinds[operand] for operand in graph.inputs(index)]))
    return kinds[node] in (Kind.mean, Kind.fixed)


def _kind_of(graph: Any, node: int, operands: list[Kind]) -> Kind:
    operation, kinds = graph.operation(node), set(operands)
    if operation == "input":
        return Kind.per_row
    if kinds <= {Kind.fixed} and operation != "divide_by_count":
        return Kind.fixed
    if graph.shape(node)[0]:
        return Kind.per_row if kinds <= {Kind.fixed, Kind.per_row} else Kind.other
    if operation == "divide_by_count":
        by_rows = graph.integers(node)[1] == 1
        return {(Kind.total, True): Kind.mean, (Kind.mean, False): Kind.mean, (Kind.total, False): Kind.total,
                (Kind.fixed, False): Kind.fixed}.get((operands[0], by_rows), Kind.other)  # fmt: skip
    if kinds == {Kind.per_row}:
        return Kind.total if operation in ("sum", "matmul_rows") else Kind.other
    if operation in LINEAR and kinds <= {Kind.mean, Kind.fixed}:
        return Kind.mean
    if operation in LINEAR and kinds == {Kind.total}:
        return Kind.total
    if operation in PRODUCTS and operands[0] in (Kind.mean, Kind.total) and operands[1] is Kind.fixed:
        return operands[0]
    if operation in ("multiply", "product_or_zero", "matmul") and operands[0] is Kind.fixed:
        return operands[1] if operands[1] in (Kind.mean, Kind.total) else Kind.other
    return Kind.other


class ComposedMetrics:
    """Some metrics of a model, or its loss, as a graph of its inputs, its targets and the predictions of all rows.

    A softmax or sigmoid at the end of the model is computed again in this graph, from the logits, so that cross
    entropies take their stable form here too.

    Parameters
    ----------
    outputs : list of Node
        The model's, in a graph where nothing is dropped.
    inputs : list of Input
        The model's, then targets and weights of rows.
    shapes : list of tuple of int
        Of a row of each.
    metrics : function of the predictions
        Gives a list of expressions of scalars.
    """

    def __init__(
        self,
        outputs: Sequence[Node],
        inputs: Sequence[Input],
        shapes: Sequence[tuple[int, ...]],
        metrics: Callable[[Sequence[Expression]], Sequence[Expression]],
    ) -> None:
        store = outputs[0].lowering.store
        taken, values, predictions = zip(*map(_repeated, outputs))
        whole = Lowering(store, [*inputs, *values], [*shapes, *(node.dims for node in taken)], training=False)
        whole.lower(predictions)
        self.predicted = [node.index for node in taken]  # the nodes whose values `function` takes
        self._nodes = whole.lower(metrics(predictions))
        self._graph, self._backend = whole.graph, store.backend

    def function(self, values: Any) -> Any:
        """Of the inputs, the targets and the predicted values, by a backend's parameters: each metric."""
        return self._backend.Function(self._graph, self._nodes, values)


def _repeated(output: Node) -> tuple[Node, Input, Expression]:
    """The node whose values are taken, the input for them, and the output made of that."""
    last, values = below_identities(output, training=False), Input("predictions")
    if last.operation not in ("softmax", "sigmoid"):
        return output, values, values
    prediction: Expression = Operation(last.operation, values)
    return last.operand(0), values, prediction if last.dims == output.dims else reshape(prediction, output.dims)
