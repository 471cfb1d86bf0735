"""Where fastbp differs from Keras on purpose: each test shows both sides of a row in docs/coming-from-keras.md.

`shows` names the row; tests/test_coming_from_keras.py compares the names with the page's.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from beside_keras import START, keras_optimized, load_keras, optimized

pytestmark = pytest.mark.filterwarnings("default")
keras, jax = load_keras()

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(40, 3))
GRADIENTS = RANDOM.normal(size=(12, 7))


def shows(row: str) -> Callable[[Any], Any]:
    """Says which row of the page a test shows."""
    assert row
    return lambda test: test


def network(library: Any, units: int = 1, activation: str | None = None) -> Any:
    dense = bp.Dense if library is bp else keras.layers.Dense
    return library.Sequential([library.Input((3,)), dense(units, activation)])


def callbacks(library: Any) -> Any:
    return bp if library is bp else keras.callbacks


def optimizers(library: Any) -> Any:
    return bp if library is bp else keras.optimizers


def compiled(library: Any, loss: str = "mse", optimizer: Any = "sgd", **options: Any) -> Any:
    net = network(library, **options)
    net.compile(optimizer, loss)
    return net


# --- losses


@shows("probabilities near 0 and 1")
def test_keras_clips_what_fastbp_does_not() -> None:
    y, a, z = bp.input("y"), bp.input("a"), bp.input("z")
    plain = bp.function([y, a], bp.binary_crossentropy(y, a), dtype="float64")
    assert plain([1.0], [1e-12]) == pytest.approx(-np.log(1e-12))
    assert float(keras.losses.binary_crossentropy(np.ones(1), np.array([1e-12]))) == pytest.approx(-np.log(1e-7))
    slope = jax.grad(lambda p: keras.losses.binary_crossentropy(np.ones(1), p))
    assert slope(np.array([1e-12])) == 0
    assert slope(np.array([1e-6])) < 0
    stable = bp.function([y, z], bp.categorical_crossentropy(y, bp.softmax(z)), dtype="float64")
    logits, target = np.array([[0.0, 1000.0]]), np.array([[1.0, 0.0]])
    assert stable(target, logits) == 1000
    softmax = keras.ops.softmax(logits)
    assert float(keras.losses.categorical_crossentropy(target, softmax)[0]) == pytest.approx(-np.log(1e-7))


def slope_of(loss: str, y: Any, a: Any) -> tuple[tuple[float, Any], tuple[float, Any]]:
    """(value, gradient by the outputs) of a loss, of fastbp and of Keras."""
    target, output = bp.input("y"), bp.input("a")
    f = bp.function([target, output], getattr(bp, loss)(target, output), gradients=output, dtype="float64")
    theirs = jax.value_and_grad(lambda p: getattr(keras.losses, loss)(np.array(y), p).mean())
    return f(y, a), theirs(np.array(a))


@shows("numbers near 0 and below in other losses")
def test_keras_brings_outputs_above_0() -> None:
    for loss, least in (("poisson", 1e-7), ("kl_divergence", 1e-7), ("mean_squared_logarithmic_error", None)):
        (value, slope), (theirs, their_slope) = slope_of(loss, [[1.0]], [[1e-12]])
        if least is not None:
            assert value == pytest.approx(-np.log(1e-12))
            assert theirs == pytest.approx(-np.log(least), rel=1e-3)
            assert slope[0, 0] == pytest.approx(-1e12)
            assert abs(their_slope[0, 0]) < 1.1e7
        (value, slope), (theirs, their_slope) = slope_of(loss, [[1.0]], [[-0.5]])
        if loss == "mean_squared_logarithmic_error":
            assert (value, slope[0, 0]) == pytest.approx((np.log(4) ** 2, -4 * np.log(4)))
        else:
            assert np.isnan(value)
        if loss != "poisson":
            assert np.isfinite(theirs)
            assert their_slope == 0
    assert slope_of("poisson", [[0.0]], [[0.0]])[0][0] == 0
    assert slope_of("kl_divergence", [[0.0, 1.0]], [[0.0, 1.0]])[0][0] == 0


@shows("a target 0 in `mean_absolute_percentage_error`")
def test_keras_has_a_percentage_of_0() -> None:
    y = np.where(X[:, :1] > 0, 1.0, 0.0)
    theirs = compiled(keras, loss="mean_absolute_percentage_error")
    assert theirs.evaluate(X, y, verbose=0) > 1e6
    assert float(keras.losses.mean_absolute_percentage_error(np.zeros(1), np.ones(1))) == pytest.approx(1e9)
    row = int(np.argmin(y))
    with pytest.raises(ValueError, match=f"must hold numbers other than 0 .*, got 0.0 in row {row}"):
        compiled(bp, loss="mean_absolute_percentage_error").evaluate(X, y)


@shows("0 and 1 as targets of `hinge` and `squared_hinge`")
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_keras_reads_0_as_its_batch_says(loss: str) -> None:
    (value, _), (theirs, _) = slope_of(loss, [[0.0], [1.0]], [[-3.0], [3.0]])
    assert value == theirs == 0
    (value, _), (theirs, _) = slope_of(loss, [[0.0], [-1.0]], [[-3.0], [-3.0]])
    assert value == 0
    assert theirs == 0.5


@shows("`cosine_similarity` of zeros")
def test_outputs_of_zeros_have_no_gradient_in_keras() -> None:
    (value, slope), (theirs, their_slope) = slope_of("cosine_similarity", [[3.0, 4.0]], [[0.0, 0.0]])
    assert value == theirs == 0
    np.testing.assert_allclose(slope, [[-0.6, -0.8]], rtol=1e-12)
    assert np.isnan(their_slope).all()


@shows("the metric `CosineSimilarity`")
def test_the_metric_cosine_similarity_of_keras_is_no_loss() -> None:
    net = network(bp)
    net.compile("sgd", "mse", metrics=["CosineSimilarity"])
    assert net.direction_of("cosine_similarity") == "min"
    y, a = X[:4], X[4:8]
    (value, _), (theirs, _) = slope_of("cosine_similarity", y, a)
    metric = keras.metrics.CosineSimilarity()
    metric.update_state(y, a)
    assert value == pytest.approx(theirs) == pytest.approx(-float(metric.result()))


@shows("targets that a loss has no value for")
@pytest.mark.parametrize(("loss", "target"), [("hinge", 255), ("poisson", -1), ("mean_squared_logarithmic_error", -3)])
def test_keras_takes_targets_without_a_value(loss: str, target: int) -> None:
    y = np.where(X[:, :1] > 0, 1.0, target)
    theirs = compiled(keras, loss=loss, activation="sigmoid").evaluate(X, y, verbose=0)
    assert np.isfinite(theirs)
    with pytest.raises(ValueError, match=f"y must hold numbers .*, got {target}"):
        compiled(bp, loss=loss, activation="sigmoid").evaluate(X, y)


@shows("a loss called as a function")
def test_a_loss_of_keras_has_a_value_per_row() -> None:
    y, p = np.array([[1.0], [0.0]]), np.array([[0.9], [0.2]])
    of_keras = np.asarray(keras.losses.binary_crossentropy(y, p))
    y_true, y_pred = bp.input("y"), bp.input("p")
    inputs = [y_true, y_pred]
    per_row = bp.function(inputs, bp.binary_crossentropy(y_true, y_pred, reduction=None), dtype="float64")(y, p)
    np.testing.assert_allclose(per_row, of_keras, rtol=1e-6)
    mean = bp.function(inputs, bp.binary_crossentropy(y_true, y_pred), dtype="float64")(y, p)
    assert mean == pytest.approx(of_keras.mean(), rel=1e-6)
    with pytest.raises(ValueError, match=r"reduction=None"):
        bp.function(inputs, bp.mean((1 + 9 * y_true) * bp.binary_crossentropy(y_true, y_pred)))(y, p)


def weighted(library: Any, y: Any, optimizer: Any = "sgd", loss: Any = "mse", **options: Any) -> tuple[Any, list[Any]]:
    """A network after one epoch with such options, and its weights before."""
    net = network(library)
    net.compile(optimizer, loss)
    net.build((None, 3))
    net.set_weights([np.full((3, 1), 0.5), np.zeros(1)])
    before = [np.array(weight) for weight in net.get_weights()]
    net.fit(X, y, shuffle=False, verbose=0, **options)
    return net, before


@shows("`sample_weight` and `class_weight` together")
def test_keras_takes_one_kind_of_weights() -> None:
    labels = (X[:, 0] > 0) * 1
    options: dict[str, Any] = {"sample_weight": np.full(40, 0.5), "class_weight": {0: 2.0, 1: 4.0}}
    with pytest.raises(ValueError, match="class_weight"):
        weighted(keras, labels, **options)
    both, _ = weighted(bp, labels, **options)
    one, _ = weighted(bp, labels, sample_weight=np.where(labels == 1, 2.0, 1.0))
    for mine, theirs in zip(both.get_weights(), one.get_weights()):
        np.testing.assert_array_equal(mine, theirs)


@shows("a row of weight 0")
def test_a_nan_of_weight_0_spoils_keras_weights() -> None:
    spoilt, weights = X[:, :1].copy(), np.ones(40)
    spoilt[3], weights[3] = np.nan, 0
    assert np.isnan(weighted(keras, spoilt, sample_weight=weights)[0].get_weights()[0]).all()
    mine, _ = weighted(bp, spoilt, sample_weight=weights)
    without, _ = weighted(bp, X[:, :1], sample_weight=weights)
    for found, wanted in zip(mine.get_weights(), without.get_weights()):
        np.testing.assert_array_equal(found, wanted)


@shows("a batch whose weights are all 0")
def test_keras_moves_on_where_no_row_counts() -> None:
    for library, moves in ((keras, True), (bp, False)):
        momentum = optimizers(library).SGD(0.1, momentum=0.9)
        net, _ = weighted(library, X[:, :1], momentum)
        before = [np.array(weight) for weight in net.get_weights()]
        net.train_on_batch(X[:8], X[:8, :1], sample_weight=np.zeros(8))
        moved = max(abs(np.array(weight) - was).max() for weight, was in zip(net.get_weights(), before))
        assert (moved > 0) == moves


@shows("`class_weight` of targets that are no classes")
def test_keras_reads_fractions_as_classes() -> None:
    y = np.full((40, 1), 0.7)
    weights, before = weighted(keras, y, class_weight={1: 0.0})
    np.testing.assert_array_equal(weights.get_weights()[0], before[0])
    with pytest.raises(ValueError, match="class_weight needs y as labels"):
        weighted(bp, y, class_weight={1: 0.0})


@shows("the figure of `mean_with_sample_weight`")
def test_keras_averages_quotients_of_batches() -> None:
    y, s = X[:, :1] ** 2, np.linspace(0, 5, 40)
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    of_keras, _ = weighted(keras, y, loss=loss, epochs=0)
    mine = network(bp)
    mine.compile(loss="mse", loss_reduction="mean_with_sample_weight")
    mine.set_weights(of_keras.get_weights())
    wanted = ((mine.predict(X) - y)[:, 0] ** 2 * s).sum() / s.sum()
    found = {
        library: [net.evaluate(X, y, batch_size=n, sample_weight=s, verbose=0) for n in (7, 40)]
        for library, net in (("keras", of_keras), ("fastbp", mine))
    }
    assert found["fastbp"] == pytest.approx([wanted] * 2, rel=1e-5)
    assert found["keras"][1] == pytest.approx(wanted, rel=1e-5)
    assert abs(found["keras"][0] / wanted - 1) > 0.01


@shows("`loss_weights` of some outputs")
def test_keras_wants_a_weight_for_each_loss() -> None:
    x = keras.Input((3,))
    both = keras.Model(x, {"a": keras.layers.Dense(1, name="a")(x), "b": keras.layers.Dense(1, name="b")(x)})
    both.compile("sgd", {"a": "mse", "b": "mse"}, loss_weights={"a": 0.5})
    y = {"a": X[:, :1], "b": X[:, :1]}
    with pytest.raises(ValueError, match="loss_weights"):
        both.fit(X, y, verbose=0)
    own = bp.input("x", (3,))
    mine = bp.Model(own, {"a": bp.Dense(1)(own), "b": bp.Dense(1)(own)})
    mine.compile("sgd", {"a": "mse", "b": "mse"}, loss_weights={"a": 0.5})
    found = mine.evaluate(X, y, return_dict=True)
    assert found["loss"] == pytest.approx(0.5 * found["a_loss"] + found["b_loss"], rel=1e-6)


@shows("targets of another shape")
def test_keras_broadcasts_targets_that_fastbp_refuses() -> None:
    assert compiled(keras, units=3).evaluate(X, X[:, :1], verbose=0) > 0
    with pytest.raises(ValueError, match=r"y must have the shape \(rows, 3\) of the outputs, got \(rows, 1\)"):
        compiled(bp, units=3).evaluate(X, X[:, :1])


@shows("labels that are no class")
@pytest.mark.parametrize("label", [7, -1])
def test_a_label_that_is_no_class_costs_nothing_in_keras(label: int) -> None:
    options = {"loss": "sparse_categorical_crossentropy", "units": 2, "activation": "softmax"}
    assert compiled(keras, **options).evaluate(X, np.full(40, label), verbose=0) == 0
    with pytest.raises(ValueError, match=f"y must hold whole labels 0 … 1, got {label} in row 0"):
        compiled(bp, **options).evaluate(X, np.full(40, label))


@shows("labels for `categorical_crossentropy`")
def test_categorical_crossentropy_takes_labels_in_fastbp() -> None:
    options = {"loss": "categorical_crossentropy", "units": 2, "activation": "softmax"}
    labels = np.arange(40) % 2
    net = compiled(bp, **options)
    assert net.evaluate(X, labels) == net.evaluate(X, np.eye(2)[labels])
    with pytest.raises(ValueError, match="must have the same shape"):
        compiled(keras, **options).evaluate(X, labels, verbose=0)


@shows("targets outside 0 … 1")
@pytest.mark.parametrize("target", [-1, 255])
def test_keras_takes_any_target_for_a_probability(target: int) -> None:
    options = {"loss": "binary_crossentropy", "activation": "sigmoid"}
    theirs = compiled(keras, **options, optimizer=keras.optimizers.SGD(0.5))
    y = np.where(X[:, 0] > 0, 1, target)
    assert theirs.fit(X, y, epochs=300, verbose=0).history["loss"][-1] < 0
    with pytest.raises(ValueError, match=f"got {target}"):
        compiled(bp, **options).fit(X, y, verbose=0)


@shows("a softmax over one unit")
def test_a_softmax_over_one_unit_learns_nothing() -> None:
    options = {"loss": "categorical_crossentropy", "activation": "softmax"}
    y = (X[:, :1] > 0) * 1.0
    with pytest.warns(UserWarning, match="softmax"):
        loss = compiled(keras, **options).fit(X, y, verbose=0).history["loss"]
    assert loss == pytest.approx([0], abs=1e-6)
    with pytest.raises(ValueError, match="softmax over one unit"):
        compiled(bp, **options).fit(X, y, verbose=0)


@shows("NaN while training")
def test_keras_goes_on_with_nan() -> None:
    trained = compiled(keras, optimizer=keras.optimizers.SGD(1e200))
    assert np.isnan(trained.fit(X, X[:, 0], epochs=3, verbose=0).history["loss"][1:]).all()
    assert np.isnan(trained.get_weights()[0]).all()
    net = bp.Sequential([bp.Dense(1)], dtype="float64")
    net.compile(bp.SGD(1e200), "mse")
    with pytest.raises(bp.NonFiniteError):
        net.fit(X, X[:, 0], epochs=3, verbose=0)
    assert np.isfinite(net.get_weights()[0]).all()


# --- optimisers


@shows("`weight_decay` and biases")
@pytest.mark.parametrize("rule", ["SGD", "AdamW", "Lion"])
def test_keras_decays_biases_too(rule: str) -> None:
    settings = {"learning_rate": 0.1, "weight_decay": 0.2}
    theirs = keras_optimized(getattr(keras.optimizers, rule)(**settings), GRADIENTS)[-1]
    np.testing.assert_allclose(optimized(getattr(bp, rule)(**settings), GRADIENTS), theirs, rtol=2e-6)
    spared = optimized(getattr(bp, rule)(**settings), GRADIENTS, decay=False)  # as a bias
    assert abs(spared - theirs).min() > 1e-3
    excluded = getattr(keras.optimizers, rule)(**settings)
    excluded.exclude_from_weight_decay(var_names=["variable"])
    np.testing.assert_allclose(spared, keras_optimized(excluded, GRADIENTS)[-1], rtol=2e-6)
    net = bp.Sequential([bp.Input((3,)), bp.Dense(2)])
    assert [weight.decay for weight in net.weights] == [True, False]


@shows("schedules under accumulation")
def test_a_schedule_counts_updates_in_fastbp_and_steps_in_keras() -> None:
    theirs = keras.optimizers.SGD(
        keras.optimizers.schedules.PiecewiseConstantDecay([1, 2, 3], [8.0, 4.0, 2.0, 1.0]),
        gradient_accumulation_steps=2,
    )
    ours = bp.SGD(bp.PiecewiseConstantDecay([1, 2, 3], [8.0, 4.0, 2.0, 1.0]), gradient_accumulation_steps=2)
    ones = np.ones((4, 7))
    assert (START - optimized(ours, ones)).round(6).tolist() == [16] * 7  # updates 0 and 1: 8 + 8
    assert (START - keras_optimized(theirs, ones)[-1]).round(6).tolist() == [10] * 7  # steps 1 and 3: 8 + 2


@shows("the average under accumulation")
def test_the_average_moves_with_updates_in_fastbp_and_with_steps_in_keras() -> None:
    settings = {"learning_rate": 1.0, "gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.5}
    ones = np.ones((6, 7))  # the weights w become w − 1, w − 2, w − 3 at steps 2, 4, 6
    behind = START - optimized(bp.SGD(**settings), ones)
    assert behind.round(6).tolist() == [2.25] * 7  # of 1, 2, 3, each once: ½·(½·1 + ½·2) + ½·3
    behind = START - keras_optimized(keras.optimizers.SGD(**settings), ones)[-1]
    assert behind.round(6).tolist() == [2.375] * 7  # 2 counts a second time at step 5


def offset(library: Any, optimizer: Any, metrics: Any = None) -> Any:
    """A network of one weight, a bias that begins at 0."""
    dense = bp.Dense if library is bp else keras.layers.Dense
    net = library.Sequential([library.Input((1,)), dense(1, kernel_initializer="zeros")])
    net.compile(optimizer, "mse", metrics=metrics)
    return net


@shows("gradients that wait at the end of `fit`")
def test_keras_lets_gradients_wait_for_the_next_fit() -> None:
    zeros, ones = np.zeros((3, 1)), np.ones((3, 1))
    biases = []
    for library in (bp, keras):
        net = offset(library, optimizers(library).SGD(0.25, gradient_accumulation_steps=4))
        net.fit(zeros, ones, batch_size=1, verbose=0)
        biases.append(float(net.get_weights()[1][0]))
    assert biases == [0.5, 0.0]  # the gradient is −2 in all three steps


@shows("figures with `use_ema`")
def test_keras_validates_the_weights_that_the_average_replaces() -> None:
    zeros, ones = np.zeros((4, 1)), np.ones((4, 1))
    last, left = [], []
    for library in (bp, keras):
        net = offset(library, optimizers(library).SGD(0.25, use_ema=True, ema_momentum=0.5))
        run = net.fit(zeros, ones, epochs=2, verbose=0, validation_data=(zeros, ones))
        last.append(run.history["val_loss"][-1])
        left.append(float(net.evaluate(zeros, ones, verbose=0)))
    # The bias is 1/2, then 3/4; the average 1/2, then 5/8.
    np.testing.assert_allclose(last, [(3 / 8) ** 2, (1 / 4) ** 2], rtol=1e-6)
    np.testing.assert_allclose(left, [(3 / 8) ** 2] * 2, rtol=1e-6)


@shows("metric functions that are no means over rows")
def test_keras_averages_a_root_of_means_over_batches() -> None:
    def root(library: Any) -> Callable[[Any, Any], Any]:
        if library is bp:
            return lambda y, a: bp.sqrt(bp.mean(bp.square(y - a)))
        return lambda y, a: keras.ops.sqrt(keras.ops.mean(keras.ops.square(y - a)))

    x, y = np.zeros((4, 1)), np.array([[1.0], [1.0], [7.0], [7.0]])
    found = [
        offset(library, "sgd", metrics=[root(library)]).evaluate(x, y, batch_size=2, verbose=0)[1]
        for library in (bp, keras)
    ]
    np.testing.assert_allclose(found, [5.0, 4.0], rtol=1e-6)  # √((1 + 1 + 49 + 49) / 4) and (1 + 7) / 2


@shows('"accuracy" of several outputs with `binary_crossentropy`')
def test_keras_takes_the_accuracy_of_several_binary_outputs_by_their_largest() -> None:
    y, a = np.array([[1.0, 1.0, 0.0]]), np.array([[0.9, 0.2, 0.1]])
    for library, expected in ((bp, 2 / 3), (keras, 1.0)):
        x = library.Input((3,)) if library is keras else bp.input("x", (3,))
        out = keras.layers.Rescaling(1.0)(x) if library is keras else x * 1.0
        net = library.Model(x, out)
        net.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        assert net.evaluate(a, y, verbose=0)[1] == pytest.approx(expected, rel=1e-6)


@shows("the accuracy of NaN")
def test_keras_counts_nan_as_the_first_class() -> None:
    nan = np.full((2, 3), np.nan)
    labels = bp.input("y")
    outputs = bp.input("a")
    f = bp.function([labels, outputs], bp.sparse_categorical_accuracy(labels, outputs))
    assert np.isnan(f([0, 1], nan))
    theirs = keras.metrics.sparse_categorical_accuracy(np.array([[0], [1]]), nan)
    assert np.asarray(theirs).tolist() == [1.0, 0.0]


def of_keras(metric: Any, y: Any, a: Any, weights: Any = None) -> Any:
    metric.update_state(np.asarray(y), np.asarray(a), sample_weight=weights)
    return np.asarray(metric.result()).round(6).tolist()


@shows("`AUC`")
def test_keras_interpolates_its_area_between_thresholds() -> None:
    softmax = [[0.6, 0.3, 0.1], [0.8, 0.2, 0.0], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    for y, a, ours, theirs in [
        ([0, 1], [0.5001, 0.5002], 1.0, 0.5),
        ([1, 1], [0.1, 0.2], np.nan, 0.0),
        (np.eye(3)[[0, 1, 1, 2]], softmax, 55 / 72, 53 / 64),  # 2/3, 5/8 and 1; 26.5 of 32 pairs
    ]:
        np.testing.assert_allclose(bp.metrics.AUC()(y, a), ours)
        assert of_keras(keras.metrics.AUC(), y, a) == theirs
        if len(y) == 4:
            assert bp.metrics.AUC(average="micro")(y, a) == theirs


@shows("`F1Score()`")
def test_keras_has_a_score_for_each_output() -> None:
    y, a = np.eye(3)[[0, 1, 2]], np.eye(3)[[0, 1, 1]]
    assert of_keras(keras.metrics.F1Score(), y, a) == pytest.approx([1, 2 / 3, 0], abs=1e-6)
    assert bp.metrics.F1Score()(y, a) == pytest.approx(5 / 9)
    y, a = [[0.0], [1.0]], [[0.1], [0.9]]
    assert of_keras(keras.metrics.F1Score(), y, a) == pytest.approx([2 / 3], abs=1e-6)
    assert bp.metrics.F1Score()(y, a) == 1


@shows("labels for `Precision` and `Recall` of several outputs")
def test_labels_count_as_one_hot_rows_in_fastbp() -> None:
    a = np.array([[0.6, 0.2, 0.2], [0.4, 0.3, 0.3]])
    for name, right in (("Precision", 1.0), ("Recall", 0.5)):
        with pytest.raises((TypeError, ValueError)):
            of_keras(getattr(keras.metrics, name)(), [0, 1], a)
        theirs = of_keras(getattr(keras.metrics, name)(), np.eye(3)[[0, 1]], a)
        assert getattr(bp.metrics, name)()([0, 1], a) == theirs == right
        assert getattr(bp.metrics, name)(top_k=1)([0, 1], a) == 0.5


@shows("targets of `Precision` and `Recall` that are neither 0 nor 1")
def test_keras_takes_every_other_target_for_a_yes() -> None:
    for name in ("Precision", "Recall"):
        assert of_keras(getattr(keras.metrics, name)(), [0.3, 255], [0.9, 0.8]) == 1
        with pytest.raises(ValueError, match=r"y_true must hold .*, got 0.3 in row 0"):
            getattr(bp.metrics, name)()([0.3, 255], [0.9, 0.8])


@shows("`R2Score` of constant targets")
def test_constant_targets_that_are_met_are_nan_in_keras() -> None:
    y = np.ones((2, 1))
    for a, ours, theirs in ((y, 1.0, np.nan), (y + np.eye(2)[:, 1:], 0.0, 0.0)):
        assert bp.metrics.R2Score()(y, a) == ours
        np.testing.assert_equal(of_keras(keras.metrics.R2Score(), y, a), theirs)


@shows("equal outputs in top-k accuracies")
def test_equal_outputs_are_all_among_the_largest_in_keras() -> None:
    equal, labels = np.full((3, 3), 1 / 3), [0, 1, 2]
    for name, y in (("SparseTopKCategoricalAccuracy", labels), ("TopKCategoricalAccuracy", np.eye(3))):
        assert of_keras(getattr(keras.metrics, name)(1), y, equal) == 1
        assert getattr(bp.metrics, name)(1)(y, equal) == pytest.approx(1 / 3)


@shows("NaN in metrics of arrays")
def test_nan_is_not_above_a_threshold_in_keras() -> None:
    y, a = [1.0, 1.0], [np.nan, 0.9]
    assert of_keras(keras.metrics.Recall(), y, a) == 0.5
    with pytest.raises(ValueError, match="y_pred must not hold NaN, got nan in row 0"):
        bp.metrics.Recall()(y, a)
    assert np.isnan(of_keras(keras.metrics.RootMeanSquaredError(), y, a, np.array([0.0, 1.0])))
    assert bp.metrics.RootMeanSquaredError()(y, a, [0, 1]) == pytest.approx(0.1)


@shows("a function as `learning_rate`")
def test_a_learning_rate_function_gets_the_update_in_fastbp() -> None:
    rates = [1.0, 0.5, 0.25]
    ones = np.ones((3, 7))
    assert (START - optimized(bp.SGD(lambda update: rates[update]), ones)).round(6).tolist() == [1.75] * 7
    assert float(keras.optimizers.SGD(lambda: 0.5).learning_rate) == 0.5
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        float(keras.optimizers.SGD(lambda update: rates[update]).learning_rate)


@shows("`compile` with the same optimiser again")
def test_compile_starts_the_optimiser_anew_in_fastbp() -> None:
    for library, starts_anew in ((bp, True), (keras, False)):
        optimizer = optimizers(library).SGD(0.1, momentum=0.9)
        net = compiled(library, optimizer=optimizer)
        net.fit(X, X[:, 0], shuffle=False, verbose=0)
        weights = net.get_weights()
        net.compile(optimizer, "mse")
        net.fit(X, X[:, 0], shuffle=False, verbose=0)
        fresh = compiled(library, optimizer=optimizers(library).SGD(0.1, momentum=0.9))
        fresh.set_weights(weights)
        fresh.fit(X, X[:, 0], shuffle=False, verbose=0)
        assert np.allclose(net.get_weights()[0], fresh.get_weights()[0]) == starts_anew


@shows("`MaxNorm` below its limit")
def test_keras_max_norm_shrinks_every_column_a_little() -> None:
    w = np.array([[0.5], [0.5]])
    assert np.array_equal(bp.MaxNorm(2.0)(w), w)
    shrunk = np.asarray(keras.constraints.MaxNorm(2.0)(w))
    assert 0 < abs(shrunk - w).max() < 1e-6


@shows("arguments that switch off")
def test_what_switches_clipping_and_accumulation_off() -> None:
    keras.optimizers.SGD(clipnorm=0.0)
    keras.optimizers.SGD(use_ema=True, ema_overwrite_frequency=0)
    for wrong in ({"clipnorm": 0.0}, {"use_ema": True, "ema_overwrite_frequency": 0}):
        with pytest.raises(ValueError, match="must be"):
            bp.SGD(**wrong)
    bp.SGD(1, gradient_accumulation_steps=1)
    for wrong in ({"learning_rate": 1}, {"gradient_accumulation_steps": 1}):
        with pytest.raises(ValueError, match=r"learning_rate|gradient_accumulation_steps"):
            keras.optimizers.SGD(**wrong)


@shows("the default optimiser")
def test_the_default_optimiser() -> None:
    assert inspect.signature(keras.Model.compile).parameters["optimizer"].default == "rmsprop"
    assert inspect.signature(bp.Model.compile).parameters["optimizer"].default == "sgd"


# --- penalties


@shows('the name "L1L2"')
def test_l1l2_by_name_penalises_nothing_in_keras() -> None:
    assert keras.regularizers.get("L1L2").get_config() == {"l1": 0.0, "l2": 0.0}
    ours = bp.regularizers.get_regularizer("kernel_regularizer", "L1L2")
    assert (ours.l1, ours.l2) == (0.01, 0.01)
    assert (bp.L1L2().l1, bp.L1L2().l2) == (0, 0)


# --- callbacks


def fed(callback: Any, figures: list[float], epochs: int = 0) -> tuple[int, list[float]]:
    """The last epoch and the learning rates, fed with the figure of each epoch."""
    model = SimpleNamespace(
        stop_training=False,
        metrics=(),
        optimizer=SimpleNamespace(learning_rate=1.0),
        get_weights=lambda: epoch,
        set_weights=lambda weights: None,
    )
    rates = []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, figure in enumerate(figures):
        callback.on_epoch_end(epoch, {"loss": figure})
        rates.append(model.optimizer.learning_rate)
        if model.stop_training:
            break
    return epoch, rates


@shows("`ReduceLROnPlateau(cooldown=n)`")
def test_cooldown_waits_one_epoch_less_in_keras() -> None:
    flat = [1.0] * 12

    def drops(library: Any, cooldown: int) -> list[int]:
        plateau = callbacks(library).ReduceLROnPlateau("loss", 0.5, patience=2, cooldown=cooldown)
        rates = fed(plateau, flat)[1]
        return [epoch for epoch in range(1, 12) if rates[epoch] < rates[epoch - 1]]

    assert [drops(bp, n) for n in (0, 1, 2)] == [[2, 4, 6, 8, 10], [2, 5, 8, 11], [2, 6, 10]]
    assert [drops(keras, n) for n in (0, 1, 2)] == [[2, 4, 6, 8, 10], [2, 4, 6, 8, 10], [2, 5, 8, 11]]


@shows("`EarlyStopping(baseline=…)`")
def test_a_baseline_ends_training_that_improves_in_fastbp_alone() -> None:
    improving = [5.0 - epoch / 10 for epoch in range(20)]  # never below 1
    assert fed(bp.EarlyStopping("loss", patience=4, baseline=1.0), improving)[0] == 3
    assert fed(keras.callbacks.EarlyStopping("loss", patience=4, baseline=1.0), improving)[0] == 19


@shows("NaN as the first figure")
def test_nothing_beats_a_first_nan_in_keras() -> None:
    figures = [np.nan, 5.0, 4.0, 3.0, 2.0]
    ours, theirs = (callbacks(library).EarlyStopping("loss", patience=3) for library in (bp, keras))
    assert fed(ours, figures)[0] == 4
    assert ours.best == 2.0
    assert fed(theirs, figures)[0] == 3
    assert np.isnan(theirs.best)


@shows("names of figures")
def test_keras_names_figures_as_metrics_are_given() -> None:
    y = (X[:, 0] > 0) * 1.0
    for library, name in ((bp, "auc"), (keras, "AUC")):
        net = network(library, activation="sigmoid")
        net.compile("sgd", "binary_crossentropy", metrics=["AUC"])
        assert {*net.fit(X, y, verbose=0).history} == {"loss", name}


@shows("metrics of all rows in the logs of a batch")
def test_keras_has_metrics_of_the_rows_so_far() -> None:
    y, seen = (X[:, 0] > 0) * 1.0, {}
    for library in (bp, keras):
        given: list[set[str]] = []
        watch = callbacks(library).LambdaCallback(on_train_batch_end=lambda batch, logs, to=given: to.append({*logs}))
        net = network(library, activation="sigmoid")
        metric = bp.metrics.AUC() if library is bp else keras.metrics.AUC(name="auc")
        net.compile("sgd", "binary_crossentropy", metrics=[metric])
        assert {*net.fit(X, y, verbose=0, callbacks=[watch]).history} == {"loss", "auc"}
        seen[library] = given[0]
    assert seen == {bp: {"loss"}, keras: {"loss", "auc"}}


@shows("a figure that is not there")
def test_a_missing_figure_is_one_warning_in_fastbp_and_one_per_epoch_in_keras() -> None:
    for library, expected in ((bp, 1), (keras, 3)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            compiled(library).fit(X, X[:, 0], epochs=3, verbose=0, callbacks=[callbacks(library).EarlyStopping()])
        assert len([w for w in caught if "val_loss" in str(w.message)]) == expected


# --- fit


@shows("`validation_split`")
def test_validation_split_counts_with_the_decimal_number() -> None:
    x = np.ones((1000, 3))
    for library, expected in ((bp, 100), (keras, 99)):
        steps: list[int] = []
        count = callbacks(library).LambdaCallback(on_train_batch_end=lambda batch, logs, steps=steps: steps.append(1))
        compiled(library).fit(x, x[:, 0], batch_size=1, validation_split=0.9, verbose=0, callbacks=[count])
        assert len(steps) == expected


@shows("truth values")
@pytest.mark.parametrize("shuffle", ["batch", "no", 1])
def test_true_and_false_alone_are_truth_values_in_fastbp(shuffle: Any) -> None:
    compiled(keras).fit(X, X[:, 0], shuffle=shuffle, verbose=0)
    with pytest.raises(TypeError, match="shuffle must be True or False"):
        compiled(bp).fit(X, X[:, 0], shuffle=shuffle, verbose=0)


@shows("seeds")
def test_fastbp_begins_with_the_same_weights_every_time() -> None:
    first, second = (network(bp).get_weights()[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(*(network(keras).get_weights()[0] for _ in range(2)))


@shows("dtype")
def test_the_dtype_is_a_models_in_fastbp_and_global_in_keras() -> None:
    assert network(bp).get_weights()[0].dtype == np.float32
    assert bp.Sequential([bp.Input((3,)), bp.Dense(1)], dtype="float64").get_weights()[0].dtype == np.float64
    assert keras.config.floatx() == "float64"
    assert network(keras).get_weights()[0].dtype == np.float64


@shows("`Dropout(1.0)`")
def test_dropping_everything_is_refused() -> None:
    keras.layers.Dropout(1.0)
    with pytest.raises(ValueError, match="rate must be at least 0 and below 1, got 1"):
        bp.Dropout(1.0)
