"""Rows held out by `fit`: the last ones as in Keras, drawn by a seed, or drawn from every class."""

import fastbp as bp
import numpy as np
import pytest

ROWS, CLASSES = 90, 3
Y = np.repeat(np.arange(CLASSES), [60, 20, 10])  # sorted: the last rows are of one class alone
X = np.random.default_rng(0).normal(size=(ROWS, 4)) + Y[:, None]


def held_out_mean(y=Y, **options):
    """The mean target of the rows that validate: it is the loss, whatever the network predicts."""
    row = bp.input("row", (1,))
    net = bp.Model(row, bp.Dense(1, kernel_initializer="zeros")(row))
    net.compile(bp.SGD(0.0), loss=lambda y_true, y_pred: bp.sum(y_true + 0 * y_pred, axis=-1))
    history = net.fit(np.arange(len(y))[:, None], y, epochs=1, verbose=0, **options)
    return history.history["val_loss"][0]


def test_without_a_seed_the_last_rows_validate():
    assert held_out_mean(np.arange(ROWS)[:, None], validation_split=0.2) == np.mean(np.arange(72, 90))


def test_a_seed_draws_rows_from_everywhere_and_always_the_same_ones():
    numbers = np.arange(ROWS)[:, None]
    first, again, other = (held_out_mean(numbers, validation_split=0.2, validation_seed=seed) for seed in (3, 3, 4))
    assert first == again != other
    assert 18 < first < 71  # the mean of 18 rows out of 90, far from both ends


@pytest.mark.parametrize(
    ("y", "loss"),
    [(Y, "sparse_categorical_crossentropy"), (np.eye(CLASSES)[Y], "categorical_crossentropy"), (Y[:, None], "mse")],
    ids=["labels", "one-hot", "column"],
)
def test_every_class_has_its_share_of_the_rows_that_validate(y, loss):
    net = bp.Sequential([bp.Dense(1 if loss == "mse" else CLASSES, activation="sigmoid")])
    net.compile(bp.SGD(0.0), loss=loss)
    held_out = []
    evaluated = net._evaluated
    net._evaluated = lambda data, *rest, **named: (held_out.append(data.targets[0]), evaluated(data, *rest, **named))[1]
    net.fit(X, y, epochs=1, verbose=0, validation_split=0.2, stratify=True)
    labels = np.argmax(held_out[0], axis=1) if loss == "categorical_crossentropy" else np.ravel(held_out[0])
    assert np.bincount(labels.astype(int)).tolist() == [12, 4, 2]


def test_rows_that_validate_are_not_trained_on():
    poison = X.copy()
    seed = 5
    from fastbp.training.splits import drawn_split

    kept, others = drawn_split(Y, 0.2, seed, False)
    assert np.array_equal(np.sort(np.concatenate([kept, others])), np.arange(ROWS))
    assert len(others) == 18
    poison[others] = np.nan  # a row of these in a step would make the weights NaN, and end training
    net = bp.Sequential([bp.Dense(CLASSES, activation="softmax")])
    net.compile(bp.SGD(0.1), "sparse_categorical_crossentropy")
    history = net.fit(poison, Y, epochs=2, verbose=0, validation_split=0.2, validation_seed=seed)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isnan(history.history["val_loss"]).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"validation_seed": 1}, ValueError, "validation_seed and stratify draw the rows of validation_split"),
        ({"stratify": True}, ValueError, "validation_seed and stratify draw the rows of validation_split"),
        ({"stratify": 1, "validation_split": 0.2}, TypeError, "stratify must be True or False, got 1"),
        ({"validation_seed": -1, "validation_split": 0.2}, ValueError, "validation_seed must be at least 0, got -1"),
        ({"stratify": True, "validation_split": 0.001}, ValueError, "validation_split 0.001 leaves 90 of 90 rows"),
    ],
)
def test_what_makes_no_sense_is_an_error(options, error, message):
    net = bp.Sequential([bp.Dense(CLASSES, activation="softmax")])
    net.compile(loss="sparse_categorical_crossentropy")
    with pytest.raises(error, match=message):
        net.fit(X, Y, verbose=0, **options)


def test_numbers_that_are_no_classes_cannot_be_stratified():
    net = bp.Sequential([bp.Dense(1)])
    net.compile(loss="mse")
    with pytest.raises(ValueError, match="stratify needs y as labels or as one-hot rows"):
        net.fit(X, X[:, 0], verbose=0, validation_split=0.2, stratify=True)


@pytest.mark.parametrize("split", ["0.9", "0.1", "0.2", "0.3", "0.7", "0.8", "0.05", "0.95", "0.33", "0.001", "1e-05"])
def test_the_split_is_that_of_the_decimal_number(split: str) -> None:
    from fractions import Fraction
    from math import ceil

    from fastbp.training.splits import split_rows

    for rows in (10, 20, 50, 100, 1000, 12345, 100000):
        held_out = ceil(Fraction(split) * rows)
        if held_out < rows:
            assert split_rows(rows, float(split)) == rows - held_out
            assert split_rows(rows, np.float64(split)) == rows - held_out
