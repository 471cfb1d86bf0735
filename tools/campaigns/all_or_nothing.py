"""Makes every public call fail, and looks whether it has left everything as it was.

python tools/campaigns/all_or_nothing.py
python tools/campaigns/all_or_nothing.py --backend reference
c++ -shared -fPIC -o fail_malloc.so tests/fail_malloc.cpp
LD_PRELOAD=./fail_malloc.so python tools/campaigns/all_or_nothing.py --malloc

A call fails because one of its arguments is wrong: each argument is replaced by each of a list of wrong ones. Or it
fails because the n-th allocation of the core fails, for every n; with --malloc, because the n-th `malloc` of the
process fails, whoever asks for it: Python, NumPy or the core. After that, weights, the optimiser's state, counters,
history and learning rates must be those of before, bit for bit, and so must be whatever is computed and trained next.
A `fit` that fails after some steps leaves those: then they are compared with a twin that stops there.
Prints, for each way to fail, the cases and the failures; the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import faulthandler
import inspect
import io
import itertools
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import fastbp as bp
import numpy as np
from fastbp import _core

ROWS = 16
X = np.linspace(-1, 1, 3 * ROWS, dtype=np.float32).reshape(ROWS, 3)
Y = X[:, :1] * 2
IMAGES = np.linspace(0, 1, 16 * ROWS, dtype=np.float32).reshape(ROWS, 4, 4, 1)
KINDS = ("new", "built", "trained", "other shapes", "shared")


class Things:
    """What calls change: a model, a model of images, a function, a parameter and a cost of it.

    kind: whether the models are new, built, trained, or trained with targets of another shape too; or share their
    layers with a float64 model that has trained them since.
    """

    def __init__(self, kind: str, backend: str) -> None:
        self.backend = backend
        layers = [bp.Dense(4, activation="tanh", kernel_regularizer=bp.L1L2(0.01, 0.01, proximal=True)), bp.Dense(1)]
        self.net = bp.Sequential([layers[0], bp.Dropout(0.5), layers[1]], seed=1)
        self.net.compile(bp.Adam(0.01, clipnorm=1.0), "mse", ["mae"], l2=0.1, backend=backend)
        self.images = bp.Sequential([bp.Flatten(), bp.Dense(1)], seed=2)
        self.images.compile(bp.SGD(0.01, momentum=0.9), "mse", backend=backend)
        self.plain = bp.Sequential([bp.Dense(3, activation="sigmoid"), bp.Dense(1, activation="sigmoid")], seed=3)
        self.plain.compile(bp.SGD(0.5, use_ema=True), "quadratic", backend=backend)
        self.unbuilt = bp.Sequential([bp.Dense(2)])
        self.ready = bp.Sequential([bp.Input((3,)), bp.Dense(2)])
        self.ready.build()
        x, y = bp.input("x", (3,)), bp.input("y")
        self.w = bp.parameter(np.full((3, 1), 1 / 3), name="w")
        self.cost = bp.mean((bp.dropout(x, 0.2) @ self.w - y) ** 2)
        self.f = bp.function([x, y], self.cost, gradients=[self.w], training=True, backend=backend)
        if kind == "built":
            for net, shape in ((self.net, (3,)), (self.images, (4, 4, 1)), (self.plain, (3,))):
                net.build(shape)
        if kind in ("trained", "other shapes", "shared"):
            self.train(rows=12)
        if kind == "other shapes":
            self.net.fit(X, Y[:, 0], batch_size=4, verbose=0)
        self.double: bp.Model | None = None
        if kind == "shared":
            self.double = bp.Sequential([layers[0], layers[1]], dtype="float64")
            self.double.compile(bp.SGD(0.01), "mse", backend=backend)
            self.double.fit(X, Y, batch_size=8, verbose=0)

    def models(self) -> list[bp.Model]:
        return [
            self.net,
            self.images,
            self.plain,
            self.unbuilt,
            self.ready,
            *([] if self.double is None else [self.double]),
        ]

    def train(self, rows: int = ROWS) -> list[Any]:
        """Trains and computes with everything: the figures."""
        x, y, images = X[:rows], Y[:rows], IMAGES[:rows]
        return [
            self.net.train_on_batch(x[:5], y[:5]),
            self.net.evaluate(x, y),
            self.net.loss_and_gradients(x, y),
            self.net.fit(x, y, batch_size=4, epochs=2, verbose=0, validation_split=0.25).history,
            self.net.predict(x),
            self.images.fit(images, y, batch_size=4, epochs=2, verbose=0).history,
            self.plain.train_on_batch(x, y),
            self.plain.train_on_batch(x, y),
            self.plain.fit(x, y, batch_size=4, verbose=0).history,
            self.f(x, y),
            bp.minimize(self.cost, {"x": x, "y": y[:, 0]}, bp.SGD(0.1), backend=self.backend).history,
        ]

    def state(self) -> Any:
        """All that a call that fails must leave as it is."""
        return bits([self.w.value, self.w.trainable, self.f._calls, *map(state_of, self.models())])


def state_of(net: bp.Model) -> Any:
    past, optimizer = net._session.past.state(), net.optimizer
    begun = past.counters is not None and np.any(past.counters[:2])  # updates, and gradients that wait for one
    counters = net._session.steps, net._session.epochs, past.counters if begun else None
    states = {f"{name} of {w.name}": a for name, by_weight in past.arrays.items() for w, a in by_weight.items()}
    states = {name: a for name, a in states.items() if begun and np.any(a)}  # one that is missing begins with zeros
    history = None if net.history is None else (net.history.epoch, net.history.history)
    weights = [(w.name, w.value.dtype.name, w.value) for w in net.weights] if net.built else []
    layers = [(layer.name, getattr(layer, "built", None), layer.trainable) for layer in net.layers]
    given = None if optimizer is None else sorted(vars(optimizer).items())
    shapes = [i.shape for i in net.inputs], net._shapes
    return [net.built, *shapes, layers, weights, counters, states, history, repr(given), net.trainable, net._backend]


def bits(value: Any) -> Any:
    """The value with its arrays and numbers as bytes, so that == compares bits."""
    if isinstance(value, dict):
        return {name: bits(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic, float)):
        array = np.asarray(value)
        return array.dtype.str, array.shape, array.tobytes()
    return value


# --- the calls


class PublicCall(NamedTuple):
    """`function(things)` is what is called, `arguments(things)` what it is called with when it succeeds."""

    function: Callable[[Things], Callable[..., Any]]
    arguments: Callable[[Things], dict[str, Any]]


def setter(thing: Callable[[Things], Any], name: str) -> PublicCall:
    """The assignment to an attribute."""
    return PublicCall(
        lambda things: lambda value: setattr(thing(things), name, value),
        lambda things: {"value": getattr(thing(things), name)},
    )


def fit_with(optimizer: Callable[[Things], Any], name: str, good: Any) -> PublicCall:
    """A fit after a setting of the optimiser, which has its old value again afterwards."""

    def fit(things: Things, value: Any, callbacks: Any) -> Any:
        settings = optimizer(things)
        old = getattr(settings, name)
        setattr(settings, name, value)
        try:
            return things.net.fit(X, Y, batch_size=4, verbose=0, callbacks=callbacks)
        finally:
            setattr(settings, name, old)

    return PublicCall(
        lambda things: lambda value, callbacks=None: fit(things, value, callbacks), lambda things: {"value": good}
    )


def data(**more: Any) -> Callable[[Things], dict[str, Any]]:
    return lambda things: {"x": X, "y": Y, **more}


def fit(net: Callable[[Things], bp.Model], **more: Any) -> PublicCall:
    return PublicCall(lambda things: net(things).fit, data(batch_size=4, epochs=2, verbose=0, **more))


def the_net(things: Things) -> bp.Model:
    return things.net


class Quiet(bp.Callback):
    """Makes `fit` enter Python after every step and every epoch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass

    on_epoch_end = on_test_batch_end = on_predict_batch_end = on_train_batch_end


