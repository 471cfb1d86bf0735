"""The accuracies against NumPy, and how `compile` finds metrics."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest

RNG = np.random.default_rng(4)
PROBABILITIES = RNG.dirichlet(np.ones(4), size=50)
LABELS = RNG.integers(0, 4, size=50)
ONE_HOT = np.eye(4)[LABELS]


def value(metric: Any, y: Any, a: Any) -> float:
    true, predicted = bp.input("y"), bp.input("a")
    both = [bp.function([true, predicted], metric(true, predicted), backend=b)(y, a) for b in ("reference", "core")]
    assert both[0] == both[1]
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
