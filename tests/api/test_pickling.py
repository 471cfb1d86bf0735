"""Models, expressions and histories can be pickled and deep-copied; a restored model trains on to the same bits."""

import copy
import io
import os
import pickle
import subprocess
import sys

import fastbp as bp
import numpy as np
import pytest

X = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 3


@pytest.fixture(params=["reference", "core"])
def backend(request):
    return request.param


@pytest.fixture(params=["pickle", "deepcopy"])
def again(request):
    return copy.deepcopy if request.param == "deepcopy" else lambda value: pickle.loads(pickle.dumps(value))


def network(backend):
    """Branches, made in another order than they are used; a nested model; dropout and momentum."""
    x = bp.input("x")
    right = bp.Dense(5, activation="tanh")
    inner = bp.Sequential([bp.Dense(6, activation="relu"), bp.Dropout(0.3)])
    left, second = inner(x), right(x)
    out = bp.Dense(3, activation="softmax", kernel_regularizer=bp.L2(0.01))(bp.concatenate([second, left]))
    net = bp.Model(x, out, seed=6)
    net.compile(bp.SGD(0.1, momentum=0.9), "categorical_crossentropy", ["accuracy"], l2=0.1, backend=backend)
    return net


def train(net, **options):
    return net.fit(X, Y, batch_size=7, epochs=2, verbose=0, **options)


def bits(net):
    return [w.tobytes() for w in net.get_weights()]


def test_a_restored_model_trains_on_to_the_same_bits(backend, again):
    net = network(backend)
    train(net)
    restored = again(net)
    assert restored.built
    assert bits(restored) == bits(net)
    assert [w.name for w in restored.weights] == [w.name for w in net.weights]
    assert restored.evaluate(X, Y) == net.evaluate(X, Y)
    assert train(restored).history == train(net).history
    assert bits(restored) == bits(net)
    restored.layers[-1].trainable = False
    train(restored)
    assert bits(restored)[-2:] == bits(net)[-2:]


def test_a_model_that_was_never_built_or_compiled_is_restored(again):
    net = again(bp.Sequential([bp.Dense(3), bp.Dense(1, kernel_initializer="ones")], seed=4))
    assert not net.built
    assert net.predict(X).tobytes() == bp.Sequential([bp.Dense(3), bp.Dense(1, kernel_initializer="ones")],
                                                     seed=4).predict(X).tobytes()  # fmt: skip


def test_what_is_built_over_a_restored_model_comes_after_it(again):
    net = network("reference")
    net.predict(X)
    restored = again(net)
    x = bp.input("x", (4,))
    over = bp.Model(x, bp.Dense(2)(restored(x)))
    features = bp.Model(restored.inputs, restored.outputs[0] * 2.0)
    assert over.predict(X).shape == (30, 2)
    assert features.predict(X).tobytes() == (2 * net.predict(X)).tobytes()


