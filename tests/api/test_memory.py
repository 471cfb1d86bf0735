"""Memory: data larger than memory train from disk, and a failed allocation leaves nothing half done."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from new_process import DONE, SANITIZED, run_python

X = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
LABELS = np.arange(40) % 3


@pytest.fixture(autouse=True)
def no_allocation_fails_afterwards() -> Any:
    yield
    _core.testing.fail_allocation_after(0)


# --- allocations that fail


def network() -> bp.Sequential:
    net = bp.Sequential([bp.Dense(8, activation="relu"), bp.Dropout(0.2), bp.Dense(3, activation="softmax")], seed=1)
    net.compile(bp.SGD(0.1, momentum=0.9), "categorical_crossentropy", ["accuracy"], l2=0.1)
    return net


def built() -> bp.Sequential:
    net = network()
    net.build((6,))
    return net


def fitted() -> bp.Sequential:
    net = network()
    net.optimizer.momentum = 0.0
    net.fit(X, LABELS, batch_size=8, verbose=0)
    net.optimizer.momentum = 0.9  # the velocities do not exist yet
    return net


def minimized(net: bp.Sequential) -> Any:
    x, w = bp.input("x"), bp.parameter(np.ones(6), name="w")
    run = bp.minimize(bp.mean((x @ w) ** 2), {"x": X}, bp.SGD(0.1, momentum=0.5), batch_size=8, epochs=2)
    return w.value, run.history


def evaluated_function(net: bp.Sequential) -> Any:
    x, w = bp.input("x"), bp.parameter(np.ones(6), name="w")
    return bp.function([x], bp.sum(bp.exp(x @ w)), gradients=[w])(X)


WORK: dict[str, Callable[[bp.Sequential], Any]] = {
    "fit": lambda net: net.fit(X, LABELS, batch_size=8, epochs=2, verbose=0, validation_split=0.25).history,
    "predict": lambda net: net.predict(X),
    "evaluate": lambda net: net.evaluate(X, LABELS),
    "train_on_batch": lambda net: net.train_on_batch(X, LABELS),
    "loss_and_gradients": lambda net: net.loss_and_gradients(X, LABELS),
    "minimize": minimized,
    "function": evaluated_function,
}


def bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    return np.asarray(value).tobytes()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("make", [network, built, fitted])
@pytest.mark.parametrize("work", WORK)
def test_whichever_allocation_fails_the_model_is_as_before(work: str, make: Any, threads: int) -> None:
    bp.set_num_threads(threads)
    _core.testing.share_always(threads > 1)
    net = make()
    expected = (
        bits(WORK[work](net)),
        bits(net.get_weights() if net.built else []),
        net._session.steps,
        net._session.epochs,
    )
    for n in range(1, 1000):
        net = make()
        before = bits(net.get_weights()) if net.built else None
        counters = net._session.steps, net._session.epochs
        _core.testing.fail_allocation_after(n)
        try:
            WORK[work](net)
        except MemoryError as error:
            assert "out of memory" in str(error) and "bytes" in str(error)  # noqa: PT017, PT018
            failed = True
        else:
            failed = False
        _core.testing.fail_allocation_after(0)
        if not failed:
            break
        assert (net._session.steps, net._session.epochs) == counters
        if before is not None:
            assert bits(net.get_weights()) == before
        result = (
            bits(WORK[work](net)),
            bits(net.get_weights() if net.built else []),
            net._session.steps,
            net._session.epochs,
        )
        assert result == expected
    assert not failed
    assert n > 1


def test_memory_that_was_had_before_a_failure_is_given_back() -> None:
    net = bp.Sequential([bp.Dense(2000, activation="relu"), bp.Dense(1)])
    x = np.zeros((1000, 6), np.float32)  # 8 MB of activations, and as much again for the gradients
    net.predict(x[:1])
    net.compile("sgd", "mse")
    held = []  # bytes, after each failure
    for turn in range(12):
        _core.testing.fail_allocation_after(1 + turn % 3)
        with pytest.raises(MemoryError):
            net.fit(x, x[:, :1], batch_size=1000, verbose=0)
        gc.collect()
        held.append(_core.testing.allocated()[0])
    assert held[0] > 0  # the weights
    assert held[3:] == held[:-3]


# --- huge pages

HUGE_PAGES = """
    from pathlib import Path
    import fastbp as bp
    import numpy as np

    net = bp.Sequential([bp.Dense(2048), bp.Dense(1)])
    net.compile(bp.SGD(momentum=0.9), "mse")
    net.fit(np.ones((4, 1024), np.float32), np.ones((4, 1), np.float32), verbose=0)
    size = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *words = line.split()
        if name == "Size:":
            size = int(words[0])
        if name == "VmFlags:" and "hg" in words:
            print(size)  # KB
