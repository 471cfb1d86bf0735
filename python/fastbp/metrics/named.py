"""The metrics by name, and what `compile` is given as metrics."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from .._shared.nearest import look_up_either_way
from ..losses import LOSSES, ConfiguredLoss, Loss, binary_crossentropy, function_of
from .accuracies import accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy
from .auc import AUC, AveragePrecision
from .decisions import BalancedAccuracy, F1Score, Precision, Recall
from .goodness_of_fit import R2Score, RootMeanSquaredError
from .metric import Metric, snake_case
from .probabilities import ExpectedCalibrationError, LogLoss
from .ranking import SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy

METRICS: dict[str, Loss] = {
    "accuracy": accuracy,
    "acc": accuracy,
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    **LOSSES,
}

_ARRAY_METRICS: tuple[type[Metric], ...] = (
    AUC, AveragePrecision, Precision, Recall, F1Score, BalancedAccuracy, TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, LogLoss, ExpectedCalibrationError, R2Score, RootMeanSquaredError,
)  # fmt: skip

# By the class' name and by its figure's: "F1Score" and "f1_score".
ARRAY_METRICS: dict[str, type[Metric]] = {
    name: metric for metric in _ARRAY_METRICS for name in (metric.__name__, snake_case(metric.__name__))
}


def get_metrics(metrics: Any, loss: Loss | None, argument: str = "metrics") -> list[tuple[str, Any]]:
    """(name, metric) of each metric; `metrics` is a list of names, functions and `Metric`, or one of them, or None.

    `loss` is that of the model: where it is the binary cross entropy, `accuracy` is the binary accuracy.
    """
    if metrics is None:
        return []
    if not (isinstance(metrics, Iterable) or callable(metrics)):
        raise TypeError(f"{argument} must be a list of names or functions, got {metrics!r}")
    listed: Iterable[Any] = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics
    found = [_named(metric, argument) for metric in listed]
    if function_of(loss) is binary_crossentropy:
        found = [(name, binary_accuracy if function is accuracy else function) for name, function in found]
    names = [name for name, _ in found]
    for name in names:
        if name == "loss" or names.count(name) > 1:
            raise ValueError(f"{argument} must have different names, none of them 'loss', got {name!r}")
    return found


def _named(metric: Any, argument: str) -> tuple[str, Any]:
    """The figure's name and the metric."""
    name = metric if isinstance(metric, str) and metric in METRICS else ""
    if isinstance(metric, str):
        known = {**METRICS, **{snake_case(cls.__name__): cls for cls in _ARRAY_METRICS}}
        metric = ARRAY_METRICS.get(metric) or look_up_either_way(argument, metric, known)
    if isinstance(metric, type) and issubclass(metric, (Metric, ConfiguredLoss)):
        metric = metric()
    if isinstance(metric, Metric):
        return metric.name, metric
    if not callable(metric):
        raise TypeError(f"{argument} must be names or functions (y_true, y_pred), got {type(metric).__name__}")
    named = metric.func if isinstance(metric, partial) else metric
    return name or str(getattr(named, "__name__", type(named).__name__)), metric
