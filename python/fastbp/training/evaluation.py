"""`Evaluation`: the figures of a training graph, by the weights or by their averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .composed_metrics import ComposedMetrics


class Evaluation:
    """The loss and the metrics of a training graph.

    Parameters
    ----------
    backend : module
    graph : Graph
    figures : list of int
        The nodes of the loss and of each metric.
    values : Parameters
        The weights to compute with.
    composed : ComposedMetrics, optional
        The loss and metrics that are no means over rows.
    places : list of int
        Their places among the figures.
    """

    def __init__(
        self,
        backend: Any,
        graph: Any,
        figures: Sequence[int],
        values: Any,
        composed: ComposedMetrics | None,
        places: Sequence[int],
    ) -> None:
        self._figures = backend.Function(graph, list(figures), values)
        self._places = places
        if composed is not None:
            self._predicted = backend.Function(graph, [composed.predicted], values)
            self._composed = composed.function(values)

    def prepare(self, rows: int) -> None:
        """Allocates what batches of so many rows need."""
        self._figures.prepare(rows)

    def of_batch(self, arrays: Sequence[np.ndarray]) -> list[float]:
        """The figures of these rows alone."""
        return [float(figure) for figure in self._figures(list(arrays))]

    def means(self, arrays: Sequence[np.ndarray], batch_size: int) -> list[float]:
        """The means of the batches' figures, weighted by rows."""
        return [float(mean) for mean in self._figures.means(list(arrays), batch_size=batch_size)]

    def corrected(self, figures: Sequence[float], arrays: Sequence[np.ndarray], batch_size: int) -> list[float]:
        """Means of batches with the composed figures, computed from the predictions of all rows, in their places."""
        corrected = list(figures)
        if self._places:
            (predicted,) = self._predicted(list(arrays), batch_size=batch_size)
            for place, metric in zip(self._places, self._composed([*arrays, predicted])):
                corrected[place] = float(metric)
        return corrected
