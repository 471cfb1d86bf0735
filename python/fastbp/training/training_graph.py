"""`TrainingGraph`: the graph of a model's cost for targets of one shape, with its trainer, evaluation and gradients."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .._shared.change_stamp import TRAINED_HOW, ChangeStamp, are_settings
from .._shared.trained_weight import TrainedWeight
from ..constraints import get_constraint
from ..expressions import shape_rules
from ..expressions.expression import Call, Expression, Input
from ..expressions.functions import abs, square
from ..expressions.parameter import Parameter
from ..expressions.reductions import mean, sum
from ..losses import Loss
from ..lowering.identities import below_identities
from ..lowering.layer_names import Scope
from ..lowering.lowering import Lowering, Node
from ..lowering.parameter_store import ParameterStore
from ..regularizers import proximal_l1, split_penalty
from .backpropagation import BackwardPass, dense_layers
from .composed_metrics import ComposedMetrics, is_mean_over_rows
from .evaluation import Evaluation
from .goal import Goal
from .optimizer_state import AveragedValues
from .trained_graph import TrainedGraph

Dims = tuple[int, ...]

_trained_how = operator.attrgetter(*TRAINED_HOW)


def _max_norm(weight: Parameter) -> float:
    constraint = get_constraint(f"the constraint of {weight.name!r}", weight.constraint)
    return math.inf if constraint is None else constraint.max_value


class TrainingGraph(TrainedGraph):
    """The graph of the cost for inputs and targets of given shapes, with its trainer, evaluation and gradients.

    The cost is the loss, then the layers' penalties in the order of the weights, then l1/m Σ|w| and l2/(2m) Σw²; the
    penalties that proximal steps take care of come last. The descended cost is the cost without these. Weights that are
    not trained have no penalty.
    """

    def __init__(
        self,
        store: ParameterStore,
        inputs: Sequence[Input],
        shapes: Sequence[Dims],
        output: Expression,
        goal: Goal,
        factors: tuple[Parameter, Parameter],
        scope: Scope,
    ) -> None:
        self.store, self.goal, self.shapes, self.output = store, goal, shapes, output
        target = Input("y")
        self.inputs = [*inputs, target]
        self.lowering = Lowering(store, self.inputs, shapes, scope)
        self.check = self.lowering.check  # raises a ValueError for targets that the loss or a metric is not meant for
        self.lowering.lower([output])
        loss = self._loss(target, output)
        self.lowering.lower([loss])
        self._check_dependence(loss)
        self.trainable = self.lowering.trained()
        self._l1, self._l2 = factors
        seen, proximal = self._penalties()
        descended = _total(loss, seen)
        descended_node = self.lowering.node(descended)
        self._cost, self._scope = _total(descended, proximal), scope
        self._all_penalties = [*seen, *proximal]
        cost = self.lowering.node(self._cost)
        rows, dims = self.lowering.shape(cost)
        if rows or dims:
            raise ValueError(f"a regulariser must give a scalar, got the shape {shape_rules.shape_text(rows, dims)}")
        self._metrics = [self._scalar(f, target, output, name) for name, f in goal.metrics]
        figures = self.lowering.lower(self._metrics)
        self.lowering.raise_objections()
        super().__init__(store, self.lowering, cost, self.trainable, figures, descended_node)
        self._freezable = self.lowering.freezable()
        self._stamp = ChangeStamp.now if all(map(are_settings, self._freezable)) else None
        self._flags = [*map(_trained_how, self._freezable)]
        self._gradients: dict[bool, Any] = {}
        self._rows = 0  # m of the penalties

    def _check_dependence(self, loss: Expression) -> None:
        """Raises a ValueError if the loss depends neither on the outputs nor on a weight: nothing could be trained."""
        nodes = self.lowering.nodes
        wanted = {nodes[expression] for expression in (self.output, *self.lowering.parameters)}
        if not self.lowering.passes_gradients(nodes[loss], wanted):
            raise ValueError(
                "the loss does not depend on the outputs, so nothing can be trained: use y_pred in it, not only by "
                "argmax, comparisons or signs, which have no gradient"
            )

    def _penalties(self) -> tuple[list[Expression], list[Expression]]:
        """The trained weights' penalties: part of the descended cost, or left to proximal steps."""
        seen, proximal = [], []
        for weight in self.trainable:
            first, second = split_penalty(weight)
            seen += [first] if first is not None else []
            proximal += [second] if second is not None else []
        penalized = [weight for weight in self.trainable if weight.decay]
        for scale, coefficient, function in ((self.goal.l1, self._l1, abs), (self.goal.l2, self._l2, square)):
            if scale and penalized:
                total = sum(function(penalized[0]))
                for weight in penalized[1:]:
                    total = total + sum(function(weight))
                (proximal if self.goal.proximal and function is abs else seen).append(coefficient * total)
        return seen, proximal

    @staticmethod
    def _scalar(function: Loss, target: Expression, output: Expression, name: str) -> Expression:
        """A loss or metric as a scalar: the mean of a result that has rows or features."""
        return Call(
            lambda value: mean(value) if value.shape else value, Call(function, target, output, name=name), name=name
        )

    def set_rows(self, rows: int) -> None:
        """Sets m of the penalties; λ/m and λ/(2m) are combined in float64 and rounded once. For who trains alone."""
        if rows and self.goal.l1:
            self._l1.value = self.goal.l1 / rows
        if rows and self.goal.l2:
            self._l2.value = self.goal.l2 / (2 * rows)
        if self.goal.l1 or self.goal.l2:
            self.store.refresh()
        if rows != self._rows:
            self._rows = 0  # if this is interrupted, it is done again
            if self._trainer is not None and self.goal.proximal:
                self._trainer.set_weights(self._weights_for(rows))
            self._rows = rows

    def weights(self) -> list[TrainedWeight]:
        return self._weights_for(self._rows)

    def _weights_for(self, rows: int) -> list[TrainedWeight]:
        """λ of a weight's soft threshold ηλ is the net's l1/m, if it is decayed, plus the layer's l1."""
        shared = self.goal.l1 / rows if self.goal.proximal and rows else 0.0
        return [
            weight._replace(max_norm=_max_norm(p), proximal_l1=shared * p.decay + proximal_l1(p))
            for weight, p in zip(super().weights(), self.trainable)
        ]

    @property
    def is_current(self) -> bool:
        """Whether every weight and layer has the `trainable` and the multipliers that it had when this was made."""
        stamp = ChangeStamp.now
        if self._stamp is stamp:
            return True
        current = self._flags == [*map(_trained_how, self._freezable)]
        if current and self._stamp is not None:
            self._stamp = stamp
        return current

    @property
    def depends_on_settings_alone(self) -> bool:
        """Whether only settings that the stamp covers change how it trains; penalties depend on the number of rows."""
        return self._stamp is not None and not (self.goal.l1 or self.goal.l2)

    @cached_property
    def evaluation(self) -> Evaluation:
        return self._evaluation_by(self.store.values)

    @cached_property
    def _averaged(self) -> tuple[AveragedValues, Evaluation]:
        averaged = AveragedValues(self.store)
        return averaged, self._evaluation_by(averaged.values)

    def averaged_evaluation(self, averages: Mapping[Parameter, np.ndarray]) -> Evaluation:
        """`evaluation` by the moving averages of weights."""
        averaged, evaluation = self._averaged
        averaged.refresh(averages)
        return evaluation

    def _evaluation_by(self, values: Any) -> Evaluation:
        lowering, figures = self._without_dropout
        places, composed = self._composed
        return Evaluation(self.store.backend, lowering.graph, figures, values, composed, places)

    @cached_property
    def _composed(self) -> tuple[list[int], ComposedMetrics | None]:
        """The loss and metrics that are no means over rows, and their places among the figures."""
        lowering, figures = self._without_dropout
        places = [i for i, node in enumerate(figures) if not is_mean_over_rows(lowering.graph, node)]
        if not places:
            return places, None

        def figure(place: int) -> Callable[[Expression, Expression], Expression]:
            if place == 0:
                return lambda target, prediction: _total(self._loss(target, prediction), self._all_penalties)
            name, function = self.goal.metrics[place - 1]
            return lambda target, prediction: self._scalar(function, target, prediction, name)

        output = Node(lowering, lowering.node(self.output))
        return places, ComposedMetrics(output, self.inputs, self.shapes, [figure(p) for p in places])

    @cached_property
    def _without_dropout(self) -> tuple[Lowering, list[int]]:
        """The graph for use where nothing is dropped, and its nodes of the cost and the figures.

        It is the one that is trained, unless its outputs are dropped: a loss then knows no softmax in them.
        """
        output = Node(self.lowering, self.lowering.node(self.output))
        if below_identities(output, training=False).index == below_identities(output, training=True).index:
            return self.lowering, [self.cost, *self.figures]
        lowering = Lowering(self.store, self.inputs, self.shapes, self._scope, training=False)
        return lowering, lowering.lower([self.output, self._cost, *self._metrics])[1:]

    @cached_property
    def backpropagation(self) -> BackwardPass:
        """The backward pass of the loss, layer by layer."""
        *inputs, target = self.inputs
        (x,) = inputs
        return BackwardPass(self.store, [x, target], self.shapes, dense_layers(x, self.output), self._loss)

    def _loss(self, target: Expression, output: Expression) -> Expression:
        return self._scalar(self.goal.loss, target, output, "loss")

    def gradients(self, weights: Sequence[Parameter], training: bool) -> Any:
        """A Function of the cost and its gradients by `weights`, made once with dropout and once without."""
        if training not in self._gradients:
            lowering, (cost, *_) = (self.lowering, [self.cost]) if training else self._without_dropout
            nodes = lowering.graph.gradients(cost, [lowering.node(w) for w in weights])
            self._gradients[training] = self.store.backend.Function(
                lowering.graph, [cost, *nodes], self.store.values, training=training, seed=self.store.seed
            )
        return self._gradients[training]


def _total(value: Expression, penalties: Sequence[Expression]) -> Expression:
    """The sum, in this order."""
    for penalty in penalties:
        value = value + penalty
    return value
