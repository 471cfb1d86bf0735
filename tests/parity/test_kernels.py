"""Every kernel but the products gives the reference's bits, on every instruction set of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from compare import assert_same, every_isa, finite, specials, values
from fastbp import _core
from fastbp.reference import elementwise, random, reduce
from fastbp.reference.operations import ELEMENTWISE

kernel = _core.testing

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
WIDTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 67, 131)


# ---- elementwise ----


def reference_map(name: str, operands: list[np.ndarray | None], integer: int, count: float) -> np.ndarray:
    function = getattr(elementwise, name)
    if name in ("power_integer", "maximum_gate", "minimum_gate"):
        return function(*operands, integer)
    if name == "divide_by_count":
        return function(*operands, count)
    return function(*operands)


def check_map(name: str, operands: list[np.ndarray | None], integer: int = 0, count: float = 3.0) -> None:
    shape = np.broadcast_shapes(*(x.shape for x in operands if x is not None))
    expected = np.broadcast_to(reference_map(name, operands, integer, count), shape)
    for _ in every_isa():
        assert_same(kernel.map(name, operands, [count], integer), expected, (name, shape, integer))


def operands_of(name: str, shapes: list[tuple[int, int]], dtype: str) -> list[np.ndarray | None]:
    return [values(shape, dtype, seed) for seed, shape in enumerate(shapes[: ELEMENTWISE[name]])]


@DTYPES
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operations_over_odd_sizes(name: str, dtype: str) -> None:
    for shape in [(1, width) for width in WIDTHS[1:]] + [(0, 3), (3, 0), (5, 1), (3, 10), (4, 64)]:
        check_map(name, operands_of(name, [shape] * 3, dtype))


@DTYPES
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operations_broadcast(name: str, dtype: str) -> None:
    for cols in (1, 5, 19, 67, 150):
        full, row, column, number = (7, cols), (1, cols), (7, 1), (1, 1)
        for shapes in ([full, row, column], [row, full, number], [column, row, full], [number, column, full]):
            check_map(name, operands_of(name, shapes, dtype))


@DTYPES
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operations_of_special_values(name: str, dtype: str) -> None:
    special = specials(dtype)
    operands = [special.reshape(-1, 1), special.reshape(1, -1), values((special.size, special.size), dtype, 3)]
    check_map(name, operands[: ELEMENTWISE[name]])
    check_map(name, [x[:, ::-1].copy() for x in operands[: ELEMENTWISE[name]]])


def product_or_zero_of_numbers(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The definition, one Python float64 product at a time: exact for float32 factors, then rounded to the dtype."""
    with np.errstate(all="ignore"):
        of = np.vectorize(lambda x, y: 0.0 if x == 0 or y == 0 else float(x) * float(y), otypes=[np.float64])
        return of(a, b).astype(a.dtype)


@DTYPES
@pytest.mark.parametrize("hidden", [None, np.inf, -np.inf, np.nan])
def test_products_with_a_factor_of_zero_are_plus_zero(hidden: float | None, dtype: str) -> None:
    """Long rows of numbers, zeros of both signs and products that underflow, with at most one Inf or NaN in them."""
    tiny = float(np.finfo(dtype).smallest_subnormal)
    few = np.array([0.0, -0.0, tiny, -tiny, 0.25, -3.0, 1e30, -1e-30], dtype)
    rng = np.random.default_rng(0)
    places = (None,) if hidden is None else (0, 17, 63, 64, 149)
    for shapes in [((2, 150), (2, 150)), ((2, 1), (2, 150)), ((2, 150), (2, 1)), ((1, 150), (2, 150))]:
        for place in places:
            a, b = (rng.choice(few, shape) for shape in shapes)
            if place is not None:
                a[0, place % a.shape[1]] = hidden
                b[0, place % b.shape[1]] = 0.0 if place % 2 else -0.0
            expected = product_or_zero_of_numbers(*np.broadcast_arrays(a, b))
            for first, second in ((a, b), (b, a)):
                check_map("product_or_zero", [first, second])
                for _ in every_isa():
                    found = kernel.map("product_or_zero", [first, second], [0.0], 0)
                    assert_same(found, expected, (shapes, place))