def test_a_model_is_restored_in_another_process(tmp_path):
    net = network("core")
    train(net)
    (tmp_path / "net").write_bytes(pickle.dumps(net))
    code = """
import pickle, sys
import fastbp as bp
net = pickle.load(open(sys.argv[1], "rb"))
over = bp.Model(net.inputs, net.outputs[0] + 0.0)
assert over.predict([[1.0, 2.0, 3.0, 4.0]]).shape == (1, 3)
print(bp.weights_hash(net.get_weights()))
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "net")], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert done.stdout.strip() == bp.weights_hash(net.get_weights()), done.stderr


def test_deep_networks_are_not_too_deep(again):
    x = bp.input("x", (1,))
    out = x
    for _ in range(3000):
        out = out + 1.0
    assert again(bp.Model(x, out)).predict([[1.0]])[0] == 3001


def test_a_history_has_its_figures_and_no_model(again):
    history = train(network("reference"))
    restored = again(history)
    assert (restored.history, restored.epoch) == (history.history, history.epoch)
    assert restored.model is None
    assert len(pickle.dumps(history)) < 1000


def test_a_parameter_is_restored_with_its_value(again):
    w = bp.parameter([1.0, 2.0], name="w")
    bp.minimize(bp.sum(w**2), optimizer=bp.SGD(0.25), backend="reference")
    restored = again(w)
    assert restored.value.tobytes() == w.value.tobytes()
    assert (restored.name, restored.value.dtype) == ("w", np.float32)
    restored.value = [7.0, 7.0]
    assert w.value[0] == 0.5


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: bp.Sequential([bp.Dense(1, activation=lambda z: z)]), "Dense cannot be pickled: its activation"),
        (
            lambda: bp.Sequential([bp.Dense(1, kernel_initializer=lambda s: np.ones(s))]),
            "cannot be pickled: its function",
        ),
        (lambda: bp.Sequential([type("Local", (bp.Layer,), {})()]), "Local cannot be pickled: its class"),
    ],
)
def test_functions_without_a_name_are_refused_by_pickle_and_shared_by_copies(make, what):
    net = make()
    with pytest.raises(TypeError, match=what):
        pickle.dumps(net)
    assert type(copy.deepcopy(net)) is bp.Sequential


def test_a_loss_without_a_name_is_refused_by_pickle_and_shared_by_copies():
    net = bp.Sequential([bp.Dense(1)])
    net.compile(loss=lambda y, a: bp.mean(bp.abs(y - a)), metrics=["mae"])
    with pytest.raises(
        TypeError, match=r"OutputGoal cannot be pickled: its loss is <function .*the top level of a module"
    ):
        pickle.dumps(net)
    assert copy.deepcopy(net).evaluate(X, X[:, :1]) == net.evaluate(X, X[:, :1])


def test_a_shallow_copy_keeps_what_was(backend):
    net = network(backend)
    train(net)
    weight = net.weights[0]
    value, copied, twin = weight.value, copy.copy(weight), copy.copy(net)
    state = [array.copy() for array in twin._session.past.kept.arrays["velocity"].values()]
    train(net)
    assert (weight.value != value).any()
    np.testing.assert_array_equal(copied.value, value)
    copied.value = value + 1
    for kept, before in zip(twin._session.past.kept.arrays["velocity"].values(), state):
        np.testing.assert_array_equal(kept, before)


def globals_named_by(value):
    """(module, name) of everything that the pickle of `value` looks up."""
    found = set()

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            found.add((module, name))
            return super().find_class(module, name)

    Unpickler(io.BytesIO(pickle.dumps(value))).load()
    return found


def everything_that_pickles():
    """A trained model of every kind of layer and setting, and an expression of every function."""
    net = bp.Sequential([
        bp.Rescaling(2), bp.Flatten(), bp.Dropout(0.5), bp.Activation("tanh"),
        bp.Dense(3, "relu", kernel_regularizer=bp.L1L2(0.1, 0.1), kernel_constraint=bp.MaxNorm(2)),
        bp.Dense(3, "softmax"),
    ])  # fmt: skip
    net.compile(bp.Adam(bp.CosineDecay(0.1, 10), use_ema=True), "categorical_crossentropy", ["accuracy"], l1=0.1)
    train(net)
    x, y, w = bp.input("x"), bp.input("y"), bp.parameter([[1.0]])
    yield from (net, net.history, network("core"), bp.augment.RandomFlip(0.5), bp.draw(x * 2), w)
    yield from (bp.NonFiniteError(1, 2, "x"), bp.gradients(bp.sum(x), x), bp.hessian(bp.sum(w), w))
    yield from (function(x) for function in bp.activations.ACTIVATIONS.values())
    yield from (loss(y, x) for loss in bp.losses.LOSSES.values())
    yield from (cls() for cls in bp.optimizers.OPTIMIZERS.values())
    yield from (x @ w, x[:, 0], x / 3, 2**x, x**3, bp.concatenate([x, x]), bp.reshape(x, (1,)), bp.dropout(x, 0.5))
    yield from (bp.sum(x, 0), bp.mean(x), bp.max(x), bp.argmax(x), bp.logsumexp(x), bp.where_positive(x, 1, 2), -x)


def test_pickles_name_nothing_by_the_file_that_it_lies_in():
    """So files may move: public classes and functions are ``fastbp.NAME``, internal ones ``fastbp._pickled.NAME``."""
    stable = {"fastbp", "fastbp._pickled"} | {f"fastbp.{name}" for name in bp.__all__}
    named = {pair for value in everything_that_pickles() for pair in globals_named_by(value)}
    own = {(module, name) for module, name in named if module.startswith("fastbp")}
    assert len(own) > 50
    assert {(module, name) for module, name in own if module not in stable} == set()
