"""Errors for unknown names suggest the nearest known one."""

from __future__ import annotations

import pytest
from fastbp._shared.nearest import look_up, nearest, unknown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rellu", "relu"),
        ("SGD", "SGD"),
        ("sgd", "SGD"),
        ("Dence", "Dense"),
        ("tanhh", "tanh"),
        ("qqq", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case(name: str, expected: str | None) -> None:
    assert nearest(name, ["relu", "tanh", "SGD", "Dense"]) == expected


def test_of_nothing_nothing_is_near() -> None:
    assert nearest("relu", []) is None


def test_the_error_lists_what_is_known_and_suggests() -> None:
    assert str(unknown("activation", "rellu", ["tanh", "relu"])) == (
        "activation must be one of relu, tanh, got 'rellu': did you mean 'relu'?"
    )
    assert str(unknown("activation", "qqq", ["tanh", "relu"])) == "activation must be one of relu, tanh, got 'qqq'"


def test_look_up_returns_what_is_known_and_raises_otherwise() -> None:
    assert look_up("mode", "min", {"min": 1}) == 1
    with pytest.raises(ValueError, match="mode must be one of min, got 'mim': did you mean 'min'"):
        look_up("mode", "mim", {"min": 1})
