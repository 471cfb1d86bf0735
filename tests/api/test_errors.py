"""Errors name the argument, what came and what would be right; a call that raises one leaves nothing half done."""

from __future__ import annotations

import threading
import traceback
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight

X = np.random.default_rng(4).normal(size=(40, 3)).astype(np.float32)
Y = X[:, :1]
BACKENDS = ["core", "reference"]


def network(backend: str = "core") -> bp.Sequential:
    net = bp.Sequential([bp.Dense(8, activation="tanh"), bp.Dropout(0.2), bp.Dense(1)], seed=6)
    net.compile(bp.SGD(0.05, momentum=0.9), "mse", backend=backend)
    return net


def same(a: bp.Sequential, b: bp.Sequential) -> bool:
    return all(v.tobytes() == w.tobytes() for v, w in zip(a.get_weights(), b.get_weights()))


def replayed(backend: str, steps: int) -> bp.Sequential:
    """A network after that many steps of the first epoch."""
    net = network(backend)

    class Stop(bp.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.stop_training = batch + 1 == steps

    net.fit(X, Y, batch_size=4, verbose=0, callbacks=[Stop()])
    assert net._session.steps == steps
    return net


# --- exceptions in callbacks


class Wrong(ValueError):
    pass


def fail_here(batch: int) -> None:
    raise Wrong(f"in batch {batch}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [0, 5, 9])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_batch_begin"])
def test_what_a_callback_raises_comes_out_and_the_steps_before_it_stay(
    hook: str, batch: int, threads: int, backend: str
) -> None:
    bp.set_num_threads(threads)
    _core.testing.share_always(True)

    def raise_at(number: int, logs: object) -> None:
        if number == batch:
            fail_here(batch)

    net = network(backend)
    net.build((3,))
    with pytest.raises(Wrong, match=f"in batch {batch}") as caught:
        net.fit(X, Y, batch_size=4, verbose=0, callbacks=[bp.LambdaCallback(**{hook: raise_at})])
    assert "fail_here" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    steps = batch + (hook == "on_train_batch_end")
    assert (net._session.steps, net._session.epochs) == (steps, steps // 10)  # an epoch ends with its last step
    if steps:
        assert same(net, replayed(backend, steps))
    assert len(net.fit(X, Y, batch_size=4, epochs=2, verbose=0).epoch) == 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("where", ["on_epoch_begin", "on_epoch_end", "on_test_batch_end", "on_train_begin"])
def test_other_hooks_may_raise_too(where: str, backend: str) -> None:
    def raise_it(*_: object) -> None:
        raise Wrong

    net = network(backend)
    with pytest.raises(Wrong):
        net.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[bp.LambdaCallback(**{where: raise_it})])
    net.fit(X, Y, verbose=0)


def test_an_answer_that_is_neither_true_nor_false_is_an_error() -> None:
    class Neither:
        def __bool__(self) -> bool:
            raise Wrong

    line = Line(_core)
    for hook in ("on_batch", "on_progress"):
        with pytest.raises(Wrong):
            line.trainer.fit([X[:, 0]], batch_size=4, **{hook: lambda *_: Neither()})


def test_stopping_never_leaves_a_thread_behind() -> None:
    """Thread 0 stops training while other threads may still be leaving the step before."""
    bp.set_num_threads(3)
    _core.testing.share_always(True)
    line = Line(_core)
    for _ in range(1500):
        line.trainer.fit([X[:, 0]], batch_size=4, on_batch=lambda step, figures: step == 1)
    assert line.trainer.steps == 2 * 1500


# --- calls from inside a fit, and from several threads


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_callback_may_look_but_not_train(threads: int, backend: str) -> None:
    bp.set_num_threads(threads)
    _core.testing.share_always(True)
    net, plain = network(backend), network(backend)
    refused = []

    def meddle(batch: int, logs: object) -> None:
        net.predict(X)
        net.evaluate(X, Y)
        net.evaluate(X, Y[:, 0])  # targets of another shape: another graph on the same weights
        net.loss_and_gradients(X, Y, training=False)
        net.set_weights(net.get_weights())
        for call in (
            lambda: net.train_on_batch(X, Y),
            lambda: net.fit(X, Y),
            lambda: net.compile("sgd", "mse", backend=backend),
        ):
            with pytest.raises(RuntimeError, match="cannot be called while the model is being trained"):
                call()
            refused.append(batch)

    net.fit(X, Y, batch_size=8, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=meddle)])
    plain.fit(X, Y, batch_size=8, verbose=0)
    assert len(refused) == 15
    assert same(net, plain)


def test_the_core_refuses_a_call_from_inside_itself() -> None:
    line = Line(_core)

    def step(*_: object) -> None:
        line.trainer.step([X[:, 0]])

    with pytest.raises(
        RuntimeError, match="a training of these parameters is running: its callbacks can not call it again"
    ):
        line.trainer.fit([X[:, 0]], batch_size=4, on_batch=step)


def test_python_threads_may_share_a_model() -> None:
    """They take turns: one plan serves one call at a time."""
    net = network()
    sizes = [3, 40, 7, 2000]
    data = {size: np.resize(X, (size, 3)) for size in sizes}
    expected = {size: net.predict(x).tobytes() for size, x in data.items()}
    wrong: list[int] = []

    def predict(size: int) -> None:
        for _ in range(40):
            if net.predict(data[size]).tobytes() != expected[size]:
                wrong.append(size)

    workers = [threading.Thread(target=predict, args=(size,)) for size in sizes]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


