"""One graph in both backends, with data for its leaves, and the check that its values agree everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from compare import THREADS, assert_same, everywhere, finite, values
from fastbp import _core, reference
from random_graphs import node_list

BACKENDS = (_core, reference)


class Twins:
    """A graph that grows alike in the core and in the reference.

    special: whether its data hold Inf, NaN, subnormals and extremes.
    """

    def __init__(self, dtype: str, rows: int, special: bool = False, seed: int = 0) -> None:
        self.dtype, self.rows, self.special, self.seed = dtype, rows, special, seed
        self.graphs: list[Any] = [backend.Graph() for backend in BACKENDS]
        self.parameters: list[Any] = [backend.Parameters(dtype) for backend in BACKENDS]
        self.inputs: list[np.ndarray] = []
        self.with_rows(1)  # sets the rows of graphs that read no other input

    # Leaves

    def data(self, shape: tuple[int, ...]) -> np.ndarray:
        self.seed += 1
        return (values if self.special else finite)(shape, self.dtype, self.seed)

    def with_rows(self, *dims: int) -> int:
        return self.input(self.data((self.rows, *dims)))

    def input(self, array: np.ndarray) -> int:
        self.inputs.append(array)
        return self.add("input", integers=[len(self.inputs) - 1, *array.shape[1:]])

    def plain(self, *dims: int) -> int:
        array = self.data(dims)
        slots = {parameters.add(array) for parameters in self.parameters}
        return self.add("parameter", integers=[slots.pop(), *dims])

    def labels(self, classes: int, *dims: int) -> int:
        """Labels; about a quarter of them are invalid if `special`."""
        self.seed += 1
        rng = np.random.default_rng(self.seed)
        shape = (self.rows, *dims)
        inside = rng.integers(0, max(classes, 1), shape)
        outside = rng.choice([-1, classes, np.nan, np.inf, 1e30, 0.5, -0.0], shape)
        return self.input(np.where(rng.random(shape) < (0.7 if self.special else 1.0), inside, outside))

    # Nodes

    def add(self, operation: str, *inputs: int, integers: Sequence[int] = (), numbers: Sequence[float] = ()) -> int:
        nodes = {graph.add(operation, list(inputs), list(integers), list(numbers)) for graph in self.graphs}
        assert len(nodes) == 1
        return nodes.pop()

    def shape(self, node: int) -> tuple[bool, tuple[int, ...]]:
        return self.graphs[0].shape(node)

    def weighted_sum(self, node: int) -> int:
        rows, dims = self.shape(node)
        weights = self.with_rows(*dims) if rows else self.plain(*dims)
        product = self.add("multiply", node, weights)
        return self.add("sum", product, integers=[int(rows), *range(len(dims))])

    def gradients(self, cost: int, wrt: Iterable[int]) -> list[int]:
        core, twin = (graph.gradients(cost, list(wrt)) for graph in self.graphs)
        assert core == twin
        return core

    # The check

    def expected(self, outputs: Sequence[int], training: bool = True) -> dict[int, np.ndarray]:
        """The reference's values."""
        function = reference.Function(self.graphs[1], outputs, self.parameters[1], training=training, seed=11)
        return dict(zip(outputs, function(self.inputs, counter=3)))

    def check(self, outputs: Sequence[int], training: bool = True) -> None:
        """Checks all outputs together on every instruction set and number of threads, and a third of them also alone
        on one of these, because fusion differs."""
        assert node_list(self.graphs[0]) == node_list(self.graphs[1])
        expected = self.expected(outputs, training)
        every = 3 * len(_core.available_isas()) * len(THREADS)
        for number, _ in enumerate(everywhere(), start=self.seed):
            alone = [[outputs[i]] for i in range(len(outputs)) if (i - number) % every == 0]
            for selection in [list(outputs), *alone]:
                function = _core.Function(self.graphs[0], selection, self.parameters[0], training=training, seed=11)
                for node, result in zip(selection, function(self.inputs, counter=3)):
                    what = (node, self.graphs[1].operation(node), self.shape(node), self.rows, selection)
                    assert_same(result, expected[node], what)
