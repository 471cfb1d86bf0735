"""Metrics of decisions, by a threshold or the largest output: `Precision`, `Recall`, `F1Score`, `BalancedAccuracy`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._shared.arguments import at_least, known_keywords, real
from .._shared.nearest import look_up
from .auc import averaged, known_average
from .metric import Metric
from .ranking import places
from .rows import Rows, predicted_classes

MOST_CLASSES = 2**12  # of a confusion matrix of labels alone, of which a stray one would make a huge matrix


class _Decided(Metric):
    """`Precision` and `Recall`: what is predicted positive, and what is."""

    def __init__(self, thresholds: Any, top_k: int | None, class_id: int | None, name: str | None) -> None:
        super().__init__(name)
        self.thresholds = None if thresholds is None else _threshold("thresholds", thresholds)
        self.top_k = None if top_k is None else at_least("top_k", top_k, 1)
        self.class_id = None if class_id is None else at_least("class_id", class_id, 0)

    def _positives(self, rows: Rows) -> tuple[Any, Any, Any]:
        """How many outputs are rightly predicted positive, are predicted so, and are positive."""
        scores = rows.scores()
        outputs = scores.shape[1]
        predicted = np.ones(scores.shape, bool) if self.top_k is None else places(scores) < self.top_k
        if self.thresholds is not None or self.top_k is None:
            predicted &= scores > (0.5 if self.thresholds is None else self.thresholds)
        positive = rows.members(outputs)
        if self.class_id is not None:
            if self.class_id >= outputs:
                raise ValueError(f"class_id must be below the number of outputs, {outputs}, got {self.class_id}")
            predicted, positive = (mask[:, self.class_id : self.class_id + 1] for mask in (predicted, positive))
        right, of_predicted, of_positive = (
            np.sum(rows.counts(mask)) for mask in (predicted & positive, predicted, positive)
        )
        return right, of_predicted, of_positive


class Precision(_Decided):
    """The share that is right of what is predicted positive.

    Parameters
    ----------
    thresholds : float, optional
        An output is predicted positive where it is larger than this. Default None: 0.5, or no threshold with `top_k`.
    top_k : int, optional
        Only the k largest outputs of a row are predicted positive; of equal ones the first.
    class_id : int, optional
        Count this output alone. Default None: all outputs together.
    name : str, optional
        Default "precision".

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a number is out of range.

    Notes
    -----
    tp / (tp + fp), counted over all outputs of all rows as in Keras; 0 if nothing is predicted positive. y_pred has the
    shape (m,), (m, 1) or (m, k); y_true holds labels, or zeros and ones of y_pred's shape, one-hot or of several
    questions. Labels count as one-hot rows: of a softmax, an output counts as predicted only where it is above the
    threshold. For the largest output of each row instead, take ``top_k=1``; for one class, `class_id`. scikit-learn:
    `precision_score`, for several outputs with ``average="micro"`` on their truth values.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.Precision()([0, 1, 1, 1], [0.8, 0.9, 0.2, 0.6])
    0.6666666666666666
    >>> bp.metrics.Precision(top_k=1, class_id=1)([0, 1, 2], [[0.4, 0.6, 0.0], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4]])
    0.5
    """

    @known_keywords
    def __init__(
        self,
        thresholds: float | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def _of(self, rows: Rows) -> float:
        right, predicted, _ = self._positives(rows)
        return float(right / predicted) if predicted else 0.0


class Recall(_Decided):
    """The share that is predicted positive of what is positive.

    Parameters
    ----------
    thresholds : float, optional
        An output is predicted positive where it is larger than this. Default None: 0.5, or no threshold with `top_k`.
    top_k : int, optional
        Only the k largest outputs of a row are predicted positive; of equal ones the first.
    class_id : int, optional
        Count this output alone. Default None: all outputs together.
    name : str, optional
        Default "recall".

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a number is out of range.

    Notes
    -----
    tp / (tp + fn), counted over all outputs of all rows as in Keras; 0 if nothing is positive. Arrays as for
    `Precision`. scikit-learn: `recall_score`, for several outputs with ``average="micro"`` on their truth values.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.Recall()([0, 1, 1, 1], [0.8, 0.9, 0.2, 0.6])
    0.6666666666666666
    """

    @known_keywords
    def __init__(
        self,
        thresholds: float | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def _of(self, rows: Rows) -> float:
        right, _, positive = self._positives(rows)
        return float(right / positive) if positive else 0.0


class F1Score(Metric):
    """The harmonic mean of precision and recall.

    Parameters
    ----------
    average : {"macro", "weighted", "micro"}
        Of several outputs: the plain mean of their scores; the mean weighted by how often each is positive; or the
        score of all outputs' counts together. Default "macro", so that the figure is one number.
    threshold : float, optional
        An output is predicted positive where it is larger than this. Default None: the largest output of each row, of
        equal ones the first; of a single output, 0.5.
    name : str, optional
        Default "f1_score".

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an argument is unknown; `average=None` too, which is a score for each output in Keras.

    Notes
    -----
    2 tp / (2 tp + fp + fn) of each output, 0 where that is 0 / 0: an output that is never positive and never predicted
    counts in "macro" as in Keras. y_pred has the shape (m,), (m, 1) or (m, k); y_true holds labels, or zeros and ones
    of y_pred's shape. scikit-learn: `f1_score` with the labels 0 … k − 1 and ``zero_division=0``; of a single output
    with ``average="binary"``.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.F1Score()([0, 1, 1, 1], [0.8, 0.9, 0.2, 0.6])
    0.6666666666666666
    >>> bp.metrics.F1Score("micro")([0, 1, 2], [[0.4, 0.6, 0.0], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4]])
    0.6666666666666666
    """

    @known_keywords
    def __init__(self, average: str = "macro", threshold: float | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.average = known_average(average)
        self.threshold = None if threshold is None else _threshold("threshold", threshold)

    def _of(self, rows: Rows) -> float:
        scores = rows.scores()
        outputs = scores.shape[1]
        if self.threshold is not None or outputs == 1:
            predicted = scores > (0.5 if self.threshold is None else self.threshold)
        else:
            predicted = predicted_classes(scores)[:, None] == np.arange(outputs)
        positive = rows.members(outputs)
        support = rows.counts(positive)
        tp, sums = rows.counts(predicted & positive), rows.counts(predicted) + support
        if self.average == "micro":
            tp, sums = np.sum(tp, keepdims=True), np.sum(sums, keepdims=True)
        scored = 2 * tp / np.where(sums > 0, sums, 1)
        return averaged(scored, support, "macro" if self.average == "micro" else self.average)


class BalancedAccuracy(Metric):
    """The mean over the classes of the share of their rows that are predicted right.

    Parameters
    ----------
    name : str, optional
        Default "balanced_accuracy".

    Notes
    -----
    The mean recall of the classes that y_true has. A row is predicted as the first of its largest outputs, of a single
    output as class 1 where that is larger than 0.5. y_true holds labels or one-hot rows. scikit-learn:
    `balanced_accuracy_score`.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.BalancedAccuracy()([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4])  # three of four are right
    0.5
    """

    @known_keywords
    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def _of(self, rows: Rows) -> float:
        scores = rows.scores()
        labels = rows.labels(scores.shape[1])
        counts = counted(labels, predicted_classes(scores), max(scores.shape[1], 2), rows.weights)
        of_class = np.sum(counts, axis=1)
        recalls = np.diagonal(counts)[of_class > 0] / of_class[of_class > 0]
        return float(np.sum(recalls) / len(recalls))


def confusion_matrix(y_true: Any, y_pred: Any, sample_weight: Any = None, normalize: str | None = None) -> np.ndarray:
    """How many rows of each class are predicted as which class.

    Parameters
    ----------
    y_true : array_like
        Labels 0 … k − 1 of shape (m,) or (m, 1), or one-hot rows (m, k).
    y_pred : array_like
        Outputs (m, k), of which the first largest is predicted; one output, of shape (m,) or (m, 1) and a float dtype,
        a probability of class 1, which is predicted where it is larger than 0.5; or labels, of the same shape and an
        integer dtype.
    sample_weight : array_like of shape (m,) or (m, 1), optional
    normalize : {"true", "pred", "all"}, optional
        Divide by the sum of each row of the matrix, of each column, or by the sum of all; 0 / 0 is 0. Default None.

    Returns
    -------
    array of shape (k, k)
        In row i and column j the rows of class i that are predicted as class j: int64, or float64 sums of weights if
        these are not whole numbers. For labels, k is one more than the largest label, and at least 2.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or `normalize` is unknown.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.metrics.confusion_matrix([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.8])
    array([[1, 1],
           [0, 2]])
    >>> bp.metrics.confusion_matrix([0, 2, 1], [0, 2, 2], normalize="true")
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 0., 1.]])
    """
    if normalize is not None:
        look_up("normalize", normalize, {"true": None, "pred": None, "all": None})
    rows = Rows(y_true, y_pred, sample_weight)
    if rows.predictions.dtype.kind in "biu" and rows.predictions.size == len(rows):
        counts = _counted_labels(rows)
    else:
        scores = rows.probabilities() if rows.predictions.size == len(rows) else rows.scores()
        outputs = scores.shape[1]
        counts = counted(rows.labels(outputs), predicted_classes(scores), max(outputs, 2), rows.weights)
    if normalize is None:
        return counts
    sums = np.sum(counts, axis={"true": 1, "pred": 0, "all": None}[normalize], keepdims=True)
    return counts / np.where(sums > 0, sums, 1)


def _counted_labels(rows: Rows) -> np.ndarray:
    """The matrix of labels that are predicted."""
    if rows.targets.size == len(rows):
        classes = int(min(max(rows.targets.max(), rows.predictions.max(), 1), MOST_CLASSES - 1)) + 1
    else:
        classes = rows.targets.shape[-1]
    labels, predicted = rows.labels(classes), rows.whole("y_pred", rows.predictions, classes)
    return counted(labels, predicted, classes, rows.weights)


def counted(labels: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray | None) -> np.ndarray:
    """For each pair of a label and a predicted class the sum of the weights: (classes, classes), whole if they are."""
    counts = np.bincount(labels * classes + predicted, weights, classes**2).reshape(classes, classes)
    return counts if weights is not None and weights.dtype.kind == "f" else counts.astype(np.int64)


def _threshold(argument: str, value: Any) -> float:
    if isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(f"{argument} must be one number, since a figure is one number, got {value!r}")
    threshold = real(argument, value)
    if not np.isfinite(threshold):
        raise ValueError(f"{argument} must be finite, got {threshold}")
    return threshold
