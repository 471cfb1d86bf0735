"""`Sequential`: layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .._shared.arguments import known_keywords
from ..expressions.expression import Expression, Input, input
from ..layers.layer import Layer
from .model import Model


class Sequential(Model):
    """A network of layers, each taking what the one before gives.

    Parameters
    ----------
    layers : list of Layer
        A model may be one of them, and counts as one layer. The first entry may be an input, such as
        ``bp.Input((784,))``: the weights then exist before data come. Otherwise they are made at the first `fit`,
        `predict`, `evaluate` or `build`.
    seed : int
        Of the initial weights and of every later random choice. Default 0.
    dtype : {"float32", "float64"}
        Default "float32".
    name : str, optional
        Default "sequential", in another model sequential_1, ….

    Raises
    ------
    ValueError, TypeError
        For what is no layer, or two layers of one given name.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((2,)), bp.Dense(3, activation="tanh"), bp.Dense(1)], seed=1)
    >>> net.compile(optimizer=bp.SGD(0.1), loss="mse", backend="reference")
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> history = net.fit(x, x[:, 0] ^ x[:, 1], batch_size=4, epochs=2, verbose=0)
    >>> list(history.history), net.predict(x).shape
    (['loss'], (4, 1))
    """

    @known_keywords
    def __init__(
        self, layers: Sequence[Any] = (), seed: int = 0, dtype: Any = "float32", name: str | None = None
    ) -> None:
        if not isinstance(layers, Iterable):
            hint = ": put it in a list" if isinstance(layers, Layer) else ""
            raise TypeError(f"layers must be a list of layers, got {layers!r}{hint}")
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

    def add(self, layer: Any) -> None:
        """Appends a layer, or sets the input of a model that has no layers yet.

        Parameters
        ----------
        layer : Layer, Model or input

        Raises
        ------
        ValueError
            If the model is built already, or for an input after a layer.
        TypeError
            For what is no layer.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential()
        >>> net.add(bp.Input((784,)))
        >>> net.add(bp.Dense(10))
        >>> net.count_params()
        7850
        """
        if self._built:
            raise ValueError("layers are added before a model is built; make a new one")
        if isinstance(layer, Input):
            if self.layers:
                raise ValueError(f"an input comes before all layers, got {layer.name!r} after {self.layers[-1]!r}")
            self._set_outputs([layer], [layer])
            return
        shape = getattr(_checked(layer), "input_shape", None)
        if not self.layers and self.inputs[0].shape is None and shape is not None:
            first = input(self.inputs[0].name, shape)
            self._set_outputs([layer(first)], [first])
        else:
            self._set_outputs([layer(self.outputs[0])], self.inputs)


def _checked(layer: Any) -> Any:
    if isinstance(layer, (Layer, Model)):
        return layer
    if isinstance(layer, Input):
        raise ValueError(f"an input comes before all layers, got {layer.name!r} after them")
    if isinstance(layer, type):
        raise TypeError(f"layers must be instances, got the class {layer.__name__}: write {layer.__name__}(…)")
    raise TypeError(f"layers must be layers such as bp.Dense(10), got {layer!r}")
