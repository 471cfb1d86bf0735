"""Every named loss and metric gives a value per row, weighs rows and averages them as it is asked to."""

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same
from fastbp.metrics import METRICS
from scipy import special

RANDOM = np.random.default_rng(4)
ROWS, OUTPUTS = 7, 3
Z = RANDOM.normal(size=(ROWS, OUTPUTS)) * 2
P = special.softmax(Z, axis=1)
S = special.expit(Z)
LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
ONE_HOT = np.eye(OUTPUTS)[LABELS]
BITS = (RANDOM.random((ROWS, OUTPUTS)) > 0.5) * 1.0
WEIGHTS = np.array([1.0, 0.5, 3.0, 0.0, 2.0, 0.25, 1.5])
BINARY = -(BITS * np.log(S) + (1 - BITS) * np.log1p(-S))
RATES = np.exp(Z)
TARGETS = RANDOM.uniform(0.2, 3, size=(ROWS, OUTPUTS))
SHARES = RANDOM.dirichlet(np.ones(OUTPUTS), size=ROWS)
SIGNS = 2 * BITS - 1
E = Z - TARGETS
MARGINS = np.maximum(1 - SIGNS * Z, 0)
OTHERS = np.where(ONE_HOT == 1, 0, Z)
LENGTHS = np.linalg.norm(Z, axis=1) * np.linalg.norm(TARGETS, axis=1)
NAMES = sorted({**bp.losses.LOSSES, **METRICS})

# y_true, y_pred as a function of z, the value of each row
ROW_VALUES = {
    bp.mean_squared_error: (BITS, None, ((Z - BITS) ** 2).mean(1)),
    bp.mean_absolute_error: (BITS, None, abs(Z - BITS).mean(1)),
    bp.quadratic: (BITS, None, ((Z - BITS) ** 2).sum(1) / 2),
    bp.gaussian_nll: (BITS, None, ((Z - BITS) ** 2).mean(1) / 2),
    bp.binary_crossentropy: (BITS, bp.sigmoid, BINARY.mean(1)),
    bp.cross_entropy: (BITS, bp.sigmoid, BINARY.sum(1)),
    bp.categorical_crossentropy: (ONE_HOT, bp.softmax, -np.log((P * ONE_HOT).sum(1))),
    bp.sparse_categorical_crossentropy: (LABELS, bp.softmax, -np.log((P * ONE_HOT).sum(1))),
    bp.huber: (TARGETS, None, np.where(abs(E) <= 1, E**2 / 2, abs(E) - 0.5).mean(1)),
    bp.log_cosh: (TARGETS, None, np.log(np.cosh(E)).mean(1)),
    bp.quantile: (TARGETS, None, abs(E).mean(1) / 2),
    bp.mean_absolute_percentage_error: (TARGETS, None, 100 * (abs(E) / TARGETS).mean(1)),
    bp.mean_squared_logarithmic_error: (
        TARGETS,
        bp.exp,
        ((np.log(1 + RATES) - np.log(1 + TARGETS)) ** 2).mean(1),
    ),
    bp.cosine_similarity: (TARGETS, None, -(Z * TARGETS).sum(1) / LENGTHS),
    bp.poisson: (TARGETS, bp.exp, (RATES - TARGETS * Z).mean(1)),
    bp.gamma_deviance: (TARGETS, bp.exp, 2 * (Z - np.log(TARGETS) + TARGETS / RATES - 1).mean(1)),
    bp.tweedie_deviance: (
        TARGETS,
        bp.exp,
        4 * (-2 * TARGETS**0.5 + TARGETS * np.exp(-Z / 2) + np.exp(Z / 2)).mean(1),
    ),
    bp.kl_divergence: (SHARES, bp.softmax, special.rel_entr(SHARES, P).sum(1)),
    bp.hinge: (SIGNS, None, MARGINS.mean(1)),
    bp.squared_hinge: (SIGNS, None, (MARGINS**2).mean(1)),
    bp.categorical_hinge: (LABELS, None, np.maximum(OTHERS.max(1) - (Z * ONE_HOT).sum(1) + 1, 0)),
    bp.accuracy: (LABELS, bp.softmax, (P.argmax(1) == LABELS) * 1.0),
    bp.binary_accuracy: (BITS, bp.sigmoid, ((S > 0.5) == BITS).mean(1)),
    bp.categorical_accuracy: (ONE_HOT, bp.softmax, (P.argmax(1) == LABELS) * 1.0),
    bp.sparse_categorical_accuracy: (LABELS, bp.softmax, (P.argmax(1) == LABELS) * 1.0),
}
REDUCED = {
    "sum_over_batch_size": lambda rows, weights: (rows * weights).sum() / len(rows),
    "mean": lambda rows, weights: (rows * weights).sum() / len(rows),
    "sum": lambda rows, weights: (rows * weights).sum(),
    "mean_with_sample_weight": lambda rows, weights: (rows * weights).sum() / weights.sum(),
    "none": lambda rows, weights: rows * weights,
    None: lambda rows, weights: rows * weights,
}


