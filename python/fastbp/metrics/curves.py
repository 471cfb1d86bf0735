"""Curves over all thresholds of one output, exact: `roc_curve`, `precision_recall_curve`, `best_threshold`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._shared.arguments import truth
from .._shared.nearest import look_up
from .rows import Rows


def roc_curve(
    y_true: Any, y_pred: Any, sample_weight: Any = None, drop_intermediate: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The receiver operating characteristic: rates of false and true positives at every threshold.

    Parameters
    ----------
    y_true : array_like
        Zeros and ones, of shape (m,) or (m, 1); with two outputs also one-hot rows (m, 2).
    y_pred : array_like
        Scores of class 1, of shape (m,) or (m, 1), any numbers but NaN; or (m, 2), of which column 1 is taken.
    sample_weight : array_like of shape (m,) or (m, 1), optional
    drop_intermediate : bool
        Whether to leave out points on a straight line between their neighbours. Default True.

    Returns
    -------
    fpr, tpr : array of float64
        The shares of class 0 and of class 1 whose score is at least the threshold; NaN if there are no such rows.
    thresholds : array of float64
        Falling; the first is infinite, where nothing is predicted positive.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.

    Notes
    -----
    The arrays are those of scikit-learn's `roc_curve`. T. Fawcett, An introduction to ROC analysis, 2006, algorithm 1.

    Examples
    --------
    >>> import fastbp as bp
    >>> fpr, tpr, thresholds = bp.metrics.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    >>> thresholds.tolist()
    [inf, 0.8, 0.4, 0.35, 0.1]
    """
    thresholds, tp, fp = steps(*binary(Rows(y_true, y_pred, sample_weight)))
    if truth("drop_intermediate", drop_intermediate) and len(tp) > 2:
        corners = (np.diff(tp, 2) != 0) | (np.diff(fp, 2) != 0)
        kept = np.flatnonzero(np.concatenate([[True], corners, [True]]))
        thresholds, tp, fp = thresholds[kept], tp[kept], fp[kept]
    rates = (_shares(np.concatenate([[0], counts])) for counts in (fp, tp))
    return *rates, np.concatenate([[np.inf], thresholds]).astype(np.float64)  # type: ignore[return-value]


