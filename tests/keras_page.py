"""docs/coming-from-keras.md, in parts."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "coming-from-keras.md").read_text(encoding="utf-8")


def program(library: str) -> str:
    """The page's program that imports a library."""
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if f"import {library}" in block]
    return found


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def missing() -> dict[str, list[str]]:
    """For each kind of things, the names that Keras alone has."""
    return {kind: re.findall(r"`(\w+)`", text) for kind, text in rows("What is missing")}


def snake(name: str) -> str:
    """The function's name of a class: MeanSquaredError -> mean_squared_error, KLDivergence -> kl_divergence."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
