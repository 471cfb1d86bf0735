"""Expressions: what a user writes with ``+ - * / ** @`` and functions, before anything is computed.

An expression is symbolic: an operation, its operands and a creation number. Shapes are not known here: they follow from
the data, when `lowering.py` turns expressions into a graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import rules
from .arguments import finite, known_keywords, truth
from .pickling import Picklable
from .settings import Setting

if TYPE_CHECKING:
    from .lowering import Lowering
    from .store import Store

_creation = itertools.count()


class Expression(Picklable):
    """A value that will be computed: build them from `input`, `parameter`, operators and functions.

    Notes
    -----
    An expression that depends on an input has the shape (rows, …): axis 0 is the rows, however many come. Others have
    plain NumPy shapes. Shapes broadcast as in NumPy, but rows are never mixed: (rows,) with (rows, 1) gives (rows, 1).

    Supported are ``+ - * / ** @``, unary ``-``, ``abs()`` and slices of features: ``x[:, 1:3]``, ``x[..., 0]``,
    ``x[:, None]``. A number or an array on the other side is a constant. Constant whole exponents are products (rule 4
    of the numeric contract), 0.5 is the square root, other powers are C's pow. Products are those of rule 1.

    Errors in shapes are `ValueError` when an expression is computed; comparisons, truth values and ``float()`` are
    `TypeError`.

    Examples
    --------
    >>> import fastbp as bp
    >>> x, w = bp.input("x"), bp.parameter(2.0, name="w")
    >>> f = bp.function([x], (x * w - 1) ** 2, backend="reference")
    >>> f([1.0, 3.0])
    array([ 1., 25.], dtype=float32)
    """

    __slots__ = ("__weakref__", "name", "number", "operands")
    __array_ufunc__ = None  # NumPy arrays and scalars leave their operators to this class
    __hash__ = object.__hash__
    __iter__ = None  # without it, __getitem__ would make expressions endless sequences

    operation = ""

    def __init__(self, operands: Sequence[Expression] = (), name: str = "") -> None:
        self.operands = tuple(operands)
        self.name = name
        self.number = next(_creation)

    def _state(self) -> dict[str, Any]:
        slots = (slot for base in type(self).__mro__ for slot in vars(base).get("__slots__", ()))
        return {slot: getattr(self, slot) for slot in slots if slot != "__weakref__" and hasattr(self, slot)}

    def _restore(self, state: dict[str, Any]) -> None:
        """What is made from now on counts as created later, so that it may have this expression as an operand."""
        global _creation
        super()._restore(state)
        _creation = itertools.count(max(next(_creation), self.number + 1))

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        """Adds this expression to the graph, its operands being `nodes` already; returns its node."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Expression:
        return Operation("add", self, other)

    def __radd__(self, other: Any) -> Expression:
        return Operation("add", other, self)

    def __sub__(self, other: Any) -> Expression:
        return Operation("subtract", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return Operation("subtract", other, self)

    def __mul__(self, other: Any) -> Expression:
        return Operation("multiply", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return Operation("multiply", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return Operation("divide", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return Operation("divide", other, self)

    def __pow__(self, exponent: Any) -> Expression:
        return power(self, exponent)

    def __rpow__(self, base: Any) -> Expression:
        return Operation("power", base, self)

    def __matmul__(self, other: Any) -> Expression:
        return Shaped(rules.matmul, (self, other))

    def __rmatmul__(self, other: Any) -> Expression:
        return Shaped(rules.matmul, (other, self))

    def __neg__(self) -> Expression:
        return Operation("negative", self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return Operation("absolute", self)

    def __getitem__(self, key: Any) -> Expression:
        return Shaped(rules.slice_features, (self,), rules.checked_key(key))

    def _no_comparison(self, other: object) -> NoReturn:
        raise TypeError(
            "expressions cannot be compared; for a choice by sign use bp.where_positive, bp.maximum or bp.minimum"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _no_comparison
    __eq__ = __ne__ = _no_comparison

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value: its numbers are known only when it is computed")

    def __float__(self) -> float:
        raise TypeError("an expression has no value yet: compute it with bp.function")

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        return f"<{type(self).__name__}{label} {self.operation}>".replace(" >", ">")


class Operation(Expression):
    """One operation of the graph whose attributes are known without shapes."""

    __slots__ = ("integers", "numbers", "operation")

    def __init__(
        self,
        operation: str,
        *operands: Any,
        integers: Sequence[int] = (),
        numbers: Sequence[float] = (),
        name: str = "",
    ) -> None:
        super().__init__([as_expression(o) for o in operands], name)
        self.operation = operation
        self.integers = tuple(integers)
        self.numbers = tuple(numbers)

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        return lowering.add(self.operation, nodes, self.integers, self.numbers, self.name)


class Shaped(Expression):
    """An operation whose attributes follow from shapes: ``rule(lowering, *nodes, *attributes)`` adds it."""

    __slots__ = ("attributes", "rule")

    def __init__(self, rule: Callable[..., int], operands: Sequence[Any], *attributes: Any) -> None:
        super().__init__([as_expression(o) for o in operands])
        self.rule = rule
        self.attributes = attributes

    @property
    def operation(self) -> str:  # type: ignore[override]
        return self.rule.__name__

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        return self.rule(lowering, *nodes, *self.attributes)


class Call(Expression):
    """A function of expressions that is entered when its operands' shapes and operations are known: a layer, a loss."""

    __slots__ = ("function", "layer")
    operation = "call"

    def __init__(self, function: Callable[..., Expression], *operands: Any, name: str = "", layer: Any = None) -> None:
        super().__init__([as_expression(o) for o in operands], name)
        self.function = function
        self.layer = layer

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        return lowering.expand(self, nodes)


class Input(Expression):
    """What data are given for; made by `input`. `shape` is that of one row, None while it is not known."""

    __slots__ = ("shape",)
    operation = "input"

    def __init__(self, name: str, shape: Sequence[int] | int | None = None) -> None:
        super().__init__((), name)
        self.shape = None if shape is None else rules.checked_shape("shape", shape)

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        raise ValueError(
            f"the input {self.name!r} is needed, but it is not among the inputs: "
            f"{', '.join(repr(i.name) for i in lowering.inputs) or 'none'}"
        )


class Constant(Expression):
    """A number or an array, without rows."""

    __slots__ = ("array",)
    operation = "constant"

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.array = real_array("a constant", value).copy()

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        with np.errstate(all="ignore"):  # rounds once, to what the graph computes with; its numbers are float64
            numbers = self.array.ravel().astype(lowering.store.dtype).tolist()
        return lowering.add("constant", (), self.array.shape, numbers, "")


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
    A parameter lives in one place at a time: here, or in the store of the model or minimisation that used it last.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(2.0, name="w")
    >>> isinstance(w, bp.Parameter), w.shape, w.value
    (True, (), np.float64(2.0))
    """

    __slots__ = (
        "_learning_rate_multiplier", "_slot", "_store", "_trainable", "_value", "_weight_decay_multiplier",
        "constraint", "decay", "initializer", "regularizer", "shape", "version",
    )  # fmt: skip
    trainable = Setting(True)
    learning_rate_multiplier = Setting(1.0)
    weight_decay_multiplier = Setting(1.0)
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
        self._value = None if value is None else real_array("value", value).copy()
        self.shape = tuple(shape or ()) if self._value is None else self._value.shape
        self.trainable = bool(trainable)
        self.decay = bool(decay)
        self.initializer = initializer
        self.regularizer = regularizer
        self.learning_rate_multiplier = learning_rate_multiplier
        self.weight_decay_multiplier = weight_decay_multiplier
        self.constraint = constraint
        self.version = 0
        self._store: Store | None = None
        self._slot = -1

    @property
    def value(self) -> Any:
        """A copy of the current value: a NumPy array, or a NumPy scalar for a parameter without axes."""
        exact = self._exact
        return exact.astype(exact.dtype if exact.dtype in (np.float32, np.float64) else np.float64)[()]

    @value.setter
    def value(self, value: Any) -> None:
        array = real_array("value", value)
        if array.shape != self.shape:
            raise ValueError(
                f"value must have the shape {self.shape} of the parameter {self.name!r}, got {array.shape}"
            )
        if self._store is not None:
            self._store.values.set(self._slot, array)
        else:
            self._value = array.copy()
        self.version += 1

    @property
    def _exact(self) -> np.ndarray:
        """A read-only view of the value in the dtype that it was given in, or has where it lives: who takes it rounds
        it once. It is to be read at once: training changes it."""
        if self._store is not None:
            return np.asarray(self._store.values.get(self._slot, copy=False))
        if self._value is None:
            raise ValueError(f"the parameter {self.name!r} has no value yet: it gets one when its model is built")
        view = self._value.view()
        view.flags.writeable = False
        return view

    @property
    def store(self) -> Store | None:
        """Where the value lives; None: in the parameter itself."""
        return self._store

    @property
    def has_value(self) -> bool:
        return self._store is not None or self._value is not None

    def _state(self) -> dict[str, Any]:
        """The value itself, wherever it lives, for who makes a copy of it."""
        return {**super()._state(), "_value": self._exact if self.has_value else None, "_store": None, "_slot": -1}

    def __copy__(self) -> Parameter:
        copied = type(self).__new__(type(self))
        copied._restore({**self._state(), "_value": self._exact.copy() if self.has_value else None})
        return copied

    def live_in(self, store: Store, slot: int) -> None:
        """From now on the value is that of `slot` in `store`."""
        if self._store is not None:
            self._store.residents -= 1
        store.residents += 1
        self._store, self._slot, self._value = store, slot, None
        self.version += 1

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        return lowering.add("parameter", (), (lowering.store.slot(self), *self.shape), (), self.name)


def as_expression(value: Any) -> Expression:
    """`value` itself, or the constant that a number or an array stands for."""
    return value if isinstance(value, Expression) else Constant(value)


def power(base: Any, exponent: Any) -> Expression:
    """``base ** exponent``; constant whole exponents are products, 0.5 is the square root, others need base > 0."""
    if not isinstance(exponent, Expression) and np.ndim(exponent) == 0:
        value = float(real_array("the exponent", exponent))
        if value == 2:
            return Operation("square", base)
        if value == 0.5:
            return Operation("sqrt", base)
        if value.is_integer() and -(2**31) < value < 2**31:
            return Operation("power_integer", base, integers=[int(value)])
    return Operation("power", base, exponent)


def real_array(what: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{what} must be a number or an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{what} must be a real number or an array of them, got {type(value).__name__}"
            + (f" of {array.dtype}" if isinstance(value, np.ndarray) else "")
        )
    return array


@known_keywords
def input(name: str, shape: Sequence[int] | int | None = None) -> Input:
    """A place for data, one value (or array of features) per row.

    Parameters
    ----------
    name : str
        The name by which `minimize` and `Model` know it.
    shape : tuple of int, optional
        The shape of one row, without the rows: ``()`` for one number, ``(3,)`` for three features. By default it is
        inferred from the first data.

    Returns
    -------
    Expression
        Of the shape (rows, \\*shape).

    Raises
    ------
    TypeError
        If `name` is no string or `shape` no tuple of whole numbers.
    ValueError
        If `shape` has negative sizes.

    Notes
    -----
    Data may be of any real dtype; they are rounded once to the dtype that computes (rule 10 of the numeric contract).

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.input("x", shape=(3,))
    <Input 'x' input>
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {type(name).__name__}")
    return Input(name, shape)


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
        truth("trainable", trainable),
        truth("decay", decay),
        learning_rate_multiplier=finite("learning_rate_multiplier", learning_rate_multiplier),
        weight_decay_multiplier=finite("weight_decay_multiplier", weight_decay_multiplier),
    )
