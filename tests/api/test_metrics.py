"""The accuracies against NumPy, and how `compile` finds metrics."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp.metrics import METRICS

RNG = np.random.default_rng(4)
PROBABILITIES = RNG.dirichlet(np.ones(4), size=50)
LABELS = RNG.integers(0, 4, size=50)
ONE_HOT = np.eye(4)[LABELS]


def value(metric: Any, y: Any, a: Any) -> float:
    true, predicted = bp.input("y"), bp.input("a")
    both = [bp.function([true, predicted], metric(true, predicted), backend=b)(y, a) for b in ("reference", "core")]
    np.testing.assert_array_equal(*both)  # NaN equals NaN
    return float(both[0])


def share(right: Any) -> float:
    return float(np.float32(np.mean(right)))


@pytest.mark.parametrize("metric", [bp.sparse_categorical_accuracy, bp.accuracy])
@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_labels_are_compared_with_the_largest_output(metric: Any, shape: tuple[int, ...]) -> None:
    assert value(metric, LABELS.reshape(shape), PROBABILITIES) == share(PROBABILITIES.argmax(1) == LABELS)


@pytest.mark.parametrize("metric", [bp.categorical_accuracy, bp.accuracy])
def test_one_hot_rows_are_compared_by_their_largest_element(metric: Any) -> None:
    assert value(metric, ONE_HOT, PROBABILITIES) == share(PROBABILITIES.argmax(1) == LABELS)


@pytest.mark.parametrize("metric", [bp.binary_accuracy, bp.accuracy])
def test_one_output_is_compared_with_a_half(metric: Any) -> None:
    targets, outputs = LABELS % 2, PROBABILITIES[:, :1] * 2
    assert value(metric, targets, outputs) == share((outputs[:, 0] > 0.5) == targets)
    assert value(metric, [1, 0], [[0.5], [0.5]]) == 0.5  # a half counts as class 0


def test_several_binary_outputs_count_one_by_one() -> None:
    targets = (RNG.random((50, 4)) > 0.5).astype(float)
    assert value(bp.binary_accuracy, targets, PROBABILITIES * 2) == share((PROBABILITIES * 2 > 0.5) == targets)


@pytest.mark.parametrize("metric", [bp.binary_accuracy, bp.categorical_accuracy, bp.sparse_categorical_accuracy])
def test_targets_of_another_shape_are_refused(metric: Any) -> None:
    with pytest.raises(ValueError, match="y must h"):
        value(metric, np.zeros((50, 3)), PROBABILITIES)


def compiled(metrics: Any) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(4, activation="softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=metrics)
    return net


def test_metrics_are_found_by_name_function_or_list() -> None:
    x = RNG.random((50, 3))
    for metrics in ("accuracy", bp.accuracy, ["accuracy"], ["acc"], (bp.accuracy,)):
        result = compiled(metrics).evaluate(x, LABELS, return_dict=True)
        assert [*result][:1] == ["loss"]
        assert len(result) == 2, metrics
    assert [*compiled(None).evaluate(x, LABELS, return_dict=True)] == ["loss"]


@pytest.mark.parametrize(
    ("metrics", "error", "words"),
    [(["acuracy"], ValueError, "did you mean 'accuracy'"), ([3], TypeError, "metrics"), (3, TypeError, "metrics")],
)
def test_what_is_no_metric_is_refused(metrics: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compiled(metrics)


# --- NaN


@pytest.mark.parametrize("where", ["outputs", "targets"])
@pytest.mark.parametrize("metric", ["binary_accuracy", "categorical_accuracy", "accuracy"])
def test_an_accuracy_of_nan_is_nan(metric: str, where: str) -> None:
    function = getattr(bp, metric)
    y, a = ONE_HOT.copy(), PROBABILITIES.copy()
    (a if where == "outputs" else y)[7, 2] = np.nan
    assert np.isnan(value(function, y, a))
    y, a = ONE_HOT[:, :1].copy(), PROBABILITIES[:, :1].copy()
    (a if where == "outputs" else y)[7] = np.nan
    if metric != "categorical_accuracy":
        assert np.isnan(value(function, y, a))


def test_a_sparse_accuracy_of_nan_is_nan() -> None:
    a = PROBABILITIES.copy()
    a[7, 2] = np.nan
    assert np.isnan(value(bp.sparse_categorical_accuracy, LABELS, a))
    infinite = PROBABILITIES.copy()
    infinite[7, 2], infinite[8, 1] = np.inf, -np.inf
    assert value(bp.sparse_categorical_accuracy, LABELS, infinite) == share(infinite.argmax(1) == LABELS)


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_nan_predictions_have_no_accuracy(backend: str) -> None:
    net = bp.Sequential([bp.Input((2,)), bp.Activation("softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend)
    assert np.isnan(net.evaluate(np.array([[np.nan, np.nan], [1.0, 2.0]]), [0, 1])[1])


WITHOUT_0 = {"mape", "mean_absolute_percentage_error", "gamma_deviance"}  # a target 0 has no value


@pytest.mark.parametrize("place", ["the target's class", "another class"])
@pytest.mark.parametrize("end", [lambda a: a, bp.sigmoid, bp.softmax], ids=["plain", "sigmoid", "softmax"])
@pytest.mark.parametrize("name", METRICS)
def test_one_nan_makes_every_figure_nan(name: str, end: Any, place: str) -> None:
    """Also where its target is 0, and 0·ln a would be left out."""
    column = LABELS[7] if place == "the target's class" else 3 - LABELS[7]
    figure = lambda y, a: METRICS[name](y, end(a))  # noqa: E731
    targets = LABELS if name.startswith("sparse") else ONE_HOT + (0.5 if name in WITHOUT_0 else 0)
    outputs = PROBABILITIES.copy()
    assert np.isfinite(value(figure, targets, outputs))
    outputs[7, column] = np.nan
    assert np.isnan(value(figure, targets, outputs))
    missing = targets.astype(float)
    missing[(7,) if targets is LABELS else (7, column)] = np.nan
    if targets is LABELS:
        with pytest.raises(ValueError, match="y must hold whole labels 0 … 3, got nan"):
            value(figure, missing, PROBABILITIES)
    else:
        assert np.isnan(value(figure, missing, PROBABILITIES))


# --- the accuracy of a model is chosen by its loss, then by the shapes

OUTPUTS = RNG.random((50, 4))
SEVERAL = (RNG.random((50, 4)) > 0.5).astype(float)
ACCURACIES = {
    ("binary_crossentropy", "several 0/1"): (SEVERAL, lambda: (OUTPUTS > 0.5) == SEVERAL),
    ("binary_crossentropy", "one-hot"): (ONE_HOT, lambda: (OUTPUTS > 0.5) == ONE_HOT),
    ("categorical_crossentropy", "one-hot"): (ONE_HOT, lambda: OUTPUTS.argmax(1) == LABELS),
    ("sparse_categorical_crossentropy", "labels"): (LABELS, lambda: OUTPUTS.argmax(1) == LABELS),
    ("cross_entropy", "one-hot"): (ONE_HOT, lambda: OUTPUTS.argmax(1) == LABELS),  # as Nielsen's digits
    ("mse", "one-hot"): (ONE_HOT, lambda: OUTPUTS.argmax(1) == LABELS),
}


@pytest.mark.parametrize("metric", ["accuracy", "acc", bp.accuracy])
@pytest.mark.parametrize("case", ACCURACIES, ids=" ".join)
def test_accuracy_follows_the_loss_then_the_shapes(case: tuple[str, str], metric: Any) -> None:
    targets, right = ACCURACIES[case]
    x = bp.input("x", (4,))
    net = bp.Model(x, x * 1.0)
    net.compile("sgd", case[0], metrics=[metric])
    name = metric if isinstance(metric, str) else "accuracy"
    assert net.evaluate(OUTPUTS, targets, batch_size=50, return_dict=True)[name] == share(right())


@pytest.mark.parametrize("loss", ["binary_crossentropy", bp.binary_crossentropy, "mse"])
def test_one_output_has_the_binary_accuracy_whatever_the_loss(loss: Any) -> None:
    x = bp.input("x", (1,))
    net = bp.Model(x, x * 1.0)
    net.compile("sgd", loss, metrics=["accuracy"])
    targets = SEVERAL[:, :1]
    expected = share((OUTPUTS[:, :1] > 0.5) == targets)
    assert net.evaluate(OUTPUTS[:, :1], targets, batch_size=50, return_dict=True)["accuracy"] == expected


# --- metrics that are no means over rows


def rmse(t: Any, p: Any) -> Any:
    return bp.sqrt(bp.mean(bp.square(t - p)))


def r2(t: Any, p: Any) -> Any:
    return 1.0 - bp.sum(bp.square(t - p)) / bp.sum(bp.square(t - bp.mean(t)))


def f1(t: Any, p: Any) -> Any:
    hits = bp.sum(t * bp.where_positive(p - 0.5, 1.0, 0.0))
    return 2 * hits / (bp.sum(t) + bp.sum(bp.where_positive(p - 0.5, 1.0, 0.0)))


def largest_error(t: Any, p: Any) -> Any:
    return bp.max(bp.abs(t - p))


def geometric(t: Any, p: Any) -> Any:
    return bp.exp(bp.mean(bp.log(1.0 + bp.abs(t - p))))


def correlation(t: Any, p: Any) -> Any:
    t, p = t - bp.mean(t), p - bp.mean(p)
    return bp.mean(t * p) / bp.sqrt(bp.mean(t * t) * bp.mean(p * p))


def log_of_loss(t: Any, p: Any) -> Any:
    return bp.log(bp.binary_crossentropy(t, p))


def by_numpy(name: str, t: np.ndarray, p: np.ndarray) -> float:
    return {
        "rmse": lambda: np.sqrt(np.mean((t - p) ** 2)),
        "r2": lambda: 1 - ((t - p) ** 2).sum() / ((t - t.mean()) ** 2).sum(),
        "f1": lambda: 2 * (t * (p > 0.5)).sum() / (t.sum() + (p > 0.5).sum()),
        "largest_error": lambda: np.abs(t - p).max(),
        "geometric": lambda: np.exp(np.log1p(np.abs(t - p)).mean()),
        "correlation": lambda: np.corrcoef(t.ravel(), p.ravel())[0, 1],
        "log_of_loss": lambda: np.log(-np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))),
    }[name]()


COMPOSED = [rmse, r2, f1, largest_error, geometric, correlation, log_of_loss]


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_composed_metrics_are_of_all_rows(backend: str) -> None:
    x = RNG.normal(size=(70, 3))
    y = (RNG.random((70, 1)) > 0.4).astype(float)
    net = bp.Sequential([bp.Input((3,)), bp.Dense(1, activation="sigmoid")], seed=3, dtype="float64")
    metrics = [rmse, "mse", *COMPOSED[1:], "accuracy"]
    net.compile("sgd", "binary_crossentropy", metrics=metrics, backend=backend)
    p = net.predict(x)
    found = [net.evaluate(x, y, batch_size=size, return_dict=True) for size in (70, 1, 8, 32, 69)]
    for function in COMPOSED:
        name = function.__name__
        assert len({result[name] for result in found}) == 1, name  # bit for bit
        np.testing.assert_allclose(found[0][name], by_numpy(name, y, p), rtol=1e-12)
    for result in found:
        np.testing.assert_allclose(result["mse"], np.mean((y - p) ** 2), rtol=1e-12)
        np.testing.assert_allclose(result["accuracy"], np.mean((p > 0.5) == y), rtol=1e-12)
    ended: list[dict[str, float]] = []
    hooks = bp.LambdaCallback(on_test_batch_end=lambda batch, logs: None, on_test_end=lambda logs: ended.append(logs))
    assert net.evaluate(x, y, batch_size=8, return_dict=True, callbacks=[hooks])["rmse"] == found[0]["rmse"]
    assert ended[0]["rmse"] == found[0]["rmse"]
    history = net.fit(x, y, batch_size=70, verbose=0, validation_data=(x, y), validation_batch_size=8).history
    assert history["val_rmse"][-1] == net.evaluate(x, y, batch_size=70, return_dict=True)["rmse"]


def test_composed_metrics_of_a_cross_entropy_keep_its_stable_form() -> None:
    """At a logit of 300 the probability is 1 in float32, and its complement's log −∞."""
    for activation, targets, loss in (
        ("sigmoid", np.zeros((1, 1)), bp.binary_crossentropy),
        ("softmax", [[0.0, 1.0]], bp.categorical_crossentropy),
    ):
        net = bp.Sequential([bp.Input((2,)), bp.Activation(activation)])
        logits = np.array([[300.0, 0.0]]) if activation == "softmax" else np.array([[300.0]])
        if activation == "sigmoid":
            net = bp.Sequential([bp.Input((1,)), bp.Activation(activation)])
        net.compile("sgd", "mse", metrics=[lambda t, p, loss=loss: bp.sqrt(loss(t, p))])
        assert net.evaluate(logits, targets)[1] == np.float32(np.sqrt(300.0))


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("penalties", [{}, {"l1": 0.2, "l2": 0.3}, {"l1": 0.2, "proximal": True}], ids=str)
def test_a_loss_that_is_no_mean_over_rows_is_of_all_rows(penalties: dict[str, Any], backend: str) -> None:
    x, y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 1))
    layers = [bp.Input((3,)), bp.Dropout(0.5), bp.Dense(1, kernel_regularizer=bp.L2(0.25))]
    net = bp.Sequential(layers, dtype="float64")
    net.compile(bp.SGD(0.01), rmse, metrics=["mae", rmse], backend=backend, **penalties)
    history = net.fit(x, y, batch_size=50, verbose=0, validation_data=(x, y), validation_batch_size=8).history
    kernel, error = net.get_weights()[0], net.predict(x) - y
    loss = np.sqrt(np.mean(error**2)) + 0.25 * np.sum(kernel**2)
    loss += penalties.get("l1", 0.0) / 50 * np.abs(kernel).sum() + penalties.get("l2", 0.0) / 100 * np.sum(kernel**2)
    found = [net.evaluate(x, y, batch_size=size) for size in (1, 7, 32, 50)]
    assert {figures[0] for figures in found} == {history["val_loss"][-1]}  # bit for bit
    for figures in found:
        np.testing.assert_allclose(figures, [loss, np.abs(error).mean(), np.sqrt(np.mean(error**2))], rtol=1e-12)


