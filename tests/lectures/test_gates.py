"""Lecture A's gates: add distributes, max routes, mul switches, and gradients add at branches; on the drawing too."""

from __future__ import annotations

import fastbp as bp
import pytest

both_backends = pytest.mark.parametrize("backend", ["core", "reference"])


def two() -> tuple[bp.Parameter, bp.Parameter]:
    return bp.parameter(3.0, name="a"), bp.parameter(-4.0, name="b")


def shares(cost: bp.Expression, name: str) -> list[float]:
    """The gradients on the arrows that leave the node of this name."""
    drawing = bp.draw(cost)
    return [float(e.gradient) for e in drawing.edges if drawing.nodes[e.source].lines[0] == name]


@both_backends
def test_add_distributes_the_gradient(backend: str) -> None:
    a, b = two()
    cost = 5 * (a + b)
    assert bp.function([], cost, gradients=[a, b], backend=backend)() == (-5.0, (5.0, 5.0))
    assert shares(cost, "a") == shares(cost, "b") == shares(cost, "+") == [5.0]


@both_backends
def test_max_routes_the_gradient_to_the_larger_one(backend: str) -> None:
    a, b = two()
    cost = 5 * bp.maximum(a, b)
    assert bp.function([], cost, gradients=[a, b], backend=backend)() == (15.0, (5.0, 0.0))
    assert (shares(cost, "a"), shares(cost, "b")) == ([5.0], [0.0])


@both_backends
def test_mul_switches_the_values(backend: str) -> None:
    a, b = two()
    cost = 5 * (a * b)
    assert bp.function([], cost, gradients=[a, b], backend=backend)() == (-60.0, (5 * -4.0, 5 * 3.0))
    assert (shares(cost, "a"), shares(cost, "b")) == ([-20.0], [15.0])


@both_backends
def test_gradients_add_at_branches(backend: str) -> None:
    a, b = two()
    cost = a * b + 2 * a
    assert bp.function([], cost, gradients=[a, b], backend=backend)() == (-6.0, (-4.0 + 2.0, 3.0))
    assert shares(cost, "a") == [-4.0, 2.0]
    assert bp.draw(cost).nodes[0].gradient == "-2"
