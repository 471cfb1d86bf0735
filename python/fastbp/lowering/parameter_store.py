"""`ParameterStore`: the parameters of one model, function or minimisation, held by a backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expressions.parameter import Parameter
from .backends import dtype_name, get_backend


class ParameterStore:
    """The parameters of one model, function or minimisation, in one dtype.

    A parameter's home is the store that drew or trained it last. Other stores compute with a copy of its value, each in
    its own dtype (`refresh`). Only training makes another store its home (`claim`).

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
        self.dtype = dtype_name(dtype)
        self.seed = seed
        self.values = self.backend.Parameters(self.dtype)
        self.parameters: list[Parameter] = []
        self.version = 0  # grows with every training here
        self.is_training = False
        self.residents = 0  # how many of its parameters have their home here; if all do, there is nothing to copy
        self._slots: dict[Parameter, int] = {}
        self._seen: list[tuple[Any, int, int]] = []  # each parameter's home and both versions when it was copied

    def slot(self, parameter: Parameter) -> int:
        """The slot of `parameter`. A new one is copied here, or drawn from its initialiser if it has no value yet."""
        if parameter in self._slots:
            return self._slots[parameter]
        if parameter.has_value:
            slot = int(self.values.add(parameter._exact, parameter.name))
        else:
            ordinal = len(self.parameters)
            drawn = parameter.initializer.parts(parameter.shape, seed=self.seed, ordinal=ordinal, backend=self.backend)
            with np.errstate(over="ignore", under="ignore"):
                slot = int(self.values.add_parts(parameter.shape, drawn, parameter.name))
            parameter.live_in(self, slot)
        self._slots[parameter] = slot
        self.parameters.append(parameter)
        self._seen.append(_state(parameter))
        return slot

    def value(self, parameter: Parameter) -> np.ndarray:
        """A copy of the value in this store, in its dtype; after `refresh` this is the current value."""
        return np.asarray(self.values.get(self._slots[parameter]))

    def refresh(self) -> None:
        """Copies values that have changed elsewhere to this store; homes stay as they are."""
        if self.residents == len(self._slots):
            return
        for index, (parameter, slot) in enumerate(self._slots.items()):
            home = parameter.store
            if home is self:
                continue
            state = _state(parameter)
            if self._seen[index] != state or (home is not None and home.is_training):
                self.values.set(slot, parameter._exact)
                self._seen[index] = state

    def claim(self) -> None:
        """Makes this store the home of all its parameters; a RuntimeError if another one is training some of them."""
        if self.residents == len(self._slots):
            return
        away = [parameter for parameter in self.parameters if parameter.store is not self]
        for parameter in away:
            if parameter.store is not None and parameter.store.is_training:
                raise RuntimeError(
                    f"{parameter.name or 'a parameter'} is being trained by something else, which called this: "
                    "train when that is done"
                )
        if away:
            self.refresh()
        for parameter in away:
            parameter.live_in(self, self._slots[parameter])

    def begin_training(self) -> None:
        """Claims the parameters; until `end_training` no other store can claim them."""
        self.claim()
        self.is_training = True

    def end_training(self) -> None:
        self.is_training = False
        self.version += 1


def _state(parameter: Parameter) -> tuple[Any, int, int]:
    home = parameter.store
    return home, parameter.version, -1 if home is None else home.version
