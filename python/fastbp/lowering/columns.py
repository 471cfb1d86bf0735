"""The names of columns: data frames must have those of the one that was trained on, in its order."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

Columns = tuple[Any, ...]

SHOWN = 5  # names in a message


def columns_of(value: Any) -> Columns | None:
    """The names of a data frame's columns; None for all other data."""
    if not callable(getattr(value, "to_numpy", None)) or not hasattr(value, "columns"):
        return None
    return tuple(value.columns)


def check_columns(columns: Columns | None, known: Columns | None, name: str, what: str, hint: str = "") -> bool:
    """Raises a ValueError for other names, or another order, than those that `what` was trained with.

    Columns that are only numbered, 0, 1, …, as those of a frame that was made from an array, are no names.

    Parameters
    ----------
    columns, known : Columns, optional
        Of the data, and of the data that were trained on.
    name, what : str
        The data and the model, for messages.
    hint : str
        The end of the error.

    Returns
    -------
    bool
        Whether the order can be told: False for data without names where names are known.
    """
    if known is None or columns == known:
        return True
    if columns is None or _are_numbers(columns):
        return _are_numbers(known)
    missing = [column for column in known if column not in columns]
    unexpected = [column for column in columns if column not in known]
    if missing or unexpected:
        parts = [f"{word} {_shown(of)}" for word, of in (("missing", missing), ("unexpected", unexpected)) if of]
        raise ValueError(f"{name} must have the columns that {what} was trained with: {', '.join(parts)}{hint}")
    same = [own == other for own, other in zip(columns, known)]
    first = same.index(False) if False in same else len(same)
    raise ValueError(
        f"{name} must have its columns in the order that {what} was trained with: from column {first} on "
        f"{_shown(known[first:])}, got {_shown(columns[first:])}{hint}"
    )


def warn_of_missing_names(name: str, what: str) -> None:
    """A UserWarning at the first caller outside this package."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    message = f"{name} has no column names, but {what} was trained with them: their order cannot be checked"
    warnings.warn(message, UserWarning, stacklevel=level)


def _are_numbers(columns: Columns) -> bool:
    return columns == tuple(range(len(columns)))


def _shown(names: Sequence[Any]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
