"""Metrics of probabilities: `LogLoss`, `ExpectedCalibrationError`."""

from __future__ import annotations

import numpy as np

from .._shared.arguments import at_least, known_keywords
from ..expressions.expression import Input
from ..expressions.functions import log
from ..lowering.backends import get_backend
from ..lowering.function import function
from .metric import Metric
from .rows import Rows, predicted_classes


class LogLoss(Metric):
    """The mean of −ln p, where p is the probability that a row's class was given.

    Parameters
    ----------
    name : str, optional
        Default "log_loss".

    Notes
    -----
    y_pred holds probabilities of class 1, of shape (m,) or (m, 1), or of k classes, (m, k), whose sums are 1 to half of
    the dtype's digits; y_true holds labels or one-hot rows. p is clipped to ε … 1 − ε, where ε is the spacing of
    y_pred's dtype at 1. The logarithm is rule 4's, so the figure has the same bits on every machine. Smaller is better.
    scikit-learn: `log_loss`.

    Examples
    --------
    >>> import fastbp as bp
    >>> round(bp.metrics.LogLoss()([1, 0], [0.5, 0.75]), 4)  # (ln 2 + ln 4) / 2
    1.0397
    """

    direction = "min"

    @known_keywords
    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def _of(self, rows: Rows) -> float:
        given = rows.probabilities()
        labels, epsilon = rows.labels(given.shape[1])[:, None], np.finfo(given.dtype).eps
        if given.shape[1] == 1:
            own = np.where(labels == 1, given, 1 - given)
        else:
            sums = np.add.reduce(given, axis=1, dtype=np.float64)
            rows.refuse("y_pred", abs(sums - 1) > np.sqrt(epsilon), sums, "have rows whose sum is 1")
            own = np.take_along_axis(given, labels, axis=1)
        return -rows.mean_of(_logarithms(np.clip(own[:, 0], epsilon, 1 - epsilon)))


class ExpectedCalibrationError(Metric):
    """How far confidence is from accuracy: the mean distance of both in bins of rows of like confidence.

    Parameters
    ----------
    bins : int
        How many bins of equal width divide 0 … 1. Default 15.
    name : str, optional
        Default "expected_calibration_error".

    Raises
    ------
    TypeError
        If `bins` is no whole number.
    ValueError
        If `bins` is below 1.

    Notes
    -----
    Σ |Bᵢ| / m · |accuracy(Bᵢ) − confidence(Bᵢ)|, where bin Bᵢ has the rows whose confidence is in ((i − 1)/bins,
    i/bins]. The confidence is the largest output, of a single output a the larger of a and 1 − a. M. P. Naeini, G. F.
    Cooper and M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015; C. Guo, G. Pleiss,
    Y. Sun and K. Q. Weinberger, On calibration of modern neural networks, 2017. Smaller is better. y_pred holds
    probabilities, of shape (m,), (m, 1) or (m, k); y_true holds labels or one-hot rows.

    Examples
    --------
    >>> import fastbp as bp
    >>> round(bp.metrics.ExpectedCalibrationError()([1, 1, 1, 0], [0.9, 0.9, 0.9, 0.9]), 2)  # 75 % right, 90 % sure
    0.15
    """

    direction = "min"

    @known_keywords
    def __init__(self, bins: int = 15, name: str | None = None) -> None:
        super().__init__(name)
        self.bins = at_least("bins", bins, 1)

    def _of(self, rows: Rows) -> float:
        given = rows.probabilities().astype(np.float64)
        right = predicted_classes(given) == rows.labels(given.shape[1])
        confidence = np.max(given if given.shape[1] > 1 else np.hstack([given, 1 - given]), axis=1)
        upper = np.arange(1, self.bins) / self.bins
        bins = np.searchsorted(upper, confidence, side="left")
        apart = right - confidence if rows.weights is None else rows.weights * (right - confidence)
        return float(np.sum(abs(np.bincount(bins, apart, self.bins))) / rows.total)


def _logarithms(values: np.ndarray) -> np.ndarray:
    """Natural logarithms in float64, with the same bits on every machine."""
    try:
        get_backend("core")
        backend = "core"
    except ImportError:  # a source tree without the extension
        backend = "reference"
    x = Input("x")
    logarithms: np.ndarray = function([x], log(x), dtype="float64", backend=backend)(values)
    return logarithms
