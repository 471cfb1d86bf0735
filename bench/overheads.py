"""Measures what training costs beyond its steps: ``python -m bench.overheads``.

- `predict` of one row, and of many, through a small network;
- the extra time of a call of `train_on_batch` over a step of `fit`;
- the extra time of each optimiser over plain SGD, per step on one thread (``--optimizers``);
- the time from ``import fastbp`` to the end of the first epoch, in a fresh interpreter;
- the peak memory of a training, compared with its data, weights and activations: as the system tells it, in whole
  pages, and by counting all that is allocated, touched or not. Before that, a small network of the same kind is trained
  and the core's code is brought into memory.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
from fastbp import _core

from .fastbp_training import network_of, untrained
from .figures import microseconds
from .machine import Meter, description
from .workloads import WORKLOADS, Workload

OPTIMIZERS: dict[str, Callable[[], bp.Optimizer]] = {
    "SGD": lambda: bp.SGD(1e-3, weight_decay=1e-4),
    "momentum": lambda: bp.SGD(1e-3, momentum=0.9, weight_decay=1e-4),
    "Nesterov": lambda: bp.SGD(1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "RMSprop": lambda: bp.RMSprop(1e-4, weight_decay=1e-4),
    "Adam": lambda: bp.Adam(1e-4, weight_decay=1e-4),
    "Lion": lambda: bp.Lion(1e-5, weight_decay=1e-4),
    "clipnorm": lambda: bp.SGD(1e-3, weight_decay=1e-4, global_clipnorm=1.0),
    "average (EMA)": lambda: bp.SGD(1e-3, weight_decay=1e-4, use_ema=True),
}
MEASURED = ("logistic", "sklearn", "deep", "mnist", "large", "full-batch")  # for memory_figures; the others are small
BY_NAME = {workload.name: workload for workload in WORKLOADS}
TABULAR = BY_NAME["tabular"]
# Few rows, because an update costs the same for any batch. Several steps, because the first of a fit checks more.
OPTIMIZED = (
    BY_NAME["tabular"],
    replace(BY_NAME["mnist"], batch_size=32, steps=40),
    replace(BY_NAME["large"], batch_size=32, steps=6),
)
FIRST_EPOCH = """
import time
start = time.perf_counter()
import numpy
with_numpy = time.perf_counter()
import fastbp as bp
imported = time.perf_counter()
x = numpy.ones((1024, 32), numpy.float32)
made = time.perf_counter()
net = bp.Sequential([bp.Dense(64, activation="relu"), bp.Dense(64, activation="relu"), bp.Dense(1)])
net.compile(optimizer=bp.SGD(0.01), loss="mse")
net.fit(x, x[:, 0], batch_size=64, verbose=0)
print(with_numpy - start, imported - with_numpy, time.perf_counter() - made)
"""


def median_seconds(work: Callable[[], object], repeats: int, seconds: float = 0.02) -> float:
    """The median time of a call, over repeats of as many calls as fill `seconds`."""
    work()
    start = time.perf_counter()
    work()
    calls = max(1, round(seconds / (time.perf_counter() - start)))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times)


def predict_figures(rows: int, repeats: int) -> dict[str, Any]:
    """The seconds for one row; and the figures for many, with their share of the floor."""
    network = network_of(TABULAR)
    x = np.random.default_rng(0).random((rows, TABULAR.sizes[0]), dtype=np.float32)
    row = x[:1]
    threads = _core.get_num_threads()
    meter = Meter(0.02)
    before = meter.measure()
    seconds = median_seconds(lambda: network.predict(x), repeats)
    after = meter.measure()
    flops = 2.0 * rows * sum(a * b for a, b in pairwise(TABULAR.sizes))
    moved = 4.0 * rows * (TABULAR.sizes[0] + TABULAR.sizes[-1])
    counted = threads if threads in before else max(before)
    floor = statistics.mean(roofs[counted].floor(flops, moved) for roofs in (before, after))
    return {
        "predict_one_row": median_seconds(lambda: network.predict(row), repeats),
        "predict_rows": {
            "rows": rows,
            "threads": threads,
            "seconds": seconds,
            "flops_per_second": flops / seconds,
            "share_of_floor": floor / seconds,
        },
    }


def train_on_batch_figures(repeats: int) -> dict[str, float]:
    """Seconds of a call, of a step of fit on as many rows, and their difference; one thread."""
    before = _core.get_num_threads()
    _core.set_num_threads(1)
    try:
        network = network_of(TABULAR)
        x, y = TABULAR.data()
        rows, targets = x[: TABULAR.batch_size], y[: TABULAR.batch_size]
        call = median_seconds(lambda: network.train_on_batch(rows, targets), repeats)
        fit = median_seconds(lambda: network.fit(x, y, batch_size=TABULAR.batch_size, epochs=4, verbose=0), repeats)
    finally:
        _core.set_num_threads(before)
    step = fit / (4 * TABULAR.steps)
    return {"call": call, "step": step, "overhead": call - step}


def optimizer_figures(workload: Workload, repeats: int) -> dict[str, float]:
    """Seconds of a step by optimiser, on one thread: the least over some rounds in which the optimisers take turns."""
    before = _core.get_num_threads()
    _core.set_num_threads(1)
    try:
        x, y = workload.data()
        least = dict.fromkeys(OPTIMIZERS, math.inf)
        networks = {name: untrained(workload, make()) for name, make in OPTIMIZERS.items()}
        for turn in range(repeats + 1):  # the first one builds and does not count
            for name, network in networks.items():
                start = time.perf_counter()
                network.fit(x, y, batch_size=workload.batch_size, verbose=0)
                seconds = (time.perf_counter() - start) / workload.steps
                least[name] = min(least[name], seconds) if turn else math.inf
    finally:
        _core.set_num_threads(before)
    return least


def optimizer_report(workload: Workload, repeats: int) -> dict[str, float]:
    return {**optimizer_figures(workload, repeats), "weights": float(workload.parameters)}


def optimizer_table(report: dict[str, Any]) -> str:
    """The extra time of each over plain SGD: microseconds per step, and nanoseconds per weight."""
    names = list(report)
    lines = ["µs a step (ns a weight) more than SGD's" + "".join(f"{name:>20}" for name in names)]
    lines.append(f"{'SGD, the whole step':<39}" + "".join(f"{microseconds(report[n]['SGD']):>20}" for n in names))
    for optimizer in list(OPTIMIZERS)[1:]:
        cells = []
        for name in names:
            more = report[name][optimizer] - report[name]["SGD"]
            cells.append(f"{1e6 * more:.1f} ({1e9 * more / report[name]['weights']:.2f})")
        lines.append(f"{optimizer:<39}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def first_epoch_figures(repeats: int) -> dict[str, float]:
    """Medians of seconds: to import numpy, then fastbp; then to make a network and train it for 16 steps."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-c", FIRST_EPOCH], check=True, capture_output=True, text=True)
        runs.append([float(word) for word in done.stdout.split()])
    numpy, fastbp, epoch = (statistics.median(column) for column in zip(*runs))
    return {"import_numpy": numpy, "import_fastbp": fastbp, "first_epoch": epoch}


