"""Numbers round once, from the user's value to the dtype that computes (rule 10)."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest

BACKENDS = ["core", "reference"]
DTYPES = ["float32", "float64"]

# Slightly above halfway between two float32: float64 drops the excess, and a second rounding would go to even.
BETWEEN = (1 << 60) + (1 << 36) + 1
SOURCES: dict[str, Any] = {
    "int64": np.array([BETWEEN, -BETWEEN, (1 << 53) + 1]),
    "uint64": np.array([BETWEEN, (1 << 63) + (1 << 39) + 1, (1 << 64) - 1], np.uint64),
    "longdouble": np.array([1, -3], np.longdouble) + np.longdouble(2) ** -24 + np.longdouble(2) ** -60,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", SOURCES)
def test_parameters_round_once(source: str, dtype: str, backend: str) -> None:
    values = SOURCES[source]
    w = bp.parameter(values)
    got = bp.function([], w + 0, dtype=dtype, backend=backend)()
    np.testing.assert_array_equal(got, values.astype(dtype))
    bp.minimize(bp.sum(w), optimizer=bp.SGD(0.0), dtype=dtype, backend=backend)  # moves w to a store
    np.testing.assert_array_equal(w.value, values.astype(dtype))
    w.value = values[::-1]  # set in its store
    np.testing.assert_array_equal(w.value, values[::-1].astype(dtype))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_value_set_before_use_rounds_once(source: str, backend: str) -> None:
    values = SOURCES[source]
    w = bp.parameter(np.zeros(len(values)))
    f = bp.function([], w + 0, backend=backend)
    f()
    w.value = values
    np.testing.assert_array_equal(f(), values.astype("float32"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", SOURCES)
def test_constants_round_once(source: str, dtype: str, backend: str) -> None:
    values = SOURCES[source]
    x = bp.input("x", ())
    got = bp.function([x], x[:, None] * values, dtype=dtype, backend=backend)([1])
    np.testing.assert_array_equal(got, values.astype(dtype)[None])


@pytest.mark.parametrize("backend", BACKENDS)
def test_initial_values_of_a_function_round_once(backend: str) -> None:
    net = bp.Sequential([bp.Dense(3, kernel_initializer=lambda shape: np.full(shape, BETWEEN), input_shape=(2,))])
    net.compile(loss="mse", backend=backend)
    np.testing.assert_array_equal(net.get_weights()[0], np.full((2, 3), BETWEEN).astype("float32"))


def test_a_parameter_of_whole_numbers_shows_float64_until_it_is_used() -> None:
    w = bp.parameter([1, 2])
    assert w.value.dtype == np.float64
    w.value += 0.5
    np.testing.assert_array_equal(w.value, [1.5, 2.5])


def test_an_array_that_changes_later_changes_no_constant() -> None:
    values = np.array([1.0, 2.0])
    doubled = bp.parameter([1.0, 1.0]) * values
    values[:] = 7
    np.testing.assert_array_equal(bp.function([], doubled)(), [1, 2])


def test_a_constant_too_large_for_float32_is_infinite_without_a_warning() -> None:
    assert bp.function([], bp.parameter(1.0) * 1e300)() == np.inf
