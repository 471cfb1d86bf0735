"""`TrainingGraph`: the graph of a model's cost for targets of one shape, with its trainer, evaluation and gradients."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .._shared.change_stamp import TRAINED_HOW, ChangeStamp, are_settings
from .._shared.trained_weight import TrainedWeight
from ..constraints import get_constraint
from ..expressions import shape_rules
from ..expressions.expression import Expression, Input
from ..expressions.functions import abs, square, where_positive
from ..expressions.parameter import Parameter
from ..expressions.reductions import sum
from ..lowering.identities import below_identities
from ..lowering.layer_names import Scope
from ..lowering.lowering import Lowering, Node
from ..lowering.parameter_store import ParameterStore
from ..regularizers import proximal_l1, split_penalty
from .array_metrics import ArrayMetrics, is_of_arrays
from .backpropagation import BackwardPass, dense_layers
from .composed_metrics import ComposedMetrics, is_mean_over_rows
from .evaluation import Evaluation
from .figures import FigurePlan, Layout, Operands
from .goal import Goal, MetricOf
from .optimizer_state import AveragedValues
from .row_weights import mask
from .trained_graph import TrainedGraph

Dims = tuple[int, ...]

_trained_how = operator.attrgetter(*TRAINED_HOW)


def _max_norm(weight: Parameter) -> float:
    constraint = get_constraint(f"the constraint of {weight.name!r}", weight.constraint)
    return math.inf if constraint is None else constraint.max_value


class TrainingGraph(TrainedGraph):
    """The graph of the cost for data of given shapes, with its trainer, evaluation and gradients.

    The cost is the losses, then the layers' penalties in the order of the weights, then l1/m Σ|w| and l2/(2m) Σw²; the
    penalties that proximal steps take care of come last. The descended cost is the cost without these. Weights that are
    not trained have no penalty.

    Parameters
    ----------
    inputs : list of Input
        The model's.
    shapes : list of tuple of int
        The shapes of a row of each of them.
    outputs : list of Expression
    goal : Goal
    layout : Layout
        What comes behind the inputs.
    factors : pair of Parameter
        Of the goal's penalties.
    """

    def __init__(
        self,
        store: ParameterStore,
        inputs: Sequence[Input],
        shapes: Sequence[Dims],
        outputs: Sequence[Expression],
        goal: Goal,
        layout: Layout,
        factors: tuple[Parameter, Parameter],
        scope: Scope,
    ) -> None:
        self.store, self.goal, self.layout, self.outputs = store, goal, layout, list(outputs)
        self._model_inputs, self.shapes = list(inputs), [*shapes, *layout.shapes]
        self._targets, self._row_weights = _inputs_behind(goal, layout)
        self.inputs = [*inputs, *(t for t in self._targets if t is not None), *self._row_weights]
        self.lowering = Lowering(store, self.inputs, self.shapes, scope)
        # Raises a ValueError for targets that a loss or a metric is not meant for; rows of weight 0 may hold any.
        self.check = self._check_weighted if self._row_weights else self.lowering.check
        self._read: dict[Expression, int] = {own: self.lowering.nodes[own] for own in inputs}
        if layout.masked:
            self._mask(self.lowering)
        self.lowering.lower(self.outputs)
        operands = self._operands(self.outputs)
        of_arrays = [m for m in goal.metrics if self._is_of_arrays(m)]
        self.array_metrics = ArrayMetrics(goal, layout, of_arrays)
        penalized = any(part is not None for weight in self.lowering.trained() for part in split_penalty(weight))
        of_expressions = [metric for metric in goal.metrics if metric not in of_arrays]
        self._plan = FigurePlan(goal, layout, penalized or bool(goal.l1 or goal.l2), of_expressions)
        self.reported = self._plan.figures
        loss = self._plan.numbers[0].make(operands)
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
        self._numbers = self._make_numbers(operands)
        numbers = self.lowering.lower(self._numbers)
        self.lowering.raise_objections()
        kept = self._predictions()
        total = self._plan.total_weight
        super().__init__(store, self.lowering, cost, self.trainable, numbers, descended_node, total, kept)
        self.is_measured_plainly = self.reported.are_numbers and not kept  # a step's numbers are its figures
        self._freezable = self.lowering.freezable()
        self._stamp = ChangeStamp.now if all(map(are_settings, self._freezable)) else None
        self._flags = [*map(_trained_how, self._freezable)]
        self._gradients: dict[bool, Any] = {}
        self._rows = 0  # m of the penalties

    def _is_of_arrays(self, metric: MetricOf) -> bool:
        target, output = self._targets[metric.output], self.outputs[metric.output]
        assert target is not None
        nodes = [Node(self.lowering, self.lowering.nodes[expression]) for expression in (target, output)]
        return is_of_arrays(metric.function, *nodes)

    def _predictions(self) -> list[int]:
        """The nodes of the outputs that metrics of arrays take, computed from what the rows hold."""
        if not self.array_metrics.metrics:
            return []
        if self.layout.masked:
            return [self._unmasked_outputs[o] for o in self.array_metrics.outputs]
        return [self.lowering.nodes[self.outputs[o]] for o in self.array_metrics.outputs]

    def places(self, rows: int) -> list[np.ndarray]:
        """Arrays for the predictions that a training keeps, of so many rows."""
        return self.array_metrics.places(rows, [self.lowering.shape(node)[1] for node in self.kept], self.store.dtype)

    def measured_step(self, trainer: Any, arrays: Sequence[np.ndarray]) -> list[float]:
        """A step of its trainer on these rows, and all figures of before the update."""
        places = self.places(len(arrays[0]))
        figures = self.reported.of(self.store.train(trainer, trainer.step, arrays, places if places else None))
        return self.with_figures_of_arrays(figures, arrays, places) if places else figures

    def with_figures_of_arrays(
        self, figures: Sequence[float], arrays: Sequence[np.ndarray], predictions: Sequence[np.ndarray]
    ) -> list[float]:
        """All figures, in the order of their names."""
        by_name = {**dict(zip(self.reported.names, figures)), **self.figures_of_arrays(arrays, predictions)}
        return [by_name[name] for name in self.goal.names]

    def figures_of_arrays(self, arrays: Sequence[np.ndarray], predictions: Sequence[np.ndarray]) -> dict[str, float]:
        """Those of the metrics of arrays, by name, for the data and what is predicted for them."""
        return self.array_metrics.figures(arrays[len(self._model_inputs) :], predictions)

    def _check_weighted(self, arrays: Sequence[np.ndarray], prefix: str = "") -> None:
        slots = {own: slot for slot, own in enumerate(self.inputs)}
        weights = zip(self._targets, self._of_outputs(self._row_weights))
        counted = {slots[t]: arrays[slots[w]] != 0 for t, w in weights if t is not None and w is not None}
        self.lowering.check(arrays, prefix, counted)

    def _of_outputs(self, weights: Sequence[Any]) -> list[Any]:
        """For each output its entry in a list with one for each array of weights."""
        return [None if place is None else weights[place] for place in self.layout.weights]

    def _operands(self, outputs: Sequence[Expression]) -> Operands:
        """Targets, outputs and weights, by output."""
        weights = self._of_outputs(self._row_weights)
        targets: list[Expression | None] = list(self._targets)
        if self.layout.masked:
            targets = [
                t if t is None or w is None else where_positive(abs(w), t, 0.0) for t, w in zip(targets, weights)
            ]
        return Operands(targets, outputs, weights)

    def _unmasked_operands(self) -> Operands:
        """The same, with what the rows of weight 0 hold: the network is computed a second time."""
        return Operands(self._targets, [Node(self.lowering, node) for node in self._unmasked_outputs], [])

    @cached_property
    def _unmasked_outputs(self) -> list[int]:
        return self.lowering.inline(self.outputs, self._read)

    def _mask(self, lowering: Lowering) -> None:
        """Has the network read zeros in rows whose weights are all 0, so that no NaN of theirs gets into a gradient."""
        trained = [place for place, output in zip(self.layout.weights, self.goal.outputs) if output.loss is not None]
        places = [place for place in dict.fromkeys(trained) if place is not None]
        if None in trained:
            return  # every row counts for some output
        mask(lowering, self._model_inputs, [self._row_weights[place] for place in places])

    def _make_numbers(self, operands: Operands) -> list[Expression]:
        """The numbers behind the cost."""
        unmasked, made = operands, []
        if self.layout.masked and any(number.unmasked for number in self._plan.numbers):
            unmasked = self._unmasked_operands()
        for place, number in enumerate(self._plan.numbers[1:], 1):
            if place == self._plan.penalty:
                made.append(_total(self._all_penalties[0], self._all_penalties[1:]))
            else:
                made.append(number.make(unmasked if number.unmasked else operands))
        return made

    def _check_dependence(self, loss: Expression) -> None:
        """Raises a ValueError if the loss depends neither on the outputs nor on a weight: nothing could be trained."""
        nodes = self.lowering.nodes
        wanted = {nodes[expression] for expression in (*self.outputs, *self.lowering.parameters)}
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
        lowering, numbers = self._without_dropout
        places, composed = self._composed
        evaluation = Evaluation(self.store.backend, lowering.graph, numbers, values, self.reported, composed, places)
        if self.kept:
            outputs = [lowering.node(self.outputs[o]) for o in self.array_metrics.outputs]
            evaluation.predictions = self.store.backend.Function(lowering.graph, outputs, values)
        return evaluation

    @cached_property
    def _composed(self) -> tuple[list[int], ComposedMetrics | None]:
        """The numbers that are no means over rows, and their places."""
        lowering, numbers = self._without_dropout
        places = [i for i, node in enumerate(numbers) if not is_mean_over_rows(lowering.graph, node)]
        if not places:
            return places, None
        outputs = [Node(lowering, lowering.node(output)) for output in self.outputs]

        def numbers_of(predictions: Sequence[Expression]) -> list[Expression]:
            operands = self._operands(predictions)
            cost = _total(self._plan.numbers[0].make(operands), self._all_penalties)
            of_all = [cost, *self._make_numbers(operands)]
            return [of_all[place] for place in places]

        return places, ComposedMetrics(outputs, self.inputs, self.shapes, numbers_of)

    @cached_property
    def _without_dropout(self) -> tuple[Lowering, list[int]]:
        """The graph for use where nothing is dropped, and its nodes of the cost and the other numbers.

        It is the one that is trained, unless its outputs are dropped: a loss then knows no softmax in them. With
        masked rows, which are trained on alone, only the cost is computed.
        """
        if not any(map(self._is_dropped, self.outputs)):
            return self.lowering, [self.cost, *self.figures]
        lowering = Lowering(self.store, self.inputs, self.shapes, self._scope, training=False)
        if self.layout.masked:
            self._mask(lowering)
        lowering.lower(self.outputs)
        return lowering, lowering.lower([self._cost, *(() if self.layout.masked else self._numbers)])

    def _is_dropped(self, expression: Expression) -> bool:
        output = Node(self.lowering, self.lowering.node(expression))
        return below_identities(output, training=False).index != below_identities(output, training=True).index

    @cached_property
    def backpropagation(self) -> BackwardPass:
        """The backward pass of the loss, layer by layer, of a network with one input and one output."""
        (x,), (output,), (target,) = self._model_inputs, self.outputs, self._targets
        assert target is not None

        def loss(y: Expression, a: Expression) -> Expression:
            return self._plan.numbers[0].make(Operands([y], [a], [None]))

        return BackwardPass(self.store, [x, target], self.shapes, dense_layers(x, output), loss)

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


def _inputs_behind(goal: Goal, layout: Layout) -> tuple[list[Input | None], list[Input]]:
    """The targets, by output, and the weights of rows: inputs of the graph, with their names in messages."""
    several = len(goal.outputs) > 1
    targets = [
        None if dims is None else Input(f"y[{output.name!r}]" if several else "y")
        for output, dims in zip(goal.outputs, layout.targets)
    ]
    return targets, [Input("sample_weight") for _ in range(layout.weight_arrays)]
