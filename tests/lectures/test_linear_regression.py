"""Lecture A's linear regression: its table, the closed form that descent approaches, likelihood as least squares."""

from __future__ import annotations

import fastbp as bp
import numpy as np
import pytest
from fastbp.lowering.lowering import expressions_below

X = np.array(
    "3.3 4.4 5.5 6.71 6.93 4.168 9.779 6.182 7.59 2.167 7.042 10.791 5.313 7.997 5.654 9.27 3.1".split(), float
)
Y = np.array(
    "1.7 2.76 2.09 3.19 1.694 1.573 3.366 2.596 2.53 1.221 2.827 3.465 1.65 2.904 2.42 2.94 1.3".split(), float
)
DATA = {"x": X, "y": Y}
# epoch: cost of all points, w, b
TABLE = {
    50: (0.195095107, 0.441748, -0.580876),
    100: (0.181448311, 0.430319, -0.498661),
    500: (0.116088994, 0.360252, 0.00539905),
    1000: (0.088419855, 0.30953, 0.370291),
}

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def line(w: float = 0.0, b: float = 0.0) -> tuple[bp.Expression, bp.Parameter, bp.Parameter]:
    """(Σ(wx + b − y)² / (2·17), w, b)"""
    x, y = bp.input("x"), bp.input("y")
    weight, bias = bp.parameter(w, name="w"), bp.parameter(b, name="b")
    return bp.sum((weight * x + bias - y) ** 2) / (2 * 17), weight, bias


@both_dtypes
def test_one_point_a_step_gives_the_lectures_table(dtype: str) -> None:
    (start, *others) = TABLE
    cost, w, b = line(*TABLE[start][1:])
    run = bp.minimize(cost, DATA, bp.SGD(0.01), batch_size=1, shuffle=False, epochs=0, dtype=dtype)
    for epoch in others:
        run = bp.minimize(
            cost, DATA, bp.SGD(0.01), batch_size=1, shuffle=False, epochs=epoch - start, evaluate_every=epoch - start,
            dtype=dtype,
        )  # fmt: skip
        expected = TABLE[epoch]
        assert (run.history["full_cost"][-1], w.value, b.value) == pytest.approx(expected, rel=0, abs=1e-6)
        start = epoch


@both_dtypes
def test_the_cost_at_the_lectures_first_row(dtype: str) -> None:
    cost, _, _ = line(*TABLE[50][1:])
    inputs = [e for e in expressions_below([cost]) if e.operation == "input"]
    assert bp.function(inputs, cost, dtype=dtype)(X, Y) == pytest.approx(TABLE[50][0], rel=0, abs=1e-6)


def test_descent_with_all_points_converges_to_the_closed_form() -> None:
    exact = bp.linear_regression(X, Y)
    cost, w, b = line()
    run = bp.minimize(cost, DATA, bp.SGD(0.04), epochs=10_000, dtype="float64")
    assert (w.value, b.value) == pytest.approx((exact.coefficients, exact.intercept), rel=1e-10)
    assert run.history["cost"][-1] == pytest.approx(exact.residual_sum_of_squares / 34, rel=1e-12)


@pytest.mark.parametrize("variance", [None, 0.25, [4.0]])
def test_gaussian_maximum_likelihood_is_least_squares(variance: float | list[float] | None) -> None:
    exact = bp.linear_regression(X, Y)
    x, y = bp.input("x"), bp.input("y")
    w, b = bp.parameter(0.0, name="w"), bp.parameter(0.0, name="b")
    scale = 1.0 if variance is None else float(np.ravel(variance)[0])
    y_column, prediction = y[:, None], (w * x + b)[:, None]
    cost = bp.gaussian_nll(y_column, prediction, variance=variance)
    bp.minimize(cost, DATA, bp.SGD(0.04 * scale), epochs=10_000, dtype="float64")
    assert (w.value, b.value) == pytest.approx((exact.coefficients, exact.intercept), rel=1e-10)


def test_the_gaussian_likelihood_itself_is_greatest_at_the_closed_form() -> None:
    """∏ exp(−(y − wx − b)² / (2σ²)) / √(2πσ²), with the ½ that the slide leaves out of the exponent."""
    exact = bp.linear_regression(X, Y)
    x, y = bp.input("x"), bp.input("y")
    w, b = bp.parameter(exact.coefficients, name="w"), bp.parameter(exact.intercept, name="b")
    nll = bp.function([x, y], bp.gaussian_nll(y, w * x + b, variance=0.5, full=True), dtype="float64")

    def likelihood() -> float:
        densities = np.exp(-((Y - w.value * X - b.value) ** 2) / (2 * 0.5)) / np.sqrt(2 * np.pi * 0.5)
        assert np.exp(-17 * nll(X, Y)) == pytest.approx(densities.prod(), rel=1e-12)
        return float(densities.prod())

    greatest = likelihood()
    for parameter in (w, b):
        for step in (-1e-3, 1e-3):
            parameter.value = parameter.value + step
            assert likelihood() < greatest
            parameter.value = parameter.value - step


def test_a_learned_variance_ends_at_the_mean_squared_residual() -> None:
    exact = bp.linear_regression(X, Y)
    x, y = bp.input("x"), bp.input("y")
    w, b, s = bp.parameter(0.25, name="w"), bp.parameter(0.8, name="b"), bp.parameter(0.0, name="log variance")
    cost = bp.gaussian_nll(y, w * x + b, variance=bp.exp(s))
    bp.minimize(cost, DATA, bp.SGD(0.005), epochs=30_000, dtype="float64")
    assert np.exp(s.value) == pytest.approx(exact.residual_sum_of_squares / 17, rel=1e-6)
    assert (w.value, b.value) == pytest.approx((exact.coefficients, exact.intercept), rel=1e-6)
