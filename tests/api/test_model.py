"""Networks: fit, predict, evaluate and the rest behave as in Keras; state carries over from call to call."""

import fastbp as bp
import numpy as np
import pytest

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(50, 5)).astype(np.float32)
LABELS = RANDOM.integers(0, 3, size=50)


@pytest.fixture(params=["reference", "core"])
def backend(request):
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


def network(backend="reference", dropout=0.3, metrics=("accuracy",), optimizer=None, dtype="float32", **options):
    layers = [bp.Dense(8, activation="relu"), bp.Dropout(dropout), bp.Dense(3, activation="softmax")]
    net = bp.Sequential(layers, seed=4, dtype=dtype)
    optimizer = optimizer or bp.SGD(0.1, momentum=0.9, weight_decay=0.01)
    net.compile(optimizer, "categorical_crossentropy", list(metrics), backend=backend, **options)
    return net


def equal_weights(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a.get_weights(), b.get_weights()))


def test_fit_returns_a_history_with_keras_keys(backend):
    net = network(backend)
    history = net.fit(X, LABELS, epochs=3, batch_size=16, validation_split=0.2, verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert [len(v) for v in history.history.values()] == [3] * 4
    assert history.epoch == [0, 1, 2]


def test_both_backends_train_to_the_same_bits():
    pytest.importorskip("fastbp._core")
    nets = [network(name) for name in ("core", "reference")]
    histories = [net.fit(X, LABELS, epochs=3, batch_size=16, verbose=0).history for net in nets]
    assert equal_weights(*nets)
    assert histories[0] == histories[1]
    assert nets[0].evaluate(X, LABELS) == nets[1].evaluate(X, LABELS)


def test_training_learns(backend):
    net = network(backend, dropout=0.0)
    y = (X[:, 0] > 0) * 1 + (X[:, 1] > 0)
    history = net.fit(X, y, epochs=40, batch_size=10, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.85


def test_two_fits_equal_one(backend):
    once, twice = network(backend), network(backend)
    once.fit(X, LABELS, epochs=2, batch_size=16, verbose=0)
    twice.fit(X, LABELS, epochs=1, batch_size=16, verbose=0)
    twice.fit(X, LABELS, epochs=1, batch_size=16, verbose=0)
    assert equal_weights(once, twice)


def test_callbacks_and_validation_change_no_bit(backend):
    plain, watched = network(backend), network(backend)
    a = plain.fit(X, LABELS, epochs=2, batch_size=16, verbose=0).history
    seen = []
    watch = bp.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch), on_epoch_end=lambda epoch, logs: None
    )
    b = watched.fit(X, LABELS, epochs=2, batch_size=16, verbose=0, callbacks=[watch], validation_data=(X, LABELS))
    assert equal_weights(plain, watched)
    assert a["loss"] == b.history["loss"]
    assert seen == [0, 1, 2, 3] * 2


def test_validation_split_equals_data_given_apart(backend):
    split, apart = network(backend, l2=0.1), network(backend, l2=0.1)
    a = split.fit(X, LABELS, epochs=2, validation_split=0.2, verbose=0).history
    b = apart.fit(X[:40], LABELS[:40], epochs=2, validation_data=(X[40:], LABELS[40:]), verbose=0).history
    assert a == b
    assert equal_weights(split, apart)


def test_labels_and_one_hot_targets_train_alike(backend):
    one, other = network(backend, metrics=()), network(backend, metrics=())
    one.fit(X, LABELS, batch_size=16, verbose=0)
    other.fit(X, np.eye(3)[LABELS], batch_size=16, verbose=0)
    for a, b in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_weight_decay_spares_biases():
    optimizer = bp.SGD(0.5, weight_decay=0.1)
    net = bp.Sequential([bp.Dense(2, bias_initializer="ones")], dtype="float64")
    net.compile(optimizer, lambda y, a: bp.sum(a) * 0.0, backend="reference")
    w, b = net.fit(X, LABELS, epochs=0, verbose=0) and net.get_weights()
    net.train_on_batch(X, LABELS)
    np.testing.assert_allclose(net.get_weights()[0], w * 0.95, rtol=1e-15)
    np.testing.assert_array_equal(net.get_weights()[1], b)