@DTYPES
def test_elementwise_operations_read_rows_of_wider_arrays(dtype: str) -> None:
    wide = values((6, 40), dtype, 0)
    check_map("add", [wide[:, 3:20], wide[::-1, 20:37]])
    check_map("exp", [wide[1::2, 8:19]])


@DTYPES
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 8, 63, 1000, -1, -2, -7, 2**40 + 1])
def test_integer_powers(n: int, dtype: str) -> None:
    check_map("power_integer", [np.concatenate([specials(dtype), values((90,), dtype, 1)]).reshape(1, -1)], n)


@DTYPES
@pytest.mark.parametrize("name", ["maximum_gate", "minimum_gate"])
def test_gates_of_the_second_operand(name: str, dtype: str) -> None:
    check_map(name, operands_of(name, [(5, 37)] * 3, dtype), integer=1)


@DTYPES
def test_counts_divide(dtype: str) -> None:
    check_map("divide_by_count", [values((3, 50), dtype, 1)], count=59049.0)


@DTYPES
def test_copies_broadcast(dtype: str) -> None:
    full = np.zeros((6, 21), dtype)  # a second operand, not read, that gives the result's shape
    for shape in ((6, 21), (1, 21), (6, 1), (1, 1)):
        x = values(shape, dtype, 5)
        for _ in every_isa():
            assert_same(kernel.map("copy", [x, full]), elementwise.copy(x, full.shape), shape)


@DTYPES
def test_the_probability_of_a_cross_entropy_is_not_read(dtype: str) -> None:
    z, y = values((9, 13), dtype, 0), values((9, 13), dtype, 1)
    check_map("sigmoid_cross_entropy", [z, None, y])


# ---- along rows ----

OF_ONE = ["row_sum", "row_max", "row_first_max", "row_argmax", "softmax", "log_softmax", "logsumexp"]


def check_row(name: str, operands: list[np.ndarray | None]) -> None:
    expected = getattr(reduce, name)(*operands)
    for _ in every_isa():
        assert_same(kernel.row(name, operands), expected, (name, [x.shape for x in operands if x is not None]))


def cases_along_rows(dtype: str, width: int) -> Iterator[np.ndarray]:
    yield finite((19, width), dtype, width)
    yield values((18, width), dtype, width)
    yield finite((5, width + 9), dtype, 1)[:, 4 : 4 + width]
    yield np.full((2, width), -np.inf, dtype)
    signs = np.where(np.random.default_rng(width).random((4, width)) < 0.5, -0.0, 0.0).astype(dtype)
    yield signs
    yield np.zeros((0, width), dtype)


@DTYPES
@pytest.mark.parametrize("name", OF_ONE)
def test_kernels_along_rows(name: str, dtype: str) -> None:
    for width in (*WIDTHS, 1000):
        for x in cases_along_rows(dtype, width):
            check_row(name, [x])


@DTYPES
def test_the_first_of_equal_maxima_is_chosen(dtype: str) -> None:
    ties = np.random.default_rng(0).integers(0, 3, (50, 37)).astype(dtype)
    nans = ties.copy()
    nans[::2, 20:25] = np.nan
    for x in (ties, nans):
        check_row("row_first_max", [x])
        check_row("row_argmax", [x])


@DTYPES
def test_cross_entropies(dtype: str) -> None:
    for width in (*WIDTHS, 300):
        for x in cases_along_rows(dtype, width):
            targets = np.abs(finite(x.shape, dtype, 7))
            check_row("softmax_cross_entropy", [x, None, targets])
            check_row("softmax_cross_entropy", [x, None, values(x.shape, dtype, 8)])


def labels(rows: int, width: int, dtype: str) -> np.ndarray:
    """Labels, most of them valid."""
    rng = np.random.default_rng(width)
    outside = np.array([-1, width, np.nan, np.inf, -np.inf, 1e30, 0.5, -0.0])
    inside = rng.integers(0, max(width, 1), rows)
    return np.where(rng.random(rows) < 0.7, inside, outside[rng.integers(0, outside.size, rows)]).astype(dtype)


