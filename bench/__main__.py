"""Trains all workloads on fastbp and on every peer that is installed: ``python -m bench``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .contest import contender, load, play
from .figures import Played, machine_figures, table, workload_figures
from .machine import Meter, description, thread_counts
from .systems import SYSTEMS
from .workloads import WORKLOADS, Workload

Say = Callable[[str], None]
SLOW_TO_START = ("torch.compile",)  # not in a quick run, unless asked for


@dataclass(frozen=True)
class Effort:
    rounds: int
    turn_seconds: float
    peak_seconds: float
    limit: float  # seconds after which no workload begins
    shorter: int = 1  # divides the steps of an epoch


QUICK = Effort(rounds=5, turn_seconds=0.03, peak_seconds=0.004, limit=90, shorter=4)
FULL = Effort(rounds=7, turn_seconds=0.25, peak_seconds=0.02, limit=float("inf"))


def run(workloads: Sequence[Workload], systems: Sequence[str], effort: Effort, say: Say) -> dict[str, Any]:
    """The report, as --json writes it. Tells `say` the progress."""
    start = time.perf_counter()
    meter = Meter(effort.peak_seconds)
    plays: list[Played] = []
    figures = []
    with ExitStack() as stack:
        contenders = {
            (name, threads): stack.enter_context(contender(name, threads))
            for threads in thread_counts()
            for name in systems
        }
        load(list(contenders.values()))
        for number, workload in enumerate(workloads):
            left = start + effort.limit - time.perf_counter()
            able = [one for (name, _), one in contenders.items() if SYSTEMS[name].can(workload)]
            if left <= 0:
                say(f"no time is left for {', '.join(w.name for w in workloads[number:])}")
                break
            shortened = replace(workload, steps=-(-workload.steps // effort.shorter))
            limit = left / (len(workloads) - number)
            plays.append(play(shortened, able, meter, effort.rounds, effort.turn_seconds, limit))
            figures.append(workload_figures(workload, plays[-1]))
            say(f"{workload.name} done after {time.perf_counter() - start:.0f} s")
    return {
        "machine": description(),
        "versions": {name: SYSTEMS[name].version() for name in systems},
        "roofs": machine_figures(plays),
        "workloads": figures,
    }


def _chosen(given: str | None, known: Sequence[str], what: str) -> list[str]:
    names = list(known) if given is None else [name.strip() for name in given.split(",")]
    for name in names:
        if name not in known:
            raise SystemExit(f"{what} must be among {', '.join(known)}; got {name!r}")
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="at most 2 minutes: short turns, few rounds, no torch.compile"
    )
    parser.add_argument("--workloads", metavar="A,B", help=f"some of {', '.join(w.name for w in WORKLOADS)}")
    parser.add_argument("--systems", metavar="A,B", help=f"peers: some of {', '.join(list(SYSTEMS)[1:])}")
    parser.add_argument("--rounds", type=int, help=f"default {FULL.rounds}, with --quick {QUICK.rounds} or fewer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="also draw them (needs matplotlib)")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")

    workloads = _chosen(options.workloads, [w.name for w in WORKLOADS], "--workloads")
    asked = ["fastbp", *(name for name in _chosen(options.systems, list(SYSTEMS), "--systems") if name != "fastbp")]
    systems = [name for name in asked if SYSTEMS[name].installed()]
    if options.quick and options.systems is None:
        systems = [name for name in systems if name not in SLOW_TO_START]
    if options.plot is not None:
        from .pictures import bars  # a missing matplotlib must show before the work

    effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    missing = [SYSTEMS[name].label for name in asked if not SYSTEMS[name].installed()]
    if missing:
        say(f"not installed: {', '.join(missing)}")
    report = run([w for w in WORKLOADS if w.name in workloads], systems, effort, say)
    print(table(report))
    for figures in report["workloads"]:
        for name, system in figures["systems"].items():
            if "failed" in system:
                say(f"{figures['workload']} is not trained on {name} {system['failed']}")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.plot is not None:
        bars(report, options.plot)


if __name__ == "__main__":
    main()
