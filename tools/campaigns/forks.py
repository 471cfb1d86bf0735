"""Forks at random moments of every public call, and looks whether the child can call the same objects.

python tools/campaigns/forks.py --count 200
python tools/campaigns/forks.py --count 200 --callback

A thread makes one public call on a model, again and again. The main thread forks after a random time. The child makes
every call on the same model, one of its own children does so too, and what it trains anew has the bits that a new
process gets. With `--callback`, a callback of `fit` forks and the child returns into `fit`, which must end. A child
that has not ended after 30 seconds hangs. Prints the forks, the hangs and the children that failed; the exit status is
1 if there are any.
"""

from __future__ import annotations

import argparse
import copy
import os
import pickle
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable

import fastbp as bp
import numpy as np
from fastbp import _core

SECONDS = 30
X = np.random.default_rng(0).normal(size=(3000, 20)).astype(np.float32)
Y = X[:, :1] - 1
FEW = X[:12], Y[:12]  # for the reference


class Objects:
    """Models, a function and what is minimised: what parent and child both call."""

    def __init__(self) -> None:
        self.net = network(64)
        self.net.fit(X, Y, batch_size=100, verbose=0)
        self.plain = bp.Sequential([bp.Dense(8, activation="tanh"), bp.Dense(1)])
        self.plain.compile("sgd", "mse")
        self.slow = network(2, "reference")
        self.slow.fit(*FEW, verbose=0)
        self.x, self.y = bp.input("x"), bp.input("y")
        self.w = bp.parameter(np.ones((20, 1)), name="w")
        self.cost = bp.mean((self.x @ self.w - self.y) ** 2)
        self.f = bp.function([self.x, self.y], self.cost, gradients=[self.w])
        self.turn = _core.Turn("is inside", "is beside")

    def calls(self) -> dict[str, Callable[[], object]]:
        net, slow = self.net, self.slow
        return {
            "predict": lambda: net.predict(X),
            "predict one row": lambda: net.predict(X[:1]),
            "predict samples": lambda: net.predict(X[:100], dropout=True, samples=3),
            "evaluate": lambda: net.evaluate(X, Y),
            "loss_and_gradients": lambda: net.loss_and_gradients(X, Y),
            "backpropagate": lambda: self.plain.backpropagate(X, Y),
            "train_on_batch": lambda: net.train_on_batch(X, Y),
            "fit": lambda: net.fit(X, Y, batch_size=100, epochs=2, verbose=0),
            "weights": lambda: net.set_weights(net.get_weights()),
            "copies": lambda: (copy.deepcopy(self.plain), pickle.dumps(self.plain)),
            "compile": lambda: self.plain.compile("adam", "mse"),
            "build": lambda: network(16).build((20,)),
            "function": lambda: self.f(X, Y),
            "minimize": lambda: bp.minimize(self.cost, {"x": X, "y": Y}, bp.SGD(0.01), epochs=2),
            "the reference's fit": lambda: slow.fit(*FEW, verbose=0),
            "the reference's predict": lambda: slow.predict(FEW[0]),
            "a turn": lambda: _core.take_turn(self.turn, "sleep", time.sleep, 0.001),
        }


def network(width: int, backend: str = "core") -> bp.Sequential:
    net = bp.Sequential([bp.Dense(width, activation="tanh"), bp.Dropout(0.3), bp.Dense(1)], seed=2)
    net.compile(bp.SGD(0.01, momentum=0.5), "mse", backend=backend)
    return net


def trained() -> bytes:
    """The bits of new models: those of a child must be those of its parent."""
    net, slow = network(16), network(2, "reference")
    net.fit(X, Y, batch_size=100, epochs=2, verbose=0)
    slow.fit(*FEW, batch_size=4, verbose=0)
    return b"".join(weight.tobytes() for weight in (*net.get_weights(), *slow.get_weights()))


def work_of_a_child(objects: Objects, expected: bytes, generations: int = 2) -> None:
    """Every call; new models train to the same bits; then a child of the child does the same."""
    for call in objects.calls().values():
        call()
    if trained() != expected:
        raise ValueError("new models have other bits")
    if generations > 1:
        ended = in_child(lambda: work_of_a_child(objects, expected, generations - 1))
        if ended:
            raise ValueError(f"its own child {ended}")


def in_child(work: Callable[[], object]) -> str:
    """What became of a forked child that does this work."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            work()
            status = 0
        except BaseException as error:
            print(f"  child: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    return became_of(child)


def became_of(child: int) -> str:
    """How a child ended: "", "hangs", the name of a signal, or "fails"."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        ended = os.WTERMSIG(status)
        return "hangs" if ended == signal.SIGALRM else signal.Signals(ended).name
    return "" if status == 0 else "fails"


def repeat(call: Callable[[], object], over: threading.Event) -> None:
    while not over.is_set():
        call()


def beside_calls(count: int, draw: random.Random) -> list[str]:
    failures, expected = [], trained()
    names = list(Objects().calls())
    for number in range(count):
        name = names[number % len(names)]
        objects, over = Objects(), threading.Event()
        thread = threading.Thread(target=repeat, args=(objects.calls()[name], over))
        thread.start()
        time.sleep(draw.uniform(0, 0.02))
        ended = in_child(lambda objects=objects: work_of_a_child(objects, expected))  # type: ignore[misc]
        over.set()
        thread.join()
        if ended:
            failures.append(f"beside {name}: the child {ended}")
    return failures


def from_callbacks(count: int, draw: random.Random) -> list[str]:
    """A callback forks; its child returns into `fit`, which ends, with an error if it would need its threads."""
    parent, failures, expected = os.getpid(), [], trained()
    for number in range(count):
        objects, child = Objects(), 0
        slowly = number % 4 == 3  # by the reference
        at = draw.randrange(1, 3 if slowly else 40)

        def fork(batch: int, logs: object, at: int = at) -> None:
            nonlocal child
            if batch == at and os.getpid() == parent:
                child = os.fork()
                if child == 0:
                    signal.signal(signal.SIGALRM, signal.SIG_DFL)
                    signal.alarm(SECONDS)

        status = 0
        net, data, size = (objects.slow, FEW, 3) if slowly else (objects.net, (X, Y), 50)
        try:
            net.fit(*data, batch_size=size, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=fork)])
        except RuntimeError as error:  # in the child, if it misses its threads
            status = 0 if os.getpid() != parent and "forked" in str(error) else 1
        if os.getpid() != parent:
            try:
                work_of_a_child(objects, expected)
            except BaseException as error:
                print(f"  child: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                status = 1
            finally:
                os._exit(status)
        if ended := became_of(child):
            failures.append(f"from a callback after step {at}: the child {ended}")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="forks (default 200)")
    parser.add_argument("--callback", action="store_true", help="fork in a callback of fit")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks with threads: that is the point
    bp.set_num_threads(arguments.threads)
    _core.testing.share_always(arguments.callback)  # a team for every step, however small it is
    draw = random.Random(arguments.seed)
    failures = (from_callbacks if arguments.callback else beside_calls)(arguments.count, draw)
    print(f"{arguments.count} forks, {len(failures)} failures", *failures[:10], sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
