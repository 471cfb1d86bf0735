"""Metrics of the k largest outputs: `TopKCategoricalAccuracy`, `SparseTopKCategoricalAccuracy`."""

from __future__ import annotations

import numpy as np

from .._shared.arguments import at_least, known_keywords
from .metric import Metric
from .rows import Rows


class TopKCategoricalAccuracy(Metric):
    """The share of rows whose class is among the k largest outputs.

    Parameters
    ----------
    k : int
        Default 5.
    name : str, optional
        Default "top_k_categorical_accuracy".

    Raises
    ------
    TypeError
        If `k` is no whole number.
    ValueError
        If `k` is below 1.

    Notes
    -----
    y_pred has the shape (m, classes), with at least two; y_true holds labels or one-hot rows. Of equal outputs the
    first counts as the larger, so k = 1 gives the accuracy. With k classes or fewer, every row is right, as in Keras.
    scikit-learn: `top_k_accuracy_score`, which takes the last of equal outputs.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.TopKCategoricalAccuracy(k=2)([0, 1], [[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]])
    0.5
    """

    @known_keywords
    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = at_least("k", k, 1)

    def _of(self, rows: Rows) -> float:
        scores = rows.scores()
        if scores.shape[1] < 2:
            raise ValueError("y_pred must have at least two outputs, got one")
        labels = rows.labels(scores.shape[1])[:, None]
        own = np.take_along_axis(scores, labels, axis=1)
        earlier = (scores == own) & (np.arange(scores.shape[1]) < labels)
        return rows.mean_of(np.count_nonzero((scores > own) | earlier, axis=1) < self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """`TopKCategoricalAccuracy` by Keras' name for labels; both take labels and one-hot rows.

    Parameters
    ----------
    k : int
        Default 5.
    name : str, optional
        Default "sparse_top_k_categorical_accuracy".

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.SparseTopKCategoricalAccuracy(k=2)([0, 1], [[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]])
    0.5
    """


def places(scores: np.ndarray) -> np.ndarray:
    """The place of each score (rows, k) in its row, from 0, the largest; of equal ones the first comes first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.arange(scores.shape[1])[None, :], axis=1)
    return found
