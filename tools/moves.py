#!/usr/bin/env python3
"""Counts how often a call goes from one package of fastbp to another.

python tools/moves.py [--list]

A move is a function call in another package (or flat module) than the call before it; returns do not count. Counted are
a `fit`, a `train_on_batch` and a `predict` after earlier ones like them, on the reference backend, whose calls can be
seen. tests/test_packages.py holds the number for `fit`. --list prints the functions too, a line for each move.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import fastbp as bp
import numpy as np

PACKAGE = Path(bp.__file__).parent


def package_of(file: str) -> str | None:
    """The package or flat module of fastbp that a source file belongs to; None for other files."""
    path = Path(file)
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py") if path.is_relative_to(PACKAGE) else None


def calls_of(work: Callable[[], object]) -> list[tuple[str, str]]:
    """(package, function) of every call of Python in fastbp."""
    calls: list[tuple[str, str]] = []

    def look(frame: FrameType, event: str, _: Any) -> None:
        package = package_of(frame.f_code.co_filename) if event == "call" else None
        if package is not None:
            calls.append((package, frame.f_code.co_name))

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def visits_of(work: Callable[[], object]) -> list[tuple[str, list[str]]]:
    """(package, functions called there) in the order of the visits."""
    for _ in range(2):  # the first finds out what later calls know
        work()
    return [(package, [name for _, name in calls]) for package, calls in groupby(calls_of(work), lambda call: call[0])]


def works() -> dict[str, Callable[[], object]]:
    """What is looked at, by name."""
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([[0], [1], [1], [0]], np.float32)
    net = bp.Sequential([bp.Input((2,)), bp.Dense(2, activation="tanh"), bp.Dense(1, activation="sigmoid")])
    net.compile(bp.SGD(0.1), "mse", backend="reference")
    return {
        "fit": lambda: net.fit(x, y, batch_size=4, verbose=0),
        "train_on_batch": lambda: net.train_on_batch(x, y),
        "predict": lambda: net.predict(x),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="also print the functions")
    listed = parser.parse_args().list
    for name, work in works().items():
        visits = visits_of(work)
        packages = len({package for package, _ in visits})
        print(f"{name}: {len(visits) - 1} moves between {packages} packages")
        if listed:
            for package, functions in visits:
                shown = ", ".join(functions if package != "reference" else [functions[0], "…"])
                print(f"  {package}: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
