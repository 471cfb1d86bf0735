"""The losses: functions (y_true, y_pred) of expressions, over m rows and k outputs: a scalar, or a value per row.

Where y_pred is a softmax or a sigmoid, the cross entropies take the stable form of rule 7 of the numeric contract, from
the logits. The plain formulas read 0·ln 0 as 0; those of classes divide each row of outputs by its sum.

Each has a class, too, whose instances keep settings: ``bp.losses.Huber(delta=2.0)`` is a loss and a metric.

y_true of shape (m,) stands for (m, 1) where there is one output; nothing else is broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._shared.nearest import look_up_either_way
from ..expressions.expression import Expression
from .configured import ConfiguredLoss, configured
from .configured import function_of as function_of
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
    "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "ConfiguredLoss", "CosineSimilarity",
    "CrossEntropy", "GammaDeviance", "GaussianNLL", "Hinge", "Huber", "KLDivergence", "LOSSES", "LogCosh", "Loss",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError",
    "Poisson", "Quadratic", "Quantile", "SparseCategoricalCrossentropy", "SquaredHinge", "TweedieDeviance", "bce",
    "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "cosine_similarity", "cross_entropy",
    "gamma_deviance", "gaussian_nll", "get_loss", "hinge", "huber", "kl_divergence", "kld", "log_cosh", "logcosh",
    "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "quadratic", "quantile",
    "sparse_categorical_crossentropy", "squared_hinge", "tweedie_deviance",
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


# Keras' classes, and those of the other losses
BinaryCrossentropy = configured("BinaryCrossentropy", binary_crossentropy)
CategoricalCrossentropy = configured("CategoricalCrossentropy", categorical_crossentropy)
CategoricalHinge = configured("CategoricalHinge", categorical_hinge)
CosineSimilarity = configured("CosineSimilarity", cosine_similarity)
CrossEntropy = configured("CrossEntropy", cross_entropy)
GammaDeviance = configured("GammaDeviance", gamma_deviance)
GaussianNLL = configured("GaussianNLL", gaussian_nll)
Hinge = configured("Hinge", hinge)
Huber = configured("Huber", huber)
KLDivergence = configured("KLDivergence", kl_divergence)
LogCosh = configured("LogCosh", log_cosh)
MeanAbsoluteError = configured("MeanAbsoluteError", mean_absolute_error)
MeanAbsolutePercentageError = configured("MeanAbsolutePercentageError", mean_absolute_percentage_error)
MeanSquaredError = configured("MeanSquaredError", mean_squared_error)
MeanSquaredLogarithmicError = configured("MeanSquaredLogarithmicError", mean_squared_logarithmic_error)
Poisson = configured("Poisson", poisson)
Quadratic = configured("Quadratic", quadratic)
Quantile = configured("Quantile", quantile)
SparseCategoricalCrossentropy = configured("SparseCategoricalCrossentropy", sparse_categorical_crossentropy)
SquaredHinge = configured("SquaredHinge", squared_hinge)
TweedieDeviance = configured("TweedieDeviance", tweedie_deviance)


def get_loss(loss: Any) -> Loss:
    """The loss that a name, a function (y_true, y_pred), a class of this module or an instance of it stands for."""
    if isinstance(loss, str):
        function: Loss = look_up_either_way("loss", loss, LOSSES)
        return function
    if isinstance(loss, type):
        if not issubclass(loss, ConfiguredLoss):
            raise TypeError(f"loss must be a name or a function (y_true, y_pred), got the class {loss.__name__}")
        loss = loss()
    if isinstance(loss, ConfiguredLoss) and loss.reduction in (None, "none"):
        raise ValueError(f"loss must make one number of the rows' losses, got {loss!r}")
    if callable(loss):
        return loss
    raise TypeError(f"loss must be a name or a function (y_true, y_pred) of expressions, got {type(loss).__name__}")
