"""Metrics of whole data against scikit-learn, against pairs and rows counted one by one, and what they refuse."""

from __future__ import annotations

import copy
import pickle
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import fastbp as bp
import numpy as np
import pytest
import sklearn.metrics as sk
from fastbp.metrics import ARRAY_METRICS, METRICS

M = bp.metrics
ROWS = 60
DTYPES = [np.float32, np.float64]
SEEDS = range(4)


def unit_rows(rng: np.random.Generator, classes: int, dtype: Any = np.float64) -> Any:
    """Softmax outputs that are often equal; with one class, probabilities."""
    if classes == 1:
        return rng.integers(0, 9, (ROWS, 1)).astype(dtype) / dtype(8)
    drawn = rng.integers(1, 4, (ROWS, classes))
    return (drawn / drawn.sum(axis=1, keepdims=True)).astype(dtype)


def every_class(rng: np.random.Generator, classes: int) -> Any:
    return rng.permutation(np.arange(ROWS) % classes)


def weights_of(rng: np.random.Generator, kind: str) -> Any:
    return {"none": None, "whole": rng.integers(0, 4, ROWS), "real": rng.random(ROWS) * (rng.random(ROWS) > 0.2)}[kind]


def quiet(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **keywords)


def close(mine: Any, theirs: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-14)


@pytest.fixture(params=SEEDS)
def rng(request: Any) -> Any:
    return np.random.default_rng(request.param)


with_weights = pytest.mark.parametrize("kind", ["none", "whole", "real"])


# --- areas


@with_weights
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("curve", ["ROC", "PR"])
def test_areas_of_one_output(rng: Any, curve: str, dtype: Any, kind: str) -> None:
    y, a, w = every_class(rng, 2), unit_rows(rng, 1, dtype), weights_of(rng, kind)
    theirs = {"ROC": sk.roc_auc_score, "PR": sk.average_precision_score}[curve](y, a[:, 0], sample_weight=w)
    metric = M.AUC(curve)
    close(metric(y, a, w), theirs)
    for targets, scores in [(y[:, None], a[:, 0]), (y > 0, a), (y, np.hstack([1 - a, a])), (np.eye(2)[y], a * [0, 1])]:
        assert metric(targets, scores, w) == metric(y, a, w)
    assert M.AUC(curve, from_logits=True)(y, a * 9 - 4, w) == metric(y, a, w)
    assert metric(y, a, None if w is None else w[:, None]) == metric(y, a, w)


@with_weights
@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
def test_areas_of_several_classes(rng: Any, average: str, kind: str) -> None:
    y, a, w = every_class(rng, 4), unit_rows(rng, 4), weights_of(rng, kind)
    if kind == "whole":
        w = w + 1  # scikit-learn counts classes whose rows weigh nothing
    theirs = sk.roc_auc_score(y, a, multi_class="ovr", average=average, sample_weight=w)
    close(M.AUC(average=average)(y, a, w), theirs)
    close(M.AUC(average=average)(np.eye(4)[y], a, w), theirs)
    theirs = sk.average_precision_score(np.eye(4)[y], a, average=average, sample_weight=w)
    close(M.AveragePrecision(average=average)(y, a, w), theirs)


@with_weights
@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("outputs", [2, 3])
def test_areas_of_several_questions(rng: Any, outputs: int, average: str, kind: str) -> None:
    y, a = rng.integers(0, 2, (ROWS, outputs)), rng.integers(0, 6, (ROWS, outputs)) / 4 - 1
    w = weights_of(rng, kind)
    theirs = sk.roc_auc_score(y, a, average=average, sample_weight=w)
    close(M.AUC(multi_label=True, average=average)(y, a, w), theirs)
    theirs = sk.average_precision_score(y, a, average=average, sample_weight=w)
    close(M.AUC("PR", True, average=average)(y, a, w), theirs)


