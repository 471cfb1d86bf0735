"""Reads what `compile` is given for each output: losses, their factors, metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._shared.arguments import finite, real, truth
from ..losses import get_loss
from ..losses.reduction import checked_reduction
from ..metrics import get_metrics
from ..training.goal import Goal, OutputGoal
from .training_data import by_output, name_of


def read_goal(
    names: Sequence[str],
    *,
    loss: Any,
    loss_weights: Any,
    metrics: Any,
    weighted_metrics: Any,
    loss_reduction: Any,
    l1: Any,
    l2: Any,
    proximal: Any,
) -> Goal:
    """The goal that `compile`'s arguments describe, for a model whose outputs have these names."""
    losses = [None if given is None else get_loss(given) for given in _losses(loss, names)]
    if not any(function is not None for function in losses):
        raise ValueError("loss must be a name or a function (y_true, y_pred), got None")
    factors = [
        1.0 if given is None else _factor(given, name_of("loss_weights", name, names))
        for name, given in zip(names, _of_each(loss_weights, names, "loss_weights", _is_number))
    ]
    reported = _of_each(metrics, names, "metrics", _is_for_one)
    weighted = _of_each(weighted_metrics, names, "weighted_metrics", _is_for_one)
    outputs = [
        OutputGoal(
            name,
            function,
            factor,
            get_metrics(of_rows, function, name_of("metrics", name, names)),
            get_metrics(of_weighted_rows, function, name_of("weighted_metrics", name, names)),
        )
        for name, function, factor, of_rows, of_weighted_rows in zip(names, losses, factors, reported, weighted)
    ]
    reduction = None if loss_reduction is None else checked_reduction(loss_reduction, "loss_reduction")
    if reduction == "none":
        raise ValueError("loss_reduction must make one number of the rows' losses, got 'none'")
    goal = Goal(outputs, finite("l1", l1), finite("l2", l2), truth("proximal", proximal), reduction)
    for name in goal.names:
        if goal.names.count(name) > 1:
            raise ValueError(f"figures must have different names, got {name!r} twice: {', '.join(goal.names)}")
    return goal


def _losses(loss: Any, names: Sequence[str]) -> list[Any]:
    """A loss for each output; one that is given alone is that of all."""
    if isinstance(loss, (Mapping, list, tuple)):
        return by_output(loss, names, "loss")
    return [loss] * len(names)


def _of_each(value: Any, names: Sequence[str], argument: str, is_for_one: Callable[[Any], bool]) -> list[Any]:
    """What is given for each output; of a model with one output, what is given at all."""
    if value is None:
        return [None] * len(names)
    if len(names) == 1 and is_for_one(value):
        is_nested = isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], (list, tuple))
        return list(value) if is_nested else [value]
    return by_output(value, names, argument)


def _is_number(value: Any) -> bool:
    return not isinstance(value, (Mapping, list, tuple))


def _is_for_one(value: Any) -> bool:
    return not isinstance(value, Mapping)


def _factor(value: Any, argument: str) -> float:
    factor = real(argument, value)
    if not math.isfinite(factor):
        raise ValueError(f"{argument} must be finite, got {factor}")
    return factor
