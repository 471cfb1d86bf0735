"""The packages of python/fastbp keep their levels: each imports only packages below it, without circles.

Imports for types count as well.
"""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import fastbp as bp
import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "python" / "fastbp"

# From the ground up. `fastbp` is the package's own __init__; _core is the extension.
LEVELS = [
    {"errors", "_core"},
    {"_shared"},
    {"callbacks", "expressions", "initializers", "reference"},
    {"activations", "constraints", "datasets", "lowering", "regularizers"},
    {"augment", "layers", "losses", "optimizers", "regression"},
    {"metrics", "schedules"},
    {"training"},
    {"minimization", "models"},
    {"inspection"},
    {"_pickled"},
    {"fastbp"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS, start=1) for name in names}
# What users reach as bp.NAME alone, or not at all; all other packages without an underscore are public modules.
MACHINERY = {"expressions", "inspection", "lowering", "minimization", "regression", "training", "fastbp", "cli"}
MOST_FLAT = 24  # modules that lie in python/fastbp itself


def dotted(path: Path) -> str:
    """``fastbp.layers.dense``; a package's __init__ is the package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
KNOWN = {*MODULES, "fastbp._core"}


def package_of(module: str) -> str:
    """The package or flat module of python/fastbp that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "fastbp"


def imported_by(module: str, source: str, is_package: bool) -> set[str]:
    """The modules of fastbp that a source imports, inside functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in KNOWN}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".")[: None if is_package else -1]
                here = here[: len(here) - (node.level - 1)]
                base = ".".join([*here, base] if base else here)
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in KNOWN else base for name in names if name in KNOWN or base in KNOWN}
    return found - {module}


ARROWS = {
    module: imported_by(module, path.read_text(encoding="utf-8"), path.name == "__init__.py")
    for module, path in MODULES.items()
}


def test_every_package_stands_on_a_level() -> None:
    assert {package_of(module) for module in KNOWN} == set(LEVEL), "say in LEVELS where a new package stands"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_its_own_package_and_lower_levels(module: str) -> None:
    own = package_of(module)
    wrong = {
        imported
        for imported in ARROWS[module]
        if package_of(imported) != own and LEVEL[package_of(imported)] >= LEVEL[own]
    }
    assert not wrong, f"{own} stands on level {LEVEL[own]}: what it needs must lie below"


def test_no_module_imports_itself_in_a_circle() -> None:
    order = list(graphlib.TopologicalSorter(ARROWS).static_order())  # a CycleError names the modules of a circle
    place = {module: number for number, module in enumerate(order)}
    assert all(place[imported] < place[module] for module, needs in ARROWS.items() for imported in needs)


def test_a_fit_goes_from_package_to_package_12_times() -> None:
    """Downwards, from the model to the backend: more moves mean that something asks back."""
    tool = PACKAGE.parent.parent / "tools" / "moves.py"
    told = subprocess.run([sys.executable, str(tool)], check=True, capture_output=True, text=True).stdout
    moves = re.search(r"^fit: (\d+) moves", told, re.MULTILINE)
    assert moves is not None, told
    assert 0 < int(moves[1]) <= 12, told


def test_two_dozen_modules_stay_flat() -> None:
    flat = [module for module in MODULES if module.count(".") == 1 and MODULES[module].name != "__init__.py"]
    assert len(flat) <= MOST_FLAT, f"move some of them into a package: {flat}"


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_every_package_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_the_search_sees_every_way_to_import() -> None:
    source = """
from __future__ import annotations
import numpy as np
import fastbp.errors
from typing import TYPE_CHECKING
from . import layer
from .. import _core
from ..errors import FastBPError
from fastbp.reference import gemm
if TYPE_CHECKING:
    from ..models.model import Model
def later():
    from ..lowering.lowering import Lowering
"""
    assert imported_by("fastbp.layers.dense", source, is_package=False) == {
        "fastbp.errors",
        "fastbp.layers.layer",
        "fastbp._core",
        "fastbp.reference.gemm",
        "fastbp.models.model",
        "fastbp.lowering.lowering",
    }


# --- the package as users see it


def test_dir_shows_the_public_names_alone() -> None:
    assert set(bp.__all__) == {name for name in dir(bp) if not name.startswith("__")} | {"__version__"}
    assert len(set(bp.__all__)) == len(bp.__all__)
    assert all(hasattr(bp, name) for name in bp.__all__)


def test_public_modules_are_attributes() -> None:
    public = {name for name in LEVEL if not name.startswith("_")} - MACHINERY
    assert public <= set(bp.__all__), "name new modules in __all__, or in MACHINERY"


@pytest.mark.parametrize(
    ("name", "close"), [("Dence", "Dense"), ("sgd", "SGD"), ("Sequental", "Sequential"), ("dataset", "datasets")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, close: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module 'fastbp' has no attribute '{name}': did you mean '{close}'\?$"):
        getattr(bp, name)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(AttributeError, match=r"^module 'fastbp' has no attribute 'zzzqqq'$"):
        bp.zzzqqq  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", [name for name in bp.__all__ if isinstance(getattr(bp, name), type)])
def test_a_public_class_says_that_it_lives_in_fastbp(name: str) -> None:
    assert getattr(bp, name).__module__ == "fastbp"
