"""Time per flop of a training step over widths and batches: ``python -m bench.sweep``.

The network is width-width-width, relu and squared errors. The time per flop should fall as either grows, and nowhere
rise: a cell that is clearly slower per flop than the one with the next smaller width or batch is a cliff. It is listed
if it still is one after both were measured several times. Widths whose weights lie in another cache are not compared,
because a step of few rows is as slow as the memory that its weights come from.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from fastbp import _core

from .fastbp_training import FastbpTraining
from .machine import Meter, description, processors
from .workloads import Workload

WIDTHS = [8, 16, 32, 64, 128, 256, 512, 1024, 2048]
BATCHES = [2**power for power in range(14)]
CLIFF = 1.25  # times slower per flop than a smaller neighbour
SLOWER = 1.1  # times slower than in the report of --beside
MOST_VISITS = 5  # of a cell that may be a cliff
VALUES = 2**18  # of a data set: 1 MiB, unless one batch is larger
EPOCH_FLOPS = 2e9  # at most, unless one batch takes more
LONG = 0.5  # seconds; an epoch that takes longer is timed once more, not `repeats` times

Cells = list[list[float | None]]  # seconds per flop, by width and batch; None: not measured yet


def between_powers(sizes: Sequence[int]) -> list[int]:
    """The sizes, and between each two of them one just above the lower one and one halfway."""
    more = {size for low, high in pairwise(sizes) for size in (low + 1, (low + high) // 2) if low < size < high}
    return sorted({*sizes, *more})


def workload_of(width: int, batch_size: int) -> Workload:
    """As far as possible all batches have the same number of rows, so that cells differ in the step, not the data."""
    one = Workload("sweep", (width, width, width), "relu", "mse", batch_size, steps=1)
    steps = min(VALUES // (width * batch_size), int(EPOCH_FLOPS / one.flops))
    return replace(one, steps=max(1, steps))


def seconds_per_step(workload: Workload, repeats: int, seconds: float) -> float:
    """The least over repeats of as many whole epochs as fill `seconds`, because other programs can only add to it."""
    training = FastbpTraining(workload, *workload.data())
    training.train(1)
    start = time.perf_counter()
    training.train(1)
    once = time.perf_counter() - start
    epochs = max(1, math.ceil(seconds / once))
    least = once / workload.steps
    for _ in range(repeats if once < LONG else 1):
        start = time.perf_counter()
        training.train(epochs)
        least = min(least, (time.perf_counter() - start) / (epochs * workload.steps))
    return least


class Sweep:
    """Measures cells one after the other while there is time; the next call goes on from there."""

    def __init__(self, widths: Sequence[int], batches: Sequence[int], threads: int) -> None:
        self.widths, self.batches, self.threads = list(widths), list(batches), threads
        self.cells: Cells = [[None] * len(batches) for _ in widths]
        self.visits = [[0] * len(batches) for _ in widths]
        self.peaks: list[float] = []

    def go_on_from(self, report: dict[str, Any]) -> None:
        """Takes over the measurements of a report of the same sizes and threads."""
        if (report["widths"], report["batches"], report["threads"]) != (self.widths, self.batches, self.threads):
            raise ValueError("the report to go on from has other sizes or threads: write to another with --json")
        self.cells, self.visits = report["seconds_per_flop"], report["visits"]
        self.peaks.append(report["peak"])

    def measure(self, repeats: int, seconds: float, limit: float) -> bool:
        """Measures every cell once, then those that look like cliffs again, and the cells that they are compared with.
        The least time of a cell counts. Returns whether all was done before `limit` seconds were over."""
        before, end = _core.get_num_threads(), time.monotonic() + limit
        _core.set_num_threads(self.threads)
        try:
            meter = Meter(0.02)
            for i, j in self._next():
                if not (i or j) or len(self.peaks) <= i:
                    self.peaks.append(meter.peak(self.threads))
                workload = workload_of(self.widths[i], self.batches[j])
                time_per_flop = seconds_per_step(workload, repeats, seconds) / workload.flops
                known = self.cells[i][j]
                self.cells[i][j] = time_per_flop if known is None else min(known, time_per_flop)
                self.visits[i][j] += 1
                if time.monotonic() > end:
                    return False
        finally:
            _core.set_num_threads(before)
        return True

    def _next(self) -> Iterator[tuple[int, int]]:
        """The cells to be measured, (index of the width, of the batch)."""
        for i, j in itertools.product(range(len(self.widths)), range(len(self.batches))):
            if self.cells[i][j] is None:
                yield i, j
        for most in range(2, MOST_VISITS + 1):
            doubtful = {
                cell
                for width, batch, _ in cliffs(self.report())
                for cell in with_smaller(self.widths.index(width), self.batches.index(batch))
            }
            yield from (cell for cell in sorted(doubtful) if self.visits[cell[0]][cell[1]] < most)

    def report(self) -> dict[str, Any]:
        """The report, as --json writes it."""
        return {
            "machine": description(),
            "threads": self.threads,
            "peak": float(np.median(self.peaks)) if self.peaks else math.nan,
            "widths": self.widths,
            "batches": self.batches,
            "seconds_per_flop": self.cells,
            "visits": self.visits,
        }


def with_smaller(i: int, j: int) -> list[tuple[int, int]]:
    """A cell, and those with the next smaller width and the next smaller batch."""
    return [(i, j), *([(i - 1, j)] if i else []), *([(i, j - 1)] if j else [])]


def cliffs(report: dict[str, Any]) -> list[tuple[int, int, float]]:
    """(width, batch, how many times slower per flop than its faster smaller neighbour), the worst first."""
    times: Cells = report["seconds_per_flop"]
    found = []
    for i, width in enumerate(report["widths"]):
        for j, batch in enumerate(report["batches"]):
            level = _level(width, report)
            own, *smaller = (
                times[row][column]
                for row, column in with_smaller(i, j)
                if _level(report["widths"][row], report) == level
            )
            known = [cell for cell in smaller if cell is not None]
            if own is not None and known and own > CLIFF * min(known):
                found.append((width, batch, own / min(known)))
    return sorted(found, key=lambda cliff: -cliff[2])


def _level(width: int, report: dict[str, Any]) -> int:
    """How many of the caches are too small for the weights and their gradients: a step of few rows moves these."""
    return sum(0 < cache < 16 * width * width for cache in report["machine"]["caches"])


def slower(report: dict[str, Any], other: dict[str, Any]) -> list[tuple[int, int, float]]:
    """(width, batch, how many times slower than the other report's) where that is more than noise, the worst first."""
    found = []
    for width, row, others in zip(report["widths"], report["seconds_per_flop"], other["seconds_per_flop"]):
        for batch, own, others_own in zip(report["batches"], row, others):
            if own is not None and others_own is not None and own > SLOWER * others_own:
                found.append((width, batch, own / others_own))
    return sorted(found, key=lambda cell: -cell[2])


def table(report: dict[str, Any]) -> str:
    lines = [
        f"ps per flop, {report['threads']} thread{'s' * (report['threads'] > 1)}; the fma peak is "
        f"{1e12 / report['peak']:.2f}",
        "",
        "width" + "".join(f"{batch:>8}" for batch in report["batches"]) + "   rows per step",
    ]
    for width, row in zip(report["widths"], report["seconds_per_flop"]):
        cells = ("–" if cell is None else f"{1e12 * cell:.{0 if cell > 1e-10 else 2}f}" for cell in row)
        lines.append(f"{width:>5}" + "".join(f"{cell:>8}" for cell in cells))
    lines.append("")
    for width, batch, factor in cliffs(report):
        lines.append(f"cliff at width {width}, {batch} rows: {factor:.2f} times its smaller neighbour's time per flop")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every second size only")
    parser.add_argument("--fine", action="store_true", help="sizes between the powers of two as well")
    parser.add_argument("--threads", type=int, default=processors(), help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="also draw them (needs matplotlib)")
    parser.add_argument("--limit", type=float, default=math.inf, metavar="SECONDS", help="stop after this time")
    parser.add_argument("--go-on", action="store_true", help="go on from what FILE of --json already has")
    parser.add_argument("--beside", type=Path, metavar="FILE", help="list cells that are slower than in this report")
    options = parser.parse_args(arguments)
    if options.go_on and options.json is None:
        parser.error("--go-on needs --json FILE, the report to go on with")
    widths, batches = (WIDTHS[::2], BATCHES[::2]) if options.quick else (WIDTHS, BATCHES)
    if options.fine:
        widths, batches = between_powers(widths), between_powers(batches)
    if options.plot is not None:
        from .pictures import heat_map
    sweep = Sweep(widths, batches, options.threads)
    if options.go_on and options.json.exists():
        sweep.go_on_from(json.loads(options.json.read_text()))
    done = sweep.measure(options.repeats, 0.02, options.limit)
    if not done:
        print("not all was measured: --go-on goes on", file=sys.stderr)
    report = sweep.report()
    print(table(report))
    if options.beside is not None:
        for width, batch, factor in slower(report, json.loads(options.beside.read_text())):
            print(f"width {width}, {batch} rows: {factor:.2f} times as long as in {options.beside}")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.plot is not None and done:
        heat_map(report, options.plot)
        print(f"drawn: {options.plot}", file=sys.stderr)


if __name__ == "__main__":
    main()
