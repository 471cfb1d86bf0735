"""Interrupts calls at random microseconds, and looks whether everything goes on, to the same bits.

python tools/campaigns/interrupts.py --count 10000
python tools/campaigns/interrupts.py --bytecodes 1

A timer's signal raises KeyboardInterrupt, or an exception of its own, 20 µs to 1.5 ms after each start of a loop of
small calls. With --bytecodes N, it is raised at every Nth bytecode of fastbp's modules instead, in a new object's first
call and in its second. The exceptions are kept, and with them the frames of the calls. After each, weights and counters
must be those of an object that was never interrupted, after some whole steps; the history must hold the finished
epochs; and the next step must be that object's, bit for bit. Prints, for each loop, the interrupts and the failures;
the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import fastbp as bp
import numpy as np

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
Y = X[:, :1] * 2
PACKAGE = str(Path(bp.__file__).parent) + "/"
SECONDS = 30  # after which a model that does not get on counts as stuck
MOST_STEPS = 3000  # that a loop may get on before it is interrupted


class Alarm(Exception):
    """What a user's handler of a signal may raise."""


def bits(net: bp.Model) -> bytes:
    return b"".join(weight.tobytes() for weight in net.get_weights())


class Loop:
    """`work` is called again and again, and interrupted; `step` takes the same object one step further."""

    begins_anew = False  # whether `work` makes a new object
    result: Any = None  # of the last step, as bytes

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.net = self.network()

    def network(self) -> bp.Sequential:
        net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dropout(0.5), bp.Dense(1)], seed=1)
        net.compile(bp.Adam(0.01), "mse", backend=self.backend)
        return net

    def work(self) -> None:
        self.step()

    def step(self) -> None:
        self.net.train_on_batch(X, Y)

    def state(self) -> Any:
        """What is to be the same; an object that was not built yet is built."""
        if not self.net.built:
            self.net.build((3,))
        return self.net._session.steps, bits(self.net)

    def what_is_wrong(self) -> str:
        return ""


class TrainOnBatch(Loop):
    pass


class SmallFits(Loop):
    options: dict[str, Any] = {}  # noqa: RUF012
    before: tuple[Any, int] = None, 0  # the history and the epochs before the fit

    def fit(self, epochs: int, **options: Any) -> None:
        self.before = self.net.history, self.net._session.epochs
        self.net.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, **options)

    def work(self) -> None:
        self.fit(2, **self.options)

    def step(self) -> None:
        self.fit(1)

    def what_is_wrong(self) -> str:
        """Whether the history holds all the epochs that the last fit finished, and no others."""
        history, epochs = self.net.history, self.net._session.epochs
        if history is self.before[0]:
            return "" if epochs == self.before[1] else "the history is not that of the last fit"
        assert history is not None
        lengths = {name: len(values) for name, values in history.history.items() if not name.startswith("val_")}
        done = epochs - self.before[1]
        if history.epoch != list(range(done)) or set(lengths.values()) - {done} or (done and not lengths):
            return f"after {done} epochs, the history has {history.epoch}, {lengths}"
        validated = {len(values) for name, values in history.history.items() if name.startswith("val_")}
        return "" if len(validated) <= 1 and max(validated, default=0) <= done else f"{validated} validations"


class FitsWithACallback(SmallFits):
    options = {  # noqa: RUF012
        "callbacks": [bp.LambdaCallback(on_train_batch_end=lambda *_: None, on_epoch_end=lambda *_: None)]
    }


class FitsWithValidation(SmallFits):
    options = {"validation_data": (X, Y)}  # noqa: RUF012


class FitsAndMore(SmallFits):
    def work(self) -> None:
        self.fit(1)
        self.net.predict(X)
        self.net.evaluate(X, Y)
        self.net.set_weights(self.net.get_weights())


class Compiles(Loop):
    """Plain SGD, which has no state that a new compile would lose, on one backend and then on the other."""

    def network(self) -> bp.Sequential:
        net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dropout(0.5), bp.Dense(1)], seed=1)
        net.compile(bp.SGD(0.01), "mse", backend=self.backend)
        return net

    def work(self) -> None:
        self.net.compile(bp.SGD(0.01), "mse", backend="core")
        self.step()
        self.net.compile(bp.SGD(0.01), "mse", ["mae"], backend="reference")
        self.step()


