"""`Trainee`: the protocol of the model that the loop of `fit` trains. `Model` is one."""

from __future__ import annotations

from typing import Any, Protocol

from ..callbacks.history import History
from .graphs import TrainingGraph


class Trainee(Protocol):
    """A compiled network, as the loop of `fit` sees it."""

    stop_training: bool
    history: History | None
    _trained_rows: int  # m of the penalties: the rows of the last `fit`

    @property
    def _steps(self) -> int:
        """How many steps were made."""

    def _trainer_of(self, training: TrainingGraph) -> Any:
        """The trainer of this graph, with the optimiser's present settings and the model's counters."""

    def _apply_settings(self, training: TrainingGraph) -> Any:
        """The trainer of this graph, after passing it the optimiser's settings if they may have changed."""

    def _overwrite_with_average(self) -> None:
        """Replaces the weights by their moving average if the optimiser keeps one."""