CALLS: dict[str, PublicCall] = {
    "fit": fit(the_net),
    "fit with callbacks": fit(the_net, callbacks=[Quiet()]),
    "fit with a split": fit(the_net, validation_split=0.25, validation_seed=3),
    "fit with validation data": fit(the_net, validation_data=(X, Y), shuffle=False, check_finite=True),
    "fit with an average": fit(lambda things: things.plain),
    "fit with augment": PublicCall(
        lambda things: things.images.fit,
        lambda things: {
            "x": IMAGES, "y": Y, "batch_size": 4, "epochs": 2, "verbose": 0,
            "augment": bp.augment.ElasticTransform(2.0, 1.0),
        },
    ),
    "fit other shapes": PublicCall(lambda things: things.net.fit, lambda things: {"x": X[:5], "y": Y[:5, 0]}),
    "fit with a learning rate": fit_with(lambda things: things.net.optimizer, "learning_rate", 0.5),
    "fit with accumulation": fit_with(lambda things: things.net.optimizer, "gradient_accumulation_steps", 2),
    "fit with amsgrad": fit_with(lambda things: things.net.optimizer, "amsgrad", True),
    "train_on_batch": PublicCall(lambda things: things.net.train_on_batch, data()),
    "train_on_batch, plain": PublicCall(lambda things: things.plain.train_on_batch, data()),
    "loss_and_gradients": PublicCall(lambda things: things.net.loss_and_gradients, data()),
    "backpropagate": PublicCall(lambda things: things.plain.backpropagate, data()),
    "evaluate": PublicCall(lambda things: things.net.evaluate, data()),
    "evaluate with callbacks": PublicCall(lambda things: things.net.evaluate, data(callbacks=[Quiet()])),
    "predict": PublicCall(lambda things: things.net.predict, lambda things: {"x": X}),
    "predict with callbacks": PublicCall(
        lambda things: things.net.predict, lambda things: {"x": X, "batch_size": 5, "callbacks": [Quiet()]}
    ),
    "predict samples": PublicCall(
        lambda things: things.net.predict, lambda things: {"x": X, "dropout": True, "samples": 3}
    ),
    "compile": PublicCall(
        lambda things: things.net.compile,
        lambda things: {"optimizer": "sgd", "loss": "mae", "metrics": ["mse"], "backend": things.backend},
    ),
    "build": PublicCall(lambda things: things.net.build, lambda things: {"input_shape": (3,)}),
    "build anew": PublicCall(lambda things: things.unbuilt.build, lambda things: {"input_shape": (3,)}),
    "add": PublicCall(lambda things: things.unbuilt.add, lambda things: {"layer": bp.Dense(5)}),
    "set_weights": PublicCall(
        lambda things: things.net.set_weights,
        lambda things: {"weights": [np.ones((3, 4)), np.ones(4), np.ones((4, 1)), np.ones(1)]},
    ),
    "parameter.value": setter(lambda things: things.w, "value"),
    "weight.value": setter(lambda things: things.ready.weights[0], "value"),
    "net.trainable": setter(the_net, "trainable"),
    "layer.trainable": setter(lambda things: things.net.layers[0], "trainable"),
    "minimize": PublicCall(
        lambda things: bp.minimize,
        lambda things: {
            "cost": things.cost, "data": {"x": X, "y": Y[:, 0]}, "optimizer": bp.Adam(0.1), "epochs": 2,
            "backend": things.backend,
        },
    ),
    "minimize and evaluate": PublicCall(
        lambda things: bp.minimize,
        lambda things: {
            "cost": things.cost, "data": {"x": X, "y": Y[:, 0]}, "batch_size": 5, "evaluate_every": 1, "epochs": 2,
            "backend": things.backend,
        },
    ),
    "minimize what a model shares": PublicCall(
        lambda things: bp.minimize,
        lambda things: {"cost": bp.sum(things.ready.weights[0] ** 2), "dtype": "float64", "backend": things.backend},
    ),
    "call a function": PublicCall(
        lambda things: lambda x, y: things.f(x, y), lambda things: {"x": X, "y": Y}
    ),
    "function": PublicCall(
        lambda things: bp.function,
        lambda things: {"inputs": [bp.input("x")], "outputs": things.w, "backend": things.backend},
    ),
    "gradients": PublicCall(lambda things: bp.gradients, lambda things: {"cost": things.cost, "wrt": [things.w]}),
    "hessian": PublicCall(lambda things: bp.hessian, lambda things: {"cost": things.cost, "wrt": [things.w]}),
    "linear_regression": PublicCall(lambda things: bp.linear_regression, data()),
    "weights_hash": PublicCall(lambda things: bp.weights_hash, lambda things: {"weights": [X]}),
    "summary": PublicCall(
        lambda things: things.net.summary, lambda things: {"line_length": 80, "print_fn": lambda line: None}
    ),
    "get_layer": PublicCall(lambda things: things.net.get_layer, lambda things: {"name": "dense"}),
    "a layer of a model": PublicCall(
        lambda things: lambda x: bp.Model(bp.input("x"), things.net(x)), lambda things: {"x": bp.input("x")}
    ),
    "deepcopy": PublicCall(lambda things: lambda of: copy.deepcopy(of(things)), lambda things: {"of": the_net}),
    "copy": PublicCall(lambda things: lambda of: copy.copy(of(things)), lambda things: {"of": the_net}),
    "pickle": PublicCall(lambda things: lambda of: pickle.dumps(of(things)), lambda things: {"of": the_net}),
    "load": PublicCall(
        lambda things: pickle.loads, lambda things: {"data": pickle.dumps(things.net)}
    ),
}  # fmt: skip


