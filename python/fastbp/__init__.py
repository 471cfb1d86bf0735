"""fastbp minimises any feedforward function by gradient descent, on the CPU, with the same bits on every machine.

Three doors to one engine: networks (`Sequential`, `Model`), expressions (`input`, `parameter`, `minimize`) and
functions (`function`). Every result is defined to the bit by docs/numerics.md; ``backend="reference"`` computes it
again in Python.
"""

from __future__ import annotations

from typing import Any

from . import augment
from ._hashing import weights_hash
from .activations import (
    elu,
    gelu,
    hard_sigmoid,
    identity,
    leaky_relu,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    swish,
    tanh,
)
from .backpropagation import Backpropagation
from .callbacks import Callback, EarlyStopping, History, LambdaCallback
from .constraints import MaxNorm
from .curvature import curvature
from .draw import draw
from .drawing import Drawing
from .errors import FastBPError, NonFiniteError
from .expression import Expression, Parameter, input, parameter
from .function import function
from .functions import (
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
from .gradients import gradients
from .hessian import hessian
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
from .layers import Activation, Dense, Dropout, Flatten, Input, Layer, Rescaling
from .losses import (
    binary_crossentropy,
    categorical_crossentropy,
    cross_entropy,
    gaussian_nll,
    mae,
    mean_absolute_error,
    mean_squared_error,
    mse,
    quadratic,
    sparse_categorical_crossentropy,
)
from .metrics import accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy
from .minimize import Minimization, minimize
from .model import Model
from .optimizers import SGD, Adagrad, Adam, AdamW, Lion, Nadam, Optimizer, RMSprop
from .plateau import ReduceLROnPlateau
from .reductions import argmax, log_softmax, logsumexp, max, mean, softmax, sum
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
from .sequential import Sequential

try:  # threads are counted, and the instruction set is chosen, when the core is loaded
    import fastbp._core  # noqa: F401
except ModuleNotFoundError as _error:  # a source tree without the extension: backend="reference" works
    if _error.name != "fastbp._core":
        raise

__version__ = "0.1.0"

_CONFIG = ("get_num_threads", "set_num_threads", "show_config")


def __getattr__(name: str) -> Any:
    """What needs the core alone is looked up when it is used."""
    if name in _CONFIG:
        from . import _config

        return getattr(_config, name)
    if name == "reference":
        import importlib

        return importlib.import_module("fastbp.reference")
    raise AttributeError(f"module 'fastbp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_CONFIG, "reference"})


__all__ = [
    # networks
    "Sequential", "Model", "Input", "Layer", "Dense", "Dropout", "Activation", "Flatten", "Rescaling",
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
    "identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "mish", "softplus", "sigmoid", "tanh",
    "hard_sigmoid",
    # losses and metrics
    "mean_squared_error", "mse", "mean_absolute_error", "mae", "binary_crossentropy", "categorical_crossentropy",
    "sparse_categorical_crossentropy", "quadratic", "cross_entropy", "gaussian_nll",
    "accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
    # data
    "augment",
    # the rest
    "FastBPError", "NonFiniteError", "get_num_threads", "set_num_threads", "show_config",
    "weights_hash", "__version__",
]  # fmt: skip
