"""`linear_regression`: least squares and ridge in closed form.

The one place where fastbp leaves arithmetic to NumPy's LAPACK: nothing that trains imports this file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._shared.arguments import finite, known_keywords, truth
from ._shared.memory import copied, require_memory
from .lowering.arrays import as_array, common_rows
from .lowering.columns import check_columns, columns_of, warn_of_missing_names


@dataclass(frozen=True, eq=False)
class LinearRegression:
    """What `linear_regression` returns, in float64.

    Attributes
    ----------
    coefficients : array
        W, of shape (n, k) as `Dense` has it; without the axis that x (n) or y (k) did not have: a number where both had
        one axis.
    intercept : array
        b, of shape (k,), or a number; zeros if it was left out.
    rank : int
        How many directions of x the data determine; below n the coefficients are the shortest of many that fit alike.
    residual_sum_of_squares : float
        Σ‖y − xW − b‖², without the penalty; divided by 2m it is the loss "quadratic", by mk it is "mse".
    feature_names_in_ : list or None
        The columns of x, if it was a data frame.

    Examples
    --------
    >>> import fastbp as bp
    >>> line = bp.linear_regression([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> isinstance(line, bp.LinearRegression), line.rank
    (True, 1)
    """

    coefficients: Any
    intercept: Any
    rank: int
    residual_sum_of_squares: float
    feature_names_in_: list[Any] | None = field(default=None, repr=False)

    def predict(self, x: Any) -> np.ndarray:
        """xW + b.

        Parameters
        ----------
        x : array
            Of as many features as the regression was made with. A data frame must have the same columns, in the same
            order, if that was one; data without names are a UserWarning then.

        Returns
        -------
        array
            Of shape (m,) or (m, k), as the targets were.

        Raises
        ------
        ValueError, TypeError
            For data that do not fit.

        Examples
        --------
        >>> import fastbp as bp
        >>> bp.linear_regression([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).predict([10.0]).round(6)
        array([21.])
        """
        known = None if self.feature_names_in_ is None else tuple(self.feature_names_in_)
        if not check_columns(columns_of(x), known, "x", "the regression"):
            warn_of_missing_names("x", "the regression")
        matrix = _matrix(x, "x")
        targets = np.shape(self.intercept)
        coefficients = np.reshape(self.coefficients, (-1, *(targets or (1,))))
        if matrix.shape[1] != len(coefficients):
            raise ValueError(f"x has {matrix.shape[1]} features, but the regression has {len(coefficients)}")
        return np.reshape(matrix @ coefficients + self.intercept, (len(matrix), *targets))


@known_keywords
def linear_regression(x: Any, y: Any, l2: float = 0.0, intercept: bool = True) -> LinearRegression:
    """Least squares in closed form: the W and b that minimise Σ‖y − xW − b‖² + l2·‖W‖².

    It solves the normal equations W = (XᵀX)⁻¹XᵀY without forming XᵀX, which would square the condition number.

    Parameters
    ----------
    x : array
        Of shape (m, n), or (m,) for one feature; any real dtype.
    y : array
        The targets, of shape (m,) or (m, k).
    l2 : float
        λ of ridge regression, which spares the intercept. It is that of ``compile(loss="quadratic", l2=l2)``, whose
        cost 1/(2m) Σ‖y − a‖² + λ/(2m) Σw² has the same minimum, and scikit-learn's ``Ridge(alpha=l2)``. Default 0.
    intercept : bool
        Whether there is a b; without it b is 0. Default True.

    Returns
    -------
    LinearRegression
        With ``coefficients``, ``intercept``, ``rank``, ``residual_sum_of_squares`` and ``predict(x)``.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the shapes do not fit, there are no rows, a number is not finite, or `l2` is negative.

    Notes
    -----
    The intercept is taken out by subtracting the columns' means; what is left is solved by the singular value
    decomposition of x, for l2 = 0 with each column divided by its largest element, so that the columns' units do not
    decide over the rank. A column that differs from its mean by no more than m·2⁻⁵² of its largest element is constant.
    Singular values below max(m, n)·2⁻⁵² times the largest count as 0.

    Where columns depend on each other, or there are fewer rows than columns, many W fit alike (rank < n). Of these the
    answer is the one with the smallest ‖W‖, the pseudoinverse's, which is the limit of ridge regression for l2 → 0.

    It is computed in float64 by LAPACK: unlike those of everything that trains, its last bits depend on the library
    that NumPy was built with, and may differ between machines. Gradient descent converges to it, with the same bits on
    all.

    References: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th edition (2013), sections 5.5 and 6.1.4.

    Examples
    --------
    >>> import fastbp as bp
    >>> line = bp.linear_regression([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> print(f"y = {line.coefficients:.3f} x + {line.intercept:.3f}")
    y = 2.000 x + 1.000
    """
    l2, with_intercept = finite("l2", l2), truth("intercept", intercept)
    features, targets = _matrix(x, "x"), _matrix(y, "y")
    if not common_rows([features, targets], ["x", "y"]):
        raise ValueError("x must have at least 1 row, got 0")
    require_memory(_work_bytes(len(features), features.shape[1], targets.shape[1]))
    no_means = np.zeros(features.shape[1]), np.zeros(targets.shape[1])
    x_mean, y_mean = (features.mean(axis=0), targets.mean(axis=0)) if with_intercept else no_means
    centered, y_centered = _centered(features, x_mean), _centered(targets, y_mean)
    w, rank = _solution(centered, y_centered, l2)
    x_dims, y_dims = np.shape(x)[1:], np.shape(y)[1:]
    columns = columns_of(x)
    return LinearRegression(
        coefficients=np.reshape(w, (*x_dims, *y_dims))[()],
        intercept=np.reshape(y_mean - x_mean @ w, y_dims)[()],
        rank=rank,
        residual_sum_of_squares=float(np.sum((y_centered - centered @ w) ** 2)),
        feature_names_in_=None if columns is None else list(columns),
    )


def _work_bytes(m: int, n: int, k: int) -> int:
    """What is held at a time beside the data: x centred, scaled, copied by LAPACK; U, S, V and its work; y centred."""
    small = min(m, n)
    return 8 * (3 * m * n + (m + n) * small + 7 * small * (small + 1) + 3 * m * k)


def _centered(columns: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Columns less their means. What is within the error of a mean is 0: so constant columns become 0."""
    centered = columns - means
    largest = np.max(np.abs(columns), axis=0, initial=0.0)
    constant = np.max(np.abs(centered), axis=0, initial=0.0) <= len(columns) * 2.0**-52 * largest
    centered[:, constant & (means != 0)] = 0.0
    return centered


def _matrix(value: Any, name: str) -> np.ndarray:
    """`value` as float64, finite, of shape (rows, columns)."""
    array = as_array(value, name)
    if array.ndim > 2:
        raise ValueError(f"{name} must have the shape (rows,) or (rows, columns), got {array.shape}")
    require_memory(2 * array.size)  # truth values
    matrix = copied(array, np.float64) if array.ndim == 2 else copied(array, np.float64)[:, np.newaxis]
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(f"{name} must be finite, got {matrix[row, column]} in row {row}, column {column}")
    return matrix


def _solution(x: np.ndarray, y: np.ndarray, l2: float) -> tuple[np.ndarray, int]:
    """(W, rank) of the smallest ‖y − xW‖² + l2·‖W‖², and of those the smallest ‖W‖."""
    scale = np.ones(x.shape[1])
    if not l2:
        largest = np.max(np.abs(x), axis=0, initial=0.0)
        scale[largest > 0] = largest[largest > 0]
    u, s, vt = np.linalg.svd(x / scale, full_matrices=False)
    rank = int(np.sum(s > s[0] * max(x.shape) * 2.0**-52)) if s.size else 0
    u, s, v = u[:, :rank], s[:rank, np.newaxis], vt[:rank].T
    w = v @ ((u.T @ y) * (s / (s * s + l2))) / scale[:, np.newaxis]
    if not l2 and rank < x.shape[1]:  # the shortest of all W that fit alike lies in the span of the rows of x
        rows = np.linalg.qr(v * scale[:, np.newaxis])[0]
        w = rows @ (rows.T @ w)
    return w, rank
