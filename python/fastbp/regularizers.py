"""Penalties on a layer's weights, as in Keras: added to the loss, never divided by the rows."""

from __future__ import annotations

from typing import Any

from .arguments import finite, known_keywords
from .expression import Expression
from .functions import abs, square
from .names import look_up
from .reductions import sum


class L1L2:
    """l1·Σ|w| + l2·Σw²

    Parameters
    ----------
    l1, l2 : float
        At least 0. Default 0.

    Raises
    ------
    TypeError
        If a factor is no number.
    ValueError
        If it is negative or not finite.

    Notes
    -----
    As in Keras: the penalty of a layer's weight is added to the loss as it is, never divided by the rows. The gradient
    of |w| at 0 is 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([3.0, -4.0])
    >>> bp.function([], bp.L1L2(l1=1.0, l2=0.5)(w), backend="reference")()
    np.float32(19.5)
    """

    @known_keywords
    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = finite("l1", l1), finite("l2", l2)

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
    """l1·Σ|w|

    Parameters
    ----------
    l1 : float
        At least 0. Default 0.01.

    Raises
    ------
    TypeError
        If a factor is no number.
    ValueError
        If it is negative or not finite.

    Notes
    -----
    As in Keras: the penalty of a layer's weight is added to the loss as it is, never divided by the rows. The gradient
    of |w| at 0 is 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([3.0, -4.0])
    >>> bp.function([], bp.L1(0.5)(w), backend="reference")()
    np.float32(3.5)
    """

    @known_keywords
    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2·Σw²

    Parameters
    ----------
    l2 : float
        At least 0. Default 0.01.

    Raises
    ------
    TypeError
        If a factor is no number.
    ValueError
        If it is negative or not finite.

    Notes
    -----
    As in Keras: the penalty of a layer's weight is added to the loss as it is, never divided by the rows.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([3.0, -4.0])
    >>> bp.function([], bp.L2(0.5)(w), backend="reference")()
    np.float32(12.5)
    """

    @known_keywords
    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


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
