"""Shapes of nodes: one function per family of operations. The twin of cpp/graph/shapes.cpp, messages included.

A shape is (rows, dims): with rows, axis 0 of the array is the rows, however many come, and dims are the features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .operations import ELEMENTWISE, operations

__all__ = ["Request", "Shape", "broadcast_shapes", "infer_shape", "to_string"]

LARGEST_SIZE = 2**56  # elements of a row, or of a value without rows: 64 bits can count their bytes
LAST_SLOT = 2**20 - 1  # lists of inputs and parameters are as long as their slots reach


class Shape(NamedTuple):
    rows: bool
    dims: tuple[int, ...]

    @property
    def features(self) -> int:
        return math.prod(self.dims)


class Request(NamedTuple):
    """A node that is to be added: `what` names it in errors."""

    operation: str
    shapes: Sequence[Shape]  # of the operands
    integers: tuple[int, ...]
    numbers: tuple[float, ...]
    what: str


def to_string(shape: Shape) -> str:
    """A shape as an error shows it: "(rows, 3)", "(4, 5)", "(3,)", "()"."""
    parts = ["rows"] * shape.rows + [str(d) for d in shape.dims]
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def broadcast_shapes(a: Shape, b: Shape, what: str) -> Shape:
    """The dims are aligned on the right as in NumPy; the rows stay apart."""
    longer, shorter = (a.dims, b.dims) if len(a.dims) >= len(b.dims) else (b.dims, a.dims)
    dims = list(longer)
    offset = len(longer) - len(shorter)
    for i, d in enumerate(shorter):
        if dims[offset + i] == 1:
            dims[offset + i] = d
        elif d not in (1, dims[offset + i]):
            raise ValueError(f"{what}: shapes {to_string(a)} and {to_string(b)} do not broadcast")
    return Shape(a.rows or b.rows, tuple(dims))


def infer_shape(r: Request) -> Shape:
    """The shape of the node's value; ValueError where operands or attributes do not fit."""
    operands = operations()[r.operation]
    if operands == -1 and not r.shapes:
        _fail(r, "needs at least one operand")
    if operands != -1 and len(r.shapes) != operands:
        _fail(r, f"takes {operands} operand{'' if operands == 1 else 's'}, got {len(r.shapes)}")
    if r.numbers and r.operation not in ("constant", "dropout"):
        _fail(r, f"takes no numbers, got {len(r.numbers)}")
    shape = _elementwise(r) if r.operation in ELEMENTWISE else _STRUCTURAL[r.operation](r)
    if max((shape.features, *shape.dims)) > LARGEST_SIZE:
        _fail(r, f"a value of shape {to_string(shape)} is too large")
    return shape


def _fail(r: Request, problem: str) -> None:
    raise ValueError(f"{r.what}: {problem}")


def _check_integers(r: Request, meaning: str, count: int, or_more: bool = False) -> None:
    if len(r.integers) < count or (len(r.integers) > count and not or_more):
        _fail(r, f"integers must be {meaning}, got {len(r.integers)}")


def _check_dims(r: Request, dims: Sequence[int]) -> tuple[int, ...]:
    for d in dims:
        if not 0 <= d <= LARGEST_SIZE:
            _fail(r, f"a size must be in 0 ... 2**56, got {d}")
    return tuple(dims)


def _check_flag(r: Request, name: str, value: int) -> bool:
    if value not in (0, 1):
        _fail(r, f"{name} must be 0 or 1, got {value}")
    return value == 1


def _check_axis(r: Request, shape: Shape, axis: int) -> int:
    if not 0 <= axis < len(shape.dims):
        _fail(r, f"feature axis {axis} does not exist in shape {to_string(shape)}")
    return axis


def _last_axis(r: Request) -> int:
    x = r.shapes[0]
    if not x.dims:
        _fail(r, f"needs a feature axis, got shape {to_string(x)}")
    return x.dims[-1]


def _elementwise(r: Request) -> Shape:
    if r.operation == "power_integer":
        _check_integers(r, "[exponent]", 1)
        if abs(r.integers[0]) > 2**53:
            _fail(r, f"exponent must be within 2**53, got {r.integers[0]}")
    elif r.operation == "divide_by_count":
        _check_integers(r, "[features, rows]", 2)
        _check_dims(r, r.integers[:1])
        _check_flag(r, "rows", r.integers[1])
    elif r.operation in ("maximum_gate", "minimum_gate"):
        _check_integers(r, "[which]", 1)
        _check_flag(r, "which", r.integers[0])
    else:
        _check_integers(r, "[]", 0)
    shape = r.shapes[0]
    for other in r.shapes[1:]:
        shape = broadcast_shapes(shape, other, r.what)
    return shape


