"""Layers, initialisers and regularisers: shapes, names, sharing, and values against independent computations."""

import itertools
import math

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core, reference
from fastbp.initializers import INITIALIZERS
from scipy import stats

BACKENDS = [_core, reference]


def draw(initializer, shape=(300, 200), seed=3, ordinal=1):
    return bp.initializers.get_initializer("initializer", initializer)(
        shape, seed=seed, ordinal=ordinal, backend=reference
    )


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("random_uniform", 0.05),
        ("glorot_uniform", math.sqrt(6 / 500)),
        ("he_uniform", math.sqrt(6 / 300)),
        ("lecun_uniform", math.sqrt(3 / 300)),
    ],
)
def test_a_uniform_initialiser_fills_its_interval(name, limit):
    values = draw(name).ravel()
    assert stats.kstest(values, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
    assert abs(values).max() <= limit
    np.testing.assert_allclose(
        values, -limit + 2 * limit * reference.uniform(3, 1, values.size), rtol=1e-15, atol=1e-16
    )


@pytest.mark.parametrize(("name", "deviation"), [("random_normal", 0.05), ("lecture_normal", 1 / math.sqrt(300))])
def test_a_normal_initialiser_is_normal(name, deviation):
    assert stats.kstest(draw(name).ravel(), stats.norm(0, deviation).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("glorot_normal", math.sqrt(2 / 500)),
        ("he_normal", math.sqrt(2 / 300)),
        ("lecun_normal", math.sqrt(1 / 300)),
    ],
)
def test_a_truncated_initialiser_has_its_variance_after_the_cut(name, deviation):
    values = draw(name).ravel()
    before = deviation / 0.87962566103423978
    assert stats.kstest(values, stats.truncnorm(-2, 2, scale=before).cdf).pvalue > 1e-3
    assert abs(values).max() <= 2 * before
    assert values.std() == pytest.approx(deviation, rel=0.02)


def test_truncated_normal_is_cut_at_two_deviations():
    assert stats.kstest(draw("truncated_normal").ravel(), stats.truncnorm(-2, 2, scale=0.05).cdf).pvalue > 1e-3


def test_constants_are_constant():
    np.testing.assert_array_equal(draw("zeros", (3,)), 0)
    np.testing.assert_array_equal(draw("ones", (3,)), 1)
    np.testing.assert_array_equal(draw(bp.Constant(2.5), (3,)), 2.5)
    np.testing.assert_array_equal(draw(lambda shape: np.arange(3.0), (3,)), [0, 1, 2])


@pytest.mark.parametrize("name", INITIALIZERS)
def test_an_initialiser_gives_both_backends_the_same_bits(name):
    core = pytest.importorskip("fastbp._core")
    initializer = bp.initializers.get_initializer("initializer", name)
    values = [initializer((17, 5), seed=9, ordinal=4, backend=backend) for backend in (core, reference)]
    assert values[0].tobytes() == values[1].tobytes()


def test_unknown_initialisers_name_the_nearest():
    with pytest.raises(ValueError, match=r"kernel_initializer must be one of .*did you mean 'he_normal'"):
        bp.Dense(3, kernel_initializer="he_norml")


def test_layers_are_named_as_in_keras():
    class MyLayer(bp.Layer):
        def call(self, x):
            return x

    net = bp.Sequential([bp.Dense(2), bp.Dense(2, name="mine"), MyLayer(), bp.Dense(2), bp.Dense(1)])
    assert [layer.name for layer in net.layers] == ["dense", "mine", "my_layer", "dense_1", "dense_2"]
    with pytest.raises(ValueError, match="unique"):
        bp.Sequential([bp.Dense(2, name="same"), bp.Dense(2, name="same")])


def test_a_layer_called_twice_shares_its_weights():
    x = bp.input("x", (3,))
    shared = bp.Dense(3, activation="tanh")
    net = bp.Model(x, shared(shared(x)))
    net.compile(loss="mse", backend="reference")
    assert [w.shape for w in net.get_weights()] == [(3, 3), (3,)]
    assert len(net.layers) == 1


def test_layers_compute_what_they_say():
    rows = np.arange(24.0).reshape(2, 3, 4)
    net = bp.Sequential([bp.Rescaling(0.5, offset=1), bp.Flatten(), bp.Activation("relu"), bp.Dropout(0.5)])
    net.compile(loss="mse", backend="reference")
    np.testing.assert_array_equal(net.predict(rows), (rows * 0.5 + 1).reshape(2, 12))
    dense = bp.Sequential([bp.Dense(5, use_bias=False, kernel_initializer="ones")], dtype="float64")
    dense.compile(loss="mse", backend="reference")
    np.testing.assert_array_equal(dense.predict(rows), np.repeat(rows.sum(-1, keepdims=True), 5, axis=-1))


