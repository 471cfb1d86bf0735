"""Weights of rows and of classes, in every call that takes them: against float64 NumPy and repeated rows."""

from __future__ import annotations

import math
from typing import Any

import fastbp as bp
import numpy as np
import pytest

RANDOM = np.random.default_rng(5)
ROWS = 60
X = RANDOM.normal(size=(ROWS, 4))
CLASS = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
Y = CLASS[:, None].astype(float)
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 2] > 0)
W = RANDOM.random(ROWS) * 3
ZEROS = W * (RANDOM.random(ROWS) > 0.3)
BACKENDS = ["core", "reference"]
OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.1, weight_decay=0.01),
    "momentum": lambda: bp.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: bp.AdamW(0.05, clipnorm=1.0),
    "accumulated": lambda: bp.Adam(0.05, gradient_accumulation_steps=3),
    "average": lambda: bp.RMSprop(0.01, use_ema=True),
}


def network(backend: str = "core", dtype: str = "float64", outputs: int = 1, **options: Any) -> bp.Sequential:
    last = bp.Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax")
    net = bp.Sequential([bp.Input((4,)), bp.Dense(6, activation="tanh"), last], seed=2, dtype=dtype)
    loss = "binary_crossentropy" if outputs == 1 else "sparse_categorical_crossentropy"
    options = {"optimizer": bp.SGD(0.2), "loss": loss, **options}
    net.compile(backend=backend, **options)
    return net


def weights_of(net: bp.Model) -> bytes:
    return b"".join(weight.tobytes() for weight in net.get_weights())


def state_of(net: bp.Model) -> dict[str, list[bytes]]:
    """The optimiser's states and counters."""
    state = net._session.past.trainer.state()
    return {name: [np.asarray(value).tobytes() for value in values] for name, values in state.items()}


def row_losses(net: bp.Model) -> np.ndarray:
    p = net.predict(X)[:, 0].astype(float)
    return -(CLASS * np.log(p) + (1 - CLASS) * np.log(1 - p))


# --- values


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("reduction", "divisor"),
    [(None, ROWS), ("sum_over_batch_size", ROWS), ("mean_with_sample_weight", W.sum()), ("sum", 1)],
)
def test_the_loss_of_weighted_rows_is_the_formulas(backend, reduction, divisor):
    net = network(backend, loss_reduction=reduction)
    expected = (row_losses(net) * W).sum() / divisor
    assert net.evaluate(X, Y, sample_weight=W) == pytest.approx(expected, rel=1e-12)
    assert net.loss_and_gradients(X, Y, sample_weight=W)[0] == pytest.approx(expected, rel=1e-12)
    assert net.train_on_batch(X, Y, sample_weight=W) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("batch_size", [7, 32, 60])
def test_figures_of_an_epoch_do_not_depend_on_the_batches(batch_size):
    metrics = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy", "mse"]}
    net = network(optimizer=bp.SGD(0.0), loss_reduction="mean_with_sample_weight", l2=0.5, **metrics)
    penalty = 0.5 / (2 * ROWS) * sum((w**2).sum() for w in net.get_weights()[::2])
    p = net.predict(X)[:, 0]
    right = (p > 0.5) == CLASS
    expected = {
        "loss": (row_losses(net) * W).sum() / W.sum() + penalty,
        "accuracy": right.mean(),
        "weighted_accuracy": (right * W).sum() / W.sum(),
        "mse": ((p - CLASS) ** 2 * W).sum() / W.sum(),
    }
    history = net.fit(
        X, Y, batch_size, epochs=2, sample_weight=W, validation_data=(X, Y, W), validation_batch_size=11, verbose=0
    ).history
    assert list(history) == [*expected, *(f"val_{name}" for name in expected)]
    for name, value in expected.items():
        assert history[name] == pytest.approx([value] * 2, rel=1e-12)
        assert history[f"val_{name}"] == pytest.approx([value] * 2, rel=1e-12)
    evaluated = net.evaluate(X, Y, batch_size, sample_weight=W, return_dict=True)
    assert evaluated == pytest.approx(expected, rel=1e-12)


