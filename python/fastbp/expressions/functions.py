"""Elementwise functions of expressions, and ``concatenate``, ``reshape`` and ``dropout``."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from .._shared.arguments import known_keywords, share, truth, whole
from .._shared.nearest import look_up
from . import shape_rules
from .expression import Call, Expression, Operation, Shaped


def maximum(a: Any, b: Any) -> Expression:
    """The larger of a and b, element by element.

    Parameters
    ----------
    a, b : expression, number or array
        Of one shape, or of shapes that broadcast.

    Returns
    -------
    Expression
        Of the shape that broadcasting gives.

    Notes
    -----
    a where a ≥ b or a is NaN, else b (rule 5 of the numeric contract). The gradient flows to the one that was chosen.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.maximum(x, 0.5), backend="reference")([0.0, 1.0])
    array([0.5, 1. ], dtype=float32)
    """
    return Operation("maximum", a, b)


def minimum(a: Any, b: Any) -> Expression:
    """The smaller of a and b, element by element.

    Parameters
    ----------
    a, b : expression, number or array
        Of one shape, or of shapes that broadcast.

    Returns
    -------
    Expression
        Of the shape that broadcasting gives.

    Notes
    -----
    a where a ≤ b or a is NaN, else b (rule 5 of the numeric contract). The gradient flows to the one that was chosen.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.minimum(x, 0.5), backend="reference")([0.0, 1.0])
    array([0. , 0.5], dtype=float32)
    """
    return Operation("minimum", a, b)


def where_positive(condition: Any, a: Any, b: Any) -> Expression:
    """a where condition > 0, b elsewhere.

    Parameters
    ----------
    condition, a, b : expression, number or array
        Of shapes that broadcast; a condition of NaN chooses b.

    Returns
    -------
    Expression
        Of the shape that broadcasting gives.

    Notes
    -----
    The gradient flows to the one that was chosen, none to the condition. The other one's is 0, also where its slope is
    infinite or NaN, as that of ``sqrt(x)`` at 0 (rule 6 of the numeric contract).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.where_positive(x, x, 10 * x), backend="reference")([-1.0, 0.0, 2.0])
    array([-10.,   0.,   2.], dtype=float32)
    """
    return Operation("where_positive", condition, a, b)


def exp(x: Any) -> Expression:
    """e^x, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract: at most 1 ulp off in float32, 2 in float64. Derivative: e^x.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.exp(x), backend="reference")([0.0, 1.0])
    array([1.       , 2.7182817], dtype=float32)
    """
    return Operation("exp", x)


def expm1(x: Any) -> Expression:
    """e^x − 1, element by element, exact near 0.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: e^x.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.expm1(x), backend="reference")([0.0, 1e-8])
    array([0.e+00, 1.e-08], dtype=float32)
    """
    return Operation("expm1", x)


def log(x: Any) -> Expression:
    """The natural logarithm, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract: −Inf at 0, NaN below. Derivative: 1/x.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.log(x), backend="reference")([1.0, 2.0])
    array([0.       , 0.6931472], dtype=float32)
    """
    return Operation("log", x)


def log1p(x: Any) -> Expression:
    """ln(1 + x), element by element, exact near 0.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: 1/(1 + x).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.log1p(x), backend="reference")([0.0, 1e-8])
    array([0.e+00, 1.e-08], dtype=float32)
    """
    return Operation("log1p", x)


def sin(x: Any) -> Expression:
    """The sine of x radians, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: cos x.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.sin(x), backend="reference")([0.0, 1.0])
    array([0.        , 0.84147096], dtype=float32)
    """
    return Operation("sin", x)


def cos(x: Any) -> Expression:
    """The cosine of x radians, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: −sin x.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.cos(x), backend="reference")([0.0, 1.0])
    array([1.       , 0.5403023], dtype=float32)
    """
    return Operation("cos", x)


def erf(x: Any) -> Expression:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rule 4 of the numeric contract. Derivative: 2/√π exp(−x²).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.erf(x), backend="reference")([0.0, 1.0])
    array([0.       , 0.8427008], dtype=float32)
    """
    return Operation("erf", x)


def sqrt(x: Any) -> Expression:
    """The square root, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Correctly rounded, as IEEE 754 has it: NaN below 0. Derivative: 1/(2√x), which is infinite at 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.sqrt(x), backend="reference")([4.0, 2.0])
    array([2.       , 1.4142135], dtype=float32)
    """
    return Operation("sqrt", x)


def square(x: Any) -> Expression:
    """x·x, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Rounded once. Derivative: 2x.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.square(x), backend="reference")([3.0, -2.0])
    array([9., 4.], dtype=float32)
    """
    return Operation("square", x)


