"""`Trainee`: what the loop of `fit` asks of the model that it trains. `Model` is one."""

from __future__ import annotations

from typing import Any, Protocol

from ..callbacks.history import History
from .graphs import TrainingGraph


class Trainee(Protocol):
    """A compiled network, between its arguments' checks and the engine."""

    stop_training: bool
    history: History | None

    def _trainer_of(self, training: TrainingGraph) -> Any:
        """The trainer of this graph, with the optimiser's present settings and the model's counters."""

    def _apply_settings(self, training: TrainingGraph) -> Any:
        """The trainer of this graph, told the optimiser's settings if they have changed."""

    def _begin_training(self, training: TrainingGraph) -> None:
        """From now on nothing else may train the weights."""

    def _end_training(self, training: TrainingGraph, trainer: Any) -> None:
        """Ends training and stores the trainer's counters."""

    def _overwrite_with_average(self) -> None:
        """The weights become their moving average, where the optimiser keeps one."""
