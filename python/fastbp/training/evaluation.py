"""`Evaluation`: the figures of a training graph, by the weights or by their averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .composed_metrics import ComposedMetrics
from .figures import Figures


class Evaluation:
    """The loss and the metrics of a training graph.

    Parameters
    ----------
    backend : module
    graph : Graph
    numbers : list of int
        Nodes: those of the cost and of what the figures are made of.
    values : Parameters
        The weights to compute with.
    figures : Figures
        What is made of the numbers.
    composed : ComposedMetrics, optional
        The numbers that are no means over rows.
    places : list of int
        Their places.
    """

    def __init__(
        self,
        backend: Any,
        graph: Any,
        numbers: Sequence[int],
        values: Any,
        figures: Figures,
        composed: ComposedMetrics | None,
        places: Sequence[int],
    ) -> None:
        self._numbers = backend.Function(graph, list(numbers), values)
        self._figures, self._places = figures, places
        self.predictions: Any = None  # a Function of the outputs that metrics of arrays take, if there are any
        if composed is not None:
            self._predicted = backend.Function(graph, composed.predicted, values)
            self._composed = composed.function(values)

    def prepare(self, rows: int) -> None:
        """Allocates what batches of so many rows need."""
        self._numbers.prepare(rows)

    def of_batch(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The numbers of these rows alone."""
        return np.array(self._numbers(list(arrays)), np.float64)

    def figures(self, numbers: Any) -> list[float]:
        """The figures that numbers make."""
        return [float(figure) for figure in self._figures.of(numbers)]

    def means(self, arrays: Sequence[np.ndarray], batch_size: int) -> list[float]:
        """The means of the batches' numbers, weighted by rows."""
        return [float(mean) for mean in self._numbers.means(list(arrays), batch_size=batch_size)]

    def corrected(self, numbers: Sequence[float], arrays: Sequence[np.ndarray], batch_size: int) -> list[float]:
        """The figures of means of batches, with the composed numbers, computed from the predictions of all rows."""
        corrected = list(numbers)
        if self._places:
            predicted = self._predicted(list(arrays), batch_size=batch_size)
            for place, number in zip(self._places, self._composed([*arrays, *predicted])):
                corrected[place] = float(number)
        return corrected if self._figures.are_numbers else self.figures(corrected)