def precision_recall_curve(
    y_true: Any, y_pred: Any, sample_weight: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall at every threshold.

    Parameters
    ----------
    y_true : array_like
        Zeros and ones, of shape (m,) or (m, 1); with two outputs also one-hot rows (m, 2).
    y_pred : array_like
        Scores of class 1, of shape (m,) or (m, 1), any numbers but NaN; or (m, 2), of which column 1 is taken.
    sample_weight : array_like of shape (m,) or (m, 1), optional

    Returns
    -------
    precision, recall : array of float64
        For each threshold, of predicting class 1 where the score is at least that; then 1 and 0. Without rows of
        class 1 the precision is 0 and the recall 1.
    thresholds : array of float64
        Rising; one fewer than the points.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.

    Notes
    -----
    The arrays are those of scikit-learn's `precision_recall_curve`.

    Examples
    --------
    >>> import fastbp as bp
    >>> precision, recall, thresholds = bp.metrics.precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> precision.round(2).tolist(), recall.tolist()
    ([0.5, 0.67, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.5, 0.0])
    >>> thresholds.tolist()
    [0.1, 0.35, 0.4, 0.8]
    """
    thresholds, tp, fp = steps(*binary(Rows(y_true, y_pred, sample_weight)))
    precision = tp / (tp + fp)
    recall = _shares(tp) if tp[-1] else np.ones(len(tp))
    return (
        np.concatenate([precision[::-1], [1.0]]),
        np.concatenate([recall[::-1], [0.0]]),
        thresholds[::-1].astype(np.float64),
    )


def best_threshold(
    y_true: Any, y_pred: Any, metric: str | Callable[..., Any] = "f1", sample_weight: Any = None
) -> float:
    """The threshold t with which "class 1 where the score is > t" is best on these rows.

    Choose it on rows that validate, and say how good it is on others.

    Parameters
    ----------
    y_true : array_like
        Zeros and ones of both kinds, of shape (m,) or (m, 1); with two outputs also one-hot rows (m, 2).
    y_pred : array_like
        Finite scores of class 1, of shape (m,) or (m, 1); or (m, 2), of which column 1 is taken.
    metric : {"f1", "accuracy", "balanced_accuracy"} or function (tp, fp, fn, tn)
        What shall be largest. A function gets four arrays, the true and false positives and the false and true
        negatives at each threshold (numbers of rows, or sums of their weights), and returns an array of figures, of
        which none is NaN. Default "f1".
    sample_weight : array_like of shape (m,) or (m, 1), optional

    Returns
    -------
    float
        Halfway between two neighbouring scores, or below all, or the largest. Of several thresholds that are equally
        good, the largest. It is exact in the scores' dtype.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or all rows that count are of one class.

    Notes
    -----
    `Precision`, `Recall` and `F1Score` take such a threshold and compare alike.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, scores = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.6, 0.9]
    >>> bp.metrics.best_threshold(y, scores)
    0.25
    >>> bp.metrics.best_threshold(y, scores, lambda tp, fp, fn, tn: -(5 * fp + fn))  # a false alarm costs 5
    0.5
    """
    figure = metric if callable(metric) else look_up("metric", metric, FIGURES)
    rows = Rows(y_true, y_pred, sample_weight)
    truths, scores, weights = binary(rows)
    rows.refuse("y_pred", ~np.isfinite(scores), scores, "hold finite numbers")
    if truths.all() or not truths.any():
        raise ValueError(f"y_true must hold zeros and ones, got {int(truths[0])} in every row that counts")
    levels, tp, fp = steps(truths, scores, weights)
    tp, fp = np.concatenate([[0], tp]), np.concatenate([[0], fp])
    figures = np.asarray(figure(tp, fp, tp[-1] - tp, fp[-1] - fp))
    if figures.shape != tp.shape or np.isnan(figures).any():
        raise ValueError(f"metric must return an array of {len(tp)} figures without NaN, got {figures!r}")
    return _between(levels, int(np.argmax(figures)))


def _between(levels: np.ndarray, above: int) -> float:
    """A threshold, in the dtype of the falling levels, below the first `above` of them and no others."""
    if above == 0:
        return float(levels[0])
    upper = levels[above - 1]
    if above == len(levels):
        return float(np.nextafter(upper, -np.inf, dtype=levels.dtype))
    lower = levels[above]
    middle = lower / 2 + upper / 2
    return float(middle if lower <= middle < upper else lower)


def _f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return 2 * tp / (2 * tp + fp + fn)


def _accuracy(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return tp + tn


def _balanced_accuracy(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return tp / (tp + fn) + tn / (tn + fp)


FIGURES: dict[str, Callable[..., np.ndarray]] = {
    "f1": _f1,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
}


def binary(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Whether each row is of class 1, its score for that, and the weights."""
    scores = rows.scores()
    if scores.shape[1] > 2:
        raise ValueError(f"y_pred must have one output, or two of a softmax, got {scores.shape[1]}")
    return rows.labels(scores.shape[1]) == 1, scores[:, -1], rows.weights


def steps(
    truths: np.ndarray, scores: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct scores, falling; the true and the false positives with at least each of them.

    Whole numbers where the weights are: exact. Else they are added up by falling scores, equal scores in the order of
    the rows.
    """
    whole = weights is None or weights.dtype.kind == "i"
    order = np.argsort(-scores, kind=None if whole else "stable")
    ranked, truths = scores[order], truths[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each distinct score
    if weights is None:
        tp = np.cumsum(truths, dtype=np.int64)[last]
        return ranked[last], tp, last + 1 - tp
    weights = weights[order]
    tp, fp = (np.cumsum(np.where(marked, weights, 0))[last] for marked in (truths, ~truths))
    return ranked[last], tp, fp


def _shares(counts: np.ndarray) -> np.ndarray:
    """Of the last of them; NaN if that is 0."""
    return counts / counts[-1] if counts[-1] else np.full(len(counts), np.nan)
