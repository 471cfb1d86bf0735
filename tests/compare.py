"""Equal bits: the comparison of all parity tests, their tally, and the instruction sets and threads to compare on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from fastbp import _core

THREADS = (1, 2, 3, 5)
ORDERS = ("descending", "ascending", "any")  # the order in which threads run between two barriers


class Tally:
    """What was compared in this session."""

    comparisons = 0
    elements = 0
    bits = 0  # that differed

    def __str__(self) -> str:
        return f"parity: {self.comparisons:,} comparisons, {self.elements:,} elements, {self.bits:,} bits differed"


TALLY = Tally()


def bits(x: np.ndarray) -> np.ndarray:
    """The bits of x with every NaN the same."""
    x = np.array(x)  # contiguous, and an array even without axes
    if x.dtype.kind == "f":
        x[np.isnan(x)] = np.nan
    return x.view(f"u{x.itemsize}")


def differing(result: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The flat indices at which two arrays of one dtype and shape differ in their bits."""
    if result.tobytes() == expected.tobytes():  # the usual case, fast
        return np.zeros(0, np.int64)
    return np.flatnonzero(bits(result) != bits(expected))


def assert_same(result: Any, expected: Any, what: object = "") -> None:
    """Asserts that dtype, shape and bits are equal, and counts the comparison."""
    result, expected = np.asarray(result), np.asarray(expected)
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape), (what, _core.isa())
    TALLY.comparisons += 1
    TALLY.elements += result.size
    where = differing(result, expected)
    if where.size:
        different = (bits(result) ^ bits(expected)).reshape(-1)
        TALLY.bits += int(np.unpackbits(different.view(np.uint8)).sum())
        places = [tuple(map(int, np.unravel_index(i, result.shape))) for i in where[:5]]
        pairs = [(result[place].item(), expected[place].item()) for place in places]
        raise AssertionError(
            f"{what} ({_core.isa()}, {_core.get_num_threads()} threads): {where.size} of {result.size} elements "
            f"differ, at {places}: (got, expected) = {pairs}"
        )


def every_isa() -> Iterator[str]:
    before = _core.isa()
    try:
        for name in _core.available_isas():
            _core.set_isa(name)
            yield name
    finally:
        _core.set_isa(before)


def everywhere() -> Iterator[tuple[str, int]]:
    """Sets every instruction set of this machine, with 1, 2, 3 and 5 threads. They share even the smallest plan,
    products by rows or by columns; they run at once or, so that a missing barrier shows, one after another."""
    try:
        for threads in THREADS:
            for number, isa in enumerate(every_isa(), start=threads):
                share(threads, columns=number % 2 == 0, order=ORDERS[number % len(ORDERS)])
                yield isa, threads
    finally:
        share_as_usual()


def share(threads: int, *, columns: bool = False, order: str = "any") -> None:
    """From now on so many threads share every stage of all plans."""
    _core.set_num_threads(threads)
    _core.testing.share_always(True, columns=columns)
    _core.testing.order_threads(order)


def share_as_usual() -> None:
    _core.testing.share_always(False)
    _core.testing.order_threads("any")
    _core.set_num_threads(0)


def specials(dtype: str) -> np.ndarray:
    """Zeros, ones, subnormals, limits, infinities and NaN."""
    info = np.finfo(dtype)
    tiny, huge = info.tiny, info.max
    values = [0, 1, 0.5, 2, 3, info.eps, tiny, tiny / 2, tiny * info.eps, 3 * tiny * info.eps, huge, huge / 2, np.inf]
    values += [0.1, np.pi, 17, 88, 104, 709, 746, 1e10]
    return np.array([*values, *(-v for v in values), np.nan], dtype)


def values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Ordinary numbers, numbers of every size and special ones."""
    rng = np.random.default_rng(seed)
    ordinary = rng.normal(size=shape)
    any_size = rng.normal(size=shape) * 2.0 ** rng.integers(-40, 40, size=shape)
    special = specials(dtype)[rng.integers(0, specials(dtype).size, size=shape)]
    kind = rng.random(size=shape)
    return np.asarray(np.where(kind < 0.5, ordinary, np.where(kind < 0.8, any_size, special))).astype(dtype)


def finite(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Numbers whose sums depend on their order."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=shape) * 2.0 ** rng.integers(-8, 8, size=shape)).astype(dtype)
