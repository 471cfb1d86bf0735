"""What the machine can do at this moment: the roof against which every benchmark prints its time.

- The fma peak: a loop of fused multiply-adds on registers, in fastbp's instruction set, that touches no memory. No
  product can be faster.
- The bandwidth: each thread copies 64 MiB, beyond the caches; bytes read plus bytes written.

Both are measured for one thread and for all. Both change from second to second on shared and on hot machines, so they
are measured next to every time that is compared with them.
"""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from fastbp import _core

COPY_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Roof:
    """What a number of threads can do."""

    peak: float  # FLOP/s
    bandwidth: float  # bytes/s

    def floor(self, flops: float, bytes_moved: float) -> float:
        """The least seconds that so many flops of matrix products and so many moved bytes can take."""
        return max(flops / self.peak, bytes_moved / self.bandwidth)


Roofs = dict[int, Roof]  # by the number of threads


def between(before: Roofs, after: Roofs) -> Roofs:
    """The means of the roofs before and after."""
    return {
        threads: Roof(
            (before[threads].peak + after[threads].peak) / 2,
            (before[threads].bandwidth + after[threads].bandwidth) / 2,
        )
        for threads in before
    }


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_counts() -> list[int]:
    """One thread, and all."""
    return sorted({1, processors()})


def own_caches(threads: int) -> float:
    """Bytes of the private caches (L2) of so many processors."""
    return float(threads * max(_core.config()["caches"][1], 0))


def description() -> dict[str, object]:
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": name,
        "processors": processors(),
        "isa": _core.isa(),
        "caches": list(_core.config()["caches"]),
        "system": platform.platform(),
    }


class Meter:
    """Measures the roofs of one thread and of all, `seconds` for each peak and one copy for each bandwidth."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.counts = thread_counts()
        most = self.counts[-1]
        self.sources = [np.ones(COPY_BYTES, np.uint8) for _ in range(most)]
        self.targets = [np.zeros(COPY_BYTES, np.uint8) for _ in range(most)]
        self.pool = ThreadPoolExecutor(most)  # neither the peak's loop nor np.copyto holds the interpreter's lock

    def measure(self) -> Roofs:
        return {threads: Roof(self.peak(threads), self.bandwidth(threads)) for threads in self.counts}

    def peak(self, threads: int) -> float:
        return sum(self.pool.map(_core.testing.fma_peak, [self.seconds] * threads))

    def bandwidth(self, threads: int) -> float:
        start = time.perf_counter()
        list(self.pool.map(np.copyto, self.targets[:threads], self.sources[:threads]))
        return 2 * COPY_BYTES * threads / (time.perf_counter() - start)
