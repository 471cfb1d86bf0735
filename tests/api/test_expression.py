"""Expressions: operators, slices, reductions and the activations mean what NumPy and Keras mean."""

import fastbp as bp
import numpy as np
import pytest
from scipy import special

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(7, 4))
Y = RANDOM.normal(size=(7, 4)) + 3.0


def compute(build, *arrays, **options):
    inputs = [bp.input(f"x{i}") for i in range(len(arrays))]
    return bp.function(inputs, build(*inputs), dtype="float64", **options)(*arrays)


@pytest.fixture(params=["reference", "core"])
def backend(request):
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


OPERATORS = {
    "add": lambda a, b: a + b - 2 + (1.5 + a),
    "subtract": lambda a, b: (a - b) - (2 - a),
    "multiply": lambda a, b: a * b * 3 * (2.0 * a),
    "divide": lambda a, b: a / b + 1 / b,
    "power": lambda a, b: b**2 + b**3 + b**-1 + b**0.5 + b**0.3 + 2**a + b**a,
    "negative": lambda a, b: -a + (+b) + abs(a),
    "slice": lambda a, b: a[:, 1:3] + b[..., :2] + a[:, ::2],
    "index": lambda a, b: a[:, 0] * b[..., -1],
    "new axis": lambda a, b: a[:, :, None] * b[:, None, :],
    "array": lambda a, b: np.arange(4.0) * a + b * np.float64(2),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_means_what_numpy_means(name, backend):
    build = OPERATORS[name]
    np.testing.assert_allclose(compute(build, X, Y, backend=backend), build(X, Y), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("operation", ["sum", "mean", "max"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
def test_a_reduction_means_what_numpy_means(operation, axis, backend):
    result = compute(lambda a: getattr(bp, operation)(a, axis=axis), X, backend=backend)
    np.testing.assert_allclose(result, getattr(np, operation)(X, axis=axis), rtol=1e-14)
    kept = compute(lambda a: getattr(bp, operation)(a, axis=axis, keepdims=True), X, backend=backend)
    assert np.shape(kept) == getattr(np, operation)(X, axis=axis, keepdims=True).shape


def keras_gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def numpy_elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": numpy_elu,
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * numpy_elu(x, 1.6732632423543772),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + abs(x)),
    "sigmoid": special.expit,
    "log_sigmoid": special.log_expit,
    "tanh": np.tanh,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "softmax": lambda x: special.softmax(x, axis=-1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_has_keras_formula(name):
    x = np.linspace(-8, 8, 24).reshape(6, 4)
    np.testing.assert_allclose(
        compute(bp.activations.ACTIVATIONS[name], x, backend="reference"), ACTIVATIONS[name](x), rtol=1e-12, atol=1e-15
    )


def test_gelu_has_a_tanh_form():
    result = compute(lambda x: bp.gelu(x, approximate=True), X, backend="reference")
    np.testing.assert_allclose(result, keras_gelu(X), rtol=1e-12)


def test_celu_has_the_slope_1_at_zero_for_any_alpha():
    x = np.linspace(-5, 5, 25)
    for alpha in (0.5, 2.0):
        expected = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))
        value = compute(lambda e, alpha=alpha: bp.celu(e, alpha=alpha), x, backend="reference")
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        a = bp.input("a")
        slope = bp.function([a], bp.sum(bp.celu(a, alpha)), gradients=a, dtype="float64")([-1e-9, 1e-9, -1e6])[1]
        np.testing.assert_allclose(slope, [1, 1, 0], rtol=1e-8)


def test_log_sigmoid_is_exact_where_the_sigmoid_is_0_or_1():
    far = np.array([-1e4, -800.0, 40.0, 800.0])
    np.testing.assert_allclose(compute(bp.log_sigmoid, far), special.log_expit(far), rtol=1e-12)


KINKS = {
    "relu6": [-7.0, -0.1, 0.1, 5.9, 6.1, 9.0],
    "softsign": [-7.0, -0.1, 0.1, 3.0],
    "log_sigmoid": [-7.0, -0.1, 0.1, 3.0],
    "celu": [-7.0, -0.1, 0.1, 3.0],
    "hard_tanh": [-7.0, -1.1, -0.9, 0.9, 1.1],
    "hard_silu": [-7.0, -3.1, -2.9, 0.1, 2.9, 3.1],
}


@pytest.mark.parametrize("name", KINKS)
def test_an_activations_gradient_is_its_slope_on_every_piece(name, backend):
    x, at = bp.input("x"), np.array(KINKS[name])
    f = bp.function([x], bp.sum(bp.activations.ACTIVATIONS[name](x)), gradients=x, dtype="float64", backend=backend)
    slope = (ACTIVATIONS[name](at + 1e-6) - ACTIVATIONS[name](at - 1e-6)) / 2e-6
    np.testing.assert_allclose(f(at)[1], slope, rtol=1e-8, atol=1e-9)


def test_elu_of_large_numbers_has_a_finite_gradient():
    x = bp.input("x")
    f = bp.function([x], bp.sum(bp.elu(x)), gradients=x, backend="reference")
    np.testing.assert_array_equal(f([1000.0, -1000.0])[1], [1.0, 0.0])


def test_products_reshapes_and_joins_mean_what_numpy_means(backend):
    w = np.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(compute(lambda a: a @ w, X, backend=backend), X @ w, rtol=1e-13)
    np.testing.assert_allclose(compute(lambda a: a @ w[:, 0], X, backend=backend), X @ w[:, 0], rtol=1e-13)
    np.testing.assert_array_equal(compute(lambda a: bp.reshape(a, (2, -1)), X, backend=backend), X.reshape(7, 2, 2))
    joined = compute(lambda a, b: bp.concatenate([a, b[:, :1], np.ones(2)]), X, Y, backend=backend)
    np.testing.assert_array_equal(joined, np.hstack([X, Y[:, :1], np.ones((7, 2))]))
    np.testing.assert_allclose(compute(bp.logsumexp, X, backend=backend), special.logsumexp(X, axis=1), rtol=1e-13)
    np.testing.assert_array_equal(compute(bp.argmax, X, backend=backend), X.argmax(axis=1))


def test_rows_are_never_mixed_by_broadcasting():
    result = compute(lambda a, b: a * b, np.arange(3.0), np.arange(3.0).reshape(3, 1), backend="reference")
    np.testing.assert_array_equal(result, [[0.0], [1.0], [4.0]])


def test_gradients_go_to_any_node():
    x = bp.input("x")
    z = x * 2.0
    p = z * z
    value, (dp, dz, dx) = bp.function([x], bp.sum(p), gradients=[p, z, x], backend="reference")([3.0])
    assert (value, dp, dz, dx) == (36.0, 1.0, 12.0, 24.0)
    assert isinstance(value, np.float32)


def test_the_lectures_neuron():
    x, y = bp.input("x"), bp.input("y")
    w, b = bp.parameter(0.3, name="w"), bp.parameter(0.7, name="b")
    z = w * x + b
    p = bp.sigmoid(z)
    f = bp.function([x, y], bp.cross_entropy(y, p), gradients=[p, z, w, b], dtype="float64", backend="reference")
    cost, (dp, dz, dw, db) = f([1.0], [1.0])
    figures = [cost, dp[0], dz[0], dw, db]
    assert [round(float(v), 6) for v in figures] == [0.313262, -1.367879, -0.268941, -0.268941, -0.268941]
    value, slope = bp.function([x], bp.sum(p), gradients=z, dtype="float64", backend="reference")([1.0])
    assert (round(float(value), 6), round(float(slope[0]), 6)) == (0.731059, 0.196612)


def test_parameters_have_their_current_value_in_a_function():
    x, w = bp.input("x"), bp.parameter(2.0)
    f = bp.function([x], x * w, backend="reference")
    assert f([3.0]) == 6.0
    w.value = 5.0
    assert f([3.0]) == 15.0


@pytest.mark.parametrize("is_used", [False, True])
def test_nobody_writes_a_parameter_but_by_its_value(is_used):
    x, w = bp.input("x"), bp.parameter([2.0, 3.0])
    if is_used:
        bp.minimize(bp.mean(x * w), {"x": [0.0]}, bp.SGD(0.1), epochs=1, backend="reference")
    with pytest.raises(ValueError, match="read-only"):
        w._exact[0] = 0.0
    w.value[0] = 0.0
    assert w.value.tolist() == [2.0, 3.0]


def test_dropout_drops_only_while_training():
    x = bp.input("x")
    ones = np.ones((50, 8))
    np.testing.assert_array_equal(bp.function([x], bp.dropout(x, 0.5), backend="reference")(ones), ones)
    f = bp.function([x], bp.dropout(x, 0.5), training=True, backend="reference")
    first, second = f(ones), f(ones)
    assert set(np.unique(first)) == {0.0, 2.0}
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: x < 1, "cannot be compared"),
        (lambda x: x == x, "cannot be compared"),
        (lambda x: bool(x), "no truth value"),
        (lambda x: list(x), "not iterable"),
        (lambda x: x + "a", "real number"),
        (lambda x: x + 1j, "real number"),
        (lambda x: x["a"], "indexed by"),
        (lambda x: bp.concatenate(x), "list"),
    ],
)
def test_what_expressions_cannot_do_is_a_clear_type_error(wrong, message):
    with pytest.raises(TypeError, match=message):
        wrong(bp.input("x"))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: x[0], "features, not rows"),
        (lambda x: x[1:], "features, not rows"),
        (lambda x: x[:, 9], "outside axis 1"),
        (lambda x: x[:, 0, 0], "too many indices"),
        (lambda x: bp.sum(x, axis=2), "axis must be within"),
        (lambda x: bp.softmax(x, axis=0), "last feature axis"),
        (lambda x: bp.reshape(x, (3,)), "must hold the 4 features"),
        (lambda x: bp.concatenate([x, x], axis=0), "rows are not concatenated"),
        (lambda x: x @ x, "right operand"),
        (lambda x: bp.input("stranger") * x, "not among the inputs"),
    ],
)
def test_what_shapes_forbid_is_a_clear_value_error(build, message):
    with pytest.raises(ValueError, match=message):
        compute(build, X, backend="reference")


