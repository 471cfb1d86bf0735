"""fastbp beside Keras 3, where Keras is installed (the extra `keras`): equal where it says "as in Keras".

Keras runs on JAX in float64. Parts of it compute in float32 all the same, so figures are compared to 1e-6 or so. What
differs on purpose is in test_keras_differences.py.
"""

from __future__ import annotations

import inspect
import math
import re
from types import SimpleNamespace
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from beside_keras import keras_optimized, load_keras, optimized
from keras_page import missing, program, snake

pytestmark = pytest.mark.filterwarnings("default")
keras, jax = load_keras()

RANDOM = np.random.default_rng(7)
CLOSE = {"rtol": 2e-6, "atol": 2e-7}

# --- activations


@pytest.mark.parametrize("name", sorted({*bp.activations.ACTIVATIONS} - {"identity"}))
def test_an_activation_and_its_slope(name: str) -> None:
    x = RANDOM.normal(size=(40, 5)) * 4
    weights = RANDOM.normal(size=x.shape)
    a, w = bp.input("a"), bp.input("w")
    ours = bp.activations.ACTIVATIONS[name](a)
    theirs = keras.activations.get(name)
    np.testing.assert_allclose(bp.function([a], ours, dtype="float64")(x), np.asarray(theirs(x)), **CLOSE)
    slope = bp.function([a, w], bp.sum(ours * w), gradients=a, dtype="float64")(x, weights)[1]
    theirs_slope = np.asarray(jax.grad(lambda z: (theirs(z) * weights).sum())(x))
    np.testing.assert_allclose(slope, theirs_slope, rtol=1e-5, atol=2e-6)  # the slope of its float32 tanh is coarser


def test_activations_with_other_settings() -> None:
    x = RANDOM.normal(size=(40, 5)) * 4
    a = bp.input("a")
    for ours, theirs in [
        (bp.gelu(a, approximate=True), keras.activations.gelu(x, approximate=True)),
        (bp.elu(a, alpha=0.3), keras.activations.elu(x, alpha=0.3)),
        (bp.celu(a, alpha=0.3), keras.activations.celu(x, alpha=0.3)),
        (bp.leaky_relu(a, negative_slope=0.05), keras.activations.leaky_relu(x, negative_slope=0.05)),
    ]:
        np.testing.assert_allclose(bp.function([a], ours, dtype="float64")(x), np.asarray(theirs), **CLOSE)


# --- losses and metrics

LABELS = RANDOM.integers(0, 4, 12)
ONE_HOT = np.eye(4)[LABELS]
SHARES = RANDOM.dirichlet(np.ones(4), 12)
OUTPUTS = RANDOM.uniform(0.05, 0.95, (12, 4))
LOSSES = {
    "mse": ("mean_squared_error", RANDOM.normal(size=(12, 4))),
    "mae": ("mean_absolute_error", RANDOM.normal(size=(12, 4))),
    "mse, a column": ("mean_squared_error", RANDOM.normal(size=(12, 1))),
    "binary": ("binary_crossentropy", (OUTPUTS > 0.4) * 1.0),
    "binary, shares": ("binary_crossentropy", SHARES),
    "categorical": ("categorical_crossentropy", ONE_HOT),
    "categorical, shares": ("categorical_crossentropy", SHARES),
    "categorical, weighted": ("categorical_crossentropy", ONE_HOT * RANDOM.uniform(0, 2, (12, 1))),
    "sparse": ("sparse_categorical_crossentropy", LABELS),
    "sparse, a column": ("sparse_categorical_crossentropy", LABELS[:, None]),
}


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("normal", [False, True], ids=["any outputs", "outputs that sum to 1"])
def test_a_loss_and_its_gradient(case: str, normal: bool) -> None:
    name, target = LOSSES[case]
    outputs = OUTPUTS[:, :1] if case == "mse, a column" else OUTPUTS
    outputs = outputs / outputs.sum(axis=1, keepdims=True) if normal and "categorical" in name else outputs
    y, a = bp.input("y"), bp.input("a")
    f = bp.function([y, a], bp.losses.LOSSES[name](y, a), gradients=a, dtype="float64")
    theirs = jax.value_and_grad(lambda p: getattr(keras.losses, name)(target, p).mean())
    value, slope = theirs(outputs)
    np.testing.assert_allclose(f(target, outputs)[0], value, **CLOSE)
    np.testing.assert_allclose(f(target, outputs)[1], slope, **CLOSE)


