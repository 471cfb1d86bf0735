"""The pages are readable: lines end at 120 characters, links lead somewhere, and private words are in the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "cpp" / "README.md"])
WIDTH = 120

LINK = re.compile(r"\]\(([^)\s]+)\)")
GLOSSARY = {
    word.strip(" `")
    for row in re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    for word in [row, *re.split(r", ", re.sub(r" \(.*?\)", "", row))]
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """The page without its blocks of code and without code within lines."""
    text = re.sub(r"^\s*```.*?^\s*```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_lines_end_in_time_but_for_tables(path: Path) -> None:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    assert [number for number, line in lines if len(line) > WIDTH and not line.lstrip().startswith("|")] == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in LINK.findall(prose(path)):
        file, _, anchor = target.partition("#")
        if file.startswith("http"):
            continue
        page = (path.parent / file).resolve() if file else path
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(target)
    assert broken == []


def in_glossary(term: str) -> bool:
    """A term in singular or plural."""
    return bool({term, term.removesuffix("s"), term.lower(), term.lower().removesuffix("s")} & GLOSSARY)


def test_every_bold_term_of_the_architecture_is_in_the_glossary() -> None:
    terms = set(re.findall(r"\*\*([^*]+)\*\*", prose(ROOT / "docs" / "architecture.md")))
    assert len(terms) > 40
    assert {term for term in terms if not in_glossary(term)} == set()


def test_the_glossary_has_a_line_for_each_word() -> None:
    rows = re.findall(
        r"^\| (.+) \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    words = [word for word, _ in rows if word != "word"]
    assert len(words) == len(set(words)) > 100
    assert not in_glossary("no such word")
