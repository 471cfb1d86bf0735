"""Metrics of arrays in `fit`, `evaluate`, `train_on_batch`: once over all rows, by what each row's step predicted."""

from __future__ import annotations

import math
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

RANDOM = np.random.default_rng(12)
ROWS = 90
X = RANDOM.normal(size=(ROWS, 4))
CLASS = (X[:, 0] + X[:, 1] ** 2 + RANDOM.normal(size=ROWS) * 0.5 > 1).astype(int)
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 2] > 0)
W = RANDOM.random(ROWS)
BACKENDS = ["core", "reference"]


def network(backend: str = "core", outputs: int = 1, rate: float = 0.0, **options: Any) -> bp.Sequential:
    last = bp.Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax")
    net = bp.Sequential([bp.Input((4,)), bp.Dense(6, activation="tanh"), last], seed=2, dtype="float64")
    loss = "binary_crossentropy" if outputs == 1 else "sparse_categorical_crossentropy"
    net.compile(bp.SGD(rate), loss, backend=backend, **options)
    return net


def half_right(y_true: Any, y_pred: Any) -> Any:
    return np.mean((y_pred > 0.5) == y_true) / 2


def weighted_error(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    return np.average(np.abs(y_true - y_pred), weights=sample_weight)


# --- values


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch_size", [7, 32, ROWS])
def test_figures_are_of_all_rows_whatever_the_batches(backend, batch_size):
    net = network(backend, metrics=["AUC", "average_precision", half_right, sklearn_metrics.brier_score_loss])
    p = net.predict(X)[:, 0]
    expected = {
        "auc": sklearn_metrics.roc_auc_score(CLASS, p),
        "average_precision": sklearn_metrics.average_precision_score(CLASS, p),
        "half_right": ((p > 0.5) == CLASS).mean() / 2,
        "brier_score_loss": sklearn_metrics.brier_score_loss(CLASS, p),
    }
    history = net.fit(
        X, CLASS, batch_size, epochs=2, validation_data=(X[:50], CLASS[:50]), validation_batch_size=9, verbose=0
    ).history
    assert list(history) == ["loss", *expected, "val_loss", *(f"val_{name}" for name in expected)]
    evaluated = net.evaluate(X, CLASS, batch_size, return_dict=True)
    of_batch = net.train_on_batch(X, CLASS, return_dict=True)
    of_half = network(backend, metrics=["AUC"]).evaluate(X[:50], CLASS[:50], return_dict=True)["auc"]
    for name, value in expected.items():
        assert history[name] == [pytest.approx(value, rel=1e-12)] * 2
        assert evaluated[name] == history[name][0] == of_batch[name]
    assert history["val_auc"] == [of_half] * 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_count_with_what_their_step_predicted(backend, shuffle):
    net = network(backend, rate=0.5, metrics=[weighted_error])
    other = network(backend, rate=0.5)
    history = net.fit(X, CLASS, 30, epochs=2, shuffle=shuffle, verbose=0).history
    orders = [_order(0), _order(1)] if shuffle else [np.arange(ROWS)] * 2
    expected = []
    for order in orders:
        errors = []
        for start in range(0, ROWS, 30):
            rows = order[start : start + 30]
            errors.append(np.abs(other.predict(X[rows])[:, 0] - CLASS[rows]))
            other.train_on_batch(X[rows], CLASS[rows])
        expected.append(np.concatenate(errors).mean())
    assert history["weighted_error"] == pytest.approx(expected, rel=1e-9)


def _order(epoch: int) -> Any:
    from fastbp.reference import random

    return np.asarray(random.shuffle(2, epoch, ROWS))


def test_several_classes_and_labels():
    net = network(outputs=3, metrics=["AUC", "F1Score", "TopKCategoricalAccuracy", bp.metrics.LogLoss()])
    p = net.predict(X)
    found = net.evaluate(X, LABELS, return_dict=True)
    assert found["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(LABELS, p, multi_class="ovr"), rel=1e-12)
    assert found["f1_score"] == pytest.approx(
        sklearn_metrics.f1_score(LABELS, p.argmax(1), average="macro", zero_division=0), rel=1e-12
    )
    assert found["top_k_categorical_accuracy"] == 1
    assert found["log_loss"] == pytest.approx(found["loss"], rel=1e-12)


def test_weighted_metrics_of_arrays_are_weighted_and_the_others_are_not():
    net = network(metrics=["AUC"], weighted_metrics=["AUC", weighted_error])
    p = net.predict(X)[:, 0]
    expected = {
        "auc": sklearn_metrics.roc_auc_score(CLASS, p),
        "weighted_auc": sklearn_metrics.roc_auc_score(CLASS, p, sample_weight=W),
        "weighted_error": np.average(abs(CLASS - p), weights=W),
    }
    history = net.fit(X, CLASS, 16, sample_weight=W, validation_data=(X, CLASS, W), verbose=0).history
    for name, value in expected.items():
        assert history[name] == history[f"val_{name}"] == [pytest.approx(value, rel=1e-12)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_weight_0_are_seen_as_they_are_by_metrics_without_weights(backend):
    weights = np.where(W > 0.4, W, 0)
    net = network(backend, metrics=["AUC", "accuracy"], weighted_metrics=["AUC"])
    p = net.predict(X)[:, 0]
    history = net.fit(X, CLASS, 16, sample_weight=weights, verbose=0).history
    assert history["auc"] == [pytest.approx(sklearn_metrics.roc_auc_score(CLASS, p), rel=1e-12)]
    assert history["accuracy"] == [pytest.approx(((p > 0.5) == CLASS).mean(), rel=1e-12)]
    assert history["weighted_auc"] == [
        pytest.approx(sklearn_metrics.roc_auc_score(CLASS, p, sample_weight=weights), rel=1e-12)
    ]


def test_each_output_has_its_own():
    x = bp.input("x", (4,))
    outputs = {"price": bp.Dense(1)(x), "kind": bp.Dense(3, activation="softmax")(x)}
    net = bp.Model(x, outputs, dtype="float64")
    net.compile(
        bp.SGD(0.0),
        {"price": "mse", "kind": "sparse_categorical_crossentropy"},
        metrics={"price": ["R2Score", "RootMeanSquaredError"], "kind": ["accuracy", "AUC"]},
    )
    price = X[:, :1] * 2 + 1
    history = net.fit(X, {"price": price, "kind": LABELS}, validation_split=0.3, verbose=0).history
    predicted = net.predict(X[:63])
    assert history["price_r2_score"] == [
        pytest.approx(sklearn_metrics.r2_score(price[:63], predicted["price"]), rel=1e-12)
    ]
    assert history["price_root_mean_squared_error"] == [pytest.approx(math.sqrt(history["price_loss"][0]), rel=1e-12)]
    assert history["kind_auc"] == [
        pytest.approx(sklearn_metrics.roc_auc_score(LABELS[:63], predicted["kind"], multi_class="ovr"), rel=1e-12)
    ]
    assert set(history) >= {"val_price_r2_score", "val_kind_auc", "kind_accuracy"}


def test_metrics_of_arrays_change_no_bit_of_the_training():
    trained = []
    for metrics in (["accuracy"], ["accuracy", "AUC", half_right]):
        net = network(rate=0.3, metrics=metrics)
        history = net.fit(X, CLASS, 16, epochs=3, validation_split=0.2, verbose=0).history
        trained.append((b"".join(w.tobytes() for w in net.get_weights()), history["loss"], history["val_loss"]))
    assert trained[0] == trained[1]


def test_an_epoch_that_is_cut_short_is_measured_by_its_rows():
    net = network(metrics=[half_right])
    stop = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: setattr(net, "stop_training", batch == 1))
    history = net.fit(X, CLASS, 20, shuffle=False, callbacks=[stop], verbose=0).history
    right = ((net.predict(X[:40])[:, 0] > 0.5) == CLASS[:40]).mean() / 2
    assert history["half_right"] == [pytest.approx(right, rel=1e-12)]


def test_metrics_of_batches_come_without_them():
    seen: list[Any] = []
    net = network(metrics=["accuracy", "AUC"])
    watch = bp.LambdaCallback(
        on_train_batch_end=lambda _, logs: seen.append(list(logs)),
        on_test_batch_end=lambda _, logs: seen.append(list(logs)),
        on_test_end=lambda logs: seen.append(list(logs)),
    )
    net.fit(X, CLASS, ROWS, validation_data=(X, CLASS), callbacks=[watch], verbose=0)
    assert seen == [["loss", "accuracy"], ["loss", "accuracy"], ["loss", "accuracy", "auc"]]


# --- which way is better


@pytest.mark.parametrize(
    ("metric", "mode"),
    [("AUC", "max"), ("LogLoss", "min"), ("RootMeanSquaredError", "min"), ("R2Score", "max"), ("mae", "min")],
)
def test_callbacks_know_the_direction(metric, mode):
    net = network(rate=0.1, metrics=[metric])
    name = net._session.goal.names[-1]
    stop = bp.EarlyStopping(f"val_{name}", patience=1, restore_best_weights=True)
    net.fit(X, CLASS, validation_split=0.3, epochs=2, callbacks=[stop], verbose=0)
    assert stop.mode == mode


def test_the_direction_of_ones_own_metric_must_be_said():
    net = network(metrics=[half_right])
    with pytest.raises(ValueError, match="mode must be 'min' or 'max' for 'half_right'"):
        net.fit(X, CLASS, callbacks=[bp.EarlyStopping("half_right")], verbose=0)
    net.fit(X, CLASS, callbacks=[bp.EarlyStopping("half_right", mode="max")], verbose=0)


# --- names


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("AUC", "auc"),
        ("F1Score", "f1_score"),
        ("R2Score", "r2_score"),
        ("TopKCategoricalAccuracy", "top_k_categorical_accuracy"),
        ("RootMeanSquaredError", "root_mean_squared_error"),
        ("MeanSquaredError", "mean_squared_error"),
        ("BinaryAccuracy", "binary_accuracy"),
        ("auc", "auc"),
        ("mse", "mse"),
        (bp.metrics.AUC, "auc"),
        (bp.metrics.AUC(name="area"), "area"),
    ],
)
def test_a_metrics_name_is_that_of_its_figure(given, name):
    assert network(metrics=[given])._session.goal.names == ["loss", name]


