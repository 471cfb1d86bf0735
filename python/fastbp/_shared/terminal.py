"""Text that any stream can write: ASCII replaces lines and signs that its encoding lacks."""

from __future__ import annotations

from typing import Any

_ASCII = str.maketrans({"─": "-", "━": "=", "╌": "-", "×": "x", "…": "...", "·": "*", "−": "-", "≥": ">=", "≤": "<="})


def can_write(text: str, stream: Any) -> bool:
    """Whether the stream's encoding has all characters of `text`."""
    try:
        text.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def writable(text: str, stream: Any) -> str:
    """`text` itself if the stream can write it; else with ASCII for its signs and "?" for what the encoding lacks.

    >>> import io
    >>> writable("8×8 ──", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    '8x8 --'
    """
    if can_write(text, stream):
        return text
    encoding = _encoding(stream)
    return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)


def _encoding(stream: Any) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
