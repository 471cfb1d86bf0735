"""Metrics: functions (y_true, y_pred) of expressions whose batch means `fit` and `evaluate` report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .expression import Expression, Operation
from .functions import argmax, call, mean
from .losses import LOSSES, Loss, is_labels, labels, matched_target
from .lowering import Node
from .names import look_up


def accuracy(y_true: Any, y_pred: Any) -> Expression:
    """The share of rows predicted right; which of the three below follows from the shapes, as in Keras.

    One output: `binary_accuracy`. Labels for several outputs: `sparse_categorical_accuracy`. Otherwise
    `categorical_accuracy`.
    """
    return call(_accuracy, y_true, y_pred, name="accuracy")


def _accuracy(y: Node, a: Node) -> Expression:
    if a.dims in ((), (1,)):
        return _binary(y, a)
    return _sparse(y, a) if is_labels(y, a) else _categorical(y, a)


def binary_accuracy(y_true: Any, y_pred: Any) -> Expression:
    """The share of outputs on the target's side of 0.5: y = 1 where a > 0.5, else y = 0."""
    return call(_binary, y_true, y_pred, name="binary_accuracy")


def _binary(y: Node, a: Node) -> Expression:
    return mean(Operation("equal", matched_target(y, a), Operation("greater", a, 0.5)))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Expression:
    """The share of rows whose largest output is where the largest target is."""
    return call(_categorical, y_true, y_pred, name="categorical_accuracy")


def _categorical(y: Node, a: Node) -> Expression:
    return mean(Operation("equal", argmax(matched_target(y, a)), argmax(a)))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Expression:
    """The share of rows whose largest output is the label's."""
    return call(_sparse, y_true, y_pred, name="sparse_categorical_accuracy")


def _sparse(y: Node, a: Node) -> Expression:
    return mean(Operation("equal", labels(y, a), argmax(a)))


METRICS: dict[str, Loss] = {
    "accuracy": accuracy,
    "acc": accuracy,
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    **LOSSES,
}


def get_metrics(metrics: Any) -> list[tuple[str, Loss]]:
    """(name, function) of each metric; `metrics` is a list of names and functions, or one of them, or None."""
    if metrics is None:
        return []
    if not (isinstance(metrics, Iterable) or callable(metrics)):
        raise TypeError(f"metrics must be a list of names or functions, got {metrics!r}")
    found: list[tuple[str, Loss]] = []
    listed: Iterable[Any] = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics
    for metric in listed:
        if isinstance(metric, str):
            found.append((metric, look_up("metrics", metric, METRICS)))
        elif callable(metric):
            found.append((getattr(metric, "__name__", type(metric).__name__), metric))
        else:
            raise TypeError(f"metrics must be names or functions (y_true, y_pred), got {type(metric).__name__}")
    names = [name for name, _ in found]
    for name in names:
        if name == "loss" or names.count(name) > 1:
            raise ValueError(f"metrics must have different names, none of them 'loss', got {name!r}")
    return found