def test_figures_of_a_step_and_of_hooks_are_weighted():
    seen: list[dict[str, float]] = []
    watch = bp.LambdaCallback(on_train_batch_end=lambda _, logs: seen.append(dict(logs)))
    net = network(optimizer=bp.SGD(0.0), weighted_metrics=["mse"], loss_reduction="mean_with_sample_weight")
    net.fit(X, Y, 25, sample_weight=W, shuffle=False, callbacks=[watch], verbose=0)
    p = net.predict(X)[:, 0]
    for end, logs in zip((25, 50, 60), seen):  # running means
        expected = ((p - CLASS) ** 2 * W)[:end].sum() / W[:end].sum()
        assert logs["mse"] == pytest.approx(expected, rel=1e-12)
    tested: list[dict[str, float]] = []
    watch = bp.LambdaCallback(on_test_batch_end=lambda _, logs: tested.append(dict(logs)))
    net.evaluate(X, Y, 25, sample_weight=W, callbacks=[watch])
    assert [logs["mse"] for logs in tested] == pytest.approx([logs["mse"] for logs in seen], rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean_with_sample_weight", "sum"])
def test_whole_weights_are_repeated_rows(reduction):
    counts = RANDOM.integers(0, 4, ROWS)
    net = network(loss_reduction=reduction)
    loss, gradients = net.loss_and_gradients(X, Y, sample_weight=counts)
    repeated, of_repeated = net.loss_and_gradients(np.repeat(X, counts, 0), np.repeat(Y, counts, 0))
    assert loss == pytest.approx(repeated, rel=1e-12)
    for mine, theirs in zip(gradients, of_repeated):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-14)


def test_weights_of_one_change_no_bit():
    plain, weighted = network(dtype="float32"), network(dtype="float32")
    plain.fit(X, Y, 16, epochs=3, verbose=0)
    weighted.fit(X, Y, 16, epochs=3, sample_weight=np.ones(ROWS), verbose=0)
    assert weights_of(plain) == weights_of(weighted)
    assert plain.history.history["loss"] == weighted.history.history["loss"]


def test_weights_below_0_are_allowed():
    signs = np.where(RANDOM.random(ROWS) > 0.2, 1.0, -0.5)
    net = network()
    assert net.evaluate(X, Y, sample_weight=signs) == pytest.approx((row_losses(net) * signs).mean(), rel=1e-12)


# --- rows of weight 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("metrics", [None, ["accuracy"]])
def test_what_a_row_of_weight_0_holds_changes_no_bit(backend, outputs, metrics):
    y = Y if outputs == 1 else LABELS.astype(float)
    trained = set()
    for x_of_zero, y_of_zero in [(None, None), (np.nan, np.nan), (np.inf, -1.0), (1e38, 1e30)]:
        x_bad, y_bad = X.copy(), y.copy()
        if x_of_zero is not None:
            x_bad[ZEROS == 0], y_bad[ZEROS == 0] = x_of_zero, y_of_zero
        net = network(backend, "float32", outputs, metrics=metrics, optimizer=bp.Adam(0.05))
        history = net.fit(x_bad, y_bad, 8, epochs=3, sample_weight=ZEROS, verbose=0)
        net.train_on_batch(x_bad, y_bad, sample_weight=ZEROS)
        _, gradients = net.loss_and_gradients(x_bad, y_bad, sample_weight=ZEROS)
        trained.add((weights_of(net), str(history.history["loss"]), b"".join(g.tobytes() for g in gradients)))
    assert len(trained) == 1


