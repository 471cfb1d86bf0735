"""Constraints: bounds that a layer's weights are brought back within after every update."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._shared.arguments import known_keywords, real, real_array
from ._shared.known_attributes import KnownAttributes
from ._shared.memory import copied, require_memory
from ._shared.nearest import look_up_either_way


class MaxNorm(KnownAttributes):
    """The weights into a unit have at most this norm.

    Parameters
    ----------
    max_value : float
        c, above 0. Default 2.

    Raises
    ------
    TypeError
        If `max_value` is no number.
    ValueError
        If it is not above 0 or not finite.

    Notes
    -----
    After every step each column of a kernel of shape (fan_in, units), the weights into one unit, whose norm ‖w‖ is
    above c is multiplied by c/‖w‖; the others stay as they are. (Keras shrinks those by some 1e-7, too.) In general the
    norm is taken over axis 0. The momentum and other states of an optimiser stay as they are. N. Srebro and A.
    Shraibman, Rank, Trace-Norm and Max-Norm, 2005; with dropout: N. Srivastava et al., Dropout, 2014. The order of the
    roundings is rule 10 of the numeric contract.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Dense(10, kernel_constraint=bp.MaxNorm(3.0)).kernel_constraint
    MaxNorm(max_value=3.0)

    A constraint can be called with an array:

    >>> bp.MaxNorm(2.0)([[3.0, 0.0], [4.0, 1.0]])
    array([[1.2, 0. ],
           [1.6, 1. ]])
    """

    @known_keywords
    def __init__(self, max_value: float = 2.0) -> None:
        self.max_value = real("max_value", max_value)
        if not 0 < self.max_value < float("inf"):
            raise ValueError(f"max_value must be finite and above 0, got {max_value}")

    def __call__(self, weight: Any) -> np.ndarray:
        """The weight brought within the constraint, in float32 if it is float32, else in float64."""
        from .reference.update import limit_norms  # the definition, in NumPy; loaded only when used

        array = real_array("weight", weight)
        require_memory(32 * array.size)  # copies, squares and scaled numbers
        return limit_norms(array if array.dtype == np.float32 else copied(array, np.float64), self.max_value)

    def __repr__(self) -> str:
        return f"MaxNorm(max_value={self.max_value})"


CONSTRAINTS = {"max_norm": MaxNorm}


def get_constraint(argument: str, constraint: Any) -> MaxNorm | None:
    """The constraint that a name, a class, an instance or None stands for."""
    if constraint is None or isinstance(constraint, MaxNorm):
        return constraint
    if isinstance(constraint, str):
        return look_up_either_way(argument, constraint, CONSTRAINTS)()
    if constraint is MaxNorm:
        return MaxNorm()
    raise TypeError(f"{argument} must be a name, a constraint such as bp.MaxNorm(3.0), or None, got {constraint!r}")
