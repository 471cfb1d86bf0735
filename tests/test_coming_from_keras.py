"""docs/coming-from-keras.md without Keras: its program runs, its rows have tests, and what it says is missing is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import fastbp as bp
import pytest
from keras_page import missing, program, rows, snake

DIFFERENCES = Path(__file__).resolve().parent / "peers" / "test_keras_differences.py"
MODULES = [bp, bp.activations, bp.callbacks, bp.constraints, bp.initializers, bp.losses, bp.metrics, bp.optimizers,
           bp.schedules]  # fmt: skip


def test_the_program_of_the_page_runs() -> None:
    names: dict[str, float] = {}
    exec(compile(program("fastbp"), "coming-from-keras.md", "exec"), names)
    assert names["accuracy"] > 0.9


def test_a_test_shows_each_difference_of_the_page() -> None:
    text = DIFFERENCES.read_text(encoding="utf-8")
    shown = [found[1:-1] for found in re.findall(r"^@shows\((\".+\"|'.+')\)$", text, re.MULTILINE)]
    assert len(shown) > 20
    assert sorted(shown) == sorted(row[0] for row in rows("What differs in meaning"))


@pytest.mark.parametrize("kind", missing())
def test_what_the_page_misses_is_not_there(kind: str) -> None:
    names = missing()[kind]
    if kind == "layers":
        assert {*names} == {*bp.layers.__all__} - {"Layer"}
    elif kind.startswith("arguments"):
        (method,) = re.findall(r"`(\w+)`", kind)
        assert not {*names} & {*inspect.signature(getattr(bp.Model, method)).parameters}
    else:
        of_functions = map(snake, names) if kind == "losses" else []
        assert not {*names, *of_functions} & {name for module in MODULES for name in dir(module)}


@pytest.mark.parametrize("row", rows("How to say it"), ids=lambda row: row[0])
def test_how_to_say_it_names_what_is_there(row: list[str]) -> None:
    for name in re.findall(r"\bbp\.(\w+)", row[1]):
        assert hasattr(bp, name)
