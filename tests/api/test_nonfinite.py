"""Training that diverges ends at the first bad step with the weights of the last good one, the same everywhere."""

from __future__ import annotations

import re
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(24, 4)).astype(np.float32)
Y = RANDOM.normal(size=(24, 1)).astype(np.float32)
OPTIMIZERS = {
    "plain": bp.SGD(1e8),
    "momentum": bp.SGD(1e8, momentum=0.9),
    "nesterov": bp.SGD(1e8, momentum=0.9, nesterov=True),
    "decay": bp.SGD(1e3, weight_decay=1e6),
}


def network(optimizer: str, dtype: str, backend: str = "core", activation: Any = None) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(6, activation=activation), bp.Dense(1)], seed=1, dtype=dtype)
    net.compile(OPTIMIZERS[optimizer], "mse", backend=backend)
    net.build((4,))
    return net


def bits(net: bp.Sequential) -> list[bytes]:
    return [w.tobytes() for w in net.get_weights()]


def diverged(net: bp.Sequential, **options: Any) -> tuple[int, int, str]:
    with pytest.raises(bp.NonFiniteError) as caught:
        net.fit(X, Y, **{"batch_size": 8, "epochs": 500, "verbose": 0, **options})
    return caught.value.epoch, caught.value.step, caught.value.node


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_weights_are_those_of_the_last_good_step(optimizer: str, dtype: str) -> None:
    reference = network(optimizer, dtype, "reference")
    where = diverged(reference)
    good_steps = where[0] * 3 + where[1]
    assert good_steps > 0
    assert reference._session.steps == good_steps

    replay, count = network(optimizer, dtype), iter(range(1, good_steps + 1))

    class Stop(bp.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.stop_training = next(count) == good_steps

    replay.fit(X, Y, batch_size=8, epochs=500, verbose=0, callbacks=[Stop()])
    assert replay._session.steps == good_steps
    assert bits(replay) == bits(reference)
    for threads in (1, 2, 3):
        bp.set_num_threads(threads)
        _core.testing.share_always(True)
        net = network(optimizer, dtype)
        assert diverged(net) == where
        assert bits(net) == bits(reference)
        assert (net._session.epochs, net._session.steps) == (where[0], good_steps)
        assert len(net.history.history.get("loss", [])) == where[0]  # the finished epochs


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_a_model_that_diverged_can_be_used_on(backend: str) -> None:
    net = network("momentum", "float32", backend)
    diverged(net)
    assert np.isfinite(net.get_weights()[0]).all()
    net.set_weights([0.1 * np.ones_like(w) for w in net.get_weights()])
    net.compile(bp.SGD(0.01), "mse", backend=backend)
    history = net.fit(X, Y, batch_size=8, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("what", ["x", "y"])
def test_nan_in_the_data_is_found_before_anything_is_written(what: str, backend: str) -> None:
    data = {"x": X.copy(), "y": Y.copy()}
    data[what][9] = np.nan
    net = network("plain", "float32", backend, activation="tanh")
    net.optimizer.learning_rate = 0.01
    with pytest.raises(bp.NonFiniteError) as caught:
        net.fit(data["x"], data["y"], batch_size=4, shuffle=False, verbose=0)
    assert (caught.value.epoch, caught.value.step) == (0, 2)
    assert caught.value.node.startswith({"x": "x (input", "y": "y (input"}[what])
    assert net._session.steps == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_weights_that_a_callback_spoils_are_noticed(threads: int) -> None:
    """A dead unit's bias of -inf does not reach the loss, but no step may write a value that is not finite."""
    bp.set_num_threads(threads)
    _core.testing.share_always(True)
    net = network("plain", "float32", activation="relu")
    net.optimizer.learning_rate = 1e-3

    class Spoil(bp.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if batch == 1:
                w, b, *rest = self.model.get_weights()
                b[0] = -np.inf  # relu(-inf) = 0
                self.model.set_weights([w, b, *rest])

    with pytest.raises(bp.NonFiniteError) as caught:
        net.fit(X, Y, batch_size=4, verbose=0, callbacks=[Spoil()])
    assert (caught.value.epoch, caught.value.step) == (0, 2)


# --- what the error says

ADVICE = "Try a smaller learning_rate, or inputs scaled to about 1"


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("what", ["x", "y"])
def test_data_that_are_not_finite_are_named_with_row_and_column(
    what: str, value: float, shuffle: bool, backend: str
) -> None:
    data = {"x": X.copy(), "y": np.repeat(Y, 3, axis=1)}
    data[what][13, 2] = value
    net = bp.Sequential([bp.Dense(3)], seed=1)
    net.compile(bp.SGD(0.01), "mse", backend=backend)
    for act in (
        lambda: net.fit(data["x"], data["y"], batch_size=4, shuffle=shuffle, verbose=0),
        lambda: net.train_on_batch(data["x"], data["y"]),
        lambda: bp.minimize(
            bp.mean(bp.square(bp.sum(bp.input("x") * bp.parameter(1.0), axis=-1) - bp.sum(bp.input("y"), axis=-1))),
            data, bp.SGD(0.01), batch_size=5, shuffle=shuffle, backend=backend,
        ),
    ):  # fmt: skip
        with pytest.raises(bp.NonFiniteError, match="The data hold NaN or infinity: remove") as caught:
            act()
        assert re.fullmatch(rf"{what} \(input, node \d\), row 13, column 2 is {value}", caught.value.node)


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_a_number_that_overflows_the_dtype_is_named(backend: str) -> None:
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(0.01), "mse", backend=backend)
    with pytest.raises(bp.NonFiniteError, match="row 1, column 0 is inf"):
        net.fit([[1.0], [1e39]], [0.0, 1.0], verbose=0)


LOGS: dict[str, tuple[Any, str]] = {
    "log of a negative number": (lambda w: bp.log(w - 2.0), "of a negative number"),
    "log of negative numbers and 0": (lambda w: bp.sum(bp.log(w * np.array([0.0, -1.0]))), "of a negative number"),
    "log of 0": (lambda w: bp.log(w - 1.0), "of 0"),
    "sqrt of a negative number": (lambda w: bp.sqrt(w - 2.0), "of a negative number"),
}


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("name", LOGS)
def test_a_log_says_what_it_was_of(name: str, backend: str) -> None:
    function, about = LOGS[name]
    with pytest.raises(bp.NonFiniteError) as caught:
        bp.minimize(function(bp.parameter(1.0)), backend=backend)
    assert caught.value.node.endswith(f"), {about}")
    assert (f"A log {about}" in str(caught.value)) == name.startswith("log")
    assert (ADVICE in str(caught.value)) == name.startswith("sqrt")


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize(("loss", "y"), [("categorical_crossentropy", np.eye(2)), ("binary_crossentropy", np.eye(2))])
def test_a_missing_softmax_is_asked_for(loss: str, y: np.ndarray, backend: str) -> None:
    kernel = np.array([[-1.0, 1.5], [-1.0, 1.5]])  # outputs −2 and 3
    net = bp.Sequential([bp.Dense(2, kernel_initializer=lambda shape: kernel)])
    net.compile(bp.SGD(0.1), loss, backend=backend)
    asked = "does the last layer lack its softmax"
    with pytest.warns(UserWarning, match="takes probabilities"), pytest.raises(bp.NonFiniteError, match=asked):
        net.fit(np.ones((2, 2)), y, verbose=0)


def test_minimize_recommends_only_what_it_has() -> None:
    with pytest.raises(bp.NonFiniteError, match=ADVICE) as caught:
        bp.minimize(bp.exp(bp.parameter(1e3)))
    assert "check_finite" not in str(caught.value)


@pytest.mark.parametrize("node", ["", "anything", "dense (matmul, node 7)", "exp (node 2)", "w (parameter, node 1), x"])
def test_any_node_has_an_advice(node: str) -> None:
    assert str(bp.NonFiniteError(1, 2, node)).endswith(ADVICE)
