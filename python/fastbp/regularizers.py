"""Penalties on a layer's weights, as in Keras: added to the loss, never divided by the rows."""

from __future__ import annotations

from typing import Any

from .expression import Expression
from .functions import abs, square, sum
from .names import look_up


class L1L2:
    """l1·Σ|w| + l2·Σw²

    >>> import fastbp as bp
    >>> w = bp.parameter([3.0, -4.0])
    >>> bp.function([], bp.L1L2(l1=1.0, l2=0.5)(w), backend="reference")()
    np.float32(19.5)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = checked_penalty("l1", l1), checked_penalty("l2", l2)

    def __call__(self, weight: Expression) -> Expression | None:
        """The penalty of one weight as a scalar expression; None if there is none."""
        terms = []
        if self.l1:
            terms.append(self.l1 * sum(abs(weight)))
        if self.l2:
            terms.append(self.l2 * sum(square(weight)))
        if not terms:
            return None
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(l1={self.l1}, l2={self.l2})"


class L1(L1L2):
    """l1·Σ|w|; default l1 = 0.01."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2·Σw²; default l2 = 0.01."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


def checked_penalty(argument: str, value: Any) -> float:
    """`value` as a finite number of at least 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{argument} must be a number, got {type(value).__name__}") from None
    if not 0 <= number < float("inf"):
        raise ValueError(f"{argument} must be finite and at least 0, got {number}")
    return number


REGULARIZERS = {"l1": L1, "l2": L2, "l1_l2": lambda: L1L2(0.01, 0.01)}


def get_regularizer(argument: str, regularizer: Any) -> Any:
    """The regulariser that a name, an instance, a function weight -> scalar expression, or None stands for."""
    if regularizer is None:
        return None
    if isinstance(regularizer, str):
        return look_up(argument, regularizer.lower(), REGULARIZERS)()
    if isinstance(regularizer, type):
        return regularizer()
    if callable(regularizer):
        return regularizer
    raise TypeError(f"{argument} must be a name, a regulariser such as bp.L2(1e-4), or None, got {regularizer!r}")
