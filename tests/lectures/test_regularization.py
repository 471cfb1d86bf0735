"""Lecture B: what L2 does to the minimum of a quadratic cost. Goodfellow et al., Deep Learning, 2016, section 7.1."""

from __future__ import annotations

import fastbp as bp
import numpy as np
import pytest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)) @ RNG.normal(size=(4, 4))
Y = X @ [1.0, -2.0, 0.5, 3.0] + RNG.normal(scale=0.2, size=30)


def hessian() -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues D and eigenvectors Q of the Hessian of the cost without a penalty."""
    x, y, w = bp.input("x", (4,)), bp.input("y"), bp.parameter(np.zeros(4))
    cost = bp.mean((bp.sum(x * w, axis=-1) - y) ** 2) / 2
    values, vectors = np.linalg.eigh(bp.function([x, y], bp.hessian(cost, w), dtype="float64")(X, Y))
    return values, vectors


def descended(l2: float, curvature: float) -> np.ndarray:
    """The weights of a linear net at the end of its descent."""
    net = bp.Sequential([bp.Input((4,)), bp.Dense(1, use_bias=False)], dtype="float64")
    net.compile(bp.SGD(1 / curvature, momentum=0.9), "quadratic", l2=l2)
    net.fit(X, Y, batch_size=30, epochs=6000, verbose=0)
    return np.asarray(net.get_weights()[0][:, 0])


@pytest.mark.parametrize("l2", [0.3, 30.0, 3000.0])
def test_the_minimum_is_rescaled_along_the_hessians_eigenvectors(l2: float) -> None:
    """Q (D + λI)⁻¹ D Qᵀ w* for the penalty λ/2 ‖w‖². This λ is l2/m, because the lecture's penalty is l2/(2m) Σw²."""
    d, q = hessian()
    strength = l2 / len(X)
    best = descended(0.0, d[-1])
    np.testing.assert_allclose(best, np.linalg.lstsq(X, Y, rcond=None)[0], atol=1e-8)
    moved = descended(l2, d[-1] + strength)
    np.testing.assert_allclose(moved, q @ (d / (d + strength) * (q.T @ best)), rtol=0, atol=1e-8)
    np.testing.assert_allclose((q.T @ moved) / (q.T @ best), d / (d + strength), rtol=1e-7)
    assert np.abs(moved).sum() < np.abs(best).sum()
