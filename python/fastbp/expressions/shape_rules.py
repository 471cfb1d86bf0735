"""Shape rules, which add operations whose attributes depend on shapes: (builder, operands…, attributes…) -> node."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

from .._shared.arguments import LARGEST, whole
from .builder import GraphBuilder

Dims = tuple[int, ...]


def shape_text(rows: bool, dims: Sequence[int]) -> str:
    """``"(rows, 3)"``, ``"(rows,)"``, ``"(4, 5)"``: a shape as messages show it."""
    parts = (["rows"] if rows else []) + [str(d) for d in dims]
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def text_of(shape: Sequence[int | None]) -> str:
    """`shape_text` of a shape as layers see it, with None for the rows."""
    rows = tuple(shape[:1]) == (None,)
    return shape_text(rows, [d for d in shape[rows:] if d is not None])


MOST_AXES = 64  # as NumPy's arrays


def checked_shape(argument: str, shape: Any) -> Dims:
    """`shape` as a tuple of sizes."""
    try:
        given = (shape,) if isinstance(shape, int) else islice(shape, MOST_AXES + 1)
        dims = tuple(whole(argument, d) for d in given)
    except TypeError:
        raise TypeError(f"{argument} must be a tuple of whole numbers, got {shape!r}") from None
    if len(dims) > MOST_AXES:
        raise ValueError(f"{argument} must have at most {MOST_AXES} sizes, got more")
    if any(d > LARGEST for d in dims):
        raise ValueError(f"{argument} must have sizes of at most {LARGEST}, got {dims}")
    if any(d < 0 for d in dims):
        raise ValueError(f"{argument} must have no negative sizes, got {dims}")
    return dims


def matmul(builder: GraphBuilder, a: int, b: int) -> int:
    """``a @ b``: (rows, …, k) @ (k, n), (m, k) @ (k, n); a vector is a column on the right, a row on the left."""
    a_rows, a_dims = builder.shape(a)
    b_rows, b_dims = builder.shape(b)
    if b_rows:
        raise ValueError(
            f"the right operand of @ must not have rows, got {shape_text(b_rows, b_dims)}: "
            "write bp.sum(a * b, axis=-1) for products row by row"
        )
    if not a_dims or not b_dims:
        raise ValueError(
            "@ needs operands with features, got "
            f"{shape_text(a_rows, a_dims)} @ {shape_text(b_rows, b_dims)}; give a row one feature with x[:, None]"
        )
    left_vector = not a_rows and len(a_dims) == 1
    right_vector = len(b_dims) == 1
    if left_vector:
        a, a_dims = builder.add("reshape", [a], (1, *a_dims)), (1, *a_dims)
    if right_vector:
        b, b_dims = builder.add("reshape", [b], (*b_dims, 1)), (*b_dims, 1)
    out = builder.add("matmul", [a, b], (0, 0))
    if left_vector or right_vector:
        dims = (() if left_vector else a_dims[:-1]) + (() if right_vector else b_dims[-1:])
        out = builder.add("reshape", [out], dims)
    return out


def checked_key(key: Any) -> tuple[Any, ...]:
    """The key of ``x[key]`` as a tuple of slices, whole numbers, None and at most one Ellipsis."""
    items = key if isinstance(key, tuple) else (key,)
    checked: list[Any] = []
    for item in items:
        if item is Ellipsis or item is None:
            checked.append(item)
        elif isinstance(item, slice):
            start, stop, step = (None if at is None else _index(at) for at in (item.start, item.stop, item.step))
            if step is not None and step < 1:
                raise ValueError(f"the step of a slice must be at least 1, got {step}")
            checked.append(slice(start, stop, step))
        else:
            checked.append(_index(item))
    if sum(item is Ellipsis for item in checked) > 1:
        raise ValueError("an index may contain ... only once")
    return tuple(checked)


def _index(item: Any) -> int:
    try:
        return whole("an index", item)
    except TypeError:
        kind = type(item).__name__
        raise TypeError(f"an expression is indexed by whole numbers and slices, got {kind}") from None


def checked_axis(axis: Any) -> Any:
    """`axis` as a whole number, a tuple of them, or None for all."""
    if axis is None:
        return None
    return tuple(whole("axis", a) for a in axis) if isinstance(axis, (tuple, list)) else whole("axis", axis)


def slice_features(builder: GraphBuilder, x: int, key: tuple[Any, ...]) -> int:
    """``x[key]``: slices and whole numbers over features, None for a new feature axis; rows are kept."""
    rows, dims = builder.shape(x)
    axes = len(dims) + rows
    used = sum(item is not None and item is not Ellipsis for item in key)
    if used > axes:
        raise ValueError(f"too many indices: {used} for the shape {shape_text(rows, dims)}")
    if Ellipsis not in [item for item in key if not isinstance(item, slice)]:
        key = (*key, Ellipsis)
    at = next(i for i, item in enumerate(key) if item is Ellipsis)
    key = key[:at] + (slice(None),) * (axes - used) + key[at + 1 :]
    if rows:
        if not (isinstance(key[0], slice) and key[0] == slice(None)):
            raise ValueError("slices pick features, not rows: the first index must be ':' or '...'")
        key = key[1:]
    result: list[int] = []
    axis = 0
    for item in key:
        if item is None:
            result.append(1)
            continue
        size = dims[axis]
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            stop = max(start, stop)
            result.append(len(range(start, stop, step)))
        else:
            if not -size <= item < size:
                raise ValueError(f"index {item} is outside axis {axis + rows} of the shape {shape_text(rows, dims)}")
            start, stop, step = item % size, item % size + 1, 1
        if (start, stop, step) != (0, size, 1):
            x = builder.add("slice", [x], (axis, start, stop, step))
        axis += 1
    return reshape(builder, x, tuple(result))


def _axes(rows: bool, dims: Dims, axis: Any) -> tuple[bool, Dims]:
    """The axes that `axis` means: (whether the rows are among them, feature axes ascending). None means all."""
    if axis is None:
        return rows, tuple(range(len(dims)))
    total = len(dims) + rows
    chosen = set()
    for index in axis if isinstance(axis, tuple) else (axis,):
        if not -total <= index < total:
            raise ValueError(
                f"axis must be within -{total} … {total - 1} for the shape {shape_text(rows, dims)}, got {index}"
            )
        chosen.add(index % total)
    return rows and 0 in chosen, tuple(sorted(a - rows for a in chosen if a >= rows))


def reduction(builder: GraphBuilder, x: int, operation: str, axis: Any, keepdims: bool) -> int:
    """sum, max or mean (a sum divided by the count) over `axis`."""
    rows, dims = builder.shape(x)
    over_rows, over = _axes(rows, dims, axis)
    out = x
    if over_rows or over:
        out = builder.add("max" if operation == "max" else "sum", [x], (int(over_rows), *over))
    if operation == "mean":
        out = builder.add("divide_by_count", [out], (math.prod(dims[a] for a in over), int(over_rows)))
    if keepdims:
        kept = [1 if a in over else d for a, d in enumerate(dims)]
        out = reshape(builder, out, tuple(([1] if over_rows else []) + kept))
    return out


def divided_by_rows(builder: GraphBuilder, x: int, like: int, factor: int) -> int:
    """``x / (factor · m)``; m is the number of rows present if the node `like` has rows, else 1."""
    return builder.add("divide_by_count", [x], (factor, int(builder.shape(like)[0])))


def last_axis(builder: GraphBuilder, x: int, operation: str, axis: int) -> int:
    """softmax, log_softmax, logsumexp, argmax: over the last feature axis."""
    rows, dims = builder.shape(x)
    if not dims:
        raise ValueError(f"{operation} needs a feature axis, got the shape {shape_text(rows, dims)}")
    if axis not in (-1, len(dims) + rows - 1):
        raise ValueError(f"axis must be the last feature axis (-1) for {operation}, got {axis}")
    return builder.add(operation, [x])


def reshape(builder: GraphBuilder, x: int, shape: Dims) -> int:
    """The features of x, row-major, in another shape; one size may be -1."""
    rows, dims = builder.shape(x)
    have = math.prod(dims)
    dims_out = list(shape)
    if -1 in shape:
        known = math.prod(d for d in shape if d != -1)
        if known == 0 or have % known:
            raise ValueError(f"shape {shape} cannot hold the {have} features of a row of {shape_text(rows, dims)}")
        dims_out[dims_out.index(-1)] = have // known
    if math.prod(dims_out) != have:
        raise ValueError(
            f"shape {shape} must hold the {have} features of {shape_text(rows, dims)}, "
            f"got room for {math.prod(dims_out)} (the rows are not part of it)"
        )
    return x if tuple(dims_out) == dims else builder.add("reshape", [x], dims_out)


def flatten(builder: GraphBuilder, x: int) -> int:
    return reshape(builder, x, (-1,)) if 0 not in builder.shape(x)[1] else reshape(builder, x, (0,))


def concatenate(builder: GraphBuilder, *arguments: Any) -> int:
    """Joins along a feature axis; operands without rows are repeated for every row where others have rows."""
    *nodes, axis = arguments
    shapes = [builder.shape(node) for node in nodes]
    rows = any(r for r, _ in shapes)
    total = len(shapes[0][1]) + rows
    index = axis + total if axis < 0 else axis
    if not rows <= index < total:
        raise ValueError(
            f"axis must be a feature axis of {shape_text(*shapes[0])}, got {axis}"
            + (": rows are not concatenated" if rows and index == 0 else "")
        )
    nodes = [
        node if r or not rows else builder.add("broadcast", [node], (1, *dims))
        for node, (r, dims) in zip(nodes, shapes)
    ]
    if len(nodes) == 1:
        return int(nodes[0])
    return builder.add("concatenate", nodes, (index - rows,))


def dropout(builder: GraphBuilder, x: int, rate: float, per_batch: bool, exact: bool, unscaled: bool) -> int:
    """Adds a dropout with an ordinal of its own, so that each dropout of a graph draws numbers of its own."""
    ordinal = builder.next_dropout()
    return builder.add("dropout", [x], (ordinal, per_batch, exact, unscaled), (rate,)) if rate else x
