"""Threads and callbacks that train what is being trained: one at a time, the others get an error and never wait."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core, reference
from new_process import DONE, run_python

BACKENDS = ("core", "reference")
X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
Y = X[:, :1] - 1
BESIDE = "cannot be called while another thread trains the model: wait for its end, or let each thread train a copy"
INSIDE = "cannot be called while the model is being trained: not from its callbacks"


def network(backend: str = "core", seed: int = 1) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dense(1)], seed=seed)
    net.compile(bp.SGD(0.1, momentum=0.9), "mse", backend=backend)
    net.build((3,))
    return net


def bits(net: bp.Model) -> list[bytes]:
    return [w.tobytes() for w in net.get_weights()]


TRAINING: dict[str, Callable[[bp.Model], Any]] = {
    "fit": lambda net: net.fit(X, Y, verbose=0),
    "train_on_batch": lambda net: net.train_on_batch(X, Y),
    "compile": lambda net: net.compile("adam", "mae"),
}


def whole(message: str) -> str:
    return f"^{message}$"


def beside_a_fit(net: bp.Model, act: Callable[[], Any], hook: str) -> bp.History:
    """Calls `act` while another thread is in a callback of `net.fit`, and returns that fit's history."""
    inside, over, histories = threading.Event(), threading.Event(), []

    def wait(*_: object) -> None:
        inside.set()
        assert over.wait(60)

    callback = bp.LambdaCallback(**{hook: wait})
    thread = threading.Thread(
        target=lambda: histories.append(net.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[callback]))
    )
    thread.start()
    assert inside.wait(60)
    try:
        act()
    finally:
        over.set()
        thread.join()
    return histories[0]


