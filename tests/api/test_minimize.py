"""`minimize` descends any scalar expression, with the parameters updated in place."""

import fastbp as bp
import numpy as np
import pytest

X = np.array([1.0, 2.0, 3.0, 4.0])
Y = 2 * X + 1


@pytest.fixture(params=["reference", "core"])
def backend(request):
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


def line():
    x, y = bp.input("x"), bp.input("y")
    w, b = bp.parameter(0.44, name="w"), bp.parameter(-0.58, name="b")
    return w, b, (x * w + b - y) ** 2


def test_the_lectures_line_is_found(backend):
    w, b, squares = line()
    run = bp.minimize(
        bp.sum(squares) / 8, {"x": X, "y": Y}, bp.SGD(0.1), batch_size=1, epochs=600, shuffle=False, backend=backend
    )
    assert w.value == pytest.approx(2, abs=1e-3)
    assert b.value == pytest.approx(1, abs=1e-3)
    assert len(run.history["cost"]) == 600
    assert run.parameters == [w, b] or [p.name for p in run.parameters] == ["w", "b"]


def test_one_step_is_the_gradients_step(backend):
    w, b, squares = line()
    bp.minimize(bp.mean(squares), {"x": X, "y": Y}, bp.SGD(0.01), dtype="float64", backend=backend)
    error = 0.44 * X - 0.58 - Y
    assert w.value == pytest.approx(0.44 - 0.01 * (2 * error * X).mean(), rel=1e-13)
    assert b.value == pytest.approx(-0.58 - 0.01 * (2 * error).mean(), rel=1e-13)


def test_a_sum_grows_with_the_batch_and_a_mean_does_not(backend):
    values = []
    for reduce, rate in ((bp.sum, 0.01), (bp.mean, 0.04)):
        w, _, squares = line()
        bp.minimize(reduce(squares), {"x": X, "y": Y}, bp.SGD(rate), dtype="float64", backend=backend)
        values.append(float(w.value))
    assert values[0] == pytest.approx(values[1], rel=1e-13)


def test_the_history_is_the_mean_step_cost_weighted_by_rows(backend):
    w, _, squares = line()
    run = bp.minimize(bp.mean(squares), {"x": X, "y": Y}, bp.SGD(0.0), batch_size=3, dtype="float64", backend=backend)
    assert run.history["cost"][0] == pytest.approx(((0.44 * X - 0.58 - Y) ** 2).mean(), rel=1e-13)
    assert w.value == 0.44


def test_the_full_cost_is_evaluated_every_n_epochs(backend):
    w, b, squares = line()
    run = bp.minimize(
        bp.mean(squares), {"x": X, "y": Y}, bp.SGD(0.01), batch_size=2, epochs=5, evaluate_every=2, dtype="float64",
        backend=backend,
    )  # fmt: skip
    assert len(run.history["full_cost"]) == 2
    plain = line()
    run_plain = bp.minimize(
        bp.mean(plain[2]), {"x": X, "y": Y}, bp.SGD(0.01), batch_size=2, epochs=5, dtype="float64", backend=backend
    )
    assert run_plain.history["cost"] == run.history["cost"]
    assert (w.value, b.value) == (plain[0].value, plain[1].value)


def test_parameters_that_are_not_trainable_stay(backend):
    x, w, c = bp.input("x"), bp.parameter(1.0), bp.parameter(3.0, trainable=False)
    run = bp.minimize(bp.mean((x * w - c) ** 2), {"x": X}, bp.SGD(0.01), epochs=3, backend=backend)
    assert c.value == 3.0
    assert len(run.parameters) == 1


def test_a_cost_without_inputs_is_minimised_too(backend):
    w = bp.parameter([3.0, -2.0])
    bp.minimize(bp.sum((w - 1.0) ** 2), {}, bp.SGD(0.25), epochs=60, backend=backend)
    np.testing.assert_allclose(w.value, [1, 1], atol=1e-5)


def test_a_parameter_goes_on_where_it_was(backend):
    w, _, squares = line()
    for _ in range(2):
        bp.minimize(bp.mean(squares), {"x": X, "y": Y}, bp.SGD(0.01), shuffle=False, backend=backend)
    once, _, again = line()
    bp.minimize(bp.mean(again), {"x": X, "y": Y}, bp.SGD(0.01), epochs=2, shuffle=False, backend=backend)
    assert w.value == once.value


@pytest.mark.parametrize(
    ("cost", "data", "message"),
    [
        (lambda s: s, {"x": X, "y": Y}, r"cost must be a scalar, got the shape \(rows,\)"),
        (bp.mean, {"x": X}, "must have data for the input 'y'"),
        (bp.mean, {"x": X, "y": Y, "yy": Y}, "did you mean 'y'"),
        (bp.mean, {"x": X, "y": Y[1:]}, "y has 3 rows, but x has 4"),
        (bp.mean, {"x": X[:0], "y": Y[:0]}, "at least 1 row"),
    ],
)
def test_what_does_not_fit_is_a_clear_value_error(cost, data, message):
    with pytest.raises(ValueError, match=message):
        bp.minimize(cost(line()[2]), data, backend="reference")


def test_a_cost_needs_something_to_train():
    x = bp.input("x")
    with pytest.raises(ValueError, match="no trainable parameter"):
        bp.minimize(bp.mean(x), {"x": X}, backend="reference")


def test_a_refused_argument_leaves_the_value_unrounded(backend):
    w = bp.parameter(np.float64(0.1), name="w")
    with pytest.raises(ValueError, match="evaluate_every"):
        bp.minimize(bp.square(w - 1.0), evaluate_every=0, dtype="float32", backend=backend)
    assert float(w._exact) == 0.1
