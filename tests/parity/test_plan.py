"""Every operation of the graph, as a plan runs it, gives the reference's bits: generated from the table of operations.

The graphs are small; their shapes are around every block and tile. Values and gradients are compared on every
instruction set and with several numbers of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import pytest
from fastbp import _core, reference
from fastbp.reference.gemm import FEATURE_BLOCK, ROW_BLOCK
from twins import Twins

# Adds examples of one operation to a graph and yields their nodes; w is the size of the last feature axis.
Examples = Callable[[Twins, int], Iterator[int]]
EXAMPLES: dict[str, Examples] = {}


def examples_of(*operations: str) -> Callable[[Callable[[Twins, int, str], Iterator[int]]], None]:
    def enter(examples: Callable[[Twins, int, str], Iterator[int]]) -> None:
        for operation in operations:
            assert operation not in EXAMPLES
            EXAMPLES[operation] = lambda t, w, operation=operation: examples(t, w, operation)

    return enter


@examples_of(*"negative absolute sign square sqrt exp expm1 log log1p sin cos tanh sigmoid softplus erf relu".split())
def unary(t: Twins, w: int, operation: str) -> Iterator[int]:
    for x in (t.with_rows(w), t.with_rows(2, w), t.with_rows(), t.plain(w), t.plain()):
        yield t.add(operation, x)


@examples_of("power_integer")
def powers(t: Twins, w: int, operation: str) -> Iterator[int]:
    for n in (0, 1, 2, 3, 7, 10, -1, -2, -5):
        yield t.add(operation, t.with_rows(w), integers=[n])


@examples_of("divide_by_count")
def counts(t: Twins, w: int, operation: str) -> Iterator[int]:
    for x in (t.with_rows(w), t.plain(2, w)):
        for features, rows in ((1, 1), (w, 0), (3, 1), (1, 0)):
            yield t.add(operation, x, integers=[features, rows])


def pairs(t: Twins, w: int) -> Iterator[tuple[int, int]]:
    """Operands of one shape, and every way to broadcast one of them."""
    yield t.with_rows(w), t.with_rows(w)
    yield t.with_rows(w), t.plain(w)
    yield t.plain(w), t.with_rows(2, w)
    yield t.with_rows(w), t.with_rows(1)
    yield t.with_rows(), t.with_rows(w)
    yield t.with_rows(2, 1), t.with_rows(1, w)
    yield t.with_rows(w, 1), t.plain()
    yield t.plain(2, 1), t.plain(w)
    x = t.with_rows(w)
    yield x, x


@examples_of(
    *"add subtract multiply divide product_or_zero quotient_or_zero power maximum minimum equal greater".split()
)
def binary(t: Twins, w: int, operation: str) -> Iterator[int]:
    for a, b in pairs(t, w):
        yield t.add(operation, a, b)


@examples_of("where_positive", "sigmoid_cross_entropy")
def ternary(t: Twins, w: int, operation: str) -> Iterator[int]:
    for a, b in pairs(t, w):
        yield t.add(operation, a, b, t.with_rows(w))
        yield t.add(operation, t.plain(w), a, b)


@examples_of("maximum_gate", "minimum_gate")
def gates(t: Twins, w: int, operation: str) -> Iterator[int]:
    for which in (0, 1):
        for a, b in pairs(t, w):
            yield t.add(operation, a, b, t.with_rows(w), integers=[which])


@examples_of("input", "parameter")
def leaves(t: Twins, w: int, operation: str) -> Iterator[int]:
    for dims in ((), (w,), (2, w)):
        leaf = t.with_rows(*dims) if operation == "input" else t.plain(*dims)
        yield leaf
        yield t.add("add", leaf, leaf)


@examples_of("constant")
def constants(t: Twins, w: int, operation: str) -> Iterator[int]:
    for dims in ((), (w,), (2, w)):
        numbers = t.data(dims).astype(np.float64).reshape(-1)
        if not t.special:
            numbers *= 1 + 2.0**-40  # so that they are rounded
        constant = t.add(operation, integers=dims, numbers=numbers.tolist())
        yield constant
        yield t.add("multiply", t.with_rows(w), constant)


@examples_of("matmul")
def products(t: Twins, w: int, operation: str) -> Iterator[int]:
    _, columns = tile(t.dtype)[-1]
    for n in (1, columns + 1):
        yield t.add(operation, t.with_rows(w), t.plain(w, n), integers=[0, 0])
    yield t.add(operation, t.with_rows(2, w), t.plain(5, w), integers=[0, 1])
    yield t.add(operation, t.with_rows(3), t.plain(3, w), integers=[0, 0])
    for transpose_a in (0, 1):
        for transpose_b in (0, 1):
            a, b = ((w, 3) if transpose_a else (3, w)), ((7, w) if transpose_b else (w, 7))
            yield t.add(operation, t.plain(*a), t.plain(*b), integers=[transpose_a, transpose_b])
    # With operations that follow a product in the same tile.
    for k, n in ((5, w), (w, 67)):
        z = t.add("add", t.add(operation, t.with_rows(k), t.plain(k, n), integers=[0, 0]), t.plain(n))
        yield t.add("dropout", t.add("relu", z), integers=[4], numbers=[0.25])


@examples_of("matmul_rows")
def products_over_rows(t: Twins, w: int, operation: str) -> Iterator[int]:
    _, columns = tile(t.dtype)[-1]
    for n in (1, columns + 1):
        yield t.add(operation, t.with_rows(w), t.with_rows(n))
    yield t.add(operation, t.with_rows(3), t.with_rows(w))
    yield t.add(operation, t.with_rows(2, w), t.with_rows(2, 3))
    yield t.add("square", t.add(operation, t.with_rows(5), t.with_rows(w)))


@examples_of("sum", "max", "first_max")
def reductions(t: Twins, w: int, operation: str) -> Iterator[int]:
    x, deep, tall = t.with_rows(w), t.with_rows(2, w), t.with_rows(w, 2)
    for axes in ((0, 0), (1,), (1, 0)):
        yield t.add(operation, x, integers=axes)
    for y in (deep, tall):
        for axes in ((0, 0), (0, 1), (0, 0, 1), (1,), (1, 0), (1, 1), (1, 0, 1)):
            yield t.add(operation, y, integers=axes)
    yield t.add(operation, t.with_rows(), integers=[1])
    yield t.add(operation, t.plain(w), integers=[0, 0])
    for axes in ((0, 0), (0, 1), (0, 0, 1)):
        yield t.add(operation, t.plain(3, w), integers=axes)


@examples_of("argmax", "softmax", "log_softmax", "logsumexp")
def along_the_last_axis(t: Twins, w: int, operation: str) -> Iterator[int]:
    for x in (t.with_rows(w), t.with_rows(2, w), t.plain(w), t.plain(2, w)):
        yield t.add(operation, x)


@examples_of("softmax_cross_entropy")
def cross_entropies(t: Twins, w: int, operation: str) -> Iterator[int]:
    for dims in ((w,), (2, w)):
        z = t.with_rows(*dims)
        yield t.add(operation, z, t.add("softmax", z), t.with_rows(*dims))
        yield t.add(operation, z, t.with_rows(*dims), t.with_rows(*dims))
    yield t.add(operation, t.plain(w), t.plain(w), t.plain(w))


@examples_of("sparse_softmax_cross_entropy")
def sparse_cross_entropies(t: Twins, w: int, operation: str) -> Iterator[int]:
    for dims in ((w,), (2, w)):
        z = t.with_rows(*dims)
        yield t.add(operation, z, t.add("softmax", z), t.labels(w, *dims[:-1]))
        yield t.add(operation, z, t.with_rows(*dims), t.labels(w, *dims[:-1]))


@examples_of("one_hot")
def one_hots(t: Twins, w: int, operation: str) -> Iterator[int]:
    for dims in ((), (2,)):
        yield t.add(operation, t.labels(w, *dims), integers=[w])
    yield t.add(operation, t.plain(3), integers=[w])


@examples_of("pick")
def picks(t: Twins, w: int, operation: str) -> Iterator[int]:
    for dims in ((w,), (2, w)):
        yield t.add(operation, t.with_rows(*dims), t.labels(w, *dims[:-1]))
    yield t.add(operation, t.plain(w), t.plain())


@examples_of("reshape")
def reshapes(t: Twins, w: int, operation: str) -> Iterator[int]:
    for x in (t.with_rows(2, w), t.plain(2, w)):
        for dims in ((2 * w,), (w, 2), (1, 2, w, 1)):
            yield t.add(operation, x, integers=dims)
    yield t.add("exp", t.add(operation, t.add("tanh", t.with_rows(w)), integers=[w, 1]))


@examples_of("broadcast")
def broadcasts(t: Twins, w: int, operation: str) -> Iterator[int]:
    for x, target in (
        (t.with_rows(w), (1, 2, w)),
        (t.with_rows(1), (1, 3, w)),
        (t.with_rows(2, 1), (1, 2, w)),
        (t.with_rows(), (1, w)),
        (t.plain(w), (1, w)),
        (t.plain(), (1, w)),
        (t.plain(w), (0, 2, w)),
        (t.plain(2, 1), (0, 2, w)),
    ):
        yield t.add(operation, x, integers=target)


@examples_of("concatenate")
def concatenations(t: Twins, w: int, operation: str) -> Iterator[int]:
    x = t.with_rows(w)
    yield t.add(operation, x, integers=[0])
    yield t.add(operation, x, t.with_rows(3), x, integers=[0])
    yield t.add(operation, t.with_rows(2, w), t.add("exp", t.with_rows(2, 1)), integers=[1])
    yield t.add(operation, t.with_rows(2, w), t.with_rows(1, w), integers=[0])
    yield t.add(operation, t.plain(2, w), t.plain(1, w), integers=[0])


@examples_of("slice")
def slices(t: Twins, w: int, operation: str) -> Iterator[int]:
    for start, stop, step in ((0, w, 1), (1, w, 1), (0, w, 2), (w // 2, w, 3), (w, w, 1)):
        yield t.add(operation, t.with_rows(w), integers=[0, start, stop, step])
        yield t.add(operation, t.plain(2, w), integers=[1, start, stop, step])
    yield t.add("tanh", t.add(operation, t.with_rows(3, w), integers=[0, 1, 3, 1]))


@examples_of("unslice")
def unslices(t: Twins, w: int, operation: str) -> Iterator[int]:
    for x, axis in ((t.with_rows(w), 0), (t.with_rows(w, 2), 0), (t.plain(2, w), 1)):
        for start, step in ((0, 1), (1, 1), (2, 3)):
            stop = start + (w - 1) * step + 1
            yield t.add(operation, x, integers=[axis, start, stop, step, stop + 2])


@examples_of("transpose")
def transposes(t: Twins, w: int, operation: str) -> Iterator[int]:
    for n in (1, 3, 17):
        yield t.add(operation, t.plain(n, w))


@examples_of("dropout")
def dropouts(t: Twins, w: int, operation: str) -> Iterator[int]:
    for ordinal, rate in enumerate((0.0, 0.5, 0.1, 1.0 - 2.0**-16)):
        yield t.add(operation, t.with_rows(w), integers=[ordinal], numbers=[rate])
    yield t.add(operation, t.with_rows(2, w), integers=[7], numbers=[0.3])
    yield t.add(operation, t.add("exp", t.with_rows()), integers=[2**24 - 1], numbers=[0.3])
    for flags in itertools.product((0, 1), repeat=3):  # per batch, exact, unscaled
        yield t.add(operation, t.with_rows(w), integers=[8, *flags], numbers=[0.4])
        yield t.add(operation, t.with_rows(2, w), integers=[9, *flags], numbers=[0.7])


# --- the shapes

DEEP = {"matmul", "sum", "max", "softmax", "softmax_cross_entropy"}  # with a sum or a chain along the features


@cache
def tile(dtype: str) -> list[tuple[int, int]]:
    """(rows, columns) of the products' register tiles, the smallest columns first."""
    before = _core.isa()
    tiles = []
    for isa in _core.available_isas():
        _core.set_isa(isa)
        tiles.append(_core.testing.tile(dtype))
    _core.set_isa(before)
    return sorted(tiles, key=lambda t: t[1])


