"""Errors for unknown names suggest the nearest known one."""

from __future__ import annotations

import fastbp as bp
import pytest
from fastbp._shared.nearest import look_up, look_up_either_way, nearest, unknown


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


@pytest.mark.parametrize(
    ("name", "expected"), [("lr", "learning_rate"), ("decay", "weight_decay"), ("wd", "weight_decay"), ("steps", None)]
)
def test_initials_and_parts_of_a_name_are_like_it(name: str, expected: str | None) -> None:
    assert nearest(name, ["epochs", "learning_rate", "weight_decay", "l2"], cutoff=0.6) == expected


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


def test_a_name_is_found_as_a_function_or_as_a_class() -> None:
    table = {"he_normal": 1, "l1": 2}
    assert [look_up_either_way("x", name, table) for name in ("he_normal", "HeNormal", "l1", "L1")] == [1, 1, 2, 2]
    assert look_up_either_way("x", "HENormal", table) == 1  # as KLDivergence
    for name in ("HeNorml", "henormal"):
        with pytest.raises(ValueError, match=f"x must be one of he_normal, l1, got '{name}': did you mean 'he_normal'"):
            look_up_either_way("x", name, table)


def test_classes_are_found_by_their_own_names() -> None:
    for cls in set(bp.initializers.INITIALIZERS.values()):
        assert type(bp.initializers.get_initializer("kernel_initializer", cls.__name__)) is cls
    for name in ("L1", "L2", "L1L2"):
        assert type(bp.regularizers.get_regularizer("kernel_regularizer", name)).__name__ == name
    assert isinstance(bp.constraints.get_constraint("kernel_constraint", "MaxNorm"), bp.MaxNorm)
    assert bp.losses.get_loss("SparseCategoricalCrossentropy") is bp.sparse_categorical_crossentropy
    assert bp.losses.get_loss("MSE") is bp.mse
    assert bp.losses.get_loss("KLDivergence") is bp.kl_divergence
    assert bp.losses.get_loss("Huber") is bp.huber
    assert bp.losses.get_loss("LogCosh") is bp.log_cosh
    assert isinstance(bp.optimizers.get_optimizer("RMSprop"), bp.RMSprop)
