"""Interrupts training at random microseconds, and looks whether the model still trains, to the same bits.

python tools/campaigns/interrupts.py --count 10000
python tools/campaigns/interrupts.py --bytecodes 1

A timer's signal raises KeyboardInterrupt 20 µs to 1.5 ms after each start of a loop of small calls. With --bytecodes N,
KeyboardInterrupt is raised at every Nth bytecode of fastbp's modules instead, in a new model's first call and in its
second. After that, the model must be one that was never interrupted, with as many steps: the weights are compared bit
for bit. Prints, for each loop, the interrupts and the failures; the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import fastbp as bp
import numpy as np

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
Y = X[:, :1] * 2
PACKAGE = str(Path(bp.__file__).parent) + "/"
SECONDS = 30  # after which a model that does not get on counts as stuck


def network(backend: str) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dropout(0.5), bp.Dense(1)], seed=1)
    net.compile(bp.Adam(0.01), "mse", backend=backend)
    return net


def bits(net: bp.Sequential) -> bytes:
    return b"".join(weight.tobytes() for weight in net.get_weights()) if net.built else b""


def train_on_batch(net: bp.Sequential) -> None:
    net.train_on_batch(X, Y)


def fit(net: bp.Sequential) -> None:
    net.fit(X, Y, batch_size=8, epochs=2, verbose=0)


def fit_with_callback(net: bp.Sequential) -> None:
    seen = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: None, on_epoch_end=lambda epoch, logs: None)
    net.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[seen])


def fit_and_validate(net: bp.Sequential) -> None:
    net.fit(X, Y, batch_size=8, epochs=2, verbose=0, validation_data=(X, Y))


def fit_and_more(net: bp.Sequential) -> None:
    net.fit(X, Y, batch_size=8, epochs=1, verbose=0)
    net.predict(X)
    net.evaluate(X, Y)
    net.set_weights(net.get_weights())


# A loop's call, and how it trains the model that is never interrupted, a step at a time.
LOOPS: dict[str, tuple[Callable[[bp.Sequential], None], Callable[[bp.Sequential], None]]] = {
    "train_on_batch": (train_on_batch, train_on_batch),
    "small fits": (fit, lambda net: net.fit(X, Y, batch_size=8, verbose=0) and None),
    "fits with a callback": (fit_with_callback, lambda net: net.fit(X, Y, batch_size=8, verbose=0) and None),
    "fits with validation": (fit_and_validate, lambda net: net.fit(X, Y, batch_size=8, verbose=0) and None),
    "fits, predictions, weights": (fit_and_more, lambda net: net.fit(X, Y, batch_size=8, verbose=0) and None),
}


class Trajectory:
    """The weights after each number of steps of a model that is never interrupted."""

    def __init__(self, step: Callable[[bp.Sequential], None], backend: str) -> None:
        self.step, self.net = step, network(backend)
        self.after = [b""]

    def __getitem__(self, steps: int) -> bytes:
        while len(self.after) <= steps:
            self.step(self.net)
            self.after.append(bits(self.net))
        return self.after[steps]


def stuck(*_: object) -> None:
    raise TimeoutError("the model does not get on")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def interrupts(name: str, count: int, backend: str, seed: int) -> Iterator[str]:
    """The failures among so many interrupts of a loop."""
    work, step = LOOPS[name]
    expected, net, draw = Trajectory(step, backend), network(backend), random.Random(seed)
    signal.signal(signal.SIGALRM, interrupt)
    for number in range(count):
        if net._steps > 2000:  # a trajectory is kept in memory
            net = network(backend)
        try:
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(20e-6, 1.5e-3))
            while True:
                work(net)
        except KeyboardInterrupt:
            pass
        except Exception as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            yield f"{name}, interrupt {number}: {type(error).__name__}: {error}"
            net = network(backend)
            continue
        failure = what_is_wrong(net, step, expected)
        if failure:
            yield f"{name}, interrupt {number}: {failure}"
            net = network(backend)


def what_is_wrong(net: bp.Sequential, step: Callable[[bp.Sequential], None], expected: Trajectory) -> str:
    """How a model that was interrupted differs from one that was not; "" if it does not, and trains on alike."""
    steps = net._steps
    if steps and bits(net) != expected[steps]:
        return f"other bits after {steps} steps"
    previous = signal.signal(signal.SIGALRM, stuck)
    try:
        signal.alarm(SECONDS)
        step(net)
    except Exception as error:
        return f"does not train on: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    return "" if bits(net) == expected[steps + 1] else f"goes on to other bits after {steps} steps"


class Interrupt:
    """A trace function that raises KeyboardInterrupt at the bytecode of this number in fastbp's modules."""

    def __init__(self, number: int) -> None:
        self.left, self.place = number, ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        return self.inside

    def inside(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                self.place = f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self.inside


def interrupts_by_bytecode(name: str, every: int, backend: str) -> Iterator[str | None]:
    """One after the other, for each interrupt: the failure, or None."""
    work, step = LOOPS[name]
    expected = Trajectory(step, backend)
    for calls_before in (0, 1):
        number = every
        while True:
            net, trace = network(backend), Interrupt(number)
            for _ in range(calls_before):
                step(net)
            sys.settrace(trace)
            try:
                work(net)
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(None)
            if not trace.place:
                break
            failure = what_is_wrong(net, step, expected)
            yield f"{name}, at bytecode {number} ({trace.place}): {failure}" if failure else None
            number += every


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="interrupts of all loops together (default 1000)")
    parser.add_argument("--bytecodes", type=int, default=0, help="interrupt at every so many bytecodes instead")
    parser.add_argument("--backend", choices=["core", "reference"], default="core")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = 0
    for name in LOOPS:
        if arguments.bytecodes:
            found = list(interrupts_by_bytecode(name, arguments.bytecodes, arguments.backend))
            count, failures = len(found), [failure for failure in found if failure]
        else:
            count = arguments.count // len(LOOPS)
            failures = list(interrupts(name, count, arguments.backend, arguments.seed))
        failed += len(failures)
        print(f"{name}: {count:,} interrupts, {len(failures)} failures", *failures[:3], sep="\n  ", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
