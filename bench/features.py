"""Measures what stands around a training, each beside what it is to be compared with: ``python -m bench.features``.

- `weights`: an epoch with a weight for each row, beside one without;
- `AUC`: the area under the ROC curve of a million rows, beside scikit-learn's `roc_auc_score`;
- `two heads`: an epoch of a network with a number and a class as outputs, beside PyTorch in eager mode.

The two of a row take turns. The table shows medians, and the median of the rounds' ratios; above 1 fastbp, or what is
without weights, is ahead. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
from fastbp import _core

from .fastbp_training import untrained
from .figures import microseconds
from .machine import description
from .workloads import LEARNING_RATE, WORKLOADS

BY_NAME = {workload.name: workload for workload in WORKLOADS}
WEIGHED = ("tabular", "sklearn")
AUC_ROWS = 1_000_000
HEADS_ROWS, HEADS_BATCH, FEATURES, WIDTH, CLASSES = 32_000, 64, 32, 64, 5

Work = Callable[[], object]


def in_turns(own: Work, other: Work, rounds: int) -> dict[str, float]:
    """Medians of the seconds of both, after a first turn that does not count, and of the ratios other ÷ own."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        pair = []
        for work in (own, other):
            start = time.perf_counter()
            work()
            pair.append(time.perf_counter() - start)
        times.append((pair[0], pair[1]))
    counted = times[1:]
    return {
        "own": statistics.median(own for own, _ in counted),
        "other": statistics.median(other for _, other in counted),
        "ratio": statistics.median(other / own for own, other in counted),
    }


def weights_figures(name: str, rounds: int) -> dict[str, float]:
    """Seconds of a step: with weights (own) and without (other)."""
    workload = BY_NAME[name]
    x, y = workload.data()
    weights = np.random.default_rng(2).uniform(0.5, 2.0, workload.rows)
    weighted, plain = untrained(workload), untrained(workload)
    options: dict[str, Any] = {"batch_size": workload.batch_size, "verbose": 0}
    found = in_turns(
        lambda: weighted.fit(x, y, sample_weight=weights, **options), lambda: plain.fit(x, y, **options), rounds
    )
    return {**found, "own": found["own"] / workload.steps, "other": found["other"] / workload.steps}


def auc_figures(rows: int, rounds: int) -> dict[str, float] | None:
    """Seconds of one figure: fastbp's and scikit-learn's. None without scikit-learn."""
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError:
        return None
    random = np.random.default_rng(3)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    scores = (truth + random.normal(size=rows)).astype(np.float32)
    metric = bp.metrics.AUC()
    assert abs(metric(truth, scores) - roc_auc_score(truth, scores)) < 1e-12
    return in_turns(lambda: metric(truth, scores), lambda: roc_auc_score(truth, scores), rounds)


def heads_data(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, the numbers and the classes."""
    random = np.random.default_rng(4)
    x = random.random((rows, FEATURES), dtype=np.float32)
    return x, np.sin(6 * x[:, :1]), (x[:, 1] * CLASSES).astype(np.int64)


def fastbp_heads() -> bp.Model:
    x = bp.input("x", (FEATURES,))
    trunk = bp.Dense(WIDTH, activation="relu")(bp.Dense(WIDTH, activation="relu")(x))
    net = bp.Model(x, [bp.Dense(1)(trunk), bp.Dense(CLASSES, activation="softmax")(trunk)])
    net.compile(bp.SGD(LEARNING_RATE), ["mse", "sparse_categorical_crossentropy"])
    net.build()
    return net


def torch_heads(weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray, label: np.ndarray) -> Work:
    """An epoch of the same network from the same weights, in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(1)
    layers = [nn.Linear(*w.shape) for w in weights[::2]]
    with torch.no_grad():
        for layer, kernel, bias in zip(layers, weights[::2], weights[1::2]):
            layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE, fused=True)
    inputs, numbers, classes = (torch.from_numpy(array) for array in (x, y, label))

    def epoch() -> None:
        for batch in torch.randperm(len(inputs)).split(HEADS_BATCH):
            hidden = torch.relu(layers[1](torch.relu(layers[0](inputs.index_select(0, batch)))))
            loss = functional.mse_loss(layers[2](hidden), numbers.index_select(0, batch))
            loss = loss + functional.cross_entropy(layers[3](hidden), classes.index_select(0, batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def heads_figures(rows: int, rounds: int) -> dict[str, float] | None:
    """Seconds of a step: fastbp's and PyTorch's. None without PyTorch."""
    x, y, label = heads_data(rows)
    net = fastbp_heads()
    try:
        other = torch_heads(net.get_weights(), x, y, label)
    except ImportError:
        return None
    found = in_turns(lambda: net.fit(x, [y, label], batch_size=HEADS_BATCH, verbose=0), other, rounds)
    steps = -(-rows // HEADS_BATCH)
    return {**found, "own": found["own"] / steps, "other": found["other"] / steps}


def run(rounds: int = 7, auc_rows: int = AUC_ROWS, heads_rows: int = HEADS_ROWS) -> dict[str, Any]:
    """The report, as --json writes it, in seconds; a row is None where its peer is not installed."""
    before = _core.get_num_threads()
    _core.set_num_threads(1)
    try:
        return {
            "machine": description(),
            "weights": {name: weights_figures(name, rounds) for name in WEIGHED},
            "auc": auc_figures(auc_rows, rounds),
            "two_heads": heads_figures(heads_rows, rounds),
        }
    finally:
        _core.set_num_threads(before)


def table(report: dict[str, Any]) -> str:
    lines = []
    for name, found in report["weights"].items():
        lines.append(
            f"weights, {BY_NAME[name].net}: {microseconds(found['own'])} µs a step, without "
            f"{microseconds(found['other'])}, ratio {found['ratio']:.2f}"
        )
    found = report["auc"]
    lines.append(
        "AUC: scikit-learn is not installed"
        if found is None
        else f"AUC of many rows: {1e3 * found['own']:.1f} ms, scikit-learn {1e3 * found['other']:.1f}, "
        f"ratio {found['ratio']:.2f}"
    )
    found = report["two_heads"]
    net = f"{FEATURES}-{WIDTH}-{WIDTH}-(1, {CLASSES})"
    lines.append(
        "two heads: PyTorch is not installed"
        if found is None
        else f"two heads, {net}: {microseconds(found['own'])} µs a step, PyTorch {microseconds(found['other'])}, "
        f"ratio {found['ratio']:.2f}"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.features", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    options = parser.parse_args(arguments)
    report = run(options.rounds)
    print(f"{report['machine']['processor']}, {report['machine']['isa']}, one thread")
    print(table(report))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
