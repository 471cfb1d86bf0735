"""The Python reference: the definition of what fastbp computes, in NumPy, bit for bit.

Most of its files have the names of the C++ files that they define. It offers the same names as ``fastbp._core``
(docs/architecture.md, "The two backends"); ``backend="reference"`` runs it in place of the core.
"""

from __future__ import annotations

from .augment import augmented
from .evaluate import Function
from .graph import Graph
from .memory import require_memory
from .operations import operations
from .parameters import Parameters, set_all
from .random import normal, uniform
from .train import Trainer
from .turn import Turn, take_turn

__all__ = [
    "operations", "Graph", "Parameters", "set_all", "Function", "Trainer", "Turn", "take_turn", "uniform", "normal",
    "augmented", "require_memory",
]  # fmt: skip
