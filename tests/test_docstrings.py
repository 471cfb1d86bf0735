"""What the docstrings show is what happens, and every public name has one with an example."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import fastbp as bp
import fastbp.augment
import fastbp.datasets
import fastbp.metrics
import pytest

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(bp.__path__, "fastbp.")
    if not module.name.startswith("fastbp._core") and module.name != "fastbp.__main__"
)
PUBLIC = {
    name: value for name in bp.__all__ if not name.startswith("__") and not inspect.ismodule(value := getattr(bp, name))
} | {
    f"{module.__name__.removeprefix('fastbp.')}.{name}": getattr(module, name)
    for module in (fastbp.augment, fastbp.datasets, fastbp.metrics)
    for name in module.__all__
}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
FINDER = doctest.DocTestFinder(exclude_empty=True)


def found_in(name: str) -> list[doctest.DocTest]:
    """The examples of a module or of a public class.

    A public class says that it lives in ``fastbp`` and its methods say that they live where their file is, so doctest
    takes the methods for strangers: they are looked for without that question.
    """
    if name in CLASSES:
        return FINDER.find(CLASSES[name], name, module=False)  # type: ignore[arg-type]
    return FINDER.find(importlib.import_module(name))


@pytest.mark.parametrize("name", ["fastbp", *MODULES, *CLASSES])
def test_examples_give_what_they_show(name: str) -> None:
    failed = [
        result for test in found_in(name) if (result := doctest.DocTestRunner(optionflags=OPTIONS).run(test)).failed
    ]
    assert not failed


def test_every_example_of_the_sources_is_run() -> None:
    written = {
        documentation
        for path in Path(bp.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if ">>> " in (documentation := ast.get_docstring(node) or "")
    }
    run = {
        inspect.cleandoc(test.docstring or "")
        for name in ["fastbp", *MODULES, *CLASSES]
        for test in found_in(name)
        if test.examples
    }
    assert len(written) > 100
    assert written - run == set()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_shows_an_example(name: str) -> None:
    documentation = inspect.getdoc(PUBLIC[name]) or ""
    assert ">>> " in documentation


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if inspect.isroutine(value)])
def test_every_argument_of_a_public_function_is_described(name: str) -> None:
    function: Any = PUBLIC[name]
    described = inspect.getdoc(function) or ""
    head = described.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    listed = [argument.strip() for line in head.splitlines() if not line.startswith(" ")
              for argument in line.partition(" : ")[0].split(",")]  # fmt: skip
    assert listed == [*inspect.signature(function).parameters]
