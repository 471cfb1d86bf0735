"""The losses: functions (y_true, y_pred) of expressions, over m rows and k outputs: a scalar, or a value per row.

Where y_pred is a softmax or a sigmoid, the cross entropies take the stable form of rule 7 of the numeric contract, from
the logits. The plain formulas read 0·ln 0 as 0; those of classes divide each row of outputs by its sum.

y_true of shape (m,) stands for (m, 1) where there is one output; nothing else is broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._shared.nearest import look_up_either_way
from ..expressions.expression import Expression
from .of_numbers import gaussian_nll, mae, mean_absolute_error, mean_squared_error, mse, quadratic
from .of_probabilities import (
    binary_crossentropy,
    categorical_crossentropy,
    cross_entropy,
    sparse_categorical_crossentropy,
)

__all__ = [
    "LOSSES", "Loss", "binary_crossentropy", "categorical_crossentropy", "cross_entropy", "gaussian_nll", "get_loss",
    "mae", "mean_absolute_error", "mean_squared_error", "mse", "quadratic", "sparse_categorical_crossentropy",
]  # fmt: skip

Loss = Callable[..., Expression]

LOSSES: dict[str, Loss] = {
    "mean_squared_error": mean_squared_error,
    "mse": mean_squared_error,
    "mean_absolute_error": mean_absolute_error,
    "mae": mean_absolute_error,
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "quadratic": quadratic,
    "gaussian_nll": gaussian_nll,
    "cross_entropy": cross_entropy,
}


def get_loss(loss: Any) -> Loss:
    """The loss that a name or a function (y_true, y_pred) stands for."""
    if isinstance(loss, str):
        function: Loss = look_up_either_way("loss", loss, LOSSES)
        return function
    if callable(loss):
        return loss
    raise TypeError(f"loss must be a name or a function (y_true, y_pred) of expressions, got {type(loss).__name__}")
