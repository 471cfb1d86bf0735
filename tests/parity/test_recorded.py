"""Recorded calls: whatever changes between runs, a plan's recorded kernel calls give the reference's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compare import assert_same, every_isa
from fastbp import _core, reference
from fastbp._shared.trained_weight import TrainedWeight

BACKENDS = (_core, reference)


def net(backend: Any, dtype: str, hidden: int) -> tuple[Any, list[int], list[int], Any]:
    """7 -> hidden (tanh, dropout) -> 5 (softmax): graph, [cost, probabilities], weights and their values."""
    random = np.random.default_rng(3)
    graph, parameters = backend.Graph(), backend.Parameters(dtype)
    weights = []
    for shape in ((7, hidden), (hidden,), (hidden, 5), (5,)):
        slot = parameters.add(random.normal(size=shape) / 3)
        weights.append(graph.add("parameter", [], [slot, *shape]))
    x, label = graph.add("input", [], [0, 7]), graph.add("input", [], [1])
    z = graph.add("add", [graph.add("matmul", [x, weights[0]], [0, 0]), weights[1]])
    a = graph.add("dropout", [graph.add("tanh", [z])], [1], [0.25])
    logits = graph.add("add", [graph.add("matmul", [a, weights[2]], [0, 0]), weights[3]])
    p = graph.add("softmax", [logits])
    loss = graph.add("sparse_softmax_cross_entropy", [logits, p, label])
    cost = graph.add("divide_by_count", [graph.add("sum", [loss], [1])], [1, 1])
    return graph, [cost, p], weights, parameters


def data_in(form: str, rows: int, dtype: str) -> list[np.ndarray]:
    """Inputs that are read in place, converted, or gathered with strides."""
    random = np.random.default_rng(rows)
    x, label = random.integers(0, 9, (rows, 7)), random.integers(0, 5, rows)
    if form == "in place":
        return [x.astype(dtype), label.astype(dtype)]
    if form == "converted":
        return [x.astype(np.uint8), label]
    return [np.asfortranarray(x.astype(dtype)), np.repeat(label.astype(dtype), 2)[::2]]


@pytest.mark.parametrize("hidden", [6, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_inputs_and_counters_may_change_from_run_to_run(dtype: str, hidden: int) -> None:
    calls = []
    for number, rows in enumerate([9, 9, 4, 9, 4, 4, 60, 4, 4, 4, 60, 1, 1, 60, 90, 90]):
        form = ("in place", "converted", "in place", "strided")[number % 4]
        calls.append((data_in(form, rows, dtype), number // 2))
    _core.set_num_threads(1)
    graph, outputs, weights, parameters = net(reference, dtype, hidden)
    outputs = outputs + graph.gradients(outputs[0], weights)
    function = reference.Function(graph, outputs, parameters, training=True, seed=6)
    expected = [function(data, counter=counter) for data, counter in calls]
    for isa in every_isa():
        graph, outputs, weights, parameters = net(_core, dtype, hidden)
        outputs = outputs + graph.gradients(outputs[0], weights)
        function = _core.Function(graph, outputs, parameters, training=True, seed=6)
        for number, (data, counter) in enumerate(calls):
            for result, wanted in zip(function(data, counter=counter), expected[number]):
                assert_same(result, wanted, (isa, number))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_trainer_may_mix_orders_short_batches_and_single_steps(momentum: float) -> None:
    settings = {"name": "sgd", "learning_rate": 0.1, "momentum": momentum, "nesterov": False, "weight_decay": 1e-2}
    data = data_in("in place", 27, "float32")
    converted = data_in("converted", 27, "float32")
    _core.set_num_threads(1)
    by_backend = []
    for backend in BACKENDS:
        graph, (cost, _), weights, parameters = net(backend, "float32", 6)
        trained = [TrainedWeight(node, decay) for node, decay in zip(weights, [1.0, 0.0] * 2)]
        trainer = backend.Trainer(graph, cost, [], parameters, trained, settings, 5)
        states = []
        for form in (data, converted, data):
            trainer.fit(form, batch_size=8, epochs=2, shuffle=True)
            trainer.fit(form, batch_size=8, epochs=2, shuffle=False)
            for rows in (8, 3, 3, 8, 27, 3):
                trainer.step([array[:rows] for array in form])
                states.append([parameters.get(slot) for slot in range(len(parameters))])
        by_backend.append(states)
    for number, (state, expected) in enumerate(zip(*by_backend)):
        for value, wanted in zip(state, expected):
            assert_same(value, wanted, number)
