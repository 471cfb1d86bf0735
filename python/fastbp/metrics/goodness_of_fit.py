"""Metrics of numbers: `R2Score`, `RootMeanSquaredError`."""

from __future__ import annotations

import math

import numpy as np

from .._shared.arguments import known_keywords
from .._shared.nearest import look_up
from .metric import Metric
from .rows import Rows

AGGREGATIONS = ("uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """The coefficient of determination: 1 − the squared errors over the squared distances from the mean.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average"}
        Of several outputs: the plain mean of their scores, or the mean weighted by the targets' variances. Default
        "uniform_average".
    name : str, optional
        Default "r2_score".

    Raises
    ------
    ValueError
        If `class_aggregation` is unknown; None too, which is a score for each output in Keras.

    Notes
    -----
    1 is perfect, 0 as good as the mean, and there is no limit below. Constant targets, a single row too, give 1 if they
    are met exactly, else 0, as scikit-learn's `r2_score` does for two rows and more. y_true and y_pred have the same
    shape, with (m,) for (m, 1); axes behind the second count as outputs.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.R2Score()([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """

    @known_keywords
    def __init__(self, class_aggregation: str = "uniform_average", name: str | None = None) -> None:
        super().__init__(name)
        if class_aggregation is None:
            raise ValueError(
                f"class_aggregation must be one of {', '.join(AGGREGATIONS)}, since a figure is one number, got None"
            )
        self.class_aggregation = look_up("class_aggregation", class_aggregation, {name: name for name in AGGREGATIONS})

    def _of(self, rows: Rows) -> float:
        y, a = rows.numbers()
        unit, columns = power_of_two(y), range(y.shape[1])
        scores, variances = np.array([_score_and_variance(rows, y[:, j], a[:, j], unit) for j in columns]).T
        if self.class_aggregation == "uniform_average" or not variances.any():
            return float(np.sum(scores) / len(scores))
        return float(np.sum(scores * variances) / np.sum(variances))


class RootMeanSquaredError(Metric):
    """The root of the mean squared error of all rows and outputs.

    Parameters
    ----------
    name : str, optional
        Default "root_mean_squared_error".

    Notes
    -----
    √(Σ w (y − a)² / Σ w) over all outputs of all rows, in the targets' unit. Smaller is better. y_true and y_pred have
    the same shape, with (m,) for (m, 1). scikit-learn: `root_mean_squared_error`, which averages the roots of several
    outputs.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.RootMeanSquaredError()([1.0, 1.0, 7.0, 7.0], [0.0, 0.0, 0.0, 0.0])
    5.0
    """

    direction = "min"

    @known_keywords
    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def _of(self, rows: Rows) -> float:
        y, a = rows.numbers()
        errors = y - a
        scale = power_of_two(errors)
        squares = np.sum(np.square(errors / scale), axis=1) / errors.shape[1]
        return scale * math.sqrt(rows.mean_of(squares))


def _score_and_variance(rows: Rows, y: np.ndarray, a: np.ndarray, unit: float) -> tuple[float, float]:
    """The score of one output, and its targets' sum of squared distances from their mean, in squares of a unit."""
    spread = y - y[0]  # of constant targets exactly 0
    if not spread.any():
        return float(np.array_equal(y, a)), 0.0
    scale = power_of_two(spread)
    distances = spread / scale
    distances = distances - rows.mean_of(distances)
    variance = rows.sum_of(np.square(distances))
    with np.errstate(over="ignore"):  # then the score is −∞
        errors = rows.sum_of(np.square((y - a) / scale))
        return float(1 - errors / variance), float(variance * (scale / unit) ** 2)


def power_of_two(values: np.ndarray) -> float:
    """A power of two near the largest magnitude, by which values are divided so that their squares do not overflow."""
    exponent = math.frexp(float(np.max(np.abs(values))))[1]
    return math.ldexp(1.0, max(-1022, min(exponent, 1023)))