@pytest.mark.parametrize("hook", ["on_train_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("method", TRAINING)
@pytest.mark.parametrize("backend", BACKENDS)
def test_another_thread_cannot_train_a_model_in_training(backend: str, method: str, hook: str) -> None:
    net, twin = network(backend), network(backend)
    expected = twin.fit(X, Y, batch_size=8, epochs=2, verbose=0)

    def act() -> None:
        with pytest.raises(RuntimeError, match=whole(f"{method} {BESIDE}")):
            TRAINING[method](net)

    history = beside_a_fit(net, act, hook)
    assert history.history == expected.history
    assert bits(net) == bits(twin)
    assert net._session.steps == twin._session.steps == 6
    TRAINING[method](net), TRAINING[method](twin)  # and it is free again
    assert bits(net) == bits(twin)


@pytest.mark.parametrize("hook", ["on_train_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("method", TRAINING)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_callback_cannot_train_its_model(backend: str, method: str, hook: str) -> None:
    net, twin = network(backend), network(backend)
    twin.fit(X, Y, batch_size=8, verbose=0)

    def act(*_: object) -> None:
        with pytest.raises(RuntimeError, match=whole(f"{method} {INSIDE}")):
            TRAINING[method](net)

    net.fit(X, Y, batch_size=8, verbose=0, callbacks=[bp.LambdaCallback(**{hook: act})])
    assert bits(net) == bits(twin)


@pytest.mark.parametrize("backend", BACKENDS)
def test_other_threads_may_predict_and_evaluate_meanwhile(backend: str) -> None:
    net = network(backend)

    def act() -> None:
        assert np.isfinite(net.predict(X)).all()
        assert np.isfinite(net.evaluate(X, Y))
        steps = net._session.steps
        assert len(net.loss_and_gradients(X, Y)[1]) == 4
        assert net._session.steps == steps  # it counts as a step of that training

    beside_a_fit(net, act, "on_train_batch_end")


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_evaluation_beside_a_training_does_not_change_its_penalties(backend: str) -> None:
    """λ/m is of the rows that are trained on, whatever others evaluate meanwhile."""

    def penalized() -> bp.Sequential:
        net = bp.Sequential([bp.Input((3,)), bp.Dense(1)], seed=1)
        net.compile("sgd", "mse", l1=0.3, l2=0.5, backend=backend)
        return net

    def stepped(net: bp.Model, act: Callable[[], Any]) -> list[bytes]:
        """Two steps; act() is called by another thread inside the second, when its penalties are set."""
        net.train_on_batch(X, Y)
        thread = threading.Thread(target=act)
        turns = net._turns

        def within() -> None:
            thread.start()
            thread.join()
            training = net._graph_for(net._data(X, Y))
            trainer = net._session.begin(training)
            trainer.step([X, Y])

        turns.train("train_on_batch", within)
        return bits(net)

    evaluated, net = [], penalized()

    def evaluate() -> None:
        evaluated.append(net.evaluate(X[:5], Y[:5]))
        net.loss_and_gradients(X[:5], Y[:5])

    assert stepped(net, evaluate) == stepped(penalized(), lambda: None)
    assert len(evaluated) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_callbacks_that_train_each_others_models_end(backend: str) -> None:
    nets, meet, errors = [network(backend, 1), network(backend, 2)], threading.Barrier(2, timeout=60), []

    def train(own: int) -> None:
        def other(batch: int, logs: object) -> None:
            meet.wait()
            try:
                nets[1 - own].train_on_batch(X, Y)
            except RuntimeError as error:
                errors.append(str(error))
            meet.wait()

        nets[own].fit(X, Y, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=other)])

    threads = [threading.Thread(target=train, args=(own,), daemon=True) for own in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == [f"train_on_batch {BESIDE}"] * 2


def test_a_callback_that_waits_for_a_thread_which_trains_its_model_ends() -> None:
    net, errors = network(), []
    with ThreadPoolExecutor(1) as pool:

        def act(*_: object) -> None:
            error = pool.submit(net.train_on_batch, X, Y).exception(timeout=60)
            errors.append(str(error))

        net.fit(X, Y, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=act)])
    assert errors == [f"train_on_batch {BESIDE}"]


def in_threads(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()


def test_a_history_is_that_of_its_call() -> None:
    net, wrong, done = network(), [], []

    def fits(epochs: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(50):
                try:
                    history = net.fit(X, Y, batch_size=8, epochs=epochs, verbose=0)
                except RuntimeError:
                    continue
                done.append(epochs)
                if history.epoch != list(range(epochs)) or len(history.history["loss"]) != epochs:
                    wrong.append((epochs, history.epoch))

        return work

    in_threads([fits(1), fits(2), fits(50)])
    assert done
    assert wrong == []
    assert net._session.epochs == sum(done)
    assert net._session.steps == 3 * sum(done)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_step_of_two_threads_is_lost(backend: str, shared: bool) -> None:
    """The loss is the prediction, of one row and one weight: each step lowers the weight by exactly 1."""
    layer = bp.Dense(1, use_bias=False, kernel_initializer="zeros")
    one = np.ones((1, 1), np.float32)

    def model() -> bp.Model:
        net = bp.Sequential([bp.Input((1,)), layer])
        net.compile(bp.SGD(1.0), lambda target, prediction: prediction, backend=backend)
        net.build()
        return net

    first = model()
    second = model() if shared else first
    steps, errors, tries = [0, 0], set[str](), 3000 if backend == "core" else 60

    def trains(own: int, net: bp.Model) -> Callable[[], None]:
        def work() -> None:
            for _ in range(tries):
                try:
                    net.train_on_batch(one, one)
                except RuntimeError as error:
                    errors.add(str(error))
                else:
                    steps[own] += 1

        return work

    in_threads([trains(0, first), trains(1, second)])
    assert max(steps) > 0
    assert errors <= {
        f"train_on_batch {BESIDE}",
        "dense/kernel is being trained by something else: train when that is done",
    }
    assert layer.weights[0].value.item() == -sum(steps)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_that_build_a_model_at_once_build_it_once(backend: str) -> None:
    for seed in range(10):
        net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dense(1)], seed=seed)
        twin = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dense(1)], seed=seed)
        for model in (net, twin):
            model.compile("sgd", "mse", backend=backend)
        meet, results = threading.Barrier(3), []

        def predict(net: bp.Model = net, meet: threading.Barrier = meet, results: list[Any] = results) -> None:
            meet.wait()
            results.append(net.predict(X).tobytes())

        in_threads([predict] * 3)
        assert results == [twin.predict(X).tobytes()] * 3
        assert net.fit(X, Y, verbose=0).history == twin.fit(X, Y, verbose=0).history


