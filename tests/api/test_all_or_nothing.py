"""A call that fails leaves weights, counters and history as they were. Failing allocations: also test_memory.

The campaign walks all calls, wrong arguments and allocations; here it takes some of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from new_process import DONE, SANITIZED, run_python
from preloaded import build_preloaded

TESTS = Path(__file__).resolve().parents[1]
CAMPAIGN = TESTS.parent / "tools" / "campaigns" / "all_or_nothing.py"

X = np.linspace(-1, 1, 48).reshape(16, 3)
Y = X[:, :1]


@pytest.fixture(params=["core", "reference"])
def net(request: pytest.FixtureRequest) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dropout(0.5), bp.Dense(1)], seed=1)
    net.compile(bp.Adam(0.01), "mse", l2=0.1, backend=request.param)
    net.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    return net


def state(net: bp.Sequential) -> Any:
    assert net.history is not None
    kept = net._session.past.state()
    arrays = {(name, w.name): a.tobytes() for name, by_weight in kept.arrays.items() for w, a in by_weight.items()}
    counters = None if kept.counters is None else [*np.asarray(kept.counters)]
    weights = [w.tobytes() for w in net.get_weights()]
    return weights, arrays, counters, net._session.steps, net._session.epochs, net.history.epoch, net.history.history


# A call with one wrong argument: each is refused before anything is done.
CALLS: dict[str, Callable[..., Callable[[bp.Sequential], Any]]] = {
    "fit": lambda **k: lambda net: net.fit(**{"x": X, "y": Y, "verbose": 0, **k}),
    "train_on_batch": lambda **k: lambda net: net.train_on_batch(**{"x": X, "y": Y, **k}),
    "evaluate": lambda **k: lambda net: net.evaluate(**{"x": X, "y": Y, **k}),
    "loss_and_gradients": lambda **k: lambda net: net.loss_and_gradients(**{"x": X, "y": Y, **k}),
    "predict": lambda **k: lambda net: net.predict(**{"x": X, **k}),
    "set_weights": lambda **k: lambda net: net.set_weights(**{"weights": net.get_weights(), **k}),
    "compile": lambda **k: lambda net: net.compile(**{"optimizer": "sgd", "loss": "mse", **k}),
}
ODD = np.zeros(3)
WRONG: list[tuple[str, str, Any]] = [
    *(("fit", name, ODD) for name in ("batch_size", "epochs", "shuffle", "check_finite", "stratify", "initial_epoch")),
    *(("fit", name, "odd") for name in ("validation_freq", "validation_batch_size", "augment", "validation_data")),
    ("fit", "shuffle", "batch"), ("fit", "check_finite", "no"), ("fit", "stratify", 1), ("fit", "verbose", "odd"),
    ("fit", "callbacks", [3]), ("fit", "x", X[:3]), ("fit", "y", ODD), ("fit", "validation_split", 2),
    ("fit", "validation_data", (X, Y, Y, Y)), ("fit", "validation_data", (X, X)), ("fit", "validation_seed", -1),
    ("train_on_batch", "return_dict", ODD), ("train_on_batch", "return_dict", "yes"), ("train_on_batch", "x", X[:3]),
    ("train_on_batch", "y", X), ("evaluate", "return_dict", ODD), ("evaluate", "batch_size", 0),
    ("evaluate", "callbacks", 3), ("loss_and_gradients", "training", ODD), ("loss_and_gradients", "y", X),
    ("predict", "samples", 0), ("predict", "dropout", ODD), ("predict", "batch_size", -1), ("predict", "x", Y),
    ("set_weights", "weights", [X]), ("set_weights", "weights", 3), ("compile", "optimizer", "odd"),
    ("compile", "loss", "odd"), ("compile", "metrics", ["odd"]), ("compile", "l1", ODD), ("compile", "proximal", 2),
    ("compile", "backend", "odd"),
]  # fmt: skip
NAMES = [f"{call}({argument}) {number}" for number, (call, argument, _) in enumerate(WRONG)]


@pytest.mark.parametrize(("call", "argument", "value"), WRONG, ids=NAMES)
def test_a_wrong_argument_is_refused_before_anything_is_done(
    net: bp.Sequential, call: str, argument: str, value: Any
) -> None:
    before, optimizer = state(net), net.optimizer
    with pytest.raises((TypeError, ValueError)):
        CALLS[call](**{argument: value})(net)
    assert state(net) == before
    assert net.optimizer is optimizer
    net.fit(X, Y, verbose=0)


def test_weights_are_set_all_or_none(net: bp.Sequential) -> None:
    before, weights = state(net), [w + 1 for w in net.get_weights()]
    for index in range(len(weights)):
        wrong = [*weights]
        wrong[index] = np.zeros((9, 9))
        with pytest.raises(ValueError, match=rf"weights\[{index}\]"):
            net.set_weights(wrong)
        assert state(net) == before


def test_a_fit_that_fails_before_its_first_step_leaves_the_history(net: bp.Sequential) -> None:
    before = state(net)
    with pytest.raises(bp.NonFiniteError):
        net.fit(np.full_like(X, np.nan), Y, verbose=0)
    assert state(net) == before


def test_a_callback_that_fails_leaves_the_last_whole_step(net: bp.Sequential) -> None:
    steps = net._session.steps

    def fail(batch: int, logs: object) -> None:
        if batch == 1:
            raise KeyError(batch)

    with pytest.raises(KeyError):
        net.fit(X, Y, batch_size=4, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=fail)])
    assert net._session.steps == steps + 2
    assert net.history is not None
    assert net.history.epoch == []


OUT_OF_MEMORY = """
    import resource
    import numpy as np
    import fastbp as bp

    net = bp.Sequential([bp.Input((1000,)), bp.Dense(1000), bp.Dense(8000)])  # the second kernel has 32 MB
    net.build()
    given = [np.full(w.shape, 2.0) for w in net.get_weights()]  # float64: they need a copy in float32
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (20 << 20), -1))
    try:
        net.set_weights(given)
    except MemoryError:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        assert not any((w == 2).any() for w in net.get_weights())
        print("all of it was checked")
