"""`function`: evaluates expressions, and the gradients of a scalar one."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._shared.arguments import known_keywords, truth
from ..expressions.expression import Expression, Input, as_expression
from ..expressions.shape_rules import shape_text
from .arrays import as_array, checked_inputs, common_rows
from .lowering import Lowering, lower
from .parameter_store import ParameterStore


def scalar_node(lowering: Lowering, expression: Expression, argument: str) -> int:
    """The node of an expression that must be a scalar."""
    (node,) = lowering.lower([expression])
    lowering.check_scalar(node, argument)
    return node


class CompiledFunction:
    """The callable that `function` returns: it takes one array per input, in order."""

    def __init__(
        self, inputs: list[Input], outputs: Any, gradients: Any, training: bool, dtype: Any, backend: str
    ) -> None:
        self._inputs = inputs
        self._single = not isinstance(outputs, (list, tuple))
        self._outputs = [as_expression(e) for e in ([outputs] if self._single else outputs)]
        self._single_gradient = isinstance(gradients, Expression)
        self._wanted: list[Expression] | None = None
        if gradients is not None:
            self._wanted = [gradients] if self._single_gradient else list(gradients)
            if len(self._outputs) != 1:
                raise ValueError(f"gradients are those of one scalar output, got {len(self._outputs)} outputs")
            if not all(isinstance(e, Expression) for e in self._wanted):
                raise TypeError("gradients must be expressions, those to differentiate by")
        self._training = truth("training", training)
        self._store = ParameterStore(backend, dtype)
        self._compiled: dict[tuple[tuple[int, ...], ...], tuple[Any, Lowering]] = {}
        self._calls = 0
        # Of the last call, if its arrays were used without a copy and held no labels to check: their dtypes and row
        # shapes, and the function for these.
        self._last: tuple[list[tuple[np.dtype[Any], tuple[int, ...]]], Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """The outputs for `arguments`; with gradients, (value, gradients)."""
        last = self._last
        if last is not None and _are_like(arguments, last[0]):
            return self._evaluated(last[1], arguments)
        names = [i.name for i in self._inputs]
        if len(arguments) != len(names):
            raise TypeError(f"the function takes {len(names)} arrays ({', '.join(names)}), got {len(arguments)}")
        arrays = [as_array(a, name, self._store.dtype) for a, name in zip(arguments, names)]
        common_rows(arrays, names)
        key = tuple(a.shape[1:] for a in arrays)
        known = self._compiled.get(key)
        function, lowering = known or self._for_shapes(key)
        try:
            lowering.check_labels(arrays)
            result = self._evaluated(function, arrays)
        except Exception:
            if known is None:
                lowering.undo()
            raise
        self._compiled[key] = function, lowering
        if arrays and all(map(operator.is_, arrays, arguments)) and not lowering.has_labels:
            self._last = [(array.dtype, array.shape[1:]) for array in arrays], function
        return result

    def _evaluated(self, function: Any, arrays: Sequence[np.ndarray]) -> Any:
        self._store.refresh()
        # pybind11 interns a string for each keyword that is passed: expensive next to a small function.
        values = function(arrays, counter=self._calls) if self._calls else function(arrays)
        results = [r if r.ndim else r[()] for r in values]
        self._calls += self._training
        count = len(self._outputs)
        value = results[0] if self._single else results[:count]
        if self._wanted is None:
            return value
        return value, results[count] if self._single_gradient else tuple(results[count:])

    def _for_shapes(self, shapes: Sequence[tuple[int, ...]]) -> tuple[Any, Lowering]:
        for expression, dims in zip(self._inputs, shapes):
            if expression.shape is not None and expression.shape != dims:
                raise ValueError(
                    f"{expression.name} must have the shape {shape_text(True, expression.shape)}, "
                    f"got {shape_text(True, dims)}"
                )
        lowering, nodes = lower(self._outputs, self._store, self._inputs, shapes, self._training)
        try:
            if self._wanted is not None:
                cost = scalar_node(lowering, self._outputs[0], "an output with gradients")
                nodes = nodes + list(lowering.graph.gradients(cost, [lowering.node(e) for e in self._wanted]))
            function = self._store.backend.Function(
                lowering.graph, nodes, self._store.values, training=self._training, seed=self._store.seed
            )
        except Exception:
            lowering.undo()
            raise
        return function, lowering


def _are_like(arrays: Sequence[Any], accepted: Sequence[tuple[np.dtype[Any], tuple[int, ...]]]) -> bool:
    """Whether they are arrays of these dtypes and row shapes, with one number of rows."""
    if len(arrays) != len(accepted):
        return False
    for array, kind in zip(arrays, accepted):
        if type(array) is not np.ndarray or not array.shape or (array.dtype, array.shape[1:]) != kind:
            return False
    return len(arrays) == 1 or len(set(map(len, arrays))) == 1


@known_keywords
def function(
    inputs: Expression | Sequence[Expression],
    outputs: Any,
    gradients: Any = None,
    training: bool = False,
    dtype: Any = "float32",
    backend: str = "core",
) -> CompiledFunction:
    """Makes a function of arrays out of expressions.

    Parameters
    ----------
    inputs : list of inputs
        In the order in which the function takes its arrays; each array has an axis of rows.
    outputs : expression or list of expressions
        What to compute.
    gradients : expression or list of expressions, optional
        What to differentiate the (one, scalar) output by, in reverse mode: parameters, inputs or any node in between.
    training : bool
        Whether dropout drops. Default False.
    dtype : {"float32", "float64"}
        Of the arithmetic. Default "float32".
    backend : {"core", "reference"}
        Both give the same bits. Default "core".

    Returns
    -------
    callable
        ``f(*arrays)`` gives the value of the output (a list of them for a list), or (value, gradients), the gradients
        being a tuple of arrays (one array if `gradients` is one expression). Values without axes are NumPy scalars.
        Parameters have their current values at each call.

    Raises
    ------
    TypeError
        If `inputs` are not made by `input`, or `gradients` are no expressions.
    ValueError
        If two inputs have one name, or gradients of several outputs are asked for; when called, for shapes that do not
        fit and an output with gradients that is no scalar.

    Notes
    -----
    Gradients are built by rule 6 of the numeric contract; `gradients` gives them as expressions.

    Examples
    --------
    >>> import fastbp as bp
    >>> x, y = bp.input("x"), bp.input("y")
    >>> w = bp.parameter(3.0, name="w")
    >>> cost = bp.mean((x * w - y) ** 2)
    >>> f = bp.function([x, y], cost, gradients=[w], backend="reference")
    >>> f([1.0, 2.0], [2.0, 4.0])
    (np.float32(2.5), (np.float32(5.0),))
    """
    listed = [inputs] if isinstance(inputs, Expression) else inputs
    if not isinstance(listed, (list, tuple)):
        raise TypeError(f"inputs must be a list of inputs made by bp.input, got {inputs!r}")
    return CompiledFunction(checked_inputs(listed), outputs, gradients, training, dtype, backend)
