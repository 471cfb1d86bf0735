"""Random graphs over all operations, with gradients: core and reference agree to the bit in every kind of call.

Calls ask for all nodes together, single ones or some of them (fusion differs), in training or not, in chunks or at
once, with inputs of any dtype and memory layout.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from compare import ORDERS, THREADS, assert_same, share, specials
from fastbp import _core, reference
from layouts import DTYPES, LAYOUTS, draw
from random_graphs import RandomGraphs, node_list

SEEDS = range(120)
ROWS = (0, 1, 3, 7, 129, 260)
OPERATIONS = sorted(_core.operations())


class Grown:
    """A random graph in both backends, its gradients, and data."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = ("float32", "float64")[seed // 2 % 2]
        self.rows = ROWS[seed % len(ROWS)]
        self.graphs: list[Any] = [_core.Graph(), reference.Graph()]
        grower = RandomGraphs(self.graphs, seed)
        for _ in range(400):
            if len(self.graphs[0]) >= 40:
                break
            grower.grow(OPERATIONS[self.random.integers(len(OPERATIONS))])
        self.forward = len(self.graphs[0])
        cost = grower.scalar(self.forward - 1)
        for node in self.random.choice(self.forward, 3, replace=False).tolist():
            added = grower.add("add", [cost, grower.scalar(node)])
            assert added is not None
            cost = added
        wrt = [0, 1, 2, 3, int(self.random.integers(self.forward))]
        gradients = [graph.gradients(cost, wrt) for graph in self.graphs]
        assert gradients[0] == gradients[1]
        assert node_list(self.graphs[0]) == node_list(self.graphs[1])
        self._fill()

    def _fill(self) -> None:
        self.parameters: list[Any] = [_core.Parameters(self.dtype), reference.Parameters(self.dtype)]
        inputs: dict[int, np.ndarray] = {}
        graph = self.graphs[0]
        for node in range(len(graph)):
            slot, *dims = graph.integers(node) or [0]
            if graph.operation(node) == "parameter":
                value = self.random.normal(size=dims)
                for parameters in self.parameters:
                    parameters.add(value)
            elif graph.operation(node) == "input":
                inputs[slot] = draw((self.rows, *dims), self.random.choice(DTYPES), self.random)
        # A few special values; then a layout for each input.
        for slot, array in inputs.items():
            if array.dtype.kind == "f" and array.size and self.random.random() < 0.3:
                with np.errstate(over="ignore"):
                    special = self.random.choice(specials("float32")).astype(array.dtype)
                array.reshape(-1)[self.random.integers(array.size)] = special
            layout = list(LAYOUTS.values())[self.random.integers(len(LAYOUTS))]
            inputs[slot] = layout(array)
        self.inputs = [inputs[slot] for slot in sorted(inputs)]

    def __len__(self) -> int:
        return len(self.graphs[0])

    def function(self, backend: int, outputs: list[int], training: bool) -> Any:
        module = (_core, reference)[backend]
        return module.Function(self.graphs[backend], outputs, self.parameters[backend], training=training, seed=5)

    def some(self, count: int, random: np.random.Generator) -> list[int]:
        return sorted(random.choice(len(self), min(count, len(self)), replace=False).tolist())


@cache
def grown(seed: int) -> Grown:
    return Grown(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs_have_the_references_bits(seed: int) -> None:
    graph, training, random = grown(seed), seed % 3 != 0, np.random.default_rng(seed)
    every = list(range(len(graph)))
    expected = graph.function(1, every, training)(graph.inputs, counter=3)
    for isa, order in zip(_core.available_isas(), ORDERS):
        _core.set_isa(isa)
        share(THREADS[seed % len(THREADS)], columns=seed % 5 < 2, order=order)
        selections = [every, *(graph.some(count, random) for count in (1, 1, 1, 1, 3, 4, 10))]
        for outputs in selections:
            results = graph.function(0, outputs, training)(graph.inputs, counter=3)
            for node, result in zip(outputs, results):
                assert_same(result, expected[node], (seed, node, graph.graphs[0].operation(node), outputs))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs_in_chunks_have_the_bits_of_the_whole(seed: int) -> None:
    graph, random = grown(seed), np.random.default_rng(seed)
    with_rows = [node for node in range(len(graph)) if graph.graphs[0].shape(node)[0]]
    expected = graph.function(1, with_rows, True)(graph.inputs, counter=1)
    for backend in (0, 1):
        for batch_size in (1, 5, 128) if graph.rows < 100 else (100, 128):
            share(THREADS[(seed + batch_size) % len(THREADS)], order=ORDERS[seed % len(ORDERS)])
            results = graph.function(backend, with_rows, True)(graph.inputs, counter=1, batch_size=batch_size)
            for node, result in zip(with_rows, results):
                assert_same(result, expected[with_rows.index(node)], (seed, node, batch_size))
        # One output alone can be computed in chunks where others mix the rows.
        for node in random.choice(with_rows, min(5, len(with_rows)), replace=False).tolist():
            (result,) = graph.function(backend, [node], True)(graph.inputs, counter=1, batch_size=7)
            assert_same(result, expected[with_rows.index(node)], (seed, node))


@pytest.mark.parametrize("seed", SEEDS[::5])
def test_random_graphs_keep_their_bits_from_run_to_run(seed: int) -> None:
    graph = grown(seed)
    nodes = list(range(len(graph)))
    _core.set_num_threads(1)
    functions = [graph.function(backend, nodes, True) for backend in (0, 1)]
    halves = [array[: graph.rows // 2] for array in graph.inputs]
    contiguous = [array.astype(graph.dtype) for array in graph.inputs]
    for number, inputs in enumerate([graph.inputs, contiguous, halves, halves, graph.inputs, halves, contiguous]):
        results, expected = (function(inputs, counter=number) for function in functions)
        for node, result, wanted in zip(nodes, results, expected):
            assert_same(result, wanted, (seed, number, node, graph.graphs[0].operation(node)))


def test_the_random_graphs_hold_every_operation() -> None:
    counts = Counter(grown(seed).graphs[0].operation(node) for seed in SEEDS for node in range(grown(seed).forward))
    assert set(counts) == set(OPERATIONS)
    assert min(counts.values()) >= 3, counts
