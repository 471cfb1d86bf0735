"""A training step — whole epochs, from shuffled rows to updated weights — of three networks, on fastbp and on NumPy.

Every contender (a library with a number of threads) is a process of its own, started with its number of threads in the
environment, so that neither the libraries nor their thread pools meet. They stay and take turns: A B A B …, one round
each, so that a machine that is now slow and now fast is so to all. A contender's time is the median of its rounds; a
library's is that of its better number of threads. Loss is computed at every step by both.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .machine import Machine, measure, processors
from .numpy_peer import NumpyPeer

THREAD_VARIABLES = (
    "FASTBP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_NUM_THREADS",
)
LEARNING_RATE = 0.01
WEIGHT_DECAY = 1e-4
LIBRARIES = ("fastbp", "numpy")


@dataclass(frozen=True)
class Workload:
    name: str
    sizes: tuple[int, ...]
    hidden: str
    loss: str  # in NumpyPeer's words
    batch_size: int
    steps: int  # per epoch
    dropout: float = 0.0

    @property
    def rows(self) -> int:
        return self.batch_size * self.steps

    @property
    def flops(self) -> float:
        """Of the products of one step: forward, weight gradients, and input gradients but for the first layer."""
        products = (2 * a * b * (2 if layer == 0 else 3) for layer, (a, b) in enumerate(pairwise(self.sizes)))
        return float(self.batch_size * sum(products))

    @property
    def bytes_moved(self) -> float:
        """That one step must read from memory: its rows. Weights and activations may stay in caches."""
        target = 1 if self.loss == "softmax" else 4 * self.sizes[-1]
        return float(self.batch_size * (4 * self.sizes[0] + target))

    def data(self) -> tuple[NDArray[np.float32], NDArray[np.generic]]:
        random = np.random.default_rng(0)
        x = random.random((self.rows, self.sizes[0]), dtype=np.float32)
        labels = random.integers(0, self.sizes[-1], self.rows).astype(np.uint8)
        if self.loss == "softmax":
            return x, labels
        if self.loss == "quadratic":
            return x, np.eye(self.sizes[-1], dtype=np.float32)[labels]
        return x, np.sin(x[:, :1] * 6) + x[:, 1:2]


WORKLOADS = (
    Workload("mnist-like", (784, 512, 512, 10), "relu", "softmax", 128, steps=160, dropout=0.5),
    Workload("nielsen", (784, 30, 10), "sigmoid", "quadratic", 10, steps=4000),
    Workload("tabular", (32, 64, 64, 1), "relu", "mse", 64, steps=4000),
)


def fastbp_epoch(workload: Workload) -> Callable[[], object]:
    """A function that trains one epoch."""
    import fastbp as bp

    layers: list[Any] = []
    for size in workload.sizes[1:-1]:
        layers.append(bp.Dense(size, activation=workload.hidden))
        if workload.dropout:
            layers.append(bp.Dropout(workload.dropout))
    output = {"softmax": "softmax", "quadratic": "sigmoid", "mse": None}[workload.loss]
    loss = {"softmax": "sparse_categorical_crossentropy", "quadratic": "quadratic", "mse": "mse"}[workload.loss]
    layers.append(bp.Dense(workload.sizes[-1], activation=output))
    network = bp.Sequential(layers, seed=0)
    network.compile(optimizer=bp.SGD(LEARNING_RATE, weight_decay=WEIGHT_DECAY), loss=loss)
    x, y = workload.data()
    return lambda: network.fit(x, y, batch_size=workload.batch_size, epochs=1, verbose=0)


def numpy_epoch(workload: Workload) -> Callable[[], object]:
    """A function that trains one epoch."""
    peer = NumpyPeer(
        workload.sizes,
        workload.hidden,
        workload.loss,
        workload.batch_size,
        LEARNING_RATE,
        WEIGHT_DECAY,
        workload.dropout,
    )
    x, y = workload.data()
    return lambda: peer.train_epoch(x, y)


def _serve(connection: Connection, library: str, workload: Workload) -> None:
    """A contender's process: warms up, then answers every request by the seconds of one epoch, until None comes."""
    epoch = {"fastbp": fastbp_epoch, "numpy": numpy_epoch}[library](workload)
    epoch()
    connection.send("ready")
    while connection.recv() is not None:
        start = time.perf_counter()
        epoch()
        connection.send(time.perf_counter() - start)


def _measure(connection: Connection, threads: int) -> None:
    connection.send(measure(threads))


@contextmanager
def _process(threads: int, target: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """A fresh interpreter with so many threads in its environment, at the other end of a pipe."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, *arguments), daemon=True)
    kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        process.start()
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    there.close()  # so that the death of the process ends recv() with EOFError
    try:
        yield here
    finally:
        here.close()
        process.join(10)
        if process.is_alive():
            process.terminate()


def measure_machine(threads: int) -> Machine:
    with _process(threads, _measure, threads) as connection:
        machine: Machine = connection.recv()
        return machine


def _contest(workload: Workload, threads: list[int], rounds: int) -> dict[str, dict[int, float]]:
    """Median seconds per step of every library and number of threads."""
    with ExitStack() as stack:
        connections = {}
        for count in threads:
            for library in LIBRARIES:
                connection = stack.enter_context(_process(count, _serve, library, workload))
                if connection.recv() != "ready":
                    raise RuntimeError(f"{library} did not start")
                connections[library, count] = connection
        seconds: dict[tuple[str, int], list[float]] = {contender: [] for contender in connections}
        for _ in range(rounds):
            for contender, connection in connections.items():
                connection.send("round")
                seconds[contender].append(connection.recv())
        for connection in connections.values():
            connection.send(None)
    medians: dict[str, dict[int, float]] = {library: {} for library in LIBRARIES}
    for (library, count), rounds_of_it in seconds.items():
        medians[library][count] = statistics.median(rounds_of_it) / workload.steps
    return medians


def run(quick: bool, rounds: int | None = None) -> dict[str, Any]:
    """Every workload; the result is what --json writes. Seconds, FLOP/s and bytes/s throughout."""
    everywhere = sorted({1, processors()})
    machines = {count: measure_machine(count) for count in everywhere}
    results = []
    for workload in WORKLOADS:
        if quick:
            workload = replace(workload, steps=workload.steps // 4)
        medians = _contest(workload, everywhere, rounds or (5 if quick else 11))
        best = {library: min(times, key=lambda count: times[count]) for library, times in medians.items()}
        ours, theirs = medians["fastbp"][best["fastbp"]], medians["numpy"][best["numpy"]]
        floor = min(machine.floor(workload.flops, workload.bytes_moved) for machine in machines.values())
        results.append(
            {
                "workload": workload.name,
                "sizes": workload.sizes,
                "batch_size": workload.batch_size,
                "seconds_per_step": medians,
                "best_threads": best,
                "flops_per_step": workload.flops,
                "flops_per_second": workload.flops / ours,
                "numpy_over_fastbp": theirs / ours,
                "floor_seconds_per_step": floor,
                "achieved_over_floor": ours / floor,
            }
        )
    return {
        "numpy": np.__version__,
        "machine": {count: {"peak": m.peak, "bandwidth": m.bandwidth} for count, m in machines.items()},
        "results": results,
    }
