"""`ParameterStore`: the parameters of one model, function or minimisation, held by a backend."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..expressions.parameter import Moves, Parameter
from .backends import dtype_name, get_backend, turns


class Moved(NamedTuple):
    """A parameter that gets another home, and where it lived: in a slot of a store, or with its value in itself."""

    parameter: Parameter
    home: tuple[Any, int] | None
    own_value: np.ndarray | None


def _refuse_trained(moves: Sequence[Moved]) -> None:
    for parameter, home, _ in moves:
        if home is not None and home[0].is_busy:
            raise RuntimeError(
                f"{parameter.name or 'a parameter'} is being trained by something else: train when that is done"
            )


@functools.cache
def _claims() -> Callable[..., Any]:
    """Runs a function while no other thread runs one through here: of two claims, the second sees the first."""
    return functools.partial(turns().take_turn, turns().Turn("cannot begin while this thread begins one"))


class ParameterStore:
    """The parameters of one model, function or minimisation, in one dtype.

    A parameter's home is the store that drew or trained it last. Other stores compute with a copy of its value, each in
    its own dtype (`refresh`). Only training makes another store its home (`train`).

    Parameters
    ----------
    backend : str
        ``"core"`` or ``"reference"``.
    dtype : str
        ``"float32"`` or ``"float64"``.
    seed : int
        Of initial weights; a parameter's ordinal is its slot (rule 9 of the numeric contract).
    turn : Turn, optional
        Who trains the parameters holds it. Default: one of its own.
    """

    def __init__(self, backend: str, dtype: Any, seed: int = 0, turn: Any = None) -> None:
        self.backend = get_backend(backend)
        self.dtype = dtype_name(dtype)
        self.seed = seed
        self.values = self.backend.Parameters(self.dtype)
        self.turn = turns().Turn("is running") if turn is None else turn
        self._slots: dict[Parameter, int] = {}
        self._writes_at_claim = 0
        self._copied: dict[Parameter, tuple[Any, int]] = {}  # the version of each value when it was copied here
        # `Moves.now` when all parameters were seen to have their home here, as mostly. While it is the same, they have.
        self._settled: Any = None

    @property
    def parameters(self) -> list[Parameter]:
        """In the order of their slots."""
        return list(self._slots)

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

    @property
    def is_busy(self) -> bool:
        """Whether a trainer is at work on its parameters, or another thread is about to train them."""
        return self.values.is_training or (self.turn.is_taken and not self.turn.is_mine)

    @property
    def is_busy_elsewhere(self) -> bool:
        """Whether another thread trains its parameters."""
        training = self.values.is_training and not self.values.is_training_here
        return training or (self.turn.is_taken and not self.turn.is_mine)

    def train(self, trainer: Any, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Calls a method of the trainer as the home of all parameters; for who holds the turn.

        If it ends without a step, they go back to where they lived: moving rounds a value to this store's dtype.
        A RuntimeError if another store's parameters are being trained that are also here.
        """
        if self._settled is Moves.now:  # as mostly
            return call(*arguments, **options)
        steps, moved = trainer.steps, list[Moved]()
        try:
            _claims()("a training", self._claim, moved)
            return call(*arguments, **options)
        except BaseException:
            if trainer.steps == steps:
                self._give_back(moved)
            raise

    def _claim(self, moved: list[Moved]) -> None:
        away = [Moved(parameter, parameter.home, parameter.own_value) for parameter in self._away()]
        _refuse_trained(away)
        if away:
            self.refresh()
        self._writes_at_claim = self.values.writes
        for move in away:
            moved.append(move)
            move.parameter.live_in(self, self._slots[move.parameter])
        _refuse_trained(away)  # by a thread that took its turn after the first look and found them in their old home

    def _give_back(self, moved: list[Moved]) -> None:
        if self.values.writes != self._writes_at_claim:  # somebody has set a value meanwhile, which lives here then
            return
        for parameter, home, value in moved:
            if parameter.store is self:
                parameter.return_to(home, value)
                self._copied.pop(parameter, None)  # what it holds by then is copied again

    def _away(self) -> list[Parameter]:
        """The parameters that have their home elsewhere."""
        moves = Moves.now
        away = [parameter for parameter in self._slots if parameter.store is not self]
        self._settled = None if away else moves
        return away