ANY = RANDOM.normal(size=(12, 4)) * 3
RATES = RANDOM.uniform(0.1, 5, (12, 4))
OF_NUMBERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "huber": (ANY, RATES, {}),
    "huber, delta": (ANY, RATES, {"delta": 2.5}),
    "log_cosh": (ANY, RATES, {}),
    "mean_absolute_percentage_error": (ANY, RATES, {}),
    "mean_squared_logarithmic_error": (RATES[::-1], RATES, {}),
    "poisson": (RATES[::-1], RATES, {}),
    "kl_divergence": (SHARES, OUTPUTS, {}),
    "hinge": (np.sign(ANY), RATES - 2, {}),
    "hinge, 0 and 1": (ONE_HOT, RATES - 2, {}),
    "hinge, fractions": (OUTPUTS, RATES - 2, {}),
    "squared_hinge": (np.sign(ANY), RATES - 2, {}),
    "squared_hinge, 0 and 1": (ONE_HOT, RATES - 2, {}),
    "categorical_hinge": (ONE_HOT, RATES - 2, {}),
    "categorical_hinge, fractions": (SHARES, RATES - 2, {}),
    "cosine_similarity": (ANY, RATES, {}),
    "cosine_similarity, of more axes": (ANY.reshape(3, 4, 4), RATES.reshape(3, 4, 4), {}),
}


@pytest.mark.parametrize("case", OF_NUMBERS)
def test_a_loss_of_numbers_and_its_gradients_by_both(case: str) -> None:
    target, outputs, options = OF_NUMBERS[case]
    name = case.split(",")[0]
    y, a = bp.input("y"), bp.input("a")
    loss = bp.losses.LOSSES[name]
    value, slopes = bp.function([y, a], loss(y, a, **options), gradients=[y, a], dtype="float64")(target, outputs)
    theirs = jax.value_and_grad(lambda *operands: getattr(keras.losses, name)(*operands, **options).mean(), (0, 1))
    expected, (by_target, by_output) = theirs(target, outputs)
    np.testing.assert_allclose(value, expected, **CLOSE)
    np.testing.assert_allclose(slopes[1], by_output, **CLOSE)
    if "0 and 1" in case:
        by_target = by_target / 2  # Keras maps 0 … 1 to −1 … 1, fastbp 0 alone
    np.testing.assert_allclose(slopes[0], by_target, **CLOSE)
    per_row = bp.function([y, a], loss(y, a, reduction=None, **options), dtype="float64")(target, outputs)
    of_rows = np.asarray(getattr(keras.losses, name)(target, outputs, **options))
    np.testing.assert_allclose(per_row, of_rows.reshape(len(of_rows), -1).mean(axis=1), **CLOSE)


CROSS_ENTROPIES: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "binary_crossentropy": ((OUTPUTS > 0.4) * 1.0, [{"label_smoothing": 0.2}, {"label_smoothing": 1.0}]),
    "categorical_crossentropy": (ONE_HOT, [{"label_smoothing": 0.2}, {"label_smoothing": 1.0}]),
    "sparse_categorical_crossentropy": (LABELS - 1, [{"ignore_class": -1}]),
}


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("name", CROSS_ENTROPIES)
def test_options_of_a_cross_entropy(name: str, from_logits: bool) -> None:
    """Values, gradients by both operands, and every reduction with and without weights."""
    target, more = CROSS_ENTROPIES[name]
    outputs = ANY if from_logits else SHARES
    weights = RANDOM.uniform(0, 2, 12)
    y, a, w = bp.input("y"), bp.input("a"), bp.input("w")
    of_class = getattr(keras.losses, "".join(word.title() for word in name.split("_")))
    operands = [y, a] if name != "sparse_categorical_crossentropy" else [a]
    numbers = (0, 1) if len(operands) == 2 else 1
    for options in ({}, *more):
        data = np.maximum(target, 0) if options == {} else target
        options = {**options, "from_logits": from_logits}
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none"):
            for weight in (None, w):
                loss = bp.losses.LOSSES[name](y, a, **options, reduction=reduction, sample_weight=weight)
                found = bp.function([y, a, w], loss + 0 * bp.mean(w), dtype="float64")(data, outputs, weights)
                theirs = of_class(**options, reduction=reduction)
                wanted = theirs(data, outputs, sample_weight=None if weight is None else weights)
                np.testing.assert_allclose(found, np.asarray(wanted), **CLOSE)
                if reduction == "none":
                    continue
                slopes = bp.function([y, a, w], loss + 0 * bp.mean(w), gradients=operands, dtype="float64")
                given = None if weight is None else weights

                def value(y: Any, a: Any, theirs: Any = theirs, given: Any = given) -> Any:
                    return theirs(y, a, sample_weight=given)

                expected = jax.grad(value, numbers)(data, outputs)
                expected = expected if isinstance(expected, tuple) else (expected,)
                for mine, other in zip(slopes(data, outputs, weights)[1], expected):
                    np.testing.assert_allclose(mine, other, **CLOSE)