"""


@pytest.mark.skipif(SANITIZED, reason="a sanitiser reserves the address space")
def test_no_weight_is_set_when_memory_ends() -> None:
    assert run_python(OUT_OF_MEMORY) == DONE


# --- the campaign


def run_campaign(*options: str, **environment: str) -> str:
    command = [sys.executable, str(CAMPAIGN), *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **environment})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("kind", ["new", "built", "trained", "other shapes", "shared"])
def test_no_call_that_fails_leaves_a_trace(kind: str) -> None:
    """Wrong arguments, and allocations of the core."""
    assert run_campaign("--kinds", kind, "--every", "13").count(" 0 failures") == 2


def test_no_call_of_the_reference_that_fails_leaves_a_trace() -> None:
    calls = ["fit with a split", "train_on_batch", "minimize", "set_weights", "call a function"]
    assert " 0 failures" in run_campaign("--backend", "reference", "--kinds", "new", "--every", "13", "--calls", *calls)


def test_no_call_that_misses_any_memory_leaves_a_trace(tmp_path: Path) -> None:
    library = build_preloaded(TESTS / "fail_malloc.cpp", tmp_path)
    options = ["--malloc", "--kinds", "new", "trained", "--every", "61"]
    assert run_campaign(*options, LD_PRELOAD=str(library)).count(" 0 failures") == 2


# --- what a call that fails left behind


@pytest.mark.parametrize("fails", ["x", "callback"])
def test_a_fit_without_a_step_leaves_the_rows_of_the_penalties(net: bp.Sequential, fails: str) -> None:
    """m of λ/m is the rows of the last fit: that of one which did not train does not count."""

    def refuse(*_: object) -> None:
        raise KeyError

    expected = net.evaluate(X, Y)
    net.stop_training = True
    wrong: dict[str, Any] = {"x": np.full((7, 3), np.inf)} if fails == "x" else {"x": X[:7]}
    callbacks = [bp.LambdaCallback(on_train_begin=refuse)] if fails == "callback" else []
    with pytest.raises((bp.NonFiniteError, KeyError)):
        net.fit(**wrong, y=Y[:7], verbose=0, callbacks=callbacks)
    assert net.evaluate(X, Y) == expected
    assert net.stop_training


@pytest.mark.parametrize(("hook", "at"), [("on_train_batch_end", 7), ("on_test_begin", 1), ("on_epoch_end", 1)])
def test_the_history_has_the_epochs_that_were_finished(net: bp.Sequential, hook: str, at: int) -> None:
    """Also those whose validation or whose callbacks failed."""
    calls = [0]

    def refuse(*_: object) -> None:
        calls[0] += 1
        if calls[0] > at:
            raise KeyError

    epochs = net._session.epochs
    with pytest.raises(KeyError):
        net.fit(
            X,
            Y,
            batch_size=4,
            epochs=3,
            verbose=0,
            validation_data=(X, Y),
            callbacks=[bp.LambdaCallback(**{hook: refuse})],
        )
    assert net._session.epochs - epochs == 2
    assert net.history is not None
    assert net.history.epoch == [0, 1]
    assert len(net.history.history["loss"]) == 2
    assert len(net.history.history["val_loss"]) == (2 if hook == "on_epoch_end" else 1)


def test_an_epoch_enters_the_history_as_a_whole() -> None:
    """Ctrl-C may come between any two numbers of an epoch."""

    class Stops(list):  # type: ignore[type-arg]
        def append(self, value: Any) -> None:
            raise KeyboardInterrupt

    history = bp.History()
    history.on_epoch_end(0, {"loss": 3.0, "mae": 2.0})
    history.history["mae"] = Stops([2.0])
    with pytest.raises(KeyboardInterrupt):
        history.on_epoch_end(1, {"loss": 4.0, "mae": 5.0, "val_loss": 6.0})
    history.complete()
    history.complete()
    assert history.epoch == [0, 1]
    assert history.history == {"loss": [3.0, 4.0], "mae": [2.0, 5.0], "val_loss": [6.0]}


UNBUILT: dict[str, Callable[[bp.Sequential], Any]] = {
    "fit": lambda net: net.fit(np.ones((16, 5)), np.ones((16, 3)), verbose=0),
    "fit, verbose": lambda net: net.fit(np.ones((16, 5)), Y, verbose=7),
    "fit, callbacks": lambda net: net.fit(np.ones((16, 5)), Y, callbacks=3),
    "fit, validation": lambda net: net.fit(np.ones((16, 5)), Y, verbose=0, validation_data=(X, Y)),
    "train_on_batch": lambda net: net.train_on_batch(np.ones((16, 5)), np.ones((16, 3))),
    "evaluate": lambda net: net.evaluate(np.ones((16, 5)), np.ones((16, 3))),
    "loss_and_gradients": lambda net: net.loss_and_gradients(np.ones((16, 5)), np.ones((16, 3))),
    "backpropagate": lambda net: net.backpropagate(np.ones((16, 5)), np.ones((16, 3))),
    "predict": lambda net: net.predict(np.ones((16, 5)), callbacks=3),
}


@pytest.mark.parametrize("call", UNBUILT)
@pytest.mark.parametrize("backend", ["core", "reference"])
def test_data_that_do_not_fit_fix_no_shapes(backend: str, call: str) -> None:
    """The first call builds a model for its data; one that is refused leaves it to the next."""
    net = bp.Sequential([bp.Dense(4), bp.Dense(1)])
    net.compile("sgd", "mse", backend=backend)
    with pytest.raises((ValueError, TypeError)):
        UNBUILT[call](net)
    assert not net.built
    assert not any(layer.built for layer in net.layers)
    assert len(net.fit(X, Y, verbose=0).epoch) == 1


def test_a_step_that_is_not_finite_leaves_weights_to_look_at() -> None:
    net = bp.Sequential([bp.Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(bp.NonFiniteError):
        net.fit(np.full((4, 3), np.inf), np.ones(4), verbose=0)
    assert np.isfinite(net.get_weights()[0]).all()


def test_data_that_do_not_fit_build_no_layer_of_a_cost() -> None:
    x, y, layer = bp.input("x"), bp.input("y"), bp.Dense(4)
    cost = bp.sparse_categorical_crossentropy(y, bp.softmax(layer(x)))
    with pytest.raises(ValueError, match="y must"):
        bp.minimize(bp.mean(cost), {"x": np.ones((16, 5)), "y": np.full(16, 9)})
    assert not layer.built
    f = bp.function([x, y], bp.mean(cost), gradients=[x])
    with pytest.raises(ValueError, match="y must"):
        f(np.ones((16, 5)), np.full(16, 9))
    assert not layer.built
    assert np.isfinite(f(X, np.zeros(16))[0])
    assert layer.built


def test_a_function_that_fails_for_other_shapes_still_serves_the_last() -> None:
    x = bp.input("x")
    f = bp.function([x], bp.exp(x))
    first = np.ones((4, 3), np.float32)
    expected = f(first).tobytes()
    _core.testing.fail_allocation_after(1)
    try:
        with pytest.raises(MemoryError):
            f(np.ones((4, 5), np.float32))
    finally:
        _core.testing.fail_allocation_after(0)
    assert f(first).tobytes() == expected


def test_settings_that_were_passed_on_before_an_interrupt_are_passed_on_again() -> None:
    net, twin = (bp.Sequential([bp.Input((3,)), bp.Dense(1)], seed=4) for _ in range(2))
    for model in (net, twin):
        model.compile(bp.SGD(0.25), "mse")
        model.fit(X, Y, verbose=0)
    (training,) = net._session.graphs.values()
    trainer = training._trainer

    class Stops:
        """The trainer; Ctrl-C comes just after it has got its settings."""

        def set_optimizer(self, settings: Any) -> None:
            trainer.set_optimizer(settings)
            raise KeyboardInterrupt

    assert net.optimizer is not None
    net.optimizer.learning_rate = 0.5
    training._trainer = Stops()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, verbose=0)
    training._trainer = trainer
    net.optimizer.learning_rate = 0.25
    assert net.fit(X, Y, epochs=3, verbose=0).history == twin.fit(X, Y, epochs=3, verbose=0).history


def test_a_layer_that_cannot_be_added_leaves_the_model() -> None:
    net = bp.Sequential()

    class Refuses(bp.Layer):
        def __call__(self, *operands: Any) -> Any:
            raise KeyError

    with pytest.raises(KeyError):
        net.add(Refuses(input_shape=(3,)))
    assert net.inputs[0].shape is None
    assert net.layers == []
    net.add(bp.Dense(2, input_shape=(5,)))
    assert net.count_params() == 12


def test_weights_of_both_backends_and_of_none_are_set_all_or_none() -> None:
    first, second, x = bp.Dense(2, use_bias=False), bp.Dense(1, use_bias=False), bp.Input((3,))
    for layer, width, backend in ((first, 3, "core"), (second, 2, "reference")):
        home = bp.Sequential([bp.Input((width,)), layer])
        home.compile("sgd", "mse", backend=backend)
        home.fit(np.ones((4, width)), np.ones((4, layer.units)), verbose=0)
    net = bp.Model(x, second(first(x)) * bp.parameter(np.ones(1)))
    before = [w.value.tobytes() for w in net.weights]
    new = [np.full(w.shape, 7.0) for w in net.weights]
    for n in range(1, 9):
        _core.testing.fail_allocation_after(n)
        try:
            net.set_weights([*new[:-1], np.zeros((3, 3))])
        except (MemoryError, ValueError):
            assert [w.value.tobytes() for w in net.weights] == before
        finally:
            _core.testing.fail_allocation_after(0)
    net.set_weights(new)
    assert all((w.value == 7).all() for w in net.weights)
