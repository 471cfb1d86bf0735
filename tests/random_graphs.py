"""Random graphs over all operations, built alike in any number of backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

UNARY = (
    "negative absolute sign square sqrt exp expm1 log log1p sin cos tanh sigmoid softplus erf relu "
    "softmax log_softmax logsumexp argmax transpose"
).split()
BINARY = "add subtract multiply divide product_or_zero quotient_or_zero power maximum minimum equal greater".split()
SHAPES = [(), (1,), (3,), (2, 3), (1, 3), (2, 1)]


class RandomGraphs:
    """Adds the same random nodes to all `graphs`; what one graph refuses, all must refuse with the same words."""

    def __init__(self, graphs: Sequence[Any], seed: int) -> None:
        self.graphs = graphs
        self.random = np.random.default_rng(seed)
        self.slots = {"input": 0, "parameter": 0}
        for rows in (True, True, False, False):
            for dims in ((3,), (2, 3)) if rows else ((3,), (3, 2), (1,)):
                self.leaf(rows, dims)

    def leaf(self, rows: bool, dims: Sequence[int]) -> None:
        operation = "input" if rows else "parameter"
        self.add(operation, [], [self.slots[operation], *dims], [], f"{operation}_{self.slots[operation]}")
        self.slots[operation] += 1

    def add(self, operation: str, inputs: Sequence[int], integers: Sequence[int] = (), numbers: Sequence[float] = (),
            name: str = "") -> int | None:  # fmt: skip
        outcomes: list[Any] = []
        for graph in self.graphs:
            try:
                node = graph.add(operation, inputs, integers, numbers, name)
                outcomes.append((node, graph.shape(node)))
            except ValueError as error:
                outcomes.append(str(error))
        assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
        return None if isinstance(outcomes[0], str) else outcomes[0][0]

    def node(self) -> int:
        return int(self.random.integers(len(self.graphs[0])))

    def chance(self, p: float = 0.5) -> bool:
        return bool(self.random.random() < p)

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def alike(self, shape: tuple[bool, tuple[int, ...]]) -> int:
        """A node of this shape: an existing one if there is any."""
        graph = self.graphs[0]
        found = [i for i in range(len(graph)) if graph.shape(i) == shape]
        if not found:
            self.leaf(*shape)
            return len(graph) - 1
        return int(self.pick(found))

    def grow(self, operation: str) -> int | None:
        """Tries to add a node of this operation with random operands and mostly sensible attributes."""
        graph, x = self.graphs[0], self.node()
        rows, dims = graph.shape(x)
        axis = int(self.random.integers(max(len(dims), 1)))
        size = dims[axis] if axis < len(dims) else 1
        if operation in ("input", "parameter"):
            self.leaf(operation == "input", self.pick(SHAPES))
            return len(graph) - 1
        if operation in UNARY:
            return self.add(operation, [x])
        if operation in BINARY:
            return self.add(operation, [x, self.node()])
        if operation == "constant":
            dims = self.pick(SHAPES)
            return self.add(operation, [], dims, self.random.normal(size=dims).ravel().tolist())
        if operation == "power_integer":
            return self.add(operation, [x], [int(self.random.integers(-3, 5))])
        if operation == "divide_by_count":
            return self.add(operation, [x], [size, int(self.chance())])
        if operation in ("where_positive", "sigmoid_cross_entropy"):
            return self.add(operation, [x, self.alike((rows, dims)), self.node()])
        if operation in ("maximum_gate", "minimum_gate"):
            return self.add(operation, [x, self.node(), self.alike((rows, dims))], [int(self.chance())])
        if operation == "matmul":
            return self._matmul(x)
        if operation == "matmul_rows":
            return self.add(operation, [x, self.alike((True, (*dims[:-1], 3)))])
        if operation in ("sum", "max", "first_max"):
            axes = [i for i in range(len(dims)) if self.chance()]
            return self.add(operation, [x], [int(self.chance()), *axes])
        if operation == "softmax_cross_entropy":
            return self.add(operation, [x, self.alike((rows, dims)), self.alike((rows, dims))])
        if operation == "sparse_softmax_cross_entropy":
            return self.add(operation, [x, self.alike((rows, dims)), self.alike((rows, dims[:-1]))])
        if operation == "one_hot":
            return self.add(operation, [x], [int(self.random.integers(1, 4))])
        if operation == "pick":
            return self.add(operation, [x, self.alike((rows, dims[:-1]))])
        if operation == "reshape":
            target = self.pick([dims[::-1], (1, *dims), (*dims, 1), (int(np.prod(dims)),), (2, 3)])
            return self.add(operation, [x], target)
        if operation == "broadcast":
            return self.add(operation, [x], [int(rows or self.chance()), *[2] * self.chance(), *dims[:-1], 3])
        if operation == "concatenate":
            return self.add(operation, [x, *[self.alike((rows, dims)) for _ in range(self.pick([0, 1, 2]))]], [axis])
        if operation in ("slice", "unslice"):
            start, step = int(self.random.integers(0, 2)), int(self.random.integers(1, 3))
            if operation == "slice":
                return self.add(operation, [x], [axis, start, size, step])
            stop = start + (size - 1) * step + 1
            return self.add(operation, [x], [axis, start, stop, step, stop + 1])
        assert operation == "dropout", f"no random example for {operation}"
        flags = [self.chance(), self.chance(), self.chance()] if self.chance() else []
        return self.add(operation, [x], [int(self.random.integers(0, 9)), *map(int, flags)], [0.25])

    def _matmul(self, x: int) -> int | None:
        rows, dims = self.graphs[0].shape(x)
        transpose_a, transpose_b = int(not rows and self.chance()), int(self.chance())
        k = dims[0 if transpose_a else -1] if dims else 1
        b = self.alike((False, (2, k) if transpose_b else (k, 2)))
        return self.add("matmul", [x, b], [transpose_a, transpose_b])

    def scalar(self, node: int) -> int:
        """The sum of all elements of a node."""
        rows, dims = self.graphs[0].shape(node)
        total = self.add("sum", [node], [int(rows), *range(len(dims))])
        assert total is not None
        return total


def node_list(graph: Any) -> list[tuple[Any, ...]]:
    """Everything that a graph tells about its nodes."""
    return [
        (graph.operation(i), graph.inputs(i), graph.integers(i), graph.numbers(i), graph.name(i), graph.shape(i))
        for i in range(len(graph))
    ]