@pytest.mark.parametrize("name", sorted({*bp.losses.__all__} & {*dir(keras.losses)} - {"Loss"}))
def test_a_class_of_a_loss_has_keras_arguments_and_defaults(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(library.losses, name)).parameters for library in (bp, keras))
    if not name[0].isupper():  # functions: a reduction and weights are arguments of fastbp's alone
        assert [*theirs] == [argument for argument in ours if argument not in ("sample_weight", "reduction")] + (
            ["axis"] if "axis" in theirs else []
        )
    else:
        assert {*ours} == {*theirs} - {"axis", "dtype"}
        assert [argument for argument in theirs if argument in ours] == [*ours]
    for argument in {*ours} & {*theirs} - {"name"}:
        assert ours[argument].default == theirs[argument].default


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize(
    "case",
    ["Huber(delta=0.5{})", "BinaryCrossentropy(from_logits=True, label_smoothing=0.1{})", "LogCosh({})",
     "SquaredHinge({})"],
)  # fmt: skip
def test_a_network_is_trained_by_a_loss_with_settings(case: str, reduction: str) -> None:
    text = case.format(f", reduction={reduction!r}").replace("(, ", "(")
    x = RANDOM.normal(size=(24, 3))
    y = (x[:, :2] > 0) * 1.0
    weights: list[np.ndarray] = []
    ends = []
    for library in (bp, keras):
        net = library.Sequential([library.Input((3,)), (bp if library is bp else keras.layers).Dense(2)])
        net.compile((bp if library is bp else keras.optimizers).SGD(0.02), eval(f"library.losses.{text}"))
        weights = weights or [np.array(weight) for weight in net.get_weights()]
        net.set_weights(weights)
        history = net.fit(x, y, epochs=5, shuffle=False, sample_weight=np.linspace(0.5, 2, 24), verbose=0).history
        ends.append([*net.get_weights(), np.array(history["loss"])])
    for mine, theirs in zip(*ends):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)
    assert abs(ends[0][0] - weights[0]).max() > 1e-3


def test_a_loss_has_keras_names() -> None:
    known = {name for name in keras.src.losses.ALL_OBJECTS_DICT if name not in ("Loss", "LossFunctionWrapper")}
    absent = {*missing()["losses"]} | {snake(name) for name in missing()["losses"]}
    for name in known - absent:
        theirs = keras.losses.get(name)
        wanted = theirs.__name__ if inspect.isfunction(theirs) else snake(type(theirs).__name__)
        assert bp.losses.get_loss(name).__name__ == wanted


@pytest.mark.parametrize(
    ("name", "activation", "target"),
    [
        ("binary_crossentropy", "sigmoid", (OUTPUTS > 0.4) * 1.0),
        ("categorical_crossentropy", "softmax", SHARES),
        ("sparse_categorical_crossentropy", "softmax", LABELS),
    ],
)
def test_a_cross_entropy_of_logits(name: str, activation: str, target: np.ndarray) -> None:
    """Keras' from_logits is what fastbp does behind a softmax or sigmoid by itself."""
    logits = RANDOM.normal(size=(12, 4)) * 30
    y, z = bp.input("y"), bp.input("z")
    cost = bp.losses.LOSSES[name](y, bp.activations.ACTIVATIONS[activation](z))
    value, slope = bp.function([y, z], cost, gradients=z, dtype="float64")(target, logits)
    theirs = jax.value_and_grad(lambda p: getattr(keras.losses, name)(target, p, from_logits=True).mean())(logits)
    np.testing.assert_allclose(value, theirs[0], **CLOSE)
    np.testing.assert_allclose(slope, theirs[1], **CLOSE)


LARGE = 10**5  # thresholds: exact but for scores between two of them
OF_ONE_OUTPUT = {"AUC": {}, "AUC of PR": {"curve": "PR"}, "Precision": {}, "Recall": {"thresholds": 0.25}}
OF_SEVERAL = {
    "AUC": {"multi_label": True},
    "Precision": {"class_id": 1},
    "Recall": {"top_k": 2},
    "F1Score": {"average": "macro"},
    "F1Score, weighted": {"average": "weighted", "threshold": 0.25},
    "F1Score, micro": {"average": "micro", "threshold": 0.25},
    "TopKCategoricalAccuracy": {"k": 2},
    "R2Score": {},
    "R2Score, weighted": {"class_aggregation": "variance_weighted_average"},
    "RootMeanSquaredError": {},
}


def compare_metric(case: str, options: dict[str, Any], y: np.ndarray, a: np.ndarray) -> None:
    name = re.split(r"\W", case)[0]
    weights = RANDOM.random(len(y)) if name != "RootMeanSquaredError" else None
    theirs = getattr(keras.metrics, name)(**options, **({"num_thresholds": LARGE} if name == "AUC" else {}))
    theirs.update_state(y, a, sample_weight=weights)
    ours = getattr(bp.metrics, name)(**options)
    close = {"rtol": 2e-3} if case == "AUC of PR" else CLOSE  # Keras interpolates precision and recall
    np.testing.assert_allclose(ours(y, a, weights), np.asarray(theirs.result()), **close)


