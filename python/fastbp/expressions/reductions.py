"""Functions over axes: ``sum``, ``mean``, ``max``, ``argmax``, ``softmax`` and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._shared.arguments import known_keywords, truth, whole
from . import shape_rules
from .expression import Expression, Shaped


@known_keywords
def sum(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expression:
    """The sum over `axis`: by default over everything, rows included, which gives a scalar.

    Parameters
    ----------
    x : expression
        Of shape (rows, …) or without rows.
    axis : int or tuple of int, optional
        0 is the rows (of an expression that has them), −1 the last feature axis. Default: all.
    keepdims : bool
        Whether summed axes stay, with size 1. Default False.

    Returns
    -------
    Expression
        Without the axes summed over; a scalar by default.

    Raises
    ------
    TypeError
        If `axis` holds what is no whole number, or `keepdims` no truth value.
    ValueError
        If there is no such axis: when it is computed, since shapes are not known before.

    Notes
    -----
    In the order of rules 2 and 3 of the numeric contract. The sum of nothing is 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], [bp.sum(x), bp.sum(x, axis=-1)], backend="reference")([[1, 2], [3, 4]])
    [np.float32(10.0), array([3., 7.], dtype=float32)]
    """
    return Shaped(shape_rules.reduction, (x,), "sum", shape_rules.checked_axis(axis), truth("keepdims", keepdims))


@known_keywords
def mean(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expression:
    """The sum over `axis` divided by the number of elements summed.

    Parameters
    ----------
    x : expression
        Of shape (rows, …) or without rows.
    axis : int or tuple of int, optional
        0 is the rows (of an expression that has them), −1 the last feature axis. Default: all.
    keepdims : bool
        Whether averaged axes stay, with size 1. Default False.

    Returns
    -------
    Expression
        Without the axes averaged over; a scalar by default.

    Raises
    ------
    TypeError
        If `axis` holds what is no whole number, or `keepdims` no truth value.
    ValueError
        If there is no such axis: when it is computed, since shapes are not known before.

    Notes
    -----
    Rows count as many as are present: a mean over rows does not grow with the batch, a sum does. Rule 2 of the numeric
    contract: one division, by the exact count.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], [bp.mean(x), bp.mean(x, axis=0)], backend="reference")([[1, 2], [3, 4]])
    [np.float32(2.5), array([2., 3.], dtype=float32)]
    """
    return Shaped(shape_rules.reduction, (x,), "mean", shape_rules.checked_axis(axis), truth("keepdims", keepdims))


@known_keywords
def max(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expression:
    """The largest element over `axis`.

    Parameters
    ----------
    x : expression
        Of shape (rows, …) or without rows.
    axis : int or tuple of int, optional
        0 is the rows (of an expression that has them), −1 the last feature axis. Default: all.
    keepdims : bool
        Whether reduced axes stay, with size 1. Default False.

    Returns
    -------
    Expression
        Without the axes reduced; a scalar by default.

    Raises
    ------
    TypeError
        If `axis` holds what is no whole number, or `keepdims` no truth value.
    ValueError
        If there is no such axis: when it is computed, since shapes are not known before.

    Notes
    -----
    NaN where one of the elements is NaN, −Inf of nothing (rule 3 of the numeric contract). The gradient goes to the
    first of the largest, in row-major order.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.max(x, axis=-1), backend="reference")([[1, 2], [4, 3]])
    array([2., 4.], dtype=float32)
    """
    return Shaped(shape_rules.reduction, (x,), "max", shape_rules.checked_axis(axis), truth("keepdims", keepdims))


def argmax(x: Any) -> Expression:
    """The index of the largest of the last axis' features.

    Parameters
    ----------
    x : expression
        With at least one feature axis.

    Returns
    -------
    Expression
        Without the last axis; whole numbers in the dtype of the arithmetic.

    Raises
    ------
    ValueError
        If x has no feature axis: when it is computed.

    Notes
    -----
    The first of them, where several are largest; NaN where one of them is NaN. It has no gradient.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.argmax(x), backend="reference")([[1, 2], [4, 3]])
    array([1., 0.], dtype=float32)
    """
    return Shaped(shape_rules.last_axis, (x,), "argmax", -1)


@known_keywords
def softmax(x: Any, axis: int = -1) -> Expression:
    """exp(xⱼ) / Σᵢ exp(xᵢ) over the last feature axis.

    Parameters
    ----------
    x : expression
        With at least one feature axis.
    axis : int
        The last feature axis, −1 (default), or its number.

    Returns
    -------
    Expression
        Of the shape of `x`; numbers of at least 0, whose sum is 1 but for roundings.

    Raises
    ------
    TypeError
        If `axis` is no whole number.
    ValueError
        If it is not the last feature axis, or x has none: when it is computed.

    Notes
    -----
    Computed from x − max(x), without overflow (rule 4 of the numeric contract). A cross entropy of a softmax is
    computed from the logits (rule 7).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.softmax(x), backend="reference")([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    """
    return Shaped(shape_rules.last_axis, (x,), "softmax", whole("axis", axis))


@known_keywords
def log_softmax(x: Any, axis: int = -1) -> Expression:
    """ln softmax(x) over the last feature axis.

    Parameters
    ----------
    x : expression
        With at least one feature axis.
    axis : int
        The last feature axis, −1 (default), or its number.

    Returns
    -------
    Expression
        Of the shape of `x`.

    Raises
    ------
    TypeError
        If `axis` is no whole number.
    ValueError
        If it is not the last feature axis, or x has none: when it is computed.

    Notes
    -----
    (x − m) − ln Σⱼ exp(xⱼ − m) with m = max(x): without overflow, and finite where the softmax is 0 (rule 4 of the
    numeric contract).

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.log_softmax(x), backend="reference")([[0.0, 0.0], [1000.0, 0.0]])
    array([[-6.931472e-01, -6.931472e-01],
           [ 0.000000e+00, -1.000000e+03]], dtype=float32)
    """
    return Shaped(shape_rules.last_axis, (x,), "log_softmax", whole("axis", axis))


@known_keywords
def logsumexp(x: Any, axis: int = -1) -> Expression:
    """ln Σⱼ exp(xⱼ) over the last feature axis.

    Parameters
    ----------
    x : expression
        With at least one feature axis.
    axis : int
        The last feature axis, −1 (default), or its number.

    Returns
    -------
    Expression
        Without the last axis.

    Raises
    ------
    TypeError
        If `axis` is no whole number.
    ValueError
        If it is not the last feature axis, or x has none: when it is computed.

    Notes
    -----
    m + ln Σⱼ exp(xⱼ − m) with m = max(x), without overflow (rule 4 of the numeric contract). Its gradient is the
    softmax.

    Examples
    --------
    >>> import fastbp as bp
    >>> x = bp.input("x")
    >>> bp.function([x], bp.logsumexp(x), backend="reference")([[0.0, 0.0], [1000.0, 0.0]])
    array([6.931472e-01, 1.000000e+03], dtype=float32)
    """
    return Shaped(shape_rules.last_axis, (x,), "logsumexp", whole("axis", axis))
