"""A call like the one before skips checks that cannot fail; whatever differs is checked as in a first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest

GOOD = np.ones((3, 4), np.float32)
WRONG = {
    "features": np.ones((3, 5), np.float32),
    "axes": np.ones((3, 4, 1), np.float32),
    "no rows": np.array(1.0, np.float32),
    "complex": np.ones((3, 4), np.complex64),
    "masked": np.ma.masked_array(GOOD, mask=GOOD > 0),
    "strings": np.full((3, 4), "a"),
    "ragged": [[1.0, 2.0], [1.0]],
}


def network() -> bp.Model:
    net = bp.Sequential([bp.Input((4,)), bp.Dense(2)])
    net.compile(loss="mse")
    return net


def message(call: Callable[[], Any]) -> tuple[type, str]:
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    return caught.type, str(caught.value)


@pytest.mark.parametrize("wrong", WRONG)
def test_predict_refuses_what_it_refuses_at_first(wrong: str) -> None:
    first, later = network(), network()
    first.build()
    for _ in range(3):
        later.predict(GOOD)
    assert message(lambda: later.predict(WRONG[wrong])) == message(lambda: first.predict(WRONG[wrong]))


@pytest.mark.parametrize("options", [{"verbose": 3}, {"verbose": "loud"}, {"batch_size": 0}, {"callbacks": 0}])
def test_predict_checks_its_options_in_every_call(options: dict[str, Any]) -> None:
    first, later = network(), network()
    first.build()
    later.predict(GOOD)
    assert message(lambda: later.predict(GOOD, **options)) == message(lambda: first.predict(GOOD, **options))


@pytest.mark.parametrize("wrong", WRONG)
def test_train_on_batch_refuses_what_it_refuses_at_first(wrong: str) -> None:
    first, later = network(), network()
    first.build()
    y = np.ones((3, 2), np.float32)
    later.train_on_batch(GOOD, y)
    before = later.get_weights()
    for x, targets in ((WRONG[wrong], y), (GOOD, WRONG[wrong]), (GOOD, None), (GOOD, y[:2]), (GOOD[:0], y[:0])):
        expected = message(lambda x=x, targets=targets: first.train_on_batch(x, targets))
        assert message(lambda x=x, targets=targets: later.train_on_batch(x, targets)) == expected
    for value, wanted in zip(later.get_weights(), before):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("wrong", WRONG)
def test_functions_refuse_what_they_refuse_at_first(wrong: str) -> None:
    def made() -> Any:
        x, y = bp.input("x", (4,)), bp.input("y", (4,))
        return bp.function([x, y], x * y)

    first, later = made(), made()
    for _ in range(2):
        later(GOOD, GOOD)
    for arguments in ((GOOD, WRONG[wrong]), (GOOD, GOOD[:2]), (GOOD,)):
        expected = message(lambda arguments=arguments: first(*arguments))
        assert message(lambda arguments=arguments: later(*arguments)) == expected


def test_other_dtypes_layouts_and_rows_follow_each_other() -> None:
    net, x = network(), bp.input("x")
    double = bp.function([x], x * 2.0)
    whole = np.arange(12).reshape(3, 4)
    for array in (whole, whole.astype(np.float32), whole.astype(">f4"), np.asfortranarray(whole), whole[::-1], whole):
        np.testing.assert_array_equal(double(array), 2 * array)
        np.testing.assert_array_equal(net.predict(array), net.predict(array.tolist()))
    for rows in (1, 2, 0, 3):
        assert net.predict(GOOD[:rows]).shape == (rows, 2)
        assert double(GOOD[:rows]).shape == (rows, 4)
    assert double(GOOD[0]).shape == (4,)


def test_labels_are_checked_in_every_call() -> None:
    z, label = bp.input("z", (3,)), bp.input("label", ())
    loss = bp.function([z, label], bp.sparse_categorical_crossentropy(label, bp.softmax(z)))
    good = np.array([0, 2])
    loss(np.zeros((2, 3)), good)
    loss(np.zeros((2, 3)), good)
    with pytest.raises(ValueError, match="label must hold whole labels 0 … 2, got 3 in row 1"):
        loss(np.zeros((2, 3)), np.array([0, 3]))


def test_settings_of_the_optimiser_hold_from_the_next_call_on_and_are_checked_at_once() -> None:
    net = bp.Sequential([bp.Input((1,)), bp.Dense(1, use_bias=False, kernel_initializer="zeros")])
    net.compile(bp.SGD(0.25), "mse")
    x, y = np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)
    net.train_on_batch(x, y)
    assert net.get_weights()[0].item() == 0.5  # 0 - 0.25 · 2 · (0 - 1)
    net.optimizer.learning_rate = 0.5
    net.train_on_batch(x, y)
    assert net.get_weights()[0].item() == 1.0
    for wrong in (-1.0, "fast", np.nan):
        with pytest.raises((TypeError, ValueError), match="learning_rate must be"):
            net.optimizer.learning_rate = wrong
    net.train_on_batch(x, y)
    assert net.get_weights()[0].item() == 1.0


def test_weights_set_between_steps_are_looked_at_before_an_update() -> None:
    """Decay by a factor of -99 takes 1e38 out of float32's range, though gradient and loss are 0."""
    net = bp.Sequential([bp.Input((1,)), bp.Dense(1, use_bias=False, kernel_initializer="ones")])
    net.compile(bp.SGD(1.0, weight_decay=100.0), "mse")
    zero = np.zeros((1, 1), np.float32)
    net.train_on_batch(zero, zero)
    assert net.get_weights()[0].item() == -99
    net.set_weights([[[1e38]]])
    with pytest.raises(bp.NonFiniteError):
        net.train_on_batch(zero, zero)
    assert net.get_weights()[0].item() == np.float32(1e38)