# --- errors


def test_a_function_of_expressions_is_not_taken_for_one_of_arrays():
    def typing_error(y_true: Any, y_pred: Any) -> Any:
        return bp.meen(y_true - y_pred)

    net = network(metrics=[typing_error])
    with pytest.raises(AttributeError, match="meen"):
        net.fit(X, CLASS, verbose=0)
    assert net._session.steps == 0


@pytest.mark.parametrize("result", [np.zeros(3), None, "high"])
def test_a_metric_of_arrays_gives_a_number(result):
    net = network(metrics=[lambda y, p: result if isinstance(p, np.ndarray) else np.asarray(p)])
    with pytest.raises((TypeError, ValueError)):
        net.evaluate(X, CLASS)


def test_weighted_metrics_take_weights():
    net = network(weighted_metrics=[half_right])
    with pytest.raises(ValueError, match="weighted_metrics has 'half_right', which takes no sample_weight"):
        net.evaluate(X, CLASS, sample_weight=W)
    assert net.evaluate(X, CLASS)[1] > 0


def test_an_error_in_a_metric_keeps_what_was_trained():
    def fails(y_true: Any, y_pred: Any) -> Any:
        raise ZeroDivisionError("in the metric") if isinstance(y_pred, np.ndarray) else TypeError

    net = network(rate=0.1, metrics=[fails])
    with pytest.raises(ZeroDivisionError, match="in the metric"):
        net.fit(X, CLASS, verbose=0)
    assert net._session.epochs == 1
    assert net.history.epoch == [0]
    assert list(net.history.history) == ["loss"]


# --- figures that callbacks add


class AddsFigures(bp.Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_f2"] = [0.1, 0.5, 0.3, 0.2, 0.1][epoch]
        logs["loss"] = -1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_figures_that_a_callback_adds_are_recorded_and_seen(backend):
    seen: list[dict[str, float]] = []
    net = network(backend)
    stop = bp.EarlyStopping("val_f2", mode="max", patience=2)
    watch = bp.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    history = net.fit(X, CLASS, epochs=5, callbacks=[AddsFigures(), stop, watch], verbose=0).history
    assert history["val_f2"] == [0.1, 0.5, 0.3, 0.2]
    assert history["loss"] == [-1.0] * 4
    assert seen == [{"loss": -1.0, "val_f2": value} for value in history["val_f2"]]


def test_earlier_callbacks_do_not_see_them():
    seen: list[Any] = []
    watch = bp.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(list(logs)))
    network().fit(X, CLASS, callbacks=[watch, AddsFigures()], verbose=0)
    assert seen == [["loss"]]
