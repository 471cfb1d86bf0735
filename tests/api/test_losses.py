"""The losses and metrics have Keras' and the lecture's values, in their stable and their plain forms."""

from functools import partial

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same
from scipy import special, stats
from sklearn import metrics as sk

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
    "bce": ("bce", bp.sigmoid, BINARY, BINARY_TERMS.mean()),
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


# --- losses of numbers, counts, distributions and margins: values by SciPy, scikit-learn or the written formula

ANY = RANDOM.normal(size=(6, 4)) * 2
POSITIVE_TARGETS = RANDOM.uniform(0.1, 4.0, size=(6, 4))
COUNTS = RANDOM.poisson(1.5, size=(6, 4)) * 1.0
SIGNS = 2 * BINARY - 1
ONE_TARGET = RANDOM.normal(size=(6, 1))
THREE_QUANTILES = (0.1, 0.5, 0.9)


def pinball(y, a):
    return np.mean([sk.mean_pinball_loss(y[:, 0], a[:, j], alpha=q) for j, q in enumerate(THREE_QUANTILES)])


def cosine(y, a):
    return -((y * a).sum(1) / np.linalg.norm(y, axis=1) / np.linalg.norm(a, axis=1)).mean()


def largest_other(y, a):
    return np.maximum(((1 - y) * a).max(1) - (y * a).sum(1) + 1, 0).mean()


def deviance(power, y, a):
    return sk.mean_tweedie_deviance(y.ravel(), a.ravel(), power=power)


# the loss, y_true, y_pred, its value by other means
NUMBERS = {
    "huber": (bp.huber, ANY, Z, lambda y, a: special.huber(1, a - y).mean()),
    "huber, delta=2.5": (partial(bp.huber, delta=2.5), ANY, Z, lambda y, a: special.huber(2.5, a - y).mean()),
    "log_cosh": (bp.log_cosh, ANY, Z, lambda y, a: np.log(np.cosh(a - y)).mean()),
    "logcosh, a column": (bp.logcosh, ANY[:, :1], Z[:, :1], lambda y, a: np.log(np.cosh(a - y)).mean()),
    "quantile": (bp.quantile, ANY, Z, lambda y, a: sk.mean_pinball_loss(y, a, alpha=0.5)),
    "quantile, q=0.9": (partial(bp.quantile, q=0.9), ANY, Z, lambda y, a: sk.mean_pinball_loss(y, a, alpha=0.9)),
    "quantile, three": (partial(bp.quantile, q=THREE_QUANTILES), ONE_TARGET, Z[:, :3], pinball),
    "mean_absolute_percentage_error": (
        bp.mape,
        ANY,
        Z,
        lambda y, a: 100 * sk.mean_absolute_percentage_error(y, a),
    ),
    "mean_squared_logarithmic_error": (bp.msle, COUNTS, POSITIVE, sk.mean_squared_log_error),
    "cosine_similarity": (bp.cosine_similarity, ANY, Z, cosine),
    "poisson": (bp.poisson, COUNTS, POSITIVE, lambda y, a: (a - special.xlogy(y, a)).mean()),
    "poisson, fractions": (bp.poisson, POSITIVE_TARGETS, POSITIVE, lambda y, a: (a - special.xlogy(y, a)).mean()),
    "gamma_deviance": (
        bp.gamma_deviance,
        POSITIVE_TARGETS,
        POSITIVE,
        lambda y, a: sk.mean_gamma_deviance(y.ravel(), a.ravel()),
    ),
    "tweedie_deviance": (bp.tweedie_deviance, POSITIVE_TARGETS, POSITIVE, partial(deviance, 1.5)),
    **{
        f"tweedie_deviance, power={power}": (
            partial(bp.tweedie_deviance, power=power),
            ANY if power <= 0 else POSITIVE_TARGETS,
            POSITIVE,
            partial(deviance, power),
        )
        for power in (-2.5, -1, 0, 1, 1.2, 2, 3, 3.5)
    },
    "kl_divergence": (bp.kl_divergence, DISTRIBUTIONS, SHARES, lambda y, a: special.rel_entr(y, a).sum(1).mean()),
    "kld, no distributions": (bp.kld, POSITIVE_TARGETS, POSITIVE, lambda y, a: special.rel_entr(y, a).sum(1).mean()),
    "kl_divergence, of a softmax": (
        lambda y, z: bp.kl_divergence(y, bp.softmax(z)),
        DISTRIBUTIONS,
        Z,
        lambda y, z: special.rel_entr(y, special.softmax(z, axis=1)).sum(1).mean(),
    ),
    "hinge": (
        bp.hinge,
        SIGNS,
        Z,
        lambda y, a: np.maximum(1 - y * a, 0).mean(),
    ),
    "hinge, fractions": (bp.hinge, SIGNS * SIGMOID, Z, lambda y, a: np.maximum(1 - y * a, 0).mean()),
    "squared_hinge": (bp.squared_hinge, SIGNS, Z, lambda y, a: (np.maximum(1 - y * a, 0) ** 2).mean()),
    "categorical_hinge": (bp.categorical_hinge, ONE_HOT * 0.9, Z, largest_other),
}