def test_layers_that_build_each_others_models_end() -> None:
    """Each thread builds one model, and its layer wants the other's: neither may wait for the other."""
    meet, errors = threading.Barrier(2, timeout=60), []

    class Curious(bp.Layer):
        other: Any = None

        def build(self, input_shape: Any) -> None:
            meet.wait()
            try:
                self.other.predict(X)
            except RuntimeError as error:
                errors.append(str(error))
            meet.wait()

        def call(self, x: Any) -> Any:
            return x

    layers = [Curious(), Curious()]
    models = [bp.Sequential([layer]) for layer in layers]
    layers[0].other, layers[1].other = models[1], models[0]
    in_threads([lambda net=net: net.predict(X) for net in models])
    assert errors == ["build cannot wait for another thread, which may wait for this one"] * 2


def test_copies_in_other_threads_keep_the_order_of_expressions() -> None:
    """An operand must have a lower number than its result, whatever is copied or unpickled meanwhile."""
    net, over, wrong = network(), threading.Event(), []
    interval = sys.getswitchinterval()

    def copies() -> None:
        while not over.is_set():
            copy.deepcopy(net)

    def builds() -> None:
        for _ in range(3000):
            x = bp.input("x", (3,))
            y = x + 1.0
            if y.number <= x.number:
                wrong.append((x.number, y.number))
        over.set()

    sys.setswitchinterval(1e-6)
    try:
        in_threads([copies, copies, builds])
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_an_unpickled_expression_can_be_an_operand() -> None:
    """Those that are made later have higher numbers, also where the pickle comes from a process that made more."""
    x = bp.input("x", (3,))
    x.number += 100_000
    unpickled = pickle.loads(pickle.dumps(x))
    assert (unpickled + 1.0).number > unpickled.number


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_knows_whose_states_it_has(copied: Callable[[Any], Any]) -> None:
    net = network()
    net.fit(X, Y, verbose=0)
    for model in (net, copied(net)):
        before = bits(model)
        model.optimizer = bp.Adam()
        with pytest.raises(ValueError, match="the optimizer is 'sgd' and cannot become 'adam': compile anew"):
            model.train_on_batch(X, Y)
        assert bits(model) == before
        model.compile("adam", "mse")
        model.train_on_batch(X, Y)


def test_a_layer_cannot_build_its_model_while_that_is_built() -> None:
    class Greedy(bp.Layer):
        def build(self, input_shape: Any) -> None:
            net.predict(X)

        def call(self, x: Any) -> Any:
            return x

    net = bp.Sequential([Greedy()])
    with pytest.raises(RuntimeError, match="build cannot be called while the model is being built: not by its layers"):
        net.predict(X)


FAILING: dict[str, Callable[[bp.Model, np.ndarray, str], Any]] = {
    "train_on_batch": lambda net, bad, backend: net.train_on_batch(bad, Y[:4]),
    "fit": lambda net, bad, backend: net.fit(bad, Y[:4], verbose=0),
    "minimize": lambda net, bad, backend: bp.minimize(
        bp.mean(net.outputs[0] ** 2), {"x": bad}, bp.SGD(0.1), backend=backend
    ),
}


