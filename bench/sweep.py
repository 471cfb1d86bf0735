"""Time per flop of a training step over widths and batches: ``python -m bench.sweep``.

The network is width-width-width, relu and squared errors. The time per flop should fall as either grows, and nowhere
rise: a cell that is slower per flop than the one with half its width or half its rows is a cliff, and is listed.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
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


def between_powers(sizes: Sequence[int]) -> list[int]:
    """The sizes, and between each two of them one just above the lower one and one halfway."""
    more = {size for low, high in pairwise(sizes) for size in (low + 1, (low + high) // 2) if low < size < high}
    return sorted({*sizes, *more})


def workload_of(width: int, batch_size: int) -> Workload:
    most_values = 2**22  # of a data set
    steps = max(1, min(64, most_values // (width * batch_size)))
    return Workload("sweep", (width, width, width), "relu", "mse", batch_size, steps)


def seconds_per_step(workload: Workload, repeats: int, seconds: float) -> float:
    """The median of some repeats of whole epochs, each as many as fill a time."""
    training = FastbpTraining(workload, *workload.data())
    training.train(1)
    start = time.perf_counter()
    training.train(1)
    once = time.perf_counter() - start
    epochs = max(1, math.ceil(seconds / once))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        training.train(epochs)
        times.append((time.perf_counter() - start) / (epochs * workload.steps))
    return float(np.median(times))


def run(widths: Sequence[int], batches: Sequence[int], threads: int, repeats: int, seconds: float) -> dict[str, Any]:
    """The report, as --json writes it."""
    before = _core.get_num_threads()
    _core.set_num_threads(threads)
    try:
        meter = Meter(0.02)
        cells, peaks = [], []
        for width in widths:
            row = []
            for batch_size in batches:
                workload = workload_of(width, batch_size)
                row.append(seconds_per_step(workload, repeats, seconds) / workload.flops)
            cells.append(row)
            peaks.append(meter.peak(threads))
    finally:
        _core.set_num_threads(before)
    return {
        "machine": description(),
        "threads": threads,
        "peak": float(np.median(peaks)),
        "widths": list(widths),
        "batches": list(batches),
        "seconds_per_flop": cells,
    }


def cliffs(report: dict[str, Any]) -> list[tuple[int, int, float]]:
    """(width, batch, how many times slower per flop than its faster smaller neighbour), the worst first."""
    times = report["seconds_per_flop"]
    found = []
    for i, width in enumerate(report["widths"]):
        for j, batch in enumerate(report["batches"]):
            smaller = [times[i - 1][j]] if i > 0 else []
            smaller += [times[i][j - 1]] if j > 0 else []
            if smaller and times[i][j] > CLIFF * min(smaller):
                found.append((width, batch, times[i][j] / min(smaller)))
    return sorted(found, key=lambda cliff: -cliff[2])


def table(report: dict[str, Any]) -> str:
    lines = [
        f"ps per flop, {report['threads']} thread{'s' * (report['threads'] > 1)}; the fma peak is "
        f"{1e12 / report['peak']:.2f}",
        "",
        "width" + "".join(f"{batch:>8}" for batch in report["batches"]) + "   rows per step",
    ]
    for width, row in zip(report["widths"], report["seconds_per_flop"]):
        lines.append(f"{width:>5}" + "".join(f"{1e12 * cell:>8.{0 if cell > 1e-10 else 2}f}" for cell in row))
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
    options = parser.parse_args(arguments)
    widths, batches = (WIDTHS[::2], BATCHES[::2]) if options.quick else (WIDTHS, BATCHES)
    if options.fine:
        widths, batches = between_powers(widths), between_powers(batches)
    if options.plot is not None:
        from .pictures import heat_map
    report = run(widths, batches, options.threads, options.repeats, seconds=0.03)
    print(table(report))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.plot is not None:
        heat_map(report, options.plot)
        print(f"drawn: {options.plot}", file=sys.stderr)


if __name__ == "__main__":
    main()
