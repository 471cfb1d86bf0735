"""`Rescaling`: data times a scale plus an offset."""

from __future__ import annotations

from typing import Any

from ..expressions.expression import Expression
from .layer import Layer


class Rescaling(Layer):
    """x · scale + offset; shapes stay.

    Parameters
    ----------
    scale : float or array
        An array has the shape of a row, or one that broadcasts to it.
    offset : float or array
        Default 0.
    name, trainable, input_shape
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Rescaling(1 / 255)]).predict(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.scale = scale
        self.offset = offset

    def call(self, x: Expression) -> Expression:
        """x · scale + offset"""
        return x * self.scale + self.offset