def of_numbers(loss, y, a, backend="core", dtype="float64"):
    """(value, (gradient by y, gradient by a)) of a loss of two inputs."""
    target, output = bp.input("y"), bp.input("a")
    f = bp.function([target, output], loss(target, output), gradients=[target, output], dtype=dtype, backend=backend)
    return f(y, a)


@pytest.mark.parametrize("case", NUMBERS)
def test_a_loss_has_the_value_and_the_gradients_of_its_formula(case):
    loss, y, a, formula = NUMBERS[case]
    value, gradients = of_numbers(loss, y, a)
    assert value == pytest.approx(formula(y, a), rel=1e-12)
    for which, gradient in enumerate(gradients):
        point = [y, a]
        for index in np.ndindex(point[which].shape):
            step = np.zeros_like(point[which])
            step[index] = 1e-6
            if case == "mean_squared_logarithmic_error" and point[which][index] == 0:
                continue  # scikit-learn's ends at 0
            ends = [formula(*(p + sign * step if i == which else p for i, p in enumerate(point))) for sign in (1, -1)]
            slope = (ends[0] - ends[1]) / 2e-6
            assert gradient[index] == pytest.approx(slope, rel=2e-6, abs=2e-8), ("ya"[which], index)


@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_of_numbers_has_equal_bits(case, dtype):
    loss, y, a, _ = NUMBERS[case]
    ends = [0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, np.inf, -np.inf, np.nan]
    for targets, outputs in (
        (y, a),
        (np.resize(ends, y.shape), np.resize(ends[::-1], a.shape)),
        (np.zeros_like(y), np.zeros_like(a)),
    ):
        results = [of_numbers(loss, targets, outputs, backend, dtype) for backend in ("core", "reference")]
        assert_same(results[0][0], results[1][0], case)
        for mine, theirs in zip(results[0][1], results[1][1]):
            assert_same(mine, theirs, case)


def test_the_poisson_loss_is_the_likelihood_without_the_factorial():
    likelihood = stats.poisson.logpmf(COUNTS, POSITIVE) + special.gammaln(COUNTS + 1)
    assert of_numbers(bp.poisson, COUNTS, POSITIVE)[0] == pytest.approx(-likelihood.mean(), rel=1e-12)


def test_the_hinge_is_that_of_scikit_learn():
    assert of_numbers(bp.hinge, SIGNS, Z)[0] == pytest.approx(sk.hinge_loss(SIGNS.ravel(), Z.ravel()), rel=1e-12)


def test_labels_stand_for_one_hot_rows_in_the_categorical_hinge():
    expected = of_numbers(bp.categorical_hinge, ONE_HOT, Z)
    for labels in (LABELS, LABELS[:, None]):
        value, gradients = of_numbers(bp.categorical_hinge, labels, Z)
        assert value == expected[0]
        assert_same(gradients[1], expected[1][1])


