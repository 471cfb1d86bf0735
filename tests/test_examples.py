"""The README's programs and those in examples/ run as they are shown, and show what they claim."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_programs_of_the_readme_run_one_after_the_other() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["history"].history["val_accuracy"][-1] > 0.9  # type: ignore[attr-defined]
    assert abs(float(names["w"].value) - 3) < 0.1  # type: ignore[attr-defined]


# --- examples/

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
Names = dict[str, Any]


def fits_the_lectures_table(names: Names) -> None:
    expected = {100: (0.181448311, 0.430319, -0.498661), 1000: (0.088419855, 0.30953, 0.370291)}
    for epoch, row in expected.items():
        assert names["table"][epoch] == pytest.approx(row, rel=0, abs=1e-6)
    exact = names["exact"].coefficients, names["exact"].intercept
    assert names["descended"] == pytest.approx(exact, rel=1e-6)
    assert names["likeliest"] == pytest.approx(exact, rel=1e-6)


def shows_the_worked_example(names: Names) -> None:
    expected = [0.731059, 0.313262, -1.367879, 0.196612, -0.268941]
    assert list(names["worked"].values()) == pytest.approx(expected, rel=0, abs=6e-7)
    assert names["likelihood"] == pytest.approx(names["from_loss"], rel=1e-12)
    assert names["history"]["accuracy"][-1] > 0.8


def shows_what_gates_do(names: Names) -> None:
    assert names["results"] == {
        "add distributes": (-5.0, 5.0, 5.0),
        "max routes": (15.0, 5.0, 0.0),
        "mul switches": (-60.0, -20.0, 15.0),
        "gradients add at branches": (-6.0, -2.0, 3.0),
    }


# What the example of this name shows, from the names that it leaves behind.
CLAIMS: dict[str, Callable[[Names], None]] = {
    "gates": shows_what_gates_do,
    "linear_regression": fits_the_lectures_table,
    "logistic_regression": shows_the_worked_example,
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], Names]:
    """Runs an example in its quick mode, in a folder of its own."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)

    def quickly(path: Path) -> Names:
        monkeypatch.setattr("sys.argv", [str(path), "--quick"])
        return runpy.run_path(str(path), run_name="__main__")

    return quickly


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_show_what_they_claim(
    path: Path, run: Callable[[Path], Names], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draws = "matplotlib" in path.read_text(encoding="utf-8")
    if draws:
        pyplot = pytest.importorskip("matplotlib.pyplot")
    names = run(path)
    if draws:
        pyplot.close("all")
    assert capsys.readouterr().out
    CLAIMS.get(path.stem, lambda names: None)(names)
    pictures = [picture.name for picture in tmp_path.iterdir()]
    assert pictures == ([f"{path.stem}.png"] if draws else [])


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem in CLAIMS], ids=lambda path: path.stem)
def test_the_examples_print_their_numbers_without_matplotlib(
    path: Path, run: Callable[[Path], Names], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match="pip install matplotlib"):
        run(path)
    assert capsys.readouterr().out
