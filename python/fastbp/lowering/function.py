"""`function`: evaluates expressions, and the gradients of a scalar one."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._shared.arguments import known_keywords
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
        self._training = bool(training)
        self._store = ParameterStore(backend, dtype)
        self._compiled: dict[tuple[tuple[int, ...], ...], tuple[Any, Lowering]] = {}
        self._calls = 0
        self._function: Any = None  # for the shapes of the last call
        # Dtype and row shape of that call's arrays, if they were used without a copy and held no labels to check.
        self._accepted: list[tuple[np.dtype[Any], tuple[int, ...]]] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """The outputs for `arguments`; with gradients, (value, gradients)."""
        if self._accepts(arguments):
            return self._evaluated(arguments)
        names = [i.name for i in self._inputs]
        if len(arguments) != len(names):
            raise TypeError(f"the function takes {len(names)} arrays ({', '.join(names)}), got {len(arguments)}")
        arrays = [as_array(a, name, self._store.dtype) for a, name in zip(arguments, names)]
        common_rows(arrays, names)
        self._function, lowering = self._for_shapes(arrays)
        lowering.check_labels(arrays)
        as_they_came = arrays and all(map(operator.is_, arrays, arguments)) and not lowering.has_labels
        self._accepted = [(array.dtype, array.shape[1:]) for array in arrays] if as_they_came else None
        return self._evaluated(arrays)

    def _accepts(self, arguments: Sequence[Any]) -> bool:
        """Whether the arguments are arrays like those of the last call, which needed no copy and no check of labels."""
        if self._accepted is None or len(arguments) != len(self._accepted):
            return False
        for array, accepted in zip(arguments, self._accepted):
            if type(array) is not np.ndarray or not array.shape or (array.dtype, array.shape[1:]) != accepted:
                return False
        return len(arguments) == 1 or len(set(map(len, arguments))) == 1

    def _evaluated(self, arrays: Sequence[np.ndarray]) -> Any:
        self._store.refresh()
        # pybind11 interns a string for each keyword that is passed: expensive next to a small function.
        values = self._function(arrays, counter=self._calls) if self._calls else self._function(arrays)
        results = [r if r.ndim else r[()] for r in values]
        self._calls += self._training
        count = len(self._outputs)
        value = results[0] if self._single else results[:count]
        if self._wanted is None:
            return value
        return value, results[count] if self._single_gradient else tuple(results[count:])

    def _for_shapes(self, arrays: Sequence[np.ndarray]) -> tuple[Any, Lowering]:
        key = tuple(a.shape[1:] for a in arrays)
        if key not in self._compiled:
            for expression, dims in zip(self._inputs, key):
                if expression.shape is not None and expression.shape != dims:
                    raise ValueError(
                        f"{expression.name} must have the shape {shape_text(True, expression.shape)}, "
                        f"got {shape_text(True, dims)}"
                    )
            lowering, nodes = lower(self._outputs, self._store, self._inputs, key, self._training)
            if self._wanted is not None:
                cost = scalar_node(lowering, self._outputs[0], "an output with gradients")
                nodes = nodes + list(lowering.graph.gradients(cost, [lowering.node(e) for e in self._wanted]))
            compiled = self._store.backend.Function(
                lowering.graph, nodes, self._store.values, training=self._training, seed=self._store.seed
            )
            self._compiled[key] = compiled, lowering
        return self._compiled[key]


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
