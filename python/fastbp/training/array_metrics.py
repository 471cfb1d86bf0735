"""Metrics that are functions of arrays: which they are, and their figures, computed once from all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._shared.memory import require_memory
from ..expressions.expression import Expression
from ..lowering.lowering import Node
from ..metrics import METRICS, Metric
from .figures import Layout
from .goal import Goal, MetricOf, arguments_of


def is_of_arrays(function: Any, target: Node, output: Node) -> bool:
    """Whether a metric is a function of arrays: it is no function of expressions.

    A function of a user's is tried with expressions. One that treats them as arrays gets a TypeError, does not find an
    array's attribute, or returns what is no expression.
    """
    if isinstance(function, Metric):
        return True
    if function in METRICS.values():
        return False
    try:
        return not isinstance(function(target, output), Expression)
    except TypeError:
        return True
    except AttributeError as error:
        if isinstance(getattr(error, "obj", None), Expression):
            return True
        raise


class ArrayMetrics:
    """The metrics of a goal that are functions of arrays.

    Parameters
    ----------
    goal : Goal
    layout : Layout
    metrics : list of MetricOf
    """

    def __init__(self, goal: Goal, layout: Layout, metrics: Sequence[MetricOf]) -> None:
        self.metrics, self._layout, self._goal = list(metrics), layout, goal
        self.outputs = sorted({metric.output for metric in self.metrics})  # those whose predictions are needed

    def figures(self, data: Sequence[np.ndarray], predictions: Sequence[np.ndarray]) -> dict[str, float]:
        """The figures by name.

        Parameters
        ----------
        data : list of array
            Targets and weights, as the layout has them.
        predictions : list of array
            Of `outputs`.
        """
        by_output = dict(zip(self.outputs, predictions))
        targets = iter(data)
        of_output = [None if dims is None else next(targets) for dims in self._layout.targets]
        weights = list(targets)
        return {
            metric.name: self._figure(
                metric, of_output[metric.output], by_output[metric.output], self._weights(metric, weights)
            )
            for metric in self.metrics
        }

    def _weights(self, metric: MetricOf, weights: Sequence[np.ndarray]) -> np.ndarray | None:
        place = self._layout.weights[metric.output]
        return weights[place] if metric.weighted and place is not None else None

    @staticmethod
    def _figure(metric: MetricOf, target: Any, prediction: np.ndarray, weight: np.ndarray | None) -> float:
        options = {}
        if weight is not None:
            if "sample_weight" not in arguments_of(metric.function):
                raise ValueError(
                    f"weighted_metrics has {metric.name!r}, which takes no sample_weight: put it among the metrics"
                )
            options["sample_weight"] = weight
        if not isinstance(metric.function, Metric):  # (rows,) with (rows, 1) would broadcast to a square
            target, prediction = _vector(target), _vector(prediction)
        figure = metric.function(target, prediction, **options)
        if np.ndim(figure) != 0 or isinstance(figure, Expression):
            raise TypeError(f"the metric {metric.name!r} must give a number, got {type(figure).__name__}")
        return float(figure)

    def places(self, rows: int, shapes: Sequence[tuple[int, ...]], dtype: str) -> list[np.ndarray]:
        """Arrays for the predictions of so many rows, full of NaN."""
        found = []
        for shape in shapes:
            require_memory(rows * int(np.prod(shape)) * np.dtype(dtype).itemsize)
            found.append(np.full((rows, *shape), np.nan, dtype))
        return found


def _vector(array: np.ndarray) -> np.ndarray:
    """(rows, 1) as (rows,)."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
