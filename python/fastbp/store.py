"""Where parameters live while something computes with them: one `Parameters` of a backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._backends import dtype_name, get_backend
from .expression import Parameter


class Store:
    """The parameters of one model, function or minimisation, in one dtype.

    Parameters
    ----------
    backend : str
        ``"core"`` or ``"reference"``.
    dtype : str
        ``"float32"`` or ``"float64"``.
    seed : int
        Of initial weights; a parameter's ordinal is its slot (rule 9 of the numeric contract).
    """

    def __init__(self, backend: str, dtype: Any, seed: int = 0) -> None:
        self.backend = get_backend(backend)
        self.backend_name = backend
        self.dtype = dtype_name(dtype)
        self.seed = seed
        self.values = self.backend.Parameters(self.dtype)
        self.parameters: list[Parameter] = []
        self._slots: dict[Parameter, int] = {}
        self._seen: list[tuple[Any, int]] = []  # what `refresh` copied last: (store, version)

    def slot(self, parameter: Parameter) -> int:
        """The slot of `parameter`, which is copied here, or drawn from its initialiser, if it is new."""
        if parameter in self._slots:
            return self._slots[parameter]
        ordinal = len(self.parameters)
        if parameter.has_value:
            value = np.asarray(parameter.value)
        else:
            value = parameter.initializer(parameter.shape, seed=self.seed, ordinal=ordinal, backend=self.backend)
        slot = int(self.values.add(value, parameter.name))
        if not parameter.has_value:
            parameter.live_in(self, slot)
        self._slots[parameter] = slot
        self.parameters.append(parameter)
        self._seen.append((parameter.store, parameter.version))
        return slot

    def claim(self) -> None:
        """Makes this store the home of all its parameters: those that live elsewhere move in."""
        for parameter, slot in self._slots.items():
            if parameter.store is not self:
                self.values.set(slot, np.asarray(parameter.value))
                parameter.live_in(self, slot)

    def refresh(self) -> None:
        """Copies in what has changed elsewhere, and leaves every parameter where it lives."""
        for index, (parameter, slot) in enumerate(self._slots.items()):
            home = parameter.store
            if home is self or (home is None and self._seen[index] == (None, parameter.version)):
                continue
            self.values.set(slot, np.asarray(parameter.value))
            self._seen[index] = (home, parameter.version)
