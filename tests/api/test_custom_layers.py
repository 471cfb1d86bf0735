"""Layers that users write: several operands, layers in layers, a forgotten super().__init__(), functions of shapes."""

import fastbp as bp
import numpy as np
import pytest

X = np.random.default_rng(7).normal(size=(6, 3)).astype(np.float32)


class Residual(bp.Layer):
    """Has a layer of its own, made in __init__, and a weight."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = bp.Dense(3)

    def build(self, input_shape):
        self.scale = self.add_weight((), "ones", "scale")

    def call(self, x):
        return x + self.scale * self.dense(x)


def predicted(net, x=X):
    net._backend = "reference"
    return net.predict(x)


def test_a_layer_of_several_operands_gets_one_shape_for_each():
    seen = []

    class Add(bp.Layer):
        def call(self, a, b):
            return a + b

    class Bilinear(bp.Layer):
        def build(self, left, right):
            seen.append((left, right))
            self.kernel = self.add_weight((left[-1], right[-1]))

        def call(self, a, b):
            return bp.sum((a @ self.kernel) * b, axis=-1)

    a, b = bp.input("a", (3,)), bp.input("b", (3,))
    assert predicted(bp.Model([a, b], Add()(a, b)), [X, X]).tobytes() == (X + X).tobytes()
    assert predicted(bp.Model([a, b], Bilinear()(a, b[:, :2])), [X, X]).shape == (6,)
    assert seen == [((None, 3), (None, 2))]


def test_the_weights_of_a_layer_are_its_own_and_those_of_its_layers():
    net = bp.Sequential([bp.Input((3,)), Residual(name="outer"), Residual()])
    net.build()
    outer, second = net.layers
    assert [w.name for w in outer.weights] == ["outer/scale", "outer/dense/kernel", "outer/dense/bias"]
    assert [w.name for w in second.weights] == ["residual/scale", "residual/dense/kernel", "residual/dense/bias"]
    assert list(map(id, net.weights)) == list(map(id, outer.weights + second.weights))


def test_a_layer_that_builds_its_layers_itself_has_them_once():
    class Outer(bp.Layer):
        def build(self, input_shape):
            self.dense = bp.Dense(2)
            self.dense.build(input_shape)

        def call(self, x):
            return self.dense(x)

    net = bp.Sequential([bp.Input((3,)), Outer()])
    net.build()
    assert [w.name for w in net.layers[0].weights] == ["outer/dense/kernel", "outer/dense/bias"]


def test_a_layer_whose_init_forgets_its_base_works():
    class Scale(bp.Layer):
        def __init__(self, start):
            self.start = start

        def build(self, input_shape):
            self.scale = self.add_weight((), bp.Constant(self.start), "scale")

        def call(self, x):
            return x * self.scale

    net = bp.Sequential([Scale(2.0), Scale(3.0)])
    assert predicted(net).tobytes() == (6 * X).tobytes()
    assert [layer.name for layer in net.layers] == ["scale", "scale_1"]
    assert len(net.layers[0].weights) == 1


def test_an_activation_that_is_a_function_sees_shapes():
    layer = bp.Dense(4, activation=lambda z: z / z.shape[-1], kernel_initializer="ones")
    result = predicted(bp.Sequential([layer]))
    np.testing.assert_allclose(result, np.repeat(X.sum(1, keepdims=True) / 4, 4, 1), rtol=1e-5)


def test_what_fails_to_build_is_unbuilt_to_its_innermost_layer():
    class Picky(bp.Layer):
        def call(self, x):
            if x.shape[-1] != 3:
                raise ValueError("3 features")
            return x

    net = bp.Sequential([Residual(), bp.Dense(4), Picky()])
    with pytest.raises(ValueError, match="3 features"):
        predicted(net)
    outer, dense, _ = net.layers
    assert not any(layer.built or layer.weights for layer in (outer, outer.dense, dense))


def test_the_layer_of_a_failing_step_is_named_with_those_around_it():
    net = bp.Sequential([bp.Input((3,)), Residual(name="outer")])
    net.compile(bp.SGD(0.1), "mse", backend="reference")
    net.set_weights([1.0, np.full((3, 3), 3e38), np.zeros(3)])
    with pytest.raises(bp.NonFiniteError, match=r"outer/dense \(matmul"):
        net.fit(X + 9, X, verbose=0)
