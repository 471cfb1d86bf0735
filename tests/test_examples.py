"""The README's programs and those in examples/ run as they are shown, and show what they claim."""

from __future__ import annotations

import math
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_programs_of_the_readme_run_one_after_the_other() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert f"# {names['mae']:.3f}\n" in page
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


def solves_xor(names: Names) -> None:
    assert names["linear_outputs"] == pytest.approx([0.5] * 4, abs=1e-3)
    assert names["by_hand_outputs"].tolist() == [0, 1, 1, 0]
    solved = names["solved"]
    assert solved.pop("identity") == []
    assert all(solved.values())
    assert names["last"].predict(names["h"])[:, 0] == pytest.approx([0, 1, 1, 0], abs=0.1)  # one layer, in h space


def tells_curvature(names: Names) -> None:
    affine, *convex, logarithm, sigmoid, two_valleys = names["said"].values()
    assert [affine, logarithm, sigmoid, two_valleys] == ["affine", "concave", "unknown", "unknown"]
    assert set(convex) == {"convex"}
    least = {"exp(w²)": 1, "w² + |w − 2|": 1.75, "w + 1/w, for w > 0": 2, "w ln w": -math.exp(-1), "max(w², 2 − w)": 1}
    for name, kind in names["said"].items():
        if kind == "convex":
            ends = names["ends"][name]
            assert ends == pytest.approx([least.get(name, ends[0])] * 3, abs=1e-3)
    eigenvalues = {name: values.tolist() for name, values in names["eigenvalues"].items()}
    assert eigenvalues == {"minimum": [2, 2], "maximum": [-2, -2], "saddle point": [-2, 2]}
    ends_at = {start: path[-1] for start, path in names["paths"].items()}
    assert ends_at[-4.0] == pytest.approx(ends_at[-0.9], abs=0.01)  # the global minimum
    assert ends_at[0.2] == pytest.approx(ends_at[2.1], abs=0.01)  # a local one
    assert ends_at[-0.9] < -2 < 0.9 < ends_at[0.2] < 4 < ends_at[4.2]  # hardly moved, on the plateau
    assert names["fallen"] == pytest.approx({"negative": 1.3, "zero": 1.0, "positive": 0.7})


def goes_down_the_valley(names: Names) -> None:
    assert [names["least"], names["most"]] == pytest.approx([1, 50])
    descent, momentum, too_large = names["reached"].values()
    assert descent[40] / descent[39] == pytest.approx((49 / 51) ** 2)  # (κ − 1)/(κ + 1) of the distance is left
    assert momentum[-1] < descent[-1] / 1e4
    assert too_large[-1] > too_large[0]


def propagates_backwards(names: Names) -> None:
    assert len(names["largest"]) == 4
    assert max(names["largest"].values()) < 1e-15
    assert names["outputs"]["quadratic"] == pytest.approx(0.20, abs=0.005)  # as in the textbook
    assert names["outputs"]["cross_entropy"] < 0.05
    assert names["slopes"]["cross_entropy"] > 50 * names["slopes"]["quadratic"]
    assert names["passes"] == [size + 1 for size in names["sizes"]]  # one for each weight, and one


def descends_with_every_optimiser(names: Names) -> None:
    assert len(names["losses"]) == 9
    assert all(loss[-1] < loss[0] / 3 for loss in names["losses"].values())
    assert all(accuracy > 0.9 for accuracy in names["accuracies"].values())
    assert all(loss[-1] < 0.3 for loss in names["scheduled"].values())


def averages_networks(names: Names) -> None:
    assert len(names["masks"]) == 2**8
    assert names["geometric"] == pytest.approx(names["whole"], abs=1e-12)  # exact, but for the roundings
    assert names["accuracy"] > names["correct"].mean() + 0.03  # better than the networks that it averages
    inside, outside = names["spread"][names["inside"]], names["spread"][names["outside"]]
    assert outside.mean() > 3 * inside.mean()


def stops_early(names: Names) -> None:
    patient, figures = names["patient"], names["stopped"]["val_loss"]
    assert patient.stopped_epoch - patient.best_epoch == 15
    assert patient.best == min(figures) < names["to_the_end"]["val_loss"][-1]
    assert names["restored"]
    assert names["same_way"]
    *before, last = names["until"]["val_accuracy"]
    assert max(before) < names["TARGET"] <= last


def reads_digits(names: Names) -> None:
    assert names["net"].count_params() == 64 * 30 + 30 + 30 * 10 + 10
    assert names["history"]["val_accuracy"][-1] > 0.95


