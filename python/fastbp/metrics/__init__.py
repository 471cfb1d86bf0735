"""Metrics: functions (y_true, y_pred) of expressions, whose batch means `fit` and `evaluate` report."""

from .accuracies import METRICS as METRICS
from .accuracies import accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy
from .accuracies import get_metrics as get_metrics

__all__ = ["accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"]
