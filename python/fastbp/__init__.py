"""fastbp minimises any feedforward function by gradient descent, on the CPU, with the same bits on every machine.

Three ways in, one engine: networks (`Sequential`, `Model`), expressions (`input`, `parameter`, `minimize`) and
functions (`function`). Every result is defined to the bit by docs/numerics.md; ``backend="reference"`` computes it
again in Python.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from . import (
    _pickled,  # noqa: F401
    activations,
    augment,
    callbacks,
    constraints,
    datasets,
    errors,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    schedules,
)
from ._shared.hashing import weights_hash
from .activations import (
    celu,
    elu,
    gelu,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    identity,
    leaky_relu,
    log_sigmoid,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    swish,
    tanh,
)
from .callbacks import Callback, EarlyStopping, History, LambdaCallback, ReduceLROnPlateau
from .constraints import MaxNorm
from .errors import FastBPError, NonFiniteError
from .expressions.expression import Expression, input
from .expressions.functions import (
    abs,
    concatenate,
    cos,
    dropout,
    erf,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    reshape,
    sin,
    sqrt,
    square,
    where_positive,
)
from .expressions.gradients import gradients
from .expressions.hessian import hessian
from .expressions.parameter import Parameter, parameter
from .expressions.reductions import argmax, log_softmax, logsumexp, max, mean, softmax, sum
from .initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LectureNormal,
    LecunNormal,
    LecunUniform,
    Ones,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
from .inspection.curvature import curvature
from .inspection.draw import draw
from .inspection.drawing import Drawing
from .layers import (
    Activation,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    LayerNormalization,
    Rescaling,
    RMSNormalization,
)
from .losses import (
    bce,
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity,
    cross_entropy,
    gamma_deviance,
    gaussian_nll,
    hinge,
    huber,
    kl_divergence,
    kld,
    log_cosh,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    quadratic,
    quantile,
    sparse_categorical_crossentropy,
    squared_hinge,
    tweedie_deviance,
)
from .lowering.function import function
from .metrics import accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy
from .minimization import Minimization, minimize
from .models import Backpropagation, Model, Sequential
from .optimizers import SGD, Adagrad, Adam, AdamW, Lion, Nadam, Optimizer, RMSprop
from .regression import LinearRegression, linear_regression
from .regularizers import L1, L1L2, L2
from .schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    LearningRateSchedule,
    OneCycle,
    PiecewiseConstantDecay,
    StepDecay,
    Warmup,
)

try:  # threads are counted, and the instruction set is chosen, when the core is loaded
    import fastbp._core  # noqa: F401
except ModuleNotFoundError as _error:  # a source tree without the extension: backend="reference" works
    if _error.name != "fastbp._core":
        raise

__version__ = "0.1.0"

__all__ = [
    # networks
    "Sequential", "Model", "Input", "Layer", "Dense", "Dropout", "Activation", "Flatten", "Rescaling",
    "LayerNormalization", "RMSNormalization",
    "Optimizer", "SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Nadam", "Lion",
    "LearningRateSchedule", "StepDecay", "PiecewiseConstantDecay", "ExponentialDecay", "CosineDecay",
    "CosineDecayRestarts", "OneCycle", "Warmup", "ReduceLROnPlateau",
    "L1", "L2", "L1L2", "MaxNorm",
    "Initializer", "Zeros", "Ones", "Constant", "RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling",
    "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal", "LectureNormal",
    "Backpropagation", "Callback", "History", "EarlyStopping", "LambdaCallback",
    # expressions
    "Expression", "Parameter", "input", "parameter", "function", "gradients", "minimize", "Minimization",
    "hessian", "curvature", "draw", "Drawing", "linear_regression", "LinearRegression",
    "maximum", "minimum", "where_positive", "exp", "expm1", "log", "log1p", "sin", "cos", "erf", "sqrt", "square",
    "abs", "sum", "mean", "max", "argmax", "softmax", "log_softmax", "logsumexp", "concatenate", "reshape", "dropout",
    "identity", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "swish", "mish", "softplus",
    "softsign", "sigmoid", "log_sigmoid", "tanh", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    # losses and metrics
    "mean_squared_error", "mse", "mean_absolute_error", "mae", "binary_crossentropy", "categorical_crossentropy",
    "sparse_categorical_crossentropy", "quadratic", "cross_entropy", "gaussian_nll", "bce", "kl_divergence", "kld",
    "mean_absolute_percentage_error", "mape", "mean_squared_logarithmic_error", "msle", "cosine_similarity", "huber",
    "log_cosh", "logcosh", "quantile", "poisson", "gamma_deviance", "tweedie_deviance", "hinge", "squared_hinge",
    "categorical_hinge",
    "accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
    # modules
    "activations", "augment", "callbacks", "constraints", "datasets", "errors", "initializers", "layers", "losses",
    "metrics", "models", "optimizers", "reference", "regularizers", "schedules",
    # the rest
    "FastBPError", "NonFiniteError", "get_num_threads", "set_num_threads", "show_config",
    "weights_hash", "__version__",
]  # fmt: skip

_OF_CONFIG = ("get_num_threads", "set_num_threads", "show_config")


def _set_public_module() -> None:
    """Sets ``__module__`` of every public class and function to ``fastbp``, so that pickles name it ``fastbp.NAME``,
    whatever its file."""
    for name in __all__:
        value = globals().get(name)
        if isinstance(value, (type, FunctionType)):
            value.__module__ = __name__


_set_public_module()


def __getattr__(name: str) -> Any:
    """Loads on first use what needs the core or is rarely wanted; an error for an unknown name suggests the nearest."""
    if name in _OF_CONFIG:
        from ._shared import config

        return getattr(config, name)
    if name == "reference":
        import importlib

        return importlib.import_module("fastbp.reference")
    message = f"module {__name__!r} has no attribute {name!r}"
    if not name.startswith("_"):
        from ._shared.nearest import nearest

        close = nearest(name, __all__)
        message += f": did you mean {close!r}?" if close else ""
    raise AttributeError(message, name=name, obj=None)  # no object: else Python would add a suggestion of its own


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
