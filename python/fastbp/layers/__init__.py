"""The layers. A layer called twice shares its weights; `Layer` is the base of all."""

from .activation import Activation
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .input import Input
from .layer import Layer
from .normalization import LayerNormalization, RMSNormalization
from .rescaling import Rescaling

__all__ = [
    "Activation", "Dense", "Dropout", "Flatten", "Input", "Layer", "LayerNormalization", "RMSNormalization",
    "Rescaling",
]  # fmt: skip