def test_the_roc_area_is_the_true_quotient_rounded_once(rng: Any) -> None:
    y, a = rng.integers(0, 2, ROWS), rng.integers(0, 7, ROWS)
    w = rng.integers(0, 3, ROWS)
    for weights in (np.ones(ROWS, int), w):
        pairs = [(i, j) for i in range(ROWS) for j in range(ROWS) if y[i] and not y[j]]
        won = sum(int(weights[i] * weights[j]) * (2 * int(a[i] > a[j]) + int(a[i] == a[j])) for i, j in pairs)
        both = 2 * sum(int(weights[i] * weights[j]) for i, j in pairs)
        assert M.AUC()(y, a, weights) == float(Fraction(won, both))
    assert M.AUC()(y, a) == M.AUC()(y, a, np.ones(ROWS))


def test_weights_so_large_that_pairs_overflow_64_bits_are_added_up_in_float64() -> None:
    y, a = [1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4]
    for large in (2.0**31, 2.0**40, 1e300):
        assert M.AUC()(y, a, np.full(4, large)) == 0.875


@pytest.mark.parametrize("label", [0, 1])
def test_an_area_of_one_class_is_as_in_scikit_learn(label: int) -> None:
    y, a = np.full(3, label), [0.1, 0.5, 0.3]
    assert np.isnan(M.AUC()(y, a))
    assert np.isnan(quiet(sk.roc_auc_score, y, a))
    assert M.AUC("PR")(y, a) == quiet(sk.average_precision_score, y, a) == label
    two_of_three = [[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]]
    assert np.isnan(M.AUC()([0, 1], two_of_three))


def test_infinite_scores_have_a_place() -> None:
    assert M.AUC()([0, 1, 0, 1], [-np.inf, np.inf, 0.0, 0.0]) == 0.875


# --- decisions


@with_weights
@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("threshold", [None, 0.25])
def test_precision_and_recall_count_all_outputs(rng: Any, outputs: int, threshold: float | None, kind: str) -> None:
    y, a, w = rng.integers(0, 2, (ROWS, outputs)), unit_rows(rng, outputs), weights_of(rng, kind)
    predicted = a > (threshold or 0.5)
    all_of_them = {"y_true": y.ravel(), "y_pred": predicted.ravel()}
    all_of_them["sample_weight"] = None if w is None else np.repeat(w, outputs)
    close(M.Precision(threshold)(y, a, w), quiet(sk.precision_score, **all_of_them, zero_division=0))
    close(M.Recall(threshold)(y, a, w), sk.recall_score(**all_of_them))
    for j in range(outputs):
        one = {"y_true": y[:, j], "y_pred": predicted[:, j], "sample_weight": w, "zero_division": 0}
        close(M.Precision(threshold, class_id=j)(y, a, w), sk.precision_score(**one))
        close(M.Recall(threshold, class_id=j)(y, a, w), sk.recall_score(**one))


@with_weights
def test_top_k_predicts_the_first_of_the_largest_outputs(rng: Any, kind: str) -> None:
    y, a, w = every_class(rng, 4), unit_rows(rng, 4), weights_of(rng, kind)
    close(M.Precision(top_k=1)(y, a, w), sk.accuracy_score(y, a.argmax(axis=1), sample_weight=w))
    for j in range(4):
        one = {"labels": [j], "average": "macro", "zero_division": 0, "sample_weight": w}
        close(M.Precision(top_k=1, class_id=j)(y, a, w), sk.precision_score(y, a.argmax(axis=1), **one))
        close(M.Recall(top_k=1, class_id=j)(y, a, w), sk.recall_score(y, a.argmax(axis=1), **one))
    close(M.Recall(top_k=2)(y, a, w), M.TopKCategoricalAccuracy(2)(y, a, w))
    both = [sorted(range(4), key=lambda j, row=row: -row[j])[:2] for row in a]
    hot = np.array([[j in two for j in range(4)] for two in both])
    right, of_predicted = hot & (a > 0.3) & np.eye(4, dtype=bool)[y], hot & (a > 0.3)
    each = np.ones(ROWS) if w is None else w
    close(M.Precision(0.3, 2)(y, a, w), (each[:, None] * right).sum() / (each[:, None] * of_predicted).sum())


