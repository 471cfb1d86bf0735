"""`ParameterStore`: the parameters of one model, function or minimisation, held by a backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expressions.parameter import Moves, Parameter
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
        self._slots: dict[Parameter, int] = {}
        self._copied: dict[Parameter, tuple[Any, int]] = {}  # the version of each value when it was copied here
        # `Moves.now` when all parameters were seen to have their home here, as mostly. While it is the same, they have.
        self._settled: Any = None

    @property
    def parameters(self) -> list[Parameter]:
        """In the order of their slots."""
        return list(self._slots)

    @property
    def is_training(self) -> bool:
        """Whether a trainer is at work on them."""
        return bool(self.values.is_training)

    def slot(self, parameter: Parameter) -> int:
        """The slot of `parameter`. A new one is copied here, or drawn from its initialiser if it has no value yet."""
        if parameter in self._slots:
            return self._slots[parameter]
        home = parameter.home
        if home is not None and home[0] is self:  # an interrupt came between the two last lines of this method
            slot = home[1]
        elif parameter.has_value:
            version = parameter.version
            slot = int(self.values.add(parameter._exact, parameter.name))
            self._copied[parameter] = version
        else:
            ordinal = len(self._slots)
            drawn = parameter.initializer.parts(parameter.shape, seed=self.seed, ordinal=ordinal, backend=self.backend)
            with np.errstate(over="ignore", under="ignore"):
                slot = int(self.values.add_parts(parameter.shape, drawn, parameter.name))
            parameter.live_in(self, slot)
        self._slots[parameter] = slot
        self._settled = None
        return slot

    def value(self, parameter: Parameter) -> np.ndarray:
        """A copy of the value in this store, in its dtype; after `refresh` this is the current value."""
        return np.asarray(self.values.get(self._slots[parameter]))

    def refresh(self) -> None:
        """Copies values that have changed elsewhere to this store; homes stay as they are."""
        if self._settled is Moves.now:
            return
        for parameter in self._away():
            version = parameter.version
            if self._copied.get(parameter) != version:
                self.values.set(self._slots[parameter], parameter._exact)
                self._copied[parameter] = version

    def claim(self) -> None:
        """Makes this store the home of all its parameters; a RuntimeError if another one is training some of them."""
        if self._settled is Moves.now:
            return
        away = self._away()
        for parameter in away:
            if parameter.store is not None and parameter.store.values.is_training:
                raise RuntimeError(
                    f"{parameter.name or 'a parameter'} is being trained by something else: train when that is done"
                )
        if away:
            self.refresh()
        for parameter in away:
            parameter.live_in(self, self._slots[parameter])

    def _away(self) -> list[Parameter]:
        """The parameters that have their home elsewhere."""
        moves = Moves.now
        away = [parameter for parameter in self._slots if parameter.store is not self]
        self._settled = None if away else moves
        return away
