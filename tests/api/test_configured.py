"""Losses with settings: classes, whose instances are losses and metrics, and what functools.partial makes."""

from __future__ import annotations

import copy
import inspect
import pickle
from functools import partial
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp.losses import LOSSES, ConfiguredLoss, function_of, get_loss

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(24, 3)), RNG.normal(size=(24, 2)) * 3
WEIGHTS = RNG.uniform(0, 2, size=24)
CLASSES: dict[str, Any] = {
    name: value
    for name, value in vars(bp.losses).items()
    if isinstance(value, type) and issubclass(value, ConfiguredLoss) and value is not ConfiguredLoss
}
SETTINGS: dict[str, dict[str, Any]] = {
    "Huber": {"delta": 2.0},
    "Quantile": {"q": 0.9},
    "TweedieDeviance": {"power": 1.2},
    "GaussianNLL": {"variance": 2.0, "full": True},
    "CrossEntropy": {"from_logits": True},
    "BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "SparseCategoricalCrossentropy": {"from_logits": True, "ignore_class": -1},
}


def value_of(loss: Any, reduction: Any = None, weighted: bool = False, **options: Any) -> Any:
    y, a, w = bp.input("y"), bp.input("a"), bp.input("w")
    target = np.array([0, 1, 1, 0]) if "sparse" in function_of(loss).__name__ else [[0.25, 0.75]] * 4
    if reduction is not None:
        options["reduction"] = reduction
    if weighted:
        options["sample_weight"] = w
    cost = loss(y, a, **options) + 0 * bp.sum(w)
    outputs = [[0.5, 2.0], [1.0, 0.25], [3.0, 1.0], [0.5, 0.125]]
    return bp.function([y, a, w], cost, dtype="float64")(target, outputs, [1.0, 2.0, 0.5, 0.0])


def test_every_loss_has_a_class_and_every_setting_is_tried() -> None:
    assert {cls.function for cls in CLASSES.values()} == set(LOSSES.values())
    for name, cls in CLASSES.items():
        settings = [*inspect.signature(cls).parameters][:-2]
        assert sorted(settings) == sorted(SETTINGS.get(name, {})), name
        assert get_loss(name) is cls.function or name == "GaussianNLL"


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_an_instance_is_the_function_with_its_settings(name: str, weighted: bool) -> None:
    cls, settings = CLASSES[name], SETTINGS.get(name, {})
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none", None):
        loss = cls(**settings, reduction=reduction)
        expected = value_of(cls.function, reduction or "none", weighted, **settings)
        np.testing.assert_array_equal(value_of(loss, weighted=weighted), expected)
        np.testing.assert_array_equal(value_of(cls(**settings), reduction or "none", weighted), expected)
    assert settings.items() <= vars(loss).items()


@pytest.mark.parametrize("name", CLASSES)
def test_an_instance_shows_pickles_and_copies_its_settings(name: str) -> None:
    cls, settings = CLASSES[name], SETTINGS.get(name, {})
    for more in ({}, {"reduction": "sum"}, {"name": "figure", "reduction": None}):
        loss = cls(**settings, **more)
        assert vars(eval(repr(loss), dict(CLASSES))) == vars(loss)
        for again in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
            assert type(again) is cls
            assert vars(again) == vars(loss)
            np.testing.assert_array_equal(value_of(again), value_of(loss))
    assert repr(cls()).startswith(f"{name}(")
    assert f"fastbp.losses.{name}" in str(cls)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_describes_its_arguments(name: str) -> None:
    documentation = inspect.getdoc(CLASSES[name]) or ""
    for argument in inspect.signature(CLASSES[name]).parameters:
        assert f"\n{argument} : " in documentation


def trained(loss: Any, **options: Any) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    net = bp.Sequential([bp.Dense(2)], seed=3, dtype="float64")
    net.compile(bp.SGD(0.1), loss, **options)
    history = net.fit(X, Y, batch_size=8, epochs=3, verbose=0, sample_weight=WEIGHTS).history
    return net.get_weights(), history


@pytest.mark.parametrize(
    "loss",
    [bp.losses.Huber(delta=2.0), partial(bp.huber, delta=2.0)],
    ids=["an instance", "a partial"],
)
def test_a_network_is_trained_by_a_loss_with_settings(loss: Any) -> None:
    def written(y: Any, a: Any, sample_weight: Any = None, reduction: Any = "mean") -> Any:
        return bp.huber(y, a, delta=2.0, sample_weight=sample_weight, reduction=reduction)

    for mine, theirs in zip(trained(loss)[0], trained(written)[0]):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)
    assert not np.allclose(trained(loss)[0][0], trained("huber")[0][0])