# --- unknown names


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: bp.Dense(3, activation="rellu"), "activation must be one of .*got 'rellu': did you mean 'relu'?"),
        (lambda: bp.Dense(3, kernel_initializer="he_unifrom"), "kernel_initializer must .*did you mean 'he_uniform'"),
        (lambda: bp.Dense(3, kernel_regularizer="l3"), "kernel_regularizer must .*did you mean 'l2'"),
        (
            lambda: network().compile("sdg", "mse"),
            "optimizer must be one of adagrad, adam, .*did you mean 'sgd'",
        ),
        (lambda: network().compile("sgd", "mean_square_error"), "loss must .*did you mean 'mean_squared_error'"),
        (lambda: network().compile("sgd", "mse", ["accurcy"]), "metrics must .*did you mean 'accuracy'"),
        (lambda: network().compile("sgd", "mse", backend="refernce"), "backend must .*did you mean 'reference'"),
        (lambda: bp.Sequential([bp.Dense(1)], dtype="float46"), "dtype must .*did you mean 'float64'"),
        (lambda: network().fit(X, Y, verbose="atuo"), "verbose must .*did you mean 'auto'"),
        (lambda: network().fit(X, Y, verbose=3), "verbose must be 'auto', 0, 1, 2 or 'tqdm', got 3"),
        (lambda: bp.EarlyStopping(mode="mix"), "mode must .*did you mean"),
    ],
)
def test_an_unknown_name_has_a_nearest_known_one(act: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act()


# --- arguments that make no sense


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be a whole number, got 2.5"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0, got -1"),
        ({"epochs": 2**32}, ValueError, "epochs must be at most 4294967295"),
        ({"epochs": "3"}, TypeError, "epochs must be a whole number, got '3'"),
        ({"validation_split": "a"}, TypeError, "validation_split must be a number, got 'a'"),
        ({"validation_split": 1}, ValueError, "validation_split must be at least 0 and below 1, got 1"),
        ({"validation_split": 0.999}, ValueError, "validation_split 0.999 leaves 0 of 40 rows"),
        ({"validation_data": (X[:, :2], Y)}, ValueError, "validation x has 2 features.*built for 3"),
        ({"validation_data": (X, Y[1:])}, ValueError, "validation y has 39 rows, but validation x has 40"),
        ({"callbacks": 5}, TypeError, "callbacks must be a list of bp.Callback, got 5"),
        ({"callbacks": [print]}, TypeError, "callbacks must be instances of bp.Callback"),
        ({"sample_weight": X}, ValueError, r"sample_weight must hold one number per row, of shape \(rows,\), got"),
        ({"class_weight": [1, 2]}, TypeError, "class_weight must be a dict of label: weight"),
    ],
    ids=str,
)
def test_fit_refuses_and_trains_nothing(options: Any, error: Any, message: str) -> None:
    net = network()
    with pytest.raises(error, match=message):
        net.fit(X, Y, **{"verbose": 0, **options})
    assert net._session.steps == 0


def test_a_batch_larger_than_the_data_is_all_of_them() -> None:
    net, twin = network(), network()
    net.fit(X, Y, batch_size=2**70, verbose=0)
    twin.fit(X, Y, batch_size=40, verbose=0)
    assert same(net, twin)
    assert net.predict(X, batch_size=2**70).tobytes() == net.predict(X).tobytes()
    assert net.evaluate(X, Y, batch_size=2**70) == net.evaluate(X, Y, batch_size=40)


def test_a_seed_has_64_bits() -> None:
    assert bp.Sequential([bp.Dense(1)], seed=2**64 - 1).predict(X).shape == (40, 1)
    with pytest.raises(ValueError, match="seed must be at most 18446744073709551615, got 18446744073709551616"):
        bp.Sequential([bp.Dense(1)], seed=2**64)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        bp.minimize(bp.parameter(1.0) * 1.0, {}, seed=-1)


SETTINGS = [
    ({"learning_rate": -1.0}, ValueError, "learning_rate must be finite and at least 0, got -1.0"),
    ({"learning_rate": float("nan")}, ValueError, "learning_rate must be finite and at least 0, got nan"),
    ({"weight_decay": float("inf")}, ValueError, "weight_decay must be finite and at least 0, got inf"),
    ({"momentum": "0.9x"}, TypeError, "momentum must be a number, got str"),
    ({"learning_rate": None}, TypeError, "learning_rate must be a number, got NoneType"),
]


@pytest.mark.parametrize(("settings", "error", "message"), SETTINGS)
def test_an_optimizer_that_makes_no_sense_is_refused_by_all_three(settings: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        bp.SGD(**settings)
    for backend in (_core, reference):
        with pytest.raises(error, match=message):
            Line(backend, **settings)
        line = Line(backend)
        with pytest.raises(error, match=message):
            line.trainer.set_optimizer({"name": "sgd", **settings})


def test_too_much_momentum_is_refused_by_all_three() -> None:
    with pytest.raises(ValueError, match=r"momentum must be below 1, got 1\.0"):
        bp.SGD(momentum=1)
    for backend in (_core, reference):
        with pytest.raises(ValueError, match=r"momentum must be at most 1, got 1\.5"):
            Line(backend, momentum=1.5)


class Line:
    """mean((x w)²) made with a backend's own classes, below the public interface."""

    def __init__(self, backend: Any, **settings: Any) -> None:
        graph, parameters = backend.Graph(), backend.Parameters("float32")
        x = graph.add("input", [], [0], [], "x")
        w = graph.add("parameter", [], [parameters.add(1.0, "w")], [], "w")
        squares = graph.add("square", [graph.add("multiply", [x, w])])
        cost = graph.add("divide_by_count", [graph.add("sum", [squares], [1])], [1, 1])
        self.trainer = backend.Trainer(graph, cost, [], parameters, [TrainedWeight(w)], {"name": "sgd", **settings}, 0)
