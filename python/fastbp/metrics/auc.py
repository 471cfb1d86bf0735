"""`AUC`, the area under the ROC curve or under the precision-recall curve, exact; `AveragePrecision`, the latter."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._shared.arguments import known_keywords, truth
from .._shared.nearest import look_up
from .curves import steps
from .metric import Metric
from .rows import Rows

AVERAGES = ("macro", "weighted", "micro")


class AUC(Metric):
    """The area under the curve over all thresholds: exact, where Keras interpolates between 200.

    Parameters
    ----------
    curve : {"ROC", "PR"}
        The receiver operating characteristic, or precision over recall. Default "ROC".
    multi_label : bool
        Whether each output answers a question of its own, so that the figure is the average over the outputs. Default
        False: several outputs are those of one softmax.
    from_logits : bool
        Allowed as in Keras, and changes nothing: a sigmoid keeps the order, and the order alone counts.
    average : {"macro", "weighted", "micro"}
        Of several outputs, each against the rest: the plain mean of their areas; the mean weighted by how often each is
        true; or the area of all outputs' scores together, as Keras computes it without `multi_label`. Default "macro".
    name : str, optional
        Default "auc".

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an argument is unknown.

    Notes
    -----
    y_pred holds scores of class 1, of shape (m,) or (m, 1), any numbers but NaN; or softmax outputs (m, k). Of two,
    column 1 counts, whatever the average but "micro". y_true holds labels or zeros and ones.

    "ROC": the share of pairs of a row of class 1 and one of class 0 in which the former has the larger score; pairs
    with equal scores count half. J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve,
    1982. The pairs are counted in whole numbers, so without weights, or with whole ones, the area is the true quotient,
    rounded once. NaN if all rows are of one class, for any of several outputs too. scikit-learn: `roc_auc_score`.

    "PR": average precision, Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds, which does not interpolate; 0 without rows of class
    1. scikit-learn: `average_precision_score`.

    Examples
    --------
    >>> import fastbp as bp
    >>> y, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    >>> bp.metrics.AUC()(y, scores), round(bp.metrics.AUC(curve="PR")(y, scores), 4)
    (0.75, 0.8333)
    """

    @known_keywords
    def __init__(
        self,
        curve: str = "ROC",
        multi_label: bool = False,
        from_logits: bool = False,
        average: str = "macro",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        look_up("curve", curve, AREAS)
        self.curve = curve
        self.multi_label = truth("multi_label", multi_label)
        self.from_logits = truth("from_logits", from_logits)
        self.average = known_average(average)

    def _of(self, rows: Rows) -> float:
        area, scores, weights = AREAS[self.curve], rows.scores(), rows.weights
        outputs = scores.shape[1]
        truths = rows.answers(outputs) if self.multi_label else rows.labels(outputs)[:, None] == _classes(outputs)
        if self.average == "micro":
            weights = None if weights is None else np.repeat(weights, outputs)
            return area(truths.reshape(-1), scores.reshape(-1), weights)
        if outputs == 2 and not self.multi_label:
            return area(truths[:, 1], scores[:, 1], weights)
        areas = np.array([area(truths[:, j], np.ascontiguousarray(scores[:, j]), weights) for j in range(outputs)])
        return averaged(areas, rows.counts(truths), self.average)


class AveragePrecision(AUC):
    """`AUC(curve="PR")` by its own name: the average precision.

    Parameters
    ----------
    multi_label : bool
    average : {"macro", "weighted", "micro"}
    name : str, optional
        Default "average_precision".

    Notes
    -----
    Σ (Rₙ − Rₙ₋₁) Pₙ, with the recall R and the precision P at the n-th largest distinct score. See `AUC`.

    Examples
    --------
    >>> import fastbp as bp
    >>> metric = bp.metrics.AveragePrecision()
    >>> metric.name, metric([1, 0, 1], [0.9, 0.8, 0.1])
    ('average_precision', 0.8333333333333333)
    """

    @known_keywords
    def __init__(self, multi_label: bool = False, average: str = "macro", name: str | None = None) -> None:
        super().__init__("PR", multi_label, average=average, name=name)


def known_average(average: Any) -> str:
    """`average`, or an error that says why it must be a name."""
    if average is None:
        raise ValueError(f"average must be one of {', '.join(AVERAGES)}, since a figure is one number, got None")
    return str(look_up("average", average, {name: name for name in AVERAGES}))


def averaged(figures: np.ndarray, support: np.ndarray, average: str) -> float:
    """The mean of the outputs' figures, for "weighted" by their support; 0 without any support."""
    if average == "macro":
        return float(np.sum(figures) / len(figures))
    total = np.sum(support)
    return float(np.sum(figures * support) / total) if total else 0.0


def _classes(outputs: int) -> np.ndarray:
    return np.arange(outputs) if outputs > 1 else np.ones(1, int)


def _before(sums: np.ndarray) -> np.ndarray:
    """Each sum's predecessor, 0 for the first."""
    return np.concatenate([[0], sums[:-1]])


def _roc_area(truths: np.ndarray, scores: np.ndarray, weights: np.ndarray | None) -> float:
    _, tp, fp = steps(truths, scores, weights)
    positive, negative = tp[-1].item(), fp[-1].item()
    if not (positive and negative):
        return float("nan")
    if tp.dtype.kind == "i":
        twice = np.sum(np.diff(fp, prepend=0) * (tp + _before(tp))).item()  # each pair twice, one of equal scores once
        return twice / (2 * positive * negative)  # Python's quotient of whole numbers is rounded once
    heights = (tp / positive + _before(tp) / positive) / 2
    return min(1.0, float(np.sum(np.diff(fp, prepend=0) / negative * heights)))


def _average_precision(truths: np.ndarray, scores: np.ndarray, weights: np.ndarray | None) -> float:
    _, tp, fp = steps(truths, scores, weights)
    return min(1.0, float(np.sum(np.diff(tp, prepend=0) * (tp / (tp + fp))) / tp[-1])) if tp[-1] else 0.0


AREAS = {"ROC": _roc_area, "PR": _average_precision}
