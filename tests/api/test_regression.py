"""`bp.linear_regression`: the exact answer where there is one, the documented one where many fit."""

from __future__ import annotations

from fractions import Fraction

import fastbp as bp
import numpy as np
import pytest

RNG = np.random.default_rng(8)


def solved(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Gauss' elimination without rounding."""
    rows = [[*row, r] for row, r in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        pivot = next(r for r in range(i, len(rows)) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(len(rows)):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[-1] / row[i] for i, row in enumerate(rows)]


def normal_equations(x: np.ndarray, y: np.ndarray, l2: float, intercept: bool) -> list[float]:
    """[W, b] of (XᵀX + λI)⁻¹ XᵀY in fractions; the intercept is a column of ones, which the penalty spares."""
    columns = [[Fraction(v) for v in column] for column in x.T.tolist()]
    if intercept:
        columns.append([Fraction(1)] * len(x))
    target = [Fraction(v) for v in y.tolist()]
    gram = [[sum((a * b for a, b in zip(p, q, strict=True)), Fraction()) for q in columns] for p in columns]
    for i in range(x.shape[1]):
        gram[i][i] += Fraction(l2)
    right = [sum((a * b for a, b in zip(p, target, strict=True)), Fraction()) for p in columns]
    return [float(v) for v in solved(gram, right)]


@pytest.mark.parametrize("l2", [0.0, 0.5, 40.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_it_solves_the_normal_equations(l2: float, intercept: bool) -> None:
    x, y = RNG.normal(size=(20, 4)) * [1, 10, 0.1, 3] + 5, RNG.normal(size=20)
    found = bp.linear_regression(x, y, l2=l2, intercept=intercept)
    expected = normal_equations(x, y, l2, intercept)
    assert [*found.coefficients, found.intercept][: 4 + intercept] == pytest.approx(expected, rel=1e-11)
    assert found.rank == 4
    assert intercept or found.intercept == 0
    residuals = y - x @ expected[:4] - (expected[4] if intercept else 0)
    assert found.residual_sum_of_squares == pytest.approx(np.sum(residuals**2), rel=1e-11)


def test_it_keeps_digits_that_forming_the_normal_equations_would_lose() -> None:
    """Läuchli's matrix: XᵀX is singular in float64."""
    small = 2.0**-27
    x = np.array([[1.0, 1.0], [small, 0.0], [0.0, small]])
    y = x @ [1.0, 2.0]
    gram = x.T @ x
    assert gram[0, 0] * gram[1, 1] - gram[0, 1] * gram[1, 0] == 0
    found = bp.linear_regression(x, y, intercept=False)
    assert found.rank == 2
    np.testing.assert_allclose(found.coefficients, [1.0, 2.0], rtol=1e-7)


def test_units_do_not_decide_over_the_rank() -> None:
    x = RNG.normal(size=(30, 3))
    units = np.array([1e-150, 1.0, 1e150])
    found = bp.linear_regression(x * units, x @ [1.0, 2.0, 3.0] + 4)
    assert found.rank == 3
    np.testing.assert_allclose(found.coefficients * units, [1.0, 2.0, 3.0], rtol=1e-12)
    assert found.intercept == pytest.approx(4.0)


@pytest.mark.parametrize("rows", [40, 4], ids=["columns that depend on each other", "fewer rows than columns"])
def test_of_many_answers_it_gives_the_shortest(rows: int) -> None:
    x = RNG.normal(size=(rows, 5)) * [1.0, 100.0, 0.01, 1.0, 1.0]
    x[:, 4] = 3 * x[:, 0] - x[:, 3] + 7
    y = RNG.normal(size=rows)
    found = bp.linear_regression(x, y)
    centered = x - x.mean(axis=0)
    assert found.rank == min(4, rows - 1)
    np.testing.assert_allclose(found.coefficients, np.linalg.pinv(centered) @ (y - y.mean()), rtol=1e-8)
    ridge = bp.linear_regression(x, y, l2=1e-9)
    np.testing.assert_allclose(found.coefficients, ridge.coefficients, rtol=1e-4)


def test_a_constant_column_beside_the_intercept_gets_nothing() -> None:
    x = np.stack([np.arange(5.0), np.full(5, 3.0)], axis=1)
    found = bp.linear_regression(x, 2 * x[:, 0] + 1)
    np.testing.assert_allclose([*found.coefficients, found.intercept], [2.0, 0.0, 1.0], atol=1e-14)
    assert found.rank == 1
    nothing = bp.linear_regression(np.zeros((3, 2)), [1.0, 2.0, 3.0])
    assert (nothing.coefficients.tolist(), nothing.intercept, nothing.rank) == ([0.0, 0.0], 2.0, 0)


@pytest.mark.parametrize("x_dims", [(), (1,), (3,)])
@pytest.mark.parametrize("y_dims", [(), (1,), (2,)])
def test_shapes_follow_those_of_the_data(x_dims: tuple[int, ...], y_dims: tuple[int, ...]) -> None:
    x, y = RNG.normal(size=(9, *x_dims)), RNG.normal(size=(9, *y_dims))
    found = bp.linear_regression(x, y)
    assert np.shape(found.coefficients) == (*x_dims, *y_dims)
    assert np.shape(found.intercept) == y_dims
    predicted = found.predict(x)
    assert predicted.shape == y.shape
    assert np.sum((predicted - y) ** 2) == pytest.approx(found.residual_sum_of_squares)
    assert found.predict(x[:0]).shape == (0, *y_dims)


@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_a_dense_layer_trained_by_descent_converges_to_it(l2: float) -> None:
    x, y = RNG.normal(size=(25, 3)) + 1, RNG.normal(size=(25, 2))
    found = bp.linear_regression(x, y, l2=l2)
    net = bp.Sequential([bp.Dense(2)], dtype="float64")
    net.compile(bp.SGD(0.3), loss="quadratic", l2=l2)
    net.fit(x, y, batch_size=25, epochs=2000, verbose=0)
    kernel, bias = net.get_weights()
    np.testing.assert_allclose(kernel, found.coefficients, rtol=1e-9)
    np.testing.assert_allclose(bias, found.intercept, rtol=1e-9)


def test_data_of_any_dtype_are_taken_and_left_alone() -> None:
    pandas = pytest.importorskip("pandas")
    x, y = np.array([[1, 2], [3, 5], [4, 4], [0, 1]]), np.array([1.0, 2.0, 0.0, 3.0])
    expected = bp.linear_regression(x.astype(float), y).coefficients
    before = x.copy()
    for other in (x, x.astype(np.float32), x.tolist(), np.asfortranarray(x), pandas.DataFrame(x)):
        found = bp.linear_regression(other, y.astype(np.float32))
        assert found.coefficients.dtype == np.float64
        np.testing.assert_array_equal(found.coefficients, expected)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0], [2.0]], [1.0]), ValueError, "y has 1 rows, but x has 2"),
        (([], []), ValueError, "x must have at least 1 row, got 0"),
        (([1.0, np.nan], [1.0, 2.0]), ValueError, "x must be finite, got nan in row 1, column 0"),
        (([1.0, 2.0], [[1.0, 2.0], [1.0, np.inf]]), ValueError, "y must be finite, got inf in row 1, column 1"),
        ((np.zeros((2, 2, 2)), [1.0, 2.0]), ValueError, r"x must have the shape .* got \(2, 2, 2\)"),
        (([1.0, 2.0], [1.0, 2.0], -1.0), ValueError, "l2 must be finite and at least 0"),
        (([1.0, 2.0], [1.0, 2.0], 0.0, 1), TypeError, "intercept must be True or False"),
        ((["a", "b"], [1.0, 2.0]), TypeError, "x must hold real numbers"),
    ],
)
def test_errors_name_the_argument(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bp.linear_regression(*arguments)


def test_predict_counts_the_features() -> None:
    with pytest.raises(ValueError, match="x has 2 features, but the regression has 1"):
        bp.linear_regression([1.0, 2.0], [1.0, 2.0]).predict([[1.0, 2.0]])


@pytest.mark.parametrize("rows", [5, 10, 37, 199])
def test_a_constant_column_has_the_coefficient_0(rows: int) -> None:
    draw = np.random.default_rng(rows)
    for constant in (0.1, 0.7, -3.3, 1e-9, 12345.67, 1 / 3):
        x = np.column_stack([draw.normal(size=rows), np.full(rows, constant)])
        line = bp.linear_regression(x, 3 * x[:, 0] - 2)
        assert line.rank == 1
        assert line.coefficients[1] == 0
        np.testing.assert_allclose([line.coefficients[0], line.intercept], [3, -2], rtol=1e-12)
    flat = bp.linear_regression(draw.normal(size=rows), np.full(rows, 0.1))
    assert flat.coefficients == 0
    assert flat.residual_sum_of_squares == 0
    nearly = np.full(rows, 1.0)
    nearly[0] += 1e-12  # small, and no rounding error
    assert bp.linear_regression(nearly, nearly).rank == 1
