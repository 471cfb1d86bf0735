"""The Python reference: the definition of what fastbp computes, in NumPy, bit for bit.

Most of its files have the names of the C++ files that they define. It offers the same names as ``fastbp._core``
(docs/architecture.md, "The two backends"); ``backend="reference"`` runs it in place of the core.
"""

from __future__ import annotations

from .augment import augmented
from .evaluate import Function
from .graph import Graph
from .operations import operations
from .parameters import Parameters
from .random import normal, uniform
from .train import Trainer

__all__ = ["operations", "Graph", "Parameters", "Function", "Trainer", "uniform", "normal", "augmented"]
