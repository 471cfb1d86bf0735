"""Models of several outputs: a loss, its factor, metrics, targets and weights for each."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import fastbp as bp
import numpy as np
import pytest

RANDOM = np.random.default_rng(6)
ROWS = 50
X = RANDOM.normal(size=(ROWS, 4))
PRICE = X[:, :1] * 2 + 1
KIND = (X[:, 1] > 0).astype(int) + (X[:, 2] > 0)
W = RANDOM.random(ROWS)
BACKENDS = ["core", "reference"]
BOTH = {"price": "mse", "kind": "sparse_categorical_crossentropy"}


def model(form: str = "list", dtype: str = "float64") -> bp.Model:
    x = bp.input("x", (4,))
    hidden = bp.Dense(8, activation="tanh")(x)
    price, kind = bp.Dense(1, name="price")(hidden), bp.Dense(3, activation="softmax", name="kind")(hidden)
    outputs: Any = [price, kind] if form == "list" else {"price": price, "kind": kind}
    return bp.Model(x, outputs, seed=4, dtype=dtype)


def compiled(form: str = "list", dtype: str = "float64", **options: Any) -> bp.Model:
    net = model(form, dtype)
    net.compile(**{"optimizer": bp.SGD(0.1), "loss": BOTH, **options})
    return net


def weights_of(net: bp.Model) -> bytes:
    return b"".join(weight.tobytes() for weight in net.get_weights())


def figures_of(net: bp.Model, weights: dict[str, np.ndarray] | None = None) -> dict[str, float]:
    """In float64 NumPy, of all rows."""
    price, kind = net.predict(X) if isinstance(net.predict(X), list) else net.predict(X).values()
    of_price = weights["price"] if weights else np.ones(ROWS)
    of_kind = weights["kind"] if weights else np.ones(ROWS)
    return {
        "price_loss": (((price - PRICE) ** 2)[:, 0] * of_price).mean(),
        "kind_loss": (-np.log(kind[np.arange(ROWS), KIND]) * of_kind).mean(),
        "price_mae": abs(price - PRICE).mean(),
        "kind_accuracy": (kind.argmax(1) == KIND).mean(),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["list", "dict"])
def test_the_loss_is_the_sum_of_the_losses_times_their_factors(backend, form):
    options = {"loss_weights": {"price": 0.25, "kind": 3.0}, "metrics": {"kind": ["accuracy"], "price": "mae"}}
    net = compiled(form, optimizer=bp.SGD(0.0), backend=backend, **options)
    y = {"kind": KIND, "price": PRICE}
    found = net.fit(X, y, 16, validation_data=(X, y), verbose=0).history
    of_each = figures_of(net)
    expected = {"loss": 0.25 * of_each["price_loss"] + 3 * of_each["kind_loss"], **of_each}
    assert list(found) == [*expected, *(f"val_{name}" for name in expected)]
    for name, value in expected.items():
        assert found[name] == pytest.approx([value], rel=1e-12)
        assert found[f"val_{name}"] == pytest.approx([value], rel=1e-12)
    assert net.evaluate(X, y, return_dict=True) == pytest.approx(expected, rel=1e-12)
    assert net.evaluate(X, y) == pytest.approx(list(expected.values()), rel=1e-12)
    assert net.train_on_batch(X, y, return_dict=True) == pytest.approx(expected, rel=1e-12)
    assert net.loss_and_gradients(X, y)[0] == pytest.approx(expected["loss"], rel=1e-12)


def test_the_gradient_is_that_of_the_sum():
    net = compiled(loss_weights=[0.5, 2.0])
    _, gradients = net.loss_and_gradients(X, [PRICE, KIND])
    weights, step = net.get_weights(), 1e-6
    for which, gradient in enumerate(gradients):
        place = tuple(int(RANDOM.integers(size)) for size in gradient.shape)
        costs = []
        for sign in (1, -1):
            moved = [w.copy() for w in weights]
            moved[which][place] += sign * step
            net.set_weights(moved)
            costs.append(net.evaluate(X, [PRICE, KIND], return_dict=True)["loss"])
        assert gradient[place] == pytest.approx((costs[0] - costs[1]) / (2 * step), rel=1e-5, abs=1e-9)


def test_targets_losses_and_metrics_may_be_lists_or_dicts():
    trained = set()
    for loss, metrics, y in [
        (BOTH, {"kind": ["accuracy"]}, {"price": PRICE, "kind": KIND}),
        (["mse", BOTH["kind"]], [None, "accuracy"], [PRICE, KIND]),
        ({"kind": BOTH["kind"], "price": bp.mse}, [[], ["accuracy"]], (PRICE[:, 0], KIND[:, None])),
    ]:
        net = compiled(loss=loss, metrics=metrics)
        history = net.fit(X, y, 16, epochs=2, verbose=0).history
        trained.add((weights_of(net), str(history)))
    assert len(trained) == 1


def test_one_loss_is_that_of_all_outputs():
    x = bp.input("x", (4,))
    net = bp.Model(x, [bp.Dense(1)(x), bp.Dense(1)(x)])
    net.compile(bp.SGD(0.0), "mse")
    assert net.output_names == ["dense", "dense_1"]
    assert list(net.fit(X, [PRICE, PRICE], verbose=0).history) == ["loss", "dense_loss", "dense_1_loss"]


def test_a_list_of_one_output_takes_a_list_of_one_target():
    x = bp.input("x", (4,))
    net = bp.Model(x, [bp.Dense(1)(x)])
    net.compile(bp.SGD(0.0), ["mse"], metrics=[["mae"]])
    expected = net.evaluate(X, PRICE)
    assert len(expected) == 2
    assert net.evaluate(X, [PRICE]) == net.evaluate(X, {"dense": PRICE}) == expected
    assert [p.shape for p in net.predict(X)] == [(ROWS, 1)]


@pytest.mark.parametrize("loss", [{"price": "mse"}, ["mse", None]])
def test_an_output_may_have_no_loss(loss):
    net = compiled(loss=loss, metrics={"kind": ["accuracy"]})
    history = net.fit(X, {"price": PRICE, "kind": KIND}, verbose=0).history
    assert list(history) == ["loss", "kind_accuracy"]
    net = compiled(loss=loss)
    net.build()
    before = [weight.value.copy() for weight in net.get_layer("kind").weights]
    assert list(net.fit(X, {"price": PRICE}, verbose=0).history) == ["loss"]
    net.fit(X, [PRICE, None], verbose=0)
    for weight, was in zip(net.get_layer("kind").weights, before):
        np.testing.assert_array_equal(weight.value, was)


def test_each_output_has_weights_of_its_rows():
    weights = {"price": W, "kind": W[::-1].copy()}
    net = compiled(optimizer=bp.SGD(0.0), metrics={"price": "mae", "kind": "accuracy"})
    expected = figures_of(net, weights)
    found = net.evaluate(X, [PRICE, KIND], sample_weight=weights, return_dict=True)
    assert found == pytest.approx({"loss": expected["price_loss"] + expected["kind_loss"], **expected}, rel=1e-12)
    assert net.evaluate(X, [PRICE, KIND], sample_weight=[*weights.values()], return_dict=True) == found
    assert net.evaluate(X, [PRICE, KIND], sample_weight=W, return_dict=True)["price_loss"] == found["price_loss"]
    only = net.evaluate(X, [PRICE, KIND], sample_weight={"kind": weights["kind"]}, return_dict=True)
    assert only["kind_loss"] == found["kind_loss"]
    assert only["price_loss"] == pytest.approx(figures_of(net)["price_loss"], rel=1e-12)
    of_class = np.where(KIND == 2, 5.0, 1.0)
    classes = net.evaluate(X, [PRICE, KIND], class_weight={"kind": {2: 5.0}}, return_dict=True)
    assert (
        classes["kind_loss"]
        == net.evaluate(X, [PRICE, KIND], sample_weight={"kind": of_class}, return_dict=True)["kind_loss"]
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_losses_divided_by_their_weights_do_not_depend_on_the_batches(backend):
    weights = {"price": W, "kind": W[::-1].copy()}
    found = []
    for batch_size in (7, 50):
        net = compiled(optimizer=bp.SGD(0.0), loss_reduction="mean_with_sample_weight", l2=0.3, backend=backend)
        history = net.fit(X, [PRICE, KIND], batch_size, sample_weight=weights, verbose=0).history
        found.append({name: value[0] for name, value in history.items()})
    of_each = figures_of(net, weights)
    penalty = 0.3 / (2 * ROWS) * sum((w**2).sum() for w in net.get_weights()[::2])
    price, kind = (ROWS * of_each[f"{name}_loss"] / w.sum() for name, w in weights.items())
    expected = {"loss": price + kind + penalty, "price_loss": price, "kind_loss": kind}
    assert found[0] == pytest.approx(expected, rel=1e-12)
    assert found[1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_target_of_weight_0_changes_no_bit_of_another_output(backend):
    hidden = RANDOM.random(ROWS) > 0.5
    trained = set()
    for bad in (0.0, np.nan, 1e30):
        kind = KIND.astype(float)
        kind[hidden] = bad
        net = compiled(dtype="float32", backend=backend)
        net.fit(X, [PRICE, kind], 8, epochs=2, sample_weight={"kind": 1.0 - hidden}, verbose=0)
        trained.add(weights_of(net))
    assert len(trained) == 1


def test_copies_and_pickles_train_on_alike():
    net = compiled("dict", metrics={"kind": ["accuracy"]}, loss_weights={"kind": 0.5})
    net.fit(X, {"price": PRICE, "kind": KIND}, verbose=0)
    others = [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]
    for each in (net, *others):
        each.fit(X, {"price": PRICE, "kind": KIND}, verbose=0)
    assert len({weights_of(each) for each in (net, *others)}) == 1
    assert set(others[0].predict(X)) == {"price", "kind"}


def test_callbacks_know_the_direction_of_each_outputs_loss():
    net = compiled(metrics={"price": ["mae"], "kind": ["accuracy"]})
    stops = [bp.EarlyStopping(figure, patience=1) for figure in ("val_kind_loss", "price_mae", "val_kind_accuracy")]
    net.fit(X, [PRICE, KIND], epochs=2, validation_split=0.2, callbacks=stops, verbose=0)
    assert [stop.mode for stop in stops] == ["min", "min", "max"]


def test_predictions_have_the_form_of_the_outputs():
    assert [p.shape for p in model().predict(X)] == [(ROWS, 1), (ROWS, 3)]
    assert {name: p.shape for name, p in model("dict").predict(X).items()} == {"price": (ROWS, 1), "kind": (ROWS, 3)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": ["mse"]}, r"loss must be a list of 2, one for each output, or a dict by their names .*got 1 of them"),
        ({"loss": {"prize": "mse"}}, "loss has something for 'prize'.*did you mean 'price'"),
        ({"loss": [None, None]}, "loss must be a name or a function"),
        ({"metrics": ["mae"]}, r"metrics must be a list of 2"),
        ({"metrics": {"price": ["maee"]}}, r"metrics\['price'\] must be one of .*did you mean 'mae'"),
        ({"loss_weights": {"kind": np.inf}}, r"loss_weights\['kind'\] must be finite, got inf"),
        ({"loss_weights": [1.0]}, "loss_weights must be a list of 2"),
        ({"loss_reduction": "none"}, "loss_reduction must make one number"),
        ({"loss_reduction": "average"}, "loss_reduction must be one of"),
    ],
)
def test_what_compile_cannot_use_is_named(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        compiled(**options)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (PRICE, "y must be a list of 2, one for each output"),
        ([PRICE], "y must be a list of 2"),
        ({"price": PRICE}, r"y\['kind'\] must be given"),
        ({"price": PRICE, "kin": KIND}, "y has something for 'kin'.*did you mean 'kind'"),
        ([PRICE, KIND[:3]], "rows"),
        ([PRICE, KIND + 7], r"y\['kind'\] must hold whole labels 0 … 2, got"),
        ([np.ones((ROWS, 2)), KIND], r"y\['price'\] must have the shape"),
    ],
)
def test_targets_that_do_not_fit_are_named(y, message):
    net = compiled()
    with pytest.raises(ValueError, match=message):
        net.fit(X, y, verbose=0)
    assert net._session.steps == 0


def test_backpropagate_is_for_one_output():
    with pytest.raises(TypeError, match="networks of one output, got one of 2"):
        compiled().backpropagate(X, [PRICE, KIND])
