"""The trainings: their networks, their data, and the least work of a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
LEARNING_RATE = 0.01
WEIGHT_DECAY = 1e-4  # of weights; biases are spared


@dataclass(frozen=True)
class Workload:
    """Dense layers, trained by plain SGD.

    ``hidden`` is "relu", "tanh" or "sigmoid". ``loss`` is "softmax" (integer labels, cross entropy), "quadratic"
    (after a sigmoid, 1/(2m) Σ‖y−a‖²) or "mse" (no output activation, 1/(mk) ΣΣ(y−a)²). ``dropout`` is the rate after
    every hidden layer.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    loss: str
    batch_size: int
    steps: int  # per epoch
    dropout: float = 0.0

    @property
    def net(self) -> str:
        """For tables: equal sizes in a row are written once, 64-(128×8)-10."""
        parts: list[list[int]] = []
        for size in self.sizes:
            if parts and parts[-1][0] == size:
                parts[-1][1] += 1
            else:
                parts.append([size, 1])
        return "-".join(f"({size}×{count})" if count > 2 else "-".join([str(size)] * count) for size, count in parts)

    @property
    def rows(self) -> int:
        return self.batch_size * self.steps

    @property
    def parameters(self) -> int:
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(self.sizes))

    @property
    def flops(self) -> float:
        """Flops of one step's products: forward, weight gradients, and input gradients except the first layer's."""
        products = (2 * a * b * (2 if layer == 0 else 3) for layer, (a, b) in enumerate(pairwise(self.sizes)))
        return float(self.batch_size * sum(products))

    def bytes_moved(self, caches: float) -> float:
        """Bytes that one step must read from and write to memory.

        These are its rows and targets as they are stored; and the weights, read and written, if they are larger than
        the processors' private caches. Plain SGD has no other state.
        """
        target = 1 if self.loss == "softmax" else 4 * self.sizes[-1]
        gathered = self.batch_size * (4 * self.sizes[0] + target)
        weights = 4 * self.parameters
        return float(gathered + (2 * weights if weights > caches else 0))

    def data(self) -> tuple[Array, NDArray[np.generic]]:
        """x (rows, features) and the labels (rows,) uint8 or targets (rows, outputs) float32; always the same."""
        random = np.random.default_rng(0)
        outputs = self.sizes[-1]
        if self.name == "xor":
            x = random.integers(0, 2, (self.rows, 2)).astype(np.float32)
            return x, np.asarray(x[:, :1] != x[:, 1:], np.float32)
        x = random.random((self.rows, self.sizes[0]), dtype=np.float32)
        labels = random.permutation(np.arange(self.rows) % outputs).astype(np.uint8)
        if self.loss == "softmax":
            return x, labels
        if self.loss == "quadratic":
            return x, np.eye(outputs, dtype=np.float32)[labels]
        return x, np.sin(6 * x[:, :outputs]) + x[:, -1:]

    def initial_weights(self) -> list[Array]:
        """[W1, b1, W2, b2, …], Glorot's uniform, W of shape (fan_in, fan_out): every system starts from these."""
        random = np.random.default_rng(1)
        weights = []
        for fan_in, fan_out in pairwise(self.sizes):
            limit = math.sqrt(6 / (fan_in + fan_out))
            weights.append(random.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
            weights.append(np.zeros(fan_out, np.float32))
        return weights


WORKLOADS = (
    Workload("xor", (2, 2, 1), "tanh", "mse", 4, steps=1000),
    Workload("nielsen", (784, 30, 10), "sigmoid", "quadratic", 10, steps=1000),
    Workload("tabular", (32, 64, 64, 1), "relu", "mse", 64, steps=500),
    Workload("logistic", (784, 10), "none", "softmax", 256, steps=100),
    Workload("sklearn", (784, 100, 10), "relu", "softmax", 200, steps=100),
    Workload("deep", (64, *[128] * 8, 10), "relu", "softmax", 64, steps=100),
    Workload("mnist", (784, 512, 512, 10), "relu", "softmax", 128, steps=40, dropout=0.5),
    Workload("large", (1024, 4096, 4096, 1024), "relu", "mse", 512, steps=2),
    Workload("full-batch", (4, 32, 16, 4), "tanh", "mse", 10_000, steps=1),
)
