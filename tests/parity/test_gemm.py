"""The matrix products give the reference's bits: every shape around a threshold, layout, dtype and instruction set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from compare import assert_same, bits
from fastbp import _core
from fastbp.reference import elementwise
from fastbp.reference.fma import fma
from fastbp.reference.gemm import FEATURE_BLOCK, ROW_BLOCK, matmul, matmul_rows

DTYPES = ("float32", "float64")
GENERIC_MOST = 400_000  # multiply-adds of one product; that path has no fma instruction


class Product(NamedTuple):
    a: np.ndarray  # (m, k)
    b: np.ndarray  # (k, n)
    expected: np.ndarray


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.isa()
    _core.set_isa(request.param)
    try:
        yield request.param
    finally:
        _core.set_isa(before)


def specials(dtype: str) -> np.ndarray:
    info = np.finfo(dtype)
    smallest = np.nextafter(np.zeros(1, dtype), np.ones(1, dtype))[0]
    roots = [np.sqrt(info.tiny), np.sqrt(info.max), np.sqrt(info.max) * (1 + info.eps)]
    values = np.array([0, 1, 1 + info.eps, info.tiny, info.tiny / 3, smallest, 3 * smallest, info.max, *roots], dtype)
    return np.concatenate([values, -values])


def operand(rng: np.random.Generator, shape: tuple[int, int], dtype: str, kind: str) -> np.ndarray:
    """ordinary: numbers near 1; extreme: of every exponent, with zeros, subnormals and limits; infinite: Inf, NaN."""
    x = rng.standard_normal(shape)
    if kind == "extreme":
        info = np.finfo(dtype)
        with np.errstate(all="ignore"):
            x = np.ldexp(x.astype(dtype), rng.integers(info.minexp - info.nmant, info.maxexp, shape).astype(np.int32))
        return np.where(rng.random(shape) < 0.4, rng.choice(specials(dtype), shape), x).astype(dtype)
    if kind == "infinite":
        return np.where(rng.random(shape) < 0.02, rng.choice([np.inf, -np.inf, np.nan], shape), x).astype(dtype)
    return x.astype(dtype)


def thresholds(dtype: str) -> tuple[list[int], list[int]]:
    """Interesting (m, n): around the register tiles of all instruction sets, vectors and blocks of columns."""
    before = _core.isa()
    rows, columns = {0, 1, 2, 3, 5, 37, 61}, {0, 1, 2, 3, 4, 5, 10, 15, 53, 127, 129, 257, 300}
    for name in _core.available_isas():
        _core.set_isa(name)
        tile_rows, tile_columns = _core.testing.tile(dtype)
        rows |= {tile_rows - 1, tile_rows, tile_rows + 1, 2 * tile_rows + 1, 4 * tile_rows, 9 * tile_rows + 2}
        columns |= {tile_columns // 2, tile_columns - 1, tile_columns, tile_columns + 1, 2 * tile_columns + 1}
    _core.set_isa(before)
    return sorted(rows), sorted(columns)


@cache
def products(dtype: str, over_rows: bool) -> list[Product]:
    rng = np.random.default_rng(1 + over_rows)
    block = ROW_BLOCK if over_rows else FEATURE_BLOCK
    depths = [0, 1, 2, 3, 7, 17, 33, 64, 100, block - 1, block, block + 1, 2 * block, 2 * block + 1]
    if over_rows:
        depths += [3 * block, 4 * block, 4 * block + 1, 7 * block, 8 * block + 5, 11 * block + 3]
    rows, columns = thresholds(dtype)
    shapes = [(0, 3, 5), (3, 0, 5), (3, 5, 0), (8, 8, 8), (1, 300, 40), (300, 1, 40), (300, 10, 70), (60, 70, 1024)]
    most = 700_000 if dtype == "float32" else 200_000
    while len(shapes) < 60:
        m, n, k = int(rng.choice(rows)), int(rng.choice(columns)), int(rng.choice(depths))
        if rng.random() < 0.2:
            m, n = n, m
        if m * n * k <= most:
            shapes.append((m, n, k))
    result = []
    for number, (m, n, k) in enumerate(shapes):
        kind = ("ordinary", "ordinary", "extreme", "infinite")[number % 4]
        if kind == "extreme" and dtype == "float64" and m * n * k > 10_000:  # the reference uses Python's integers
            kind = "ordinary"
        a, b = operand(rng, (m, k), dtype, kind), operand(rng, (k, n), dtype, kind)
        expected = matmul_rows(np.ascontiguousarray(a.T), b) if over_rows else matmul(a, b)
        result.append(Product(a, b, expected))
    return result


def product_in(layout: int, a: np.ndarray, b: np.ndarray, **options: Any) -> np.ndarray:
    """a @ b by the core. If bit 0 of layout is set, a is given transposed, with contiguous columns; bit 1: b."""
    transpose_a, transpose_b = bool(layout & 1), bool(layout & 2)
    result: np.ndarray = _core.testing.matmul(
        np.ascontiguousarray(a.T) if transpose_a else a,
        np.ascontiguousarray(b.T) if transpose_b else b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        **options,
    )
    return result


@pytest.mark.parametrize("over_rows", [False, True], ids=["rule1", "rule2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_equal_the_reference_in_every_layout(isa: str, dtype: str, over_rows: bool) -> None:
    for number, (a, b, expected) in enumerate(products(dtype, over_rows)):
        if isa == "generic" and a.size * b.shape[1] > GENERIC_MOST:
            continue
        for layout in range(4) if isa != "generic" else [number % 4]:
            threads = 1 + (number // 4 + layout) % 2
            result = product_in(layout, a, b, over_rows=over_rows, threads=threads)
            assert_same(result, expected, (a.shape, b.shape, layout))


@cache
def narrow_products(dtype: str, over_rows: bool) -> list[Product]:
    """Every number of columns that can be few, and a few columns beyond whole vectors; rows and depths are around
    vectors and around the thresholds that decide how such a product is computed."""
    rng = np.random.default_rng(3 + over_rows)
    block = ROW_BLOCK if over_rows else FEATURE_BLOCK
    depths = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 31, 64, 100, 128, block + 2)
    heights = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 47, 64, 65, 130, 259)
    shapes = []
    for n in range(1, 33):
        for m in rng.choice(heights, 5, replace=False):
            k = int(rng.choice(depths))
            shapes.append((int(m), k if m * n * k < 300_000 else 9, n))
    # a few more columns than whole vectors have, computed with them or apart
    shapes += [
        (m, k, n + more) for m, k in ((13, 150), (30, 67), (75, 30)) for n in (8, 16, 48) for more in (1, 3, 7, 9)
    ]
    shapes += [(21, 2 * block + 1, 33), (300, 40, 20)]
    result = []
    for m, k, n in shapes:
        a, b = operand(rng, (m, k), dtype, "ordinary"), operand(rng, (k, n), dtype, "ordinary")
        expected = matmul_rows(np.ascontiguousarray(a.T), b) if over_rows else matmul(a, b)
        result.append(Product(a, b, expected))
    return result


@pytest.mark.parametrize("over_rows", [False, True], ids=["rule1", "rule2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_with_few_columns_write_their_columns_alone(isa: str, dtype: str, over_rows: bool) -> None:
    for number, (a, b, expected) in enumerate(narrow_products(dtype, over_rows)):
        if isa == "generic" and a.size * b.shape[1] > GENERIC_MOST // 8:
            continue
        for layout in range(4):
            result = product_in(
                layout,
                a,
                b,
                over_rows=over_rows,
                beside=(number + layout) % 3,
                threads=1 + (number // 4 + layout) % 2,
            )
            assert_same(result[:, : b.shape[1]], expected, (a.shape, b.shape, layout))
            assert (result[:, b.shape[1] :] == 1).all(), (a.shape, b.shape, layout)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_that_updates_its_weight_takes_the_step_of_its_sums(isa: str, dtype: str) -> None:
    """w = fma(-eta, g, fma(-decay, w, w)), fma(-eta, g, w) without decay; -0 stays -0; other columns are left alone."""
    rng = np.random.default_rng(13)
    for number, (a, b, g) in enumerate(products(dtype, True) + narrow_products(dtype, True)):
        if a.shape[1] == 0 or (isa == "generic" and a.size * b.shape[1] > GENERIC_MOST // 4):
            continue
        w = operand(rng, g.shape, dtype, "ordinary")
        w[::3] *= 0.0  # +0 and -0
        if np.isfinite(a).all():
            b, g = b.copy(), g.copy()
            b[:, ::5] = g[:, ::5] = 0.0  # gradients of +0 keep the sign of a weight's zero
        eta, decay = np.array([(0.1, 0.0), (0.03, 1e-4)][number % 2], dtype)
        expected = fma(-eta, g, fma(-decay, w, w) if decay else w)
        for layout in range(2):
            result = product_in(
                layout,
                a,
                b,
                over_rows=True,
                beside=(number + layout) % 3,
                threads=1 + (number // 4 + layout) % 2,
                finish="update",
                other=w,
                eta=float(eta),
                decay=float(decay),
            )
            assert_same(result[:, : b.shape[1]], expected, (a.shape, b.shape, layout))
            assert (result[:, b.shape[1] :] == 1).all(), (a.shape, b.shape, layout)


FINISHES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": lambda sums, other: sums + other,
    "relu_of_sum": lambda sums, other: elementwise.relu(sums + other),
    "gate": lambda sums, other: elementwise.where_positive(other, sums, np.zeros_like(sums)),
}


@pytest.mark.parametrize("finish", FINISHES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_that_finishes_its_sums_gives_the_maps_of_them(isa: str, dtype: str, finish: str) -> None:
    """`other` is one row, a bias, or a matrix. Both rules are tested, because a product may have several pieces."""
    rng = np.random.default_rng(17)
    cases = [(False, product) for product in products(dtype, False) + narrow_products(dtype, False)]
    cases += [(True, product) for product in products(dtype, True)[:20]]
    for number, (over_rows, (a, b, sums)) in enumerate(cases):
        if isa == "generic" and a.size * b.shape[1] > GENERIC_MOST // 4:
            continue
        other = operand(rng, sums.shape if number % 2 else (1, sums.shape[1]), dtype, "ordinary")
        other[:, ::3] *= 0.0
        if other.size:
            other[-1, -1] = (np.nan, np.inf, -np.inf, 0.0)[number % 4]
        with np.errstate(all="ignore"):
            expected = FINISHES[finish](sums, np.broadcast_to(other, sums.shape))
        for layout in range(4) if number % 5 == 0 else [number % 4]:
            result = product_in(
                layout,
                a,
                b,
                over_rows=over_rows,
                beside=number % 3,
                threads=1 + number % 2,
                finish=finish,
                other=other,
            )
            assert_same(result[:, : b.shape[1]], expected, (a.shape, b.shape, layout, number))
            assert (result[:, b.shape[1] :] == 1).all(), (a.shape, b.shape, layout)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_fma_equals_the_reference_for_extreme_operands(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    any_size = operand(rng, (1, 40), dtype, "extreme")[0]
    pool = np.concatenate([specials(dtype), any_size, np.array([np.inf, np.nan], dtype)])
    x, c = rng.choice(pool, 3000), rng.choice(pool, 3000)
    y = rng.choice(pool, 33)
    # c·1 + (+0) is c (but for −0), then x·y is added to it by one fma.
    result = _core.testing.matmul(np.stack([c, x], axis=1), np.stack([np.ones_like(y), y]))
    start = fma(c, np.ones(1, dtype), np.zeros(1, dtype))
    assert_same(result, fma(x[:, np.newaxis], y, start[:, np.newaxis]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_product_equals_the_reference_on_sampled_elements(dtype: str) -> None:
    rng = np.random.default_rng(7)
    a, b = operand(rng, (311, 1100), dtype, "ordinary"), operand(rng, (1100, 523), dtype, "ordinary")
    i, j = rng.integers(0, 311, 40), rng.integers(0, 523, 40)
    for over_rows in (False, True):
        result = _core.testing.matmul(a, b, over_rows=over_rows)
        sampled = matmul_rows(np.ascontiguousarray(a[i].T), b[:, j]) if over_rows else matmul(a[i], b[:, j])
        assert_same(result[np.ix_(i, j)], sampled, over_rows)


def nearest(exact: Fraction, dtype: str) -> np.floating:
    """The value of dtype nearest to a rational number, ties to even, computed with integers alone."""
    info = np.finfo(dtype)
    scale = Fraction(2) ** (info.minexp - info.nmant)  # of the last bit of a subnormal number
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()  # or one more than the true one
    scale = max(scale, Fraction(2) ** (exponent - info.nmant - 1))
    while magnitude >= scale * 2 ** (info.nmant + 1):
        scale *= 2
    count = round(magnitude / scale)  # Fraction rounds half to even
    overflows = count * scale > Fraction(float(info.max))
    value = np.dtype(dtype).type(float("inf") if overflows else float(count * scale))
    return -value if exact < 0 else value


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_reference_fma_rounds_the_exact_value_once(dtype: str) -> None:
    rng = np.random.default_rng(11)
    pools = [operand(rng, (1, 900), dtype, "extreme")[0] for _ in range(3)]
    a, b, c = (np.concatenate([pool, rng.standard_normal(300).astype(dtype)]) for pool in pools)
    c[::3] = fma(-a[::3], b[::3], np.zeros(1, dtype))  # cancellation leaves the product's rounding error
    c[1::30] = np.nextafter(c[1::30], np.ones(1, dtype))
    c[~np.isfinite(c)] = 1
    result = fma(a, b, c)
    for x, y, z, value in zip(a, b, c, result, strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        if exact != 0:
            assert bits(value) == bits(nearest(exact, dtype)), (x, y, z, value)
        else:
            assert value == 0


def listed_shapes(dtype: str, over_rows: bool, most: int) -> Iterator[tuple[int, int, int]]:
    """Every number of columns that can be few, with rows and depths around vectors, pieces and blocks."""
    rng = np.random.default_rng(9)
    vector, block = _core.testing.tile(dtype)[1] // 2, ROW_BLOCK if over_rows else FEATURE_BLOCK
    for n in range(1, 33):
        depths = rng.choice((1, 2, 3, 4, 5, 17, 64, block - 1, block, block + 1), 3).tolist()
        if n % 7 == 3:
            depths += [2 * block + 3, 9 * block + 1] if over_rows else [2 * block + 3]
        for k in depths:
            for m in rng.choice((1, 3, vector - 1, vector, vector + 1, 2 * vector + 3, 130, 300), 2).tolist():
                if m * n * k <= most:
                    yield m, n, k


@pytest.mark.parametrize("over_rows", [False, True], ids=["rule1", "rule2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_listed_rows_equal_those_of_their_copies(isa: str, dtype: str, over_rows: bool) -> None:
    rng = np.random.default_rng(10)
    done = set()
    for m, n, k in listed_shapes(dtype, over_rows, 100_000 if isa == "generic" else 1_000_000):
        rows, features = (k, m) if over_rows else (m, k)
        b, order = operand(rng, (k, n), dtype, "ordinary"), rng.integers(0, rows + 40, rows)
        for beside, transpose_b in ((0, False), (3, True)):
            x = operand(rng, (rows + 40, features + beside), dtype, "ordinary")[:, :features]
            right = np.ascontiguousarray(b.T) if transpose_b else b
            result = _core.testing.listed_matmul(x, order, right, over_rows, transpose_b)
            if result is None:
                continue
            done.add(n)
            copies = np.ascontiguousarray(x[order].T if over_rows else x[order])
            assert_same(result, _core.testing.matmul(copies, b, over_rows=over_rows), (m, k, n, beside))
    wanted = {1, 2, 7, 10, 14, 20} if isa == "avx512" and dtype == "float32" else {1}
    assert wanted <= done


@pytest.mark.parametrize("over_rows", [False, True], ids=["rule1", "rule2"])
def test_products_of_listed_rows_equal_the_reference(isa: str, over_rows: bool) -> None:
    rng = np.random.default_rng(11)
    x, order = operand(rng, (150, 90), "float32", "extreme"), rng.permutation(150)[:137]
    b = operand(rng, (137 if over_rows else 90, 3), "float32", "ordinary")
    expected = matmul_rows(x[order], b) if over_rows else matmul(x[order], b)
    assert_same(_core.testing.listed_matmul(x, order, b, over_rows), expected)
