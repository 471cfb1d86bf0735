"""A model's graphs: one for predictions, one per shape of targets for training, and what the backend makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from . import rules
from .data import check_labels
from .expression import Call, Expression, Input, Parameter
from .functions import abs, mean, square, sum
from .losses import Loss
from .lowering import Lowering
from .names import Namer
from .optimizers import SGD
from .store import Store

Dims = tuple[int, ...]


class Prediction:
    """The outputs' graph."""

    def __init__(
        self, store: Store, inputs: Sequence[Input], shapes: Sequence[Dims], outputs: Sequence[Expression], namer: Namer
    ) -> None:
        self.store = store
        self.lowering = Lowering(store, inputs, shapes, namer)
        self.nodes = [self.lowering.node(output) for output in outputs]

    @cached_property
    def function(self) -> Any:
        return self.store.backend.Function(self.lowering.graph, self.nodes, self.store.values)


class Goal:
    """What `compile` was told to descend and to report."""

    def __init__(self, loss: Loss, metrics: Sequence[tuple[str, Loss]], l1: float, l2: float) -> None:
        self.loss, self.metrics, self.l1, self.l2 = loss, list(metrics), l1, l2
        self.names = ["loss", *(name for name, _ in metrics)]


class Training:
    """The cost's graph for inputs and targets of given shapes: trainer, evaluation and gradients.

    The cost is the loss, then the layers' penalties in the order of the weights, then l1/m Σ|w| and l2/(2m) Σw².
    """

    def __init__(
        self,
        store: Store,
        inputs: Sequence[Input],
        shapes: Sequence[Dims],
        output: Expression,
        goal: Goal,
        namer: Namer,
    ) -> None:
        self.store, self.goal = store, goal
        target = Input("y")
        self.inputs = [*inputs, target]
        self.lowering = Lowering(store, self.inputs, shapes, namer)
        self.lowering.node(output)
        cost = self._scalar(goal.loss, target, output, "loss")
        self.lowering.node(cost)
        weights = list(self.lowering.parameters)
        for weight in weights:
            penalty = weight.regularizer(weight) if weight.regularizer is not None else None
            if penalty is not None:
                cost = cost + penalty
        self._l1 = Parameter(0.0, "l1 / m", trainable=False, decay=False)
        self._l2 = Parameter(0.0, "l2 / (2 m)", trainable=False, decay=False)
        penalized = [weight for weight in weights if weight.decay and weight.trainable]
        for scale, coefficient, function in ((goal.l1, self._l1, abs), (goal.l2, self._l2, square)):
            if scale and penalized:
                total = sum(function(penalized[0]))
                for weight in penalized[1:]:
                    total = total + sum(function(weight))
                cost = cost + coefficient * total
        self.cost = self.lowering.node(cost)
        rows, dims = self.lowering.shape(self.cost)
        if rows or dims:
            raise ValueError(f"a regulariser must give a scalar, got the shape {rules.shape_text(rows, dims)}")
        self.trainable = [p for p in self.lowering.parameters if p.trainable]
        self.figures = [self.lowering.node(self._scalar(metric, target, output, name)) for name, metric in goal.metrics]

    @staticmethod
    def _scalar(function: Loss, target: Expression, output: Expression, name: str) -> Expression:
        """A loss or metric; one number per row is averaged."""
        return Call(
            lambda value: mean(value) if value.shape else value, Call(function, target, output, name=name), name=name
        )

    def set_rows(self, rows: int) -> None:
        """m of the penalties: λ/m and λ/(2m) are combined in float64 and rounded once."""
        if rows and self.goal.l1:
            self._l1.value = self.goal.l1 / rows
        if rows and self.goal.l2:
            self._l2.value = self.goal.l2 / (2 * rows)

    def check(self, arrays: Sequence[np.ndarray]) -> None:
        for slot, classes in self.lowering.labels.items():
            check_labels(arrays[slot], classes, self.inputs[slot].name)

    def make_trainer(self, optimizer: SGD, seed: int) -> Any:
        if not self.trainable:
            raise ValueError("the model has no trainable weights")
        return self.store.backend.Trainer(
            self.lowering.graph,
            self.cost,
            self.figures,
            self.store.values,
            [self.lowering.nodes[p] for p in self.trainable],
            optimizer.configuration(),
            [p.decay for p in self.trainable],
            seed,
        )

    @cached_property
    def evaluation(self) -> Any:
        return self.store.backend.Function(self.lowering.graph, [self.cost, *self.figures], self.store.values)

    def gradients(self, weights: Sequence[Parameter], training: bool) -> Any:
        """A Function: the cost, then its gradient by each of `weights`."""
        nodes = self.lowering.graph.gradients(self.cost, [self.lowering.node(w) for w in weights])
        return self.store.backend.Function(
            self.lowering.graph, [self.cost, *nodes], self.store.values, training=training, seed=self.store.seed
        )


def row_shape(shape: Any) -> Dims:
    """The shape of one row from what `build` is given: a leading None, the rows, is left out, as in Keras."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return rules.checked_shape("input_shape", sizes[1:] if sizes[:1] == (None,) else sizes)