@pytest.mark.parametrize("case", OF_ONE_OUTPUT)
def test_a_metric_of_one_output(case: str) -> None:
    y = RANDOM.integers(0, 2, 5000)
    compare_metric(case, OF_ONE_OUTPUT[case], y, ((RANDOM.random(5000) + y / 2) / 1.5 * 1000).round() / 1000)


@pytest.mark.parametrize("case", OF_SEVERAL)
def test_a_metric_of_several_outputs(case: str) -> None:
    a = RANDOM.dirichlet(np.ones(4), size=60)
    labels = (a + RANDOM.random(a.shape) / 2).argmax(axis=1)
    compare_metric(case, OF_SEVERAL[case], np.eye(4)[labels], a)
    if case == "TopKCategoricalAccuracy":
        compare_metric("SparseTopKCategoricalAccuracy", OF_SEVERAL[case], labels, a)


@pytest.mark.parametrize("name", ["AUC", "Precision", "Recall", "F1Score", "TopKCategoricalAccuracy", "R2Score",
                                  "SparseTopKCategoricalAccuracy", "RootMeanSquaredError"])  # fmt: skip
def test_a_metric_has_keras_name_and_defaults(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(library.metrics, name)).parameters for library in (bp, keras))
    for argument in {*ours} & {*theirs} - {"name"}:
        assert (name, argument) == ("F1Score", "average") or ours[argument].default == theirs[argument].default
    assert {*ours} - {*theirs} <= {"average"}
    keras.utils.clear_session()  # else a second AUC is "auc_1"
    assert getattr(bp.metrics, name)().name == getattr(keras.metrics, name)().name
    assert bp.metrics.ARRAY_METRICS[getattr(keras.metrics, name)().name.removesuffix("_1")] is getattr(bp.metrics, name)


@pytest.mark.parametrize(
    ("y", "a"),
    [(LABELS, OUTPUTS), (LABELS[:, None], OUTPUTS), (ONE_HOT, OUTPUTS), (LABELS[:, None] % 2, OUTPUTS[:, :1])],
    ids=["labels", "a column of labels", "one-hot", "one output"],
)
def test_accuracy_is_the_one_that_the_shapes_ask_for(y: np.ndarray, a: np.ndarray) -> None:
    net = keras.Sequential([keras.Input(a.shape[1:]), keras.layers.Identity()])
    net.compile("sgd", "mse" if y.shape == a.shape else "sparse_categorical_crossentropy", metrics=["accuracy"])
    theirs = net.evaluate(a, y, verbose=0)[1]
    target, output = bp.input("y"), bp.input("a")
    assert bp.function([target, output], bp.accuracy(target, output))(y, a) == pytest.approx(theirs)


# --- penalties, constraints, initialisers


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (bp.L1(0.3), "keras.regularizers.L1(0.3)"),
        (bp.L2(0.3), "keras.regularizers.L2(0.3)"),
        (bp.L1L2(0.3, 0.2), "keras.regularizers.L1L2(0.3, 0.2)"),
        (bp.L1(), "keras.regularizers.L1()"),
        (bp.L2(), "keras.regularizers.L2()"),
        (bp.L1L2(), "keras.regularizers.L1L2()"),
        ("l1", "keras.regularizers.get('l1')"),
        ("l2", "keras.regularizers.get('l2')"),
    ],
)
def test_a_penalty(ours: Any, theirs: str) -> None:
    w = RANDOM.normal(size=(6, 5))
    penalty = bp.regularizers.get_regularizer("kernel_regularizer", ours)
    weight = bp.input("w")
    expression = penalty(weight)
    value = 0.0 if expression is None else float(bp.function([weight], expression, dtype="float64")(w))
    assert value == pytest.approx(float(eval(theirs)(w)), rel=2e-6)


@pytest.mark.parametrize("limit", [0.5, 2.0, 100.0])
def test_max_norm(limit: float) -> None:
    w = RANDOM.normal(size=(6, 5))
    np.testing.assert_allclose(bp.MaxNorm(limit)(w), np.asarray(keras.constraints.MaxNorm(limit)(w)), **CLOSE)


def test_penalties_of_frozen_layers_are_left_out() -> None:
    def layer(library: Any) -> Any:
        penalty = {bp: bp.L2, keras: keras.regularizers.L2}[library]
        return (bp.Dense if library is bp else keras.layers.Dense)(2, kernel_regularizer=penalty(0.1))

    x = RANDOM.normal(size=(8, 3))
    losses = []
    weights: list[np.ndarray] = []
    for library in (bp, keras):
        net = library.Sequential([library.Input((3,)), layer(library), layer(library)])
        net.compile("sgd", "mse")
        net.build((None, 3))
        weights = weights or net.get_weights()
        net.set_weights(weights)
        for frozen in (False, True):
            net.layers[-2].trainable = not frozen
            if library is keras:
                net.compile("sgd", "mse")  # its compiled functions are made anew
            losses.append(net.evaluate(x, x[:, :2], verbose=0))
    assert losses[:2] == pytest.approx(losses[2:], rel=1e-5)
    assert losses[0] > losses[1]