def test_the_lectures_penalties_divide_by_the_rows_of_fit(backend):
    y = X[:, :1] * 2
    net = bp.Sequential([bp.Dense(1, bias_initializer="ones")], dtype="float64")
    net.compile(bp.SGD(0.0), "quadratic", l1=0.3, l2=0.7, backend=backend)
    loss = net.fit(X, y, batch_size=25, verbose=0).history["loss"][0]
    w, _ = net.get_weights()
    quadratic = ((net.predict(X) - y) ** 2).sum() / 100
    expected = quadratic + 0.3 / 50 * abs(w).sum() + 0.7 / 100 * (w**2).sum()
    assert loss == pytest.approx(expected, rel=1e-9)
    assert net.evaluate(X, y, batch_size=50) == pytest.approx(expected, rel=1e-9)


def test_loss_and_gradients_are_those_of_the_step(backend):
    net = network(backend, dropout=0.0, optimizer=bp.SGD(0.5), dtype="float64", metrics=())
    loss, gradients = net.loss_and_gradients(X, LABELS)
    before = net.get_weights()
    assert [g.shape for g in gradients] == [w.shape for w in before]
    assert net.train_on_batch(X, LABELS) == loss
    for w, g, after in zip(before, gradients, net.get_weights()):
        np.testing.assert_allclose(after, w - 0.5 * g, rtol=1e-12, atol=1e-15)


def test_every_call_that_trains_draws_dropout_anew():
    net = network()
    losses = [net.loss_and_gradients(X, LABELS)[0] for _ in range(2)]
    assert losses[0] != losses[1]
    assert net.loss_and_gradients(X, LABELS, training=False)[0] == net.loss_and_gradients(X, LABELS, training=False)[0]


def test_predict_needs_no_compile_and_takes_no_rows():
    pytest.importorskip("fastbp._core")
    net = bp.Sequential([bp.Dense(3)])
    assert net.predict(np.zeros((0, 5))).shape == (0, 3)
    assert net.predict(X, batch_size=7).tobytes() == net.predict(X).tobytes()


def test_predict_of_a_row_is_the_row_of_predict(backend):
    net = network(backend)
    whole = net.predict(X)
    assert all(net.predict(X[i : i + 1])[0].tobytes() == whole[i].tobytes() for i in range(0, 50, 9))