def _slot(r: Request) -> Shape:
    _check_integers(r, "[slot, *dims]", 1, or_more=True)
    if r.integers[0] < 0:
        _fail(r, f"slot must be at least 0, got {r.integers[0]}")
    if r.integers[0] > LAST_SLOT:
        _fail(r, f"slot must be at most {LAST_SLOT}, got {r.integers[0]}")
    return Shape(r.operation == "input", _check_dims(r, r.integers[1:]))


def _constant(r: Request) -> Shape:
    shape = Shape(False, _check_dims(r, r.integers))
    if len(r.numbers) != shape.features:
        _fail(r, f"a constant of shape {to_string(shape)} needs {shape.features} numbers, got {len(r.numbers)}")
    return shape


def _matmul(r: Request) -> Shape:
    _check_integers(r, "[transpose_a, transpose_b]", 2)
    transpose_a = _check_flag(r, "transpose_a", r.integers[0])
    transpose_b = _check_flag(r, "transpose_b", r.integers[1])
    a, b = r.shapes
    if b.rows or len(b.dims) != 2:
        _fail(r, f"the second operand must be a matrix without rows, got shape {to_string(b)}")
    if a.rows and (transpose_a or not a.dims):
        _fail(
            r, f"the first operand of shape {to_string(a)} " + ("cannot be transposed" if a.dims else "has no features")
        )
    if not a.rows and len(a.dims) != 2:
        _fail(r, f"the first operand must be a matrix or have rows, got shape {to_string(a)}")
    a_dims = a.dims[::-1] if transpose_a else a.dims
    b_dims = b.dims[::-1] if transpose_b else b.dims
    if a_dims[-1] != b_dims[0]:
        _fail(r, f"the first operand has {a_dims[-1]} features, but the second was built for {b_dims[0]}")
    return Shape(a.rows, (*a_dims[:-1], b_dims[1]))


def _matmul_rows(r: Request) -> Shape:
    _check_integers(r, "[]", 0)
    x, g = r.shapes
    if not (x.rows and g.rows and x.dims and g.dims and x.dims[:-1] == g.dims[:-1]):
        _fail(r, f"both operands must have rows and the same axes but the last, got {to_string(x)} and {to_string(g)}")
    return Shape(False, (x.dims[-1], g.dims[-1]))


def _reduction(r: Request) -> Shape:
    _check_integers(r, "[rows, *axes]", 1, or_more=True)
    x = r.shapes[0]
    over_rows = _check_flag(r, "rows", r.integers[0])
    axes = r.integers[1:]
    if over_rows and not x.rows:
        _fail(r, f"an operand of shape {to_string(x)} has no rows to reduce")
    for i, axis in enumerate(axes):
        _check_axis(r, x, axis)
        if i > 0 and axis <= axes[i - 1]:
            _fail(r, "feature axes must ascend")
    if not over_rows and not axes and (x.rows or x.dims):
        _fail(r, "needs an axis to reduce")
    if r.operation == "first_max":
        return x
    return Shape(x.rows and not over_rows, tuple(d for i, d in enumerate(x.dims) if i not in axes))


def _drop_last(r: Request) -> Shape:
    _check_integers(r, "[]", 0)
    _last_axis(r)
    return Shape(r.shapes[0].rows, r.shapes[0].dims[:-1])


def _keep(r: Request) -> Shape:
    _check_integers(r, "[]", 0)
    _last_axis(r)
    return r.shapes[0]


def _cross_entropy(r: Request) -> Shape:
    z, p, y = r.shapes
    shape = _drop_last(r)
    if p != z:
        _fail(r, f"logits of shape {to_string(z)} and probabilities of shape {to_string(p)} must be alike")
    expected = z if r.operation == "softmax_cross_entropy" else shape
    if y != expected:
        _fail(r, f"the target must have shape {to_string(expected)}, got {to_string(y)}")
    return shape


def _one_hot(r: Request) -> Shape:
    _check_integers(r, "[k]", 1)
    return Shape(r.shapes[0].rows, r.shapes[0].dims + _check_dims(r, r.integers))


def _pick(r: Request) -> Shape:
    shape = _drop_last(r)
    if r.shapes[1] != shape:
        _fail(r, f"the label must have shape {to_string(shape)}, got {to_string(r.shapes[1])}")
    return shape