class Builds(Loop):
    begins_anew = True

    def work(self) -> None:
        self.net = self.network()
        self.net.build((3,))
        self.net.predict(X)


class SetsWeights(Loop):
    """The weights of two homes, of both backends, and one without a home: all ones and then all twos."""

    def __init__(self, backend: str) -> None:
        first, second, x = bp.Dense(2), bp.Dense(1), bp.Input((3,))
        for layer, width, home in ((first, 3, "core"), (second, 2, "reference")):
            net = bp.Sequential([bp.Input((width,)), layer])
            net.compile("sgd", "mse", backend=home)
            net.train_on_batch(np.ones((4, width)), np.ones((4, layer.units)))
        self.net = bp.Model(x, second(first(x)) * bp.parameter(np.ones(1)))
        self.net._backend = backend
        self.net.build()
        self.step()

    def step(self) -> None:
        value = 2.0 if self.net.layers[0].weights[0].value[0, 0] == 1 else 1.0
        self.net.set_weights([np.full(w.shape, value) for w in self.net.weights])

    def state(self) -> Any:
        return [w.value.tobytes() for w in self.net.weights]


class SharesLayers(Loop):
    """A float32 and a float64 model of the same layers: a step of one moves the weights to its dtype."""

    def __init__(self, backend: str) -> None:
        layers = [bp.Dense(4, activation="tanh"), bp.Dense(1)]
        self.nets = [bp.Sequential([bp.Input((3,)), *layers], dtype=dtype) for dtype in ("float64", "float32")]
        for net in self.nets:
            net.compile(bp.SGD(0.01, momentum=0.9), "mse", backend=backend)
            net.build()
        self.nets[0].train_on_batch(X, Y)

    def step(self) -> None:
        self.nets[self.nets[0]._session.steps > self.nets[1]._session.steps].train_on_batch(X, Y)

    def state(self) -> Any:
        weights = [(w.value.dtype.name, w.value.tobytes()) for w in self.nets[0].weights]
        return [net._session.steps for net in self.nets], weights


class Minimizes(Loop):
    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.w = bp.parameter(np.full((3, 1), 1 / 3), name="w")
        self.x, self.y = bp.input("x"), bp.input("y")

    def step(self) -> None:
        cost = bp.mean((self.x @ self.w - self.y) ** 2)
        bp.minimize(cost, {"x": X, "y": Y}, bp.SGD(0.1), backend=self.backend)

    def state(self) -> Any:
        return self.w.value.dtype.name, self.w.value.tobytes()


class CallsAFunction(Loop):
    """For rows of two shapes in turn; the state is how often it was called."""

    def __init__(self, backend: str) -> None:
        x = bp.input("x")
        self.f = bp.function([x], bp.sum(bp.dropout(x, 0.5)), training=True, backend=backend)

    def step(self) -> None:
        self.result = self.f(X[:, : 2 + self.f._calls % 2]).tobytes()

    def state(self) -> Any:
        return self.f._calls


