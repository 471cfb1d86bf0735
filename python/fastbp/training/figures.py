"""The figures of a training, and the numbers of a graph that they are made of.

A weighted mean over an epoch is a quotient: Σ s·l of all rows, divided by Σ s of all rows. The graph computes both as
means over the rows of a batch, and the division comes last. So a figure does not depend on the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..expressions.expression import Expression
from ..expressions.reductions import mean
from ..losses import Loss
from ..losses.configured import ignores_rows
from ..losses.reduction import MEAN
from .goal import Goal, MetricOf, as_scalar, as_weighted_scalar
from .row_weights import total

Dims = tuple[int, ...]


class Layout(NamedTuple):
    """The data that a training graph takes behind the model's inputs: targets, then weights of rows."""

    targets: tuple[Dims | None, ...]  # of each output, the shape of a row of its targets; None: it has none
    weights: tuple[int | None, ...]  # of each output, the place of its weights among the arrays of weights
    masked: bool = False  # whether rows of weight 0 are read as zeros, whatever they hold

    @property
    def shapes(self) -> list[Dims]:
        """The shapes of a row of the targets and of the weights, in their order."""
        return [*(dims for dims in self.targets if dims is not None), *[()] * self.weight_arrays]

    @property
    def weight_arrays(self) -> int:
        return len({place for place in self.weights if place is not None})


class Operands(NamedTuple):
    """What losses and metrics are functions of: for each output an expression, or None where there is none."""

    targets: Sequence[Any]
    outputs: Sequence[Any]
    weights: Sequence[Any]


class Number(NamedTuple):
    """A number of the graph, as a function of the operands."""

    make: Callable[[Operands], Expression]
    unmasked: bool = False  # whether rows of weight 0 are taken as they are: for metrics without weights


class Quotient(NamedTuple):
    """factor · number ÷ weight, both being places among the numbers; without a weight, by 1."""

    number: int
    weight: int | None = None
    factor: float = 1.0


class Figures:
    """The figures by name: each is a sum of quotients of the graph's numbers; `are_numbers`: or that number itself."""

    def __init__(self, names: Sequence[str], sums: Sequence[Sequence[Quotient]], numbers: int) -> None:
        self.names, self.numbers = list(names), numbers
        self._sums = sums
        self.are_numbers = [list(quotients) for quotients in sums] == [[Quotient(i)] for i in range(numbers)]

    def of(self, numbers: Any) -> Any:
        """The figures of a batch, or of (epochs, numbers)."""
        if self.are_numbers:
            return numbers
        columns = np.asarray(numbers, np.float64).T
        return np.array([self._sum(quotients, columns) for quotients in self._sums]).T

    @staticmethod
    def _sum(quotients: Sequence[Quotient], columns: np.ndarray) -> Any:
        total: Any = 0.0
        for number, weight, factor in quotients:
            value = columns[number]
            if weight is not None:  # where all weights are 0, the figure is 0, as in Keras
                with np.errstate(invalid="ignore"):
                    value = np.where(value == 0, 0.0, value / columns[weight])
            total = total + factor * value
        return total


