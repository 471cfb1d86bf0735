"""The losses and metrics have Keras' and the lecture's values, in their stable and their plain forms."""

import fastbp as bp
import numpy as np
import pytest
from scipy import special, stats

RANDOM = np.random.default_rng(3)
Z = RANDOM.normal(size=(6, 4)) * 3
LABELS = np.array([0, 3, 1, 2, 2, 0])
ONE_HOT = np.eye(4)[LABELS]
BINARY = (RANDOM.random((6, 4)) > 0.5) * 1.0
SIGMOID = special.expit(Z)
SOFTMAX = special.softmax(Z, axis=1)
BINARY_TERMS = -(BINARY * np.log(SIGMOID) + (1 - BINARY) * np.log1p(-SIGMOID))
SPARSE = -np.log(SOFTMAX[np.arange(6), LABELS]).mean()

CASES = {
    "mean_squared_error": ("mean_squared_error", None, BINARY, ((Z - BINARY) ** 2).mean()),
    "mse": ("mse", None, BINARY, ((Z - BINARY) ** 2).mean()),
    "mean_absolute_error": ("mean_absolute_error", None, BINARY, abs(Z - BINARY).mean()),
    "quadratic": ("quadratic", None, BINARY, ((Z - BINARY) ** 2).sum() / 12),
    "gaussian_nll": ("gaussian_nll", None, BINARY, ((Z - BINARY) ** 2).mean() / 2),
    "binary_crossentropy": ("binary_crossentropy", bp.sigmoid, BINARY, BINARY_TERMS.mean()),
    "cross_entropy": ("cross_entropy", bp.sigmoid, BINARY, BINARY_TERMS.sum() / 6),
    "categorical_crossentropy": ("categorical_crossentropy", bp.softmax, ONE_HOT, SPARSE),
    "categorical_crossentropy, labels": ("categorical_crossentropy", bp.softmax, LABELS, SPARSE),
    "sparse_categorical_crossentropy": ("sparse_categorical_crossentropy", bp.softmax, LABELS, SPARSE),
    "sparse, a column": ("sparse_categorical_crossentropy", bp.softmax, LABELS[:, None], SPARSE),
}


def value_of(loss, y, activation, z=Z, plain=False, gradient=False):
    """The loss in float64, and its gradient by z if asked for; `plain` hides the activation from the loss."""
    target, logits = bp.input("y"), bp.input("z")
    output = logits if activation is None else activation(logits)
    if plain:
        output = output * 1.0
    cost = bp.losses.LOSSES[loss](target, output)
    gradients = logits if gradient else None
    return bp.function([target, logits], cost, gradients=gradients, dtype="float64", backend="reference")(y, z)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("plain", [False, True])
def test_a_loss_has_its_formulas_value(case, plain):
    loss, activation, y, expected = CASES[case]
    assert value_of(loss, y, activation, plain=plain) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_the_stable_form_has_the_plain_forms_gradient(case):
    loss, activation, y, _ = CASES[case]
    stable, plain = (value_of(loss, y, activation, plain=p, gradient=True)[1] for p in (False, True))
    np.testing.assert_allclose(stable, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "activation", "y"),
    [
        ("cross_entropy", bp.sigmoid, [[0.0, 1.0]]),
        ("binary_crossentropy", bp.sigmoid, [[0.0, 1.0]]),
        ("categorical_crossentropy", bp.softmax, [[0.0, 1.0]]),
        ("sparse_categorical_crossentropy", bp.softmax, [1]),
    ],
)
def test_the_stable_form_survives_saturation(loss, activation, y):
    value, gradient = value_of(loss, y, activation, z=[[1000.0, -1000.0]], gradient=True)
    assert np.isfinite(value)
    assert value >= 1000.0
    assert np.isfinite(gradient).all()


def test_the_plain_forms_read_zero_times_log_zero_as_zero():
    y, a = bp.input("y"), bp.input("a")
    for loss in (bp.categorical_crossentropy, bp.binary_crossentropy, bp.cross_entropy):
        f = bp.function([y, a], loss(y, a), gradients=a, dtype="float64", backend="reference")
        value, gradient = f([[0.0, 1.0]], [[0.0, 1.0]])
        assert value == 0.0
        assert np.isfinite(gradient).all()


# --- outputs that are no softmax: each row is divided by its sum

POSITIVE = RANDOM.uniform(0.05, 2.0, size=(6, 4))
SHARES = POSITIVE / POSITIVE.sum(axis=1, keepdims=True)
DISTRIBUTIONS = RANDOM.dirichlet(np.ones(4), size=6)
WEIGHTED = ONE_HOT * RANDOM.uniform(0, 3, size=(6, 1))


def of_outputs(loss, y, a, backend="reference", dtype="float64"):
    """(value, gradient by a) of a loss of outputs that are an input."""
    target, output = bp.input("y"), bp.input("a")
    cost = bp.losses.LOSSES[loss](target, output)
    return bp.function([target, output], cost, gradients=output, dtype=dtype, backend=backend)(y, a)