def test_evaluate_returns_what_keras_returns(backend):
    net = network(backend)
    loss, accuracy = net.evaluate(X, LABELS)
    assert net.evaluate(X, LABELS, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    assert accuracy == pytest.approx((net.predict(X).argmax(1) == LABELS).mean())
    assert isinstance(network(backend, metrics=()).evaluate(X, LABELS), float)


def test_weights_are_copies_and_can_be_set(backend):
    net = network(backend)
    net.build((None, 5))
    weights = net.get_weights()
    assert [w.shape for w in weights] == [(5, 8), (8,), (8, 3), (3,)]
    weights[0][:] = 7
    assert not (net.get_weights()[0] == 7).any()
    net.set_weights(weights)
    assert (net.get_weights()[0] == 7).all()
    with pytest.raises(ValueError, match=r"weights\[3\] \(dense_1/bias\) must have the shape \(3,\), got \(4,\)"):
        net.set_weights([*[np.zeros_like(w) for w in weights[:3]], np.zeros(4)])
    assert (net.get_weights()[0] == 7).all()


def test_weights_move_with_the_backend():
    pytest.importorskip("fastbp._core")
    net = network("core")
    net.fit(X, LABELS, verbose=0)
    before = net.predict(X)
    net.compile(loss="categorical_crossentropy", backend="reference")
    assert net.predict(X).tobytes() == before.tobytes()


def test_several_inputs_come_as_list_or_dict(backend):
    a, b = bp.input("a"), bp.input("b")
    net = bp.Model([a, b], bp.Dense(2)(bp.concatenate([a, b])))
    net.compile(loss="mse", backend=backend)
    left, right = X[:, :2], X[:, 2:]
    result = net.predict([left, right])
    assert net.predict({"b": right, "a": left}).tobytes() == result.tobytes()
    net.fit({"a": left, "b": right}, X[:, :2], verbose=0)
    with pytest.raises(ValueError, match=r"'c'.*the inputs are 'a', 'b'"):
        net.predict({"a": left, "c": right})
    with pytest.raises(ValueError, match="b has 49 rows, but a has 50"):
        net.predict([left, right[1:]])


def test_several_outputs_are_predicted():
    x = bp.input("x")
    net = bp.Model(x, [x * 2.0, bp.sum(x, axis=-1)])
    net._backend = "reference"
    double, total = net.predict(X)
    assert (double.shape, total.shape) == ((50, 5), (50,))


def test_a_custom_loss_and_metric_are_expressions(backend):
    def pseudo_huber(y, a):
        return bp.sum(bp.sqrt(1 + (a - y) ** 2) - 1, axis=-1)

    def worst(y, a):
        return bp.max(bp.abs(a - y))

    net = bp.Sequential([bp.Dense(1)], dtype="float64")
    net.compile(bp.SGD(0.1), pseudo_huber, [worst, "mae"], backend=backend)
    history = net.fit(X, X[:, :1], epochs=1, batch_size=50, verbose=0).history
    assert list(history) == ["loss", "worst", "mae"]
    error = net.predict(X) - X[:, :1]
    loss, largest, mae = net.evaluate(X, X[:, :1], batch_size=50)
    assert loss == pytest.approx((np.sqrt(1 + error**2) - 1).mean())
    assert (largest, mae) == (pytest.approx(abs(error).max()), pytest.approx(abs(error).mean()))


def test_the_learning_rate_may_be_set_between_epochs(backend):
    net = network(backend)
    net.fit(X, LABELS, verbose=0)
    before = net.get_weights()
    net.optimizer.learning_rate = 0.0
    net.optimizer.momentum = 0.0
    net.fit(X, LABELS, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights()))


def test_a_step_that_is_not_finite_leaves_good_weights(backend):
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(1e30), "mse", backend=backend)
    ended = []
    with pytest.raises(bp.NonFiniteError) as caught:
        net.fit(X, X[:, 0], epochs=5, verbose=0, callbacks=[bp.LambdaCallback(on_train_end=ended.append)])
    assert caught.value.epoch >= 0
    assert all(np.isfinite(w).all() for w in net.get_weights())
    assert not ended  # as in Keras: no hook after an exception


def test_summary_says_parameters_and_bytes_before_anything_runs():
    lines = []
    bp.Sequential([bp.Input((784,)), bp.Dense(10, activation="softmax")], dtype="float64")
    net = network()
    net.summary(print_fn=lines.append)
    assert "Not built" in lines[-1]
    net.build((5,))
    lines.clear()
    net.summary(print_fn=lines.append)
    assert any("dense (Dense)" in line and "(rows, 8)" in line and "48" in line and "192 B" in line for line in lines)
    assert "75" in lines[-1]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda net: net.fit(X[:, :4], LABELS, verbose=0), "x has 4 features, but this network was built for 5"),
        (lambda net: net.fit(X, LABELS[1:], verbose=0), "y has 49 rows, but x has 50"),
        (lambda net: net.fit(X[:0], LABELS[:0], verbose=0), "x must have at least 1 row, got 0"),
        (lambda net: net.fit(X, LABELS + 1, verbose=0), "y must hold whole labels 0 … 2, got 3 in row"),
        (lambda net: net.fit(X, X, verbose=0), r"y must have the shape \(rows, 3\) of the outputs, got \(rows, 5\)"),
        (lambda net: net.fit(X, LABELS, batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda net: net.fit(X, LABELS, verbose=7), "verbose must be"),
        (lambda net: net.fit(X, LABELS, validation_split=1.5), "validation_split must be"),
        (lambda net: net.fit(X, LABELS, validation_data=(X,)), r"a tuple \(x, y\) or"),
        (lambda net: net.fit(X), "y must be given"),
        (lambda net: net.compile("sgdd", "mse"), "did you mean 'sgd'"),
        (lambda net: net.get_layer("dens"), "did you mean 'dense'"),
        (lambda net: bp.Sequential([bp.Dense(1)]).get_weights(), "weights do not exist yet"),
        (lambda net: bp.Sequential([bp.Dense(1)]).fit(X, X), "compiled first"),
    ],
)
def test_what_does_not_fit_is_a_clear_value_error(act, message):
    net = network()
    net.build((5,))
    with pytest.raises(ValueError, match=message):
        act(net)