@pytest.mark.parametrize("name", sorted({*bp.initializers.INITIALIZERS} - {"lecture_normal", "constant"}))
@pytest.mark.parametrize("shape", [(300, 200), (5, 40, 300)])
def test_an_initialiser_has_keras_distribution(name: str, shape: tuple[int, ...]) -> None:
    backend = pytest.importorskip("fastbp._core")
    ours = bp.initializers.get_initializer("initializer", name)(shape, seed=3, ordinal=1, backend=backend)
    theirs = np.asarray(keras.initializers.get(name)(shape, dtype="float64"))
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.02 * theirs.std())
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)
    if "uniform" in name or "truncated" in name or name.endswith(("glorot_normal", "he_normal", "lecun_normal")):
        assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.01)


def test_dense_starts_as_in_keras() -> None:
    ours = bp.Sequential([bp.Input((300,)), bp.Dense(200)]).get_weights()
    theirs = keras.Sequential([keras.Input((300,)), keras.layers.Dense(200)]).get_weights()
    assert [weight.shape for weight in ours] == [weight.shape for weight in theirs] == [(300, 200), (200,)]
    assert abs(ours[0]).max() == pytest.approx(abs(theirs[0]).max(), rel=0.01)
    assert not ours[1].any()
    assert not theirs[1].any()


# --- optimisers

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "Adagrad": ("Adagrad", {}),
    "Adagrad, other start": ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-3}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop, momentum": ("RMSprop", {"momentum": 0.8, "rho": 0.7}),
    "RMSprop, centered": ("RMSprop", {"centered": True, "momentum": 0.5}),
    "Adam": ("Adam", {}),
    "Adam, amsgrad": ("Adam", {"amsgrad": True, "beta_1": 0.7, "beta_2": 0.8, "epsilon": 0.1}),
    "AdamW": ("AdamW", {}),
    "Nadam": ("Nadam", {}),
    "Nadam, other settings": ("Nadam", {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 0.01}),
    "Lion": ("Lion", {}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "decay": {"weight_decay": 0.1},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.3},
    "global clipnorm": {"global_clipnorm": 0.8},
    "accumulation": {"gradient_accumulation_steps": 4},
    "accumulation, clipping, decay": {"gradient_accumulation_steps": 3, "clipnorm": 0.2, "weight_decay": 0.05},
    "average": {"use_ema": True, "ema_momentum": 0.8},
    "average that overwrites": {"use_ema": True, "ema_momentum": 0.6, "ema_overwrite_frequency": 3},
}
GRADIENTS = RANDOM.normal(size=(25, 7))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("rule", RULES)
def test_an_optimiser_goes_the_same_way_for_25_steps(rule: str, option: str) -> None:
    name, settings = RULES[rule]
    settings = {"learning_rate": 0.05, **settings, **OPTIONS[option]}
    theirs = keras_optimized(getattr(keras.optimizers, name)(**settings), GRADIENTS)
    every = settings.get("gradient_accumulation_steps", 1)
    # With accumulation whole groups of steps, because what is left makes an update at the end in fastbp alone.
    for steps in (1, 2, 25) if every == 1 else (every, 24):
        ours = optimized(getattr(bp, name)(**settings), GRADIENTS[:steps])
        if steps == 25 or not settings.get("use_ema"):  # an average replaces the weights at the end alone
            np.testing.assert_allclose(ours, theirs[steps - 1], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Nadam", "Lion"])
def test_an_optimiser_has_keras_defaults(name: str) -> None:
    ours, theirs = getattr(bp, name)(), getattr(keras.optimizers, name)()
    shared = {*vars(ours)} & {*theirs.get_config()} - {"weight_decay", "learning_rate"}
    assert len(shared) >= 7
    assert {key: vars(ours)[key] for key in shared} == {key: theirs.get_config()[key] for key in shared}
    assert ours.learning_rate == pytest.approx(float(theirs.learning_rate), rel=1e-6)
    assert ours.weight_decay == (theirs.weight_decay or 0)


# --- schedules

SCHEDULES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "piecewise": ("PiecewiseConstantDecay", ([5, 9], [0.3, 0.2, 0.1]), {}),
    "exponential": ("ExponentialDecay", (0.3, 10, 0.9), {}),
    "staircase": ("ExponentialDecay", (0.3, 10, 0.9), {"staircase": True}),
    "cosine": ("CosineDecay", (0.2, 30), {"alpha": 0.1}),
    "cosine, way up": ("CosineDecay", (0.02, 30), {"alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 7}),
    "cosine, way up of no steps": ("CosineDecay", (0.02, 30), {"warmup_target": 0.2}),
    "restarts": ("CosineDecayRestarts", (0.2, 4), {}),
    "restarts, 1": ("CosineDecayRestarts", (0.2, 5), {"t_mul": 1.0, "m_mul": 0.9}),
    "restarts, 1.5": ("CosineDecayRestarts", (0.2, 4), {"t_mul": 1.5, "m_mul": 0.7, "alpha": 0.1}),
    "restarts, 3": ("CosineDecayRestarts", (0.2, 4), {"t_mul": 3.0, "alpha": 0.2}),
}


@pytest.mark.parametrize("case", SCHEDULES)
def test_a_schedule(case: str) -> None:
    name, arguments, options = SCHEDULES[case]
    ours = getattr(bp, name)(*arguments, **options)
    theirs = jax.jit(getattr(keras.optimizers.schedules, name)(*arguments, **options))
    updates = [*range(64), 500]
    np.testing.assert_allclose([ours(t) for t in updates], [float(theirs(t)) for t in updates], rtol=1e-5, atol=1e-8)


def test_an_optimiser_takes_the_schedules_rate_at_each_update() -> None:
    ours = optimized(bp.SGD(bp.CosineDecay(0.1, 20)), GRADIENTS)
    theirs = keras_optimized(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 20)), GRADIENTS)
    np.testing.assert_allclose(ours, theirs[-1], rtol=2e-6, atol=1e-7)