def memory_figures(name: str) -> dict[str, float]:
    """Peak bytes that the training of a workload adds to its data, and the figures to compare them with."""
    workload = BY_NAME[name]
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
        for part, array in zip("xy", workload.data()):  # made here: its memory is not the training's
            np.save(Path(folder) / part, array)
        figures: dict[str, float] = pool.apply(_memory_of, (name, folder))
        return figures


def _memory_of(name: str, folder: str) -> dict[str, float]:
    workload = BY_NAME[name]
    _train_a_small(workload)
    x, y = (np.load(Path(folder) / f"{part}.npy") for part in "xy")
    before = _resident(peak=False)
    limited = _forget_peak()
    network = untrained(workload)
    network.fit(x, y, batch_size=workload.batch_size, epochs=2, verbose=0)
    added = _resident(peak=True) - before
    del network
    weights = 4 * workload.parameters
    layers = sum(workload.sizes) + bool(workload.dropout) * sum(workload.sizes[1:-1])  # a Dropout is a layer too
    return {
        "data": float(x.nbytes + y.nbytes),
        "added": float(added),
        "counted": float(_counted_bytes(workload, x, y)),
        "yardstick": 8.0 * workload.rows + 1.15 * (2 * weights + 4 * workload.batch_size * layers),
        "exact": float(limited),  # 0: the peak may be that of earlier work
    }