def test_0_and_1_are_minus_1_and_1_for_a_hinge():
    for loss in (bp.hinge, bp.squared_hinge):
        zeros, signs = of_numbers(loss, BINARY, Z), of_numbers(loss, SIGNS, Z)
        assert zeros[0] == signs[0]
        assert_same(zeros[1][1], signs[1][1])


LN2 = np.log(2)

# the loss, y, a, its value, its gradient by a; of one row
ENDS = {
    "huber, a large error": (bp.huber, [1.0], [1e30], 1e30, [1.0]),
    "huber, a large error below": (bp.huber, [1.0], [-1e30], 1e30, [-1.0]),
    "huber, a small error": (bp.huber, [0.0], [1e-15], 5e-31, [1e-15]),
    "huber, at delta": (bp.huber, [0.0], [1.0], 0.5, [1.0]),
    "log_cosh, a large error": (bp.log_cosh, [0.0], [-1000.0], 1000 - LN2, [-1.0]),
    "log_cosh, the largest": (bp.log_cosh, [0.0], [3e38], 3e38, [1.0]),
    "log_cosh, a small error": (bp.log_cosh, [0.0], [1e-6], 5e-13, [1e-6]),
    "log_cosh, none": (bp.log_cosh, [2.0], [2.0], 0, [0.0]),
    "log_cosh, infinite": (bp.log_cosh, [0.0], [np.inf], np.inf, [1.0]),
    "quantile, none": (partial(bp.quantile, q=0.9), [2.0], [2.0], 0, [0.0]),
    "mape, of 0": (bp.mape, [0.0], [1.0], np.inf, [np.inf]),
    "mape, 0 of 0": (bp.mape, [0.0], [0.0], np.nan, None),
    "mape, a small target": (bp.mape, [1e-12], [3e-12], 200, [1e14]),
    "msle, no output": (bp.msle, [0.0], [0.0], 0, [0.0]),
    "msle, below 0": (bp.msle, [0.0], [-0.5], LN2**2, [-4 * LN2]),
    "msle, -1": (bp.msle, [0.0], [-1.0], np.inf, [-np.inf]),
    "msle, below -1": (bp.msle, [0.0], [-2.0], np.nan, None),
    "msle, small": (bp.msle, [2e-12], [1e-12], 1e-24, [-2e-12]),
    "cosine, zeros": (bp.cosine_similarity, [[0.0, 0.0]], [[1.0, 2.0]], 0, [[0.0, 0.0]]),
    "cosine, outputs of 0": (bp.cosine_similarity, [[3.0, 4.0]], [[0.0, 0.0]], 0, [[-0.6, -0.8]]),
    "cosine, zeros alone": (bp.cosine_similarity, [[0.0, 0.0]], [[0.0, 0.0]], 0, [[0.0, 0.0]]),
    "cosine, large": (bp.cosine_similarity, [[3e30, 4e30]], [[4e37, 3e37]], -0.96, [[0.0, 0.0]]),
    "cosine, small": (bp.cosine_similarity, [[3e-30, 4e-30]], [[4e-30, 3e-30]], -0.96, [[3.36e28, -4.48e28]]),
    "poisson, 0 and 0": (bp.poisson, [0.0], [0.0], 0, [1.0]),
    "poisson, 0": (bp.poisson, [1.0], [0.0], np.inf, [-np.inf]),
    "poisson, no rate": (bp.poisson, [0.0], [-1.0], np.nan, None),
    "gamma_deviance, a small ratio": (bp.gamma_deviance, [1e-12], [1.0], 2 * (np.log(1e12) - 1), [2.0]),
    "gamma_deviance, a large ratio": (bp.gamma_deviance, [1e12], [1.0], 2e12, [-2e12]),
    "gamma_deviance, near": (bp.gamma_deviance, [1.0], [1 - 2**-12], 2.0**-24, [-(2.0**-11)]),
    "gamma_deviance, 0": (bp.gamma_deviance, [1.0], [0.0], np.nan, None),
    "gamma_deviance, below 0": (bp.gamma_deviance, [1.0], [-1.0], np.nan, None),
    "tweedie_deviance, a target 0": (bp.tweedie_deviance, [0.0], [4.0], 8, [1.0]),
    "tweedie_deviance, 1, a target 0": (partial(bp.tweedie_deviance, power=1), [0.0], [4.0], 8, [2.0]),
    "tweedie_deviance, 1, near": (partial(bp.tweedie_deviance, power=1), [4096.0], [4095.0], 1 / 4096, [-2 / 4095]),
    "tweedie_deviance, below 0": (bp.tweedie_deviance, [1.0], [-4.0], np.nan, None),
    "tweedie_deviance, -1, below 0": (partial(bp.tweedie_deviance, power=-1), [1.0], [-4.0], np.nan, None),
    "tweedie_deviance, 3, below 0": (partial(bp.tweedie_deviance, power=3), [1.0], [-4.0], np.nan, None),
    "kl_divergence, one-hot": (bp.kl_divergence, [[0.0, 1.0]], [[0.5, 0.5]], LN2, [[0.0, -2.0]]),
    "kl_divergence, equal": (bp.kl_divergence, [[0.0, 1.0]], [[0.0, 1.0]], 0, [[0.0, -1.0]]),
    "kl_divergence, impossible": (bp.kl_divergence, [[1.0, 0.0]], [[0.0, 1.0]], np.inf, [[-np.inf, 0.0]]),
    "kl_divergence, logits": (
        lambda y, z: bp.kl_divergence(y, bp.softmax(z)),
        [[1.0, 0.0]],
        [[-1000.0, 1000.0]],
        2000,
        [[-1.0, 1.0]],
    ),
    "hinge, met": (bp.hinge, [1.0], [5.0], 0, [0.0]),
    "hinge, at the margin": (bp.hinge, [-1.0], [-1.0], 0, [0.0]),
    "squared_hinge, at the margin": (bp.squared_hinge, [1.0], [1.0], 0, [0.0]),
    "categorical_hinge, equal outputs": (bp.categorical_hinge, [1], [[2.0, 2.0, 2.0]], 1, [[1.0, -1.0, 0.0]]),
    "categorical_hinge, below 0": (bp.categorical_hinge, [1], [[-9.0, -2.0, -9.0]], 3, [[0.0, -1.0, 0.0]]),
}


