"""`trainable` of weights, layers and models is read when training starts, whenever it was set."""

import fastbp as bp
import numpy as np
import pytest

X = np.random.default_rng(5).normal(size=(20, 3)).astype(np.float32)
Y = X[:, :1] * 2 - 1


@pytest.fixture(params=["reference", "core"])
def backend(request):
    return request.param


def network(backend, optimizer=None, **options):
    net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dense(1)], seed=2)
    net.compile(optimizer or bp.SGD(0.1, momentum=0.9), "mse", backend=backend, **options)
    net.build((3,))
    return net


def changed(net, train=None):
    """Which weights a fit changes."""
    before = net.get_weights()
    (train or net).fit(X, Y, batch_size=5, verbose=0)
    return [bool((a != b).any()) for a, b in zip(before, net.get_weights())]


def test_a_layer_frozen_after_compile_and_fit_is_not_trained_and_can_be_thawed(backend):
    net = network(backend)
    assert changed(net) == [True] * 4
    net.layers[0].trainable = False
    assert changed(net) == [False, False, True, True]
    net.layers[0].trainable = True
    assert changed(net) == [True] * 4
    net.layers[1].bias.trainable = False
    assert changed(net) == [True, True, True, False]


def test_a_layer_made_frozen_can_be_thawed(backend):
    net = bp.Sequential([bp.Dense(4, trainable=False), bp.Dense(1)])
    net.compile(loss="mse", backend=backend)
    net.build((3,))
    assert changed(net) == [False, False, True, True]
    net.layers[0].trainable = True
    assert changed(net) == [True] * 4


@pytest.mark.parametrize("when", ["before building", "after building"])
def test_a_frozen_layer_freezes_the_layers_in_it(backend, when):
    class Outer(bp.Layer):
        def __init__(self):
            super().__init__()
            self.dense = bp.Dense(2)
            self.free = bp.parameter(1.0)

        def call(self, x):
            return self.dense(x) * self.free

    net = bp.Sequential([Outer(), bp.Dense(1)])
    net.compile(loss="mse", backend=backend)
    if when == "before building":
        net.layers[0].trainable = False
        net.build((3,))
    else:
        net.build((3,))
        net.layers[0].trainable = False
    assert changed(net) == [False, False, False, True, True]


def test_a_frozen_model_is_frozen_wherever_its_layers_are(backend):
    x = bp.input("x", (3,))
    base = bp.Model(x, bp.Dense(4, activation="tanh")(x))
    base.trainable = False
    for net in (bp.Sequential([base, bp.Dense(1)]), bp.Model(base.inputs, bp.Dense(1)(base.outputs[0]))):
        net.compile(bp.SGD(0.1), "mse", backend=backend)
        net.build()
        assert changed(net) == [False, False, True, True]
        assert len(net.trainable_weights) == 2
    base.trainable = True
    assert changed(net) == [True] * 4


def test_a_model_frozen_whole_cannot_be_trained(backend):
    net = network(backend)
    net.trainable = False
    with pytest.raises(ValueError, match="no trainable weights"):
        net.fit(X, Y, verbose=0)
    net.trainable = True
    net.fit(X, Y, verbose=0)


def test_frozen_weights_are_not_penalised_and_keep_their_velocity(backend):
    net, twin = network(backend), network(backend)
    for model in (net, twin):
        model.fit(X, Y, verbose=0, batch_size=20)
    velocities = {id(w): v for w, v in net._session.past.state().arrays["velocity"].items()}
    net.layers[0].trainable = False
    net.fit(X, Y, verbose=0, batch_size=20)
    for weight, velocity in net._session.past.state().arrays["velocity"].items():
        assert (velocities[id(weight)].tobytes() == velocity.tobytes()) == (weight.name.startswith("dense/"))
    frozen = network(backend, l2=3.0)
    with_kernel = frozen.evaluate(X, Y)
    frozen.layers[1].trainable = False
    kernel = frozen.get_weights()[2]
    assert with_kernel - frozen.evaluate(X, Y) == pytest.approx(3.0 / 40 * (kernel**2).sum(), rel=1e-4)


