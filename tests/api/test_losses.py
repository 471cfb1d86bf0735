"""The losses and metrics have Keras' and the lecture's values, in their stable and their plain forms."""

import fastbp as bp
import numpy as np
import pytest
from scipy import special

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
    "binary_crossentropy": ("binary_crossentropy", bp.sigmoid, BINARY, BINARY_TERMS.mean()),
    "cross_entropy": ("cross_entropy", bp.sigmoid, BINARY, BINARY_TERMS.sum() / 6),
    "categorical_crossentropy": ("categorical_crossentropy", bp.softmax, ONE_HOT, SPARSE),
    "categorical_crossentropy, labels": ("categorical_crossentropy", bp.softmax, LABELS, SPARSE),
    "sparse_categorical_crossentropy": ("sparse_categorical_crossentropy", bp.softmax, LABELS, SPARSE),
    "sparse, a column": ("sparse_categorical_crossentropy", bp.softmax, LABELS[:, None], SPARSE),
}


def value_of(loss, y, activation, z=Z, plain=False, gradient=False):
    """Of the loss in float64; `plain` hides the activation from it."""
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