# --- the ways to fail


class Refusal(Exception):
    """What a wrong argument raises."""


class Refuses:
    """Raises whatever it is asked."""

    def refuse(self, *_: Any, **__: Any) -> Any:
        raise Refusal

    __array__ = __iter__ = __len__ = __getitem__ = __bool__ = __index__ = __int__ = __float__ = __call__ = refuse


class Fails(bp.Callback):
    """Raises in one of its hooks."""

    def __init__(self, hook: str, at: int = 0) -> None:
        super().__init__()
        self.left = at
        setattr(self, hook, self.fail)

    def fail(self, *_: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise Refusal


def late(array: np.ndarray, value: float) -> np.ndarray:
    """A copy with this value in its last row."""
    copied = np.array(array, np.float64)
    copied[-1] = value
    return copied


HOOKS = [f"on_{what}" for what in (
    "train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "test_begin", "test_batch_end",
    "train_end", "predict_begin", "predict_end",
)]  # fmt: skip
# Each is made anew for each case.
WRONG: dict[str, Callable[[], Any]] = {
    "an object": object,
    "what refuses": Refuses,
    "None": lambda: None,
    "-1": lambda: -1,
    "2**70": lambda: 2**70,
    "nan": lambda: float("nan"),
    "'odd'": lambda: "odd",
    "[]": list,
    "['odd', 3]": lambda: ["odd", 3],
    "{'odd': 1}": lambda: {"odd": 1},
    "zeros (3,)": lambda: np.zeros(3),
    "zeros (5, 9)": lambda: np.zeros((5, 9)),
    "zeros (0, 3)": lambda: np.zeros((0, 3)),
    "objects": lambda: np.array([[None, "a", 3]] * ROWS, dtype=object),
    "complex": lambda: np.ones((ROWS, 3), np.complex64),
    "inf": lambda: np.full((ROWS, 3), np.inf),
    "late inf": lambda: late(X, np.inf),
    "late inf targets": lambda: late(Y, np.inf),
    "an unknown model": lambda: bp.Sequential([bp.Dense(3)]),
    "a function that refuses": lambda: Refuses().refuse,
    "a list of one that refuses": lambda: [Refuses()],
    "a pair that refuses": lambda: (X, Refuses()),
    "late weights": lambda: [np.ones((3, 4)), np.ones(4), np.ones((4, 1)), Refuses()],
    "data": lambda: {"x": X, "y": Refuses()},
    "late data": lambda: {"x": late(X, np.inf), "y": Y[:, 0]},
    "bytes": lambda: b"\x80\x04",
    **{f"a callback that fails in {hook} {at}": (lambda hook=hook, at=at: [Fails(hook, at)])
       for hook in HOOKS for at in (0, 1, 3)},
}  # fmt: skip
ENDLESS = {("predict samples", "samples", "2**70")}  # it is what was asked for
LEAST_BYTES = 64  # pybind11 3.1 ends the process when it cannot get 48, for a call of a constructor
# What a call may raise. Anything else names a fault.
TYPED = (TypeError, ValueError, OverflowError, MemoryError, RuntimeError, bp.FastBPError, Refusal, pickle.PickleError,
         EOFError, NotImplementedError)  # fmt: skip


def argument_names(function: Any, good: dict[str, Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # of C
        return list(good)


class Dropped(io.TextIOBase):
    """A file that drops what is written to it."""

    def write(self, text: str) -> int:
        return len(text)


DROPPED = Dropped()


class Walk:
    """All cases of one kind of things; `cases` and `failures` grow.

    any_error: whether allocations may fail with any error. NumPy and Python raise SystemError and others where they
    miss memory.
    """

    def __init__(self, kind: str, backend: str, any_error: bool = False) -> None:
        self.kind, self.backend, self.any_error = kind, backend, any_error
        self.cases, self.failures = 0, list[str]()
        twin = self.things()
        self.before, self.first_steps = twin.state(), self.steps(twin)
        self.after = goes_on(twin)

    def things(self) -> Things:
        return Things(self.kind, self.backend)

    @staticmethod
    def steps(things: Things) -> list[int]:
        return [net._session.steps for net in things.models()]

    def fail(self, name: str, case: str, what: str) -> None:
        self.failures.append(f"{name} ({self.kind}), {case}: {what}")

    # Arguments

    def wrong_arguments(self, name: str, every: int) -> None:
        """All wrong arguments; then those that failed once more, on the same things, which are trained afterwards."""
        things, failed = self.things(), list[tuple[str, str]]()
        for argument, wrong in itertools.islice(self.pairs(name), len(name) % every, None, every):
            if self.failed_call(name, things, argument, wrong):
                failed.append((argument, wrong))
            else:
                things = self.things()
        if not self.trains_alike_after(name, failed):
            to_blame = [pair for pair in failed if not self.trains_alike_after(name, [pair])]
            for argument, wrong in to_blame or failed[:1]:
                self.fail(name, f"{argument} = {wrong}", "goes on to other bits")

    def trains_alike_after(self, name: str, failed: list[tuple[str, str]]) -> bool:
        things, call = self.things(), CALLS[name]
        for argument, wrong in failed:
            quietly(call.function(things), {**call.arguments(things), argument: WRONG[wrong]()})
        return bool(goes_on(things) == self.after)

    def pairs(self, name: str) -> Iterator[tuple[str, str]]:
        things = self.things()
        good = CALLS[name].arguments(things)
        for argument in argument_names(CALLS[name].function(things), good):
            for wrong in WRONG:
                if (name, argument, wrong) not in ENDLESS and (argument == "callbacks" or "callback" not in wrong):
                    yield argument, wrong

    def failed_call(self, name: str, things: Things, argument: str, wrong: str) -> bool:
        """Whether the call failed and changed nothing: the things can be used again."""
        call, case = CALLS[name], f"{argument} = {wrong}"
        keywords = {**call.arguments(things), argument: WRONG[wrong]()}
        error, _ = quietly(call.function(things), keywords)
        if error is None:
            return False
        self.cases += 1
        if not isinstance(error, TYPED):
            self.fail(name, case, f"{type(error).__name__}: {error}")
        return self.is_as_before(name, things, case, keywords, error)

    def is_as_before(self, name: str, things: Things, case: str, keywords: Any, error: BaseException) -> bool:
        """Whether the failed call left things as they were. Else it is a failure, unless it had begun to train."""
        if self.steps(things) != self.first_steps:
            self.as_a_twin_that_stops(name, things, case, keywords)
            return False
        found = things.state()
        if found == self.before:
            return True
        if name.startswith("minimize"):
            twin = self.a_shorter_minimization(name, found, keywords)
            if twin is not None and goes_on(twin) == goes_on(things):
                return False
        elif self.had_begun(error, keywords) and is_built_alone(found, self.before):
            twin = self.built_like(things)
            if goes_on(twin) == goes_on(things):
                return False
        self.fail(name, case, f"{type(error).__name__} changed {difference(found, self.before)}")
        return False

    @staticmethod
    def had_begun(error: BaseException, keywords: dict[str, Any]) -> bool:
        """Whether it may have failed when its arguments were found right, and the model was built."""
        return isinstance(error, (bp.NonFiniteError, MemoryError, Refusal)) or "check_finite" in keywords

    def built_like(self, things: Things) -> Things:
        """Others of which the same models are built, for the same shapes."""
        twin = self.things()
        for net, other in zip(things.models(), twin.models()):
            if net.built and not other.built:
                other.build(net._shapes[0])
        return twin

    def a_shorter_minimization(self, name: str, found: Any, keywords: dict[str, Any]) -> Things | None:
        """Things in this state, which fewer epochs have led to."""
        for epochs in range(1, keywords.get("epochs", 1) + 1):
            twin = self.things()
            quietly(CALLS[name].function(twin), {**CALLS[name].arguments(twin), "epochs": epochs})
            if twin.state() == found:
                return twin
        return None

    def as_a_twin_that_stops(self, name: str, things: Things, case: str, keywords: dict[str, Any]) -> None:
        """After a training that failed after some steps: compares with twins' trainings that end there.

        One is told to stop, and makes the last update of accumulated gradients; one breaks off before it.
        """
        wrong = self.beside_twin(name, things, keywords, breaks_off=False)
        if wrong and self.beside_twin(name, things, keywords, breaks_off=True):
            self.fail(name, case, wrong)

    def beside_twin(self, name: str, things: Things, keywords: dict[str, Any], breaks_off: bool) -> str:
        """Where the things differ from those of a training that ends after as many steps; "" if they do not."""
        twin, start = self.things(), self.things()
        net, other, first = next(
            trio
            for trio in zip(things.models(), twin.models(), start.models())
            if trio[0]._session.steps != trio[2]._session.steps
        )
        stop = StopAfter(net._session.steps - first._session.steps, breaks_off)
        function = CALLS[name].function(twin)
        if "callbacks" in argument_names(function, keywords):
            kept = [c for c in keywords.get("callbacks") or [] if not isinstance(c, Fails)]
            keywords = {**keywords, "callbacks": [*kept, stop]}
        quietly(function, keywords)
        if stop.weights is not None and bits(net.get_weights()) == bits(stop.weights):
            other.set_weights(stop.weights)  # which an average has replaced since
        history = net.history
        if net.history is not None and other.history is not None and "fit" in name:
            epochs = net._session.epochs - first._session.epochs
            figures, found = trained_figures(other.history, epochs), trained_figures(net.history, None)
            if (net.history.epoch, bits(found)) != (list(range(epochs)), bits(figures)):
                return f"history {net.history.epoch}, {found} after {stop.steps} steps: {figures}"
            net.history = other.history
        if things.state() != twin.state():
            wrong = f"after {stop.steps} steps, {difference(things.state(), twin.state())}"
            net.history = history  # for the other twin
            return wrong
        return "" if goes_on(things) == goes_on(twin) else f"goes on to other bits after {stop.steps} steps"

    # Allocations

    def allocations(self, name: str, fail_after: Callable[[int], bool], every: int) -> None:
        """fail_after(n) makes the n-th allocation fail; fail_after(0) none any more: whether one failed."""
        twin = self.things()
        result = self.result(name, twin)
        succeeded, number = twin.state(), 1
        while True:
            things = self.things()
            case, call = f"allocation {number}", CALLS[name]
            function, keywords = call.function(things), call.arguments(things)
            fail_after(number)
            error, found = quietly(function, keywords)
            if not fail_after(0):
                break
            self.cases += 1
            number += every
            if error is None:
                if succeeded != things.state() or comparable(found) != result:
                    self.fail(name, case, "succeeds with other bits")
                continue
            if not (isinstance(error, MemoryError) or self.any_error):
                self.fail(name, case, f"{type(error).__name__}: {error}")
            if self.is_as_before(name, things, case, keywords, error) and goes_on(things) != self.after:
                self.fail(name, case, "goes on to other bits")

    def result(self, name: str, things: Things) -> Any:
        call = CALLS[name]
        return comparable(quietly(call.function(things), call.arguments(things))[1])


def goes_on(things: Things) -> Any:
    """What comes next: the figures, or the error, and the state after it."""
    error, figures = quietly(things.train, {})
    return repr(error), bits(figures), things.state()


def quietly(function: Callable[..., Any], keywords: dict[str, Any]) -> tuple[BaseException | None, Any]:
    """What a call raises, and what it returns; what it prints is dropped."""
    stdout, sys.stdout = sys.stdout, DROPPED
    try:
        return None, function(**keywords)
    except BaseException as error:
        return error, None
    finally:
        sys.stdout = stdout


def comparable(result: Any) -> Any:
    """What of a call's result can be compared: arrays and numbers."""
    if isinstance(result, bp.History):
        return bits(result.history)
    return bits(result) if isinstance(result, (float, np.ndarray, list, tuple)) else None


def trained_figures(history: bp.History, epochs: int | None) -> dict[str, list[float]]:
    """The figures of so many epochs, without those of the validation."""
    return {
        name: values[:epochs]
        for name, values in history.history.items()
        if not name.startswith("val_") and (epochs is None or epochs > 0)
    }


def is_built_alone(found: Any, before: Any) -> bool:
    """Whether the one state differs from the other by models that are built and have the state of no step."""
    return found[:3] == before[:3] and all(
        mine == other or (mine[0] and not other[0] and mine[5][:2] == other[5][:2] and mine[7:] == other[7:])
        for mine, other in zip(found[3:], before[3:])
    )


class StopAfter(bp.Callback):
    """Ends a training after so many steps, or breaks it off, and keeps the weights of that step."""

    def __init__(self, steps: int, breaks_off: bool) -> None:
        super().__init__()
        self.steps, self.breaks_off, self.done = steps, breaks_off, 0
        self.weights: list[np.ndarray] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done += 1
        if self.done == self.steps:
            self.model.stop_training, self.weights = True, self.model.get_weights()
            if self.breaks_off:
                raise KeyError


def difference(found: Any, expected: Any, path: str = "") -> str:
    """Where two states differ first."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        pairs: Any = [(f"{path}[{key!r}]", found[key], expected[key]) for key in found]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(found, expected))]
    else:
        return f"state{path}: {expected!r:.60} became {found!r:.60}"
    return next((difference(a, b, where) for where, a, b in pairs if a != b), "")


def of_the_core(n: int) -> bool:
    return bool(_core.testing.fail_allocation_after(n) == 0)


def of_malloc() -> Callable[[int], bool]:
    try:
        fail = ctypes.PyDLL(None).fail_malloc_after
    except AttributeError:
        sys.exit("--malloc needs the preloaded library: see the beginning of this file")
    fail.argtypes, fail.restype = [ctypes.c_long, ctypes.c_size_t], ctypes.c_long
    return lambda n: fail(n, LEAST_BYTES) == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["core", "reference"], default="core")
    parser.add_argument("--malloc", action="store_true", help="make any malloc fail, not those of the core alone")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th case (default 1)")
    parser.add_argument("--calls", nargs="*", default=list(CALLS), help="only these calls")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="only these things")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", type=int, default=20, help="how many failures to print")
    arguments = parser.parse_args()
    bp.set_num_threads(arguments.threads)
    _core.testing.share_always(arguments.threads > 1)
    warnings.simplefilter("ignore")
    faulthandler.enable()
    fail_after = of_malloc() if arguments.malloc else of_the_core
    failed = 0
    for way in ("malloc",) if arguments.malloc else ("arguments", "allocations"):
        if way == "allocations" and arguments.backend == "reference":
            continue
        for kind in arguments.kinds:
            walk = Walk(kind, arguments.backend, arguments.malloc)
            for name in arguments.calls:
                if way == "arguments":
                    walk.wrong_arguments(name, arguments.every)
                else:
                    walk.allocations(name, fail_after, arguments.every)
            failed += len(walk.failures)
            what = f"{way}, {kind}: {walk.cases:,} cases, {len(walk.failures)} failures"
            print(what, *walk.failures[: arguments.show], sep="\n  ", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