def _reshape(r: Request) -> Shape:
    x = r.shapes[0]
    shape = Shape(x.rows, _check_dims(r, r.integers))
    if shape.features != x.features:
        _fail(
            r, f"shape {to_string(x)} cannot become {to_string(shape)}: {x.features} elements against {shape.features}"
        )
    return shape


def _broadcast(r: Request) -> Shape:
    _check_integers(r, "[rows, *dims]", 1, or_more=True)
    x = r.shapes[0]
    shape = Shape(_check_flag(r, "rows", r.integers[0]), _check_dims(r, r.integers[1:]))
    if broadcast_shapes(x, shape, r.what) != shape:
        _fail(r, f"shape {to_string(x)} does not broadcast to {to_string(shape)}")
    return shape


def _concatenate(r: Request) -> Shape:
    _check_integers(r, "[axis]", 1)
    first = r.shapes[0]
    axis = _check_axis(r, first, r.integers[0])
    size = 0
    for shape in r.shapes:
        alike = shape.rows == first.rows and len(shape.dims) == len(first.dims)
        if not alike or any(d != e for i, (d, e) in enumerate(zip(shape.dims, first.dims)) if i != axis):
            _fail(r, f"shapes {to_string(first)} and {to_string(shape)} differ beyond feature axis {axis}")
        size += shape.dims[axis]
    return Shape(first.rows, (*first.dims[:axis], size, *first.dims[axis + 1 :]))


def _slice_size(r: Request, size: int) -> int:
    start, stop, step = r.integers[1:4]
    if not 0 <= start <= stop <= size or step < 1:
        _fail(r, f"start {start}, stop {stop}, step {step} do not fit an axis of {size}")
    return (stop - start) // step + ((stop - start) % step != 0)


def _slice(r: Request) -> Shape:
    _check_integers(r, "[axis, start, stop, step]", 4)
    x = r.shapes[0]
    axis = _check_axis(r, x, r.integers[0])
    size = _slice_size(r, x.dims[axis])
    return Shape(x.rows, (*x.dims[:axis], size, *x.dims[axis + 1 :]))


def _unslice(r: Request) -> Shape:
    _check_integers(r, "[axis, start, stop, step, size]", 5)
    _check_dims(r, r.integers[4:])
    g = r.shapes[0]
    axis = _check_axis(r, g, r.integers[0])
    size = _slice_size(r, r.integers[4])
    if g.dims[axis] != size:
        _fail(r, f"feature axis {axis} of shape {to_string(g)} must have {size} elements")
    return Shape(g.rows, (*g.dims[:axis], r.integers[4], *g.dims[axis + 1 :]))


def _transpose(r: Request) -> Shape:
    _check_integers(r, "[]", 0)
    x = r.shapes[0]
    if x.rows or len(x.dims) != 2:
        _fail(r, f"needs a matrix without rows, got shape {to_string(x)}")
    return Shape(False, x.dims[::-1])


def _dropout(r: Request) -> Shape:
    if len(r.integers) != 1:
        _check_integers(r, "[ordinal] or [ordinal, per batch, exact, unscaled]", 4)
    if not 0 <= r.integers[0] < 2**24:
        _fail(r, f"ordinal must be in 0 ... 2**24 - 1, got {r.integers[0]}")
    for flag in r.integers[1:]:
        if flag not in (0, 1):
            _fail(r, f"per batch, exact and unscaled must be 0 or 1, got {flag}")
    if len(r.numbers) != 1 or not 0 <= r.numbers[0] <= 1:
        _fail(r, "numbers must be [rate] with a rate in 0 ... 1")
    if not r.shapes[0].rows:
        _fail(r, f"needs an operand with rows, got shape {to_string(r.shapes[0])}")
    return r.shapes[0]


_STRUCTURAL: dict[str, Callable[[Request], Shape]] = {
    "input": _slot,
    "parameter": _slot,
    "constant": _constant,
    "matmul": _matmul,
    "matmul_rows": _matmul_rows,
    "sum": _reduction,
    "max": _reduction,
    "first_max": _reduction,
    "argmax": _drop_last,
    "softmax": _keep,
    "log_softmax": _keep,
    "logsumexp": _drop_last,
    "softmax_cross_entropy": _cross_entropy,
    "sparse_softmax_cross_entropy": _cross_entropy,
    "one_hot": _one_hot,
    "pick": _pick,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "concatenate": _concatenate,
    "slice": _slice,
    "unslice": _unslice,
    "transpose": _transpose,
    "dropout": _dropout,
}
