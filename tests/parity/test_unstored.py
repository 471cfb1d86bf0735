"""Unstored gradients: the update in the product's tiles gives the bits of the reference's update.

Plans for fewer than 256 rows have no block loop; and where threads share even the smallest plan (`everywhere`), no
gradient is stored that need not be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, everywhere

# rows of a batch, features, units: around register tiles, blocks of rows, and products narrower than a vector.
SHAPES = [(5, 3, 1), (100, 13, 33), (129, 14, 32), (200, 15, 10), (131, 29, 31), (130, 6, 65)]
CLASSES = 3

Build = Callable[[int, int, str], bp.Model]


def sequential(**options: Any) -> Build:
    def build(features: int, units: int, dtype: str) -> bp.Model:
        layers = [bp.Dense(units, activation="tanh", **options), bp.Dropout(0.25), bp.Dense(units, activation="relu")]
        head = bp.Dense(CLASSES, activation="softmax", **options)
        return bp.Sequential([bp.Input((features,)), *layers, head], seed=2, dtype=dtype)

    return build


def with_a_shared_layer(features: int, units: int, dtype: str) -> bp.Model:
    x = bp.Input((features,))
    shared = bp.Dense(units, activation="tanh")
    hidden = shared(shared(bp.Dense(units)(x)))
    return bp.Model(x, bp.Dense(CLASSES, activation="softmax")(hidden), seed=3, dtype=dtype)


def with_several_rows_in_each(features: int, units: int, dtype: str) -> bp.Model:
    """Products whose results have three rows for each row of the batch, and go straight into other products."""
    x = bp.Input((features,))
    hidden = bp.reshape(bp.Dense(3 * features)(x), (3, features))
    for _ in range(2):
        hidden = bp.Dense(units, use_bias=False)(hidden)
    return bp.Model(x, bp.Dense(CLASSES, activation="softmax")(bp.Flatten()(hidden)), seed=4, dtype=dtype)


def with_a_frozen_layer(features: int, units: int, dtype: str) -> bp.Model:
    model = sequential()(features, units, dtype)
    model.layers[2].trainable = False
    return model


NETS: dict[str, Build] = {
    "plain": sequential(),
    "no bias": sequential(use_bias=False),
    "a layer called twice": with_a_shared_layer,
    "several rows in each": with_several_rows_in_each,
    "a frozen layer": with_a_frozen_layer,
    "a penalty adds to the gradient": sequential(kernel_regularizer=bp.L2(0.01)),
    "rates and decays of their own": sequential(learning_rate_multiplier=0.5, weight_decay_multiplier=3.0),
    "norms are limited": sequential(kernel_constraint=bp.MaxNorm(0.5)),
}


def data(rows: int, features: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(rows)
    return scale * random.normal(size=(rows, features)), random.integers(0, CLASSES, rows)


def trained(
    build: Build, shape: tuple[int, int, int], dtype: str, backend: str, optimizer: bp.Optimizer, *callbacks: Any
) -> list[np.ndarray]:
    """The weights at the end, and the losses, of two epochs (a full and a partial batch each) and two single steps."""
    rows, features, units = shape
    x, y = data(rows + rows // 3, features)
    model = build(features, units, dtype)
    model.compile(optimizer, "sparse_categorical_crossentropy", backend=backend)
    history = model.fit(x, y, batch_size=rows, epochs=2, verbose=0, callbacks=callbacks).history
    losses = [model.train_on_batch(x[:n], y[:n]) for n in (rows, 1 + rows // 2)]
    return [*model.get_weights(), np.array(history["loss"]), np.array(losses)]


def assert_all_same(results: list[np.ndarray], expected: list[np.ndarray], what: object) -> None:
    for result, wanted in zip(results, expected, strict=True):
        assert_same(result, wanted, what)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_training_equals_the_reference(shape: tuple[int, int, int], name: str, dtype: str) -> None:
    decay = 0.01 * (SHAPES.index(shape) % 2)
    expected = trained(NETS[name], shape, dtype, "reference", bp.SGD(0.3, weight_decay=decay))
    for place in everywhere():
        assert_all_same(trained(NETS[name], shape, dtype, "core", bp.SGD(0.3, weight_decay=decay)), expected, place)


OPTIMIZERS: dict[str, Callable[[], bp.Optimizer]] = {
    "momentum": lambda: bp.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "Nesterov": lambda: bp.SGD(0.1, momentum=0.9, nesterov=True),
    "Adagrad": lambda: bp.Adagrad(0.1),
    "RMSprop": lambda: bp.RMSprop(0.01),
    "RMSprop with momentum, centered": lambda: bp.RMSprop(0.01, momentum=0.9, centered=True),
    "Adam": lambda: bp.Adam(0.01, weight_decay=0.01),
    "AMSGrad": lambda: bp.Adam(0.01, amsgrad=True),
    "Nadam": lambda: bp.Nadam(0.01),
    "Lion": lambda: bp.Lion(0.01),
    "gradients are cut": lambda: bp.SGD(0.3, clipvalue=1e-3),
    "an average": lambda: bp.Adam(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_every_optimizer_equals_the_reference(shape: tuple[int, int, int], optimizer: str, dtype: str) -> None:
    expected = trained(NETS["plain"], shape, dtype, "reference", OPTIMIZERS[optimizer]())
    for place in everywhere():
        result = trained(NETS["plain"], shape, dtype, "core", OPTIMIZERS[optimizer]())
        assert_all_same(result, expected, (optimizer, place))


@pytest.mark.parametrize("shape", SHAPES[1:4])
def test_a_proximal_step_of_some_weights_equals_the_reference(shape: tuple[int, int, int]) -> None:
    """The other weights take plain SGD's step, in registers."""

    def build(features: int, units: int, dtype: str) -> bp.Model:
        first = bp.Dense(units, activation="tanh", kernel_regularizer=bp.L1(0.01, proximal=True))
        layers = [bp.Input((features,)), first, bp.Dense(units), bp.Dense(CLASSES, activation="softmax")]
        return bp.Sequential(layers, seed=5, dtype=dtype)

    expected = trained(build, shape, "float32", "reference", bp.SGD(0.3))
    assert np.any(expected[0] == 0)
    for place in everywhere():
        assert_all_same(trained(build, shape, "float32", "core", bp.SGD(0.3)), expected, place)


