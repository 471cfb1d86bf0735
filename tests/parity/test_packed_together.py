"""Joint packing: threads that share the columns of a large product pack its first operand together, each a part.

They do so if its rows are 2 KB apart and every thread has more than a block of columns. Here that is the case in the
first layer's forward product, in its weight gradient and in the delta that comes back through the second layer. The
three products use the same buffer.
"""

from __future__ import annotations

from collections.abc import Callable

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, every_isa, share, share_as_usual

FEATURES, UNITS, ROWS = 512, 800, 260  # for up to three threads

OPTIMIZERS: dict[str, Callable[[], bp.Optimizer]] = {
    "plain": lambda: bp.SGD(1e-3, weight_decay=1e-4),
    "momentum": lambda: bp.SGD(1e-3, momentum=0.9),
    "stored": lambda: bp.SGD(1e-3, global_clipnorm=0.5),
}


def trained(optimizer: str) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    x, y = (random.random((2 * ROWS + 130, FEATURES), np.float32) for _ in range(2))
    model = bp.Sequential([bp.Dense(UNITS, activation="relu"), bp.Dense(FEATURES)])
    model.compile(OPTIMIZERS[optimizer](), "mse")
    model.fit(x, y, batch_size=ROWS, epochs=1, verbose=0)  # the last batch has fewer rows
    return [*model.get_weights(), model.predict(x, batch_size=ROWS)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_threads_pack_together_gives_the_bits_of_one_thread(optimizer: str) -> None:
    try:
        for isa in every_isa():
            share(1)
            expected = trained(optimizer)
            for threads, order in ((2, "ascending"), (3, "descending")):
                share(threads, columns=True, order=order)
                for result, wanted in zip(trained(optimizer), expected, strict=True):
                    assert_same(result, wanted, (isa, threads, order))
    finally:
        share_as_usual()
