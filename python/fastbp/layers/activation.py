"""`Activation`: an activation as a layer."""

from __future__ import annotations

from typing import Any

from ..activations import get_activation
from ..expressions.expression import Expression
from .layer import Layer


class Activation(Layer):
    """An activation as a layer; shapes stay as the function leaves them.

    Parameters
    ----------
    activation : str or function
        A name of `fastbp.activations.ACTIVATIONS` or any function of an expression, which has a ``shape``, None for
        the rows.
    name, trainable, input_shape
        See `Layer`.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or what is neither a name nor a function.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Activation(lambda z: z / z.shape[-1])]).predict(np.ones((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    def __init__(self, activation: Any, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.activation = get_activation(activation)

    def call(self, x: Expression) -> Expression:
        """activation(x)"""
        return self.activation(x)
