"""Checks of arguments: each error names the argument, what came, and what would be right."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import numpy as np

from .nearest import nearest

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


ALIKE = 0.6  # how much an unknown argument has in common with the one that is suggested
LARGEST = 2**63 - 1  # of a size: what 64 bits hold


def at_least(argument: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as a whole number of at least `least`, and at most `most`."""
    number = whole(argument, value)
    if number < least:
        raise ValueError(f"{argument} must be at least {least}, got {number}")
    if most is not None and number > most:
        raise ValueError(f"{argument} must be at most {most}, got {number}")
    return number


def whole(argument: str, value: Any) -> int:
    """`value` as a whole number; True and False are refused."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{argument} must be a whole number, got {value!r}") from None


def real(argument: str, value: Any) -> float:
    """`value` as a real number; strings, True and False are refused."""
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{argument} must be within the range of float64, got {value!r}") from None
    except (TypeError, ValueError):
        raise TypeError(f"{argument} must be a number, got {type(value).__name__}") from None


def finite(argument: str, value: Any) -> float:
    """`value` as a finite number of at least 0."""
    result = value if type(value) is float else real(argument, value)
    if not 0 <= result < float("inf"):
        raise ValueError(f"{argument} must be finite and at least 0, got {result}")
    return result


def above_0(argument: str, value: Any) -> float:
    """`value` as a finite number above 0."""
    number = finite(argument, value)
    if number == 0:
        raise ValueError(f"{argument} must be above 0, got {number}")
    return number


def share(argument: str, value: Any) -> float:
    """`value` as a number of at least 0 and below 1."""
    result = real(argument, value)
    if not 0 <= result < 1:
        raise ValueError(f"{argument} must be at least 0 and below 1, got {value!r}")
    return result


def truth(argument: str, value: Any) -> bool:
    """`value` as True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument} must be True or False, got {value!r}")
    return bool(value)


def text_or_none(argument: str, value: Any) -> str | None:
    """`value`, a string or None."""
    if not (value is None or isinstance(value, str)):
        raise TypeError(f"{argument} must be a string, got {value!r}")
    return value


def known_keywords(function: AnyFunction) -> AnyFunction:
    """Decorator: a keyword that `function` does not know raises a TypeError that suggests the nearest known one.

    An ``__init__`` that passes ``**options`` on needs no decorator if the one that receives them has it: the known
    names are then those of the class and its bases.

    >>> @known_keywords
    ... def wait(seconds=1.0, quietly=False): ...
    >>> wait(second=2)
    Traceback (most recent call last):
    TypeError: wait() has no argument 'second': did you mean 'seconds'?
    """
    own = keywords_of(function)

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        for name in keywords:
            if name not in own:
                raise unknown_keyword(name, function, arguments)
        return function(*arguments, **keywords)

    return cast(AnyFunction, checked)


def keywords_of(function: Callable[..., Any]) -> list[str]:
    """The arguments that may be given by name."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in kinds]
    return names[1:] if names[:1] == ["self"] else names


def unknown_keyword(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> TypeError:
    """The error of `known_keywords`."""
    what, known = function.__name__, keywords_of(function)
    if what == "__init__":
        what = type(arguments[0]).__name__
        known = _of_class(type(arguments[0]))
    close = nearest(name, known, ALIKE)
    hint = f"did you mean {close!r}?" if close else f"it takes {', '.join(known) or 'none'}"
    return TypeError(f"{what}() has no argument {name!r}: {hint}")


def _of_class(made: type) -> list[str]:
    """The keywords that a class takes: its own, and those of its bases that ``**options`` reaches."""
    known: list[str] = []
    for base in made.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        init = vars(base)["__init__"]
        known += [name for name in keywords_of(init) if name not in known]
        if not _hands_on(inspect.signature(init).parameters.values()):
            break
    return known


def _hands_on(parameters: Iterable[inspect.Parameter]) -> bool:
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def real_array(what: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{what} must be a number or an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{what} must be a real number or an array of them, got {type(value).__name__}"
            + (f" of {array.dtype}" if isinstance(value, np.ndarray) else "")
        )
    return array