"""


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="the system has none to ask for")
def test_weights_and_gradients_of_8_mb_ask_for_huge_pages() -> None:
    assert sum(map(int, run_python(HUGE_PAGES).split())) >= 2 * 8 * 1024


# --- data larger than memory

LIMITED = """
    import resource, sys
    from pathlib import Path
    import fastbp as bp
    import numpy as np

    def figure(name):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024

    folder, dtype, how, backend = sys.argv[1:]
    bp.set_num_threads(1)
    width = 784
    row_bytes = width * np.dtype(dtype).itemsize
    rows = 3 * 10**9 // row_bytes
    with open(folder + "/x", "wb") as file:
        np.arange(200 * width).reshape(200, width).astype(np.uint8).astype(dtype).tofile(file)
        file.truncate(rows * row_bytes)
    with open(folder + "/y", "wb") as file:
        file.truncate(rows * np.dtype(">i4").itemsize)
    x = np.memmap(folder + "/x", dtype, "r", shape=(rows, width))
    y = np.memmap(folder + "/y", ">i4", "r", shape=(rows,))

    def network():
        net = bp.Sequential([bp.Rescaling(1 / 255), bp.Dense(3, activation="softmax")])
        net.compile(bp.SGD(0.1), "sparse_categorical_crossentropy", backend=backend)
        return net

    class Stop(bp.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 4

    network().fit(np.array(x[:300], np.float32), np.array(y[:300]), verbose=0)  # modules and the like are there now
    resource.setrlimit(resource.RLIMIT_DATA, (figure("VmData") + 150 * 10**6,) * 2)
    before = figure("VmHWM")
    net = network()
    if how == "shuffled":
        net.fit(x, y, verbose=0, callbacks=[Stop()])
    elif how == "split":
        few = 30_000_000 // row_bytes
        net.fit(x[:few], y[:few], verbose=0, validation_split=0.1, shuffle=False)
    else:
        net.build((width,))
        assert net.predict(x[: 10_000_000 // row_bytes]).shape[1] == 3
        assert net.evaluate(x[-100:], y[-100:]) > 0
        net.train_on_batch(x[:100], y[:100])
        net.fit(x, y, verbose=0, check_finite=True, callbacks=[Stop()])
    assert figure("VmHWM") - before < 200e6, figure("VmHWM") - before

    # The same bits as from memory.
    twin, again = network(), network()
    few = x[:256]
    twin.fit(few, y[:256], verbose=0)
    again.fit(np.array(few).astype(np.float32), np.array(y[:256]).astype(np.int64), verbose=0)
    assert twin.get_weights()[0].tobytes() == again.get_weights()[0].tobytes()
    assert twin.get_weights()[0].any()
    print("all of it was checked")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and figures are Linux'")
@pytest.mark.parametrize(
    ("dtype", "how"), [("u1", "shuffled"), ("u1", "split"), (">f4", "split"), (">f8", "others"), ("<f4", "others")]
)
def test_maps_larger_than_memory_are_read_in_place(tmp_path: Path, dtype: str, how: str) -> None:
    assert run_python(LIMITED, tmp_path, dtype, how, "core").endswith(DONE)


@pytest.mark.skipif(SANITIZED, reason="a sanitiser's allocator needs more than the limit")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and figures are Linux'")
def test_the_reference_copies_no_map_either(tmp_path: Path) -> None:
    assert run_python(LIMITED, tmp_path, ">f4", "shuffled", "reference").endswith(DONE)