def other_model(net: bp.Model) -> bp.Model:
    """A model that shares the first layer, so that training it makes its store the home of these weights."""
    other = bp.Sequential([bp.Input((4,)), net.layers[0], bp.Dense(1, name="other")], seed=1)
    other.compile(bp.SGD(0.05), "mse")
    return other


ACTIONS: dict[str, Callable[[bp.Model, bp.Model, np.random.Generator], Any]] = {
    "step": lambda net, _, rng: net.train_on_batch(*batch(rng, 6)),
    "fewer rows": lambda net, _, rng: net.train_on_batch(*batch(rng, 2)),
    "bytes": lambda net, _, rng: net.train_on_batch(np.ones((6, 4), np.uint8), batch(rng, 6)[1]),
    "lists": lambda net, _, rng: net.train_on_batch(batch(rng, 6)[0].tolist(), batch(rng, 6)[1].tolist()),
    "fit": lambda net, _, rng: net.fit(*batch(rng, 8), batch_size=3, verbose=0).history["loss"],
    "gradients": lambda net, _, rng: net.loss_and_gradients(*batch(rng, 6))[0],
    "rate": lambda net, _, rng: setattr(net.optimizer, "learning_rate", float(rng.uniform(0.01, 0.1))),
    "another": lambda net, _, rng: setattr(net, "optimizer", [net._first, net._second][rng.integers(2)]),
    "goal": lambda net, _, rng: net.compile(net.optimizer, rng.choice(["mse", "mae"]).item(), backend=net._backend),
    "penalty": lambda net, _, rng: net.compile(net._first, "mse", l2=float(rng.integers(2)), backend=net._backend),
    "freeze": lambda net, _, rng: setattr(net.layers[0], "trainable", bool(rng.integers(2))),
    "weight": lambda net, _, rng: setattr(net.weights[1], "value", rng.normal(size=5)),
    "elsewhere": lambda _, other, rng: other.train_on_batch(batch(rng, 6)[0], batch(rng, 6)[1][:, :1]),
}


def batch(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(rows, 4)).astype(np.float32), rng.normal(size=(rows, 2)).astype(np.float32)


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("seed", range(4))
def test_steps_go_on_from_whatever_came_between(backend: str, seed: int) -> None:
    """A model that forgets the setup of its last step computes the same: reusing the setup changes no result."""

    def figures(forgets: bool) -> list[Any]:
        rng, results = np.random.default_rng(seed), []
        net = bp.Sequential([bp.Input((4,)), bp.Dense(5, activation="tanh"), bp.Dropout(0.3), bp.Dense(2)])
        net._first, net._second = bp.Adam(0.01), bp.Adam(0.03, beta_1=0.8)
        net.compile(net._first, "mse", backend=backend)
        net.build()
        other = other_model(net)
        for name in rng.choice(list(ACTIONS), 60, p=[0.4] + [0.05] * 12):
            if forgets:
                net._session.repeated = other._session.repeated = None
            results.append(ACTIONS[name](net, other, rng))
        return [*results, *(w.tobytes() for w in net.get_weights())]

    assert figures(False) == figures(True)


def test_steps_on_other_targets_come_between() -> None:
    def losses(forgets: bool) -> list[float]:
        net = bp.Sequential([bp.Input((4,)), bp.Dense(3, activation="softmax")])
        net.compile(bp.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
        x, labels, results = np.ones((3, 4), np.float32), np.array([0, 2, 2]), []
        for _ in range(3):
            if forgets:
                net._session.repeated = None
            results.append(net.train_on_batch(x, labels))
            net.fit(x, labels[:, None], verbose=0)
        return results

    assert losses(False) == losses(True)


def test_labels_of_steps_are_checked_in_every_call() -> None:
    net = bp.Sequential([bp.Input((4,)), bp.Dense(3, activation="softmax")])
    net.compile(loss="sparse_categorical_crossentropy")
    for _ in range(2):
        net.train_on_batch(GOOD, np.array([0, 2, 1]))
    with pytest.raises(ValueError, match="y must hold whole labels 0 … 2, got 3 in row 1"):
        net.train_on_batch(GOOD, np.array([0, 3, 1]))


def test_a_rate_that_changes_where_it_lies_holds_from_the_next_step_on() -> None:
    net = bp.Sequential([bp.Input((1,)), bp.Dense(1, use_bias=False, kernel_initializer="zeros")])
    rate, one = np.array(0.25), np.ones((1, 1), np.float32)
    net.compile(bp.SGD(rate), "mse")
    net.train_on_batch(one, one)
    rate[()] = 0.5
    net.train_on_batch(one, one)
    assert net.get_weights()[0].item() == 1.0  # w - rate · 2 · (w - 1), from 0 to 0.5 to 1


def test_an_optimiser_that_sets_what_it_is_asked_for_is_asked_in_every_step() -> None:
    class Falling(bp.SGD):
        def configuration(self) -> dict[str, Any]:
            asked = super().configuration()
            self.learning_rate = 0.5 * self.learning_rate
            return asked

    net = bp.Sequential([bp.Input((1,)), bp.Dense(1, use_bias=False, kernel_initializer="zeros")])
    net.compile(Falling(1.0), "mse")  # compile asks too, to check
    zero, one = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    net.train_on_batch(one, zero)
    weights = []
    for _ in range(2):
        net.train_on_batch(one, one)
        weights.append(net.get_weights()[0].item())
    assert weights == [0.5, 0.625]  # w - rate · 2 · (w - 1), with rates of 0.25 and 0.125
