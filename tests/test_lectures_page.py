"""docs/lectures.md is true: every row names a file that exists, and every bp.NAME in it is public."""

from __future__ import annotations

import re
from pathlib import Path

import fastbp as bp
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "lectures.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
EXAMPLES = [row[-1].strip() for row in ROWS if len(row) == 3 and row[0].strip() not in ("lecture", "slide")]


def test_every_row_has_three_columns() -> None:
    assert len(ROWS) > 20
    assert [row for row in ROWS if len(row) != 3] == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bbp\.(\w+)", PAGE))))
def test_every_name_on_the_page_is_public(name: str) -> None:
    assert name in bp.__all__


def test_every_example_on_the_page_exists() -> None:
    slips = PAGE.partition("## Slips")[2]
    for example in EXAMPLES:
        if example in slips:
            continue
        name = re.sub(r"^\[(\w+)\]\(.*\)$", r"\1", example)
        path = ROOT / name if "/" in name else ROOT / "examples" / f"{name}.py"
        assert path.is_file(), example
