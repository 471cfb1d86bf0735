"""No barrier is missing: between two barriers, each thread's part may run before or after another's.

Here the threads run one after another between two barriers, from the first on or from the last on. So where a barrier
is missing, a thread reads what another has not written yet, or has already overwritten.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from compare import assert_same, share
from fastbp import _core
from twins import Twins

WIDE, NARROW = 70, 5  # columns for several threads, and for one


def dense(net: Twins, x: int, width: int) -> int:
    product = net.add("matmul", x, net.plain(net.shape(x)[1][-1], width), integers=[0, 0])
    return net.add("add", product, net.plain(width))


def layers(net: Twins) -> int:
    """Products, epilogues, programs along rows; memory of one width is reused for another."""
    x = net.with_rows(WIDE)
    for width in (WIDE, NARROW, WIDE, 33, WIDE):
        x = net.add("tanh", dense(net, x, width))
    x = net.add("dropout", x, integers=[1], numbers=[0.4])
    return net.add("softmax", dense(net, x, NARROW))


def batch_means(net: Twins) -> int:
    """Sums and maxima over rows in the middle, for which a thread needs the rows of all others."""
    x = dense(net, net.with_rows(9), WIDE)
    for width in (WIDE, 40):
        mean = net.add("divide_by_count", net.add("sum", x, integers=[1]), integers=[1, 1])
        centred = net.add("subtract", x, mean)
        largest = net.add("max", net.add("absolute", centred), integers=[1])
        x = dense(net, net.add("divide", centred, net.add("exp", largest)), width)
    return x


def pieces(net: Twins) -> int:
    """Slices, a concatenation, sums along the row, the first maximum of every column."""
    x = dense(net, net.with_rows(7), WIDE)
    left = net.add("slice", x, integers=[0, 0, 64, 2])
    right = net.add("slice", x, integers=[0, 30, 69, 1])
    x = net.add("concatenate", left, net.add("sin", right), integers=[0])
    x = net.add("multiply", x, net.add("first_max", x, integers=[1]))
    sums = net.add("reshape", net.add("sum", x, integers=[0, 0]), integers=[1])
    return dense(net, net.add("subtract", x, sums), 33)


def weights_of_weights(net: Twins) -> int:
    """Products and wide maps without rows, between those with rows."""
    w = net.add("sigmoid", net.add("matmul", net.plain(64, 48), net.plain(48, 96), integers=[0, 0]))
    x = net.add("relu", net.add("matmul", net.with_rows(64), w, integers=[0, 0]))
    return net.add("matmul", x, net.add("multiply", w, w), integers=[0, 1])


NETS: list[Callable[[Twins], int]] = [layers, batch_means, pieces, weights_of_weights]
SHARINGS = list(itertools.product((2, 3, 5), (False, True), ("ascending", "descending")))


@pytest.mark.parametrize("rows", [1, 3, 37, 130])
@pytest.mark.parametrize("build", NETS)
def test_no_thread_needs_what_no_barrier_gives_it(build: Callable[[Twins], int], rows: int) -> None:
    net = Twins("float32", rows)
    out = build(net)
    parameters = [i for i in range(len(net.graphs[0])) if net.graphs[0].operation(i) == "parameter"]
    cost = net.weighted_sum(out)
    outputs = [cost, *net.gradients(cost, parameters)]
    inputs = [array.astype("float64") for array in net.inputs]  # not to be read in place: threads gather them
    for selection in (outputs, [out], [cost, outputs[-1]]):
        expected = net.expected(selection)
        for threads, columns, order in SHARINGS:
            share(threads, columns=columns, order=order)
            function = _core.Function(net.graphs[0], selection, net.parameters[0], training=True, seed=11)
            for run in range(2):  # the second one finds the first one's values in memory
                for node, result in zip(selection, function(inputs, counter=3)):
                    assert_same(result, expected[node], (node, threads, columns, order, run))
