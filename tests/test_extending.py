"""docs/extending.md is true: its places exist, and each kind of thing is known at every place listed for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from fastbp._shared.trained_weight import TrainedWeight
from fastbp.reference.operations import ELEMENTWISE, STRUCTURAL

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
QUESTIONS = [row for row in ROWS if re.match(r"(Where|Which|What|How|Under|…)", row[0])]
PLACES = [row for row in ROWS if row[0].startswith("`")]

FUNCTIONS = "exp expm1 log log1p sin cos tanh sigmoid softplus erf power".split()  # of rule 4
UPDATE_RULES = [*_core.testing.update_rules()]
OPTIMIZERS = [cls.__name__ for cls in bp.optimizers.OPTIMIZERS.values()]
KINDS: dict[str, list[str]] = {
    "activations": [*bp.activations.ACTIVATIONS],
    "losses": [*bp.losses.LOSSES],
    "array metrics": sorted({metric.__name__ for metric in bp.metrics.ARRAY_METRICS.values()}),
    "layers": [*bp.layers.__all__],
    "optimisers": OPTIMIZERS,
    "backend names": sorted({cls().configuration()["name"] for cls in bp.optimizers.OPTIMIZERS.values()}),
    "update rules": UPDATE_RULES,
    "elementwise operations": [*ELEMENTWISE],
    "functions": FUNCTIONS,
    "structural operations": [*STRUCTURAL],
    "fields of `TrainedWeight`": [*TrainedWeight._fields],
}


def expected(known: str) -> list[str]:
    """The words that must be at a place: "functions, but power, as `NAME_of`" -> exp_of, expm1_of, …"""
    found = re.fullmatch(r"(?P<kind>[a-zA-Z` ]+?)(, but (?P<but>[\w ,]+?))?(,? as `(?P<form>\S+)`)?", known)
    assert found is not None, known
    exceptions = re.split(r", | and ", found["but"] or "")
    names = KINDS[found["kind"]]
    assert set(exceptions) - {""} <= set(names), f"no longer exceptions: {exceptions}"
    return [(found["form"] or "NAME").replace("NAME", name) for name in names if name not in exceptions]


def code_of(path: Path) -> str:
    """The text of a file, without comments if it is code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.sub(r"(?m)(^|\s)#.*$", "", text)
    return re.sub(r"//.*", "", text) if path.suffix in (".h", ".cpp") else text


def missing(text: str, words: list[str]) -> list[str]:
    return [word for word in words if not re.search(rf"\b{re.escape(word)}\b", text)]


def test_the_page_has_its_tables() -> None:
    assert len(QUESTIONS) > 20
    assert len(PLACES) > 60
    assert sum(bool(row[2]) for row in PLACES) > 40
    assert all(KINDS.values())


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: row[0])
def test_what_is_asked_for_is_there(row: list[str]) -> None:
    path = ROOT / row[1].strip("`")
    if path.is_dir():
        return
    assert missing(path.read_text(encoding="utf-8"), re.findall(r"`([^`]+)`", row[2])) == []


@pytest.mark.parametrize("row", PLACES, ids=lambda row: f"{row[0].strip('`')} {row[2]}")
def test_every_name_is_known_at_every_place(row: list[str]) -> None:
    path = ROOT / row[0].strip("`")
    assert path.exists()
    if row[2]:
        assert missing(code_of(path), expected(row[2])) == []


def test_a_name_that_is_nowhere_is_missed() -> None:
    assert missing(code_of(Path(__file__)), ["FUNCTIONS"]) == []
    assert missing("case Op::tanh: return 2.5;", ["Op::tanh", "Op::sinh"]) == ["Op::sinh"]
    assert expected("functions, but power, as `NAME_of`")[:2] == ["exp_of", "expm1_of"]
    assert "mae" not in expected("losses, but mae")


def test_the_layer_of_the_page_normalises() -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1
    namespace: dict[str, Any] = {}
    exec(code[0], namespace)
    x = np.random.default_rng(0).normal(3, 2, size=(5, 7))
    gamma, beta = np.linspace(1, 2, 7), np.linspace(-1, 1, 7)
    net = bp.Sequential([bp.Input((7,)), namespace["LayerNormalization"]()], dtype="float64")
    net.set_weights([gamma, beta])
    wanted = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3) * gamma + beta
    np.testing.assert_allclose(net.predict(x), wanted, rtol=1e-12)