def test_the_figures_of_outputs_that_depend_on_other_rows_are_those_of_predict() -> None:
    x, y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 1))
    a = bp.input("a", (3,))
    net = bp.Model(a, bp.Dense(1)(a - bp.mean(a, axis=0)), dtype="float64")
    net.compile("sgd", "mse")
    net.build()
    expected = np.mean(((x - x.mean(axis=0)) @ net.get_weights()[0] - y) ** 2)
    for size in (7, 50):
        np.testing.assert_allclose(np.mean((net.predict(x, batch_size=size) - y) ** 2), expected, rtol=1e-12)
        np.testing.assert_allclose(net.evaluate(x, y, batch_size=size), expected, rtol=1e-12)


def test_a_composed_metric_may_read_inputs_and_weights() -> None:
    x, y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 1))
    a = bp.input("a", (3,))
    dense = bp.Dense(1)
    net = bp.Model(a, dense(a), dtype="float64")

    def scaled(t: Any, p: Any) -> Any:
        return bp.sqrt(bp.mean(bp.square(t - p)) / bp.mean(bp.square(a)) + bp.sum(bp.square(dense.weights[0])))

    net.build()
    net.compile("sgd", "mse", metrics=[scaled])
    kernel = net.get_weights()[0]
    expected = np.sqrt(np.mean((y - net.predict(x)) ** 2) / np.mean(x**2) + (kernel**2).sum())
    for size in (7, 50):
        np.testing.assert_allclose(net.evaluate(x, y, batch_size=size)[1], expected, rtol=1e-12)