def value_of(function, y, activation, weights=None, reduction="mean", backend="reference", dtype="float64", z=Z):
    """The value and, of a number, the gradient by z."""
    target, logits, weight = bp.input("y"), bp.input("z"), bp.input("w")
    output = logits if activation is None else activation(logits)
    options = {} if weights is None else {"sample_weight": weight}
    value = function(target, output, reduction=reduction, **options)
    inputs, data = [target, logits], [y, z]
    if weights is not None:
        inputs, data = [*inputs, weight], [*data, weights]
    per_row = reduction in (None, "none")
    f = bp.function(inputs, value, gradients=None if per_row else [logits], dtype=dtype, backend=backend)
    return f(*data)


def test_every_loss_and_metric_is_looked_at():
    assert {METRICS[name] for name in NAMES} == set(ROW_VALUES)


@pytest.mark.parametrize("function", ROW_VALUES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_weighted_and_averaged(function, reduction, weighted):
    y, activation, rows = ROW_VALUES[function]
    found = value_of(function, y, activation, WEIGHTS if weighted else None, reduction)
    value = found if reduction in (None, "none") else found[0]
    expected = REDUCED[reduction](rows, WEIGHTS if weighted else np.ones(ROWS))
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("function", ROW_VALUES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_of_one_changes_no_bit(function, dtype):
    y, activation, _ = ROW_VALUES[function]
    plain = value_of(function, y, activation, dtype=dtype)
    weighted = value_of(function, y, activation, np.ones(ROWS), dtype=dtype)
    assert_same(weighted[0], plain[0])
    assert_same(weighted[1][0], plain[1][0])


@pytest.mark.parametrize("function", ROW_VALUES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_core_and_reference_weigh_alike(function, reduction, dtype):
    y, activation, _ = ROW_VALUES[function]
    core, reference = (
        value_of(function, y, activation, WEIGHTS, reduction, backend, dtype) for backend in ("core", "reference")
    )
    if reduction in (None, "none"):
        assert_same(core, reference)
    else:
        assert_same(core[0], reference[0])
        assert_same(core[1][0], reference[1][0])


@pytest.mark.parametrize("name", sorted(bp.losses.LOSSES))
@pytest.mark.parametrize("reduction", ["mean", "sum", "mean_with_sample_weight"])
def test_the_gradient_is_that_of_finite_differences(name, reduction):
    function = bp.losses.LOSSES[name]
    y, activation, _ = ROW_VALUES[function]
    gradient = value_of(function, y, activation, WEIGHTS, reduction)[1][0]
    step = 1e-6
    for row, column in np.ndindex(Z.shape):
        up, down = Z.copy(), Z.copy()
        up[row, column] += step
        down[row, column] -= step
        slope = (
            value_of(function, y, activation, WEIGHTS, reduction, z=up)[0]
            - value_of(function, y, activation, WEIGHTS, reduction, z=down)[0]
        ) / (2 * step)
        assert gradient[row, column] == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("function", ROW_VALUES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_of_weight_0_counts_nothing_whatever_it_holds(function, bad):
    y, activation, _ = ROW_VALUES[function]
    spoilt = Z.copy()
    spoilt[WEIGHTS == 0] = bad
    for reduction in ("mean", "sum", "mean_with_sample_weight"):
        assert_same(
            np.float64(value_of(function, y, activation, WEIGHTS, reduction, z=spoilt)[0]),
            np.float64(value_of(function, y, activation, WEIGHTS, reduction)[0]),
        )


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("name", sorted({function.__name__ for function in bp.losses.LOSSES.values()}))
def test_what_a_row_of_weight_0_holds_changes_no_training(name, backend):
    y, activation, _ = ROW_VALUES[bp.losses.LOSSES[name]]

    def trained(spoilt):
        x, targets = Z.copy(), y.astype(float)
        x[WEIGHTS == 0] = targets[WEIGHTS == 0] = spoilt
        net = bp.Sequential([bp.Dense(OUTPUTS, bp.softplus if activation is bp.exp else activation)], seed=1)
        net.compile(bp.SGD(0.01), name, backend=backend)
        net.fit(x, targets, batch_size=4, epochs=3, sample_weight=WEIGHTS, verbose=0)
        return net.get_weights()

    for mine, theirs in zip(trained(np.nan), trained(1.0)):
        assert np.isfinite(mine).all()
        assert_same(mine, theirs)


def test_weights_that_are_all_0_give_0():
    for reduction in ("mean", "sum", "mean_with_sample_weight"):
        value, gradients = value_of(bp.mse, BITS, None, np.zeros(ROWS), reduction)
        assert value == 0
        assert not np.any(gradients[0])


def test_weights_may_be_a_column_or_one_number():
    column = value_of(bp.mse, BITS, None, WEIGHTS[:, None], "mean_with_sample_weight")
    assert_same(column[0], value_of(bp.mse, BITS, None, WEIGHTS, "mean_with_sample_weight")[0])
    y, z = bp.input("y"), bp.input("z")
    for reduction, factor in (("mean", 2), ("mean_with_sample_weight", 1)):
        cost = bp.mse(y, z, sample_weight=2.0, reduction=reduction)
        value = bp.function([y, z], cost, dtype="float64", backend="reference")(BITS, Z)
        assert value == pytest.approx(factor * ((Z - BITS) ** 2).mean())


def test_outputs_of_several_axes_are_averaged_over_a_row():
    y, z, w = bp.input("y"), bp.input("z"), bp.input("w")
    data = RANDOM.normal(size=(2, ROWS, 4, 5))
    value = bp.mse(y, z, sample_weight=w, reduction=None)
    found = bp.function([y, z, w], value, dtype="float64", backend="reference")(*data, WEIGHTS)
    np.testing.assert_allclose(found, WEIGHTS * ((data[0] - data[1]) ** 2).mean(axis=(1, 2)), rtol=1e-12)


def test_keras_idiom_of_a_factor_per_row_is_refused_and_the_right_one_trains():
    y, p = bp.input("y"), bp.sigmoid(bp.parameter(0.0, name="b") + 0 * bp.input("x"))
    data = {"x": np.zeros(4), "y": [1.0, 0.0, 1.0, 0.0]}
    for cost in (
        (1 + 9 * y) * bp.binary_crossentropy(y, p),
        bp.binary_crossentropy(y, p) * y,
        (2 * bp.binary_crossentropy(y, p) + 1) * y,
        bp.binary_crossentropy(y, p) / (1 + y),
        -bp.accuracy(y, p) * y,
    ):
        with pytest.raises(ValueError, match=r"one number for all rows.*\(…, reduction=None\)"):
            bp.minimize(bp.mean(cost), data, bp.SGD(1.0))
    b = bp.parameter(0.0, name="b")
    p = bp.sigmoid(b + 0 * bp.input("x"))
    bp.minimize(bp.mean((1 + 9 * y) * bp.binary_crossentropy(y, p, reduction=None)), data, bp.SGD(1.0), epochs=200)
    assert special.expit(float(b.value)) == pytest.approx(10 / 11, abs=1e-3)


def test_what_is_no_product_with_rows_is_allowed():
    y, z = bp.input("y"), bp.input("z")
    half = 0.5 * bp.mse(y, z) + bp.sum(bp.mse(y, z)) * bp.mean(z)
    assert np.isfinite(bp.function([y, z], half, backend="reference")(BITS, Z))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"reduction": "sum_over_batch"}, ValueError, "reduction must be one of .*did you mean 'sum_over_batch_size'"),
        ({"reduction": 1}, TypeError, "reduction must be a name or None, got 1"),
        ({"sample_weights": 1}, TypeError, "no argument 'sample_weights': did you mean 'sample_weight'"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        bp.mse(bp.input("y"), bp.input("z"), **options)


def test_weights_of_a_wrong_shape_are_named():
    with pytest.raises(ValueError, match=r"sample_weight must hold one number per row, of shape \(rows,\), got"):
        value_of(bp.mse, BITS, None, np.ones((ROWS, OUTPUTS)))
    w = bp.parameter(np.ones(3), name="w")
    s = bp.input("s")
    with pytest.raises(ValueError, match="weighs rows, but the loss gives one number for all"):
        bp.function([s], bp.mse(np.ones(3), w, sample_weight=s))(np.ones(4))
