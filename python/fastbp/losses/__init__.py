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
from .deviances import gamma_deviance, poisson, tweedie_deviance
from .margins import categorical_hinge, hinge, squared_hinge
from .of_numbers import (
    cosine_similarity,
    gaussian_nll,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    quadratic,
)
from .of_probabilities import (
    bce,
    binary_crossentropy,
    categorical_crossentropy,
    cross_entropy,
    kl_divergence,
    kld,
    sparse_categorical_crossentropy,
)
from .robust import huber, log_cosh, logcosh, quantile

__all__ = [
    "LOSSES", "Loss", "bce", "binary_crossentropy", "categorical_crossentropy", "categorical_hinge",
    "cosine_similarity", "cross_entropy", "gamma_deviance", "gaussian_nll", "get_loss", "hinge", "huber",
    "kl_divergence", "kld", "log_cosh", "logcosh", "mae", "mape", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "mse", "msle",
    "poisson", "quadratic", "quantile", "sparse_categorical_crossentropy", "squared_hinge", "tweedie_deviance",
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
    "bce": binary_crossentropy,
    "kl_divergence": kl_divergence,
    "kld": kl_divergence,
    "mean_absolute_percentage_error": mean_absolute_percentage_error,
    "mape": mean_absolute_percentage_error,
    "mean_squared_logarithmic_error": mean_squared_logarithmic_error,
    "msle": mean_squared_logarithmic_error,
    "cosine_similarity": cosine_similarity,
    "huber": huber,
    "log_cosh": log_cosh,
    "logcosh": log_cosh,
    "quantile": quantile,
    "poisson": poisson,
    "gamma_deviance": gamma_deviance,
    "tweedie_deviance": tweedie_deviance,
    "hinge": hinge,
    "squared_hinge": squared_hinge,
    "categorical_hinge": categorical_hinge,
}


def get_loss(loss: Any) -> Loss:
    """The loss that a name or a function (y_true, y_pred) stands for."""
    if isinstance(loss, str):
        function: Loss = look_up_either_way("loss", loss, LOSSES)
        return function
    if callable(loss):
        return loss
    raise TypeError(f"loss must be a name or a function (y_true, y_pred) of expressions, got {type(loss).__name__}")