@with_weights
@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("threshold", [None, 0.25])
def test_f1_of_classes_and_of_questions(rng: Any, average: str, threshold: float | None, kind: str) -> None:
    y, a, w = every_class(rng, 4) % 3, unit_rows(rng, 4), weights_of(rng, kind)  # class 3 never comes
    hot = np.eye(4, dtype=int)[y]
    predicted = np.eye(4, dtype=int)[a.argmax(axis=1)] if threshold is None else a > threshold
    options = {"average": average, "sample_weight": w, "zero_division": 0}
    close(M.F1Score(average, threshold)(y, a, w), sk.f1_score(hot, predicted, **options))
    close(M.F1Score(average, threshold)(hot, a, w), sk.f1_score(hot, predicted, **options))
    one = unit_rows(rng, 1)
    theirs = sk.f1_score(y > 0, one[:, 0] > (threshold or 0.5), sample_weight=w)
    close(M.F1Score(average, threshold)(y > 0, one, w), theirs)


@with_weights
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_balanced_accuracy(rng: Any, classes: int, kind: str) -> None:
    y, a, w = every_class(rng, max(classes, 2)), unit_rows(rng, classes), weights_of(rng, kind)
    y[y == 3] = 0  # a class without rows does not count
    predicted = a[:, 0] > 0.5 if classes == 1 else a.argmax(axis=1)
    close(M.BalancedAccuracy()(y, a, w), quiet(sk.balanced_accuracy_score, y, predicted, sample_weight=w))


def test_nothing_predicted_and_nothing_positive_is_0() -> None:
    assert M.Precision()([0, 1], [0.1, 0.2]) == 0
    assert M.Recall()([0, 0], [0.1, 0.9]) == 0
    for average in ("macro", "weighted", "micro"):
        assert M.F1Score(average)([0, 0], [0.1, 0.2]) == 0


@with_weights
@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_confusion_matrix(rng: Any, classes: int, normalize: Any, kind: str) -> None:
    y, a, w = every_class(rng, max(classes, 2)), unit_rows(rng, classes), weights_of(rng, kind)
    predicted = (a[:, 0] > 0.5).astype(int) if classes == 1 else a.argmax(axis=1)
    theirs = sk.confusion_matrix(y, predicted, sample_weight=w, normalize=normalize)
    for outputs in (a, predicted, predicted[:, None], a[:, 0] if classes == 1 else a):
        mine = M.confusion_matrix(y, outputs, w, normalize)
        close(mine, theirs)
        assert mine.dtype == (np.float64 if normalize or kind == "real" else np.int64)
    if classes > 1:
        close(M.confusion_matrix(np.eye(classes)[y], a, w, normalize), theirs)
        close(M.confusion_matrix(np.eye(classes)[y], predicted, w, normalize), theirs)


# --- the k largest, probabilities, numbers


@with_weights
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_top_k_accuracy(rng: Any, k: int, kind: str) -> None:
    y, a, w = every_class(rng, 4), unit_rows(rng, 4), weights_of(rng, kind)
    inside = [label in sorted(range(4), key=lambda j, row=row: -row[j])[:k] for label, row in zip(y, a)]
    for metric in (M.TopKCategoricalAccuracy(k), M.SparseTopKCategoricalAccuracy(k)):
        close(metric(y, a, w), np.average(inside, weights=w))
        assert metric(np.eye(4)[y], a, w) == metric(y, a, w)
    different = rng.random((ROWS, 4))
    theirs = quiet(sk.top_k_accuracy_score, y, different, k=k, sample_weight=w)
    close(M.TopKCategoricalAccuracy(k)(y, different, w), theirs)


@with_weights
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_log_loss(rng: Any, classes: int, kind: str) -> None:
    y, w = every_class(rng, max(classes, 2)), weights_of(rng, kind)
    a = unit_rows(rng, classes)
    if classes > 1:
        a[::7] = np.eye(classes)[0]  # 0 and 1 are clipped
    theirs = sk.log_loss(y, a[:, 0] if classes == 1 else a, sample_weight=w)
    close(M.LogLoss()(y, a, w), theirs)
    single = a.astype(np.float32)
    theirs = sk.log_loss(y, single[:, 0] if classes == 1 else single, sample_weight=w)
    close(M.LogLoss()(y, single, w), theirs, rtol=1e-6)  # scikit-learn adds up in float32