@pytest.mark.parametrize("regularizer", [bp.L2(0.3), bp.L1(0.3), bp.L1(0.3, proximal=True), lambda w: bp.sum(w**4)])
def test_the_loss_has_the_penalties_of_trained_weights_alone(backend, regularizer):
    dense = [bp.Dense(2, kernel_regularizer=regularizer, bias_regularizer=regularizer, bias_initializer="ones")
             for _ in range(2)]  # fmt: skip
    net = bp.Sequential(dense, dtype="float64")
    net.compile(bp.SGD(0.1), "mse", backend=backend)
    y = Y[:, [0, 0]]
    net.build((3,))
    penalties = [float(bp.function([], regularizer(w), dtype="float64")()) for w in net.trainable_weights]
    loss = ((net.predict(X) - y) ** 2).mean()
    assert net.evaluate(X, y) == pytest.approx(loss + sum(penalties))
    dense[0].trainable = False
    assert net.evaluate(X, y) == pytest.approx(loss + sum(penalties[2:]))
    frozen = net.loss_and_gradients(X, y)[1]
    dense[1].bias.trainable = False
    assert net.evaluate(X, y) == pytest.approx(loss + penalties[2])
    net.trainable = False
    assert net.evaluate(X, y) == pytest.approx(loss)
    free = bp.Sequential([bp.Dense(2), bp.Dense(2)], dtype="float64")
    free.build((3,))
    free.set_weights(net.get_weights())
    free.compile(loss="mse", backend=backend)
    np.testing.assert_allclose(frozen[0], free.loss_and_gradients(X, y)[1][0], rtol=1e-12)
    net.trainable = dense[0].trainable = dense[1].bias.trainable = True
    assert net.evaluate(X, y) == pytest.approx(loss + sum(penalties))


def test_momentum_set_between_targets_of_two_shapes_starts_at_zero(backend):
    labels = np.arange(20) % 3
    results = []
    for later_targets in (np.eye(3)[labels], labels):  # the same targets, in another shape or not
        net = bp.Sequential([bp.Dense(3, activation="softmax")])
        net.compile(bp.SGD(0.1), "categorical_crossentropy", backend=backend)
        net.fit(X, labels, verbose=0)
        net.optimizer.momentum = 0.9
        net.fit(X, later_targets, verbose=0)
        net.optimizer.momentum = 0.0
        net.fit(X, labels, verbose=0)
        results.append([weight.tobytes() for weight in net.get_weights()])
    assert results[0] == results[1]


def test_the_summary_counts_what_is_trained(backend):
    net, lines = network(backend), []
    net.layers[0].trainable = False
    net.summary(print_fn=lines.append)
    assert lines[-1].endswith("trainable 5, others 16")


def test_minimize_spares_frozen_layers(backend):
    x = bp.input("x", (3,))
    frozen, free = bp.Dense(2, trainable=False), bp.Dense(1)
    run = bp.minimize(bp.mean(free(frozen(x)) ** 2), {"x": X}, bp.SGD(0.1), backend=backend)
    assert [w.name for w in run.parameters] == ["dense_1/kernel", "dense_1/bias"]


def test_a_layer_whose_class_computes_whether_it_is_trained_is_asked_each_time(backend):
    class Alternating(bp.Dense):
        frozen = False

        @property
        def trainable(self):
            return not Alternating.frozen

        @trainable.setter
        def trainable(self, value):
            pass

    net = bp.Sequential([bp.Input((4,)), Alternating(3), bp.Dense(2)])
    net.compile(bp.SGD(0.1), "mse", backend=backend)
    x, y = np.ones((5, 4), np.float32), np.zeros((5, 2), np.float32)
    net.train_on_batch(x, y)
    for Alternating.frozen in (True, False):
        before = net.get_weights()
        net.train_on_batch(x, y)
        moved = [bool((new != old).any()) for new, old in zip(net.get_weights(), before)]
        assert moved == [not Alternating.frozen, not Alternating.frozen, True, True]


@pytest.mark.parametrize("name", ["learning_rate_multiplier", "weight_decay_multiplier"])
@pytest.mark.parametrize("of", ["layer", "weight", "model"])
def test_a_multiplier_holds_from_the_next_call_on(backend, name, of):
    inner = bp.Sequential([bp.Dense(3, kernel_initializer="ones")])
    x = bp.input("x", (4,))
    net = bp.Model(x, inner(x))
    net.compile(bp.SGD(0.1, weight_decay=0.5), "mse", backend=backend)
    data = np.ones((5, 4), np.float32), np.full((5, 3), 4.0, np.float32)  # the errors are 0: decay alone moves weights
    net.train_on_batch(*data)
    thing = {"layer": inner.layers[0], "weight": net.weights[0], "model": inner}[of]
    before = net.get_weights()[0]
    setattr(thing, name, 0.0)
    net.set_weights([np.ones((4, 3)), np.zeros(3)])
    net.train_on_batch(*data)
    assert (net.get_weights()[0] == 1.0).all()
    setattr(thing, name, 1.0)
    net.train_on_batch(*data)
    assert (net.get_weights()[0] < 1.0).all()
    assert (before < 1.0).all()


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_an_optimisers_numbers_hold_from_the_next_call_on(backend, rate):
    net = bp.Sequential([bp.Input((4,)), bp.Dense(2)])
    net.compile(bp.SGD(0.1), "mse", backend=backend)
    x, y = np.ones((5, 4), np.float32), np.ones((5, 2), np.float32)
    for _ in range(3):
        net.train_on_batch(x, y)
    before = net.get_weights()[0]
    net.optimizer.learning_rate = rate
    net.train_on_batch(x, y)
    assert (net.get_weights()[0] == before).all() == (rate == 0.0)
