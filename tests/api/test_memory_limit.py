"""The memory that a process may have: read from files, kept to by everything that allocates much."""

from __future__ import annotations

import copy
import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight
from fastbp.reference import evaluate, memory
from fastbp.reference import random as random_numbers
from new_process import DONE, run_python
from random_graphs import RandomGraphs

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the files are Linux'")
MEGABYTE = 1 << 20
UNLIMITED = 2**64 - 1

# --- what the files say

MEMINFO = "MemTotal:       16000000 kB\nMemFree: 7 kB\nSwapTotal:       2000000 kB\nSwapFree: 1 kB\n"
MACHINE, SWAP = 16000000 << 10, 2000000 << 10
GB = 10**9
V1_NONE = "9223372036854771712\n"

LIMITS: dict[str, tuple[dict[str, str], int]] = {
    "no files": ({}, UNLIMITED),
    "a machine": ({"proc/meminfo": MEMINFO}, MACHINE + SWAP),
    "a machine without swap": ({"proc/meminfo": "MemTotal: 1000 kB\nSwapTotal: 0 kB\n"}, 1000 << 10),
    "a group that is not there": ({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/gone\n"}, MACHINE + SWAP),
    "version 2 without a limit": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": "max\n",
            "sys/fs/cgroup/a/memory.swap.max": "max\n",
        },
        MACHINE + SWAP,
    ),
    "version 2 limits both": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": f"{GB}\n",
            "sys/fs/cgroup/a/memory.swap.max": "300\n",
        },
        GB + 300,
    ),
    "version 2 leaves the machine's swap": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": f"{GB}\n",
            "sys/fs/cgroup/a/memory.swap.max": "max\n",
        },
        GB + SWAP,
    ),
    "version 2 does not account swap": (
        {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": f"{GB}\n"},
        GB,
    ),
    "version 2, a group above limits memory and another one swap": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/a/b/c\n",
            "sys/fs/cgroup/a/memory.max": "max\n",
            "sys/fs/cgroup/a/memory.swap.max": "0\n",
            "sys/fs/cgroup/a/b/memory.max": f"{GB}\n",
            "sys/fs/cgroup/a/b/memory.swap.max": "max\n",
            "sys/fs/cgroup/a/b/c/memory.max": f"{2 * GB}\n",
            "sys/fs/cgroup/a/b/c/memory.swap.max": "max\n",
        },
        GB,
    ),
    "version 2, seen from a container": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/on/the/host\n",
            "sys/fs/cgroup/memory.max": f"{GB}\n",
            "sys/fs/cgroup/memory.swap.max": "0\n",
        },
        GB,
    ),
    "a limit above the machine's memory": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": f"{100 * GB}\n",
            "sys/fs/cgroup/a/memory.swap.max": "0\n",
        },
        MACHINE,
    ),
    "a limit where the machine's memory is not known": (
        {
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": f"{GB}\n",
            "sys/fs/cgroup/a/memory.swap.max": "9\n",
        },
        GB,
    ),
    "version 1 without a limit": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/a\n0::/\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": V1_NONE,
        },
        MACHINE + SWAP,
    ),
    "version 1 limits the sum": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/a\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{GB}\n",
            "sys/fs/cgroup/memory/a/memory.memsw.limit_in_bytes": f"{GB + 500}\n",
        },
        GB + 500,
    ),
    "version 1 leaves the machine's swap": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/a\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{GB}\n",
            "sys/fs/cgroup/memory/a/memory.memsw.limit_in_bytes": V1_NONE,
        },
        GB + SWAP,
    ),
    "version 1 does not account swap": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "5:cpu:/b\n4:memory:/a\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{GB}\n",
            "sys/fs/cgroup/memory/b/memory.limit_in_bytes": "5\n",
        },
        GB,
    ),
    "version 1, a hierarchy of two controllers, the mount limits": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:hugetlb,memory:/a/b\n3:cpu,memories:/a\n",
            "sys/fs/cgroup/hugetlb,memory/memory.limit_in_bytes": f"{GB}\n",
            "sys/fs/cgroup/hugetlb,memory/a/b/memory.limit_in_bytes": f"{3 * GB}\n",
            "sys/fs/cgroup/memories/a/memory.limit_in_bytes": "5\n",
        },
        GB,
    ),
    "both versions": (
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/a\n0::/a\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{2 * GB}\n",
            "sys/fs/cgroup/a/memory.max": f"{GB}\n",
        },
        GB,
    ),
    "lines and numbers that make no sense": (
        {
            "proc/meminfo": "MemTotal:\nMemTotal: lots kB\n\nMemTotal: 5 kB\n",
            "proc/self/cgroup": "nothing\n0::/a\n\n:\n",
            "sys/fs/cgroup/a/memory.max": "a lot\n",
        },
        5 << 10,
    ),
}


