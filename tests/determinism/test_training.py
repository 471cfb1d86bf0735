"""Whole trainings give the same weights and figures in both backends, under every change that rule 11 lists."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, every_isa, everywhere
from fastbp import _core
from layouts import LAYOUTS
from small_nets import BATCH, NETS, ROWS, compiled, data, everything_of

EPOCHS = 3
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
every_net = pytest.mark.parametrize("name", NETS)


def assert_all_same(results: Iterable[np.ndarray], expected: Iterable[np.ndarray], what: object) -> None:
    for result, value in zip(results, expected, strict=True):
        assert_same(result, value, what)


def trained(name: str, dtype: str, backend: str = "core", calls: int = 1) -> tuple[bp.Model, list[np.ndarray]]:
    """EPOCHS epochs in one call of `fit`, or in several."""
    x = data()
    model = compiled(name, dtype, backend)
    told: dict[str, list[float]] = {}
    for call in range(calls):
        first, last = EPOCHS * call // calls, EPOCHS * (call + 1) // calls
        history = model.fit(x, NETS[name].targets(x), BATCH, epochs=last, initial_epoch=first, verbose=0)
        for key, values in history.history.items():
            told.setdefault(key, []).extend(values)
    return model, [*model.get_weights(), *(np.array(told[key]) for key in sorted(told))]


@cache
def expected(name: str, dtype: str) -> list[np.ndarray]:
    return trained(name, dtype, "reference")[1]


@both_dtypes
@every_net
def test_core_and_reference_train_the_same_weights(name: str, dtype: str) -> None:
    for place in everywhere():
        assert_all_same(trained(name, dtype)[1], expected(name, dtype), place)


@both_dtypes
@every_net
def test_the_training_moved_every_weight(name: str, dtype: str) -> None:
    x = data()
    model = compiled(name, dtype)
    model.predict(x)
    before = model.get_weights()
    after = expected(name, dtype)[: len(before)]
    assert all((a != b).any() for a, b in zip(before, after))
    assert all(np.isfinite(value).all() for value in expected(name, dtype))


@both_dtypes
@every_net
def test_three_calls_of_fit_equal_one(name: str, dtype: str) -> None:
    for backend in ("core", "reference"):
        assert_all_same(trained(name, dtype, backend, calls=3)[1], expected(name, dtype), backend)


@both_dtypes
@every_net
def test_callbacks_and_a_bar_change_nothing(name: str, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Watch(bp.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            pass

    x = data()
    model = compiled(name, dtype)
    history = model.fit(x, NETS[name].targets(x), BATCH, epochs=EPOCHS, callbacks=[Watch()], verbose=1)
    assert_all_same(everything_of(model, history), expected(name, dtype), "watched")
    assert capsys.readouterr().out


@every_net
def test_steps_by_hand_are_equal_in_both_backends(name: str) -> None:
    x = data()
    y = NETS[name].targets(x)
    results = []
    for backend in ("reference", "core"):
        model = compiled(name, "float32", backend)
        figures = [model.train_on_batch(x[i : i + 30], y[i : i + 30]) for i in range(0, ROWS, 30)]
        loss, gradients = model.loss_and_gradients(x, y)
        results.append([*model.get_weights(), *gradients, np.float64(loss), np.array(figures, np.float64)])
    assert_all_same(results[1], results[0], name)


# --- the data


@both_dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_the_data_does_not_matter(layout: str, dtype: str) -> None:
    name = "dropout and momentum"
    x = data()
    model = compiled(name, dtype)
    arrays = LAYOUTS[layout](x), LAYOUTS[layout](NETS[name].targets(x))
    history = model.fit(*arrays, BATCH, epochs=EPOCHS, verbose=0)
    assert_all_same(everything_of(model, history), expected(name, dtype), layout)


@both_dtypes
@pytest.mark.parametrize("source", ["float16", "float32", "float64", ">f4", "int16", "uint64", ">i8"])
@every_net
def test_bytes_train_as_the_same_values_of_another_dtype(name: str, source: str, dtype: str) -> None:
    x = data()
    model = compiled(name, dtype)
    history = model.fit(x.astype(source), NETS[name].targets(x).astype(np.float32), BATCH, epochs=EPOCHS, verbose=0)
    assert_all_same(everything_of(model, history), expected(name, dtype), source)


def test_without_shuffling_the_order_of_the_rows_is_that_of_the_batches() -> None:
    x = data()
    y = NETS["Nesterov"].targets(x)
    fitted, stepped, turned = (compiled("Nesterov", "float32") for _ in range(3))
    fitted.fit(x, y, BATCH, shuffle=False, verbose=0)
    for i in range(0, ROWS, BATCH):
        stepped.train_on_batch(x[i : i + BATCH], y[i : i + BATCH])
    assert_all_same(fitted.get_weights(), stepped.get_weights(), "by hand")
    turned.fit(x[::-1], y[::-1], BATCH, shuffle=False, verbose=0)
    assert bp.weights_hash(turned.get_weights()) != bp.weights_hash(fitted.get_weights())


def test_the_seed_decides_the_weights() -> None:
    x = data()
    y = NETS["decay"].targets(x)
    hashes = set()
    for seed in (0, 1, 2**64 - 1):
        for backend in ("core", "reference"):
            net = bp.Sequential([bp.Dense(20, activation="relu"), bp.Dropout(0.5), bp.Dense(4, "softmax")], seed=seed)
            net.compile("sgd", "categorical_crossentropy", backend=backend)
            net.fit(x / 256, y, BATCH, verbose=0)
            hashes.add(bp.weights_hash(net.get_weights()))
    assert len(hashes) == 3


# --- predict


@both_dtypes
@pytest.mark.parametrize(
    ("features", "units", "rows"), [(9, 10, 37), (1, 1, 5), (513, 33, 130), (64, 17, 131), (7, 100, 19)]
)
def test_a_row_is_predicted_alike_alone_and_among_others(features: int, units: int, rows: int, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(rows, features))
    net = bp.Sequential(
        [bp.Dense(units, "gelu"), bp.Dropout(0.5), bp.Dense(units + 1), bp.Dense(3, "softmax")], dtype=dtype
    )
    for place in everywhere():
        together = net.predict(x)
        assert_all_same([net.predict(x, batch_size=size) for size in (1, 3, 64)], [together] * 3, place)
        for i in range(0, rows, 1 if place[1] == 1 else 13):
            assert_same(net.predict(x[i : i + 1]), together[i : i + 1], (i, place))


def test_predictions_of_trained_networks_are_equal_in_both_backends() -> None:
    x = data()
    for name in NETS:
        core, twin = (trained(name, "float32", backend)[0] for backend in ("core", "reference"))
        figures = [np.array(model.evaluate(x, NETS[name].targets(x), batch_size=10)) for model in (twin, core)]
        for _ in every_isa():
            assert_same(core.predict(x), twin.predict(x), name)
        assert_same(figures[1], figures[0], name)
    assert _core.available_isas()