@DTYPES
def test_kernels_with_labels(dtype: str) -> None:
    for width in WIDTHS:
        x, label = values((40, width), dtype, width), labels(40, width, dtype)
        check_row("sparse_softmax_cross_entropy", [x, None, label])
        check_row("pick", [x, label])
        expected = reduce.one_hot(label, width)
        for _ in every_isa():
            assert_same(kernel.row("one_hot", [label], width), expected)


# ---- over rows and of everything ----


@DTYPES
def test_sums_and_maxima_over_rows(dtype: str) -> None:
    shapes = [(rows, 3) for rows in (0, 1, 127, 128, 129, 255, 256, 257, 511, 512, 640, 1025, 1700)]
    for shape in [*shapes, *((rows, width) for rows in (100, 300) for width in (*WIDTHS, 64, 256)), (10000, 1)]:
        wider = finite((shape[0], shape[1] + 5), dtype, 3)
        for x in (finite(shape, dtype, 1), values(shape, dtype, 2), wider[:, 2:-3]):
            total, most = reduce.sum_over_rows(x), reduce.max_over_rows(x)
            for _ in every_isa():
                assert_same(kernel.over_rows("sum", x), total, shape)
                assert_same(kernel.over_rows("max", x), most, shape)


@DTYPES
def test_sums_and_maxima_of_everything(dtype: str) -> None:
    for n in (*WIDTHS, 4095, 4096, 4097, 8192, 12288, 12289, 50001):
        for x in (finite((n,), dtype, n), values((n,), dtype, n)):
            total, most = reduce.sum_flat(x), reduce.max_flat(x)
            for _ in every_isa():
                assert_same(kernel.flat("sum", x), total, n)
                assert_same(kernel.flat("max", x), most, n)


# ---- random numbers ----


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_answers(counter: list[int], key: list[int], expected: list[int]) -> None:
    assert random.philox(np.array(counter), (key[0], key[1])).tolist() == expected
    for _ in every_isa():
        assert kernel.philox(counter, key) == expected


@DTYPES
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.999, 1.0 - 2.0**-18, 1.0 - 2.0**-16])
def test_dropout(rate: float, dtype: str) -> None:
    seed, stream, step = 0xFEDCBA9876543210, random.stream_of(random.DROPOUT_ELSEWHERE, 5), 2**32 - 2
    for rows, cols in [(0, 5), (4, 0), (100, 1), (33, 10), (7, 8), (3, 300), (2, 513), (1, 1024), (40, 17)]:
        x = values((rows, cols), dtype, cols)
        row_ids = np.random.default_rng(1).integers(0, 2**32, rows)
        for first_col in (0, 64):
            expected = random.dropout(x, rate, seed, row_ids, stream, step, first_col)
            for _ in every_isa():
                assert_same(kernel.dropout(x, rate, seed, row_ids, stream, step, first_col), expected, (rows, cols))


def test_dropout_drops_about_its_rate_and_everything_at_the_end() -> None:
    x = np.ones((1000, 100), np.float32)
    ids = np.arange(1000)
    kept = random.dropout(x, 0.3, 1, ids, 0, 0) != 0
    assert abs(kept.mean() - 0.7) < 0.01
    assert not random.dropout(x, 1.0 - 2.0**-18, 1, ids, 0, 0).any()
    assert (random.dropout_threshold(0.0), random.dropout_threshold(0.5)) == (0, 32768)


def test_a_part_of_a_wider_dropout_is_that_part() -> None:
    x = finite((5, 100), "float32", 0)
    ids = np.array([3, 1, 4, 1, 5])
    whole = random.dropout(x, 0.4, 9, ids, 77, 3)
    for _ in every_isa():
        assert_same(kernel.dropout(x[:, 40:90], 0.4, 9, ids, 77, 3, 40), whole[:, 40:90].copy())


