"""Contenders take turns, round by round; the machine's roofs are measured between all turns.

A contender is a system with a number of threads. It is a process of its own, started with that number in its
environment, so that libraries and their thread pools do not interfere; it stays for all workloads. A turn is as many
whole epochs as fill a set time. The roofs (see `bench.machine`) are measured before and after each turn, so that
changes of the machine's speed affect the turn and its floor alike.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from .machine import Meter, Roofs, between
from .systems import SYSTEMS, Training
from .workloads import Workload

THREAD_VARIABLES = (
    "FASTBP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_NUM_THREADS",
    "NPROC",  # XLA's
)
OUTRUN = 3.0
IDLING = 0.03  # s; libraries' threads spin for some time after their work


@dataclass
class Turns:
    """What a contender did on one workload."""

    workload: Workload
    seconds: list[float] = field(default_factory=list)  # per step
    busy: list[int] = field(default_factory=list)  # threads that worked
    roofs: list[Roofs] = field(default_factory=list)


class Failed(Exception):
    """A contender could not train a workload; the message says why."""


class Contender:
    """This process's end of the pipe to a contender."""

    def __init__(self, system: str, threads: int, connection: Connection) -> None:
        self.key = system, threads
        self.connection = connection
        self.epochs = 1  # of a turn

    def ask(self, *request: Any) -> None:
        try:
            self.connection.send(request)
        except OSError as error:
            raise Failed("its process has ended") from error

    def answer(self) -> Any:
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError) as error:
            raise Failed("its process has ended") from error
        if kind == "failed":
            raise Failed(value)
        return value

    def calibrate(self, turn_seconds: float) -> None:
        """Chooses the epochs of a turn so that they take about `turn_seconds`."""
        epochs = 1
        while True:
            self.ask("train", epochs)
            seconds, _ = self.answer()
            if seconds >= min(0.02, turn_seconds) or epochs >= 2**20:
                break
            epochs *= 8  # a single short epoch is mostly the cost of the call
        self.epochs = max(1, math.ceil(turn_seconds * epochs / seconds))

    def turn(self, steps: int) -> tuple[float, int]:
        """Seconds per step, and the threads that worked."""
        self.ask("train", self.epochs)
        seconds, busy = self.answer()
        return seconds / (self.epochs * steps), busy


def play(
    workload: Workload, contenders: list[Contender], meter: Meter, rounds: int, turn_seconds: float, limit: float
) -> dict[tuple[str, int], Turns | str]:
    """By system and threads: the turns of some rounds, or why there are none.

    After the first, no round begins that is likely to end after `limit` seconds. After half of them, no other contender
    of several threads joins.
    """
    start = time.perf_counter()
    results: dict[tuple[str, int], Turns | str] = {}
    playing = list(contenders)
    before: Roofs = {}

    def each(work: Callable[[Contender], object], some: list[Contender] = playing) -> None:
        for contender in [one for one in some if one in playing]:
            try:
                work(contender)
            except Failed as failure:
                results[contender.key] = str(failure)
                playing.remove(contender)

    def turn(contender: Contender) -> None:
        nonlocal before
        seconds, busy = contender.turn(workload.steps)
        time.sleep(IDLING)
        after = meter.measure()
        turns = results[contender.key]
        assert isinstance(turns, Turns)
        turns.seconds.append(seconds)
        turns.busy.append(busy)
        turns.roofs.append(between(before, after))
        before = after

    # Contenders of one thread prepare at the same time, because compilers are slow. The others prepare alone: threads
    # that wait for each other must not outnumber the processors.
    together = [contender for contender in contenders if contender.key[1] == 1]
    alone = [[contender] for contender in contenders if contender.key[1] > 1]
    for some in [together, *alone]:
        if some is not together and time.perf_counter() - start > limit / 2:
            each(_leave_out, some)
        each(lambda contender: contender.ask("prepare", workload), some)
        each(lambda contender: contender.answer(), some)
    each(lambda contender: contender.calibrate(turn_seconds))
    results.update({contender.key: Turns(workload) for contender in playing})
    for played in range(rounds):
        if played > 0 and (time.perf_counter() - start) * (played + 1) / played > limit:
            break
        time.sleep(IDLING)
        before = meter.measure()
        each(turn, [one for one in playing if played == 0 or not _outrun(one, results)])
    each(lambda contender: contender.ask("forget"))
    each(lambda contender: contender.answer())
    return results


def load(contenders: list[Contender]) -> None:
    """Lets all contenders import what they need; one that cannot says so when it is asked to train."""
    for contender in contenders:
        with suppress(Failed):
            contender.ask("load")
    for contender in contenders:
        with suppress(Failed):
            contender.answer()


def _leave_out(contender: Contender) -> None:
    raise Failed("no time was left")


def _outrun(contender: Contender, results: dict[tuple[str, int], Turns | str]) -> bool:
    """Whether its system was far faster with other threads in the first round: then this contender plays no more."""
    system, _ = contender.key
    first = {key: turns.seconds[0] for key, turns in results.items() if isinstance(turns, Turns) and turns.seconds}
    return first[contender.key] > OUTRUN * min(seconds for key, seconds in first.items() if key[0] == system)


@contextmanager
def contender(system: str, threads: int) -> Iterator[Contender]:
    """A fresh interpreter at the other end of a pipe, with this number of threads in its environment."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, system), daemon=True)
    wanted = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if threads == 1:
        wanted["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    kept = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
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
        yield Contender(system, threads, here)
    finally:
        here.close()
        process.join(5)
        if process.is_alive():
            process.terminate()


def _serve(connection: Connection, system: str) -> None:
    """The contender's process: answers every request until the pipe is closed."""
    training: Training | None = None
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            what, *details = connection.recv()
            try:
                training, answer = _work(system, training, what, *details)
            except Exception as error:
                training = None
                connection.send(("failed", f"{type(error).__name__}: {error}"[:300]))
            else:
                connection.send(("done", answer))


def _work(system: str, training: Training | None, what: str, *details: Any) -> tuple[Training | None, object]:
    """Handles a request; returns the training that exists afterwards, and the answer."""
    if what == "load":
        SYSTEMS[system].load()
        return None, None
    if what == "prepare":
        training = SYSTEMS[system].start(details[0], *details[0].data())
        training.train(1)
        return training, None
    if what == "train" and training is not None:
        clocks = thread_clocks()
        start = time.perf_counter()
        training.train(details[0])
        seconds = time.perf_counter() - start
        return training, (seconds, busy_threads(clocks, thread_clocks()))
    return None, None


def thread_clocks() -> dict[str, int]:
    """Nanoseconds that each thread of this process has run; empty where the system does not tell."""
    clocks = {}
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/schedstat") as file:
                clocks[thread] = int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        pass
    return clocks


def busy_threads(before: dict[str, int], after: dict[str, int]) -> int:
    """How many threads did a fair part of the work (threads that spin while they wait count, too); 0: unknown."""
    ran = [clock - before.get(thread, 0) for thread, clock in after.items()]
    return sum(1 for time_ran in ran if time_ran > max(ran) / 3 and time_ran > 0) if ran else 0