@pytest.mark.parametrize("lives_in", ["itself", "a float64 model"])
@pytest.mark.parametrize("failing", FAILING)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_without_a_step_rounds_no_shared_weight(backend: str, failing: str, lives_in: str) -> None:
    """A float64 weight that a float32 model trains is rounded by its first step, not by one that fails."""
    value = np.array([[1 / 3], [1 / 7], [np.pi]])
    weight = bp.parameter(value, name="w")
    if lives_in != "itself":
        double = bp.Sequential([bp.Input((3,)), bp.Dense(1, use_bias=False)], dtype="float64")
        double.compile("sgd", "mse", backend=backend)
        double.set_weights([value])
        weight = double.weights[0]
    x = bp.input("x", (3,))
    net = bp.Model(x, x @ weight)
    net.compile("sgd", "mse", backend=backend)
    with pytest.raises(bp.NonFiniteError):
        FAILING[failing](net, np.full((4, 3), np.inf, np.float32), backend)
    assert np.array_equal(weight.value, value)
    net.train_on_batch(X, Y)
    assert weight.value.dtype == np.float32
    assert np.array_equal(weight.value, net.get_weights()[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_value_that_is_set_during_a_training_without_a_step_stays(backend: str) -> None:
    weight = bp.parameter([[1 / 3], [1 / 7], [np.pi]], name="w")
    x = bp.input("x", (3,))
    net = bp.Model(x, x @ weight)
    net.compile("sgd", "mse", backend=backend)
    net.build()
    trainer = net._session.begin(net._graph_for(net._data(X, Y)))

    def fails() -> None:
        weight.value = np.full((3, 1), 7.0)
        raise KeyError

    with pytest.raises(KeyError):
        net._store.train(trainer, fails)
    assert np.array_equal(weight.value, np.full((3, 1), 7.0))
    assert np.array_equal(net.get_weights()[0], weight.value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_minimize_has_its_parameters_for_the_whole_call(backend: str) -> None:
    """Between two of its evaluations too: another one that trains them is refused before it has made a step."""
    w, x = bp.parameter(8.0, name="w"), bp.input("x")
    errors: list[str] = []

    def rate(update: int) -> float:
        if update in (0, 1):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        return 0.25

    def other() -> None:
        try:
            bp.minimize(w * w + 0 * bp.sum(x), {"x": [1.0]}, epochs=2, evaluate_every=1, backend=backend)
        except RuntimeError as error:
            errors.append(str(error))

    run = bp.minimize(w * w + 0 * bp.sum(x), {"x": [1.0]}, bp.SGD(rate), epochs=2, evaluate_every=1, backend=backend)
    assert run.history == {"cost": [64.0, 16.0], "full_cost": [16.0, 4.0]}
    assert len(errors) >= 1
    assert set(errors) == {"w is being trained by something else: train when that is done"}


def test_set_weights_of_several_homes_sets_all_or_none() -> None:
    first, second = bp.Dense(2, use_bias=False), bp.Dense(1, use_bias=False)
    for layer, width in ((first, 3), (second, 2)):
        net = bp.Sequential([bp.Input((width,)), layer])
        net.compile("sgd", "mse")
        net.fit(np.ones((4, width)), np.ones((4, layer.units)), verbose=0)
    both = bp.Sequential([bp.Input((3,)), first, second])
    before = bits(both)
    homes = {weight.store for weight in both.weights}
    assert len(homes) == 2

    new = [np.full((3, 2), 7.0), np.full((2, 1), 9.0)]
    values = [(weight.store.values, weight.home[1], value) for weight, value in zip(both.weights, new)]
    with pytest.raises(ValueError, match="has shape"):
        _core.set_all([values[0], (*values[1][:2], np.ones((5, 5)))])
    with pytest.raises((TypeError, ValueError)):
        _core.set_all([values[0], (*values[1][:2], object())])
    assert bits(both) == before
    both.set_weights(new)
    assert all(np.array_equal(a, b) for a, b in zip(both.get_weights(), new))


# --- copies


COPIES: dict[str, Callable[[bp.Model], Any]] = {
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
BUSY = (
    "the model cannot be copied or pickled while another thread trains it: wait for its end, or let one of its "
    "callbacks do it"
)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_in_training_is_not_copied_by_another_thread(backend: str, how: str) -> None:
    net = network(backend)
    sharing = bp.Sequential([bp.Input((3,)), *net.layers])
    sharing.build()

    def act() -> None:
        for model in (net, sharing):
            with pytest.raises(RuntimeError, match=whole(BUSY)):
                COPIES[how](model)

    beside_a_fit(net, act, "on_train_batch_end")
    copied = COPIES[how](net)
    assert bits(copied) == bits(net)
    assert copied._session.steps == net._session.steps == 6


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_callback_copies_its_model_between_two_steps(backend: str, how: str) -> None:
    net, twin, copies = network(backend), network(backend), []

    def take(batch: int, logs: object) -> None:
        if batch == 1:
            copies.append(COPIES[how](net))

    def stop(batch: int, logs: object) -> None:
        twin.stop_training = batch == 1

    net.fit(X, Y, batch_size=8, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=take)])
    twin.fit(X, Y, batch_size=8, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=stop)])
    (copied,) = copies
    assert copied._session.steps == twin._session.steps == 2
    if how == "copy":  # which shares the weights
        assert bits(copied) == bits(net)
        return
    assert bits(copied) == bits(twin)
    assert copied.fit(X, Y, verbose=0).history == twin.fit(X, Y, verbose=0).history
    assert bits(copied) == bits(twin)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_a_copy_that_a_training_has_overtaken_is_refused(how: str) -> None:
    class Slow:
        """Something of a layer that takes its time to be copied, while another thread makes a step."""

        def __reduce__(self) -> Any:
            thread = threading.Thread(target=net.train_on_batch, args=(X, Y))
            thread.start()
            thread.join()
            return list, ()

    net = network()
    net.layers[0]._kept = Slow()
    with pytest.raises(RuntimeError, match=whole(BUSY)):
        COPIES[how](net)
    assert net._session.steps == 1


