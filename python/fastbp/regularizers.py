"""Penalties on a layer's weights, as in Keras: added to the loss, never divided by the rows, while it is trained."""

from __future__ import annotations

from typing import Any

from ._shared.arguments import finite, known_keywords, truth
from ._shared.known_attributes import KnownAttributes
from ._shared.nearest import look_up_either_way
from .expressions.expression import Expression
from .expressions.functions import abs, square
from .expressions.parameter import Parameter
from .expressions.reductions import sum


class L1L2(KnownAttributes):
    """l1·Σ|w| + l2·Σw²

    Parameters
    ----------
    l1, l2 : float
        At least 0. Default 0.
    proximal : bool
        Whether l1 shrinks the weights after each step rather than through the gradient: weights become exactly 0.
        Default False.

    Raises
    ------
    TypeError
        If a factor is no number, or `proximal` no truth value.
    ValueError
        If it is negative or not finite.

    Notes
    -----
    As in Keras: the penalty of a layer's weight is added to the loss as it is, never divided by the rows, and that of a
    frozen weight is not. The gradient of |w| at 0 is 0.

    After the optimiser has moved a weight by the gradient of all the rest, the proximal step takes η·l1 from its
    magnitude, or makes it 0 if the magnitude is smaller (the soft threshold): N. Parikh and S. Boyd, Proximal
    Algorithms, 2014, section 4.2. η is the learning rate whatever the optimiser: momentum and the adaptive optimisers'
    scaling do not change it. The loss is reported with the penalty either way.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([3.0, -4.0])
    >>> bp.function([], bp.L1L2(l1=1.0, l2=0.5)(w), backend="reference")()
    np.float32(19.5)
    """

    @known_keywords
    def __init__(self, l1: float = 0.0, l2: float = 0.0, proximal: bool = False) -> None:
        self.l1, self.l2, self.proximal = finite("l1", l1), finite("l2", l2), truth("proximal", proximal)

    def __call__(self, weight: Expression) -> Expression | None:
        """The penalty of one weight as a scalar expression; None if there is none."""
        return _penalty(weight, self.l1, self.l2)

    def __repr__(self) -> str:
        proximal = ", proximal=True" if self.proximal else ""
        return f"{type(self).__name__}(l1={self.l1}, l2={self.l2}{proximal})"


class L1(L1L2):
    """l1·Σ|w|

    Parameters
    ----------
    l1 : float
        At least 0. Default 0.01.
    proximal : bool
        See `L1L2`. Default False.

    Raises
    ------
    TypeError
        If a factor is no number, or `proximal` no truth value.
    ValueError
        If it is negative or not finite.

    Notes
    -----
    As in Keras: the penalty of a layer's weight is added to the loss as it is, never divided by the rows, and that of a
    frozen weight is not. The gradient of |w| at 0 is 0: weights come close to 0 and then oscillate; with
    ``proximal=True`` they become exactly 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([3.0, -4.0])
    >>> bp.function([], bp.L1(0.5)(w), backend="reference")()
    np.float32(3.5)
    """

    @known_keywords
    def __init__(self, l1: float = 0.01, proximal: bool = False) -> None:
        super().__init__(l1=l1, proximal=proximal)


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
    As in Keras: the penalty of a layer's weight is added to the loss as it is, never divided by the rows, and that of a
    frozen weight is not.

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


def _penalty(weight: Expression, l1: float, l2: float) -> Expression | None:
    terms = []
    if l1:
        terms.append(l1 * sum(abs(weight)))
    if l2:
        terms.append(l2 * sum(square(weight)))
    return terms[0] + terms[1] if len(terms) == 2 else terms[0] if terms else None


def split_penalty(weight: Parameter) -> tuple[Expression | None, Expression | None]:
    """The penalties of a weight's regulariser: those in the descended cost, and that of the proximal step."""
    regularizer = get_regularizer(f"the regularizer of {weight.name!r}", weight.regularizer)
    if regularizer is None:
        return None, None
    if proximal_l1(weight):
        return _penalty(weight, 0.0, regularizer.l2), _penalty(weight, regularizer.l1, 0.0)
    return regularizer(weight), None


def proximal_l1(weight: Parameter) -> float:
    """The l1 of a weight's regulariser if its step is proximal, else 0."""
    regularizer = weight.regularizer
    return regularizer.l1 if isinstance(regularizer, L1L2) and regularizer.proximal else 0.0


REGULARIZERS = {"l1": L1, "l2": L2, "l1_l2": lambda: L1L2(0.01, 0.01)}


def get_regularizer(argument: str, regularizer: Any) -> Any:
    """The regulariser that a name, an instance, a function weight -> scalar expression, or None stands for."""
    if regularizer is None:
        return None
    if isinstance(regularizer, str):
        return look_up_either_way(argument, regularizer, REGULARIZERS)()
    if isinstance(regularizer, type):
        return regularizer()
    if callable(regularizer):
        return regularizer
    raise TypeError(f"{argument} must be a name, a regulariser such as bp.L2(1e-4), or None, got {regularizer!r}")