def abs(x: Any) -> Expression:
    """|x|, element by element.

    Parameters
    ----------
    x : expression, number or array

    Returns
    -------
    Expression
        Of the shape of `x`.

    Notes
    -----
    Derivative: −1, 0 or 1, the sign of x; 0 at 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.abs(x), backend="reference")([3.0, -2.0])
    array([3., 2.], dtype=float32)
    """
    return Operation("absolute", x)


@known_keywords
def concatenate(expressions: Sequence[Any], axis: int = -1) -> Expression:
    """Joins expressions along a feature axis.

    Parameters
    ----------
    expressions : list of expressions, numbers or arrays
        Of equal shapes but for `axis`. Those without rows are repeated for every row where others have rows.
    axis : int
        Of the features; rows are not joined. Default −1, the last.

    Returns
    -------
    Expression

    Raises
    ------
    TypeError
        If there is no list of at least one expression, or `axis` is no whole number.
    ValueError
        If the shapes do not fit: when it is computed.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.concatenate([x, x * 10, [0.5]], axis=-1), backend="reference")([[1, 2], [3, 4]])
    array([[ 1. ,  2. , 10. , 20. ,  0.5],
           [ 3. ,  4. , 30. , 40. ,  0.5]], dtype=float32)
    """
    if not isinstance(expressions, (list, tuple)) or not expressions:
        raise TypeError(f"expressions must be a list of at least one expression, got {expressions!r}")
    return Shaped(shape_rules.concatenate, tuple(expressions), whole("axis", axis))


@known_keywords
def reshape(x: Any, shape: Sequence[int] | int) -> Expression:
    """The features of every row, row-major, in another shape.

    Parameters
    ----------
    x : expression
    shape : tuple of int
        Without the rows, which stay; one size may be −1 and follows from the others.

    Returns
    -------
    Expression
        Of shape (rows, \\*shape), or `shape` for an expression without rows.

    Raises
    ------
    TypeError
        If `shape` holds what is no whole number.
    ValueError
        If it has negative sizes other than one −1; or other than as many features as x: when it is computed.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.reshape(x, (2, -1)), backend="reference")([[1, 2, 3, 4]])
    array([[[1., 2.],
            [3., 4.]]], dtype=float32)
    """
    try:
        dims = tuple(whole("shape", d) for d in ((shape,) if isinstance(shape, int) else shape))
    except TypeError:
        raise TypeError(f"shape must be a tuple of whole numbers, got {shape!r}") from None
    if builtins.any(d < -1 for d in dims) or dims.count(-1) > 1:
        raise ValueError(f"shape must have sizes of at least 0 and at most one -1, got {dims}")
    return Shaped(shape_rules.reshape, (x,), dims)


@known_keywords
def dropout(x: Any, rate: float, per: str = "row", exact: bool = False, scaling: str = "inverted") -> Expression:
    """While training, zero with probability `rate`, else x / (1 − rate); x itself otherwise.

    Parameters
    ----------
    x : expression
        With rows.
    rate : float
        0 ≤ rate < 1.
    per : {"row", "batch"}
        Whether every row drops elements of its own, or all rows of a mini-batch the same ones. Default "row".
    exact : bool
        Whether a row drops exactly rate·width of its elements (rounded, half up), rather than each with probability
        `rate`; what is kept is scaled by width / kept. Default False.
    scaling : {"inverted", "weights"}
        "inverted" scales what is kept, while training. "weights" leaves it as it is, and where nothing is dropped
        x counts (1 − rate) times, as if the weights behind it were multiplied. Default "inverted".

    Returns
    -------
    Expression
        Of the shape of `x`.

    Raises
    ------
    TypeError
        If `rate` is no number, or `exact` not True or False.
    ValueError
        If the rate does not lie within 0 ≤ rate < 1, or for another `per` or `scaling`.

    Notes
    -----
    N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014; its section 2 scales
    the weights.
    Rule 9 of the numeric contract says which elements are dropped: it depends on the seed, the epoch and the row (or
    the batch's place in the epoch) alone.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.dropout(x, 0.5), training=True, backend="reference")([1.0, 2.0, 3.0, 4.0])
    array([2., 4., 6., 0.], dtype=float32)
    """
    return Shaped(shape_rules.dropout, (x,), *drop_attributes(rate, per, exact, scaling))


def drop_attributes(rate: float, per: str, exact: bool, scaling: str) -> tuple[float, bool, bool, bool]:
    """Dropout's arguments, checked: (rate, one mask per batch, an exact number of elements, unscaled)."""
    per_batch = look_up("per", per, {"row": False, "batch": True})
    unscaled = look_up("scaling", scaling, {"inverted": False, "weights": True})
    return share("rate", rate), per_batch, truth("exact", exact), unscaled


def call(function: Callable[..., Expression], *operands: Any, name: str = "") -> Expression:
    """``function(*operands)``, entered when the operands' shapes and operations are known."""
    return Call(function, *operands, name=name)
