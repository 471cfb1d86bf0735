"""`Input`: a place for data, with the shape of a row."""

from __future__ import annotations

from collections.abc import Sequence

from .._shared.arguments import known_keywords
from ..expressions import expression as _expression
from ..expressions.expression import input
from ..lowering.layer_names import Namer

_input_names = Namer()


@known_keywords
def Input(shape: Sequence[int] | int | None = None, name: str | None = None) -> _expression.Input:
    """As in Keras: an input whose rows have `shape`.

    Parameters
    ----------
    shape : tuple of int, optional
        Without the rows. Inferred from the first data by default.
    name : str, optional
        Default: a name of its own, input, input_1, …

    Returns
    -------
    Expression
        Of the shape (rows, \\*shape).

    Raises
    ------
    ValueError, TypeError
        For what is no shape, or a name that is no string.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Input((784,), name="pixels")
    <Input 'pixels' input>
    """
    return input(_input_names.next("input") if name is None else name, shape)