CATEGORICAL = {
    "labels": ("sparse_categorical_crossentropy", LABELS, ONE_HOT),
    "a column of labels": ("sparse_categorical_crossentropy", LABELS[:, None], ONE_HOT),
    "labels, categorical": ("categorical_crossentropy", LABELS, ONE_HOT),
    "one-hot": ("categorical_crossentropy", ONE_HOT, ONE_HOT),
    "distributions": ("categorical_crossentropy", DISTRIBUTIONS, DISTRIBUTIONS),
    "weighted": ("categorical_crossentropy", WEIGHTED, WEIGHTED),
}


@pytest.mark.parametrize("case", CATEGORICAL)
def test_a_categorical_loss_divides_each_row_of_outputs_by_its_sum(case):
    loss, y, counts = CATEGORICAL[case]
    value, gradient = of_outputs(loss, y, POSITIVE)
    assert value == pytest.approx(-(counts * np.log(SHARES)).sum(axis=1).mean(), rel=1e-13)
    totals = counts.sum(axis=1, keepdims=True) / POSITIVE.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, (totals - counts / POSITIVE) / 6, rtol=1e-12, atol=1e-14)
    for index in np.ndindex(POSITIVE.shape):
        step = np.zeros_like(POSITIVE)
        step[index] = 1e-6
        ends = [of_outputs(loss, y, POSITIVE + sign * step)[0] for sign in (1, -1)]
        assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("case", CATEGORICAL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_categorical_loss_of_outputs_has_equal_bits(case, dtype):
    loss, y, _ = CATEGORICAL[case]
    for outputs in (POSITIVE, SHARES, np.where(POSITIVE > 1, POSITIVE, 0)):
        (value, gradient), (again, other) = (of_outputs(loss, y, outputs, b, dtype) for b in ("core", "reference"))
        assert np.array_equal(value, again, equal_nan=True)
        assert np.array_equal(gradient, other, equal_nan=True)


@pytest.mark.parametrize("case", CATEGORICAL)
def test_a_categorical_loss_does_not_depend_on_the_scale_of_a_row(case):
    loss, y, _ = CATEGORICAL[case]
    scales = 2.0 ** np.arange(6)[:, None]
    assert of_outputs(loss, y, POSITIVE * scales)[0] == of_outputs(loss, y, POSITIVE)[0]


def test_a_row_of_three_equal_outputs_has_the_loss_ln_3():
    for loss, y in (("sparse_categorical_crossentropy", [1]), ("categorical_crossentropy", [[0, 1, 0]])):
        assert of_outputs(loss, y, [[0.2, 0.2, 0.2]])[0] == pytest.approx(np.log(3), rel=1e-15)


def test_a_network_of_sigmoids_learns_classes():
    """The sum of a row in the loss makes the outputs compete; without it, all of them grow to 1."""
    y = np.arange(300) % 3
    x = np.array([[1.0, 0], [2, 2], [3, 0]])[y] + np.random.default_rng(0).normal(size=(300, 2)) / 4
    net = bp.Sequential([bp.Dense(3, activation="sigmoid")])
    net.compile(bp.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x, y, epochs=40, verbose=0)
    assert net.evaluate(x, y)[1] > 0.98


@pytest.mark.parametrize("loss", ["binary_crossentropy", "cross_entropy", "categorical_crossentropy"])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_the_loss_of_outputs_that_are_not_a_number_is_not_a_number(loss, target):
    value, _ = of_outputs(loss, [[target, target]], [[np.nan, np.nan]])
    assert np.isnan(value)


def test_targets_of_one_number_per_row_stand_for_one_output():
    z = Z[:, :1]
    assert value_of("mse", BINARY[:, 0], None, z=z) == pytest.approx(((z[:, 0] - BINARY[:, 0]) ** 2).mean())


@pytest.mark.parametrize("y", [BINARY[:, :1], BINARY[:, 0], BINARY[:, :3]])
def test_no_other_target_is_broadcast(y):
    with pytest.raises(ValueError, match=r"y must have the shape \(rows, 4\) of the outputs, got"):
        value_of("mse", y, None)


@pytest.mark.parametrize(("bad", "shown"), [(4, "4"), (-1, "-1"), (1.5, "1.5"), (np.nan, "nan")])
def test_a_label_that_is_no_class_is_named(bad, shown):
    labels = LABELS.astype(float)
    labels[2] = bad
    with pytest.raises(ValueError, match=rf"y must hold whole labels 0 … 3, got {shown}.* in row 2"):
        value_of("sparse_categorical_crossentropy", labels, bp.softmax)


def test_accuracy_is_chosen_by_the_shapes():
    def accuracy(y, a):
        target, output = bp.input("y"), bp.input("a")
        return bp.function([target, output], bp.accuracy(target, output), backend="reference")(y, a)

    right = float((SOFTMAX.argmax(axis=1) == LABELS).mean())
    assert accuracy(LABELS, SOFTMAX) == pytest.approx(right)
    assert accuracy(LABELS[:, None], SOFTMAX) == pytest.approx(right)
    assert accuracy(ONE_HOT, SOFTMAX) == pytest.approx(right)
    assert accuracy([0, 1, 1, 0], [[0.4], [0.6], [0.5], [0.7]]) == 0.5


def test_unknown_losses_and_metrics_name_the_nearest():
    net = bp.Sequential([bp.Dense(1)])
    with pytest.raises(ValueError, match="did you mean 'mse'"):
        net.compile(loss="msee", backend="reference")
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        net.compile(loss="mse", metrics=["acuracy"], backend="reference")
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        bp.Dense(3, activation="rellu")


# --- gaussian_nll: −ln of the normal distribution's density, by scipy

VARIANCE = RANDOM.uniform(0.1, 3, size=(6, 4))


def gaussian(variance, given, full=True, y=BINARY, a=Z, dtype="float64"):
    """The loss with `variance`, an array or a function of the input v, which is `given`."""
    target, mean, v = bp.input("y"), bp.input("a"), bp.input("v")
    cost = bp.gaussian_nll(target, mean, variance(v) if callable(variance) else variance, full)
    inputs = [target, mean, v] if callable(variance) else [target, mean]
    return bp.function(inputs, cost, dtype=dtype)(*[y, a, given][: len(inputs)])


@pytest.mark.parametrize(
    ("variance", "given", "expected"),
    [
        (None, None, 1.0),
        (0.3, None, 0.3),
        (np.array([0.5, 1.0, 2.0, 4.0]), None, np.array([0.5, 1.0, 2.0, 4.0])),
        (lambda v: v, VARIANCE, VARIANCE),
        (lambda v: v, VARIANCE[:, :1], VARIANCE[:, :1]),
        (lambda v: v, VARIANCE[:, 0], VARIANCE[:, :1]),
        (lambda v: bp.exp(v), np.log(VARIANCE), VARIANCE),
    ],
    ids=["1", "a number", "one for each output", "elements", "a column", "one per row", "learned"],
)
def test_gaussian_nll_is_minus_the_logarithm_of_the_density(variance, given, expected):
    density = -stats.norm.logpdf(BINARY, Z, np.sqrt(expected)).mean()
    assert gaussian(variance, given) == pytest.approx(density, rel=1e-12)
    assert gaussian(variance, given, full=False) == pytest.approx(density - np.log(2 * np.pi) / 2, rel=1e-12)


@pytest.mark.parametrize(("y", "k"), [(BINARY, 4), (BINARY[:, :1], 1), (BINARY[:, 0], 1)])
def test_gaussian_nll_reads_twice_as_many_outputs_as_means_and_log_variances(y, k):
    outputs = np.concatenate([Z[:, :k], np.log(VARIANCE[:, :k])], axis=1)
    density = -stats.norm.logpdf(y.reshape(6, k), Z[:, :k], np.sqrt(VARIANCE[:, :k])).mean()
    assert gaussian(None, None, y=y, a=outputs) == pytest.approx(density, rel=1e-12)


def test_a_network_learns_mean_and_variance_by_name():
    x = np.linspace(-1, 1, 200)
    noise = np.where(x > 0, 0.5, 0.05) * np.where(np.arange(200) % 2, 1, -1)
    net = bp.Sequential([bp.Dense(16, activation="tanh"), bp.Dense(2)], seed=1)
    net.compile(bp.SGD(0.002, momentum=0.9), loss="gaussian_nll")
    net.fit(x[:, None], 2 * x + noise, batch_size=50, epochs=1000, verbose=0)
    mean, log_variance = net.predict([[-0.6], [0.6]]).T
    np.testing.assert_allclose(mean, [-1.2, 1.2], atol=0.15)
    np.testing.assert_allclose(np.exp(log_variance / 2), [0.05, 0.5], rtol=0.35)


@pytest.mark.parametrize("wrong", [0.0, -1.0, [1.0, 0.0], float("nan")])
def test_a_variance_that_is_not_above_zero_is_refused(wrong):
    with pytest.raises(ValueError, match="variance must be above 0, got"):
        bp.gaussian_nll(bp.input("y"), bp.input("a"), wrong)


@pytest.mark.parametrize("given", [VARIANCE[:, :3], VARIANCE[:, :, None]])
def test_a_variance_of_another_shape_is_refused(given):
    with pytest.raises(
        ValueError, match=r"variance must have the shape \(rows, 4\) of the means, or one that broadcasts"
    ):
        gaussian(lambda v: v, given)


def test_gaussian_nll_takes_true_or_false_for_full():
    with pytest.raises(TypeError, match="full must be True or False, got 1"):
        bp.gaussian_nll(bp.input("y"), bp.input("a"), full=1)
