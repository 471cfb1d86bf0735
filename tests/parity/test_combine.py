"""Combined operations: a kernel for several operations gives their bits, also if an intermediate result is read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from compare import assert_same, every_isa, specials, values
from fastbp import _core
from fastbp.reference.elementwise import add, multiply, relu, sigmoid, square, subtract, tanh
from twins import Twins

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def one_less(x: np.ndarray) -> np.ndarray:
    return subtract(np.ones((), x.dtype), x)


COMBINED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "relu_of_sum": lambda a, b: relu(add(a, b)),
    "tanh_of_sum": lambda a, b: tanh(add(a, b)),
    "sigmoid_of_sum": lambda a, b: sigmoid(add(a, b)),
    "tanh_gradient": lambda y, g: multiply(g, one_less(square(y))),
    "sigmoid_gradient": lambda y, g: multiply(g, multiply(y, one_less(y))),
}


def check_map(name: str, a: np.ndarray, b: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        expected = COMBINED[name](a, b)
    for _ in every_isa():
        assert_same(_core.testing.map(name, [a, b]), expected, (name, a.shape, b.shape))


def test_every_combined_operation_is_tested() -> None:
    assert _core.testing.combined_operations() == dict.fromkeys(COMBINED, 2)
    assert not set(COMBINED) & set(_core.operations())


@DTYPES
@pytest.mark.parametrize("name", COMBINED)
def test_combined_operations_over_odd_sizes_and_broadcasts(name: str, dtype: str) -> None:
    for rows, cols in ((1, 1), (1, 131), (5, 1), (3, 10), (7, 16), (4, 33), (2, 64), (3, 67)):
        full = values((rows, cols), dtype, 1)
        for shape in ((rows, cols), (1, cols), (rows, 1), (1, 1)):
            check_map(name, full, values(shape, dtype, 2))
            check_map(name, values(shape, dtype, 2), full)


@DTYPES
@pytest.mark.parametrize("name", COMBINED)
def test_combined_operations_of_special_values(name: str, dtype: str) -> None:
    special = specials(dtype)
    check_map(name, special.reshape(-1, 1), special.reshape(1, -1))


WIDTHS = [1, 10, 15, 16, 30, 33]


@DTYPES
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_biases_and_activations_behind_a_product(activation: str, width: int, dtype: str) -> None:
    for rows in (1, 9, 300):
        t = Twins(dtype, rows, seed=rows)
        weight, bias = t.plain(4, width), t.plain(width)
        z = t.add("add", t.add("matmul", t.with_rows(4), weight, integers=[0, 0]), bias)
        y = t.add(activation, z)
        cost = t.weighted_sum(y)
        gradients = t.gradients(cost, [weight, bias])
        t.check([y, *gradients])
        t.check([z, y, *gradients])  # the intermediate z is an output, too
        t.check([y, t.add("exp", z)])  # z is also read by another operation


@DTYPES
@pytest.mark.parametrize("width", WIDTHS)
def test_what_only_looks_like_an_activations_gradient(width: int, dtype: str) -> None:
    t = Twins(dtype, 9, seed=width)
    y, other, g, one, two = (
        t.with_rows(width),
        t.with_rows(width),
        t.with_rows(width),
        *(t.add("constant", numbers=[number]) for number in (1.0, 2.0)),
    )
    squared = t.add("square", y)
    slopes = [
        t.add("subtract", one, squared),
        t.add("subtract", two, t.add("square", y)),
        t.add("subtract", t.add("square", y), one),
        t.add("subtract", one, t.add("square", t.plain(width))),
        *(t.add("multiply", y, t.add("subtract", one, x)) for x in (y, other)),
        t.add("multiply", y, t.add("subtract", two, y)),
        t.add("multiply", t.add("subtract", one, y), y),
    ]
    products = [t.add("multiply", g, slope) for slope in slopes]
    for product, slope in zip(products, slopes):
        t.check([product])
        t.check([slope, product])
    t.check([squared, products[0]])
    t.check(products)
    t.check([t.add("multiply", t.add("subtract", one, t.add("square", y)), g)])
    t.check([t.add("multiply", slopes[0], slopes[0])])


@DTYPES
def test_a_slope_of_one_column_is_spread_over_all(dtype: str) -> None:
    t = Twins(dtype, 9, seed=5)
    g, one = t.with_rows(16), t.add("constant", numbers=[1.0])
    for y in (t.with_rows(1), t.plain(1), t.plain()):
        of_tanh = t.add("subtract", one, t.add("square", y))
        of_sigmoid = t.add("multiply", y, t.add("subtract", one, y))
        t.check([t.add("multiply", g, of_tanh), t.add("multiply", g, of_sigmoid)])


@DTYPES
@pytest.mark.parametrize("width", [15, 16, 33])
def test_what_ends_a_product_and_what_only_looks_like_it(width: int, dtype: str) -> None:
    """Adds a row or a matrix from either side, relu, gates; also operands of other shapes, and results read twice."""
    for rows in (1, 30):
        t = Twins(dtype, rows, seed=width + rows, special=rows == 1)
        zero, minus_zero, one = (t.add("constant", numbers=[number]) for number in (0.0, -0.0, 1.0))
        x, square = t.with_rows(5), t.plain(width, width)

        def product(t: Twins = t, x: int = x) -> int:
            return t.add("matmul", x, t.plain(5, width), integers=[0, 0])

        row, matrix, column, scalar = t.plain(width), t.with_rows(width), t.with_rows(1), t.plain()
        one_row = t.plain(1, width)
        ends = [t.add("add", product(), other) for other in (row, matrix, column, scalar, one_row, product())]
        ends += [t.add("add", other, product()) for other in (row, matrix, column)]
        ends += [t.add("relu", end) for end in ends]
        ends += [t.add("where_positive", gate, product(), zero) for gate in (matrix, row, column)]
        ends += [t.add("where_positive", matrix, product(), other) for other in (minus_zero, one, matrix)]
        ends += [t.add("where_positive", product(), matrix, zero), t.add("where_positive", matrix, zero, product())]
        late = t.add("matmul", t.add("tanh", product()), square, integers=[0, 0])  # added to an early product
        ends += [t.add("add", product(), late), t.add("relu", t.add("add", late, product()))]
        twice = product()
        ends += [t.add("add", twice, twice), t.add("add", t.add("add", twice, row), matrix)]
        for end in ends:
            t.check([end])
        t.check(ends)
        three = t.add("matmul", t.with_rows(3, 5), t.plain(5, width), integers=[0, 0])  # three rows for each
        t.check([t.add("relu", t.add("add", three, row)), three])
        blocks = t.add("matmul", t.with_rows(520), t.plain(520, width), integers=[0, 0])  # two pieces of k
        t.check([t.add("relu", t.add("add", blocks, row))])
        weights = t.add("matmul", t.plain(7, 5), t.plain(5, width), integers=[0, 0])  # without rows
        t.check([t.add("add", weights, row)])
