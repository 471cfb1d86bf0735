"""The same training in NumPy, as fast as NumPy can: every array is allocated once, every result goes to `out=`.

Choices, each the fastest of those that were tried on the shapes of `bench.step`:

- rows are gathered by np.take with mode="clip" (the default mode goes through a buffer);
- −learning_rate / rows is multiplied into the small derivative at the output, so that each product xᵀδ is the step
  itself and the update of a weight is two passes: decay, add;
- bias sums are products with a row of ones, which BLAS does faster than np.add.reduce;
- dropout draws float32 from SFC64, the fastest of NumPy's generators, and masks by multiplication (np.copyto and
  np.putmask with a mask take ten times as long); the derivative of relu and dropout together is one mask, a > 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class NumpyPeer:
    """Dense layers with one hidden activation, trained by plain SGD with decoupled weight decay.

    Parameters
    ----------
    sizes : the features of the input, the hidden layers and the output
    hidden : "relu" or "sigmoid"
    loss : "softmax" (integer labels, cross entropy), "quadratic" (after a sigmoid, 1/(2m) Σ‖y−a‖²)
        or "mse" (no output activation)
    dropout : the rate after every hidden layer; with "relu" only
    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden: str,
        loss: str,
        batch_size: int,
        learning_rate: float,
        weight_decay: float,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        assert hidden == "relu" or dropout == 0, "the mask a > 0 is the derivative of relu and dropout only"
        self.hidden, self.loss, self.batch_size = hidden, loss, batch_size
        self.learning_rate, self.dropout = learning_rate, dropout
        self.decay = np.float32(1 - learning_rate * weight_decay)
        self.scale = np.float32(1 / (1 - dropout))
        self.random = np.random.Generator(np.random.SFC64(seed))
        pairs = list(pairwise(sizes))
        self.weights = [self._glorot(fan_in, fan_out) for fan_in, fan_out in pairs]
        self.biases = [np.zeros(fan_out, np.float32) for _, fan_out in pairs]
        self.weight_steps = [np.empty_like(weight) for weight in self.weights]
        self.bias_steps = [np.empty_like(bias) for bias in self.biases]
        self.activations = [np.empty((batch_size, size), np.float32) for size in sizes]
        self.deltas = [np.empty((batch_size, size), np.float32) for size in sizes]
        self.uniforms = [np.empty((batch_size, size), np.float32) for size in sizes[1:-1]]
        self.masks = [np.empty((batch_size, size), bool) for size in sizes]
        self.ones = np.ones(batch_size, np.float32)
        self.column = np.empty((batch_size, 1), np.float32)
        self.range = np.arange(batch_size)

    def _glorot(self, fan_in: int, fan_out: int) -> Array:
        limit = math.sqrt(6 / (fan_in + fan_out))
        return self.random.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)

    def train_epoch(self, x: Array, y: NDArray[np.generic], shuffle: bool = True) -> float:
        """One pass over the rows, shuffled; the last short batch is used. Returns the epoch's mean loss."""
        order = self.random.permutation(len(x)) if shuffle else np.arange(len(x))
        targets = np.empty((self.batch_size, *y.shape[1:]), y.dtype)
        total = 0.0
        for start in range(0, len(x), self.batch_size):
            rows = order[start : start + self.batch_size]
            m = len(rows)
            np.take(x, rows, axis=0, out=self.activations[0][:m], mode="clip")
            np.take(y, rows, axis=0, out=targets[:m], mode="clip")
            total += m * self._step(targets[:m], m)
        return total / len(x)

    def _step(self, target: NDArray[np.generic], m: int) -> float:
        last = len(self.weights)
        for layer in range(last):
            z = self.activations[layer + 1][:m]
            np.matmul(self.activations[layer][:m], self.weights[layer], out=z)
            np.add(z, self.biases[layer], out=z)
            if layer + 1 < last:
                self._activate(layer, z, m)
        loss = self._output(target, self.activations[last][:m], self.deltas[last][:m], m)
        for layer in reversed(range(last)):
            a, delta = self.activations[layer][:m], self.deltas[layer + 1][:m]
            np.matmul(a.T, delta, out=self.weight_steps[layer])
            np.matmul(self.ones[:m], delta, out=self.bias_steps[layer])
            if layer > 0:
                below = self.deltas[layer][:m]
                np.matmul(delta, self.weights[layer].T, out=below)
                self._derivative(a, below, self.masks[layer][:m])
        for weight, bias, weight_step, bias_step in zip(
            self.weights, self.biases, self.weight_steps, self.bias_steps, strict=True
        ):
            np.multiply(weight, self.decay, out=weight)
            np.add(weight, weight_step, out=weight)
            np.add(bias, bias_step, out=bias)
        return loss

    def _activate(self, layer: int, z: Array, m: int) -> None:
        if self.hidden == "sigmoid":
            _sigmoid(z)
            return
        np.maximum(z, 0, out=z)
        if self.dropout:
            uniform, kept = self.uniforms[layer], self.masks[layer + 1][:m]
            self.random.random(out=uniform, dtype=np.float32)
            np.greater_equal(uniform[:m], self.dropout, out=kept)
            np.multiply(z, kept, out=z)
            np.multiply(z, self.scale, out=z)

    def _derivative(self, a: Array, delta: Array, mask: NDArray[np.bool_]) -> None:
        """delta ← delta · the derivative of the hidden activation (and dropout) whose result was a, which is spent."""
        if self.hidden == "sigmoid":
            np.multiply(delta, a, out=delta)  # a(1 − a)
            np.subtract(1, a, out=a)
            np.multiply(delta, a, out=delta)
            return
        np.greater(a, 0, out=mask)
        np.multiply(delta, mask, out=delta)
        if self.dropout:
            np.multiply(delta, self.scale, out=delta)

    def _output(self, target: NDArray[np.generic], a: Array, delta: Array, m: int) -> float:
        """The mean loss; delta ← −learning_rate · its derivative by the output's pre-activation, which is in `a`."""
        step = np.float32(-self.learning_rate / m)
        if self.loss == "softmax":
            column = self.column[:m]
            np.max(a, axis=1, keepdims=True, out=column)
            np.subtract(a, column, out=a)
            np.exp(a, out=a)
            np.sum(a, axis=1, keepdims=True, out=column)
            np.divide(a, column, out=a)
            picked = a[self.range[:m], target]
            loss = -float(np.log(picked).sum()) / m
            np.multiply(a, step, out=delta)
            delta[self.range[:m], target] -= step
            return loss
        if self.loss == "quadratic":
            _sigmoid(a)
        np.subtract(a, target, out=delta)
        flat = delta.ravel()
        squares = float(np.dot(flat, flat))
        if self.loss == "quadratic":
            np.multiply(delta, step, out=delta)
            np.multiply(delta, a, out=delta)
            np.subtract(1, a, out=a)
            np.multiply(delta, a, out=delta)
            return squares / (2 * m)
        np.multiply(delta, np.float32(2 * float(step) / delta.shape[1]), out=delta)
        return squares / (m * delta.shape[1])


def _sigmoid(z: Array) -> None:
    """z ← 1 / (1 + exp(−z)), in place."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.add(z, 1, out=z)
    np.reciprocal(z, out=z)
