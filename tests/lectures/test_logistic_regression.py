"""Lecture A's logistic regression: the worked example, Bernoulli's likelihood, the simplified gradient."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest

RNG = np.random.default_rng(17)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


class Example:
    """z = wx + b, p = σ(z), E = −[y ln p + (1 − y) ln(1 − p)] with w = .3, b = .7."""

    def __init__(self) -> None:
        self.x, self.y = bp.input("x"), bp.input("y")
        self.w, self.b = bp.parameter(0.3, name="w"), bp.parameter(0.7, name="b")
        self.z = self.w * self.x + self.b
        self.p = bp.sigmoid(self.z)
        self.cost = bp.cross_entropy(self.y, self.p)

    def function(self, output: Any, wanted: Any, dtype: str) -> Any:
        return bp.function([self.x, self.y], output, gradients=wanted, dtype=dtype)


def written_out(e: Example) -> bp.Expression:
    return -bp.mean(e.y * bp.log(e.p) + (1 - e.y) * bp.log(1 - e.p))


@both_dtypes
@pytest.mark.parametrize("named", [True, False], ids=["the named loss", "the formula written out"])
def test_the_worked_example_with_its_intermediate_gradients(named: bool, dtype: str) -> None:
    e = Example()
    cost = e.cost if named else written_out(e)
    value, (by_p, by_z, by_w, by_b) = e.function(cost, [e.p, e.z, e.w, e.b], dtype)([1.0], [1.0])
    p, p_by_z = e.function(bp.sum(e.p), e.z, dtype)([1.0], [1.0])
    found = [p, value, by_p[0], p_by_z[0], by_w]
    assert found == pytest.approx([0.731059, 0.313262, -1.367879, 0.196612, -0.268941], rel=0, abs=6e-7)
    assert by_p[0] * p_by_z[0] == pytest.approx(by_z[0], rel=1e-6)  # the chain rule
    assert by_b == by_w  # x = 1


def test_bernoullis_likelihood_is_the_cross_entropy() -> None:
    """∏ pʸ (1 − p)¹⁻ʸ = exp(−m · cross entropy)"""
    e = Example()
    x, y = RNG.normal(size=12), RNG.integers(0, 2, 12)
    likelihood = bp.function([e.x, e.y], e.p**e.y * (1 - e.p) ** (1 - e.y), dtype="float64")(x, y)
    cost = bp.function([e.x, e.y], e.cost, dtype="float64")(x, y)
    assert likelihood.prod() == pytest.approx(np.exp(-12 * cost), rel=1e-12)


@both_dtypes
def test_the_named_loss_computes_p_minus_y_times_x(dtype: str) -> None:
    e = Example()
    x, y = RNG.normal(size=300), RNG.integers(0, 2, 300)
    simplified = bp.sum((e.p - e.y) * e.x) / 300
    _, by_w = e.function(e.cost, e.w, dtype)(x, y)
    expected = bp.function([e.x, e.y], simplified, dtype=dtype)(x, y)
    assert by_w == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 1e-12)


def test_the_named_loss_divides_by_no_probability() -> None:
    """Where the sigmoid is saturated the formula divides 0 by 0; p − y does not."""
    e = Example()
    _, by_z = e.function(e.cost, e.z, "float32")([-1e6, 1e6], [1.0, 0.0])
    assert by_z.tolist() == [-0.5, 0.5]  # (p − y) / m
    with np.errstate(all="ignore"):
        _, plain = e.function(written_out(e), e.z, "float32")([-1e6, 1e6], [1.0, 0.0])
    assert np.isnan(plain).all()
