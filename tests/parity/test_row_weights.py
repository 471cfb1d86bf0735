"""Weighted rows and several outputs: core and reference, on one thread and on several, give the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, every_isa
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight

RANDOM = np.random.default_rng(8)
ROWS = 300
X = RANDOM.normal(size=(ROWS, 7)).astype(np.float32)
PRICE = X[:, :1] - X[:, 1:2]
KIND = (X[:, 1] > 0).astype(int) + (X[:, 2] > 0)
W = RANDOM.random(ROWS)
ZEROS = W * (RANDOM.random(ROWS) > 0.5)
ZEROS[:64] = 0
OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.05),
    "decay": lambda: bp.SGD(0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda: bp.Adam(0.01, global_clipnorm=1.0, gradient_accumulation_steps=2),
}


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = _core.get_num_threads()
    yield
    _core.set_num_threads(before)
    _core.testing.share_always(False)


def trained(backend: str, dtype: str, optimizer: str, reduction: str | None, weights: np.ndarray) -> list[Any]:
    x = bp.input("x", (7,))
    hidden = bp.Dropout(0.2)(bp.Dense(20, activation="relu")(x))
    outputs = {"price": bp.Dense(1)(hidden), "kind": bp.Dense(3, activation="softmax")(hidden)}
    net = bp.Model(x, outputs, seed=4, dtype=dtype)
    net.compile(
        OPTIMIZERS[optimizer](), {"price": "mae", "kind": "sparse_categorical_crossentropy"}, loss_weights=[0.3, 1.0],
        metrics={"kind": ["accuracy"]}, weighted_metrics={"kind": ["accuracy"]}, loss_reduction=reduction,
        l2=1e-3, backend=backend,
    )  # fmt: skip
    y = {"price": PRICE, "kind": KIND}
    history = net.fit(X, y, 32, epochs=2, sample_weight=weights, shuffle=False, verbose=0).history
    step = net.train_on_batch(X[:40], {name: values[:40] for name, values in y.items()}, sample_weight=weights[:40])
    evaluated = net.evaluate(X, y, 64, sample_weight=weights)
    loss, gradients = net.loss_and_gradients(X, y, sample_weight=weights)
    numbers = [*[value for values in history.values() for value in values], *step, *evaluated, loss]
    return [np.array(numbers), *gradients, *net.get_weights()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("reduction", [None, "mean_with_sample_weight"])
@pytest.mark.parametrize("weights", [W, ZEROS], ids=["above 0", "some 0"])
def test_core_and_reference_train_alike(dtype: str, optimizer: str, reduction: str | None, weights: np.ndarray) -> None:
    expected = trained("reference", dtype, optimizer, reduction, weights)
    for threads in (1, 3):
        _core.set_num_threads(threads)
        _core.testing.share_always(threads > 1)
        for isa in every_isa():
            for found, wanted in zip(trained("core", dtype, optimizer, reduction, weights), expected):
                assert_same(found, wanted, (isa, threads))


@pytest.mark.parametrize("backend", [_core, reference])
@pytest.mark.parametrize("place", [-1, 2])
def test_a_total_weight_that_is_no_figure_is_refused(backend: Any, place: int) -> None:
    graph, values = backend.Graph(), backend.Parameters("float32")
    slot = values.add(np.ones(1, np.float32))
    w = graph.add("parameter", [], [slot, 1], [], "w")
    cost = graph.add("sum", [w], [0, 0], [], "")
    settings = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.0, "nesterov": False}
    with pytest.raises((ValueError, TypeError)):
        backend.Trainer(graph, cost, [cost], values, [TrainedWeight(w, 0.0)], settings, 0, None, place)