def around(sizes: Sequence[int]) -> list[int]:
    return [size + d for size in sizes for d in (-1, 0, 1)]


def shapes(operation: str, dtype: str) -> list[tuple[int, int]]:
    """(rows, width): each interesting number of rows and each interesting width at least once."""
    rows, widths = {0, 1, 2, 5, *around([ROW_BLOCK]), 2 * ROW_BLOCK + 37}, {1, 2, 7, *around([16])}
    if operation in ("matmul", "matmul_rows"):
        rows |= set(around([rows for rows, _ in tile(dtype)]))
        widths |= set(around([columns for _, columns in tile(dtype)]))
    rng = np.random.default_rng(sorted(EXAMPLES).index(operation))
    all_rows, all_widths = rng.permutation(sorted(rows)), rng.permutation(sorted(widths))
    count = max(all_rows.size, all_widths.size)
    both = [(int(all_rows[i % all_rows.size]), int(all_widths[i % all_widths.size])) for i in range(count)]
    deep = [(3, width) for width in around([FEATURE_BLOCK])] if operation in DEEP else []
    return [*both, *deep]


# --- the tests


def test_every_operation_has_examples() -> None:
    assert _core.operations() == reference.operations()
    assert set(EXAMPLES) == set(_core.operations())


@pytest.mark.parametrize("operation", sorted(_core.operations()))
def test_the_examples_are_of_their_operation(operation: str) -> None:
    t = Twins("float32", 3)
    before = len(t.graphs[0])
    nodes = list(EXAMPLES[operation](t, 4))
    assert any(t.graphs[0].operation(i) == operation for i in range(before, max(nodes) + 1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", sorted(_core.operations()))
def test_values_and_gradients_equal_the_references_bits(operation: str, dtype: str) -> None:
    for number, (rows, width) in enumerate(shapes(operation, dtype)):
        # The reference computes float64 products of extreme numbers in Python's integers, one by one.
        special = number % 2 == 1 and (dtype == "float32" or rows * width < 300)
        t = Twins(dtype, rows, special, seed=1000 * number)
        first = len(t.graphs[0])
        outputs = list(EXAMPLES[operation](t, width))
        wrt = [i for i in range(first, max(outputs) + 1) if t.graphs[0].operation(i) in ("input", "parameter")]
        cost = t.weighted_sum(outputs[0])
        for node in outputs[1:]:
            cost = t.add("add", cost, t.weighted_sum(node))
        outputs = list(dict.fromkeys([*outputs, cost, *t.gradients(cost, wrt)]))
        t.check(outputs, training=number % 5 != 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_without_rows_combine_their_blocks(dtype: str) -> None:
    for n in (4095, 4096, 4097, 3 * 4096 + 5):
        t = Twins(dtype, 1, seed=n)
        x = t.plain(n)
        t.check([t.add("sum", x, integers=[0, 0]), t.add("max", t.add("square", x), integers=[0, 0])])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_rows_combine_their_blocks(dtype: str) -> None:
    for rows in (ROW_BLOCK * 7 + 1, ROW_BLOCK * 8, 2000):
        t = Twins(dtype, rows, seed=rows)
        x, y = t.with_rows(5), t.add("tanh", t.with_rows(3))
        sums = [t.add("sum", node, integers=axes) for node in (x, y) for axes in ([1], [1, 0])]
        t.check([*sums, t.add("matmul_rows", x, y), t.add("first_max", x, integers=[1])])
