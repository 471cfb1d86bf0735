"""`Parameter`: a value that training changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._shared.arguments import finite, known_keywords, real_array, truth
from .._shared.change_stamp import Setting
from .._shared.known_attributes import unknown_attribute
from .._shared.memory import copied
from .builder import GraphBuilder, ParameterHome
from .expression import Expression


class Moves:
    """`now` is another object whenever a parameter has got another home."""

    now = object()


class Parameter(Expression):
    """A value that training changes; made by `parameter` and by layers.

    Attributes
    ----------
    value : array
        A copy of the current value; a NumPy scalar for a parameter without axes. It can be set.
    shape : tuple of int
    trainable, decay : bool
        See `parameter`.
    learning_rate_multiplier, weight_decay_multiplier : float
        See `parameter`; may be set at any time, and hold from the next training on.
    name : str

    Notes
    -----
    A parameter's value lives in one place: here, or in the store of the model or minimisation that drew or trained it
    last.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(2.0, name="w")
    >>> isinstance(w, bp.Parameter), w.shape, w.value
    (True, (), np.float64(2.0))
    """

    __slots__ = (
        "_decay", "_home", "_learning_rate_multiplier", "_trainable", "_value", "_version", "_weight_decay_multiplier",
        "constraint", "initializer", "regularizer", "shape",
    )  # fmt: skip
    trainable = Setting(True, truth)
    decay = Setting(True, truth)
    learning_rate_multiplier = Setting(1.0, finite)
    weight_decay_multiplier = Setting(1.0, finite)
    operation = "parameter"

    def __init__(
        self,
        value: Any = None,
        name: str = "",
        trainable: bool = True,
        decay: bool = True,
        *,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        learning_rate_multiplier: float = 1.0,
        weight_decay_multiplier: float = 1.0,
        constraint: Any = None,
    ) -> None:
        super().__init__((), name)
        self._value = None if value is None else copied(real_array("value", value))
        self.shape = tuple(shape or ()) if self._value is None else self._value.shape
        self.trainable = trainable
        self.decay = decay
        self.initializer = initializer
        self.regularizer = regularizer
        self.learning_rate_multiplier = learning_rate_multiplier
        self.weight_decay_multiplier = weight_decay_multiplier
        self.constraint = constraint
        self._version = 0  # counts what was set while the value was in the parameter itself
        self._home: tuple[ParameterHome, int] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except AttributeError:
            raise unknown_attribute(self, name) from None

    @property
    def value(self) -> Any:
        """A copy of the current value: a NumPy array, or a NumPy scalar for a parameter without axes."""
        exact = self._exact
        return copied(exact, exact.dtype if exact.dtype in (np.float32, np.float64) else np.float64)[()]

    @value.setter
    def value(self, value: Any) -> None:
        array = real_array("value", value)
        if array.shape != self.shape:
            raise ValueError(
                f"value must have the shape {self.shape} of the parameter {self.name!r}, got {array.shape}"
            )
        if self._home is not None:
            store, slot = self._home
            store.values.set(slot, array)
        else:
            self._value, self._version = copied(array), self._version + 1

    @property
    def _exact(self) -> np.ndarray:
        """A read-only view of the value, in the dtype that it was given in or that its home has, so that its user
        rounds it only once. Read it at once: training changes it."""
        if self._home is not None:
            store, slot = self._home
            return np.asarray(store.values.get(slot, copy=False))
        if self._value is None:
            raise ValueError(f"the parameter {self.name!r} has no value yet: it gets one when its model is built")
        view = self._value.view()
        view.flags.writeable = False
        return view

    @property
    def store(self) -> ParameterHome | None:
        """The value's home; None if the value is in the parameter itself."""
        return self._home[0] if self._home is not None else None

    @property
    def home(self) -> tuple[ParameterHome, int] | None:
        """The value's home and its slot there; None if the value is in the parameter itself."""
        return self._home

    @property
    def own_value(self) -> np.ndarray | None:
        """The value, if it is in the parameter itself."""
        return self._value

    @property
    def version(self) -> tuple[Any, int]:
        """The value's home and how often something was written there: if both are the same, so is the value."""
        home = self.store
        return home, self._version if home is None else home.values.writes

    @property
    def has_value(self) -> bool:
        return self._home is not None or self._value is not None

    def _state(self) -> dict[str, Any]:
        """The attributes for a copy or a pickle: they hold the value itself, wherever it lives."""
        return {**super()._state(), "_value": self._exact if self.has_value else None, "_home": None}

    def __copy__(self) -> Parameter:
        twin = type(self).__new__(type(self))
        twin._restore({**self._state(), "_value": copied(self._exact) if self.has_value else None})
        return twin

    def live_in(self, store: ParameterHome, slot: int) -> None:
        """Makes `store` the home: from now on the value is that of its `slot`."""
        Moves.now = object()
        self._home = store, slot  # one assignment: an interrupt finds it done or not done
        Moves.now = object()
        self._value = None

    def return_to(self, home: tuple[ParameterHome, int] | None, value: np.ndarray | None) -> None:
        """Undoes `live_in`: the value is that of an earlier home, or `value` itself."""
        Moves.now = object()
        self._value = value
        self._home = home
        Moves.now = object()

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        return builder.add("parameter", (), (builder.store.slot(self), *self.shape), (), self.name)