@pytest.mark.parametrize("case", ENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_at_zeros_and_extremes(case, dtype):
    loss, y, a, value, gradient = ENDS[case]
    found, (_, slope) = of_numbers(loss, y, a, dtype=dtype)
    close = {"rtol": 1e-3 if "near" in case else 3e-6 if dtype == "float32" else 1e-9, "atol": 1e-44}
    np.testing.assert_allclose(found, value, **close)
    if "cosine, large" in case:
        assert abs(slope).max() < 1e-37
    elif gradient is not None:
        np.testing.assert_allclose(slope, gradient, **close)


@pytest.mark.parametrize("name", sorted({loss.__name__ for loss in bp.losses.LOSSES.values()}))
def test_a_loss_of_targets_or_outputs_that_are_no_numbers_is_none(name):
    if name in ("sparse_categorical_crossentropy",):
        return
    for y, a in (([[np.nan, 0.0, 1.0]], [[0.5, 0.25, 0.25]]), ([[1.0, 0.0, 0.0]], [[0.5, np.nan, 0.5]])):
        assert np.isnan(of_numbers(bp.losses.LOSSES[name], y, a)[0]), (name, y, a)


def test_a_network_learns_three_quantiles():
    x = np.tile(np.linspace(0, 1, 20), 100)[:, None]
    y = 2 * x[:, 0] + np.random.default_rng(0).exponential(1.0, size=len(x))
    net = bp.Sequential([bp.Dense(3)], seed=1)
    net.compile(bp.Adam(0.05), partial(bp.quantile, q=(0.25, 0.5, 0.75)))
    net.fit(x, y, batch_size=100, epochs=60, verbose=0)
    np.testing.assert_allclose((y[:, None] < net.predict(x)).mean(axis=0), [0.25, 0.5, 0.75], atol=0.03)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda y, a: bp.huber(y, a, delta=0), ValueError, "delta must be above 0, got 0.0"),
        (lambda y, a: bp.huber(y, a, delta=np.inf), ValueError, "delta must be finite"),
        (lambda y, a: bp.huber(y, a, "1"), TypeError, "delta must be a number, got str"),
        (lambda y, a: bp.huber(y, a, detla=2.0), TypeError, "no argument 'detla': did you mean 'delta'"),
        (lambda y, a: bp.quantile(y, a, q=1.0), ValueError, "q must be above 0 and below 1, got 1.0"),
        (lambda y, a: bp.quantile(y, a, q=np.nan), ValueError, "q must be above 0 and below 1, got nan"),
        (lambda y, a: bp.quantile(y, a, q=(0.5, 1.5)), ValueError, r"q must hold numbers above 0 and .*\(0.5, 1.5\)"),
        (lambda y, a: bp.quantile(y, a, q=[]), ValueError, "q must hold numbers"),
        (lambda y, a: bp.quantile(y, a, q="0.5"), TypeError, "q must be a number, got str"),
        (lambda y, a: bp.tweedie_deviance(y, a, power=0.5), ValueError, "power must be at most 0 or at least 1"),
        (lambda y, a: bp.tweedie_deviance(y, a, power=np.inf), ValueError, "power must be at most 0 or .* got inf"),
        (lambda y, a: bp.tweedie_deviance(y, a, power=None), TypeError, "power must be a number"),
    ],
)
def test_wrong_options_of_a_loss_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(bp.input("y"), bp.input("a"))