def test_log_loss_has_the_same_bits_without_the_core(rng: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    y, a = every_class(rng, 2), rng.random(ROWS)
    expected = M.LogLoss()(y, a)
    monkeypatch.setitem(sys.modules, "fastbp._core", None)
    assert M.LogLoss()(y, a) == expected


def test_metrics_may_be_computed_while_a_model_trains() -> None:
    net = bp.Sequential([bp.Dense(1, activation="sigmoid")])
    net.compile("sgd", "binary_crossentropy")
    x, y, found = np.arange(-4.0, 4.0)[:, None], np.arange(8) % 2, []

    def note(epoch: int, logs: Any) -> None:
        found.append((M.LogLoss()(y, net.predict(x)), logs["val_loss"]))

    net.fit(x, y, epochs=3, verbose=0, validation_data=(x, y), callbacks=[bp.LambdaCallback(on_epoch_end=note)])
    assert len(found) == 3
    for mine, loss in found:
        assert mine == pytest.approx(loss, rel=1e-6)


def test_log_loss_clips_to_the_spacing_of_the_dtype() -> None:
    assert M.LogLoss()([1], [0.0]) == pytest.approx(52 * np.log(2))
    assert M.LogLoss()([1], np.zeros(1, np.float32)) == pytest.approx(23 * np.log(2))
    assert M.LogLoss()([1], np.zeros(1, np.float16)) == pytest.approx(10 * np.log(2))


@with_weights
@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("bins", [1, 8, 15])
def test_calibration_error(rng: Any, classes: int, bins: int, kind: str) -> None:
    y, a, w = every_class(rng, max(classes, 2)), unit_rows(rng, classes), weights_of(rng, kind)
    both = np.hstack([1 - a, a]) if classes == 1 else a
    confidence, right = both.max(axis=1), both.argmax(axis=1) == y
    each, expected = np.ones(ROWS) if w is None else w, 0.0
    for i in range(bins):
        inside = (confidence > i / bins) & (confidence <= (i + 1) / bins)
        if each[inside].sum() > 0:
            mean_right, mean_sure = (np.average(of[inside], weights=each[inside]) for of in (right, confidence))
            expected += each[inside].sum() / each.sum() * abs(mean_right - mean_sure)
    close(M.ExpectedCalibrationError(bins)(y, a, w), expected)


@with_weights
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_r2_and_the_root_of_the_mean_squared_error(rng: Any, outputs: int, scale: float, kind: str) -> None:
    y, w = rng.normal(size=(ROWS, outputs)) + 3, weights_of(rng, kind)
    a = y + rng.normal(size=y.shape) / 2
    y[:, 1:2] = 1.0  # an output that is constant
    for theirs, aggregation in (("uniform_average",) * 2, ("variance_weighted", "variance_weighted_average")):
        expected = sk.r2_score(y, a, sample_weight=w, multioutput=theirs)
        close(M.R2Score(aggregation)(y * scale, a * scale, w), expected)
    mse = sk.mean_squared_error(y, a, sample_weight=w)
    close(M.RootMeanSquaredError()(y * scale, a * scale, w), np.sqrt(mse) * scale)
    if outputs == 1:
        for metric in (M.R2Score(), M.RootMeanSquaredError()):
            assert metric(y[:, 0], a, w) == metric(y, a[:, 0], w) == metric(y, a, w)


def test_the_largest_numbers_do_not_overflow() -> None:
    y = np.array([4e307, -4e307, 4e307])
    assert M.RootMeanSquaredError()(y, -y) == pytest.approx(8e307)
    assert M.R2Score()(y, -y) == pytest.approx(sk.r2_score(y / 1e300, -y / 1e300))
    assert M.R2Score()([0.0, 1e-300], [1e300, 1e300]) == -np.inf


def test_r2_of_constant_targets_is_1_or_0() -> None:
    for rows in (1, 2, 10):
        y = np.full(rows, 0.1)
        assert (M.R2Score()(y, y), M.R2Score()(y, y + 1e-9)) == (1.0, 0.0)
        assert M.R2Score("variance_weighted_average")(y, y) == 1.0
        if rows > 1:
            assert (sk.r2_score(y, y), sk.r2_score(y, y + 1e-9)) == (1.0, 0.0)


# --- curves


@with_weights
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("drop", [True, False])
def test_curves(rng: Any, dtype: Any, drop: bool, kind: str) -> None:
    y, a, w = every_class(rng, 2), unit_rows(rng, 1, dtype), weights_of(rng, kind)
    kept = np.ones(ROWS, bool) if w is None else w > 0
    weights = None if w is None else w[kept]
    theirs = sk.roc_curve(y[kept], a[kept, 0], sample_weight=weights, drop_intermediate=drop)
    mine = M.roc_curve(y, a, w, drop_intermediate=drop)
    if kind == "real" and drop:  # which points are on a straight line is then decided by roundings
        assert abs(len(mine[0]) - len(theirs[0])) <= 2
        close(sk.auc(mine[0], mine[1]), sk.auc(*theirs[:2]))
    else:
        assert all(isinstance(array, np.ndarray) and array.dtype == np.float64 for array in mine)
        for ours, expected in zip(mine, theirs):
            close(ours, expected)
    for ours, expected in zip(
        M.precision_recall_curve(y, a, w), sk.precision_recall_curve(y[kept], a[kept, 0], sample_weight=weights)
    ):
        close(ours, expected)


@pytest.mark.parametrize("label", [0, 1])
def test_curves_of_one_class(label: int) -> None:
    y, a = np.full(3, label), [0.1, 0.5, 0.3]
    for mine, theirs in ((M.roc_curve, sk.roc_curve), (M.precision_recall_curve, sk.precision_recall_curve)):
        for ours, expected in zip(mine(y, a), quiet(theirs, y, a)):
            close(ours, expected)


FIGURES: dict[str, Any] = {"f1": sk.f1_score, "accuracy": sk.accuracy_score,
                           "balanced_accuracy": sk.balanced_accuracy_score}  # fmt: skip


@with_weights
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("figure", FIGURES)
def test_no_threshold_is_better_than_the_best(rng: Any, figure: str, dtype: Any, kind: str) -> None:
    y, a, w = every_class(rng, 2), (unit_rows(rng, 1, dtype)[:, 0] / 3).astype(dtype), weights_of(rng, kind)

    def at(threshold: float) -> float:
        return quiet(FIGURES[figure], y, a > threshold, sample_weight=w)

    best = M.best_threshold(y, a, figure, w)
    assert float(dtype(best)) == best
    every = [at(t) for t in [-1.0, *np.unique(a).tolist()]]
    assert at(best) >= max(every) - 1e-12
    assert at(best) == at(best + 1e-3) or dtype(best) in a or best < 0  # not at the edge of the scores


def test_the_best_threshold_separates_neighbouring_numbers() -> None:
    for dtype in DTYPES:
        low = dtype(0.3)
        scores = np.array([low, np.nextafter(low, dtype(1))])
        best = M.best_threshold([0, 1], scores)
        assert (scores > best).tolist() == [False, True]
    assert M.best_threshold([1, 1, 0, 1], [0.0, 0.1, 0.2, 0.3]) < 0  # all positive
    assert M.best_threshold([1, 0, 0], [0.1, 0.5, 0.9], "accuracy") == 0.9  # none
    assert M.best_threshold([0, 1], [0.2, 0.4], lambda tp, fp, fn, tn: tp - fp) == pytest.approx(0.3)


def test_the_best_threshold_is_that_of_precision_and_recall() -> None:
    y, a = [0, 0, 1, 0, 1, 1], np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9], np.float32)
    best = M.best_threshold(y, a)
    assert (M.Precision(best)(y, a), M.Recall(best)(y, a)) == (0.75, 1.0)
    assert M.F1Score(threshold=best)(y, a) == pytest.approx(6 / 7)