MEANS: dict[str, Any] = {
    "mse": bp.mean_squared_error,
    "per row": lambda t, p: bp.abs(t - p),
    "scaled and shifted": lambda t, p: 1.0 - 2.0 * bp.mean(bp.square(t - p)) / 3.0,
    "a mean of features, then of rows": lambda t, p: bp.mean(bp.mean(bp.abs(t - p), axis=-1)),
    "a mean by features": lambda t, p: bp.sum(bp.mean(bp.abs(t - p), axis=0) * np.array([1.0, 2.0])),
    "a difference of means": lambda t, p: bp.mean(t) - bp.mean(p),
    "constant": lambda t, p: bp.mean(t * 0.0) + 2.0,
    "a root by row": lambda t, p: bp.sqrt(bp.sum(bp.square(t - p), axis=-1)),
}
NO_MEANS: dict[str, Any] = {
    "root": rmse,
    "quotient": r2,
    "product of means": lambda t, p: bp.mean(t) * bp.mean(p),
    "square of a mean": lambda t, p: bp.square(bp.mean(t - p)),
    "sum": lambda t, p: bp.sum(t - p),
    "maximum": largest_error,
    "centred rows": lambda t, p: bp.mean(bp.abs(p - bp.mean(p))),
    "constant over a mean": lambda t, p: 1.0 / bp.mean(bp.square(t - p)),
}


@pytest.mark.parametrize(("cases", "expected"), [(MEANS, True), (NO_MEANS, False)], ids=["means", "others"])
def test_what_is_a_mean_over_rows_is_told(cases: dict[str, Any], expected: bool) -> None:
    from fastbp.training.composed_metrics import is_mean_over_rows

    x, y = RNG.normal(size=(30, 3)), RNG.normal(size=(30, 2))
    for name, function in cases.items():
        net = bp.Sequential([bp.Input((3,)), bp.Dense(2)], dtype="float64")
        net.compile("sgd", "mse", metrics=[function])
        whole = net.evaluate(x, y, batch_size=30)[1]
        (training,) = net._session.graphs.values()
        assert is_mean_over_rows(training.lowering.graph, training.figures[0]) == expected, name
        parts = [net.evaluate(x[i : i + 6], y[i : i + 6])[1] for i in range(0, 30, 6)]
        assert np.isclose(np.mean(parts), whole, rtol=1e-9) == expected, name  # that is what it means
        assert np.isclose(net.evaluate(x, y, batch_size=6)[1], whole, rtol=1e-9), name
