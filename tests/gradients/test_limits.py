"""Gradients where a slope is infinite: a gradient of 0 stays 0 behind a select or a mask; powers take their limits.

The expected values are limits from calculus, written down here, or SciPy's; none is taken from the output.
"""

from __future__ import annotations

from collections.abc import Callable

import fastbp as bp
import numpy as np
import pytest

INF = np.inf

# Name, function, a point where its slope is infinite or not a number, a point where it is not, and the slope there.
SINGULAR: dict[str, tuple[Callable[[bp.Expression], bp.Expression], float, float, float]] = {
    "sqrt": (bp.sqrt, 0.0, 4.0, 0.25),
    "sqrt of a negative": (bp.sqrt, -1.0, 4.0, 0.25),
    "log": (bp.log, 0.0, 4.0, 0.25),
    "log1p": (bp.log1p, -1.0, 3.0, 0.25),
    "exp": (bp.exp, 1000.0, 0.0, 1.0),
    "expm1": (bp.expm1, 1000.0, 0.0, 1.0),
    "1/x": (lambda x: 1 / x, 0.0, 2.0, -0.25),
    "(x + 1)/x": (lambda x: (x + 1) / x, 0.0, 2.0, -0.25),
    "x ** -2": (lambda x: x**-2, 0.0, 2.0, -0.25),
    "x ** 3": (lambda x: x**3, INF, 2.0, 12.0),
    "x ** 2": (lambda x: x**2, INF, 3.0, 6.0),
    "x ** 0.25": (lambda x: x**0.25, 0.0, 16.0, 0.03125),
    "2.0 ** x": (lambda x: 2.0**x, 5000.0, 1.0, 2 * np.log(2)),
    "x ln x": (lambda x: x * bp.log(x), 0.0, 1.0, 1.0),
    "norm": (lambda x: bp.sqrt(x * x), 0.0, 3.0, 1.0),
}


def gradient(of: Callable[[bp.Expression], bp.Expression], points: list[float], order: int, backend: str) -> np.ndarray:
    x = bp.input("x")
    y = of(x)
    for _ in range(order - 1):
        y = bp.gradients(bp.sum(y), [x])[0]
    call = bp.function([x], bp.sum(y), gradients=x, dtype="float64", backend=backend)
    return np.asarray(call(points)[1])


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("name", SINGULAR)
def test_a_branch_that_was_not_chosen_has_no_gradient(name: str, backend: str) -> None:
    of, singular, regular, slope = SINGULAR[name]
    found = gradient(lambda x: bp.where_positive(bp.abs(x - singular), of(x), 7.0), [singular, regular], 1, backend)
    if singular == INF:  # ∞ − ∞ is NaN, which is not positive either
        assert found[0] == 0
    np.testing.assert_allclose(found, [0.0, slope], rtol=1e-14)


@pytest.mark.parametrize("name", SINGULAR)
def test_its_second_derivative_is_no_nan_either(name: str) -> None:
    of, singular, regular, _ = SINGULAR[name]
    found = gradient(lambda x: bp.where_positive(bp.abs(x - singular), of(x), 7.0), [singular, regular], 2, "core")
    h = 1e-5
    ends = gradient(of, [regular + h, regular - h], 1, "core")
    np.testing.assert_allclose(found, [0.0, (ends[0] - ends[1]) / (2 * h)], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", SINGULAR)
def test_the_gradient_by_a_factor_of_zero_flows(name: str) -> None:
    """A mask of zeros: nothing reaches the function behind it."""
    of, singular, regular, slope = SINGULAR[name]
    x, mask = bp.input("x"), bp.input("mask")
    call = bp.function([x, mask], bp.sum(mask * of(x)), gradients=x, dtype="float64")
    np.testing.assert_allclose(call([singular, regular], [0.0, 1.0])[1], [0.0, slope], rtol=1e-14)


# x, y, and the limits of ∂x^y/∂x = y·x^(y−1) and ∂x^y/∂y = x^y·ln x for x from above.
POWERS = [
    (0.0, 3.0, 0.0, 0.0),
    (0.0, 2.0, 0.0, 0.0),
    (0.0, 1.0, 1.0, 0.0),
    (0.0, 0.5, INF, 0.0),
    (0.0, 0.0, 0.0, -INF),
    (1.0, 0.0, 0.0, 0.0),
    (1.0, -2.0, -2.0, 0.0),
    (2.0, 3.0, 12.0, 8 * np.log(2)),
    (INF, 0.5, 0.0, INF),
    (INF, 1.0, 1.0, INF),
    (INF, 2.0, INF, INF),
    (INF, 0.0, 0.0, INF),
    (INF, -1.0, -0.0, 0.0),
]


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_powers_have_their_limits_as_gradients(backend: str) -> None:
    x, y = bp.input("x"), bp.input("y")
    call = bp.function([x, y], bp.sum(x**y), gradients=[x, y], dtype="float64", backend=backend)
    of_x, of_y, by_x, by_y = (list(column) for column in zip(*POWERS))
    _, found = call(of_x, of_y)
    np.testing.assert_allclose(found[0], by_x, rtol=1e-14)
    np.testing.assert_allclose(found[1], by_y, rtol=1e-14)


def test_an_exponent_is_learned_from_data_with_a_zero() -> None:
    x, y = bp.input("x"), bp.input("y")
    exponent = bp.parameter(1.0, name="exponent")
    data = np.linspace(0, 1, 21)
    bp.minimize(
        bp.mean(bp.square(x**exponent - y)),
        {"x": data, "y": data**1.7},
        epochs=400,
        batch_size=None,
        optimizer=bp.Adam(0.05),
        dtype="float64",
    )
    assert abs(float(exponent.value) - 1.7) < 1e-3


def test_a_slope_that_counts_stays_infinite() -> None:
    x = bp.input("x")
    for of in (bp.sqrt, bp.log, lambda x: x**0.25):
        assert bp.function([x], bp.sum(of(x)), gradients=x, dtype="float64")([0.0])[1][0] == INF


def test_a_norm_has_the_gradient_zero_at_zero() -> None:
    x = bp.input("x", 3)
    call = bp.function([x], bp.sum(bp.sqrt(bp.sum(x * x, axis=-1))), gradients=x, dtype="float64")
    np.testing.assert_allclose(call([[0.0, 0, 0], [3, 0, 4]])[1], [[0, 0, 0], [0.6, 0, 0.8]], rtol=1e-14)


def test_a_gradient_of_minus_zero_gives_plus_zero() -> None:
    x, g = bp.input("x"), bp.input("g")
    functions = bp.sqrt, bp.log, bp.log1p, bp.exp, bp.expm1, lambda x: 1 / x, lambda x: x**3, lambda x: x**0.3
    for of in functions:
        call = bp.function([x, g], bp.sum(g * of(x)), gradients=x, dtype="float64")
        found = call([2.0], [-0.0])[1]
        assert found[0] == 0
        assert not np.signbit(found[0])
