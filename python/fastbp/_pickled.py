"""The internal classes and functions that pickles name. Pickles name them by this path, so their files may move.

Public ones have ``__module__ = "fastbp"`` (see the package's __init__). The names listed here must not change.
"""

from __future__ import annotations

from typing import Any

from .expressions.expression import Call, Constant, Input, Operation, Shaped
from .expressions.gradients import Gradient
from .expressions.hessian import Hessian
from .expressions.shape_rules import (
    concatenate,
    divided_by_rows,
    dropout,
    flatten,
    last_axis,
    matmul,
    reduction,
    reshape,
    slice_features,
)
from .inspection.drawing import DrawnEdge, DrawnNode
from .losses.reduction import Reduced, Reduction
from .lowering.layer_names import Namer, Scope
from .training.goal import Goal, MetricOf, OutputGoal
from .training.optimizer_state import OptimizerState
from .training.session import Past, TrainingSession

_LISTED: tuple[Any, ...] = (
    Call, Constant, DrawnEdge, DrawnNode, Goal, Gradient, Hessian, Input, MetricOf, Namer, Operation, OptimizerState,
    OutputGoal, Past, Reduced, Reduction, Scope, Shaped, TrainingSession, concatenate, divided_by_rows, dropout,
    flatten, last_axis, matmul, reduction, reshape, slice_features,
)  # fmt: skip

for _listed in _LISTED:
    _listed.__module__ = __name__
