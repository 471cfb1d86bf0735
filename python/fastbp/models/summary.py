"""The table of `Model.summary`: every layer's shape, parameters and bytes, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..expressions.parameter import Parameter
from ..lowering.lowering import LayerCall


def parameter_count(parameters: Iterable[Parameter]) -> int:
    return sum(math.prod(p.shape) for p in parameters)


def bytes_text(count: int) -> str:
    """1536 -> ``"1.50 KB"``"""
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:.2f} {unit}"


def summary_lines(
    name: str,
    names: Mapping[Any, str],
    calls: Sequence[LayerCall] | None,
    trained: Collection[Parameter],
    dtype: str,
    line_length: int,
) -> list[str]:
    """The lines of the table, one for each layer. `names` holds the layers' names; `calls` is None while shapes are not
    known."""
    size = 4 if dtype == "float32" else 8
    rows: list[tuple[str, str, str, str]] = []
    shown: set[Any] = set()
    seen: set[Parameter] = set()
    if calls is None:
        rows = [(f"{own} ({type(layer).__name__})", "?", "?", "?") for layer, own in names.items()]
    for call in calls or []:
        if call.layer in shown:
            continue
        shown.add(call.layer)
        new = [p for p in call.parameters if p not in seen]
        seen.update(new)
        count = parameter_count(new)
        shape = "(" + ", ".join("rows" if d is None else str(d) for d in call.shape) + ")"
        label = f"{call.path} ({type(call.layer).__name__})"
        rows.append((label, shape.replace("(rows)", "(rows,)"), f"{count:,}", bytes_text(count * size)))
    widths = [line_length - 48, 20, 14, 14]
    lines = [f"{name}, {dtype}", "─" * line_length, _row(("Layer", "Output shape", "Parameters", "Bytes"), widths)]
    lines += ["─" * line_length, *(_row(row, widths) for row in rows), "─" * line_length]
    if calls is None:
        return [*lines, "Not built: give the first layer an input_shape, or call fit or predict first."]
    total, changed = parameter_count(seen), parameter_count(p for p in seen if p in trained)
    lines.append(
        f"Parameters: {total:,} ({bytes_text(total * size)}), trainable {changed:,}, others {total - changed:,}"
    )
    return lines


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, shape, *numbers = cells
    room = widths[0] - 1  # a space stays before the next column
    first = first if len(first) <= room else f"{first[: room - 1]}…"
    text = f"{first:<{widths[0]}}{shape:<{widths[1]}}"
    return text + "".join(f"{cell:>{width}}" for cell, width in zip(numbers, widths[2:]))