def _train_a_small(workload: Workload) -> None:
    """Trains a small network of the same kind, whose threads stay from then on, and gives its memory back."""
    sizes = tuple(min(size, 64) for size in workload.sizes)
    small = replace(workload, sizes=sizes, batch_size=512, steps=4)
    untrained(small).fit(*small.data(), batch_size=small.batch_size, epochs=2, verbose=0)
    _bring_code()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _bring_code() -> None:
    """Brings all of the core's code into memory, because pages of its file are not a training's own."""
    try:
        with open("/proc/self/maps") as lines:
            parts = [line.split() for line in lines if line.rstrip().endswith(Path(str(_core.__file__)).name)]
    except OSError:
        return
    for span, rights, *_ in parts:
        start, end = (int(address, 16) for address in span.split("-"))
        if rights.startswith("r"):
            ctypes.string_at(start, end - start)


def _counted_bytes(workload: Workload, x: np.ndarray, y: np.ndarray) -> int:
    """The same by counting: the peak of what Python and the core's buffers hold, and the order of the rows, which a
    team may have twice if they are few."""
    gc.collect()
    tracemalloc.start()
    base = tracemalloc.get_traced_memory()[0] + _core.testing.allocated()[0]
    network, most = untrained(workload), 0
    for work in (network.build, lambda: network.fit(x, y, batch_size=workload.batch_size, verbose=0)):
        tracemalloc.reset_peak()
        _core.testing.forget_most_allocated()
        work()
        most = max(most, tracemalloc.get_traced_memory()[1] + _core.testing.allocated()[1])
    tracemalloc.stop()
    return most - base + 8 * workload.rows * (2 if workload.rows <= 1 << 15 else 1)


def _resident(peak: bool) -> int:
    """Bytes of this process in memory: now, or at the peak."""
    try:
        with open("/proc/self/status") as lines:
            wanted = "VmHWM:" if peak else "VmRSS:"
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(wanted))
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most


def _forget_peak() -> bool:
    """Makes the peak count from now on; returns whether the system can."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def run(rows: int = 100_000, repeats: int = 7, memory: bool = True) -> dict[str, Any]:
    """The report, as --json writes it; seconds and bytes."""
    report = {
        "machine": description(),
        **predict_figures(rows, repeats),
        "train_on_batch": train_on_batch_figures(repeats),
        "import_to_first_epoch": first_epoch_figures(min(repeats, 5)),
    }
    if memory:
        report["memory"] = {name: memory_figures(name) for name in MEASURED}
    return report


def table(report: dict[str, Any]) -> str:
    many, call, first = report["predict_rows"], report["train_on_batch"], report["import_to_first_epoch"]
    lines = [
        f"predict of one row through {TABULAR.net}: {microseconds(report['predict_one_row'])} µs",
        f"predict of {many['rows']:,} rows: {1e3 * many['seconds']:.2f} ms on {many['threads']} threads, "
        f"{many['flops_per_second'] / 1e9:.1f} GFLOP/s, {100 * many['share_of_floor']:.0f} % of the floor",
        f"train_on_batch of {TABULAR.batch_size} rows: {microseconds(call['call'])} µs, "
        f"{microseconds(call['overhead'])} µs more than a step of fit",
        f"from import to the first epoch's end: numpy {1e3 * first['import_numpy']:.0f} ms, "
        f"fastbp {1e3 * first['import_fastbp']:.0f} ms, network and epoch {1e3 * first['first_epoch']:.1f} ms",
    ]
    for name, memory in report.get("memory", {}).items():
        data, added, counted, yardstick = (
            f"{memory[key] / 2**20:.2f}" for key in ("data", "added", "counted", "yardstick")
        )
        note = "" if memory["exact"] else " (or what was needed before)"
        lines.append(
            f"memory of {name}, MiB: {added} above {data} of data{note}, {counted} by counting; "
            f"8 bytes × rows + 1.15 × (2 × weights + activations) is {yardstick}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overheads", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="default 7")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    parser.add_argument("--optimizers", action="store_true", help="compare the optimisers, and nothing else")
    options = parser.parse_args(arguments)
    if options.optimizers:
        print(optimizer_table({w.name: optimizer_report(w, options.repeats) for w in OPTIMIZED}))
        return
    report = run(repeats=options.repeats)
    print(table(report))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