# --- what holds for all of them

CLASSES = {metric.__name__: metric for metric in ARRAY_METRICS.values()}
OF_NUMBERS = {"R2Score", "RootMeanSquaredError"}
FUNCTIONS = {
    "confusion_matrix": M.confusion_matrix,
    "roc_curve": M.roc_curve,
    "precision_recall_curve": M.precision_recall_curve,
}
CURVES = {"roc_curve", "precision_recall_curve"}


def case(name: str, rng: np.random.Generator) -> tuple[Any, Any]:
    """Targets and outputs that a metric or function takes."""
    classes = 2 if name in CURVES else 3
    if name in OF_NUMBERS:
        return rng.integers(0, 5, (ROWS, 2)) / 4, rng.integers(0, 5, (ROWS, 2)) / 4
    return every_class(rng, classes), unit_rows(rng, classes)


def made(name: str) -> Any:
    return FUNCTIONS[name] if name in FUNCTIONS else CLASSES[name]()


def parts(result: Any) -> Any:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_whole_weights_are_repeated_rows(name: str, rng: Any) -> None:
    y, a = case(name, rng)
    weights = rng.integers(0, 4, ROWS)
    metric = made(name)
    for mine, repeated in zip(parts(metric(y, a, weights)), parts(metric(y.repeat(weights, 0), a.repeat(weights, 0)))):
        close(mine, repeated, rtol=1e-13)
    if name not in {*OF_NUMBERS, "LogLoss", "ExpectedCalibrationError", *FUNCTIONS}:
        assert metric(y, a, weights) == metric(y.repeat(weights, 0), a.repeat(weights, 0))


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_a_row_of_weight_0_does_not_count_whatever_it_holds(name: str, rng: Any) -> None:
    y, a = case(name, rng)
    weights = rng.random(ROWS)
    weights[[0, 9]] = 0
    metric = made(name)
    kept = weights > 0
    expected = metric(y[kept], a[kept], weights[kept])
    y = y.astype(float)
    y[0], a[0], y[9], a[9] = np.nan, np.nan, -7, np.inf
    for mine, without in zip(parts(metric(y, a, weights)), parts(expected)):
        np.testing.assert_array_equal(mine, without)


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_layout_and_weights_that_are_all_1_change_no_bit(name: str, rng: Any) -> None:
    y, a = case(name, rng)
    metric = made(name)
    expected = parts(metric(y, a))
    big_endian = a.astype(">f8")
    wide = np.repeat(a, 2, axis=1)[:, ::2]
    for outputs in (a, np.asfortranarray(a), wide, big_endian, a.tolist()):
        for weights in (None, np.ones(ROWS), np.ones((ROWS, 1), bool), [1] * ROWS):
            for mine, plain in zip(parts(metric(y, outputs, weights)), expected):
                np.testing.assert_array_equal(mine, plain)


