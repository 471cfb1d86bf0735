"""`PredictionGraph`: the graph of a model's outputs, and the functions that evaluate it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .._shared.memory import require_memory
from ..expressions import shape_rules
from ..expressions.expression import Expression, Input
from ..lowering.arrays import Assembled
from ..lowering.layer_names import Scope
from ..lowering.lowering import Lowering
from ..lowering.parameter_store import ParameterStore

Dims = tuple[int, ...]


class PredictionGraph:
    """The graph of a model's outputs, and the functions that evaluate it."""

    def __init__(
        self,
        store: ParameterStore,
        inputs: Sequence[Input],
        shapes: Sequence[Dims],
        outputs: Sequence[Expression],
        scope: Scope,
    ) -> None:
        self.store = store
        self.lowering = Lowering(store, inputs, shapes, scope)
        self.nodes = self.lowering.lower(outputs)

    def check_rows(self) -> None:
        """Raises a ValueError if an output has no rows: `predict` gives one result per row."""
        for index, (rows, dims) in enumerate(map(self.lowering.shape, self.nodes)):
            if not rows:
                raise ValueError(
                    f"predict gives one result per row, but outputs[{index}] has no rows: its shape is "
                    f"{shape_rules.shape_text(rows, dims)}; bp.function computes it"
                )

    @cached_property
    def function_of_rows(self) -> Any:
        """`function`; a ValueError if an output has no rows."""
        self.check_rows()
        return self.function

    @cached_property
    def function(self) -> Any:
        return self.store.backend.Function(self.lowering.graph, self.nodes, self.store.values)

    @cached_property
    def _dropping(self) -> Any:
        graph, values, seed = self.lowering.graph, self.store.values, self.store.seed
        return self.store.backend.Function(graph, self.nodes, values, training=True, seed=seed)

    def sample(self, arrays: list[np.ndarray], batch_size: int, samples: int) -> list[np.ndarray]:
        """(samples, rows, …) of every output, with dropout; sample s has the counter 2³¹ + s (rule 9)."""
        numbers = samples * len(arrays[0]) * self.lowering.features(self.nodes)
        require_memory(numbers * np.dtype(self.store.dtype).itemsize)
        drawn = Assembled((samples,), 0)
        for s in range(samples):
            drawn.put(s, self._dropping(arrays, batch_size=batch_size, counter=2**31 + s))
        return drawn.arrays
