"""`Data`: what a training, an evaluation or a step takes: inputs, targets, weights of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .figures import Dims, Layout


class Data(NamedTuple):
    """The arrays of the model's inputs, then targets, then weights of rows.

    Attributes
    ----------
    arrays : list of array
    rows : int
    kind : tuple
        Data of one kind have one training graph. Of a network with one output and without weights, the shape of a row
        of targets; of others, their `Layout`.
    """

    arrays: list[np.ndarray]
    rows: int
    kind: Dims | Layout

    @property
    def layout(self) -> Layout:
        return self.kind if isinstance(self.kind, Layout) else Layout((self.kind,), (None,))

    @property
    def targets(self) -> list[np.ndarray]:
        last = len(self.arrays) - self.layout.weight_arrays
        return self.arrays[self.inputs : last]

    @property
    def weights(self) -> list[np.ndarray]:
        return self.arrays[len(self.arrays) - self.layout.weight_arrays :]

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return len(self.arrays) - len(self.layout.shapes)

    def mapped(self, rows_of: Callable[[np.ndarray], np.ndarray]) -> Data:
        """The data with other rows of each array."""
        arrays = [rows_of(array) for array in self.arrays]
        return Data(arrays, len(arrays[0]), self.kind)

    def masked(self) -> Data:
        """For training: rows of weight 0 are read as zeros, if there are any."""
        if not isinstance(self.kind, Layout) or all(weight.all() for weight in self.weights):
            return self
        return self._replace(kind=self.kind._replace(masked=True))
