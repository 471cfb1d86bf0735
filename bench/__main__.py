"""Runs the benchmarks and prints their table: ``python -m bench [--quick] [--rounds N] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import step

COLUMNS = "{:<12}{:<19}{:>6}{:>17}{:>17}{:>8}{:>10}{:>9}"


def table(report: dict[str, Any]) -> str:
    lines = [
        f"{threads} thread{'s' if threads > 1 else ''}: a product reaches {machine['peak'] / 1e9:.1f} GFLOP/s, "
        f"a copy {machine['bandwidth'] / 1e9:.1f} GB/s"
        for threads, machine in report["machine"].items()
    ]
    heads = ("", "network", "batch", "fastbp µs/step", "NumPy µs/step", "ratio", "GFLOP/s", "× floor")
    lines += ["", COLUMNS.format(*heads)]
    for result in report["results"]:
        times, best = result["seconds_per_step"], result["best_threads"]
        cells = [f"{1e6 * times[name][best[name]]:.1f} ({best[name]}t)" for name in step.LIBRARIES]
        lines.append(
            COLUMNS.format(
                result["workload"],
                "-".join(map(str, result["sizes"])),
                result["batch_size"],
                *cells,
                f"{result['numpy_over_fastbp']:.2f}",
                f"{result['flops_per_second'] / 1e9:.1f}",
                f"{result['achieved_over_floor']:.2f}",
            )
        )
    lines += [
        "",
        "Median of alternating rounds of whole epochs, each library with its better number of threads (t).",
        "ratio: NumPy's time over fastbp's, above 1 fastbp is ahead. × floor: fastbp's time over the least that the",
        "machine could take, max(flops of the matrix products / product rate, bytes of the rows / copy rate).",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of fastbp against NumPy.")
    parser.add_argument("--quick", action="store_true", help="shorter epochs, fewer rounds: about a minute")
    parser.add_argument("--rounds", type=int, help="rounds per contender (default 11, with --quick 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    arguments = parser.parse_args()
    report = step.run(arguments.quick, arguments.rounds)
    print(table(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
