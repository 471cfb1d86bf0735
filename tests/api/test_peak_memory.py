"""The peak memory of a large network: bytes of the core's buffers and of Python's allocations.

The bytes are counted, not measured, because a system's allocator may keep freed memory.
"""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core

SIZES = (512, 2048, 1024, 10)
WEIGHTS = 4 * sum((a + 1) * b for a, b in pairwise(SIZES))  # bytes: 12.6 MB, far more than any scratch
BATCH, ROWS = 64, 192
X = np.random.default_rng(0).random((ROWS, SIZES[0]), np.float32)
LABELS = (np.arange(ROWS) % SIZES[-1]).astype(np.uint8)


class Kind(NamedTuple):
    make: Callable[[], bp.Optimizer]
    states: int  # numbers that it keeps per weight
    gradients: int  # 1 if the gradients are stored


OPTIMIZERS = {
    "SGD": Kind(lambda: bp.SGD(0.01), 0, 0),
    "momentum": Kind(lambda: bp.SGD(0.01, momentum=0.9, nesterov=True), 1, 0),
    "Adam with an average": Kind(lambda: bp.Adam(use_ema=True), 3, 0),
    "norms are clipped": Kind(lambda: bp.SGD(0.01, global_clipnorm=1.0), 0, 1),
}


class Peak:
    """Bytes above those at the start: the peak in Python plus the peak in the core."""

    bytes = 0


@contextmanager
def measured() -> Iterator[Peak]:
    peak = Peak()
    gc.collect()  # or garbage of earlier tests could go while this measures
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] + _core.testing.allocated()[0]
    _core.testing.forget_most_allocated()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1] + _core.testing.allocated()[1] - before
    finally:
        tracemalloc.stop()


def network(optimizer: str = "SGD") -> bp.Sequential:
    hidden = [bp.Dense(size, activation="relu") for size in SIZES[1:-1]]
    net = bp.Sequential([bp.Input(SIZES[:1]), *hidden, bp.Dense(SIZES[-1], activation="softmax")])
    net.compile(OPTIMIZERS[optimizer].make(), "sparse_categorical_crossentropy")
    return net


def fit(net: bp.Sequential) -> None:
    net.fit(X, LABELS, batch_size=BATCH, verbose=0)


@pytest.fixture(autouse=True, scope="module")
def what_is_made_once_is_there() -> None:
    net = bp.Sequential([bp.Dense(2, activation="relu")])
    net.compile(bp.Adam(use_ema=True), "mse")
    net.fit(X[:, :3], X[:, :2], verbose=0)
    copy.deepcopy(pickle.loads(pickle.dumps(net)))


def test_the_counters_see_both_sides() -> None:
    with measured() as numpy:
        np.ones(10**6, np.uint8)
    assert 10**6 <= numpy.bytes < 1.01 * 10**6
    parameters, value = _core.Parameters("float32"), np.ones(250_000, np.float32)
    with measured() as core:
        parameters.add(value)
    assert 10**6 <= core.bytes < 1.01 * 10**6
    before = _core.testing.allocated()[0]
    del parameters
    assert _core.testing.allocated()[0] == before - 10**6


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_takes_weights_gradients_states_and_a_batch(optimizer: str, threads: int) -> None:
    bp.set_num_threads(threads)
    _core.testing.share_always(threads > 1)
    activations = 4 * BATCH * sum(SIZES)
    kind = OPTIMIZERS[optimizer]
    beside = kind.gradients + kind.states  # numbers stored per weight, besides itself
    packed = 800_000 * threads  # for packed operands of products
    allowed = 8 * ROWS + 1.15 * ((1 + beside) * WEIGHTS + activations) + packed
    net = network(optimizer)
    with measured() as building:
        net.build()
    with measured() as training:
        fit(net)
    assert WEIGHTS <= building.bytes < 1.1 * WEIGHTS
    assert beside * WEIGHTS <= training.bytes <= allowed - WEIGHTS


@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal", "random_normal", "zeros"])
def test_a_drawn_weight_is_there_once(initializer: str) -> None:
    layer = bp.Dense(1000, kernel_initializer=initializer)
    with measured() as peak:
        bp.Sequential([bp.Input((1000,)), layer]).build()
    assert 4 * 10**6 <= peak.bytes < 1.1 * 4 * 10**6


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_pickle_or_a_copy_makes_one_copy(optimizer: str) -> None:
    net = network(optimizer)
    fit(net)
    kept = (1 + OPTIMIZERS[optimizer].states) * WEIGHTS
    with measured() as pickled:
        dumped = pickle.dumps(net, protocol=5)  # other protocols make NumPy copy
    assert kept <= pickled.bytes < 1.6 * kept  # pickle's buffer grows by half at a time
    assert kept < len(dumped) < 1.1 * kept
    with measured() as copied:
        again = copy.deepcopy(net)
    assert kept <= copied.bytes < 1.1 * kept
    fit(net)
    fit(again)
    assert [w.tobytes() for w in again.get_weights()] == [w.tobytes() for w in net.get_weights()]


def test_weights_are_copied_once_on_their_way_out_and_not_before_they_are_in() -> None:
    net = network()
    net.build()
    with measured() as got:
        weights: list[Any] = net.get_weights()
    assert WEIGHTS <= got.bytes < 1.05 * WEIGHTS
    with measured() as taken:
        net.set_weights(weights)
    assert taken.bytes < 0.05 * WEIGHTS
