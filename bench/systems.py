"""The systems that are compared: fastbp and its peers. Each has a file of its own, imported by its own process."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .workloads import Array, Workload


class Training(Protocol):
    """A workload on one system. The constructor takes the workload and its data; all start from the same weights."""

    def train(self, epochs: int, shuffle: bool = True) -> float:
        """Trains some epochs, each from (shuffled) rows to updated weights; returns the last one's mean loss."""

    def weights(self) -> list[Array]:
        """Copies: [W1, b1, W2, b2, …], W of shape (fan_in, fan_out)."""


@dataclass(frozen=True)
class System:
    name: str  # as --systems takes it
    label: str
    module: str  # of this package
    training: str  # the class in it
    package: str
    colour: str  # in pictures

    def installed(self) -> bool:
        return find_spec(self.package) is not None

    def version(self) -> str:
        try:
            return version({"sklearn": "scikit-learn"}.get(self.package, self.package))
        except PackageNotFoundError:  # imported from a source tree
            return str(getattr(importlib.import_module(self.package), "__version__", "unknown"))

    def can(self, workload: Workload) -> bool:
        """Whether the system has such a training at all."""
        return self.name != "sklearn" or (workload.loss != "quadratic" and not workload.dropout)

    def load(self) -> ModuleType:
        return importlib.import_module(f"{__package__}.{self.module}")

    def start(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> Training:
        made: Any = getattr(self.load(), self.training)
        training: Training = made(workload, x, y)
        return training


SYSTEMS = {
    system.name: system
    for system in (
        System("fastbp", "fastbp", "fastbp_training", "FastbpTraining", "fastbp", "#d9480f"),
        System("numpy", "NumPy", "numpy_peer", "NumpyTraining", "numpy", "#4dabcf"),
        System("sklearn", "scikit-learn", "sklearn_peer", "SklearnTraining", "sklearn", "#f7b267"),
        System("torch", "PyTorch", "torch_peer", "TorchTraining", "torch", "#9775c9"),
        System("torch.compile", "torch.compile", "torch_peer", "CompiledTorchTraining", "torch", "#5f3dc4"),
        System("jax", "JAX", "jax_peer", "JaxTraining", "jax", "#5c9e6e"),
    )
}
