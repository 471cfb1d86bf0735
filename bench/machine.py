"""What the machine can do: the roof against which every benchmark prints its time.

For now both numbers come from NumPy, so they are what is reached in practice, a little below the true roofs:

- the fma peak is the best rate of a float32 product of two 1024×1024 matrices by NumPy's BLAS;
- the bandwidth is the best rate of copying 64 MB, beyond most caches, by each thread: bytes read plus bytes written.

The number of BLAS threads is set by the environment of the process (see ``bench.step``), so measure in one of its
workers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

PRODUCT_SIZE = 1024
COPY_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Machine:
    threads: int
    peak: float  # FLOP/s
    bandwidth: float  # bytes/s

    def floor(self, flops: float, bytes_moved: float) -> float:
        """The least seconds in which this machine could do so many flops of matrix products and move so many bytes."""
        return max(flops / self.peak, bytes_moved / self.bandwidth)


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure(threads: int, repeats: int = 7) -> Machine:
    return Machine(threads, _peak(repeats), _bandwidth(threads, repeats))


def _best_seconds(work: Callable[[], object], repeats: int) -> float:
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _peak(repeats: int) -> float:
    n = PRODUCT_SIZE
    generator = np.random.default_rng(0)
    a, b = (generator.random((n, n), dtype=np.float32) for _ in range(2))
    c = np.empty((n, n), np.float32)
    return 2 * n**3 / _best_seconds(lambda: np.matmul(a, b, out=c), repeats)


def _bandwidth(threads: int, repeats: int) -> float:
    sources = [np.ones(COPY_BYTES, np.uint8) for _ in range(threads)]
    targets = [np.zeros(COPY_BYTES, np.uint8) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:  # np.copyto releases the interpreter's lock
        seconds = _best_seconds(lambda: list(pool.map(np.copyto, targets, sources)), repeats)
    return 2 * COPY_BYTES * threads / seconds
