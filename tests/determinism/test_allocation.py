"""Once training runs, neither a step nor an epoch allocates memory.

A child process loads a library before the C library that counts every allocation of every thread. It makes the same
call of `fit` with few steps and with many: the difference is what the steps have allocated.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastbp import _core
from fastbp._shared.trained_weight import TrainedWeight
from preloaded import build_preloaded

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "count_allocations.cpp"
BATCH = 8


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """What `main` below prints."""
    library = build_preloaded(SOURCE, tmp_path_factory.mktemp("allocations"))
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(Path(__file__).resolve()), str(library)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


SETTINGS: dict[str, dict[str, Any]] = {
    "Nesterov": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
    "Adam with all": {
        "name": "adam", "amsgrad": True, "global_clipnorm": 0.1, "gradient_accumulation_steps": 3, "use_ema": True,
        "ema_overwrite_frequency": 5,
    },
}  # fmt: skip
KINDS = [
    f"{name}, {dtype}, {threads} threads" for name in SETTINGS for dtype in ("float32", "float64") for threads in (1, 2)
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_steps_allocate_nothing(kind: str, counts: dict[str, list[int]]) -> None:
    few_steps, many_steps, *_ = counts[kind]
    assert few_steps > 0, "the call itself allocates: the hook counts"
    assert many_steps == few_steps


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_epochs_allocate_nothing(kind: str, counts: dict[str, list[int]]) -> None:
    *_, few_epochs, many_epochs = counts[kind]
    assert many_epochs == few_epochs


def test_the_hook_counts_every_way_to_allocate(counts: dict[str, list[int]]) -> None:
    assert counts["each way"] == [1, 1, 1, 1, 1, 1]


# --- the code of the child process


def trainer(dtype: str, settings: dict[str, Any]) -> _core.Trainer:
    """9 -> 40 (relu, dropout) -> 4 (softmax), with a penalty."""
    random = np.random.default_rng(0)
    graph, parameters = _core.Graph(), _core.Parameters(dtype)

    def weight(*dims: int) -> int:
        slot = parameters.add(random.normal(size=dims) / 4)
        return graph.add("parameter", integers=[slot, *dims])

    x, label = graph.add("input", integers=[0, 9]), graph.add("input", integers=[1])
    w1, b1, w2, b2 = weight(9, 40), weight(40), weight(40, 4), weight(4)
    hidden = graph.add("relu", [graph.add("add", [graph.add("matmul", [x, w1], [0, 0]), b1])])
    dropped = graph.add("dropout", [hidden], [0], [0.5])
    z = graph.add("add", [graph.add("matmul", [dropped, w2], [0, 0]), b2])
    loss = graph.add("sparse_softmax_cross_entropy", [z, graph.add("softmax", [z]), label])
    total = graph.add("divide_by_count", [graph.add("sum", [loss], [1])], [1, 1])
    penalty = graph.add("sum", [graph.add("square", [w1])], [0, 0, 1])
    scaled = graph.add("multiply", [graph.add("constant", numbers=[1e-4]), penalty])
    cost = graph.add("add", [total, scaled])
    weights = [TrainedWeight(w1), TrainedWeight(b1, decay=0.0), TrainedWeight(w2), TrainedWeight(b2, decay=0.0)]
    return _core.Trainer(graph, cost, [total], parameters, weights, settings, seed=1)


def allocations_of_fit(dtype: str, settings: dict[str, Any], counter: ctypes._CFuncPtr) -> list[int]:
    """Allocations of 20 and of 1,020 steps in one epoch, and of 100 and of 200 epochs, all after a first call."""
    random = np.random.default_rng(1)
    made, result = trainer(dtype, settings), []
    kinds = {"affine": [-9, 9, 0.1, 0.1, 0.9, 1.1, 5, 5, 0], "flip": [0.5, 0.5], "elastic": [2, 1, 0], "noise": [0.1]}
    augment = list(kinds.items()), (3, 3, 1)
    for steps, epochs in ((20, 1), (20, 1), (1020, 1), (1, 100), (1, 200)):
        rows = steps * BATCH - 3  # the last batch is short
        inputs = [random.integers(0, 256, (rows, 9), dtype=np.uint8), random.integers(0, 4, rows)]
        inputs[0] = inputs[0] / np.array(256.0, dtype)
        before = counter()
        made.fit(inputs, batch_size=BATCH, epochs=epochs, check_finite=True, augment=augment)
        result.append(counter() - before)
    return result[1:]


def each_way_to_allocate(counter: ctypes._CFuncPtr) -> list[int]:
    """Allocations counted for a call each of malloc, calloc, realloc, aligned_alloc, posix_memalign, operator new."""
    library = ctypes.CDLL(None)
    size, pointer = ctypes.c_size_t, ctypes.c_void_p()
    calls = [
        lambda: library.malloc(size(10)),
        lambda: library.calloc(size(1), size(10)),
        lambda: library.realloc(None, size(10)),
        lambda: library.aligned_alloc(size(64), size(64)),
        lambda: library.posix_memalign(ctypes.byref(pointer), size(64), size(64)),
        lambda: library._Znwm(size(10)),
    ]
    result = []
    for call in calls:
        call()  # the first call looks the name up, which may allocate
        before = counter()
        call()
        result.append(counter() - before)
    return result


def main(library: str) -> None:
    counter = ctypes.CDLL(library).allocations_so_far
    counter.restype = ctypes.c_long
    counts = {"each way": each_way_to_allocate(counter)}
    _core.testing.share_always(True)
    for kind in KINDS:
        name, dtype, threads = kind.split(", ")
        _core.set_num_threads(int(threads.split()[0]))
        counts[kind] = allocations_of_fit(dtype, SETTINGS[name], counter)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1])
