"""`Goal`: what `compile` was told to train for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .._shared.pickling import Picklable
from ..expressions.expression import Call, Expression
from ..expressions.parameter import Parameter
from ..expressions.reductions import mean
from ..losses import LOSSES, Loss, function_of
from ..losses.reduction import MEAN, weighed
from ..metrics import Metric

NamedMetric = tuple[str, Callable[..., Any]]


class MetricOf(NamedTuple):
    """A metric of one output: a function of expressions, or of arrays."""

    name: str  # of the figure
    output: int
    function: Callable[..., Any]
    weighted: bool


@dataclass
class OutputGoal(Picklable):
    """What one output of the model is trained for."""

    name: str
    loss: Loss | None  # None: it is not trained, only measured
    factor: float = 1.0  # of the loss in the sum of all losses
    metrics: list[NamedMetric] = field(default_factory=list)
    weighted_metrics: list[NamedMetric] = field(default_factory=list)


class Goal(Picklable):
    """What `compile` was told: a loss and metrics for each output, how a loss is reduced, and the penalties.

    Attributes
    ----------
    names : list of str
        Of the figures: "loss"; the loss of each output, if several have one; the metrics of each output.
    metrics : list of MetricOf
    """

    def __init__(
        self,
        outputs: Sequence[OutputGoal],
        l1: float,
        l2: float,
        proximal: bool = False,
        reduction: str | None = None,
    ) -> None:
        self.outputs, self.l1, self.l2, self.proximal, self.reduction = list(outputs), l1, l2, proximal, reduction
        self.names = ["loss", *(f"{output.name}_loss" for output in self.losses if len(self.losses) > 1)]
        self.metrics: list[MetricOf] = []
        for o, output in enumerate(self.outputs):
            prefix = f"{output.name}_" if len(self.outputs) > 1 else ""
            self.metrics += [MetricOf(prefix + name, o, function, False) for name, function in output.metrics]
            taken = {name for name, _ in output.metrics}
            for name, function in output.weighted_metrics:  # as Keras names one that is measured both ways
                name = f"weighted_{name}" if name in taken else name
                self.metrics.append(MetricOf(prefix + name, o, function, True))
        self.names += [metric.name for metric in self.metrics]

    @property
    def losses(self) -> list[OutputGoal]:
        """The outputs that have a loss."""
        return [output for output in self.outputs if output.loss is not None]

    def direction_of(self, figure: str) -> str | None:
        """Whether a figure gets better downwards ("min") or upwards ("max"); None if that is not known."""
        if figure in {f"{output.name}_loss" for output in self.losses}:
            return "min"
        for metric in self.metrics:
            if metric.name == figure:
                if isinstance(metric.function, Metric):
                    return metric.function.direction
                return "min" if function_of(metric.function) in LOSSES.values() else None
        return None

    @property
    def measured(self) -> list[bool]:
        """Whether each output needs targets."""
        return [bool(o.loss is not None or o.metrics or o.weighted_metrics) for o in self.outputs]


def as_scalar(function: Loss, target: Expression, output: Expression, name: str) -> Expression:
    """A loss or metric as one number: the mean of a result that has rows or features."""
    return Call(
        lambda value: mean(value) if value.shape else value, Call(function, target, output, name=name), name=name
    )


def as_weighted_scalar(
    function: Loss, target: Expression, output: Expression, weight: Expression | None, reduction: str | None, name: str
) -> Expression:
    """A loss or metric as one number, of weighted rows, by this reduction; None: by its own."""
    takes = arguments_of(function)
    options: dict[str, Any] = {} if reduction is None else {"reduction": reduction}
    if "sample_weight" in takes and not options.keys() - takes:
        if weight is None:
            return Call(functools.partial(function, **options), target, output, name=name)
        return Call(lambda y, a, w: function(y, a, sample_weight=w, **options), target, output, weight, name=name)
    if weight is None and reduction in (None, MEAN):
        return as_scalar(function, target, output, name)
    values = Call(function, target, output, name=name)
    return weighed(values, reduction or MEAN, weight, name=f"{name!r}")


def arguments_of(function: Callable[..., Any]) -> set[str]:
    """The names of a function's arguments; none of a function that does not show them."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def penalty_factors() -> tuple[Parameter, Parameter]:
    """The factors l1/m and l2/(2m), as parameters. A model has one pair, which its costs share."""
    first, second = (Parameter(0.0, name, trainable=False, decay=False) for name in ("l1 / m", "l2 / (2 m)"))
    return first, second