def test_arrays_are_left_as_they_were(rng: Any) -> None:
    for name in [*CLASSES, *FUNCTIONS]:
        y, a = case(name, rng)
        given = [y, a, rng.integers(0, 4, ROWS).astype(float)]
        for array in given:
            array.flags.writeable = False
        made(name)(*given)


@pytest.mark.parametrize("name", CLASSES)
def test_a_metric_gives_a_float_and_survives_pickling(name: str, rng: Any) -> None:
    y, a = case(name, rng)
    metric = CLASSES[name](name="mine")
    assert type(metric(y, a)) is float
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert (twin.name, twin(y, a)) == ("mine", metric(y, a))
    assert b"fastbp.metrics\x94" in pickle.dumps(metric)  # by the package, not by a file of it
    assert metric.direction == ("min" if "Error" in name or "Loss" in name else "max")


def test_names() -> None:
    assert {metric().name for metric in CLASSES.values()} == {
        "auc", "average_precision", "precision", "recall", "f1_score", "balanced_accuracy",
        "top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy", "log_loss", "expected_calibration_error",
        "r2_score", "root_mean_squared_error",
    }  # fmt: skip
    assert {*ARRAY_METRICS} == {*CLASSES, *(metric().name for metric in CLASSES.values())}
    assert all(ARRAY_METRICS[metric().name] is metric for metric in CLASSES.values())
    assert not {*ARRAY_METRICS} & {*METRICS}
    assert {*CLASSES} < {*M.__all__}


def test_a_metric_of_ones_own_needs_a_call() -> None:
    class Nothing(M.Metric):
        pass

    assert Nothing().name == "nothing"
    with pytest.raises(NotImplementedError, match="Nothing must have a method __call__"):
        Nothing()([1], [1])