@pytest.mark.parametrize(
    ("loss", "y", "a", "message"),
    [
        (bp.cosine_similarity, ANY[:, 0], Z[:, 0], r"cosine_similarity needs outputs of shape \(rows, features\)"),
        (bp.categorical_hinge, ANY[:, 0], Z[:, 0], r"needs outputs of shape \(rows, classes\), got \(rows,\)"),
        (partial(bp.quantile, q=(0.1, 0.9)), ANY[:, 0], Z, r"y_pred must have the shape \(rows, 2\), one output for"),
        (partial(bp.quantile, q=(0.1, 0.9)), Z[:, :2], Z[:, :2], r"y must have the shape \(rows, 1\) for several"),
        (bp.huber, ANY[:, :2], Z, r"y must have the shape \(rows, 4\)"),
        (bp.categorical_hinge, LABELS + 1, Z, r"y must hold whole labels 0 … 3, got 4"),
    ],
)
def test_shapes_that_do_not_fit_a_loss_are_named(loss, y, a, message):
    with pytest.raises(ValueError, match=message):
        of_numbers(loss, y, a, "reference")


# --- options of the cross entropies

LOGITS = {
    "cross_entropy": (bp.cross_entropy, bp.sigmoid, BINARY),
    "binary_crossentropy": (bp.binary_crossentropy, bp.sigmoid, BINARY),
    "binary_crossentropy, smoothed": (partial(bp.binary_crossentropy, label_smoothing=0.2), bp.sigmoid, BINARY),
    "categorical_crossentropy": (bp.categorical_crossentropy, bp.softmax, ONE_HOT),
    "categorical_crossentropy, labels": (bp.categorical_crossentropy, bp.softmax, LABELS),
    "categorical_crossentropy, smoothed": (
        partial(bp.categorical_crossentropy, label_smoothing=0.2),
        bp.softmax,
        DISTRIBUTIONS,
    ),
    "sparse_categorical_crossentropy": (bp.sparse_categorical_crossentropy, bp.softmax, LABELS),
    "sparse_categorical_crossentropy, ignored": (
        partial(bp.sparse_categorical_crossentropy, ignore_class=2),
        bp.softmax,
        LABELS,
    ),
}


