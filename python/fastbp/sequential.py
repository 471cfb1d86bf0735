"""`Sequential`: layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .expression import Expression, Input, input
from .layers import Layer
from .model import Model


class Sequential(Model):
    """A network of layers, each taking what the one before gives.

    Parameters
    ----------
    layers : list of Layer
        The first entry may be an input, such as ``bp.Input((784,))``: the weights then exist before data come.
        Otherwise they are made at the first `fit`, `predict`, `evaluate` or `build`.
    seed : int
        Of the initial weights and of every later random choice. Default 0.
    dtype : {"float32", "float64"}
    name : str

    >>> import numpy as np
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((2,)), bp.Dense(3, activation="tanh"), bp.Dense(1)], seed=1)
    >>> net.compile(optimizer=bp.SGD(0.1), loss="mse", backend="reference")
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> history = net.fit(x, x[:, 0] ^ x[:, 1], batch_size=4, epochs=2, verbose=0)
    >>> list(history.history), net.predict(x).shape
    (['loss'], (4, 1))
    """

    def __init__(
        self, layers: Sequence[Any] = (), seed: int = 0, dtype: Any = "float32", name: str = "sequential"
    ) -> None:
        listed = list(layers)
        first: Input
        if listed and isinstance(listed[0], Input):
            first = listed.pop(0)
        else:
            first = input("x", getattr(listed[0], "input_shape", None) if listed else None)
        output: Expression = first
        for layer in listed:
            output = _checked(layer)(output)
        super().__init__(first, output, seed=seed, dtype=dtype, name=name)

    def add(self, layer: Layer) -> None:
        """Appends a layer; before the model is built."""
        if self._prediction is not None:
            raise ValueError("layers are added before a model is built; make a new one")
        only = self.inputs[0]
        if not self.layers and only.shape is None and getattr(layer, "input_shape", None) is not None:
            only.shape = layer.input_shape
        self._set_outputs([_checked(layer)(self.outputs[0])])


def _checked(layer: Any) -> Any:
    if isinstance(layer, (Layer, Model)):
        return layer
    if isinstance(layer, type):
        raise TypeError(f"layers must be instances, got the class {layer.__name__}: write {layer.__name__}(…)")
    raise TypeError(f"layers must be layers such as bp.Dense(10), got {layer!r}")
