"""`OptimizerState`: an optimiser's states by parameter, carried from one trainer to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._shared.pickling import Picklable
from ..expressions.parameter import Parameter
from ..lowering.parameter_store import ParameterStore


class OptimizerState(Picklable):
    """The states by name and weight, and the counters; there are none before the first training.

    `optimizer` is the backends' name of the optimiser whose states they are.
    """

    def __init__(
        self,
        arrays: Mapping[str, Mapping[Parameter, np.ndarray]] | None = None,
        counters: np.ndarray | None = None,
        optimizer: str = "",
    ) -> None:
        self.arrays = dict(arrays or {})
        self.counters = counters
        self.optimizer = optimizer

    def with_state(self, weights: Sequence[Parameter], state: Mapping[str, Any], optimizer: str) -> OptimizerState:
        """This state updated by a trainer's: where both have a value, the trainer's is taken."""
        arrays = dict(self.arrays)
        for name, values in state.items():
            if name != "counters":
                arrays[name] = {**arrays.get(name, {}), **dict(zip(weights, values))}
        return OptimizerState(arrays, state["counters"], optimizer)

    def of(self, weights: Sequence[Parameter], state: Mapping[str, Any]) -> dict[str, Any]:
        """A trainer's state of these weights, in which values from here replace its own."""
        known = {
            name: [self.arrays.get(name, {}).get(weight, value) for weight, value in zip(weights, values)]
            for name, values in state.items()
            if name != "counters"
        }
        return {**known, "counters": state["counters"] if self.counters is None else self.counters}


class AveragedValues:
    """A copy of a store's values, with the moving averages in the place of the trained weights.

    Figures of the averages are computed with it, so that an interrupt leaves the weights as they are.
    """

    def __init__(self, store: ParameterStore) -> None:
        self._store = store
        self._parameters = sorted(store.parameters, key=store.slot)
        self.values = store.backend.Parameters(store.dtype)
        for parameter in self._parameters:
            self.values.add(store.value(parameter), parameter.name)

    def refresh(self, averages: Mapping[Parameter, np.ndarray]) -> None:
        """Takes these averages, and the present values of all other parameters."""
        values = self._store.values
        self._store.backend.set_all([
            (self.values, slot, averages[parameter] if parameter in averages else values.get(slot, copy=False))
            for slot, parameter in enumerate(self._parameters)
        ])  # fmt: skip
