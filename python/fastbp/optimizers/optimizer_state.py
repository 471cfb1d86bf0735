"""`OptimizerState`: an optimiser's states by parameter, carried from one trainer to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..expressions.parameter import Parameter
from ..lowering.parameter_store import ParameterStore


class OptimizerState:
    """The states by name and weight, and the counters; there are none before the first training."""

    def __init__(
        self, arrays: Mapping[str, Mapping[Parameter, np.ndarray]] | None = None, counters: np.ndarray | None = None
    ) -> None:
        self.arrays = dict(arrays or {})
        self.counters = counters

    def with_state(self, weights: Sequence[Parameter], state: Mapping[str, Any]) -> OptimizerState:
        """This state updated by a trainer's: where both have a value, the trainer's is taken."""
        arrays = dict(self.arrays)
        for name, values in state.items():
            if name != "counters":
                arrays[name] = {**arrays.get(name, {}), **dict(zip(weights, values))}
        return OptimizerState(arrays, state["counters"])

    def of(self, weights: Sequence[Parameter], state: Mapping[str, Any]) -> dict[str, Any]:
        """A trainer's state of these weights, in which values from here replace its own."""
        known = {
            name: [self.arrays.get(name, {}).get(weight, value) for weight, value in zip(weights, values)]
            for name, values in state.items()
            if name != "counters"
        }
        return {**known, "counters": state["counters"] if self.counters is None else self.counters}


def overwrite_with_average(trainer: Any, store: ParameterStore, weights: Sequence[Parameter]) -> None:
    """Writes the moving average into the weights, if there was an update."""
    state = trainer.state(copy=False)
    if state["counters"][0] > 0:
        values = store.values
        store.backend.set_all([(values, store.slot(weight), value) for weight, value in zip(weights, state["average"])])