def test_metrics_without_weights_see_rows_of_weight_0_as_they_are():
    net = network(optimizer=bp.SGD(0.0), metrics=["accuracy"])
    right = (net.predict(X)[:, 0] > 0.5) == CLASS
    history = net.fit(X, Y, 16, sample_weight=ZEROS, verbose=0).history
    assert history["accuracy"] == pytest.approx([right.mean()], rel=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_batch_of_zero_weights_makes_no_update(backend, optimizer):
    net = network(backend, optimizer=OPTIMIZERS[optimizer](), l2=0.1)
    net.fit(X, Y, 16, verbose=0)
    before, steps = weights_of(net), net._session.steps
    state = state_of(net)
    loss = net.train_on_batch(X[:8], Y[:8], sample_weight=np.zeros(8))
    assert weights_of(net) == before
    assert net._session.steps == steps + 1
    assert loss == pytest.approx(0.1 / (2 * ROWS) * sum((w**2).sum() for w in net.get_weights()[::2]))
    assert state_of(net) == state


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_epoch_goes_on_over_batches_of_zero_weights(backend):
    weights = np.ones(ROWS)
    weights[20:40] = 0
    net, alone = (network(backend, optimizer=bp.SGD(0.1, momentum=0.9)) for _ in range(2))
    net.fit(X, Y, 20, sample_weight=weights, shuffle=False, verbose=0)
    for rows in (slice(0, 20), slice(40, 60)):
        alone.train_on_batch(X[rows], Y[rows])
    assert weights_of(net) == weights_of(alone)
    assert net._session.steps == 3


# --- classes


def test_class_weights_are_weights_of_rows():
    by_class = {0: 0.5, 1: 3.0}
    of_rows = np.array([by_class[c] for c in CLASS])
    net = network()
    expected = net.evaluate(X, Y, sample_weight=of_rows)
    assert expected == pytest.approx((row_losses(net) * of_rows).mean(), rel=1e-12)
    assert net.evaluate(X, Y, class_weight=by_class) == expected
    assert net.evaluate(X, CLASS, class_weight=by_class) == expected
    assert net.evaluate(X, Y, class_weight={1: 6.0, 0: 1.0}, sample_weight=np.full(ROWS, 0.5)) == expected
    assert net.loss_and_gradients(X, Y, class_weight=by_class)[0] == pytest.approx(expected, rel=1e-12)
    assert net.train_on_batch(X, Y, class_weight=by_class) == pytest.approx(expected, rel=1e-12)
    one, other = network(), network()
    one.fit(X, Y, 16, epochs=2, class_weight=by_class, verbose=0)
    other.fit(X, Y, 16, epochs=2, sample_weight=of_rows, verbose=0)
    assert weights_of(one) == weights_of(other)


def test_classes_without_a_weight_have_1_and_one_hot_rows_have_a_class():
    of_rows = np.where(LABELS == 2, 4.0, 1.0)
    net = network(outputs=3, loss="categorical_crossentropy")
    expected = net.evaluate(X, np.eye(3)[LABELS], sample_weight=of_rows)
    assert net.evaluate(X, np.eye(3)[LABELS], class_weight={2: 4.0}) == expected
    assert net.evaluate(X, LABELS, class_weight={2: 4}) == expected


def test_rows_that_validate_have_their_weights_but_not_those_of_their_classes():
    net = network(optimizer=bp.SGD(0.0))
    losses = row_losses(net)
    history = net.fit(X, Y, validation_split=0.25, sample_weight=W, class_weight={1: 5.0}, verbose=0).history
    assert history["val_loss"] == pytest.approx([(losses * W)[45:].mean()], rel=1e-12)
    assert history["loss"] == pytest.approx([(losses * W * np.where(CLASS == 1, 5, 1))[:45].mean()], rel=1e-12)
    history = net.fit(X, Y, validation_split=0.25, class_weight={1: 5.0}, verbose=0).history
    assert history["val_loss"] == pytest.approx([losses[45:].mean()], rel=1e-12)
    history = net.fit(
        X, CLASS, validation_split=0.25, stratify=True, class_weight={1: 5.0}, sample_weight=W, verbose=0
    ).history
    drawn = np.sort([*np.flatnonzero(CLASS == 0), *np.flatnonzero(CLASS == 1)])
    assert len(drawn) == ROWS
    assert 0 < history["val_loss"][0] < (losses * W).max()


# --- functions of users


def test_a_users_loss_with_a_value_per_row_is_weighted():
    squares = network(loss=lambda y, a: bp.mean((y - a) ** 2, axis=-1))
    named = network(loss="mse")
    assert squares.evaluate(X, Y, sample_weight=W) == pytest.approx(named.evaluate(X, Y, sample_weight=W), rel=1e-12)
    features = network(loss=lambda y, a: (y - a) ** 2, weighted_metrics=[lambda y, a: bp.abs(y - a)])
    found = features.evaluate(X, Y, sample_weight=W)
    assert found[0] == pytest.approx(named.evaluate(X, Y, sample_weight=W), rel=1e-12)
    p = features.predict(X)[:, 0]
    assert found[1] == pytest.approx((abs(p - CLASS) * W).sum() / W.sum(), rel=1e-12)


@pytest.mark.parametrize("reduction", [None, "mean_with_sample_weight"])
def test_rows_of_an_ignored_class_have_no_share_in_the_figure(reduction):
    labels = np.where(RANDOM.random(ROWS) < 0.3, -1, LABELS)
    loss = bp.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    net = network(outputs=3, loss=loss, loss_reduction=reduction, optimizer=bp.SGD(0.0))
    counts = labels >= 0
    of_rows = -np.log(net.predict(X)[np.arange(ROWS), labels]) * W
    expected = of_rows[counts].sum() / (counts.sum() if reduction is None else W[counts].sum())
    assert net.evaluate(X, labels, 7, sample_weight=W) == pytest.approx(expected, rel=1e-12)
    history = net.fit(X, labels, ROWS, sample_weight=W, verbose=0).history
    assert history["loss"] == pytest.approx([expected], rel=1e-12)


def test_a_loss_of_one_number_cannot_be_weighted():
    net = network(loss=lambda y, a: bp.mse(y, a))
    with pytest.raises(ValueError, match=r"weighs rows, but 'loss' gives one number.*reduction=None"):
        net.fit(X, Y, sample_weight=W, verbose=0)
    assert net.fit(X, Y, verbose=0).history["loss"][0] > 0


# --- minimize


@pytest.mark.parametrize("backend", BACKENDS)
def test_minimize_descends_weighted_losses(backend):
    target = X @ [1.0, -2.0, 0.5, 3.0]
    x, y, s = bp.input("x"), bp.input("y"), bp.input("s")
    w = bp.parameter(np.zeros(4), name="w")
    cost = bp.mse(y, x @ w, sample_weight=s, reduction="mean_with_sample_weight")
    bp.minimize(cost, {"x": X, "y": target, "s": W}, bp.SGD(0.1), epochs=1, dtype="float64", backend=backend)
    expected = 0.1 * 2 * (X * (target * W)[:, None]).sum(0) / W.sum()
    np.testing.assert_allclose(w.value, expected, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_minimize_reads_nothing_of_rows_of_weight_0(backend):
    found = set()
    for bad in (0.0, np.nan, np.inf):
        x, y, s = bp.input("x"), bp.input("y"), bp.input("s")
        w = bp.parameter(np.zeros(4), name="w")
        cost = bp.binary_crossentropy(y, bp.sigmoid(bp.tanh(x @ w)), sample_weight=s) + 0.01 * bp.sum(w**2)
        data = {"x": X.copy(), "y": CLASS.astype(float), "s": ZEROS[:, None]}
        if bad:
            data["x"][ZEROS == 0], data["y"][ZEROS == 0] = bad, bad
        run = bp.minimize(cost, data, bp.SGD(0.1, momentum=0.9), batch_size=8, epochs=3, backend=backend)
        found.add((w.value.tobytes(), str(run.history)))
    assert len(found) == 1
    before = w.value.tobytes()
    bp.minimize(cost, {**data, "s": np.zeros((ROWS, 1))}, bp.SGD(0.1, momentum=0.9), batch_size=8, backend=backend)
    assert w.value.tobytes() == before


def test_minimize_masks_no_rows_that_something_else_reads():
    x, y, s = bp.input("x"), bp.input("y"), bp.input("s")
    w = bp.parameter(0.0, name="w")
    cost = bp.mse(y, x * w, sample_weight=s) + bp.mean(x * w)
    bp.minimize(cost, {"x": [1.0, 2.0], "y": [0.0, 0.0], "s": [1.0, 0.0]}, bp.SGD(1.0), dtype="float64")
    assert w.value == pytest.approx(-1.5)


# --- errors


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_weight": W[:5]}, ValueError, "sample_weight"),
        (
            {"sample_weight": np.full(ROWS, np.nan)},
            ValueError,
            "sample_weight must be finite in float64, got nan in row 0",
        ),
        ({"sample_weight": np.ones((ROWS, 2))}, ValueError, r"sample_weight must hold one number per row.*\(60, 2\)"),
        ({"sample_weight": ["a"] * ROWS}, TypeError, "sample_weight"),
        ({"sample_weight": {"dens": W}}, ValueError, "sample_weight has something for 'dens', but the outputs are"),
        ({"class_weight": {"a": 1.0}}, TypeError, "class_weight must be a dict of label: weight with whole numbers"),
        ({"class_weight": {0: "a"}}, TypeError, "class_weight must be a number, got str"),
        ({"class_weight": {0: math.inf}}, ValueError, "class_weight must be finite, got inf for the label 0"),
        ({"class_weight": [1.0, 2.0]}, TypeError, "class_weight must be a dict of label: weight"),
    ],
)
@pytest.mark.parametrize("call", ["fit", "evaluate", "train_on_batch", "loss_and_gradients"])
def test_wrong_weights_are_named_and_nothing_is_trained(call, options, error, message):
    net = network()
    before = weights_of(net)
    with pytest.raises(error, match=message):
        getattr(net, call)(X, Y, **options)
    assert weights_of(net) == before
    assert net._session.steps == 0


def test_class_weights_need_classes():
    net = network(loss="mse")
    with pytest.raises(ValueError, match="class_weight needs y as labels or as one-hot rows"):
        net.fit(X, X[:, :1], class_weight={0: 2.0}, verbose=0)


def test_a_label_outside_is_refused_where_its_row_counts():
    labels = LABELS.copy()
    labels[[3, 10]] = -1
    weights = np.ones(ROWS)
    weights[3] = 0
    net = network(outputs=3)
    with pytest.raises(ValueError, match=r"y must hold whole labels 0 … 2, got -1 in row 10"):
        net.fit(X, labels, sample_weight=weights, verbose=0)
    weights[10] = 0
    net.fit(X, labels, sample_weight=weights, validation_data=(X, labels, weights), verbose=0)
    assert math.isfinite(net.evaluate(X, labels, sample_weight=weights))