# Several blocks of columns and pieces of k; strips that take their steps in several parts.
@pytest.mark.parametrize("shape", [(600, 40, 300), (16, 30, 2100), (520, 300, 133)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_weights_change_as_by_stored_gradients(dtype: str, shape: tuple[int, int, int]) -> None:
    """Clipping at a norm that no gradient reaches changes nothing, but needs all gradients stored."""

    def build(features: int, units: int, dtype: str) -> bp.Model:
        hidden = [bp.Input((features,)), bp.Dense(units, activation="tanh")]
        return bp.Sequential([*hidden, bp.Dense(CLASSES, activation="softmax")], seed=6, dtype=dtype)

    expected = trained(build, shape, dtype, "core", bp.Adam(0.01, global_clipnorm=1e30))
    for place in everywhere():
        assert_all_same(trained(build, shape, dtype, "core", bp.Adam(0.01)), expected, place)


CHANGES: dict[str, dict[str, Any]] = {
    "momentum": {"momentum": 0.9},
    "gradients are cut": {"clipvalue": 1e-3},
    "norms are cut": {"global_clipnorm": 1e-2},
    "a rate": {"learning_rate": 0.01},
    "an average": {"use_ema": True},
}


@pytest.mark.parametrize("change", CHANGES)
def test_settings_that_change_within_a_fit_hold_from_the_next_step_on(change: str) -> None:
    """Settings that need stored gradients get them, although the first steps stored none."""

    class Change(bp.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if batch == 0:
                for name, value in CHANGES[change].items():
                    setattr(self.model.optimizer, name, value)

    def outcome(backend: str) -> list[np.ndarray]:
        return trained(NETS["plain"], (24, 7, 9), "float32", backend, bp.SGD(0.2), Change())

    expected = outcome("reference")
    unchanged = trained(NETS["plain"], (24, 7, 9), "float32", "reference", bp.SGD(0.2))
    assert not np.array_equal(expected[0], unchanged[0])
    for place in everywhere():
        assert_all_same(outcome("core"), expected, (change, place))


@pytest.mark.parametrize("scale", [1e19, 1e30])
def test_where_the_bound_settles_nothing_the_step_is_tried_first(scale: float) -> None:
    """Huge features that tanh makes harmless: rows x |x| x |delta| is above 2**60, yet every gradient is finite."""

    def outcome(backend: str) -> list[np.ndarray]:
        x, y = data(40, 7, scale)
        x[:, 5] = 0.01 * x[:, 5] / scale
        model = NETS["no bias"](7, 9, "float32")
        model.compile(bp.SGD(1e-25), "sparse_categorical_crossentropy", backend=backend)
        history = model.fit(x, y, batch_size=16, epochs=2, verbose=0).history
        return [*model.get_weights(), np.array(history["loss"])]

    expected = outcome("reference")
    for place in everywhere():
        assert_all_same(outcome("core"), expected, (scale, place))


@pytest.mark.parametrize("where", ["every gradient", "one gradient"])
def test_a_step_that_overflows_writes_nothing(where: str) -> None:
    """Loss and gradients are finite, the update is not: no layer changes."""
    x, y = data(40, 7)
    rate = 1e38
    if where == "one gradient":  # a feature whose weights are 0, so that nothing else is large
        x[:, 5] = 1e35
        rate = 1e8
    for place in everywhere():
        model = NETS["plain"](7, 9, "float32")
        model.compile(bp.SGD(rate), "sparse_categorical_crossentropy")
        weights = model.get_weights()
        weights[0][5] = 0
        if where == "every gradient":
            weights[2] *= 1e5
        model.set_weights(weights)
        with pytest.raises(bp.NonFiniteError, match="its update") as caught:
            model.fit(x, 0 * y, batch_size=16, shuffle=False, verbose=0)
        assert (caught.value.epoch, caught.value.step) == (0, 0)
        assert_all_same(model.get_weights(), weights, place)


@pytest.mark.parametrize("row", range(3))
def test_the_bound_looks_at_all_rows_of_a_product(row: int) -> None:
    """One of a product's three rows for each row of the batch is huge: 1e20, times deltas of 1e10 and a rate of 1e8."""
    x = np.full((64, 3, 2), 1e-15)
    x[:, row] = 1e3
    for place in everywhere():
        hidden = [bp.Dense(9, use_bias=False), bp.Dense(9, use_bias=False)]
        model = bp.Sequential([bp.Input((3, 2)), *hidden, bp.Flatten(), bp.Dense(1, use_bias=False)])
        model.compile(bp.SGD(1e8), "mse")
        weights = [np.full((2, 9), 1e17), np.zeros((9, 9)), np.full((27, 1), 1e10)]
        model.set_weights(weights)
        with pytest.raises(bp.NonFiniteError, match=r"dense_1/kernel .* its update"):
            model.fit(x, np.ones((64, 1)), batch_size=64, verbose=0)
        assert_all_same(model.get_weights(), [weight.astype(np.float32) for weight in weights], place)


def test_a_product_of_nothing_leaves_its_weight_as_it_is() -> None:
    """Rows of 0 x 3 numbers."""
    for place in everywhere():
        model = bp.Sequential([bp.Input((0, 3)), bp.Dense(5), bp.Flatten(), bp.Dense(1)])
        model.compile(bp.SGD(0.5), "mse")
        model.build()
        before = model.get_weights()
        model.fit(np.zeros((4, 0, 3)), np.ones((4, 1)), verbose=0)
        assert_all_same(model.get_weights(), [*before[:3], np.ones(1, np.float32)], place)


def test_a_figure_that_is_a_weight_is_read_before_the_step() -> None:
    """However far ahead a thread is, it writes only after all threads have read."""
    x, y = data(192, 40)

    def outcome(backend: str) -> list[float]:
        head = bp.Dense(1)
        model = bp.Sequential([bp.Input((40,)), bp.Dense(64, activation="tanh"), head], seed=1)
        model.build()
        model.compile(bp.SGD(0.1), "mse", metrics=[lambda y, p: bp.reshape(head.bias, ())], backend=backend)
        history = model.fit(x, y[:, None], batch_size=32, epochs=3, verbose=0).history
        return [value for values in history.values() for value in values]

    expected = outcome("reference")
    assert len(expected) == 6
    for place in everywhere():
        assert [outcome("core") for _ in range(5)] == [expected] * 5, place


@pytest.mark.parametrize(("rows", "features", "units"), [(5, 7, 9), (100, 13, 33)])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_weights_that_grow_unseen_are_looked_at_before_they_overflow(
    momentum: float, rows: int, features: int, units: int
) -> None:
    """Decay multiplies them by -1e8 in every step; the gradients are nearly 0, because tanh is saturated."""

    def outcome(backend: str) -> tuple[int, list[np.ndarray]]:
        x, y = data(8 * rows, features)
        layers = [bp.Dense(units, activation="tanh", use_bias=False), bp.Dense(1, use_bias=False)]
        model = bp.Sequential([bp.Input((features,)), *layers], seed=1)
        model.layers[-1].trainable = False
        model.compile(bp.SGD(1e3, momentum=momentum, weight_decay=1e5), "mse", backend=backend)
        with pytest.raises(bp.NonFiniteError, match=r"dense/kernel .* its update") as caught:
            model.fit(x, y[:, None], batch_size=rows, shuffle=False, verbose=0)
        return caught.value.step, model.get_weights()

    step, expected = outcome("reference")
    assert step >= 4
    assert np.abs(expected[0]).max() > 2.0**100
    for place in everywhere():
        core_step, weights = outcome("core")
        assert core_step == step, place
        assert_all_same(weights, expected, place)
