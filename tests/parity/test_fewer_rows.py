"""A plan made for many rows runs fewer; these may be packed in another way and need more scratch than it allocated."""

from __future__ import annotations

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, everywhere, share, share_as_usual
from fastbp import _core


def compiled(units: int, dtype: str = "float32", backend: str = "core") -> bp.Sequential:
    hidden = [bp.Dense(units, activation="tanh"), bp.Dense(units, activation="relu")]
    model = bp.Sequential([*hidden, bp.Dense(1)], dtype=dtype)
    model.compile(bp.SGD(0.01), "mse", backend=backend)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(64, 21, 13, 33), (130, 43, 6, 65), (129, 3, 14, 32), (40, 1, 29, 31)])
def test_a_short_last_batch_equals_the_reference(shape: tuple[int, int, int, int], dtype: str) -> None:
    rows, fewer, features, units = shape
    random = np.random.default_rng(rows)
    x, y = random.normal(size=(rows + fewer, features)), random.normal(size=(rows + fewer, 1))

    def outcome(backend: str) -> list[np.ndarray]:
        model = compiled(units, dtype, backend)
        model.fit(x, y, batch_size=rows, epochs=2, verbose=0)
        return [*model.get_weights(), model.predict(x, batch_size=rows)]

    expected = outcome("reference")
    for place in everywhere():
        for result, wanted in zip(outcome("core"), expected, strict=True):
            assert_same(result, wanted, place)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_that_are_packed_as_a_whole_where_more_are_not(threads: int) -> None:
    """4,096 rows of 1,024 numbers are packed a few at a time, but 1,000 all at once, which takes 4 MB more scratch."""
    random = np.random.default_rng(0)
    x, y = random.random((5096, 1024), np.float32), random.random((5096, 1), np.float32)
    share(threads)
    try:
        model, again = compiled(300), compiled(300)
        model.fit(x, y, batch_size=4096, shuffle=False, verbose=0)
        again.fit(x[:4096], y[:4096], batch_size=4096, shuffle=False, verbose=0)
        after = compiled(300)
        after.build((1024,))
        after.set_weights(again.get_weights())
        after.fit(x[4096:], y[4096:], batch_size=1000, shuffle=False, verbose=0)  # a plan of its own
        for result, wanted in zip(model.get_weights(), after.get_weights(), strict=True):
            assert_same(result, wanted, threads)
    finally:
        share_as_usual()


def test_batches_that_grow_again_and_again_keep_little_scratch() -> None:
    """Each size needs more than the one before; the last needs 13 MB for packed rows and 3 MB for sums."""
    random = np.random.default_rng(0)
    x, y = random.random((4096, 1024), np.float32), random.random((4096, 1), np.float32)
    share(1)
    try:
        model = compiled(300)
        model.train_on_batch(x, y)
        before = _core.testing.allocated()[0]
        for rows in range(400, 2800, 100):
            model.train_on_batch(x[:rows], y[:rows])
        taken = _core.testing.allocated()[0] - before
        assert 13e6 < taken < 20e6, taken
    finally:
        share_as_usual()