def set_values(values: Sequence[tuple[Parameter, np.ndarray]]) -> None:
    """Sets several parameters of the values' shapes: all of them or none."""
    own: list[tuple[Parameter, np.ndarray, int]] = []
    by_backend: dict[Any, list[tuple[Any, int, np.ndarray]]] = {}
    for parameter, value in values:
        if parameter.home is None:
            own.append((parameter, copied(value), parameter._version + 1))
        else:
            store, slot = parameter.home
            by_backend.setdefault(store.backend, []).append((store.values, slot, value))
    if len(by_backend) + bool(own) < 2:
        _set(own, by_backend)
        return
    for parts in by_backend.values():  # converted in advance, so that none fails when others are set
        parts[:] = [
            (target, slot, np.asarray(value, target.get(slot, copy=False).dtype)) for target, slot, value in parts
        ]
    try:
        _set(own, by_backend)
    except BaseException:  # an interrupt
        _set(own, by_backend)
        raise


def _set(
    own: Sequence[tuple[Parameter, np.ndarray, int]], by_backend: dict[Any, list[tuple[Any, int, np.ndarray]]]
) -> None:
    """Done twice, it gives what it gives once."""
    for backend, parts in by_backend.items():
        backend.set_all(parts)
    for parameter, value, version in own:
        parameter._value, parameter._version = value, version


@known_keywords
def parameter(
    value: Any,
    name: str = "",
    trainable: bool = True,
    decay: bool = True,
    learning_rate_multiplier: float = 1.0,
    weight_decay_multiplier: float = 1.0,
) -> Parameter:
    """A value that training changes.

    Parameters
    ----------
    value : float or array
        Where training starts; any real dtype. It is rounded once to the dtype of what uses it.
    name : str
        For messages. Default "".
    trainable : bool
        Whether training changes it. Default True.
    decay : bool
        Whether weight decay and the penalties of ``compile(l1=, l2=)`` apply to it; biases are spared. Default True.
    learning_rate_multiplier : float
        The optimiser's learning rate counts so many times for it, decay included; at least 0. Default 1.
    weight_decay_multiplier : float
        The optimiser's weight decay counts so many times for it; at least 0. Default 1.

    Returns
    -------
    Parameter
        An expression without rows, of `value`'s shape; its attribute ``value`` is the current value and can be set.

    Raises
    ------
    TypeError
        If `value` holds no real numbers, `trainable` or `decay` is no truth value, or a multiplier no number.
    ValueError
        If a multiplier is negative or not finite.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([0.5, 1.5], name="w")
    >>> w.value
    array([0.5, 1.5])
    >>> w.value = [1.0, 2.0]
    >>> w.value
    array([1., 2.])
    """
    if value is None:
        raise TypeError("value must be a number or an array of numbers, got None")
    return Parameter(
        value,
        name,
        trainable,
        decay,
        learning_rate_multiplier=learning_rate_multiplier,
        weight_decay_multiplier=weight_decay_multiplier,
    )