def shrinks_weights(names: Names) -> None:
    shrunk, rate, step = names["shrunk"], names["RATE"], 0.05 * 0.5
    assert shrunk["L1"][1.0][:40] == pytest.approx([1 - step * i for i in range(40)])  # the same from every weight
    assert shrunk["L1"][0.52][:20] == pytest.approx([0.52 - step * i for i in range(20)])
    assert shrunk["L2"][0.52] == pytest.approx([0.52 * (1 - rate) ** i for i in range(61)])  # a share of each
    assert (shrunk["L1, proximal"][0.52][21:] == 0).all()
    assert names["error"] < 1e-8
    assert names["kept"] == pytest.approx(names["told"], abs=1e-8)
    zeros = {name: (values == 0).mean() for name, values in names["magnitudes"].items()}
    assert zeros.pop("L1, proximal") > 0.3
    assert max(zeros.values()) < 0.02
    assert min(names["accuracies"].values()) > 0.9


def turns_a_five(names: Names) -> None:
    before, after = names["slants"]
    assert after - before == pytest.approx(15, abs=4)  # to the left; of 8 × 8 pixels
    for name, images in names["grid"].items():
        assert (images[0] == names["five"][0].astype("float32")).all()
        assert len(images) == len(names["labels"][name]) == names["COLUMNS"]
        assert (names["labels"][name] == 5).all()


def overfits_and_is_helped(names: Names) -> None:
    alone, *others = names["runs"].values()
    assert alone["accuracy"][-1] == 1
    assert alone["test_accuracy"][-1] < 0.8
    assert list(names["runs"]) == ["nothing", "L2", "dropout", "expanded data", "more data"]
    for run in others:
        assert run["test_accuracy"][-1] > alone["test_accuracy"][-1] + 0.04
        assert run["test_cost"][-1] < alone["test_cost"][-1]
        assert run["steps"][-1] == pytest.approx(alone["steps"][-1], rel=0.05)


def learns_more_from_more_images(names: Names) -> None:
    for values in names["accuracies"].values():
        assert values == sorted(values)
        assert values[-1] > 0.95
    _, network, expanded = names["accuracies"].values()
    assert all(more > less for more, less in zip(expanded, network, strict=True))


def tells_tumours_apart(names: Names) -> None:
    assert names["apart"] < 1e-5  # two programs, one minimum
    assert not {row.tobytes() for row in names["train"][0]} & {row.tobytes() for row in names["test"][0]}
    for name, total in names["totals"].items():
        assert total.sum() == names["SPLITS"] * len(names["test"][1])
        assert total[0].sum() / total.sum() == pytest.approx(357 / 569, abs=0.01)  # as in the data: stratified
        assert names["accuracies"][name].mean() > 0.95
    validation = names["shown"]["val_loss"]
    assert validation[names["stopped"].best_epoch] == min(validation)
    assert len(validation) == names["stopped"].best_epoch + 1 + 20  # patience


def reads_distorted_digits(names: Names) -> None:
    assert len(names["train"]) + len(names["held_out"]) == len({*names["train"], *names["held_out"]})
    assert names["accuracy"] > 0.97
    curves, gentle = names["curves"], names["GENTLE"]
    assert len(curves["val_accuracy"]) == names["EPOCHS"]
    # distorted training images are harder than held-out ones, and at once easier when the distortions become gentler
    assert max(curves["accuracy"][:-gentle]) < min(curves["accuracy"][-gentle:])
    assert curves["accuracy"][-gentle - 1] < curves["val_accuracy"][-gentle - 1]


# Checks what the example of this name shows, by the names that it leaves behind.
CLAIMS: dict[str, Callable[[Names], None]] = {
    "augmentation": turns_a_five,
    "backpropagation": propagates_backwards,
    "breast_cancer": tells_tumours_apart,
    "conditioning": goes_down_the_valley,
    "curvature": tells_curvature,
    "dropout": averages_networks,
    "early_stopping": stops_early,
    "gates": shows_what_gates_do,
    "lecture_mnist": reads_digits,
    "linear_regression": fits_the_lectures_table,
    "logistic_regression": shows_the_worked_example,
    "mnist_best": reads_distorted_digits,
    "optimizers": descends_with_every_optimiser,
    "regularization": shrinks_weights,
    "overfitting": overfits_and_is_helped,
    "training_set_size": learns_more_from_more_images,
    "xor": solves_xor,
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], Names]:
    """Runs an example in its quick mode, in a folder of its own."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)

    def quickly(path: Path) -> Names:
        if "sklearn" in path.read_text(encoding="utf-8"):
            pytest.importorskip("sklearn")
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


@pytest.mark.parametrize("name", ["mnist_best", "overfitting", "training_set_size"])
def test_what_needs_mnist_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "training_set_size":
        pytest.importorskip("sklearn")
    monkeypatch.delenv("FASTBP_DATA", raising=False)
    monkeypatch.setattr("sys.argv", [name])
    with pytest.raises(SystemExit, match="FASTBP_DATA must name the folder"):
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("name", ["breast_cancer", "training_set_size"])
def test_what_needs_scikit_learn_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for module in [module for module in sys.modules if module.startswith("sklearn.")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("sys.argv", [name, "--quick"])
    with pytest.raises(SystemExit, match="pip install scikit-learn"):
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