def test_copies_beside_trainings_are_of_whole_steps() -> None:
    """Threads predict, evaluate and copy while one trains: no copy is torn, whoever wins."""
    net, twin = network(), network()
    after, taken, errors, over = [bits(twin)], [], set[str](), threading.Event()
    steps = 400

    def trains() -> None:
        for _ in range(steps):
            net.train_on_batch(X, Y)
            time.sleep(0)
        over.set()

    def copies(how: str) -> Callable[[], None]:
        def work() -> None:
            while not over.is_set():
                try:
                    copied = COPIES[how](net)
                except RuntimeError as error:
                    errors.add(str(error))
                else:
                    taken.append((copied._session.steps, bits(copied)))

        return work

    def uses() -> None:
        while not over.is_set():
            assert np.isfinite(net.predict(X)).all()
            assert np.isfinite(net.evaluate(X, Y))

    in_threads([trains, copies("pickle"), copies("deepcopy"), uses])
    for _ in range(steps):
        twin.train_on_batch(X, Y)
        after.append(bits(twin))
    assert errors <= {BUSY}
    assert bits(net) == after[steps]
    assert all(weights == after[step] for step, weights in taken)


# --- the objects themselves


@pytest.mark.parametrize("backend", [_core, reference], ids=BACKENDS)
def test_a_turn_ends_with_its_function(backend: Any) -> None:
    turn = backend.Turn("is inside", "is beside")
    assert not turn.is_taken
    assert backend.take_turn(turn, "add", lambda a, b=0: (a, b, turn.is_taken), 1, b=2) == (1, 2, True)
    assert not turn.is_taken

    def fails() -> None:
        raise KeyError("of the function")

    with pytest.raises(KeyError) as kept:  # a kept exception keeps the frames of the call
        backend.take_turn(turn, "fail", fails)
    assert kept is not None
    assert not turn.is_taken
    with pytest.raises(RuntimeError, match=whole("outer is inside")):
        backend.take_turn(turn, "inner", lambda: backend.take_turn(turn, "outer", lambda: None))
    assert not turn.is_taken


@pytest.mark.parametrize("beside", ["is beside", None])
@pytest.mark.parametrize("backend", [_core, reference], ids=BACKENDS)
def test_other_threads_are_refused_or_wait(backend: Any, beside: str | None) -> None:
    turn, inside, over, order = backend.Turn("is inside", beside), threading.Event(), threading.Event(), []

    def first() -> None:
        inside.set()
        over.wait(60)
        order.append("first")

    thread = threading.Thread(target=backend.take_turn, args=(turn, "first", first))
    thread.start()
    assert inside.wait(60)
    assert turn.is_taken
    if beside is not None:
        with pytest.raises(RuntimeError, match=whole("second is beside")):
            backend.take_turn(turn, "second", order.append, "second")
        over.set()
    else:
        threading.Timer(0.2, over.set).start()
        backend.take_turn(turn, "second", order.append, "second")
        assert order == ["first", "second"]
    thread.join(60)
    assert not turn.is_taken