# --- what is refused


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS, "best_threshold"])
@pytest.mark.parametrize(
    ("y", "a", "w", "message"),
    [
        ([], [], None, r"y_true must have at least one row, got the shape \(0,\)"),
        (1, 1, None, r"y_true must have at least one row, got the shape \(\)"),
        ([0, 1], [0.5], None, "y_true must have as many rows as y_pred, 1, got 2"),
        ([0, 1], [0.5, 0.6], [1], r"sample_weight must have the shape \(2,\) of the rows, got \(1,\)"),
        ([0, 1], [0.5, 0.6], 1, r"sample_weight must have the shape \(2,\) of the rows, got \(\)"),
        ([0, 1], [0.5, 0.6], [[1, 1]], r"sample_weight must have the shape \(2,\) of the rows, got \(1, 2\)"),
        ([0, 1], [0.5, 0.6], [1, -1], "sample_weight must be finite and at least 0, got -1.0 in row 1"),
        ([0, 1], [0.5, 0.6], [1, np.nan], "sample_weight must be finite and at least 0, got nan in row 1"),
        ([0, 1], [0.5, 0.6], [np.inf, 1], "sample_weight must be finite and at least 0, got inf in row 0"),
        ([0, 1], [0.5, 0.6], [0, 0], "sample_weight must be above 0 in at least one row"),
        ([0, 1], [0.5, 0.6], [1.7e308, 1.7e308], r"sample_weight must have a sum of at most 2\^1000, got inf"),
        ([0, 1, 1], [[0.5, 0.5], [0.5, 0.5], [0.5, np.nan]], [0, 1, 1], "y_pred must .*, got nan in row 2"),
        ([0, 1], [[[0.5]], [[0.6]]], None, r"y_(pred|true) must have the shape"),
        ([0, 1], np.zeros((2, 0)), None, r"y_(pred|true) must have the shape"),
    ],
)
def test_bad_arrays_are_refused(name: str, y: Any, a: Any, w: Any, message: str) -> None:
    if name in OF_NUMBERS and "row 2" in message:
        y = np.eye(2)[y]
    metric = M.best_threshold if name == "best_threshold" else made(name)
    with pytest.raises(ValueError, match=message):
        metric(y, a, sample_weight=w)