class LossAndGradients(Loop):
    """Draws new numbers for dropout in each call, as a step does; and makes a backward pass beside it."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.plain = bp.Sequential([bp.Dense(2, activation="tanh"), bp.Dense(1)])
        self.plain.compile("sgd", "mse", backend=backend)

    def work(self) -> None:
        self.step()
        self.plain.backpropagate(X, Y)
        self.net.evaluate(X, Y)

    def step(self) -> None:
        loss, gradients = self.net.loss_and_gradients(X, Y)
        self.result = loss, [g.tobytes() for g in gradients]


LOOPS: dict[str, type[Loop]] = {
    "train_on_batch": TrainOnBatch,
    "small fits": SmallFits,
    "fits with a callback": FitsWithACallback,
    "fits with validation": FitsWithValidation,
    "fits, predictions, weights": FitsAndMore,
    "compile": Compiles,
    "build": Builds,
    "set_weights of two homes": SetsWeights,
    "shared layers": SharesLayers,
    "minimize": Minimizes,
    "function": CallsAFunction,
    "loss_and_gradients": LossAndGradients,
}


class Trajectory:
    """The states after each number of steps of an object that is never interrupted."""

    def __init__(self, loop: type[Loop], backend: str) -> None:
        self.loop = loop(backend)
        self.states, self.results = [self.loop.state()], [None]

    def __getitem__(self, steps: int) -> Any:
        while len(self.states) <= steps:
            self.loop.step()
            self.states.append(self.loop.state())
            self.results.append(self.loop.result)
        return self.states[steps]

    def find(self, state: Any, first: int) -> int | None:
        """After how many steps, from `first` on, the state is this one."""
        return next((steps for steps in range(first, first + MOST_STEPS) if self[steps] == state), None)


class Interrupted:
    """An object whose calls are interrupted, and where it is on its trajectory."""

    def __init__(self, loop: type[Loop], expected: Trajectory, backend: str) -> None:
        self.loop, self.expected, self.steps = loop(backend), expected, 0

    def what_is_wrong(self) -> str:
        """How it differs from an object that was not interrupted; "" if it does not, and steps on alike."""
        previous = signal.signal(signal.SIGALRM, stuck)
        try:
            signal.alarm(SECONDS)
            first = 0 if self.loop.begins_anew else self.steps
            steps = self.expected.find(self.loop.state(), first)
            if steps is None:
                return f"its state is none of those after {first} steps: {self.loop.state()!r:.200}"
            if wrong := self.loop.what_is_wrong():
                return wrong
            self.loop.step()
            self.steps = steps + 1
            same = (self.loop.state(), self.loop.result) == (self.expected[steps + 1], self.expected.results[steps + 1])
            return "" if same else f"steps on to other bits after {steps} steps"
        except Exception as error:
            return f"does not step on: {type(error).__name__}: {error}"
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)


def stuck(*_: object) -> None:
    raise TimeoutError("it does not get on")


def interrupts(name: str, count: int, backend: str, seed: int) -> Iterator[str]:
    """The failures among so many interrupts of a loop."""
    loop, draw = LOOPS[name], random.Random(seed)
    expected = Trajectory(loop, backend)
    kept = deque[BaseException](maxlen=20)  # their tracebacks hold the frames of the calls
    kind: type[BaseException] = KeyboardInterrupt
    raised = False  # Python ignores what is raised in a __del__ or in a weak reference's callback

    def interrupt(*_: object) -> None:
        nonlocal raised
        raised = True
        raise kind

    signal.signal(signal.SIGALRM, interrupt)
    object_ = Interrupted(loop, expected, backend)
    for number in range(count):
        if object_.steps > 2000:  # a trajectory is kept in memory
            object_ = Interrupted(loop, expected, backend)
        kind = draw.choice([KeyboardInterrupt, Alarm])
        failure, raised = "", False
        try:
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(20e-6, 1.5e-3))
            while not raised:
                object_.loop.work()
        except (KeyboardInterrupt, Alarm) as error:
            kept.append(error)
        except Exception as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            failure = f"{type(error).__name__}: {error}"
        failure = failure or object_.what_is_wrong()
        if failure:
            yield f"{name}, interrupt {number}: {failure}"
            object_ = Interrupted(loop, expected, backend)


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
    loop = LOOPS[name]
    expected = Trajectory(loop, backend)
    for calls_before in (0, 1):
        number = every
        while True:
            object_, trace, kept = Interrupted(loop, expected, backend), Interrupt(number), None
            for _ in range(calls_before):
                object_.loop.step()
            sys.settrace(trace)
            try:
                object_.loop.work()
            except KeyboardInterrupt as error:
                kept = error  # with the frames of the call
            finally:
                sys.settrace(None)
            if not trace.place:
                break
            failure = object_.what_is_wrong()
            yield f"{name}, at bytecode {number} ({trace.place}): {failure}" if failure else None
            del kept
            number += every


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1200, help="interrupts of all loops together (default 1200)")
    parser.add_argument("--bytecodes", type=int, default=0, help="interrupt at every so many bytecodes instead")
    parser.add_argument("--backend", choices=["core", "reference"], default="core")
    parser.add_argument("--loops", nargs="*", default=list(LOOPS), help="only these")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.loops:
        if arguments.bytecodes:
            found = list(interrupts_by_bytecode(name, arguments.bytecodes, arguments.backend))
            count, failures = len(found), [failure for failure in found if failure]
        else:
            count = arguments.count // len(arguments.loops)
            failures = list(interrupts(name, count, arguments.backend, arguments.seed))
        failed += len(failures)
        print(f"{name}: {count:,} interrupts, {len(failures)} failures", *failures[:3], sep="\n  ", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