def written(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder)


@LINUX
@pytest.mark.parametrize("read", [_core.testing.memory_limit, memory.memory_limit], ids=["core", "reference"])
@pytest.mark.parametrize("case", LIMITS)
def test_the_limit(tmp_path: Path, case: str, read: Callable[[str], int]) -> None:
    files, expected = LIMITS[case]
    assert read(written(tmp_path, files)) == expected


PAGE = os.sysconf("SC_PAGE_SIZE")
TAKEN: dict[str, tuple[dict[str, str], int]] = {
    "no files": ({}, 0),
    "pages of its own, none of files": ({"proc/self/statm": "5000 1000 300 1 0 400 0\n"}, 700 * PAGE),
    "shared memory and swapped pages count too": (
        {
            "proc/self/statm": "5000 1000 300 1 0 400 0\n",
            "proc/self/status": "Name:\tx\nVmRSS:\t99 kB\nRssFile:\t88 kB\nRssShmem:\t40 kB\nVmSwap:\t2000 kB\n",
        },
        700 * PAGE + (2040 << 10),
    ),
    "numbers that make no sense": ({"proc/self/statm": "5000 1000 3000\n"}, 0),
}


@LINUX
@pytest.mark.parametrize("read", [_core.testing.memory_taken, memory.memory_taken], ids=["core", "reference"])
@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken(tmp_path: Path, case: str, read: Callable[[str], int]) -> None:
    files, expected = TAKEN[case]
    assert read(written(tmp_path, files)) == expected


