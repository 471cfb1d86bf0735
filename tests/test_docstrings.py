"""What the docstrings show is what happens, and every public name has one with an example."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import fastbp as bp
import fastbp.augment
import fastbp.datasets
import pytest

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(bp.__path__, "fastbp.")
    if not module.name.startswith("fastbp._core") and module.name != "fastbp.__main__"
)
PUBLIC = {name: getattr(bp, name) for name in bp.__all__ if not name.startswith("__")} | {
    f"{module.__name__.removeprefix('fastbp.')}.{name}": getattr(module, name)
    for module in (fastbp.augment, fastbp.datasets)
    for name in module.__all__
}
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", ["fastbp", *MODULES])
def test_examples_give_what_they_show(name: str) -> None:
    module = importlib.import_module(name)
    failed = [
        result
        for test in doctest.DocTestFinder(exclude_empty=True).find(module)
        if (result := doctest.DocTestRunner(optionflags=OPTIONS).run(test)).failed
    ]
    assert not failed


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
