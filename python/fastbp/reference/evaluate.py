"""Evaluates nodes with NumPy, by one small function per operation: what cpp/run computes, without a tape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import elementwise, gemm, random, reduce
from .gradients import REPORTS
from .graph import Graph, describe
from .inputs import Inputs, round_to
from .memory import require_memory
from .node import Node
from .operations import ELEMENTWISE
from .parameters import Parameters
from .shapes import Shape, to_string

__all__ = ["Frame", "Function", "check_scalar", "evaluate", "needed_nodes"]

Array = NDArray[Any]


@dataclass
class Frame:
    """What an evaluation needs besides the operands."""

    rows: int
    dtype: np.dtype[Any]
    training: bool = False
    seed: int = 0
    purpose: int = random.DROPOUT_ELSEWHERE
    row_ids: Array | None = None  # each row's number for dropout; None: its position
    counter: int = 0  # the epoch or the step
    batch: int = 0  # the row number of a mask per batch: in fit the place of the batch's first row in the epoch


def needed_nodes(graph: Graph, outputs: Iterable[int]) -> list[int]:
    """All nodes that the outputs need, in the order of creation. Losses do not need their probabilities."""
    needed: set[int] = set()
    stack = list(outputs)
    while stack:
        number = stack.pop()
        if number not in needed:
            needed.add(number)
            stack += _operands(graph.node(number))
    return sorted(needed)


def _operands(node: Node) -> list[int]:
    """The operands to evaluate. A loss has its probability for the gradient alone: the logits stand in for it."""
    return [node.inputs[0] if i == 1 and node.operation in REPORTS else x for i, x in enumerate(node.inputs)]


def evaluate(
    graph: Graph, nodes: Sequence[int], parameters: Parameters, inputs: Sequence[Array | None], frame: Frame
) -> dict[int, Array]:
    """The values of `nodes`, operands first (see `needed_nodes`). Inputs are by slot, in the frame's dtype."""
    values: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for number in nodes:
            node = graph.node(number)
            operands = [values[i] for i in _operands(node)]
            shapes = [graph.node(i).shape for i in _operands(node)]
            require_memory(work_bytes(node, operands, frame))
            values[number] = np.asarray(_value(node, operands, shapes, parameters, inputs, frame))
    return values


# Those that take more than LIGHT bytes per element at their peak: they compute by polynomials, or by exact products.
HEAVY_OPERATIONS = set(
    "cos sin erf exp expm1 log log1p power tanh sigmoid softplus softmax log_softmax logsumexp softmax_cross_entropy "
    "sparse_softmax_cross_entropy sigmoid_cross_entropy matmul matmul_rows".split()
)
LIGHT, HEAVY, PER_GROUP = 48, 280, 512  # PER_GROUP: of the reductions, which fill up short groups


def work_bytes(node: Node, operands: Sequence[Array], frame: Frame) -> int:
    """At most how many bytes an operation takes at its peak, its result included."""
    if node.operation in ("input", "parameter"):
        return 0
    elements = max([math.prod(_full_shape(node.shape, frame)), *(x.size for x in operands)])
    if node.operation == "sum" and node.integers[0]:  # whole blocks of rows
        blocks = -(-frame.rows // reduce.ROW_BLOCK)
        elements = max(elements, blocks * reduce.ROW_BLOCK * node.shape.features)
    work = (HEAVY if node.operation in HEAVY_OPERATIONS else LIGHT) * elements
    return work + PER_GROUP * _number_of_groups(node, operands, frame)


def _number_of_groups(node: Node, operands: Sequence[Array], frame: Frame) -> int:
    if node.operation in ("sum", "max"):
        return frame.rows * node.shape.features
    if node.operation == "first_max":
        return operands[0].size // max(
            1, math.prod(operands[0].shape[axis + node.shape.rows] for axis in node.integers[1:])
        )
    if _STRUCTURAL.get(node.operation) is _row:
        return operands[0].size // max(1, operands[0].shape[-1])
    return 0


def _value(
    node: Node,
    operands: list[Array],
    shapes: list[Shape],
    parameters: Parameters,
    inputs: Sequence[Array | None],
    frame: Frame,
) -> Array:
    if node.operation == "input":
        value = inputs[node.integers[0]]
        assert value is not None
        return value
    if node.operation == "parameter":
        return parameters.values[node.integers[0]]
    if node.operation == "constant":
        return round_to(np.array(node.numbers, np.float64), frame.dtype).reshape(node.integers)
    if node.operation in ELEMENTWISE:
        return _elementwise(node, operands, shapes, frame)
    return _STRUCTURAL[node.operation](node, operands, shapes, frame)


def _full_shape(shape: Shape, frame: Frame) -> tuple[int, ...]:
    return (frame.rows, *shape.dims) if shape.rows else shape.dims


def _broadcast_to(x: Array, source: Shape, target: Shape, frame: Frame) -> Array:
    """Broadcasts with the dims aligned on the right; rows stay apart."""
    if source.rows:
        x = x.reshape(frame.rows, *[1] * (len(target.dims) - len(source.dims)), *source.dims)
    return np.ascontiguousarray(np.broadcast_to(x, _full_shape(target, frame))).reshape(_full_shape(target, frame))


