"""Networks: `Model` and `Sequential`, and all that trains and evaluates them."""

from ..training.backpropagation import Backpropagation
from .model import Model
from .sequential import Sequential

__all__ = ["Backpropagation", "Model", "Sequential"]
