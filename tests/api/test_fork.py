"""A forked child trains on one thread, to the same bits, and never waits for threads that it does not have."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = X[:, :1] - 1
SECONDS = 30  # after which a child counts as hanging


@pytest.fixture(autouse=True)
def threads_that_share_everything() -> None:
    bp.set_num_threads(3)
    _core.testing.share_always(True)


def network() -> bp.Sequential:
    net = bp.Sequential([bp.Dense(16, activation="tanh"), bp.Dropout(0.3), bp.Dense(1)], seed=2)
    net.compile(bp.SGD(0.1, momentum=0.5), "mse")
    return net


def trained(net: bp.Sequential) -> bytes:
    net.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    return b"".join(w.tobytes() for w in net.get_weights()) + net.predict(X).tobytes()


def in_child(work: Callable[[], bool]) -> bool:
    """Whether `work` returns True in a forked child; an alarm ends a child that hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of forks with threads: that is the point
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(SECONDS)
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def test_a_child_goes_on_training_where_its_parent_was() -> None:
    net, twin = network(), network()
    assert trained(net) == trained(twin)
    here = trained(twin)
    assert in_child(lambda: trained(net) == here)
    assert trained(net) == here  # the child's training was its own, and the parent still has its threads


def test_a_child_makes_and_trains_new_models() -> None:
    here = trained(network())
    assert in_child(lambda: trained(network()) == here)


def test_a_child_of_a_child_too() -> None:
    here = trained(network())
    assert in_child(lambda: in_child(lambda: trained(network()) == here))


def test_a_child_of_a_callback_can_predict() -> None:
    net, forked = network(), []

    class Fork(bp.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if batch == 2:
                here = net.predict(X).tobytes()
                forked.append(in_child(lambda: net.predict(X).tobytes() == here))

    net.fit(X, Y, batch_size=8, verbose=0, callbacks=[Fork()])
    assert forked == [True]


def _train_and_send(sender: object) -> None:
    signal.alarm(SECONDS)
    sender.send_bytes(trained(network()))  # type: ignore[attr-defined]


def test_multiprocessing_by_fork() -> None:
    here = trained(network())
    context = multiprocessing.get_context("fork")
    results = []
    for _ in range(2):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_train_and_send, args=(sender,))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            process.start()
        sender.close()
        results.append(receiver.recv_bytes() if receiver.poll(SECONDS) else None)
        process.join(SECONDS)
        assert process.exitcode == 0
    assert results == [here, here]


CAMPAIGN = Path(__file__).resolve().parents[2] / "tools" / "campaigns" / "forks.py"