@DTYPES
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_dropout_of_an_exact_number(share: float, dtype: str) -> None:
    for rows, width in [(0, 5), (40, 1), (33, 10), (7, 8), (3, 300), (2, 513), (2, 70000)]:  # the last has ties
        x = values((rows, width), dtype, width)
        x[x == 0] = 1  # so that zeros can be counted
        row_ids = np.random.default_rng(2).integers(0, 2**32, rows)
        dropped = random.dropout_count(share, width)
        expected = random.dropout_exact(x, dropped, 11, row_ids, 77, 3, 1.75)
        assert (np.count_nonzero(expected == 0, axis=1) == dropped).all()
        for _ in every_isa():
            for first, last in [(0, width), (width // 16 * 8, width)]:
                part = kernel.dropout(x[:, first:last], 1 - 1 / 1.75, 11, row_ids, 77, 3, first, width, dropped)
                assert_same(part, np.ascontiguousarray(expected[:, first:last]), (rows, width, first))


def test_of_equal_keys_the_first_elements_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "_blocks", lambda seed, block, row, *_: np.zeros((len(row), block.size, 4), np.int64))
    kept = random.dropout_exact(np.ones((2, 6)), 2, 0, np.arange(2), 0, 0, 1.0)
    assert kept.tolist() == [[0, 0, 1, 1, 1, 1]] * 2


def test_a_tie_of_keys_is_cut_at_its_first_element() -> None:
    width, ids = 2**18, np.array([6])  # 2^36 / 2 pairs of 32-bit keys: about eight are equal
    keys = random._blocks(3, np.arange(width // 4), 6, 77, 3).reshape(-1)
    ranks = np.argsort(keys, kind="stable")
    tie = int(np.flatnonzero(np.diff(keys[ranks]) == 0)[0])
    first, second = ranks[tie : tie + 2]
    x = np.ones((1, width), np.float32)
    expected = random.dropout_exact(x, tie + 1, 3, ids, 77, 3, 1.0)
    assert (expected[0, first], expected[0, second]) == (0, 1)
    between = (int(first) // 8 + 1) * 8  # a part that begins after the first of the two
    assert between <= second
    for _ in every_isa():
        assert_same(kernel.dropout(x, 0.0, 3, ids, 77, 3, 0, width, tie + 1), expected, "whole")
        part = kernel.dropout(x[:, between:], 0.0, 3, ids, 77, 3, between, width, tie + 1)
        assert_same(part, expected[:, between:].copy(), "part")


def test_uniform_and_normal_numbers() -> None:
    seed, ordinal = 0x123456789ABCDEF0, 3
    stream = random.stream_of(random.INITIAL_WEIGHTS, ordinal)
    uniform, normal = random.uniform(seed, ordinal, 1000), random.normal(seed, ordinal, 1000)
    low, high = 0.02275013194817921, 0.9772498680518208
    truncated = random.normal(seed, ordinal, 1000, low, high)
    assert abs(truncated).max() < 2
    for _ in every_isa():
        for first, n in [(0, 1000), (0, 0), (1, 1), (7, 130), (64, 63), (999, 1)]:
            part = slice(first, first + n)
            assert_same(kernel.random(False, seed, 0, stream, 0, first, n), uniform[part])
            assert_same(kernel.random(True, seed, 0, stream, 0, first, n), normal[part])
            assert_same(kernel.random(True, seed, 0, stream, 0, first, n, low, high), truncated[part])


def test_normal_numbers_follow_the_normal_distribution() -> None:
    x = random.normal(1, 0, 40000)
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    quantiles = {0.5: 0.0, 0.975: 1.959963984540054, 1e-10: -6.361340902404056, 1e-300: -37.0471}
    for p, z in quantiles.items():
        assert abs(random.normal_quantile(np.array([p]))[0] - z) <= 1e-6 * max(1.0, abs(z))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 20, 63, 64, 66, 511, 512, 513, 514, 515, 1025, 4000])
def test_shuffles_of_few_and_many_rows(n: int) -> None:
    expected = [random.shuffle(seed, epoch, n) for seed, epoch in [(0, 0), (2**40 + 7, 3)]]
    for _ in every_isa():
        for (seed, epoch), order in zip([(0, 0), (2**40 + 7, 3)], expected, strict=True):
            assert kernel.shuffle(seed, epoch, n) == order.tolist(), (seed, epoch, n)


def test_shuffles_are_permutations_that_differ_by_seed_and_epoch() -> None:
    orders = [random.shuffle(seed, epoch, 1000) for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    for order in orders:
        assert order.dtype == np.int64
        assert np.array_equal(np.sort(order), np.arange(1000))
    assert len({order.tobytes() for order in orders}) == 3
    assert [random.shuffle(0, 0, n).tolist() for n in (0, 1)] == [[], [0]]


# ---- gathering ----

ELEMENTS = ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"]


def exactly_converted(source: np.ndarray, dtype: str) -> np.ndarray:
    """`source` in dtype. Integers of 64 bits become float32 by Python's integers: half to even at 24 bits."""
    if dtype == "float64" or source.dtype.kind not in "iu" or source.itemsize < 8:
        return source.astype(dtype)

    def rounded(value: int) -> float:
        shift = max(abs(value).bit_length() - 24, 0)
        whole, rest = divmod(abs(value), 2**shift)
        half = 2 ** (shift - 1) if shift else 1
        whole += rest > half or (rest == half and whole % 2 == 1)
        return float(whole * 2**shift) * (-1 if value < 0 else 1)

    return np.array([rounded(int(v)) for v in source.reshape(-1)], dtype).reshape(source.shape)


def any_source(element: str, shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(4)
    if element == "?":
        return rng.random(shape) < 0.5
    source = rng.integers(0, 256, (*shape, np.dtype(element).itemsize), np.uint8).view(element)[..., 0]
    if source.dtype.kind in "iu" and source.itemsize == 8:
        source = source >> rng.integers(0, 60, shape).astype(element)
        # At and next to the midpoint of two float32, where a rounding to float64 on the way shows.
        bits = np.iinfo(element).bits - (source.dtype.kind == "i")
        middles = [2**e + 2 ** (e - 24) * odd + d for e in range(24, bits) for odd in (1, 3) for d in (-1, 0, 1)]
        signed = [np.iinfo(element).max, np.iinfo(element).min, *middles]
        if source.dtype.kind == "i":
            signed += [-middle for middle in middles]
        count = source.size // 2
        source.flat[:count] = rng.permutation(np.array(signed, element))[:count]
    return source


@DTYPES
@pytest.mark.parametrize("element", ELEMENTS)
def test_gathering(element: str, dtype: str) -> None:
    for cols in (1, 3, 4, 7, 16, 21, 37):
        source = any_source(element, (50, cols))
        index = np.random.default_rng(0).integers(0, 50, 33)
        layouts = [source, np.asfortranarray(source), source[::-1, ::-1], np.repeat(source, 2, axis=1)[:, ::2]]
        for layout in layouts:
            with np.errstate(all="ignore"):
                expected = exactly_converted(layout, dtype)
            for _ in every_isa():
                assert_same(kernel.gather(layout, None, dtype), expected, (element, cols))
                assert_same(kernel.gather(layout, index, dtype), expected[index], (element, cols))


def test_every_half_is_converted_exactly() -> None:
    source = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
    for dtype in ("float32", "float64"):
        with np.errstate(invalid="ignore"):  # NumPy may warn of signalling NaNs
            expected = source.astype(dtype)
        for _ in every_isa():
            assert_same(kernel.gather(source, None, dtype), expected)


def test_unaligned_records_are_gathered() -> None:
    records = np.zeros(20, np.dtype([("tag", "u1"), ("x", "f8", 3)]))
    records["x"] = np.random.default_rng(0).normal(size=(20, 3))
    for _ in every_isa():
        assert_same(kernel.gather(records["x"], None, "float32"), records["x"].astype(np.float32))
