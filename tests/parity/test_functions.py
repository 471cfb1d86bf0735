"""Rule 4: the elementary functions are accurate, follow annex F, and have equal bits in the core and the reference."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from compare import assert_same, differing
from fastbp import _core
from fastbp.reference import coefficients, functions
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
IN_FLOAT32 = ["exp", "tanh", "sigmoid"]  # those that compute in float32 alone
UNARY = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sin", "cos"]
FUNCTIONS = [*UNARY, "power"]
DTYPES = ["float32", "float64"]
INF, NAN = np.inf, np.nan
WORD = {"float32": np.uint32, "float64": np.uint64}
Array = NDArray[Any]

both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
every_function = pytest.mark.parametrize("name", FUNCTIONS)


def load_tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_core(name: str, *operands: Array) -> Array:
    return np.asarray(_core.testing.map(name, [x.reshape(1, -1) for x in operands], [], 0)).reshape(-1)


def special_numbers(dtype: str) -> Array:
    info = np.finfo(dtype)
    steps = [
        0.0,
        5e-324,
        1e-45,
        float(info.tiny) * 0.75,
        float(info.tiny),
        1e-30,
        2.0**-54,
        2.0**-28,
        2.0**-27,
        0.1,
        0.5,
    ]
    steps += [
        0.34657359,
        0.7071067811865476,
        0.75,
        1.0 - float(info.epsneg),
        1.0,
        1.0 + float(info.eps),
        1.4142135623730951,
    ]
    steps += [1.5, 2.0, 3.0, np.pi / 2, np.pi, 4.0, 5.93, 9.01, 17.5, 22.0, 36.7, 40.0, 88.72, 88.73, 103.97, 103.98]
    steps += [709.78, 709.79, 745.13, 745.14, 1e5, 2.0**23 + 1, 2.0**24 - 1, 2.0**24, 2.0**30, 2.0**31, 2.0**52 + 1]
    steps += [2.0**53 - 1, 2.0**53, 2.0**54, 2.0**64, 1e30, float(info.max), INF, NAN]
    with np.errstate(over="ignore", under="ignore"):
        numbers = np.array(steps).astype(dtype)
    return np.concatenate([numbers, -numbers])


def random_numbers(dtype: str, count: int, seed: int) -> Array:
    """Any bits, and numbers near 0, near 1, in exp's range."""
    rng = np.random.default_rng(seed)
    word = WORD[dtype]
    bits = rng.integers(0, np.iinfo(word).max, count, dtype=word, endpoint=True).view(dtype)
    spread = np.array([1e-3, 1.0, 30.0, 740.0]).repeat(count // 4)
    usual = (rng.standard_normal(spread.size) * spread).astype(dtype)
    near_one = (1 + rng.standard_normal(count // 4) * 1e-5).astype(dtype)
    return np.concatenate([bits, usual, near_one])


def operands_of(name: str, dtype: str) -> list[Array]:
    special, x = special_numbers(dtype), random_numbers(dtype, 20000, seed=1)
    if name != "power":
        return [np.concatenate([special, x])]
    y = np.random.default_rng(2).permutation(random_numbers(dtype, 20000, seed=3))
    positive = np.abs(np.random.default_rng(4).standard_normal(20000)).astype(dtype)
    bases = [special.repeat(special.size), x, positive]
    exponents = [np.tile(special, special.size), y, random_numbers(dtype, 20000, seed=5)[-20000:]]
    return [np.concatenate(bases), np.concatenate(exponents)]


# --- parity


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


@pytest.fixture(scope="module")
def reference_results() -> dict[tuple[str, str], tuple[list[Array], Array]]:
    cases = [(name, dtype, operands_of(name, dtype)) for name in FUNCTIONS for dtype in DTYPES]
    return {(name, dtype): (operands, getattr(functions, name)(*operands)) for name, dtype, operands in cases}


@both_dtypes
@every_function
def test_the_core_gives_the_references_bits(
    name: str, dtype: str, isa: str, reference_results: dict[tuple[str, str], tuple[list[Array], Array]]
) -> None:
    operands, expected = reference_results[name, dtype]
    assert_same(in_core(name, *operands), expected, name)


def test_core_and_reference_have_the_same_constants() -> None:
    text = (ROOT / "cpp" / "kernels" / "coefficients.h").read_text()
    found = re.findall(r"constexpr (?:double|float) k(\w+)(?:\[\])? = \{?([^;}]+)\}?;", text)
    in_cpp = {name.lower(): tuple(float(x) for x in re.findall(r"[-+.\de]+", numbers)) for name, numbers in found}
    ours = {name: value for name, value in vars(coefficients).items() if name.isupper()}
    in_python = {name.replace("_", "").lower(): np.atleast_1d(value).tolist() for name, value in ours.items()}
    assert {name: list(numbers) for name, numbers in in_cpp.items()} == in_python
    assert len(in_python) > 20


# --- accuracy: the table of docs/numerics.md, on a sample


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    return load_tool("accuracy")


@every_function
def test_float32_is_nearly_always_correctly_rounded_or_within_an_ulp(name: str, accuracy: ModuleType) -> None:
    error, place = accuracy.measure_float32(name, step=20011)
    assert error <= (1.0 if name in IN_FLOAT32 else 0.51), place


# Where the errors are largest: next to the seams of the sequences, and where results become subnormal.
WORST_RANGES = {
    "exp": [(-104.0, -86.0), (-1.1, 1.1), (26.0, 27.5)],
    "tanh": [(0.3, 1.3), (1.8, 2.2)],
    "sigmoid": [(-104.0, 1.1)],
}


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_float32_is_within_an_ulp_where_its_errors_are_largest(name: str, accuracy: ModuleType) -> None:
    rng = np.random.default_rng(9)
    for low, high in WORST_RANGES[name]:
        x = rng.uniform(low, high, 200_000).astype(np.float32)
        errors = accuracy.errors_float32(in_core(name, x), in_core(name, x.astype(np.float64)))
        assert errors.max() <= 1.0, x[np.argmax(errors)]


def rows_of_the_table() -> list[tuple[str, str, str]]:
    """(function, largest float32 error, its arguments), as docs/numerics.md prints them."""
    text = (ROOT / "docs" / "numerics.md").read_text().replace("\N{MINUS SIGN}", "-")
    return re.findall(r"^\| (\w+) \| (0\.\d+) \| ([^|]+) \|", text, re.MULTILINE)


def test_the_table_has_all_functions() -> None:
    assert {name.replace("pow", "power") for name, _, _ in rows_of_the_table()} == set(FUNCTIONS)


@pytest.mark.parametrize(("name", "error", "arguments"), rows_of_the_table())
def test_the_table_of_float32_errors_holds_at_its_arguments(
    name: str, error: str, arguments: str, accuracy: ModuleType
) -> None:
    name = name.replace("pow", "power")
    operands = [np.array([float(x)], np.float32) for x in arguments.split(",")]
    result = getattr(functions, name)(*operands).astype(np.float64)
    exact = accuracy.EXACT[name](*(float(x[0]) for x in operands))
    ulp = np.spacing(np.abs(np.float32(result[0])))
    assert abs(float(abs(float(result[0]) - exact) / float(ulp)) - float(error)) <= 6e-5


@every_function
def test_float64_is_within_one_and_a_half_ulp(name: str, accuracy: ModuleType) -> None:
    error, place = accuracy.measure_float64(name, 300)
    assert error <= 1.5, place


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sin_and_cos_are_accurate_beside_the_multiples_of_half_pi(name: str, accuracy: ModuleType) -> None:
    # From the continued fractions of 2^n 2/pi: no float64 in 1 ... 1e5 is nearer to such a multiple than the first.
    points = np.array([45.553093477052, 5830.795965062656, 11661.591930125313, 46066.74387591393, np.pi, np.pi / 2])
    results = getattr(functions, name)(points)
    errors = [accuracy.error_float64(name, (x,), r) for x, r in zip(points.tolist(), results.tolist())]
    assert max(errors) <= 1.5


# --- signs, zeros, infinities and NaN as in annex F

SPECIAL_CASES: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e4, INF), (-1e4, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (-1e4, -1.0), (1e4, INF)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (-1.0, NAN), (-INF, NAN), (INF, INF)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (-2.0, NAN), (-INF, NAN), (INF, INF)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (50.0, 1.0), (-50.0, -1.0)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (50.0, 1.0), (-1e4, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (1e4, 1e4), (-1e4, 0.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (7.0, 1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
}
POWER_CASES = [
    *[(a, b, 1.0) for a in (0.0, -0.0, 1.0, -2.5, INF, -INF, NAN) for b in (0.0, -0.0)],
    *[(1.0, b, 1.0) for b in (3.0, -2.5, INF, -INF, NAN)],
    *[(NAN, 1.0, NAN), (2.0, NAN, NAN), (-1.0, INF, 1.0), (-1.0, -INF, 1.0), (-1.0, 3.0, -1.0), (-1.0, 4.0, 1.0)],
    *[(0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, 0.5, 0.0), (0.0, INF, 0.0)],
    *[(0.0, -3.0, INF), (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (-0.0, -0.5, INF), (-0.0, -INF, INF)],
    *[(0.5, INF, 0.0), (0.5, -INF, INF), (-0.5, INF, 0.0), (2.0, INF, INF), (-2.0, INF, INF), (2.0, -INF, 0.0)],
    *[(INF, 2.0, INF), (INF, -2.0, 0.0), (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, 0.5, INF)],
    *[(-INF, -3.0, -0.0), (-INF, -2.0, 0.0), (-INF, -0.5, 0.0)],
    *[(-2.0, 3.0, -8.0), (-2.0, 2.0, 4.0), (-2.0, 0.5, NAN), (-2.0, -1.0, -0.5), (2.0, 10.0, 1024.0), (9.0, 0.5, 3.0)],
    *[(2.0, 1e5, INF), (2.0, -1e5, 0.0), (-2.0, 1e5 + 1, -INF), (0.5, 1e30, 0.0), (0.5, -1e30, INF)],
]


@both_dtypes
@pytest.mark.parametrize("name", UNARY)
def test_special_arguments(name: str, dtype: str) -> None:
    cases = np.array([*SPECIAL_CASES[name], (NAN, NAN)]).astype(dtype)
    x, expected = np.ascontiguousarray(cases[:, 0]), np.ascontiguousarray(cases[:, 1])
    result = getattr(functions, name)(x)
    wrong = differing(result, expected)
    assert not wrong.size, list(zip(x[wrong], result[wrong], expected[wrong]))


@both_dtypes
def test_special_powers(dtype: str) -> None:
    a, b, expected = (np.ascontiguousarray(column) for column in np.array(POWER_CASES).astype(dtype).T)
    result = functions.power(a, b)
    wrong = differing(result, expected)
    assert not wrong.size, list(zip(a[wrong], b[wrong], result[wrong], expected[wrong]))


@both_dtypes
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_beyond_their_range_sin_and_cos_stay_bounded(name: str, dtype: str) -> None:
    x = np.array([1.1e5, 1e7, 1e9, 2.0**30, 2.0**31, 1e30, np.finfo(dtype).max]).astype(dtype)
    assert np.all(np.abs(getattr(functions, name)(np.concatenate([x, -x]))) <= 1)


@both_dtypes
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "erf", "sin"])
def test_tiny_arguments_keep_their_value(name: str, dtype: str) -> None:
    smallest = np.finfo(dtype).smallest_subnormal
    x = np.array([smallest, 3 * smallest, np.finfo(dtype).tiny], dtype)
    result = getattr(functions, name)(np.concatenate([x, -x]))
    slope = 2 / np.sqrt(np.pi) if name == "erf" else 1.0
    assert not differing(result, (np.concatenate([x, -x]).astype(np.longdouble) * slope).astype(dtype)).size


@both_dtypes
def test_the_largest_and_the_smallest_numbers_have_logarithms(dtype: str, accuracy: ModuleType) -> None:
    info = np.finfo(dtype)
    x = np.array([info.max, info.max * 0.8, info.max * 0.5, info.tiny, info.tiny * 0.7, info.smallest_subnormal], dtype)
    for name in ("log", "log1p"):
        exact = np.array([float(accuracy.EXACT[name](float(v))) for v in x])
        assert np.allclose(getattr(functions, name)(x).astype(np.float64), exact, rtol=2 * float(info.eps), atol=0)


# --- sanity


@both_dtypes
@pytest.mark.parametrize("name", [name for name in UNARY if name not in ("sin", "cos")])
def test_increasing_functions_increase(name: str, dtype: str) -> None:
    x = np.sort(np.random.default_rng(7).uniform(-30, 30, 50000)).astype(dtype)
    x = np.abs(x) if name == "log" else np.maximum(x, -0.999) if name == "log1p" else x
    y = getattr(functions, name)(np.sort(x))
    slack = 0 if dtype == "float32" else 2 * np.spacing(np.abs(y[:-1]))  # its error may show where a function is flat
    assert np.all(y[1:] >= y[:-1] - slack)


def neighbours(low: float, high: float) -> Array:
    """All float32 between two of one sign."""
    return np.arange(*np.array([low, high], np.float32).view(np.uint32), dtype=np.uint32).view(np.float32)


def test_float32_tanh_never_steps_down_at_its_seams_or_where_it_hardly_grows() -> None:
    seams = (np.array([3, 4, 6, 8, 12, 16, 24]) - 2) / 3.25
    for low, high in [*zip(seams * (1 - 1e-4), seams * (1 + 1e-4)), (6.2, 6.9), (8.9, 9.2)]:
        x = neighbours(low, high)
        assert np.all(np.diff(in_core("tanh", x)) >= 0), (low, high)


@both_dtypes
def test_symmetries(dtype: str) -> None:
    x = random_numbers(dtype, 4000, seed=8)
    for name in ("tanh", "erf", "sin"):
        function = getattr(functions, name)
        assert not differing(function(-x), -function(x)).size, name
    assert not differing(functions.cos(-x), functions.cos(x)).size


@both_dtypes
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3)])
def test_shape_and_dtype_stay(shape: tuple[int, ...], dtype: str) -> None:
    x = np.full(shape, 0.5, dtype)
    for name in FUNCTIONS:
        result = getattr(functions, name)(*([x, x] if name == "power" else [x]))
        assert (result.shape, result.dtype) == (shape, np.dtype(dtype))


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(TypeError, match="int64"):
        functions.exp(np.arange(3))
    with pytest.raises(TypeError, match="float32, float64"):
        functions.power(np.ones(2, np.float32), np.ones(2))
