"""The benchmarks' peers compute what fastbp computes, and the code around them runs. No test looks at times."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastbp import _core

from bench import __main__ as command
from bench import features, overheads, sweep
from bench.figures import table
from bench.systems import SYSTEMS
from bench.workloads import WORKLOADS, Workload

TINY = [
    replace(w, sizes=tuple(min(size, 12) for size in w.sizes), batch_size=min(w.batch_size, 8), steps=6)
    for w in WORKLOADS
]


def trained(system: str, workload: Workload) -> tuple[list[float], list[np.ndarray]]:
    """The losses of three epochs, rows in order, and the weights after them."""
    training = SYSTEMS[system].start(workload, *workload.data())
    return [training.train(1, shuffle=False) for _ in range(3)], training.weights()


@pytest.mark.filterwarnings("ignore")  # of the peers
@pytest.mark.parametrize("system", [name for name in SYSTEMS if name not in ("fastbp", "torch.compile")])
@pytest.mark.parametrize("workload", [w for w in TINY if not w.dropout], ids=lambda w: w.name)
def test_a_peer_computes_the_training_that_fastbp_computes(system: str, workload: Workload) -> None:
    if not SYSTEMS[system].installed():
        pytest.skip(f"{SYSTEMS[system].label} is not installed")
    if not SYSTEMS[system].can(workload):
        pytest.skip(f"{SYSTEMS[system].label} has no such training")
    losses, weights = trained("fastbp", workload)
    peers_losses, peers_weights = trained(system, workload)
    if system != "sklearn":  # its losses are other multiples and include the penalty
        np.testing.assert_allclose(peers_losses, losses, rtol=2e-5)
    for ours, theirs in zip(weights, peers_weights):
        np.testing.assert_allclose(theirs, ours, rtol=2e-4, atol=2e-6)


def test_every_workload_starts_from_the_weights_that_all_systems_share() -> None:
    for workload in TINY:
        training = SYSTEMS["fastbp"].start(workload, *workload.data())
        for ours, initial in zip(training.weights(), workload.initial_weights()):
            assert np.array_equal(ours, initial)


def test_dropout_drops_its_share_in_numpy_too() -> None:
    workload = replace(TINY[6], sizes=(12, 64, 64, 10))
    assert workload.dropout == 0.5
    training = SYSTEMS["numpy"].start(workload, *workload.data())
    assert np.isfinite(training.train(2))
    for kept in training.masks[1:-1]:  # type: ignore[attr-defined]
        assert 0.1 < kept.mean() < 0.5  # a > 0: about half of what dropout keeps


def test_flops_and_bytes_are_those_of_the_definition() -> None:
    workload = Workload("any", (4, 3, 2), "relu", "mse", 5, steps=1)
    assert workload.flops == 5 * (2 * 2 * 4 * 3 + 3 * 2 * 3 * 2)
    assert workload.parameters == 4 * 3 + 3 + 3 * 2 + 2
    assert workload.bytes_moved(caches=1e6) == 5 * 4 * (4 + 2)
    assert workload.bytes_moved(caches=10) == 5 * 4 * (4 + 2) + 2 * 4 * workload.parameters


@pytest.mark.parametrize("isa", _core.available_isas())
def test_the_fma_peak_is_measured_on_every_instruction_set(isa: str) -> None:
    _core.set_isa(isa)
    assert _core.testing.fma_peak(1e-3) > 0
    with pytest.raises(ValueError, match="seconds must be above 0"):
        _core.testing.fma_peak(0)


def test_the_report_has_a_row_for_every_workload() -> None:
    effort = command.Effort(rounds=2, turn_seconds=1e-4, peak_seconds=1e-4, limit=float("inf"))
    said: list[str] = []
    report = command.run([TINY[0], TINY[3]], ["fastbp", "numpy"], effort, said.append)
    assert [figures["workload"] for figures in report["workloads"]] == ["xor", "logistic"]
    assert len(said) == 2
    for figures in report["workloads"]:
        assert figures["best_peer"] == "numpy"
        assert figures["systems"]["fastbp"]["seconds_per_step"] > 0
        assert len(figures["systems"]["numpy"]["rounds"]) == 2
    assert "xor" in table(json.loads(json.dumps(report), object_hook=_numbers_back))


def _numbers_back(pairs: dict[str, object]) -> dict[object, object]:
    """Makes digits numbers again, because keys in JSON are strings."""
    return {int(key) if key.isdigit() else key: value for key, value in pairs.items()}


@pytest.mark.filterwarnings("ignore")  # of matplotlib
def test_the_reports_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench.pictures import bars, heat_map

    effort = command.Effort(rounds=1, turn_seconds=1e-4, peak_seconds=1e-4, limit=float("inf"))
    bars(command.run([TINY[0], TINY[1]], ["fastbp", "numpy"], effort, lambda line: None), tmp_path / "bars.png")
    swept = sweep.Sweep([4, 8], [1, 3], threads=1)
    swept.measure(repeats=1, seconds=1e-4, limit=60.0)
    heat_map(swept.report(), tmp_path / "map.png")
    assert (tmp_path / "bars.png").stat().st_size > 10_000
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_a_system_that_fails_leaves_the_others_their_rows() -> None:
    effort = command.Effort(rounds=1, turn_seconds=1e-4, peak_seconds=1e-4, limit=float("inf"))
    broken = replace(TINY[0], hidden="no such activation")
    report = command.run([broken, TINY[0]], ["fastbp", "numpy"], effort, lambda line: None)
    assert "failed" in report["workloads"][0]["systems"]["fastbp"]
    assert report["workloads"][1]["systems"]["fastbp"]["threads"]
    assert "failed" in table(report)


def test_a_wrong_name_says_what_would_be_right() -> None:
    with pytest.raises(SystemExit, match="--workloads must be among xor, nielsen"):
        command.main(["--workloads", "mnits"])


def test_the_sweep_measures_every_cell() -> None:
    swept = sweep.Sweep([4, 8], [1, 3], threads=1)
    assert swept.measure(repeats=1, seconds=1e-4, limit=60.0)
    report = swept.report()
    assert np.shape(report["seconds_per_flop"]) == (2, 2)
    assert np.all(np.array(report["seconds_per_flop"]) > 0)
    assert "width" in sweep.table(report)


def test_a_sweep_goes_on_where_the_last_one_ended() -> None:
    first, second = (sweep.Sweep([4, 8], [1, 3], threads=1) for _ in range(2))
    assert not first.measure(repeats=1, seconds=1e-4, limit=0.0)
    report = json.loads(json.dumps(first.report()))
    assert [cell is None for row in report["seconds_per_flop"] for cell in row] == [False, True, True, True]
    assert "–" in sweep.table(report)
    second.go_on_from(report)
    assert second.measure(repeats=1, seconds=1e-4, limit=60.0)
    assert all(cell is not None for row in second.report()["seconds_per_flop"] for cell in row)
    with pytest.raises(ValueError, match="other sizes or threads"):
        sweep.Sweep([4], [1, 3], threads=1).go_on_from(report)


def test_a_cell_that_looks_like_a_cliff_is_measured_again_and_its_least_time_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {(8, 1): iter([4.0, 4.0]), (8, 2): iter([12.0, 4.0])}
    monkeypatch.setattr(sweep, "workload_of", lambda width, batch: replace(TINY[0], sizes=(width, 1), batch_size=batch))
    monkeypatch.setattr(sweep, "seconds_per_step", lambda work, *_: next(seconds[work.sizes[0], work.batch_size]))
    swept = sweep.Sweep([8], [1, 2], threads=1)
    swept.measure(repeats=1, seconds=1e-4, limit=60.0)
    report = swept.report()
    assert report["visits"] == [[2, 2]]
    flops = [replace(TINY[0], sizes=(8, 1), batch_size=batch).flops for batch in (1, 2)]
    assert report["seconds_per_flop"] == [[4.0 / flops[0], 4.0 / flops[1]]]


def test_a_cliff_is_a_cell_that_is_slower_per_flop_than_a_smaller_one() -> None:
    report = {"widths": [8, 16], "batches": [1, 2], "seconds_per_flop": [[4.0, 2.0], [2.0, 2.7]]}
    assert sweep.cliffs({**report, "machine": {"caches": [10**6]}}) == [(16, 2, 1.35)]
    assert sweep.cliffs({**report, "machine": {"caches": [2000, 10**6]}}) == [(16, 2, 1.35)]
    unknown = {**report, "seconds_per_flop": [[4.0, None], [2.0, 2.7]], "machine": {"caches": [10**6]}}
    assert sweep.cliffs(unknown) == [(16, 2, 1.35)]


def test_widths_whose_weights_lie_in_another_cache_are_not_compared() -> None:
    cells = {"widths": [8, 16], "batches": [1, 2], "seconds_per_flop": [[4.0, 2.0], [6.0, 5.0]]}
    assert [cell[:2] for cell in sweep.cliffs({**cells, "machine": {"caches": [10**6]}})] == [(16, 2), (16, 1)]
    assert sweep.cliffs({**cells, "machine": {"caches": [2000, 10**6]}}) == []


def test_what_is_slower_than_another_report_is_listed() -> None:
    one, two = (
        {"widths": [8], "batches": [1, 2, 3], "seconds_per_flop": [row]} for row in ([1, 1, 1], [1.05, 3, None])
    )
    assert sweep.slower(two, one) == [(8, 2, 3.0)]


def test_the_overheads_are_measured() -> None:
    figures = overheads.run(rows=100, repeats=2, memory=False)
    assert figures["predict_one_row"] > 0
    assert figures["predict_rows"]["seconds"] > 0
    assert figures["train_on_batch"]["overhead"] is not None


def test_features_are_measured_beside_what_they_are_compared_with() -> None:
    report = features.run(rounds=1, auc_rows=1000, heads_rows=128)
    assert {*report["weights"]} == {*features.WEIGHED}
    for found in (*report["weights"].values(), report["auc"], report["two_heads"]):
        if found is not None:  # its peer is installed
            assert all(seconds > 0 for seconds in found.values())
            assert 0.2 < found["ratio"] * found["own"] / found["other"] < 5
    assert "without" in features.table(report)
    missing = features.table({**report, "auc": None, "two_heads": None})
    assert "scikit-learn is not installed" in missing
    assert "PyTorch is not installed" in missing


def test_the_optimisers_are_compared_with_plain_sgd() -> None:
    report = {TINY[0].name: overheads.optimizer_report(TINY[0], repeats=1)}
    assert set(report[TINY[0].name]) == {*overheads.OPTIMIZERS, "weights"}
    assert all(seconds > 0 for seconds in report[TINY[0].name].values())
    assert report[TINY[0].name]["weights"] == TINY[0].parameters
    shown = overheads.optimizer_table(
        {"tiny": dict.fromkeys(overheads.OPTIMIZERS, 2e-6) | {"SGD": 1e-6, "weights": 10}}
    )
    assert "1.0 (100.00)" in shown
