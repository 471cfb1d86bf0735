"""`Dropout`: drops elements while training."""

from __future__ import annotations

from typing import Any

from ..expressions.expression import Expression
from ..expressions.functions import drop_attributes, dropout
from .layer import Layer


class Dropout(Layer):
    """While training, drops elements with probability `rate` and scales the others by 1 / (1 − rate).

    Elsewhere it changes nothing. Which elements are dropped follows from the model's seed and the counters of epochs
    and steps (rule 9 of the numeric contract).

    Parameters
    ----------
    rate : float
        0 ≤ rate < 1.
    name, trainable, input_shape
        See `Layer`.
    per : {"row", "batch"}
        Whether every row drops elements of its own, or all rows of a mini-batch the same ones. Default "row".
    exact : bool
        Whether exactly rate·width elements are dropped (rounded, half up): half of the nodes. Default False.
    scaling : {"inverted", "weights"}
        "weights" does not scale what is kept while training; wherever the whole network is used, the weights behind
        this layer count (1 − rate) times instead. Default "inverted". See `dropout`.

    Raises
    ------
    ValueError, TypeError
        For another rate, `per`, `exact` or `scaling`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Dropout(0.5)]).predict(np.ones((1, 4)))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        rate: float,
        name: str | None = None,
        *,
        per: str = "row",
        exact: bool = False,
        scaling: str = "inverted",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self.rate = drop_attributes(rate, per, exact, scaling)[0]
        self.per, self.exact, self.scaling = per, exact, scaling

    def call(self, x: Expression) -> Expression:
        """x with some elements dropped, while training."""
        return dropout(x, self.rate, self.per, self.exact, self.scaling) if self.rate else x