QUOTAS: dict[str, tuple[dict[str, str], float]] = {
    "no files": ({}, np.inf),
    "version 2": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5),
    "version 2, none": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, np.inf),
    "version 2, an ancestor": (
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "300000 100000\n",
        },
        0.5,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "2:cpu,cpuacct:/a\n3:memory:/b\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "1\n",
            "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n",
        },
        4.0,
    ),
    "version 1, none": (
        {
            "proc/self/cgroup": "2:cpu:/a\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        },
        np.inf,
    ),
    "version 1, mounted under one controller's name": (
        {
            "proc/self/cgroup": "2:cpu,cpuacct:/a\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        },
        2.5,
    ),
}


@LINUX
@pytest.mark.parametrize("case", QUOTAS)
def test_the_quota_of_processors(tmp_path: Path, case: str) -> None:
    files, expected = QUOTAS[case]
    assert _core.testing.processors_by_quota(written(tmp_path, files)) == expected


@LINUX
def test_of_this_process() -> None:
    assert _core.testing.memory_limit("") == memory.memory_limit()
    before = _core.testing.memory_taken(""), memory.memory_taken()
    kept = np.ones(200 * MEGABYTE, np.uint8)
    for taken, at_first in zip((_core.testing.memory_taken(""), memory.memory_taken()), before):
        assert abs(taken - at_first - kept.nbytes) < 20 * MEGABYTE


FILES = """
    import mmap, sys
    import numpy as np
    from fastbp import _core
    from fastbp.reference import memory

    before = _core.testing.memory_taken("")
    x = np.memmap(sys.argv[1], np.uint8, "w+", shape=(300 << 20,))
    x[::4096] = 1
    assert int(x.sum(dtype=np.int64)) > 0
    for taken in (_core.testing.memory_taken(""), memory.memory_taken()):
        assert taken - before < 20 << 20, taken - before
    shared = mmap.mmap(-1, 100 << 20)  # anonymous: no file from which the pages could come back
    np.frombuffer(shared, np.uint8)[::4096] = 1
    for taken in (_core.testing.memory_taken(""), memory.memory_taken()):
        assert (99 << 20) < taken - before < (120 << 20), taken - before
    print("all of it was checked")
"""


@LINUX
def test_pages_of_files_are_not_taken_and_shared_memory_is(tmp_path: Path) -> None:
    assert run_python(FILES, tmp_path / "map").endswith(DONE)


# --- what keeps to it


@pytest.fixture
def little_memory() -> Iterator[None]:
    """As if this process could have 300 MB more."""
    gc.collect()  # what is freed meanwhile would be left too
    taken = memory.memory_taken()
    _core.testing.limit_memory(taken + 300 * MEGABYTE)
    memory.Limit.known = taken + 300 * MEGABYTE
    yield
    _core.testing.limit_memory(0)
    memory.Limit.known = None


@LINUX
@pytest.mark.parametrize("ask", [_core.require_memory, reference.require_memory], ids=["core", "reference"])
def test_more_than_is_left_is_refused(little_memory: None, ask: Callable[[int], None]) -> None:
    ask(250 * MEGABYTE)
    with pytest.raises(MemoryError, match=r"out of memory: \d+ bytes \(0\.4 GiB\) are more than the 0\.\d GiB"):
        ask(400 * MEGABYTE)
    kept = np.ones(200 * MEGABYTE, np.uint8)
    with pytest.raises(MemoryError, match="out of memory"):
        ask(250 * MEGABYTE)
    del kept
    ask(250 * MEGABYTE)
    ask(0)


PROMISED = """
    import gc
    import numpy as np
    from fastbp import _core
    from fastbp.reference import memory

    gc.collect()
    taken = memory.memory_taken()
    assert taken < 150 << 20, taken  # else promises hide behind what is taken already
    _core.testing.limit_memory(300 << 20)
    parameters, refused = _core.Parameters("float32"), []

    def fill():
        try:
            _core.require_memory(150 << 20)
        except MemoryError:
            refused.append(True)
        yield np.zeros(50 << 20, np.float32)

    parameters.add_parts([50 << 20], fill(), "w")  # 200 MB
    assert refused == [True]
    print("all of it was checked")
"""


@LINUX
def test_promised_buffers_count_before_they_are_touched() -> None:
    """In a process of its own, where little is taken."""
    assert run_python(PROMISED) == DONE


def many(*shape: int, of: Any = np.float32) -> np.ndarray:
    """Ones that take no memory before they are copied."""
    return np.broadcast_to(np.ones((), of), shape)


def network(*layers: Any, inputs: int = 1, backend: str = "core", optimizer: Any = "sgd") -> bp.Sequential:
    net = bp.Sequential([bp.Input((inputs,)), *layers])
    net.compile(optimizer, "mse", backend=backend)
    return net


class Hooks(bp.Callback):
    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None: ...


def with_parameter(size: int) -> Any:
    parameters = _core.Parameters("float32")
    parameters.add_parts([size], (np.ones(1000, np.float32) for _ in range(size // 1000)), "w")
    return parameters


def large_net(backend: str = "core") -> bp.Sequential:
    net = network(bp.Dense(40_000_000, use_bias=False), backend=backend)  # 160 MB
    net.build()
    return net


def trained_net() -> bp.Sequential:
    net = network(bp.Dense(18_000_000, use_bias=False), optimizer=bp.SGD(0.1, momentum=0.9))  # twice 72 MB
    net.train_on_batch(many(1, 1), many(1, 18_000_000))
    return net


def trainer_of(parameters: Any) -> Any:
    graph = _core.Graph()
    w = graph.add("parameter", [], [0, *parameters.get(0, copy=False).shape], [], "w")
    cost = graph.add("sum", [graph.add("multiply", [w, w])], [0, 0])
    trainer = _core.Trainer(graph, cost, [], parameters, [TrainedWeight(w)], {"name": "sgd", "momentum": 0.9}, 0)
    trainer.step([])  # so that the state was touched
    return trainer


def variance(y: Any, p: Any) -> Any:
    """Its rows need a sum over all rows, so that the whole batch is in memory."""
    return bp.mean((p - bp.mean(p)) ** 2) + bp.mean(y * 0.0)


def validating() -> bp.Sequential:
    net = bp.Sequential([bp.Input((1,)), bp.Dense(9, activation="tanh")])
    net.compile("sgd", variance)
    return net


def two_outputs() -> Any:
    x = bp.input("x", (1,))
    return bp.Model(x, [bp.Dense(30)(x), bp.Dense(30)(x)])


FLIP = bp.augment.RandomFlip(0.5, image_shape=(1, 1))
X29 = many(2**29)
REFUSED: dict[str, Callable[[], Any]] = {
    "a parameter": lambda: bp.parameter(X29),
    "a parameter's value": lambda: setattr(bp.Parameter(shape=(2**29,)), "value", X29),
    "a copy of a value": lambda: with_parameter(40_000_000).get(0),
    "a constant": lambda: bp.input("x") * X29,
    "a constant's numbers": lambda: bp.function([], bp.sum(bp.parameter(1.0) * many(6_000_000)))(),
    "Parameters.add": lambda: _core.Parameters("float32").add(many(2**29, of=np.uint8)),
    "Parameters.add of objects": lambda: _core.Parameters("float32").add(many(2**29, of=object)),
    "Parameters.add in the reference": lambda: reference.Parameters("float32").add(X29),
    "Parameters.set": lambda: with_parameter(40_000_000).set(0, many(40_000_000)),
    "set_weights": lambda: large_net().set_weights([many(1, 40_000_000)]),
    "a deep copy": lambda: copy.deepcopy(large_net()),
    "a deep copy of an optimiser's state": lambda: copy.deepcopy(trained_net()),
    "get_weights": lambda: large_net().get_weights(),
    "state": lambda: trainer_of(with_parameter(27_000_000)).state(),
    "set_state": lambda: trainer_of(with_parameter(27_000_000)).set_state({"velocity": [many(27_000_000)]}),
    "predict(samples=)": lambda: network(bp.Dropout(0.5)).predict(many(2**22, 1), dropout=True, samples=100),
    "predict with hooks": lambda: network(bp.Dense(200)).predict(many(2**20, 1), callbacks=[Hooks()]),
    "predict of several outputs": lambda: two_outputs().predict(many(2_000_000, 1)),
    "one large batch": lambda: validating().evaluate(many(2**24, 1), many(2**24, 9), batch_size=2**24),
    "long doubles": lambda: network(bp.Dense(1)).predict(many(2**28, 1, of=np.longdouble)),
    "the order of fit": lambda: network(bp.Dense(1)).fit(many(2**26, 1), many(2**26, 1), verbose=0),
    "the order of minimize": lambda: bp.minimize(
        bp.mean((bp.input("x") * bp.parameter(1.0)) ** 2), {"x": many(2**26)}, batch_size=32
    ),
    "rows that validate": lambda: network(bp.Dense(1), inputs=100).fit(
        many(2**20, 100), many(2**20, 1), validation_split=0.5, validation_seed=1, verbose=0
    ),
    "rows that validate by classes": lambda: network(bp.Dense(1)).fit(
        many(2**24, 1), many(2**24, 1), validation_split=0.5, stratify=True, verbose=0
    ),
    "an optimiser's state": lambda: network(
        bp.Dense(20_000_000, use_bias=False), bp.Dense(1), optimizer="adam"
    ).train_on_batch(many(1, 1), many(1, 1)),
    "linear_regression": lambda: bp.linear_regression(many(2**27), many(2**27)),
    "the work of linear_regression": lambda: bp.linear_regression(many(2**19, 20), many(2**19)),
    "LinearRegression.predict": lambda: bp.linear_regression([0.0, 1.0], [0.0, 1.0]).predict(many(2**27)),
    "augment": lambda: FLIP(many(2**27, 1)),
    "augment.expand": lambda: bp.augment.expand(many(2**22, 1), many(2**22), FLIP, copies=20),
    "augment in the reference": lambda: FLIP(many(2**21, 1), backend="reference"),
    "hessian": lambda: bp.function([], hessian_of(20_000))(),
    "weights_hash": lambda: bp.weights_hash([X29]),
    "stratified_split": lambda: bp.datasets.stratified_split(many(2**25, of=np.uint8), 0.5),
    "an initialiser": lambda: bp.Ones()((2**29,), seed=0, ordinal=0, backend=_core),
    "random numbers": lambda: _core.uniform(0, 0, 2**29),
    "random numbers of the reference": lambda: reference.normal(0, 0, 2**22),
    "a constraint": lambda: bp.MaxNorm(1.0)(many(2**29, 1)),
    "weights in the reference": lambda: network(bp.Dense(2**29), backend="reference").build(),
    "get_weights in the reference": lambda: large_net("reference").get_weights(),
    "predict in the reference": lambda: network(bp.Dense(1), backend="reference").predict(many(2**29, 1)),
    "a batch in the reference": lambda: network(bp.Dense(3), backend="reference").predict(
        many(2**20, 1), batch_size=2**20
    ),
    "the order of fit in the reference": lambda: network(bp.Dense(1), backend="reference").fit(
        many(2**24, 1), many(2**24, 1), verbose=0
    ),
    "an optimiser's state in the reference": lambda: network(
        bp.Dense(10_000_000, use_bias=False), bp.Dense(1), optimizer="adam", backend="reference"
    ).train_on_batch(many(1, 1), many(1, 1)),
}


def hessian_of(size: int) -> Any:
    w = bp.parameter(np.ones(size))
    return bp.hessian(bp.sum(w**2), w)


def peak() -> int:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) << 10


@LINUX
@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_before_it_is_touched(little_memory: None, case: str) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    before = peak()
    with pytest.raises(MemoryError, match="out of memory"):
        REFUSED[case]()
    assert peak() - before < 320 * MEGABYTE


@LINUX
def test_memory_for_validation_is_asked_for_before_the_first_step(little_memory: None) -> None:
    net, few, rows = validating(), many(64, 1), many(2**24, 1)
    net.build()
    before = [w.tobytes() for w in net.get_weights()]
    with pytest.raises(MemoryError, match="out of memory"):
        net.fit(few, many(64, 9), validation_data=(rows, many(2**24, 9)), validation_batch_size=2**24, verbose=0)
    assert [w.tobytes() for w in net.get_weights()] == before
    assert net._session.steps == 0
    net.fit(few, many(64, 9), validation_data=(rows[:64], many(64, 9)), validation_batch_size=2**24, verbose=0)


# --- the reference's estimates


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 5000])
@pytest.mark.parametrize("seed", range(4))
def test_no_operation_of_the_reference_takes_more_than_it_asks_for(seed: int, rows: int, dtype: str) -> None:
    graph = reference.Graph()
    random_graphs = RandomGraphs([graph], seed)
    for operation in sorted(set(_core.operations()) - {"input", "parameter"}) * 2:
        random_graphs.grow(operation)
    random = np.random.default_rng(seed)
    parameters = reference.Parameters(dtype)
    inputs: list[Any] = []
    for node in range(len(graph)):
        if graph.operation(node) == "parameter":
            parameters.add(random.random(graph.shape(node)[1]))
        if graph.operation(node) == "input":
            inputs.append(random.random((rows, *graph.shape(node)[1])).astype(dtype))
    frame = evaluate.Frame(rows, np.dtype(dtype), True, 1)
    values: dict[int, np.ndarray] = {}
    for number in range(len(graph)):
        node = graph.node(number)
        operands = [values[i] for i in evaluate._operands(node)]
        shapes = [graph.node(i).shape for i in evaluate._operands(node)]
        with np.errstate(all="ignore"):
            np.asarray(evaluate._value(node, operands, shapes, parameters, inputs, frame))  # what is made once is there
            tracemalloc.start()
            values[number] = np.asarray(evaluate._value(node, operands, shapes, parameters, inputs, frame))
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        # Objects of Python and parts of a few kilobytes are not asked for.
        assert most <= evaluate.work_bytes(node, operands, frame) + 100_000, (node.operation, node.shape, most)


@pytest.mark.parametrize("n", [20_000])
def test_random_numbers_of_the_reference_take_no_more_than_they_ask_for(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(random_numbers, "require_memory", asked.append)
    for draw in (
        lambda: random_numbers.uniform(1, 0, n), lambda: random_numbers.normal(1, 0, n),
        lambda: random_numbers.shuffle(1, 0, n),
    ):  # fmt: skip
        draw()
        asked.clear()
        tracemalloc.start()
        draw()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most <= max(asked) + 100_000