class FigurePlan:
    """Which numbers a graph computes for a goal, and which figures they make.

    Parameters
    ----------
    metrics : list of MetricOf
        Those of the goal that are functions of expressions.

    Attributes
    ----------
    numbers : list of Number
        The first is the cost without penalties, which the graph adds: the losses times their factors.
    figures : Figures
    total_weight : int or None
        The place of the rows' total weight, if all that is trained is weighted and some weights are 0.
    penalty : int or None
        The place of the penalties' sum, a number that the graph makes, if a figure needs it.
    """

    def __init__(self, goal: Goal, layout: Layout, has_penalties: bool, metrics: Sequence[MetricOf]) -> None:
        self.goal, self.layout = goal, layout
        self.numbers = [Number(self._losses)]
        self.total_weight: int | None = None
        self.penalty: int | None = None
        self._weights: dict[int, int] = {}  # the place of the mean of each array of weights
        trained = [o for o, output in enumerate(goal.outputs) if output.loss is not None]
        sums = self._sums_of_losses(trained, has_penalties)
        for metric in metrics:
            place = self._add(partial(self._metric, metric), unmasked=not metric.weighted)
            sums.append([Quotient(place, self._mean_weight(metric.output) if metric.weighted else None)])
        if layout.masked and all(layout.weights[o] is not None for o in trained):  # else no weight is 0
            self.total_weight = self._add(self._total_weight)
        names = [*goal.names[: len(goal.names) - len(goal.metrics)], *(metric.name for metric in metrics)]
        self.figures = Figures(names, sums, len(self.numbers))

    def _add(self, make: Callable[[Operands], Expression], unmasked: bool = False) -> int:
        self.numbers.append(Number(make, unmasked))
        return len(self.numbers) - 1

    def _sums_of_losses(self, trained: Sequence[int], has_penalties: bool) -> list[list[Quotient]]:
        """The figure of the cost, and that of each loss if there are several."""
        by_weight = self.goal.reduction == "mean_with_sample_weight" and any(
            self.layout.weights[o] is not None for o in trained
        )
        parts: list[Quotient] = []
        if by_weight or len(trained) > 1:
            for o in trained:
                by_rows = by_weight and not ignores_rows(self.goal.outputs[o].loss)
                weight = self._mean_weight(o) if by_rows else None  # else the figure is a mean of the steps' losses
                reduction = self.goal.reduction if weight is None else MEAN
                parts.append(Quotient(self._add(partial(self._loss, o, reduction)), weight))
        of_each = [[part] for part in parts] if len(trained) > 1 else []
        if not by_weight:
            return [[Quotient(0)], *of_each]
        cost = [part._replace(factor=self.goal.outputs[o].factor) for o, part in zip(trained, parts)]
        if has_penalties:
            self.penalty = self._add(self._losses)  # keeps the place
            cost.append(Quotient(self.penalty))
        return [cost, *of_each]

    def _mean_weight(self, o: int) -> int | None:
        """The place of the mean weight of an output's rows; None if they have no weights."""
        array = self.layout.weights[o]
        if array is None:
            return None
        if array not in self._weights:
            self._weights[array] = self._add(lambda operands: mean(operands.weights[o]))
        return self._weights[array]

    def _losses(self, operands: Operands) -> Expression:
        losses: Expression | None = None
        for o, output in enumerate(self.goal.outputs):
            if output.loss is not None:
                loss = self._loss(o, self.goal.reduction, operands)
                loss = loss if output.factor == 1 else output.factor * loss
                losses = loss if losses is None else losses + loss
        assert losses is not None
        return losses

    def _loss(self, o: int, reduction: str | None, operands: Operands) -> Expression:
        output = self.goal.outputs[o]
        assert output.loss is not None
        name = f"{output.name}_loss" if len(self.goal.losses) > 1 else "loss"
        return self._scalar(output.loss, o, reduction, name, operands)

    def _metric(self, metric: MetricOf, operands: Operands) -> Expression:
        if metric.weighted:
            return self._scalar(metric.function, metric.output, MEAN, metric.name, operands)
        target, output = operands.targets[metric.output], operands.outputs[metric.output]
        return as_scalar(metric.function, target, output, metric.name)

    def _scalar(self, function: Loss, o: int, reduction: str | None, name: str, operands: Operands) -> Expression:
        target, output, weight = operands.targets[o], operands.outputs[o], operands.weights[o]
        if weight is None and reduction in (None, MEAN):
            return as_scalar(function, target, output, name)
        return as_weighted_scalar(function, target, output, weight, reduction, name)

    def _total_weight(self, operands: Operands) -> Expression:
        """0 where no row counts."""
        places = {place: o for o, place in enumerate(self.layout.weights) if place is not None}
        return mean(total([operands.weights[o] for o in places.values()]))