def test_a_custom_layer_may_have_weights_and_layers_of_its_own():
    class Residual(bp.Layer):
        def build(self, input_shape):
            self.inner = bp.Dense(input_shape[-1], activation="relu")
            self.scale = self.add_weight((), "ones", "scale", decay=False)

        def call(self, x):
            return x + self.inner(x) * self.scale

    net = bp.Sequential([bp.Input((3,)), Residual(), bp.Dense(1)])
    net.compile(loss="mse", backend="reference")
    assert [w.shape for w in net.get_weights()] == [(), (3, 3), (3,), (3, 1), (1,)]
    before = net.get_weights()
    net.fit(np.ones((4, 3)), np.ones(4), verbose=0)
    assert not np.array_equal(before[0], net.get_weights()[0])


def test_a_model_is_a_layer_too():
    inner = bp.Sequential([bp.Dense(4, activation="relu"), bp.Dense(2)])
    net = bp.Sequential([bp.Input((3,)), inner, bp.Dense(1)])
    net.compile(loss="mse", backend="reference")
    assert [w.shape for w in net.get_weights()] == [(3, 4), (4,), (4, 2), (2,), (2, 1), (1,)]


def test_regularisers_add_to_the_loss():
    x, y = np.ones((4, 3)), np.zeros(4)
    net = bp.Sequential(
        [bp.Dense(1, kernel_regularizer=bp.L1L2(0.5, 0.25), bias_regularizer="l2", bias_initializer="ones")],
        dtype="float64",
    )
    net.compile(loss="mse", backend="reference")
    error = ((net.predict(x)[:, 0] - y) ** 2).mean()
    w, b = net.get_weights()
    expected = error + 0.5 * abs(w).sum() + 0.25 * (w**2).sum() + 0.01 * (b**2).sum()
    assert net.evaluate(x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Dense(0), ValueError, "units must be at least 1, got 0"),
        (lambda: bp.Dense(2.5), TypeError, "units must be a whole number"),
        (lambda: bp.Dropout(1.0), ValueError, "rate must be at least 0 and below 1"),
        (lambda: bp.L2(-1), ValueError, "l2 must be finite and at least 0"),
        (lambda: bp.Sequential([bp.Dense]), TypeError, "layers must be instances"),
        (lambda: bp.Sequential([3]), TypeError, "layers must be layers"),
        (lambda: bp.SGD(-1), ValueError, "learning_rate must be finite and at least 0"),
        (lambda: bp.SGD(momentum=1.5), ValueError, "momentum must be below 1"),
    ],
)
def test_wrong_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_random_numbers_are_the_same_from_any_number_on(kind):
    core = pytest.importorskip("fastbp._core")
    every = getattr(reference, kind)(5, 2, 200)
    for first, n in [(0, 200), (1, 150), (2, 0), (17, 1), (30, 70), (131, 69)]:
        for backend in (core, reference):
            part = getattr(backend, kind)(5, 2, n, first=first)
            assert part.tobytes() == every[first : first + n].tobytes()
    with pytest.raises(ValueError, match="first must be at least 0, got -1"):
        core.uniform(5, 2, 3, first=-1)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_large_weight_is_drawn_in_blocks_of_the_same_numbers(name, monkeypatch):
    monkeypatch.setattr(bp.initializers, "BLOCK", 100)
    initializer = bp.initializers.get_initializer("initializer", name)
    whole = initializer.draw((17, 15), bp.initializers.Stream(9, 4, reference)).reshape(17, 15)
    for backend, dtype in itertools.product(BACKENDS, ("float32", "float64")):
        parameters = backend.Parameters(dtype)
        parts = list(initializer.parts((17, 15), seed=9, ordinal=4, backend=backend))
        assert [part.size for part in parts] == [100, 100, 55]
        slot = parameters.add_parts((17, 15), parts)
        assert parameters.get(slot).shape == (17, 15)
        assert parameters.get(slot).tobytes() == whole.astype(dtype).tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_that_are_no_whole_parameter_add_nothing(backend):
    def broken():
        yield np.ones(3)
        raise RuntimeError("drawing failed")

    parameters = backend.Parameters("float32")
    for sizes in ([], [5], [3, 2], [3, 4], [7]):
        with pytest.raises(ValueError, match=f"parameter 'w' has 6 values, its parts have {sum(sizes)}"):
            parameters.add_parts((2, 3), [np.ones(size) for size in sizes], "w")
    with pytest.raises(RuntimeError, match="drawing failed"):
        parameters.add_parts((2, 3), broken(), "w")
    assert len(parameters) == 0
    assert parameters.add_parts((0, 3), []) == 0


def test_a_class_derived_from_a_known_initialiser_draws_as_it_likes():
    class Orthogonal(bp.initializers.RandomNormal):
        def draw(self, shape, stream):
            return np.linalg.qr(stream.normal(shape[0] * shape[1]).reshape(shape))[0]

    net = bp.Sequential([bp.Input((4,)), bp.Dense(4, kernel_initializer=Orthogonal())])
    kernel = net.get_weights()[0].astype(np.float64)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-6)
