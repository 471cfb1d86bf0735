"""JAX: a whole epoch is one compiled `lax.scan`, which gathers shuffled rows and updates the weights in place."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp
from numpy.typing import NDArray

from .workloads import LEARNING_RATE, WEIGHT_DECAY, Array, Workload

ACTIVATIONS: dict[str, Any] = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
Parameters = list[tuple[jax.Array, jax.Array]]


def mean_loss(workload: Workload, parameters: Parameters, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
    a = x
    for layer, (kernel, bias) in enumerate(parameters):
        a = a @ kernel + bias
        if layer + 1 < len(parameters):
            a = ACTIVATIONS[workload.hidden](a)
            if workload.dropout:
                bits = jax.random.bits(jax.random.fold_in(key, layer), a.shape, jnp.uint16)
                kept = bits >= round(65536 * workload.dropout)
                a = jnp.where(kept, a * (1 / (1 - workload.dropout)), 0)
    if workload.loss == "softmax":
        one_hot = y[:, None] == jnp.arange(a.shape[1], dtype=y.dtype)
        return -jnp.sum(jnp.where(one_hot, jax.nn.log_softmax(a), 0)) / len(x)
    if workload.loss == "quadratic":
        return jnp.sum((jax.nn.sigmoid(a) - y) ** 2) / (2 * len(x))
    return jnp.mean((a - y) ** 2)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_epoch(
    workload: Workload, parameters: Parameters, key: jax.Array, batches: jax.Array, x: jax.Array, y: jax.Array
) -> tuple[Parameters, jax.Array]:
    """batches (steps, rows of a step): the row numbers of every step. Returns the mean loss, too."""

    def step(parameters: Parameters, number_and_rows: tuple[jax.Array, jax.Array]) -> tuple[Parameters, jax.Array]:
        number, rows = number_and_rows
        batch, target = (jnp.take(array, rows, axis=0, mode="clip") for array in (x, y))
        key_of_step = jax.random.fold_in(key, number) if workload.dropout else key
        loss, gradients = jax.value_and_grad(partial(mean_loss, workload))(parameters, batch, target, key_of_step)
        decay = 1 - LEARNING_RATE * WEIGHT_DECAY
        updated = [
            (kernel * decay - LEARNING_RATE * dkernel, bias - LEARNING_RATE * dbias)
            for (kernel, bias), (dkernel, dbias) in zip(parameters, gradients)
        ]
        return updated, loss

    numbers = jnp.arange(len(batches))
    parameters, losses = lax.scan(step, parameters, (numbers, batches))
    return parameters, jnp.mean(losses)


class JaxTraining:
    def __init__(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> None:
        self.workload = workload
        self.x, self.y = jax.device_put(x), jax.device_put(y)
        initial = workload.initial_weights()
        self.parameters = [(jnp.array(w), jnp.array(b)) for w, b in zip(initial[::2], initial[1::2])]
        self.key = jax.random.key(0, impl="unsafe_rbg")  # the generator that is fastest here
        self.random = np.random.default_rng(0)
        self.epochs = 0

    def train(self, epochs: int, shuffle: bool = True) -> float:
        rows = len(self.x)
        loss: Any = 0.0
        for _ in range(epochs):
            order = self.random.permutation(rows) if shuffle else np.arange(rows)
            batches = order.astype(np.int32).reshape(-1, self.workload.batch_size)
            key = jax.random.fold_in(self.key, self.epochs)
            self.parameters, loss = train_epoch(self.workload, self.parameters, key, batches, self.x, self.y)
            self.epochs += 1
        return float(loss)

    def weights(self) -> list[Array]:
        return [np.array(array) for pair in self.parameters for array in pair]
