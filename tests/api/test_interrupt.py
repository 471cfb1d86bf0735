"""Ctrl-C: a running call ends soon, the weights are those of the last whole step, and training can go on.

Every case sends a real SIGINT to a process of its own while the core works on data that take minutes. Those data are
one row repeated without memory, so that the replay can do the same steps.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from new_process import DONE, run_python

CAMPAIGN = Path(__file__).resolve().parents[2] / "tools" / "campaigns" / "interrupts.py"

SETUP = """
    import itertools, os, signal, sys, threading
    import fastbp as bp
    import numpy as np
    from fastbp import _core

    signal.signal(signal.SIGINT, signal.default_int_handler)  # where it was ignored, as in shells' background jobs
    threads = int(sys.argv[1])
    bp.set_num_threads(threads)
    _core.testing.share_always(threads > 1)

    def rows(n, *features):
        numbers = np.linspace(-1, 1, 8, dtype=np.float32)[: int(np.prod(features))]
        return np.lib.stride_tricks.as_strided(numbers, (n, *features), (0, *[4] * len(features)))

    def network():
        layers = [bp.Dense(16, activation="tanh"), bp.Dropout(0.5), bp.Dense(16, activation="relu"), bp.Dense(1)]
        net = bp.Sequential(layers, seed=3)
        net.compile(bp.SGD(0.01, momentum=0.9), "mse")
        return net

    def interrupted(work):
        timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            work()
        except KeyboardInterrupt:
            timer.join()
            return True
        return False

    def same(a, b):
        return [w.tobytes() for w in a.get_weights()] == [w.tobytes() for w in b.get_weights()]
"""

TRAINING = """
    how, per_epoch = sys.argv[2], int(sys.argv[3])
    x, y = rows(8 * per_epoch, 8), rows(8 * per_epoch, 1)
    ended = []
    callbacks = [bp.LambdaCallback(on_train_end=ended.append)]
    if how == "callbacks":
        callbacks.append(bp.LambdaCallback(on_train_batch_end=lambda batch, logs: None))
    net = network()
    verbose = {"bar": 1, "lines": 2}.get(how, 0)
    options = dict(batch_size=8, epochs=10**6, shuffle=False, callbacks=callbacks)
    assert interrupted(lambda: net.fit(x, y, verbose=verbose, **options))
    assert not ended  # as in Keras: no hook after an exception
    steps = net._session.steps
    assert steps > 0

    # History and counter: the whole epochs, no other.
    assert net._session.epochs == steps // per_epoch, (net._session.epochs, steps)
    assert net.history.epoch == list(range(net._session.epochs))
    assert len(net.history.history.get("loss", [])) == net._session.epochs

    # The weights are those after that many whole steps, on one thread and without a signal.
    bp.set_num_threads(1)
    twin, counter = network(), itertools.count(1)
    def stop(batch, logs):
        twin.stop_training = next(counter) == steps
    twin.fit(x, y, verbose=0, **{**options, "callbacks": [bp.LambdaCallback(on_train_batch_end=stop)]})
    assert twin._session.steps == steps
    assert same(net, twin)

    # And both go on alike.
    bp.set_num_threads(threads)
    for model in (net, twin):
        history = model.fit(x[:80], y[:80], batch_size=8, epochs=2, verbose=0).history
        assert len(history["loss"]) == 2
    assert same(net, twin)
    print("all of it was checked")
