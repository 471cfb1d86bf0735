"""`KnownAttributes`: fastbp's own classes refuse to be given an attribute that they do not know."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from .arguments import ALIKE, keywords_of
from .nearest import nearest


class KnownAttributes:
    """Base of classes whose public attributes can be set only if the class knows them.

    It knows those of the class, those that it annotates, and those named like arguments of its ``__init__``. Private
    names are free, and so are all names in users' subclasses.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        cls: Any = type(self)
        if name[0] != "_" and not is_known(cls, name):
            raise unknown_attribute(self, name)
        super().__setattr__(name, value)


@lru_cache(4096)
def is_known(cls: type, name: str) -> bool:
    """Whether a public attribute of this name can be set."""
    return hasattr(cls, name) or name in _declared(cls) or not _is_own(cls)


def _is_own(cls: type) -> bool:
    """Whether fastbp defines the class: it is found in its module, which is fastbp's."""
    if cls.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return False
    return getattr(sys.modules[cls.__module__], cls.__qualname__, None) is cls


def unknown_attribute(thing: Any, name: str) -> AttributeError:
    """The error for an attribute that is not known, with the nearest one that is."""
    cls = type(thing)
    known = sorted(known for known in {*_declared(cls), *dir(cls)} if not known.startswith("_"))
    close = nearest(name, known, ALIKE)
    hint = f": did you mean {close!r}?" if close else ""
    return AttributeError(f"{cls.__name__} has no attribute {name!r}{hint}")


def _declared(cls: type) -> set[str]:
    known: set[str] = set()
    for base in map(vars, cls.__mro__[:-1]):
        known.update(base.get("__annotations__", ()), keywords_of(base["__init__"]) if "__init__" in base else ())
    return known
