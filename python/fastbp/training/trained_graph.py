"""`TrainedGraph`: the graph of a cost, and the trainer that descends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._shared.trained_weight import TrainedWeight
from ..expressions.parameter import Parameter
from ..lowering.lowering import Lowering
from ..lowering.parameter_store import ParameterStore


class TrainedGraph:
    """The graph of a cost.

    Parameters
    ----------
    store : ParameterStore
    lowering : Lowering
        With the cost in its graph.
    cost : int
        A node: a scalar without rows.
    trainable : list of Parameter
        What is trained.
    figures : list of int
        Nodes of the metrics.
    descended : int, optional
        The node whose gradients are descended. Default: the cost.
    total_weight : int, optional
        The place, among the cost and the figures, of one that is 0 where no row of a step counts.
    kept : list of int
        Nodes with rows, whose values the trainer keeps.
    """

    def __init__(
        self,
        store: ParameterStore,
        lowering: Lowering,
        cost: int,
        trainable: Sequence[Parameter],
        figures: Sequence[int] = (),
        descended: int | None = None,
        total_weight: int | None = None,
        kept: Sequence[int] = (),
    ) -> None:
        self.store, self.lowering, self.cost, self.trainable = store, lowering, cost, list(trainable)
        self.figures, self.descended, self.total_weight = list(figures), descended, total_weight
        self.kept = list(kept)
        self._trainer: Any = None
        self._settings: dict[str, Any] = {}  # the trainer's hyperparameters

    def weights(self) -> list[TrainedWeight]:
        """What is set for each trained weight."""
        return [self._weight(parameter) for parameter in self.trainable]

    def _weight(self, parameter: Parameter) -> TrainedWeight:
        multiplier = self.lowering.multiplier
        decay = parameter.decay * multiplier(parameter, "weight_decay_multiplier")
        return TrainedWeight(self.lowering.nodes[parameter], decay, multiplier(parameter, "learning_rate_multiplier"))

    def trainer(self, settings: dict[str, Any] | None) -> Any:
        """The trainer, made once, with these settings of the optimiser; None leaves those of the last call."""
        if settings is None:
            return self._trainer
        if self._trainer is None:
            self._trainer = self.store.backend.Trainer(
                self.lowering.graph,
                self.cost,
                self.figures,
                self.store.values,
                self.weights(),
                settings,
                self.store.seed,
                self.descended,
                self.total_weight,
                self.kept,
            )
        elif self._settings != settings:
            self._settings = {}  # if this is interrupted, nobody knows which they are
            self._trainer.set_optimizer(settings)
        self._settings = settings
        return self._trainer