OF_CLASSES = [name for name in CLASSES if name not in OF_NUMBERS]
THREE = np.full((2, 3), 1 / 3)


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 3], "y_true must hold whole labels 0 … 2, got 3 in row 1"),
        ([0, -1], "y_true must hold whole labels 0 … 2, got -1 in row 1"),
        ([0, 0.5], "y_true must hold whole labels 0 … 2, got 0.5 in row 1"),
        ([[0], [np.nan]], "y_true must hold whole labels 0 … 2, got nan in row 1"),
        ([[0, 0, 1], [0, 2, 0]], "y_true must hold zeros and ones, got 2 in row 1"),
        ([[0, 1], [1, 0]], r"y_true must have the shape .* for the 3 outputs of y_pred, got \(rows, 2\)"),
    ],
)
def test_targets_that_are_no_classes_are_refused(name: str, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CLASSES[name]()(y, THREE)


@pytest.mark.parametrize("name", [name for name in OF_CLASSES if name not in ("Precision", "Recall", "F1Score")])
@pytest.mark.parametrize("row", [[0, 0, 0], [1, 1, 0]])
def test_rows_that_are_not_one_hot_are_refused(name: str, row: list[int]) -> None:
    with pytest.raises(ValueError, match=f"y_true must have a single 1 in each row, got {sum(row)} in row 1"):
        CLASSES[name]()([[0, 1, 0], row], THREE)


def call(metric: Any, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
    return lambda: metric(*arguments, **keywords)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (call(M.AUC, "roc"), ValueError, "curve must be one of PR, ROC, got 'roc': did you mean 'ROC'"),
        (call(M.AUC, multi_label=1), TypeError, "multi_label must be True or False"),
        (call(M.AUC, from_logits="no"), TypeError, "from_logits must be True or False"),
        (call(M.AUC, average=None), ValueError, "average must be one of .* since a figure is one number"),
        (call(M.AUC, average="mean"), ValueError, "average must be one of macro, micro, weighted, got 'mean'"),
        (call(M.AUC, num_thresholds=200), TypeError, "AUC.. has no argument 'num_thresholds'"),
        (call(M.AUC, name=1), TypeError, "name must be a string"),
        (call(M.AUC(multi_label=True), [0, 1], THREE), ValueError, r"the shape \(rows, 3\) of y_pred, got \(rows,\)"),
        (call(M.Precision, [0.5]), TypeError, "thresholds must be one number"),
        (call(M.Recall, np.nan), ValueError, "thresholds must be finite"),
        (call(M.Precision, top_k=0), ValueError, "top_k must be at least 1, got 0"),
        (call(M.Recall, class_id=-1), ValueError, "class_id must be at least 0, got -1"),
        (call(M.Precision(class_id=3), [0, 1], THREE), ValueError, "class_id must be below .* outputs, 3, got 3"),
        (call(M.F1Score, None), ValueError, "average must be one of .* since a figure is one number"),
        (call(M.F1Score, threshold=np.array([0.5])), TypeError, "threshold must be one number"),
        (call(M.TopKCategoricalAccuracy, 0), ValueError, "k must be at least 1, got 0"),
        (call(M.TopKCategoricalAccuracy(1), [0, 1], [0.5, 0.6]), ValueError, "at least two outputs"),
        (call(M.ExpectedCalibrationError, 0), ValueError, "bins must be at least 1, got 0"),
        (call(M.ExpectedCalibrationError(), [0, 1], [0.5, 1.5]), ValueError, "probabilities, 0 … 1, got 1.5 in row 1"),
        (call(M.LogLoss(), [0, 1], [0.5, -0.5]), ValueError, "probabilities, 0 … 1, got -0.5 in row 1"),
        (call(M.LogLoss(), [0, 1], [[0.5, 0.5], [0.5, 0.6]]), ValueError, "rows whose sum is 1, got 1.1 in row 1"),
        (call(M.R2Score, None), ValueError, "class_aggregation must be one of .* since a figure is one number"),
        (call(M.R2Score(), [1, 2], [[1, 2], [1, 2]]), ValueError, r"y_true must have the shape of y_pred, \(2, 2\)"),
        (call(M.R2Score(), [1, 2], [1, np.inf]), ValueError, r"y_pred must hold finite numbers below 2\^1022, got inf"),
        (call(M.R2Score(), [1, -1e308], [1, 1]), ValueError, "y_true must hold finite .*, got -1e.308 in row 1"),
        (call(M.RootMeanSquaredError(), [1, np.nan], [1, 1]), ValueError, "y_true must hold finite .*, got nan"),
        (call(M.AUC(), ["a"], [1]), TypeError, "y_true must be a real number or an array of them"),
        (call(M.AUC(), [1], [1j]), TypeError, "y_pred must be a real number or an array of them"),
        (call(M.AUC(), [1, 0], [1, 1], ["a", "b"]), TypeError, "sample_weight must be a real number or an array"),
        (call(M.confusion_matrix, [0, 1], [0, 1], normalize="rows"), ValueError, "normalize must be one of"),
        (call(M.confusion_matrix, [0, 1], [0, -1]), ValueError, "y_pred must hold whole labels 0 … 1, got -1 in row 1"),
        (call(M.confusion_matrix, [0, 1], [0, 10**9]), ValueError, "y_pred must hold whole labels 0 … 4095"),
        (call(M.confusion_matrix, [0, 1], [0.0, 2.0]), ValueError, "y_pred must hold probabilities, 0 … 1"),
        (call(M.roc_curve, [0, 1], THREE), ValueError, "y_pred must have one output, or two of a softmax, got 3"),
        (call(M.best_threshold, [1, 1], [0, 1]), ValueError, "y_true must hold zeros and ones, got 1 in every row"),
        (call(M.best_threshold, [1, 0], [0, 1], "f2"), ValueError, "metric must be one of .*did you mean 'f1'"),
        (call(M.best_threshold, [1, 0], [0, np.inf]), ValueError, "y_pred must hold finite numbers, got inf in row 1"),
        (call(M.best_threshold, [1, 0], [0, 1], lambda *c: 1.0), ValueError, "metric must return an array of 3"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(wrong: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()