# --- callbacks, on random figures: no NaN at first, no baseline, and cooldown one longer in Keras


class FakeModel:
    """As much of a model as the callbacks see."""

    def __init__(self) -> None:
        self.stop_training, self.epoch, self.metrics = False, 0, ()
        self.optimizer = SimpleNamespace(learning_rate=0.1)

    def get_weights(self) -> int:
        return self.epoch

    _weights_to_leave = get_weights  # what fastbp's callback asks for

    def set_weights(self, epoch: int) -> None:
        self.epoch = epoch


def drive(callback: Any, figures: np.ndarray) -> tuple[FakeModel, list[float]]:
    """Feeds a figure for each epoch, as `fit` does; the model at the end and the learning rates."""
    model, rates = FakeModel(), []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, figure in enumerate(figures):
        model.epoch = epoch
        callback.on_epoch_end(epoch, {"loss": float(figure)})
        rates.append(float(model.optimizer.learning_rate))
        if model.stop_training:
            break
    callback.on_train_end()
    return model, rates


def figures_of(case: int) -> tuple[np.random.Generator, np.ndarray]:
    random = np.random.default_rng(case)
    figures = random.integers(0, 12, 20) / 8  # coarse, so that many are equal
    missing = random.random(20) < 0.1
    missing[:6] = False
    return random, np.where(missing, np.nan, figures)


@pytest.mark.parametrize("block", range(4))
def test_early_stopping_ends_at_the_same_epoch(block: int) -> None:
    for case in range(100 * block, 100 * block + 100):
        random, figures = figures_of(case)
        settings = {
            "monitor": "loss",
            "patience": int(random.integers(0, 6)),
            "min_delta": float(random.choice([0, 0.0625, 0.25])),
            "mode": str(random.choice(["auto", "min", "max"])),
            "restore_best_weights": bool(random.integers(0, 2)),
            "start_from_epoch": int(random.integers(0, 5)),
        }
        ours, theirs = bp.EarlyStopping(**settings), keras.callbacks.EarlyStopping(**settings)
        ends = [drive(callback, figures)[0] for callback in (ours, theirs)]
        assert ends[0].epoch == ends[1].epoch, (case, settings)
        assert ends[0].stop_training == ends[1].stop_training, (case, settings)
        assert (ours.stopped_epoch, ours.best_epoch) == (theirs.stopped_epoch, theirs.best_epoch), (case, settings)
        assert ours.best == pytest.approx(float(theirs.best))


@pytest.mark.parametrize("block", range(4))
def test_reduce_lr_on_plateau_takes_the_same_rates(block: int) -> None:
    for case in range(100 * block, 100 * block + 100):
        random, figures = figures_of(case)
        settings = {
            "monitor": "loss",
            "factor": float(random.choice([0.1, 0.5])),
            "patience": int(random.integers(0, 5)),
            "min_delta": float(random.choice([0, 1e-4, 0.25])),
            "mode": str(random.choice(["auto", "min", "max"])),
            "min_lr": float(random.choice([0, 0.02])),
        }
        wait = int(random.integers(0, 4))
        ours = bp.ReduceLROnPlateau(**settings, cooldown=wait)
        theirs = keras.callbacks.ReduceLROnPlateau(**settings, cooldown=wait + 1 if wait else 0)
        rates = [drive(callback, figures)[1] for callback in (ours, theirs)]
        np.testing.assert_allclose(*rates, rtol=1e-6, err_msg=f"{case} {settings}")


# --- a network


