"""Where parameters live while something computes with them: one `Parameters` of a backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expressions.parameter import Parameter
from .backends import dtype_name, get_backend


class ParameterStore:
    """The parameters of one model, function or minimisation, in one dtype.

    A parameter's home is the store of what drew or trained it last. Others copy it (`refresh`) to compute with it, each
    in its own dtype; only training takes it home (`claim`).

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
        self.version = 0  # how often something was trained here
        self.is_training = False
        self.residents = 0  # how many of its parameters live here: where all do, there is nothing to copy or to move
        self._slots: dict[Parameter, int] = {}
        self._seen: list[tuple[Any, int, int]] = []  # what was copied last: home, and the versions of value and home

    def slot(self, parameter: Parameter) -> int:
        """The slot of `parameter`, which is copied here, or drawn from its initialiser, if it is new."""
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
        """A copy of what this store computes with, in its dtype; of the current value after `refresh`."""
        return np.asarray(self.values.get(self._slots[parameter]))

    def refresh(self) -> None:
        """Copies in what has changed elsewhere, and leaves every parameter where it lives."""
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
        """Makes this store the home of all its parameters: those that live elsewhere move in."""
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
        """Something trains the parameters from now on, at home here: no other may, until `end_training`."""
        self.claim()
        self.is_training = True

    def end_training(self) -> None:
        self.is_training = False
        self.version += 1


def _state(parameter: Parameter) -> tuple[Any, int, int]:
    home = parameter.store
    return home, parameter.version, -1 if home is None else home.version
