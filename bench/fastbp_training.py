"""The training in fastbp, as its users write it."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
from numpy.typing import NDArray

from .workloads import LEARNING_RATE, WEIGHT_DECAY, Array, Workload

OUTPUTS = {"softmax": "softmax", "quadratic": "sigmoid", "mse": None}
LOSSES = {"softmax": "sparse_categorical_crossentropy", "quadratic": "quadratic", "mse": "mse"}


def untrained(workload: Workload, optimizer: bp.Optimizer | None = None) -> bp.Sequential:
    """The compiled network, by default with the update that every system uses. Building it draws its weights."""
    layers: list[Any] = [bp.Input((workload.sizes[0],))]
    for size in workload.sizes[1:-1]:
        layers.append(bp.Dense(size, activation=workload.hidden))
        if workload.dropout:
            layers.append(bp.Dropout(workload.dropout))
    layers.append(bp.Dense(workload.sizes[-1], activation=OUTPUTS[workload.loss]))
    network = bp.Sequential(layers, seed=0)
    if optimizer is None:
        optimizer = bp.SGD(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    network.compile(optimizer=optimizer, loss=LOSSES[workload.loss])
    return network


def network_of(workload: Workload) -> bp.Sequential:
    """The network with the weights that every system starts from."""
    network = untrained(workload)
    network.set_weights(workload.initial_weights())
    return network


class FastbpTraining:
    def __init__(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> None:
        self.network = network_of(workload)
        self.x, self.y, self.batch_size = x, y, workload.batch_size

    def train(self, epochs: int, shuffle: bool = True) -> float:
        history = self.network.fit(
            self.x, self.y, batch_size=self.batch_size, epochs=epochs, shuffle=shuffle, verbose=0
        )
        return float(history.history["loss"][-1])

    def weights(self) -> list[Array]:
        return self.network.get_weights()