def test_gradients_take_scalars_only():
    x = bp.input("x")
    with pytest.raises(ValueError, match=r"scalar, got the shape \(rows,\): bp.sum"):
        bp.function([x], x * 2, gradients=[x], backend="reference")([1.0])


def test_unknown_backends_and_dtypes_name_the_nearest():
    x = bp.input("x")
    with pytest.raises(ValueError, match="did you mean 'reference'"):
        bp.function([x], x, backend="referense")
    with pytest.raises(ValueError, match="did you mean 'float32'"):
        bp.function([x], x, backend="reference", dtype="float3")


# --- NumPy's functions of expressions

ONE = [
    np.negative, np.positive, np.absolute, np.fabs, np.square, np.sqrt, np.exp, np.expm1, np.log, np.log1p, np.sin,
    np.cos, np.tanh,
]  # fmt: skip
TWO = [np.add, np.subtract, np.multiply, np.true_divide, np.power, np.float_power, np.maximum, np.minimum]
DATA = np.array([[0.5, 1.25, 2.0], [3.0, 0.125, 1.0]])
BESIDE = np.array([1.5, 0.75, 2.0])


@pytest.mark.parametrize("function", ONE, ids=lambda f: f.__name__)
def test_numpys_functions_take_expressions(function):
    x = bp.input("x")
    np.testing.assert_allclose(
        bp.function([x], function(x), dtype="float64")(DATA), function(DATA), rtol=1e-14, atol=1e-15
    )


