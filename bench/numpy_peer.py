"""The same training in NumPy, as fast as NumPy can: every array is allocated once, every result goes to `out=`.

Choices, each the fastest of those that were tried on the workloads of this package:

- rows are gathered by np.take with mode="clip" (the default mode goes through a buffer);
- −learning_rate / rows is multiplied into the small derivative at the output, so that each product xᵀδ is the step
  itself and the update of a weight is two passes: decay, add;
- bias sums are products with a row of ones, which BLAS does faster than np.add.reduce;
- dropout takes 16 raw bits of SFC64, the fastest of NumPy's generators, per element, and masks by multiplication
  (np.copyto and np.putmask with a mask take ten times as long); the derivative of relu and dropout together is one
  mask, a > 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .workloads import LEARNING_RATE, WEIGHT_DECAY, Array, Workload


class NumpyTraining:
    def __init__(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> None:
        self.x, self.y = x, y
        self.hidden, self.loss, self.batch_size = workload.hidden, workload.loss, workload.batch_size
        self.dropout = workload.dropout
        if self.dropout and self.hidden != "relu":
            raise ValueError("the mask a > 0 is the derivative of relu and dropout only")
        self.threshold = np.uint16(round(65536 * self.dropout))
        self.scale = np.float32(1 / (1 - self.dropout))
        self.decay = np.float32(1 - LEARNING_RATE * WEIGHT_DECAY)
        self.random = np.random.Generator(np.random.SFC64(0))
        initial = workload.initial_weights()
        self.kernels, self.biases = initial[::2], initial[1::2]
        self.kernel_steps = [np.empty_like(kernel) for kernel in self.kernels]
        self.bias_steps = [np.empty_like(bias) for bias in self.biases]
        shapes = [(self.batch_size, size) for size in workload.sizes]
        self.activations = [np.empty(shape, np.float32) for shape in shapes]
        self.deltas = [np.empty(shape, np.float32) for shape in shapes]
        self.masks = [np.empty(shape, bool) for shape in shapes]
        self.targets = np.empty((self.batch_size, *y.shape[1:]), y.dtype)
        self.ones = np.ones(self.batch_size, np.float32)
        self.column = np.empty((self.batch_size, 1), np.float32)
        self.range = np.arange(self.batch_size)

    def weights(self) -> list[Array]:
        return [array.copy() for pair in zip(self.kernels, self.biases) for array in pair]

    def train(self, epochs: int, shuffle: bool = True) -> float:
        total = 0.0
        for _ in range(epochs):
            order = self.random.permutation(len(self.x)) if shuffle else np.arange(len(self.x))
            total = 0.0
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                m = len(rows)
                np.take(self.x, rows, axis=0, out=self.activations[0][:m], mode="clip")
                np.take(self.y, rows, axis=0, out=self.targets[:m], mode="clip")
                total += m * self._step(self.targets[:m], m)
        return total / len(self.x)

    def _step(self, target: NDArray[np.generic], m: int) -> float:
        last = len(self.kernels)
        for layer in range(last):
            z = self.activations[layer + 1][:m]
            np.matmul(self.activations[layer][:m], self.kernels[layer], out=z)
            np.add(z, self.biases[layer], out=z)
            if layer + 1 < last:
                self._activate(layer, z, m)
        loss = self._output(target, self.activations[last][:m], self.deltas[last][:m], m)
        for layer in reversed(range(last)):
            a, delta = self.activations[layer][:m], self.deltas[layer + 1][:m]
            np.matmul(a.T, delta, out=self.kernel_steps[layer])
            np.matmul(self.ones[:m], delta, out=self.bias_steps[layer])
            if layer > 0:
                below = self.deltas[layer][:m]
                np.matmul(delta, self.kernels[layer].T, out=below)
                self._derivative(a, below, self.masks[layer][:m])
        for kernel, bias, kernel_step, bias_step in zip(self.kernels, self.biases, self.kernel_steps, self.bias_steps):
            np.multiply(kernel, self.decay, out=kernel)
            np.add(kernel, kernel_step, out=kernel)
            np.add(bias, bias_step, out=bias)
        return loss

    def _activate(self, layer: int, z: Array, m: int) -> None:
        if self.hidden == "sigmoid":
            _sigmoid(z)
        elif self.hidden == "tanh":
            np.tanh(z, out=z)
        else:
            np.maximum(z, 0, out=z)
        if self.dropout:
            bits = self.random.bit_generator.random_raw(-(-z.size // 4)).view(np.uint16)[: z.size]
            kept = self.masks[layer + 1][:m]
            np.greater_equal(bits.reshape(z.shape), self.threshold, out=kept)
            np.multiply(z, kept, out=z)
            np.multiply(z, self.scale, out=z)

    def _derivative(self, a: Array, delta: Array, mask: NDArray[np.bool_]) -> None:
        """delta ← delta · the derivative of the hidden activation (and dropout) whose result is a. May overwrite a."""
        if self.hidden == "sigmoid":
            np.multiply(delta, a, out=delta)  # a(1 − a)
            np.subtract(1, a, out=a)
            np.multiply(delta, a, out=delta)
            return
        if self.hidden == "tanh":
            np.multiply(a, a, out=a)  # 1 − a²
            np.subtract(1, a, out=a)
            np.multiply(delta, a, out=delta)
            return
        np.greater(a, 0, out=mask)
        np.multiply(delta, mask, out=delta)
        if self.dropout:
            np.multiply(delta, self.scale, out=delta)

    def _output(self, target: NDArray[np.generic], a: Array, delta: Array, m: int) -> float:
        """The mean loss; delta ← −learning_rate · its derivative by the output's pre-activation, which is in `a`."""
        step = np.float32(-LEARNING_RATE / m)
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