def test_the_reduction_of_an_instance_is_that_of_the_training() -> None:
    for reduction in ("sum", "mean_with_sample_weight"):
        mine = trained(bp.losses.MeanSquaredError(reduction=reduction))[0]
        for one, other in zip(mine, trained("mse", loss_reduction=reduction)[0]):
            np.testing.assert_array_equal(one, other)
    by_compile = trained(bp.losses.MeanSquaredError(reduction="sum"), loss_reduction="mean")[0]
    np.testing.assert_array_equal(by_compile[0], trained("mse")[0][0])


def test_instances_are_metrics_by_their_names() -> None:
    metrics = [bp.losses.MeanAbsoluteError(name="error"), bp.losses.LogCosh, partial(bp.huber, delta=0.5), "mae"]
    _, history = trained("mse", metrics=metrics, weighted_metrics=[bp.losses.MeanAbsoluteError()])
    assert [*history] == ["loss", "error", "log_cosh", "huber", "mae", "mean_absolute_error"]
    np.testing.assert_array_equal(history["error"], history["mae"])
    net = bp.Sequential([bp.Dense(2)])
    net.compile("sgd", bp.losses.Huber(), metrics=[*metrics, bp.losses.CosineSimilarity(name="angle")])
    for figure in ("error", "log_cosh", "huber", "angle", "val_angle"):
        assert net.direction_of(figure) == "min"
    stop = bp.EarlyStopping(monitor="val_error", patience=1, restore_best_weights=True)
    assert net.fit(X, Y, epochs=3, validation_split=0.5, callbacks=[stop], verbose=0).history["val_error"]


def test_accuracy_beside_a_binary_cross_entropy_with_settings_is_the_binary_one() -> None:
    y = (Y > 0) * 1.0
    for loss in (bp.losses.BinaryCrossentropy(label_smoothing=0.1), partial(bp.bce, label_smoothing=0.1)):
        net = bp.Sequential([bp.Dense(2, "sigmoid")])
        net.compile("sgd", loss, metrics=["accuracy"])
        net.fit(X, y, verbose=0)
        assert net.evaluate(X, y)[1] == pytest.approx(((net.predict(X) > 0.5) == y).mean())


def test_a_model_pickles_with_an_instance_as_loss_and_metric() -> None:
    net = bp.Sequential([bp.Dense(2)], seed=1)
    net.compile("sgd", bp.losses.Huber(delta=2.0), metrics=[bp.losses.Quantile(q=0.9)])
    net.fit(X, Y, verbose=0)
    again = pickle.loads(pickle.dumps(net))
    for one in (net, again):
        one.fit(X, Y, verbose=0)
    for mine, theirs in zip(net.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(mine, theirs)


def test_a_class_is_its_instance_with_defaults() -> None:
    loss = get_loss(bp.losses.Huber)
    assert repr(loss) == "Huber(delta=1.0)"
    assert get_loss(loss) is loss
    assert function_of(partial(partial(bp.huber, delta=2.0), reduction="sum")) is bp.huber


def test_settings_can_be_changed_and_misspelt_ones_are_refused() -> None:
    loss = bp.losses.Huber()
    loss.delta = 3.0
    np.testing.assert_array_equal(value_of(loss), value_of(bp.losses.Huber(3.0)))
    with pytest.raises(AttributeError, match="Huber has no attribute 'detla': did you mean 'delta'"):
        loss.detla = 3.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.losses.Huber(delta=-1), ValueError, "delta must be finite and at least 0, got -1.0"),
        (lambda: bp.losses.Huber(detla=1.0), TypeError, r"Huber\(\) has no argument 'detla': did you mean 'delta'"),
        (lambda: bp.losses.Huber(1.0, "sum", None, 4), TypeError, "too many positional arguments"),
        (lambda: bp.losses.Huber(reduction="men"), ValueError, "reduction must be one of .*did you mean 'mean'"),
        (lambda: bp.losses.Huber(name=3), TypeError, "name must be a string, got 3"),
        (lambda: bp.losses.Quantile(q=2), ValueError, "q must be above 0 and below 1, got 2"),
        (lambda: bp.losses.BinaryCrossentropy("yes"), TypeError, "from_logits must be True or False, got 'yes'"),
        (lambda: get_loss(bp.Dense), TypeError, r"a function \(y_true, y_pred\), got the class Dense"),
        (
            lambda: get_loss(bp.losses.Huber(reduction=None)),
            ValueError,
            r"loss must make one number of the rows' losses, got Huber\(delta=1.0, reduction=None\)",
        ),
    ],
)
def test_wrong_settings_are_named(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