def _elementwise(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    operands = [_broadcast_to(x, shape, node.shape, frame) for x, shape in zip(operands, shapes)]
    attributes = node.integers
    if node.operation == "divide_by_count":
        features, by_rows = node.integers
        attributes = (features * (frame.rows if by_rows else 1),)
    return np.asarray(getattr(elementwise, node.operation)(*operands, *attributes))


def _by_rows(x: Array, last: int) -> Array:
    """x as a matrix whose rows have `last` elements."""
    return np.ascontiguousarray(x).reshape(math.prod(x.shape[:-1]), last)


def _matmul(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    transpose_a, transpose_b = node.integers
    a, b = operands
    a = a.T if transpose_a else _by_rows(a, a.shape[-1])
    return gemm.matmul(a, b.T if transpose_b else b).reshape(_full_shape(node.shape, frame))


def _matmul_rows(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    x, g = operands
    return gemm.matmul_rows(_by_rows(x, x.shape[-1]), _by_rows(g, g.shape[-1]))


def _groups(x: Array, shape: Shape, axes: Sequence[int], over_rows: bool = False) -> tuple[Array, list[int]]:
    """A matrix with a row per kept element and the reduced elements, row-major, in columns; the order of x's axes."""
    first = int(shape.rows)
    reduced = [0] * over_rows + [axis + first for axis in axes]
    order = [axis for axis in range(x.ndim) if axis not in reduced] + reduced
    size = math.prod(x.shape[axis] for axis in reduced)
    kept = math.prod(x.shape[axis] for axis in range(x.ndim) if axis not in reduced)
    return np.ascontiguousarray(x.transpose(order)).reshape(kept, size), order


def _reduction(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    """Reduces the features first (flat, if x has no rows), then the rows."""
    (x,), (shape,) = operands, shapes
    over_rows, *axes = node.integers
    sums = node.operation == "sum"
    if axes:
        groups, _ = _groups(x, shape, axes)
        if shape.rows:
            x = (reduce.row_sum if sums else reduce.row_max)(groups)
        else:
            flat = reduce.sum_flat if sums else reduce.max_flat
            x = np.array([flat(group) for group in groups], frame.dtype)
    if over_rows:
        x = x.reshape(frame.rows, node.shape.features)
        x = (reduce.sum_over_rows if sums else reduce.max_over_rows)(x)
    return x.reshape(_full_shape(node.shape, frame))


def _first_max(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    x = operands[0]
    over_rows, *axes = node.integers
    groups, order = _groups(x, shapes[0], axes, bool(over_rows))
    return reduce.row_first_max(groups).reshape([x.shape[axis] for axis in order]).transpose(np.argsort(order))


def _row(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    """A function of the last feature axis; labels lack that axis and are passed as one per row."""
    last = shapes[0].dims[-1]
    rows = [_by_rows(x, last) if shape == shapes[0] else x.reshape(-1) for x, shape in zip(operands, shapes)]
    function = reduce.row_argmax if node.operation == "argmax" else getattr(reduce, node.operation)
    return np.asarray(function(*rows)).reshape(_full_shape(node.shape, frame))


def _one_hot(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    return reduce.one_hot(operands[0], node.integers[0])


def _reshape(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    return np.ascontiguousarray(operands[0]).reshape(_full_shape(node.shape, frame))


def _broadcast(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    return _broadcast_to(operands[0], shapes[0], node.shape, frame)


def _concatenate(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    return np.concatenate(operands, axis=node.integers[0] + node.shape.rows)


def _section(node: Node) -> tuple[slice, ...]:
    axis, start, stop, step = node.integers[:4]
    return (slice(None),) * (axis + node.shape.rows) + (slice(start, stop, step),)


def _slice(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    return operands[0][_section(node)]


def _unslice(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    whole = np.zeros(_full_shape(node.shape, frame), frame.dtype)
    whole[_section(node)] = operands[0]
    return whole


def _transpose(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    return operands[0].T


def _dropout(node: Node, operands: list[Array], shapes: list[Shape], frame: Frame) -> Array:
    ordinal, per_batch, exact, unscaled = (*node.integers, 0, 0, 0)[:4]
    rate, width = node.numbers[0], node.shape.features
    count = random.dropout_count(rate, width) if exact else 0
    if exact and width:
        rate = count / width
    if not frame.training:
        if not unscaled:
            return operands[0]
        return elementwise.multiply(operands[0], np.asarray(1.0 - rate).astype(frame.dtype))  # nothing is dropped
    x = np.ascontiguousarray(operands[0]).reshape(frame.rows, width)
    row_ids = np.arange(frame.rows) if frame.row_ids is None else frame.row_ids
    if per_batch:
        row_ids = np.full(frame.rows, frame.batch)
    stream = random.stream_of(frame.purpose, ordinal)
    scale = 1.0 if unscaled else random.dropout_scale(rate)
    if exact:
        dropped = random.dropout_exact(x, count, frame.seed, row_ids, stream, frame.counter, scale)
    else:
        dropped = random.dropout(x, rate, frame.seed, row_ids, stream, frame.counter, scale=scale)
    return dropped.reshape(operands[0].shape)


_STRUCTURAL: dict[str, Callable[[Node, list[Array], list[Shape], Frame], Array]] = {
    "matmul": _matmul,
    "matmul_rows": _matmul_rows,
    "sum": _reduction,
    "max": _reduction,
    "first_max": _first_max,
    "argmax": _row,
    "softmax": _row,
    "log_softmax": _row,
    "logsumexp": _row,
    "softmax_cross_entropy": _row,
    "sparse_softmax_cross_entropy": _row,
    "one_hot": _one_hot,
    "pick": _row,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "concatenate": _concatenate,
    "slice": _slice,
    "unslice": _unslice,
    "transpose": _transpose,
    "dropout": _dropout,
}


def _mixes_rows(graph: Graph, nodes: Sequence[int]) -> bool:
    """Whether a row of some value may depend on other rows, so that rows cannot be computed in parts."""
    for number in nodes:
        node = graph.node(number)
        if node.operation in ("sum", "max", "first_max") and node.integers[0]:
            return True
        if node.operation == "matmul_rows" or (node.operation == "divide_by_count" and node.integers[1]):
            return True
    return False


def check_scalar(graph: Graph, node: int, what: str) -> None:
    shape = graph.node(node).shape
    if shape.rows or shape.features != 1:
        raise ValueError(
            f"{what} must be a scalar without rows, got {describe(graph, node)} of shape {to_string(shape)}"
        )


class Function:
    """Evaluates nodes of a graph.

    Parameters
    ----------
    graph : Graph
        Copied: nodes that are added to it later have no effect.
    outputs : sequence of int
        The nodes to evaluate.
    parameters : Parameters
        Shared, not copied.
    training : bool
        Whether dropout drops.
    seed : int
        Of dropout.
    """

    def __init__(
        self, graph: Graph, outputs: Sequence[int], parameters: Parameters, *, training: bool = False, seed: int = 0
    ) -> None:
        self._graph = graph.copy()
        self._outputs = list(outputs)
        self._parameters = parameters
        self._training = training
        self._seed = seed
        self._nodes = needed_nodes(self._graph, self._outputs)
        self._inputs = Inputs(self._graph, self._nodes)

    def __call__(self, inputs: Sequence[Any], *, batch_size: int | None = None, counter: int = 0) -> list[Array]:
        """The outputs' values. Dropout counts rows by position and steps by `counter`."""
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        arrays, rows = self._inputs.check(inputs)
        all_rows = all(self._graph.node(i).shape.rows for i in self._outputs)
        if batch_size is None or not all_rows or _mixes_rows(self._graph, self._nodes):
            batch_size = max(rows, 1)
        starts = range(0, max(rows, 1), batch_size)
        frame = Frame(rows, self._parameters.dtype)
        shapes = [_full_shape(self._graph.node(i).shape, frame) for i in self._outputs]
        require_memory(sum(map(math.prod, shapes)) * frame.dtype.itemsize)
        outputs = [np.empty(shape, frame.dtype) for shape in shapes]
        for start in starts:
            stop = min(start + batch_size, rows)
            for output, part in zip(outputs, self._run(arrays, start, stop, start, counter)):
                output[slice(start, stop) if len(starts) > 1 else ...] = part
        return outputs

    def prepare(self, rows: int) -> None:
        """For the core, which allocates at once what a call for so many rows needs; here each call allocates."""
        if rows < 1:
            raise ValueError(f"rows must be at least 1, got {rows}")

    def means(self, inputs: Sequence[Any], *, batch_size: int) -> list[float]:
        """Row-weighted means of scalar outputs over batches, added in float64 in the order of the batches."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        for output in self._outputs:
            check_scalar(self._graph, output, "means: an output")
        arrays, rows = self._inputs.check(inputs)
        if rows == 0:
            raise ValueError("a mean over 0 rows does not exist")
        sums = np.zeros(len(self._outputs), np.float64)
        for start in range(0, rows, batch_size):
            stop = min(start + batch_size, rows)
            sums += [float(value.item()) * (stop - start) for value in self._run(arrays, start, stop, start, 0)]
        return [float(s) for s in sums / rows]

    def _run(self, arrays: list[Array | None], start: int, stop: int, position: int, counter: int) -> list[Array]:
        dtype = self._parameters.dtype
        batch = [None if a is None else round_to(a[start:stop], dtype) for a in arrays]
        row_ids = np.arange(position, position + stop - start)
        frame = Frame(stop - start, dtype, self._training, self._seed, random.DROPOUT_ELSEWHERE, row_ids, counter)
        values = evaluate(self._graph, self._nodes, self._parameters, batch, frame)
        return [values[i] for i in self._outputs]
