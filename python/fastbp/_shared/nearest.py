"""Look-ups by name, and errors that suggest the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name that is most like `name`, or None if none is like it.

    Like a name are its initials ("lr", "wd"), its parts ("decay"), and what shares about `cutoff` of its letters.
    """
    import difflib

    by_lower_case = {candidate.lower(): candidate for candidate in known}
    wanted = name.lower()
    found = difflib.get_close_matches(wanted, list(by_lower_case), n=1, cutoff=cutoff)
    for candidate in by_lower_case:
        words = candidate.split("_")
        if len(words) > 1 and wanted in (*words, "".join(word[:1] for word in words)):
            found.append(candidate)
    return by_lower_case[found[0]] if found else None


def unknown(argument: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that is not known.

    >>> unknown("activation", "rellu", ["relu", "tanh"])
    ValueError("activation must be one of relu, tanh, got 'rellu': did you mean 'relu'?")
    """
    known = sorted(known)
    close = nearest(name, known)
    hint = f": did you mean {close!r}?" if close else ""
    return ValueError(f"{argument} must be one of {', '.join(known)}, got {name!r}{hint}")


def look_up(argument: str, name: Any, table: Mapping[str, Any]) -> Any:
    """``table[name]``, or an error that names the argument and the nearest known name."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a name, one of {', '.join(sorted(table))}, got {name!r}")
    if name in table:
        return table[name]
    raise unknown(argument, name, table)


def look_up_either_way(argument: str, name: str, table: Mapping[str, Any]) -> Any:
    """As `look_up`, of a name as a function's ("he_normal") or as a class' ("HeNormal"), as Keras takes them.

    >>> look_up_either_way("initializer", "HeNormal", {"he_normal": 1, "ones": 2})
    1
    """
    of_class = {known.replace("_", "").lower(): known for known in table}
    found = name.lower()
    if found not in table and name[:1].isupper():
        found = of_class.get(found, found)
    return look_up(argument, found if found in table else name, table)
