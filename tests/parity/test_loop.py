"""The block loop: sums over rows combine as rule 2 says, however threads share the blocks."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, everywhere
from fastbp import _core, reference

BLOCK = 128
# Powers of two of blocks, a block or a row more or less, and more units than threads.
ROWS = [2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK, 7 * BLOCK + 5, 8 * BLOCK, 17 * BLOCK + 1, 41 * BLOCK - 3]
# Units of two blocks for 2, 3 and 5 threads, the last of one block; units of four for 2 threads, the last of three.
ROWS += [66 * BLOCK + 5, 115 * BLOCK - 9, 130 * BLOCK + 1]


def small_net(backend: Any, dtype: str) -> tuple[Any, list[int], Any]:
    """3-5-2 with dropout and a penalty that depends on no row: its cost, the errors of every row, the gradients."""
    random = np.random.default_rng(4)
    graph, parameters = backend.Graph(), backend.Parameters(dtype)
    weights = []
    for shape in ((3, 5), (5,), (5, 2), (2,)):
        slot = parameters.add(random.normal(size=shape))
        weights.append(graph.add("parameter", [], [slot, *shape]))
    x, y = graph.add("input", [], [0, 3]), graph.add("input", [], [1, 2])
    z = graph.add("add", [graph.add("matmul", [x, weights[0]], [0, 0]), weights[1]])
    a = graph.add("dropout", [graph.add("tanh", [z])], [1], [0.25])
    out = graph.add("add", [graph.add("matmul", [a, weights[2]], [0, 0]), weights[3]])
    error = graph.add("square", [graph.add("subtract", [out, y])])
    mean = graph.add("divide_by_count", [graph.add("sum", [error], [1, 0])], [2, 1])
    penalty = graph.add("sum", [graph.add("square", [weights[0]])], [0, 0, 1])
    cost = graph.add("add", [mean, penalty])
    return graph, [cost, error, *graph.gradients(cost, weights)], parameters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", ROWS)
def test_sums_over_many_blocks_equal_the_reference(rows: int, dtype: str) -> None:
    random = np.random.default_rng(rows)
    data = [random.normal(size=(rows, 3)), random.integers(0, 9, (rows, 2)).astype(np.uint8)]
    graph, outputs, parameters = small_net(reference, dtype)
    expected = reference.Function(graph, outputs, parameters, training=True, seed=6)(data, counter=2)
    for place in everywhere():
        graph, outputs, parameters = small_net(_core, dtype)
        function = _core.Function(graph, outputs, parameters, training=True, seed=6)
        for result, wanted in zip(function(data, counter=2), expected):
            assert_same(result, wanted, (rows, place))
        first = function([part[: BLOCK + 9] for part in data], counter=2)  # a smaller run of the same plan
        assert_same(first[1], expected[1][: BLOCK + 9], (rows, place))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_over_no_rows_is_zero(dtype: str) -> None:
    data = [np.zeros((0, 3)), np.zeros((0, 2))]
    graph, outputs, parameters = small_net(reference, dtype)
    expected = reference.Function(graph, outputs, parameters, training=True)(data)
    for place in everywhere():
        graph, outputs, parameters = small_net(_core, dtype)
        function = _core.Function(graph, outputs, parameters, training=True)
        function([np.zeros((4 * BLOCK, 3)), np.zeros((4 * BLOCK, 2))])  # a plan with the loop
        for result, wanted in zip(function(data), expected):
            assert_same(result, wanted, place)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_inputs_and_counters_may_change_from_run_to_run(dtype: str) -> None:
    calls = []
    for number, rows in enumerate([5 * BLOCK, 5 * BLOCK, 3 * BLOCK + 1, 5 * BLOCK, *[3 * BLOCK + 1] * 3, 5 * BLOCK]):
        random = np.random.default_rng(number)
        kind = (dtype, "int8")[number % 2]  # read in place, gathered block by block
        data = [random.integers(-9, 9, (rows, width)).astype(kind) for width in (3, 2)]
        calls.append((data, number // 2))
    graph, outputs, parameters = small_net(reference, dtype)
    function = reference.Function(graph, outputs, parameters, training=True, seed=6)
    expected = [function(data, counter=counter) for data, counter in calls]
    for place in everywhere():
        graph, outputs, parameters = small_net(_core, dtype)
        function = _core.Function(graph, outputs, parameters, training=True, seed=6)
        for number, (data, counter) in enumerate(calls):
            for result, wanted in zip(function(data, counter=counter), expected[number]):
                assert_same(result, wanted, (number, place))


@pytest.mark.parametrize("batch_size", [3 * BLOCK, 5 * BLOCK + 7])
def test_epochs_of_one_and_of_two_steps_are_shuffled_alike(batch_size: int) -> None:
    """Thread 0 shuffles the rows of the next epoch while others steal its units of an epoch's last step."""
    random = np.random.default_rng(9)
    x = random.normal(size=(5 * BLOCK + 7, 3)).astype(np.float32)
    y = np.tanh(x @ random.normal(size=(3, 2))).astype(np.float32)

    def trained(backend: str) -> list[np.ndarray]:
        net = bp.Sequential([bp.Input((3,)), bp.Dense(5, activation="tanh"), bp.Dropout(0.25), bp.Dense(2)], seed=3)
        net.compile(bp.Adam(0.01), "mse", backend=backend)
        losses = net.fit(x, y, batch_size=batch_size, epochs=4, verbose=0).history["loss"]
        return [np.array(losses), *net.get_weights()]

    expected = trained("reference")
    for place in everywhere():
        for result, wanted in zip(trained("core"), expected, strict=True):
            assert_same(result, wanted, (batch_size, place))