@pytest.mark.parametrize("case", LOGITS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["core", "reference"])
def test_from_logits_is_the_loss_of_their_sigmoid_or_softmax(case, dtype, backend):
    loss, activation, y = LOGITS[case]
    for z in (Z, Z * 1000):
        value, slopes = of_numbers(partial(loss, from_logits=True), y, z, backend, dtype)
        expected, same = of_numbers(lambda t, a: loss(t, activation(a)), y, z, backend, dtype)
        assert_same(value, expected)
        for mine, theirs in zip(slopes, same):
            assert_same(mine, theirs)
    assert np.isfinite(value)


def smoothed(y, s, classes):
    return y * (1 - s) + s / classes


@pytest.mark.parametrize("s", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("from_logits", [False, True])
def test_smoothed_labels_are_drawn_to_the_middle(s, from_logits):
    """Values and gradients by y and a, of the smoothed targets' plain formula."""
    options = {"label_smoothing": s, "from_logits": from_logits}
    a = Z if from_logits else SHARES
    p = special.expit(a) if from_logits else a
    y = smoothed(BINARY, s, 2)
    value, slopes = of_numbers(partial(bp.binary_crossentropy, **options), BINARY, a)
    assert value == pytest.approx(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(), rel=1e-12)
    np.testing.assert_allclose(slopes[0], (1 - s) * (np.log(1 - p) - np.log(p)) / 24, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(slopes[1], (p - y if from_logits else (1 - y) / (1 - p) - y / p) / 24, rtol=1e-9)
    p = special.softmax(a, axis=1) if from_logits else a
    for targets in (ONE_HOT, DISTRIBUTIONS, WEIGHTED):
        y = smoothed(targets, s, 4)
        value, slopes = of_numbers(partial(bp.categorical_crossentropy, **options), targets, a)
        assert value == pytest.approx(-(y * np.log(p)).sum(1).mean(), rel=1e-12)
        np.testing.assert_allclose(slopes[0], -(1 - s) * np.log(p) / 6, rtol=1e-9, atol=1e-15)
        total = y.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(slopes[1], (p * total - y if from_logits else total - y / p) / 6, rtol=1e-9)
    for labels in (LABELS, LABELS[:, None]):
        of_labels = of_numbers(partial(bp.categorical_crossentropy, **options), labels, a)
        of_rows = of_numbers(partial(bp.categorical_crossentropy, **options), ONE_HOT, a)
        assert of_labels[0] == of_rows[0]
        assert_same(of_labels[1][1], of_rows[1][1])


@pytest.mark.parametrize("ignored", [-1, 255, 2])
@pytest.mark.parametrize("backend", ["core", "reference"])
def test_rows_of_an_ignored_class_do_not_count(ignored, backend):
    labels = np.where(LABELS == 2, ignored, LABELS)
    kept = LABELS != 2
    weights = RANDOM.uniform(0.5, 2, size=6)
    rows = np.where(kept, -np.log(SOFTMAX[np.arange(6), LABELS]), 0)
    errors = (SOFTMAX - ONE_HOT) * kept[:, None]
    y, z, w = bp.input("y"), bp.input("z"), bp.input("w")
    loss = partial(bp.sparse_categorical_crossentropy, ignore_class=ignored, from_logits=True)
    for reduction, weight, divisor in (
        ("mean", None, kept.sum()),
        ("mean", w, kept.sum()),
        ("mean_with_sample_weight", None, kept.sum()),
        ("mean_with_sample_weight", w, (weights * kept).sum()),
        ("sum", None, 1),
        ("sum", w, 1),
    ):
        cost = loss(y, z, sample_weight=weight, reduction=reduction)
        f = bp.function([y, z, w], cost + 0 * bp.sum(w), gradients=z, dtype="float64", backend=backend)
        factors = (1 if weight is None else weights) / divisor
        value, slope = f(labels, Z, weights)
        assert value == pytest.approx((rows * factors).sum(), rel=1e-12)
        np.testing.assert_allclose(slope, errors * np.reshape(factors * np.ones(6), (6, 1)), rtol=1e-9, atol=1e-15)
    per_row = bp.function([y, z], loss(y, z, reduction=None), dtype="float64", backend=backend)
    np.testing.assert_allclose(per_row(labels[:, None], Z), rows, rtol=1e-12)


def test_of_ignored_rows_alone_the_loss_is_0_and_teaches_nothing():
    loss = partial(bp.sparse_categorical_crossentropy, ignore_class=-1)
    value, (_, slope) = of_numbers(lambda y, z: loss(y, bp.softmax(z)), np.full(6, -1), Z)
    assert value == 0
    assert not slope.any()


def test_pixels_of_an_ignored_class_do_not_count():
    """Labels of several places in a row: the mean is over all places that count."""
    z = RANDOM.normal(size=(3, 5, 4))
    labels = RANDOM.integers(-1, 4, size=(3, 5))
    loss = partial(bp.sparse_categorical_crossentropy, ignore_class=-1, from_logits=True)
    terms = -np.take_along_axis(special.log_softmax(z, axis=2), np.maximum(labels, 0)[..., None], axis=2)[..., 0]
    assert of_numbers(loss, labels, z)[0] == pytest.approx(terms[labels >= 0].mean(), rel=1e-12)


def test_other_labels_are_refused_beside_an_ignored_one():
    loss = partial(bp.sparse_categorical_crossentropy, ignore_class=-1)
    net = bp.Sequential([bp.Dense(4, "softmax")])
    net.compile("sgd", loss)
    labels = np.array([0, -1, 3, -1, -2, 9])
    with pytest.raises(ValueError, match="y must hold whole labels 0 … 3 or -1, got -2 in row 4"):
        net.fit(Z, labels, verbose=0)
    labels[4:] = -1
    assert np.isfinite(net.fit(Z, labels, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="y must hold whole labels 0 … 3, got -1 in row 1"):
        of_numbers(bp.sparse_categorical_crossentropy, labels, SHARES)


def test_training_skips_ignored_rows():
    """The weights are, to the rounding, those of a training without the rows."""
    x = RANDOM.normal(size=(60, 3))
    labels = RANDOM.integers(-1, 3, size=60)

    def trained(x, y, **options):
        net = bp.Sequential([bp.Dense(3, kernel_initializer="zeros")], dtype="float64")
        net.compile(bp.SGD(0.5), partial(bp.sparse_categorical_crossentropy, from_logits=True, **options))
        net.fit(x, y, batch_size=len(x), epochs=20, verbose=0)
        return net.get_weights()

    for mine, theirs in zip(trained(x, labels, ignore_class=-1), trained(x[labels >= 0], labels[labels >= 0])):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("activation", "loss"),
    [("softmax", "categorical_crossentropy"), ("softmax", "sparse_categorical_crossentropy"),
     ("sigmoid", "binary_crossentropy"), ("sigmoid", "cross_entropy")],
)  # fmt: skip
def test_probabilities_that_are_called_logits_are_doubted(activation, loss):
    net = bp.Sequential([bp.Dense(4, activation)])
    net.compile("sgd", partial(bp.losses.LOSSES[loss], from_logits=True))
    y = LABELS if "sparse" in loss else ONE_HOT
    with pytest.warns(UserWarning, match=f"takes the {activation} of the outputs in .*, which are a {activation} alr"):
        net.fit(Z, y, verbose=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda y, a: bp.bce(y, a, from_logits=1), TypeError, "from_logits must be True or False, got 1"),
        (lambda y, a: bp.bce(y, a, np.ones(3)), TypeError, "from_logits must be True or False"),
        (lambda y, a: bp.bce(y, a, label_smoothing=1.5), ValueError, "label_smoothing must be at most 1, got 1.5"),
        (lambda y, a: bp.bce(y, a, label_smoothing=-0.1), ValueError, "label_smoothing must be finite and at least 0"),
        (lambda y, a: bp.categorical_crossentropy(y, a, False, "a"), TypeError, "label_smoothing must be a number"),
        (
            lambda y, a: bp.sparse_categorical_crossentropy(y, a, ignore_class=0.5),
            TypeError,
            "ignore_class must be a whole number, got 0.5",
        ),
    ],
)
def test_wrong_options_of_a_cross_entropy_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(bp.input("y"), bp.input("a"))