@pytest.mark.parametrize("options", [["--count", "17"], ["--count", "8", "--callback"]], ids=["threads", "callbacks"])
def test_forks_at_any_moment_leave_no_child_that_waits(options: list[str]) -> None:
    """Beside every public call of another thread, and from a callback whose child returns into `fit`."""
    result = subprocess.run([sys.executable, str(CAMPAIGN), *options], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{options[1]} forks, 0 failures" in result.stdout


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_a_child_builds_what_another_thread_was_building(backend: str) -> None:
    inside, over = threading.Event(), threading.Event()

    class Slow(bp.Dense):
        def build(self, input_shape: tuple[int | None, ...]) -> None:
            super().build(input_shape)
            inside.set()
            over.wait(SECONDS)

    def model(last: type[bp.Dense]) -> bp.Sequential:
        net = bp.Sequential([bp.Dense(4, activation="tanh"), last(1)], seed=5)
        net.compile(bp.SGD(0.1), "mse", backend=backend)
        return net

    def fitted(net: bp.Sequential) -> list[bytes]:
        net.fit(X[:8], Y[:8], verbose=0)
        return [w.tobytes() for w in net.get_weights()]

    net, expected = model(Slow), fitted(model(bp.Dense))
    thread = threading.Thread(target=net.predict, args=(X,))
    thread.start()
    assert inside.wait(SECONDS)

    def builds() -> bool:
        over.set()  # the child's own copy of it
        return fitted(net) == expected

    try:
        assert in_child(builds)
    finally:
        over.set()
        thread.join()
    assert fitted(net) == expected


def test_a_child_trains_and_copies_what_another_thread_was_training() -> None:
    net, inside, over = network(), threading.Event(), threading.Event()

    def wait(batch: int, logs: object) -> None:
        inside.set()
        over.wait(SECONDS)

    callback = bp.LambdaCallback(on_train_batch_end=wait)
    thread = threading.Thread(target=lambda: net.fit(X, Y, batch_size=30, verbose=0, callbacks=[callback]))
    thread.start()
    assert inside.wait(SECONDS)
    try:  # the thread, and its training, do not exist in the child
        assert in_child(lambda: trained(copy.deepcopy(net)) == trained(net))
        with pytest.raises(RuntimeError, match="another thread trains"):
            copy.deepcopy(net)
    finally:
        over.set()
        thread.join()
    assert net._session.steps == 2


def test_a_child_of_a_callback_knows_that_its_threads_are_missing() -> None:
    net, parent, seen = network(), os.getpid(), []

    def fork(batch: int, logs: object) -> None:
        if batch == 2 and os.getpid() == parent:
            child = forked()
            if child:
                seen.append(os.waitpid(child, 0)[1])
            else:
                signal.alarm(SECONDS)

    status = 1
    try:
        net.fit(X, Y, batch_size=8, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=fork)])
    except RuntimeError as error:
        if os.getpid() == parent:
            raise
        steps = net._session.steps
        net.fit(X, Y, batch_size=8, verbose=0)  # on one thread
        status = 0 if "forked" in str(error) and steps == 3 and net._session.steps == 3 + 8 else 2
    finally:
        if os.getpid() != parent:
            os._exit(status)
    assert seen == [0]
    assert net._session.steps == 8


def test_a_callback_of_the_child_is_still_a_callback() -> None:
    """The call that a callback has forked goes on in the child: it cannot train the model a second time meanwhile."""
    net, parent, seen = network(), os.getpid(), []

    def fork(batch: int, logs: object) -> None:
        if batch > 0:
            return
        child = forked()
        if child:
            seen.append(os.waitpid(child, 0)[1])
            return
        signal.alarm(SECONDS)
        try:
            net.train_on_batch(X, Y)
        except RuntimeError as error:
            os._exit(0 if "not from its callbacks" in str(error) else 2)
        os._exit(3)

    net.fit(X, Y, batch_size=30, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=fork)])
    assert os.getpid() == parent
    assert seen == [0]


def forked() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of forks with threads: that is the point
        return os.fork()


def test_in_a_child_of_a_callback_another_thread_cannot_train() -> None:
    net, answers = network(), []

    def is_refused() -> bool:
        errors: list[RuntimeError] = []

        def train() -> None:
            try:
                net.train_on_batch(X, Y)
            except RuntimeError as error:
                errors.append(error)

        before, thread = net._session.steps, threading.Thread(target=train)
        thread.start()
        thread.join()
        return net._session.steps == before and "another thread trains the model" in str(errors)

    def fork(batch: int, logs: object) -> None:
        if batch == 2:
            answers.append(in_child(is_refused))

    net.fit(X, Y, batch_size=8, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=fork)])
    assert answers == [True]


def test_a_thread_of_a_child_is_not_taken_for_a_missing_one_with_its_number() -> None:
    """The system gives the numbers of missing threads to new ones, also in a child of a child."""
    net, over, answers = network(), threading.Event(), []
    net.train_on_batch(X, Y)
    trainer = threading.Thread(target=lambda: [net.fit(X, Y, batch_size=8, verbose=0) for _ in iter(over.is_set, True)])
    trainer.start()

    def steps_in_a_thread() -> bool:
        done = []
        thread = threading.Thread(target=lambda: done.append(net.train_on_batch(X, Y)))
        thread.start()
        thread.join()
        return len(done) == 1

    def in_a_thread_of_the_child() -> bool:
        thread = threading.Thread(target=lambda: answers.append(in_child(steps_in_a_thread)))
        thread.start()
        thread.join()
        return steps_in_a_thread() and answers == [True]

    try:
        found = [in_child(in_a_thread_of_the_child) for _ in range(5)]
    finally:
        over.set()
        trainer.join()
    assert found == [True] * 5
