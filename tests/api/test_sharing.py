"""Models that share layers compute with the newest weights, each in its own dtype; setting them is all or nothing."""

from itertools import pairwise

import fastbp as bp
import numpy as np
import pytest

X = np.random.default_rng(9).normal(size=(40, 3))


def autoencoder(dtype="float64", encoder_dtype="float32"):
    """Two models with a layer in common."""
    x = bp.input("x", (3,))
    code = bp.Dense(2, activation="tanh")(x)
    auto = bp.Model(x, bp.Dense(3)(code), dtype=dtype)
    auto.compile(bp.SGD(0.1, momentum=0.5), "mse")
    return auto, bp.Model(x, code, dtype=encoder_dtype)


def bits(net):
    return [w.tobytes() for w in net.get_weights()]


def test_every_model_gives_its_weights_in_its_own_dtype():
    auto, encoder = autoencoder()
    assert [w.dtype for w in encoder.get_weights()] == [np.float32] * 2
    auto.fit(X, X, verbose=0)
    assert [w.dtype for w in encoder.get_weights()] == [np.float32] * 2
    assert [w.dtype for w in auto.get_weights()] == [np.float64] * 4
    for small, large in zip(encoder.get_weights(), auto.get_weights()):
        assert small.tobytes() == large.astype(np.float32).tobytes()


def test_a_model_of_less_precision_that_only_looks_changes_no_bit():
    (auto, encoder), (alone, _) = autoencoder(), autoencoder()
    for model in (auto, alone):
        model.fit(X, X, verbose=0)
    encoder.predict(X)
    encoder.get_weights()
    assert bits(auto) == bits(alone)


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end"])
@pytest.mark.parametrize("encoder_dtype", ["float32", "float64"])
def test_a_model_that_looks_while_another_trains_takes_nothing_away(hook, encoder_dtype):
    (auto, encoder), (alone, _) = autoencoder(encoder_dtype=encoder_dtype), autoencoder()
    seen = []

    def look(_, logs):
        seen.append(encoder.predict(X))
        encoder.get_weights()

    options = {"epochs": 4, "batch_size": 8, "verbose": 0}
    alone.fit(X, X, callbacks=[bp.LambdaCallback(**{hook: lambda _, logs: None})], **options)
    auto.fit(X, X, callbacks=[bp.LambdaCallback(**{hook: look})], **options)
    assert bits(auto) == bits(alone)
    assert all((a != b).any() for a, b in pairwise(seen))
    assert encoder.predict(X).tobytes() == seen[-1].tobytes()


def test_two_models_cannot_train_a_weight_at_the_same_time():
    auto, encoder = autoencoder("float32")
    encoder.compile(loss="mse")
    hook = bp.LambdaCallback(on_train_batch_end=lambda batch, logs: encoder.train_on_batch(X, X[:, :2]))
    with pytest.raises(RuntimeError, match="dense/kernel is being trained"):
        auto.fit(X, X, verbose=0, callbacks=[hook])
    turns = bp.LambdaCallback(on_epoch_end=lambda epoch, logs: encoder.train_on_batch(X, X[:, :2]))
    auto.fit(X, X, epochs=2, verbose=0, callbacks=[turns])


def test_compile_leaves_the_number_of_parameters():
    net = bp.Sequential([bp.Input((3,)), bp.Dense(1)])
    counts = set()
    for l1 in (0.1, 0.2, 0.3):
        net.compile(loss="mse", l1=l1, l2=0.1)
        net.fit(X, X[:, 0], verbose=0)
        net.evaluate(X, X[:, :1])
        counts.add(len(net._store.values))
    assert counts == {4}


def test_weights_are_set_all_or_none():
    net = bp.Sequential([bp.Input((3,)), bp.Dense(2), bp.Dense(1)])
    before = bits(net)
    weights = [w + 1 for w in net.get_weights()]
    for bad in (weights[2] + 1j, np.array([["a"], ["b"]])):
        with pytest.raises(TypeError, match=r"weights\[2\] \(dense_1/kernel\) must be a real number or an array"):
            net.set_weights([*weights[:2], bad, weights[3]])
        assert bits(net) == before
    for bad in (None, 3):
        with pytest.raises(TypeError, match="weights must be a list of 4 arrays, got"):
            net.set_weights(bad)
    net.set_weights(iter(weights))
    assert bits(net) != before


def test_after_a_step_that_is_not_finite_no_hook_replaces_the_weights():
    class Diverge(bp.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.good = self.model.get_weights()
                self.model.optimizer.learning_rate = 1e300

    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(0.1), "mse")
    stop, diverge = bp.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True), Diverge()
    with pytest.raises(bp.NonFiniteError):
        net.fit(X, X[:, 0], epochs=9, batch_size=40, verbose=0, callbacks=[stop, diverge])
    assert stop.best_epoch == 0
    assert [w.tobytes() for w in diverge.good] == bits(net)
    assert net.history.epoch == [0, 1]
    assert len(net.history.history["loss"]) == 2


def test_dir_lists_what_is_looked_up_late():
    assert {"show_config", "get_num_threads", "set_num_threads", "reference", "Sequential"} <= set(dir(bp))
    assert all(hasattr(bp, name) for name in dir(bp))
