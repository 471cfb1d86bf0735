"""`Expression`: a symbolic value, which users write with ``+ - * / ** @`` and functions.

An expression is an operation, its operands and a creation number. Shapes are not known here: they follow from the data,
when `Lowering` translates expressions to a graph.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from .._shared.arguments import known_keywords, real_array
from .._shared.memory import copied, require_memory
from .._shared.pickling import Picklable
from . import shape_rules
from .builder import GraphBuilder

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
        """Gives later expressions higher creation numbers than this one, so that it can be their operand."""
        super()._restore(state)
        behind = self.number - next(_creation)
        if behind >= 0:  # one by one, because other threads take numbers too: they never go back
            collections.deque(itertools.islice(_creation, behind), maxlen=0)

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        """Adds this expression to the graph and returns its node; `nodes` are those of its operands."""
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
        return Shaped(shape_rules.matmul, (self, other))

    def __rmatmul__(self, other: Any) -> Expression:
        return Shaped(shape_rules.matmul, (other, self))

    def __neg__(self) -> Expression:
        return Operation("negative", self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return Operation("absolute", self)

    def __getitem__(self, key: Any) -> Expression:
        return Shaped(shape_rules.slice_features, (self,), shape_rules.checked_key(key))

    def _no_comparison(self, other: object) -> NoReturn:
        raise TypeError(
            "expressions cannot be compared; for a choice by sign use bp.where_positive, bp.maximum or bp.minimum"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _no_comparison
    __eq__ = __ne__ = _no_comparison

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Expression:
        """NumPy's functions of expressions, and operators of arrays with expressions: the same functions of fastbp."""
        if ufunc in _COMPARISONS:
            self._no_comparison(None)
        out = options.pop("out", None)
        in_place = out is None or (len(out) == 1 and out[0] is operands[0])  # a += x becomes a = a + x
        if method != "__call__" or options or not in_place or ufunc not in _UFUNCS:
            raise TypeError(_no_function(ufunc, method, bool(options) or not in_place))
        return _UFUNCS[ufunc](*operands)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "an expression is no array: its numbers are known only when it is computed, by bp.function; "
            "in the place of np.sum, np.mean and the like take bp.sum, bp.mean …"
        )

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

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        return builder.add(self.operation, nodes, self.integers, self.numbers, self.name)


class Shaped(Expression):
    """An operation whose attributes follow from shapes: ``rule(builder, *nodes, *attributes)`` adds it."""

    __slots__ = ("attributes", "rule")

    def __init__(self, rule: Callable[..., int], operands: Sequence[Any], *attributes: Any) -> None:
        super().__init__([as_expression(o) for o in operands])
        self.rule = rule
        self.attributes = attributes

    @property
    def operation(self) -> str:  # type: ignore[override]
        return self.rule.__name__

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        return self.rule(builder, *nodes, *self.attributes)


class Call(Expression):
    """A function of expressions that is entered when its operands' shapes and operations are known: a layer, a loss."""

    __slots__ = ("function", "layer")
    operation = "call"

    def __init__(self, function: Callable[..., Expression], *operands: Any, name: str = "", layer: Any = None) -> None:
        super().__init__([as_expression(o) for o in operands], name)
        self.function = function
        self.layer = layer

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        return builder.expand(self, nodes)


class Input(Expression):
    """A place for data, made by `input`. `shape` is that of one row, None if it is not declared."""

    __slots__ = ("shape",)
    operation = "input"

    def __init__(self, name: str, shape: Sequence[int] | int | None = None) -> None:
        super().__init__((), name)
        self.shape = None if shape is None else shape_rules.checked_shape("shape", shape)

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        raise ValueError(
            f"the input {self.name!r} is needed, but it is not among the inputs: "
            f"{', '.join(repr(i.name) for i in builder.inputs) or 'none'}"
        )


NUMBER_BYTES = 56  # of a constant in a graph: a Python float in a list, and float64 in the node and its copies


class Constant(Expression):
    """A number or an array, without rows."""

    __slots__ = ("array",)
    operation = "constant"

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.array = copied(real_array("a constant", value))

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        with np.errstate(all="ignore"):  # one rounding, to the dtype of the arithmetic; nodes hold numbers as float64
            require_memory(NUMBER_BYTES * self.array.size)
            numbers = self.array.ravel().astype(builder.store.dtype).tolist()
        return builder.add("constant", (), self.array.shape, numbers, "")


def as_expression(value: Any) -> Expression:
    """`value` itself if it is an expression, else the constant of this number or array."""
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


_COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}
_SAME = "negative absolute square sqrt exp expm1 log log1p sin cos tanh add subtract multiply divide maximum minimum"
_FUNCTIONS: dict[str, Callable[..., Expression]] = {  # by NumPy's names
    **{name: partial(Operation, name) for name in _SAME.split()},
    "fabs": partial(Operation, "absolute"),
    "positive": as_expression,
    "power": power,
    "float_power": power,
    "matmul": lambda a, b: Shaped(shape_rules.matmul, (a, b)),
}
_UFUNCS = {getattr(np, name): function for name, function in _FUNCTIONS.items()}
_REDUCTIONS = {np.add: "bp.sum", np.maximum: "bp.max"}


def _no_function(ufunc: np.ufunc, method: str, has_options: bool) -> str:
    """The message for a function of NumPy that takes no expressions."""
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if method == "reduce" and ufunc in _REDUCTIONS:
        return f"{name} takes no expressions: use {_REDUCTIONS[ufunc]}"
    if method == "__call__" and has_options and ufunc in _UFUNCS:
        return f"{name} of an expression takes no out, where or dtype: its numbers are known only when it is computed"
    known = ", ".join(sorted(ufunc.__name__ for ufunc in _UFUNCS))
    return f"{name} takes no expressions; those that do are {known}, and bp has more functions of expressions"


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