def test_take_turn_refuses_wrong_arguments() -> None:
    turn = _core.Turn("is inside")
    for arguments in [
        (),
        (turn,),
        (turn, "f"),
        (turn, 1, len),
        (None, "f", len),
        (_core.Turn.__new__(_core.Turn), "f", len),
    ]:
        with pytest.raises(TypeError, match="take_turn takes a Turn, the method's name, a function and its arguments"):
            _core.take_turn(*arguments)
    with pytest.raises(TypeError):
        _core.take_turn(turn, "f", 5)
    assert not turn.is_taken


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("backend", [_core, reference], ids=BACKENDS)
def test_a_forked_child_does_not_inherit_the_turn_of_another_thread(backend: Any) -> None:
    turn, inside, over = backend.Turn("is inside", "is beside"), threading.Event(), threading.Event()
    thread = threading.Thread(target=backend.take_turn, args=(turn, "first", lambda: (inside.set(), over.wait(60))))
    thread.start()
    assert inside.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if backend.take_turn(turn, "second", lambda: turn.is_taken) and not turn.is_taken else 1)
    over.set()
    thread.join(60)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_within_a_turn_lets_one_thread_in_at_a_time() -> None:
    assert run_python(FORKED) == DONE


FORKED = """
    import os, threading, time, warnings
    from fastbp import _core

    warnings.simplefilter("ignore")  # of forks with threads: that is the point
    turn, inside, most = _core.Turn("is inside"), [], []

    def stay(seconds):
        inside.append(1)
        most.append(len(inside))
        time.sleep(seconds)
        inside.pop()

    def fork():
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            print("all of it was checked")
            return
        waits = threading.Thread(target=_core.take_turn, args=(turn, "b", stay, 0.3))
        waits.start()
        time.sleep(0.2)
        return waits

    waits = _core.take_turn(turn, "a", fork)
    if waits:
        _core.take_turn(turn, "a", stay, 0.5)
        waits.join()
        os._exit(0 if most == [1, 1] else 1)
"""

ENDING = """
    import sys, threading, time
    import fastbp as bp
    import numpy as np
    from fastbp import _core

    x = np.random.default_rng(0).normal(size=(20000, 20)).astype(np.float32)
    net = bp.Sequential([bp.Dense(64, activation="tanh"), bp.Dense(1)], seed=1)
    net.compile("sgd", "mse")
    net.fit(x[:64], x[:64, :1], verbose=0)
    sleep = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(1e-3))
    pause = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    turn = _core.Turn("is inside")
    work = {
        "fit": lambda: net.fit(x, x[:, :1], batch_size=50, epochs=20, verbose=0),
        "callback": lambda: net.fit(x, x[:, :1], batch_size=50, epochs=20, verbose=0, callbacks=[pause]),
        "sleeping callback": lambda: net.fit(x, x[:, :1], batch_size=50, epochs=20, verbose=0, callbacks=[sleep]),
        "train_on_batch": lambda: net.train_on_batch(x[:64], x[:64, :1]),
        "predict": lambda: net.predict(x),
        "turn": lambda: _core.take_turn(turn, "wait", time.sleep, 5),
    }[sys.argv[1]]
    for _ in range(2 if sys.argv[1] in ("predict", "turn") else 1):
        threading.Thread(target=lambda: [work() for _ in iter(int, 1)], daemon=True).start()
    time.sleep(0.3)
    print("all of it was checked")
"""


@pytest.mark.parametrize("what", ["fit", "callback", "sleeping callback", "train_on_batch", "predict", "turn"])
def test_a_daemon_thread_in_the_core_does_not_abort_the_process_at_its_end(what: str) -> None:
    assert run_python(ENDING, what) == DONE


WAITING = """
    import os, signal, threading, time
    import fastbp as bp
    import numpy as np

    x = np.ones((2_000_000, 64), np.float32)
    net = bp.Sequential([bp.Dense(64), bp.Dense(64), bp.Dense(1)])
    net.predict(x[:5])
    ended = threading.Event()

    def predict():
        while not ended.is_set():
            net.predict(x)

    threading.Thread(target=predict, daemon=True).start()
    time.sleep(0.1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            net.predict(x[:5])
    except KeyboardInterrupt:
        print("all of it was checked", flush=True)
    os._exit(0)
"""


def test_a_thread_that_waits_for_its_turn_can_be_interrupted() -> None:
    assert run_python(WAITING) == DONE