@pytest.mark.parametrize("beside", [BESIDE, np.float64(1.5), np.float32(2), np.array(3), 2], ids=repr)
@pytest.mark.parametrize("function", TWO, ids=lambda f: f.__name__)
def test_numpys_functions_take_expressions_beside_arrays(function, beside):
    x = bp.input("x")
    for f in (lambda x: function(x, beside), lambda x: function(beside, x)):
        np.testing.assert_allclose(bp.function([x], f(x), dtype="float64")(DATA), f(DATA), rtol=1e-14)


def test_arrays_leave_their_operators_to_expressions():
    x = bp.input("x")
    matrix = np.arange(6.0).reshape(3, 2)
    for f in (lambda x: BESIDE - x, lambda x: x / BESIDE, lambda x: BESIDE**x, lambda x: np.matmul(x, matrix)):
        np.testing.assert_allclose(bp.function([x], f(x), dtype="float64")(DATA), f(DATA), rtol=1e-14)
    total = np.zeros(3)
    total += x  # as for numbers, which an array in the place of a name need not hold
    np.testing.assert_array_equal(bp.function([x], total, dtype="float64")(DATA), DATA)


def test_what_numpy_cannot_do_with_expressions_is_a_type_error():
    x, w = bp.input("x"), bp.parameter([1.0, 2.0])
    for act, match in [
        (lambda: np.floor(x), "np.floor takes no expressions; those that do are absolute, add, "),
        (lambda: np.sum(x), r"np.add.reduce takes no expressions: use bp\.sum"),
        (lambda: np.max(x), r"np.maximum.reduce takes no expressions: use bp\.max"),
        (lambda: np.prod(x), r"np.multiply.reduce takes no expressions"),
        (lambda: np.add(x, 1.0, where=False), "np.add of an expression takes no out, where or dtype"),
        (lambda: np.add(1.0, x, out=np.zeros(3)), "np.add of an expression takes no out"),
        (lambda: np.ones(2) < x, "expressions cannot be compared"),
        (lambda: np.ones(2) == x, "expressions cannot be compared"),
        (lambda: np.mean(w), "an expression is no array.*bp.mean"),
        (lambda: np.dot(np.ones((2, 2)), w), "an expression is no array"),
        (lambda: np.asarray(x), "an expression is no array"),
        (lambda: np.concatenate([x, x]), "an expression is no array"),
        (lambda: bp.parameter(x), "an expression is no array"),
        (lambda: bp.function([x], x)(w), "an expression is no array"),
    ]:
        with pytest.raises(TypeError, match=match):
            act()