@pytest.mark.parametrize("accumulate", [None, 2])
def test_a_network_learns_the_same_weights_and_shows_the_same_history(accumulate: int | None) -> None:
    x = RANDOM.normal(size=(50, 3))
    y = (x[:, 0] > 0) + (x[:, 1] > 0).astype(int)
    histories, weights = [], []
    for library in (bp, keras):
        dense = bp.Dense if library is bp else keras.layers.Dense
        optimizers = bp if library is bp else keras.optimizers
        penalty = (bp if library is bp else keras.regularizers).L2(0.01)
        options = {"dtype": "float64"} if library is bp else {}
        net = library.Sequential(
            [library.Input((3,)), dense(8, "tanh", kernel_regularizer=penalty), dense(3, "softmax")], **options
        )
        net.set_weights(weights[0] if weights else net.get_weights())
        weights = weights or [net.get_weights()]
        net.compile(
            optimizers.Adam(0.01, gradient_accumulation_steps=accumulate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        run = net.fit(x, y, batch_size=8, epochs=4, shuffle=False, validation_split=0.3, verbose=0)
        assert run.epoch == [0, 1, 2, 3]
        histories.append(run.history)
        weights.append(net.get_weights())
    assert sorted(histories[0]) == sorted(histories[1])
    for name, figures in histories[0].items():
        np.testing.assert_allclose(figures, histories[1][name], rtol=1e-5, err_msg=name)
    for ours, theirs in zip(*weights[1:]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_network_of_keras_goes_on_in_fastbp() -> None:
    theirs = keras.Sequential([keras.layers.Dense(5, "tanh"), keras.layers.Dense(2, "softmax")])
    x = RANDOM.normal(size=(9, 3))
    expected = theirs.predict(x, verbose=0)
    ours = bp.Sequential([bp.Dense(5, "tanh"), bp.Dense(2, "softmax")], dtype="float64")
    ours.build((3,))
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x), expected, rtol=1e-5)
    theirs.set_weights(ours.get_weights())


# --- the page


def test_the_keras_program_of_the_page_learns_as_well() -> None:
    names: dict[str, float] = {}
    exec(compile(program("keras"), "coming-from-keras.md", "exec"), names)
    assert names["accuracy"] > 0.9


KINDS = {
    "initialisers": "initializers",
    "penalties, constraints": "regularizers constraints",
    "optimisers": "optimizers",
    "schedules": "optimizers.schedules",
    "losses": "losses",
    "metrics": "metrics",
    "callbacks": "callbacks",
}
# Bases and second names, which the page need not list.
BESIDES = set(
    """
    Callback CallbackList Constraint History IdentityInitializer Initializer LearningRateSchedule Loss Optimizer
    OptimizerMap OrthogonalInitializer Regularizer STFTInitializer
    """.split()
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_lists_what_keras_alone_has(kind: str) -> None:
    there: set[str] = set()
    for module in KINDS[kind].split():
        found: Any = keras
        for part in module.split("."):
            found = getattr(found, part)
        there |= {name for name in dir(found) if name[0].isupper()}
    ours = {*dir(bp), *dir(bp.metrics), "Accuracy"} if kind == "metrics" else {*dir(bp)}
    alone = {name for name in there if not {name, snake(name)} & ours} | {"Identity"} & there
    assert alone - BESIDES == {name for name in missing()[kind] if name[0].isupper()}


def test_the_page_lists_the_activations_that_keras_alone_has() -> None:
    there = {name for name in dir(keras.activations) if name[0] != "_"} - {"get", "serialize", "deserialize"}
    assert there - {*bp.activations.ACTIVATIONS} == {*missing()["activations"]}


def test_glu_is_a_line_of_expressions() -> None:
    x = RANDOM.normal(size=(5, 6))
    z, n = bp.input("z"), 3
    ours = bp.function([z], z[..., :n] * bp.sigmoid(z[..., n:]), dtype="float64")
    np.testing.assert_allclose(ours(x), np.asarray(keras.activations.glu(x)), **CLOSE)


@pytest.mark.parametrize("method", ["compile", "fit"])
def test_the_page_lists_the_arguments_that_keras_alone_has(method: str) -> None:
    there, ours = ({*inspect.signature(getattr(cls, method)).parameters} for cls in (keras.Model, bp.Model))
    assert there - ours == {*missing()[f"arguments of `{method}`"]}


def test_history_has_what_callbacks_add() -> None:
    x, y = np.ones((8, 3)), np.ones(8)
    histories = []
    for library in (bp, keras):
        net = library.Sequential([library.Input((3,)), bp.Dense(1) if library is bp else keras.layers.Dense(1)])
        net.compile("sgd", "mse")
        hooks: Any = bp if library is bp else keras.callbacks
        add = hooks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(mine=epoch + 0.5))
        stop = hooks.EarlyStopping("mine", mode="min", patience=1)
        history = net.fit(x, y, epochs=5, verbose=0, callbacks=[add, stop, hooks.ReduceLROnPlateau("loss")]).history
        histories.append(({*history}, history["mine"], [float(rate) for rate in history["learning_rate"]]))
    assert histories[0] == (histories[1][0], histories[1][1], pytest.approx(histories[1][2]))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
def test_a_step_of_weighted_rows_is_that_of_keras(reduction: str) -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(12, 3)), random.normal(size=(12, 2))
    s = random.random(12).astype(np.float32)  # Keras rounds them, and the mean
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    theirs.compile(
        keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(reduction=reduction), weighted_metrics=["mae"]
    )
    mine = bp.Sequential([bp.Input((3,)), bp.Dense(2)], dtype="float64")
    mine.compile(bp.SGD(0.1), "mse", weighted_metrics=["mae"], loss_reduction=reduction)
    mine.build()
    theirs.set_weights(mine.get_weights())
    for _ in range(2):
        of_keras = theirs.train_on_batch(x, y, sample_weight=s)
        theirs.reset_metrics()
        np.testing.assert_allclose(mine.train_on_batch(x, y, sample_weight=s), of_keras, rtol=1e-6)
        for own, wanted in zip(mine.get_weights(), theirs.get_weights()):
            np.testing.assert_allclose(own, wanted, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("name", "axis"), [(n, a) for n in ("Layer", "RMS") for a in (-1, [1, 2])])
