"""`Flatten`: the features of a row in one axis."""

from __future__ import annotations

from ..expressions import shape_rules
from ..expressions.expression import Expression, Shaped
from .layer import Layer


class Flatten(Layer):
    """(rows, a, b, …) becomes (rows, a·b·…), row-major; (rows,) becomes (rows, 1).

    Parameters
    ----------
    name, trainable, input_shape
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Flatten()]).predict(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def call(self, x: Expression) -> Expression:
        """x with one axis of features"""
        return Shaped(shape_rules.flatten, (x,))