"""


@pytest.mark.parametrize("how", ["silent", "bar", "lines", "callbacks"])
@pytest.mark.parametrize("threads", [1, 2])
def test_training_in_one_long_epoch_ends_at_a_whole_step(threads: int, how: str) -> None:
    assert run_python(SETUP + TRAINING, threads, how, 10**7).endswith(DONE)


@pytest.mark.parametrize("how", ["silent", "bar"])
def test_finished_epochs_are_in_the_history(how: str) -> None:
    assert run_python(SETUP + TRAINING, 1, how, 20).endswith(DONE)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "work",
    [
        "net.predict(rows(300_000_000, 8), batch_size=64)",
        "net.predict(rows(300_000_000, 8), callbacks=[bp.LambdaCallback(on_predict_batch_end=lambda *_: None)])",
        "net.evaluate(rows(10**10, 8), rows(10**10, 1))",
        "net.fit(rows(8, 8), rows(8, 1), verbose=0, validation_data=(rows(10**10, 8), rows(10**10, 1)))",
    ],
    ids=["predict", "predict with hooks", "evaluate", "validation"],
)
def test_evaluation_ends_between_two_batches(threads: int, work: str) -> None:
    code = f"""
    net = network()
    before = net.predict(rows(4, 8))
    assert interrupted(lambda: {work})
    if net._session.steps == 0:
        assert net.predict(rows(4, 8)).tobytes() == before.tobytes()
    assert len(net.fit(rows(8, 8), rows(8, 1), verbose=0).epoch) == 1
    print("all of it was checked")
    """
    assert run_python(SETUP + code, threads).endswith(DONE)


def test_the_shuffle_of_many_rows_ends_too() -> None:
    code = """
    net, small = network(), network()
    small.predict(rows(1, 8))
    assert interrupted(lambda: net.fit(rows(40_000_000, 8), rows(40_000_000, 1), verbose=0))
    assert net._session.steps == net._session.epochs == 0
    assert same(net, small)
    print("all of it was checked")
    """
    assert run_python(SETUP + code, 2).endswith(DONE)


def test_a_handler_of_ones_own_runs_while_the_core_works() -> None:
    code = """
    class Enough(Exception):
        pass

    def handler(number, frame):
        raise Enough("of this")

    signal.signal(signal.SIGINT, handler)
    net = network()
    try:
        interrupted(lambda: net.fit(rows(80_000_000, 8), rows(80_000_000, 1), shuffle=False, verbose=0))
    except Enough as error:
        assert str(error) == "of this"
        print(net._session.steps > 0)
    """
    assert run_python(SETUP + code, 1) == "True\n"


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_interrupts_at_any_microsecond_leave_no_model_that_cannot_train(backend: str) -> None:
    command = [sys.executable, str(CAMPAIGN), "--count", "480", "--backend", backend]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(": 40 interrupts, 0 failures") == 12


def test_the_campaign_gets_on_where_python_ignores_an_interrupt() -> None:
    code = f"""
    import sys, time
    sys.path.insert(0, {str(CAMPAIGN.parent)!r})
    import interrupts

    class Slow:
        def __del__(self):
            time.sleep(0.002)

    class Ignores(interrupts.Loop):
        def step(self):
            Slow()
            super().step()

    interrupts.LOOPS["ignores"] = Ignores
    print(list(interrupts.interrupts("ignores", 5, "core", 0)))
    """
    assert run_python(code) == "[]\n"


def test_interrupts_at_any_bytecode_leave_no_model_that_cannot_train() -> None:
    command = [sys.executable, str(CAMPAIGN), "--bytecodes", "61"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" 0 failures") == 12


MARK = """
    import fastbp as bp
    import numpy as np

    net = bp.Sequential([bp.Dense(1)])
    net.compile("sgd", "mse")
    x = np.ones((4, 2))

    class Stop(Exception):
        pass

    def stop(batch, logs):
        raise Stop

    for _ in range(3):
        try:
            net.fit(x, x[:, :1], verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=stop)])
        except Stop as error:
            kept = error  # its traceback holds the frames of the call
        net.train_on_batch(x, x[:, :1])
    assert net._session.steps == 6
    print("all of it was checked")
"""


def test_a_kept_exception_leaves_no_mark() -> None:
    for backend in ("core", "reference"):
        assert run_python(MARK.replace('"mse")', f'"mse", backend="{backend}")')) == DONE