def test_a_normalisation_is_that_of_keras(name: str, axis: Any) -> None:
    random = np.random.default_rng(3)
    x = random.normal(2, 3, size=(6, 4, 5))
    theirs = getattr(keras.layers, f"{name}Normalization")(axis=axis)
    theirs.build((None, 4, 5))
    layer = getattr(bp, f"{name}Normalization")(axis=axis)
    mine = bp.Sequential([bp.Input((4, 5)), layer], dtype="float64")
    mine.build()
    assert layer.epsilon == theirs.epsilon
    weights = [random.normal(size=weight.shape) for weight in theirs.get_weights()]
    theirs.set_weights(weights)
    mine.set_weights(weights)
    np.testing.assert_allclose(mine.predict(x), np.asarray(theirs(x)), rtol=1e-5, atol=1e-6)  # theirs has float32 steps


def test_class_weights_are_those_of_keras() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(12, 3)), random.integers(0, 3, 12)
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
    theirs.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    mine = bp.Sequential([bp.Input((3,)), bp.Dense(3, activation="softmax")], dtype="float64")
    mine.compile(bp.SGD(0.1), "sparse_categorical_crossentropy")
    mine.build()
    theirs.set_weights(mine.get_weights())
    weights = {0: 0.5, 2: 4.0}
    assert mine.train_on_batch(x, y, class_weight=weights) == pytest.approx(
        float(theirs.train_on_batch(x, y, class_weight=weights)), rel=1e-6
    )
    for own, wanted in zip(mine.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(own, wanted, rtol=1e-6)


def test_several_outputs_have_the_figures_of_keras() -> None:
    random = np.random.default_rng(3)
    x, price, kind = random.normal(size=(40, 3)), random.normal(size=(40, 1)), random.integers(0, 3, 40)
    inputs = keras.Input((3,))
    layers = keras.layers
    theirs = keras.Model(
        inputs,
        {"price": layers.Dense(1, name="price")(inputs), "kind": layers.Dense(3, "softmax", name="kind")(inputs)},
    )
    own = bp.input("x", (3,))
    mine = bp.Model(own, {"price": bp.Dense(1)(own), "kind": bp.Dense(3, "softmax")(own)}, dtype="float64")
    arguments: dict[str, Any] = {
        "loss": {"price": "mse", "kind": "sparse_categorical_crossentropy"},
        "loss_weights": {"price": 0.5, "kind": 2.0},
        "metrics": {"price": ["mae"], "kind": ["accuracy"]},
        "weighted_metrics": {"price": ["mae"]},
    }
    theirs.compile(keras.optimizers.SGD(0.1), **arguments)
    mine.compile(bp.SGD(0.1), **arguments)
    mine.build()
    theirs.get_layer("price").set_weights(mine.get_weights()[:2])
    theirs.get_layer("kind").set_weights(mine.get_weights()[2:])
    y = {"price": price, "kind": kind}
    weights = {"price": random.random(40), "kind": random.random(40)}
    of_keras = theirs.fit(x, y, shuffle=False, sample_weight=weights, verbose=0).history
    found = mine.fit(x, y, shuffle=False, sample_weight=weights, verbose=0).history
    assert set(found) == set(of_keras)
    for name, values in of_keras.items():
        assert found[name] == pytest.approx([float(value) for value in values], rel=1e-6), name


def test_the_search_for_differences_finds_them() -> None:
    """The comparisons above can fail: other settings give other numbers."""
    theirs = keras_optimized(keras.optimizers.SGD(0.05, momentum=0.9), GRADIENTS)
    assert abs(optimized(bp.SGD(0.05, momentum=0.90001), GRADIENTS) - theirs[-1]).max() > 1e-6
    assert not math.isclose(bp.CosineDecay(0.2, 30)(7), float(keras.optimizers.schedules.CosineDecay(0.2, 31)(7)))