def test_a_failed_build_leaves_a_model_that_can_be_built():
    net = bp.Sequential([bp.Dense(4), bp.Activation(lambda x: x[:, :9] @ np.ones((7, 2)))])
    net.compile(loss="mse", backend="reference")
    with pytest.raises(ValueError, match="7"):
        net.predict(X)
    assert not net.built
    assert not net.layers[0].built


def two_models():
    """Two models whose layers have the same names."""
    return [
        bp.Sequential([bp.Dense(4, activation="relu"), bp.Dense(2)], seed=seed, name=name)
        for seed, name in enumerate(["a", "b"])
    ]


def test_models_whose_layers_have_the_same_names_join_in_a_third(backend):
    a, b = two_models()
    left, right = bp.input("left", (5,)), bp.input("right", (5,))
    both = bp.Model([left, right], bp.Dense(1)(bp.concatenate([a(left), b(right)])))
    both.compile(bp.SGD(0.1), "mse", backend=backend)
    both.fit([X, -X], X[:, 0], epochs=2, batch_size=10, verbose=0)
    assert len(both.get_weights()) == 10
    joined = np.concatenate([a.predict(X), b.predict(-X)], axis=1)
    kernel, bias = both.get_weights()[-2:]
    np.testing.assert_allclose(both.predict([X, -X]), joined @ kernel + bias, rtol=1e-5, atol=1e-6)
    # The weights are shared, whichever model used them last.
    before = both.predict([X, -X])
    a.set_weights([2 * w for w in a.get_weights()])
    assert both.predict([X, -X]).tobytes() != before.tobytes()


def test_layers_of_two_models_have_different_names_in_a_third():
    a, b = two_models()
    x = bp.input("x", (5,))
    third = bp.Model(x, bp.concatenate([b.layers[0](x), a.layers[0](x), bp.Dense(3)(x), bp.Dense(1, name="mine")(x)]))
    assert third.get_layer("dense") is b.layers[0]
    assert third.get_layer("dense_1") is a.layers[0]
    assert third.get_layer("dense_2") is third.layers[2]
    assert a.get_layer("dense") is a.layers[0]
    lines = []
    third.summary(print_fn=lines.append)
    assert all(any(f"{name} (Dense)" in line for line in lines) for name in ("dense", "dense_1", "dense_2", "mine"))
    with pytest.raises(ValueError, match="name must be unique within a model, got 'mine' twice"):
        bp.Model(x, bp.concatenate([bp.Dense(1, name="mine")(x), bp.Dense(1, name="mine")(x)]))


def test_a_model_is_a_layer_of_a_sequential(backend):
    x = bp.input("x", (5,))
    inner = bp.Model(x, bp.Dense(4, activation="tanh")(x))
    net = bp.Sequential([inner, bp.Dense(3, activation="softmax")])
    net.compile(bp.SGD(0.1), "categorical_crossentropy", backend=backend)
    before = inner.get_weights()
    net.fit(X, LABELS, verbose=0)
    assert any((v != w).any() for v, w in zip(before, inner.get_weights()))
