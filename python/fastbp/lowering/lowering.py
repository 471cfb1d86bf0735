"""`Lowering`: translates expressions to a graph of either backend; both number their nodes alike."""

from __future__ import annotations

import math
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._shared.arguments import finite
from ..expressions.builder import FunctionCall, GraphBuilder
from ..expressions.expression import Expression, Input, as_expression
from ..expressions.parameter import Parameter
from ..expressions.shape_rules import shape_text
from .domains import Domain
from .layer_names import Scope
from .parameter_store import ParameterStore

Dims = tuple[int, ...]

WITHOUT_GRADIENT = frozenset(["argmax", "equal", "first_max", "greater", "one_hot", "sign"])  # of operations

SCALES = frozenset(["add", "divide", "multiply", "negative", "subtract"])  # what is done with a loss to weigh it


class Node(Expression):
    """An expression that is already a node of the graph. Layers and losses are called with such operands."""

    __slots__ = ("index", "lowering")

    def __init__(self, lowering: Lowering, index: int) -> None:
        super().__init__((), lowering.graph.name(index))
        self.lowering = lowering
        self.index = index

    @property
    def rows(self) -> bool:
        return self.lowering.shape(self.index)[0]

    @property
    def dims(self) -> Dims:
        """The features' shape."""
        return self.lowering.shape(self.index)[1]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """As Keras shows it: None stands for the rows."""
        return (None, *self.dims) if self.rows else self.dims

    @property
    def operation(self) -> str:  # type: ignore[override]
        return str(self.lowering.graph.operation(self.index))

    @property
    def integers(self) -> tuple[int, ...]:
        return tuple(self.lowering.graph.integers(self.index))

    @property
    def numbers(self) -> tuple[float, ...]:
        return tuple(self.lowering.graph.numbers(self.index))

    def operand(self, i: int) -> Node:
        return Node(self.lowering, self.lowering.graph.inputs(self.index)[i])

    def expect(self, domain: Domain) -> None:
        """Says which numbers the data of this node may hold, if it is an input; they are checked when data come."""
        node = self
        while node.operation in ("reshape", "where_positive"):  # where_positive: of rows that count
            node = node.operand(0 if node.operation == "reshape" else 1)
        if node.operation == "input":
            expected = (node.integers[0], domain)
            if expected not in self.lowering.domains:
                self.lowering.domains.append(expected)

    def lower(self, builder: GraphBuilder, nodes: Sequence[int]) -> int:
        if builder is not self.lowering:
            raise ValueError(
                "an operand of call() was kept and used in another call; return a new expression every time"
            )
        return self.index


@dataclass
class LayerCall:
    """One call of a layer, for `summary` and `draw`: its result's shape, its parameters in the order of their use."""

    layer: Any
    path: str  # the names of the layers around it, then its own: "residual/dense"
    shape: tuple[int | None, ...] = ()
    parameters: list[Parameter] = field(default_factory=list)


class Lowering:
    """A graph under construction, and the node of each expression.

    Parameters
    ----------
    store : ParameterStore
        Holds the parameters' values; its backend makes the graph.
    inputs : sequence of Input
        In the order of their slots.
    shapes : sequence of tuple of int
        The shape of one row of each.
    scope : Scope, optional
        The names of the outermost layers.
    training : bool
        Whether dropout may drop where the graph is used. Default True.
    """

    def __init__(
        self,
        store: ParameterStore,
        inputs: Sequence[Input],
        shapes: Sequence[Dims],
        scope: Scope | None = None,
        training: bool = True,
    ) -> None:
        self.store = store
        self.training = training
        self.graph = store.backend.Graph()
        self.inputs = list(inputs)
        self.scope = scope or Scope()
        self.nodes: dict[Expression, int] = {}
        self.domains: list[tuple[int, Domain]] = []  # of the data, by slot; see `check`
        self.objections: list[str] = []  # of losses, why nothing can be trained with what they are given
        self.doubts: list[str] = []  # of losses, what is most likely a mistake
        self.calls: list[LayerCall] = []
        self.parameters: list[Parameter] = []  # in the order of their nodes
        self.made: list[Any] = []  # layers and models that this lowering built
        # The layers around the uses of each layer (itself included) and of each parameter that no layer owns.
        self._around: dict[Any, list[Any]] = {}
        self._dropouts = 0
        self._reduced: dict[int, str] = {}  # the name of the loss or metric that a number for all rows comes from
        self._gradients: dict[tuple[int, tuple[int, ...]], list[int]] = {}  # by (cost, wrt)
        self._open: list[LayerCall] = []
        for slot, (expression, dims) in enumerate(zip(inputs, shapes)):
            self.nodes[expression] = self.graph.add("input", [], [slot, *dims], [], expression.name)

    def add(
        self,
        operation: str,
        inputs: Sequence[int] = (),
        integers: Sequence[int] = (),
        numbers: Sequence[float] = (),
        name: str = "",
    ) -> int:
        """Adds a node. A node without a name gets its layer's path as its name, unless it is a constant."""
        if not name and self._open and operation != "constant":
            name = self.path
        node = int(self.graph.add(operation, list(inputs), list(integers), list(numbers), name))
        if self._reduced and operation in SCALES:
            self._follow_reduced(node, operation, inputs)
        return node

    def note_reduced(self, node: int, name: str) -> None:
        if not self.shape(node)[0]:
            self._reduced[node] = name

    def _follow_reduced(self, node: int, operation: str, inputs: Sequence[int]) -> None:
        """Raises a ValueError if a loss' one number for all rows is multiplied by rows: that would weigh none."""
        names = [self._reduced[i] for i in inputs if i in self._reduced]
        if names and not self.shape(node)[0]:
            self._reduced[node] = names[0]
        elif names and operation in ("multiply", "divide"):
            raise ValueError(
                f"{names[0]} is one number for all rows, so a factor with rows weighs none of them: "
                f"{names[0]}(…, reduction=None) gives a value per row, which bp.mean averages after the product"
            )

    def shape(self, node: int) -> tuple[bool, Dims]:
        rows, dims = self.graph.shape(node)
        return bool(rows), tuple(dims)

    def features(self, nodes: Sequence[int]) -> int:
        """How many numbers the nodes have together, in one row."""
        return sum(math.prod(self.shape(node)[1]) for node in nodes)

    @property
    def path(self) -> str:
        """The names of the layers around the layer that is being entered, then its own; "" outside all layers."""
        return self._open[-1].path if self._open else ""

    def next_dropout(self) -> int:
        self._dropouts += 1
        return self._dropouts - 1

    def gradients(self, cost: int, wrt: tuple[int, ...]) -> list[int]:
        """The nodes of d cost / d wrt[i], made once for the same cost and wrt."""
        self.check_scalar(cost, "cost")
        if (cost, wrt) not in self._gradients:
            self._gradients[cost, wrt] = [int(node) for node in self.graph.gradients(cost, list(wrt))]
        return self._gradients[cost, wrt]

    def check_scalar(self, node: int, argument: str) -> None:
        """Raises a ValueError unless the node is a scalar without rows."""
        rows, dims = self.shape(node)
        if rows or dims:
            shape = shape_text(rows, dims)
            raise ValueError(f"{argument} must be a scalar, got the shape {shape}: bp.sum or bp.mean makes it one")

    def passes_gradients(self, cost: int, wanted: Container[int]) -> bool:
        """Whether the cost depends on a wanted node by operations that have gradients."""
        stack, seen = [cost], {cost}
        while stack:
            node = stack.pop()
            if node in wanted:
                return True
            if self.graph.operation(node) not in WITHOUT_GRADIENT:
                operands = set(self.graph.inputs(node)) - seen
                seen |= operands
                stack += operands
        return False

    def raise_objections(self) -> None:
        """Raises a ValueError if a loss objects, warns if it doubts: of a cost that is trained, not of a function."""
        if self.objections:
            raise ValueError(self.objections[0])
        for doubt in dict.fromkeys(self.doubts):
            warnings.warn(doubt, UserWarning, stacklevel=2)

    def check(
        self, arrays: Sequence[np.ndarray], prefix: str = "", counted: Mapping[int, np.ndarray] | None = None
    ) -> None:
        """Raises a ValueError for data that a loss cannot be meant for; `prefix` comes before names in messages.

        `counted`: by slot, which rows count; default all.
        """
        for slot, domain in self.domains:
            domain.check(arrays[slot], self.inputs[slot].name, prefix, None if counted is None else counted.get(slot))

    @property
    def has_labels(self) -> bool:
        """Whether some data are labels."""
        return any(domain.whole for _, domain in self.domains)

    def check_labels(self, arrays: Sequence[np.ndarray]) -> None:
        """`check` of labels alone: other data have a value by the formula, whatever the loss is meant for."""
        for slot, domain in self.domains:
            if domain.whole:
                domain.check(arrays[slot], self.inputs[slot].name)

    def lower(self, outputs: Sequence[Expression]) -> list[int]:
        """The nodes of `outputs`. If this raises, all layers that it has built are unbuilt, so that none stays half
        built."""
        try:
            return [self.node(output) for output in outputs]
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Unbuilds the layers and models that this lowering has built."""
        for layer in self.made:
            layer._unbuild()

    def inline(self, outputs: Sequence[Expression], operands: Mapping[Expression, int]) -> list[int]:
        """The nodes of another network's outputs, with `operands` as its inputs; it shares this graph's parameters."""
        outer = self.nodes
        self.nodes = {**{p: outer[p] for p in self.parameters}, **operands}
        try:
            return [self.node(output) for output in outputs]
        finally:
            self.nodes = {**outer, **{p: self.nodes[p] for p in self.parameters}}

    def trained(self) -> list[Parameter]:
        """The parameters that training changes: those that are not frozen now, themselves or by a layer around them."""
        around = self._layers_around()
        return [p for p in self.parameters if p.trainable and all(layer.trainable for layer in around.get(p, ()))]

    def multiplier(self, parameter: Parameter, name: str) -> float:
        """The parameter's factor `name` times those of the layers around it."""
        product = finite(name, getattr(parameter, name))
        for layer in {id(layer): layer for layer in self._layers_around().get(parameter, ())}.values():
            product *= finite(name, getattr(layer, name))
        return product

    def _layers_around(self) -> dict[Any, Any]:
        """The layers around each parameter, by parameter."""
        around = dict(self._around)
        for layer, enclosing in self._around.items():
            around.update(dict.fromkeys(getattr(layer, "_own_weights", ()), enclosing))
        return around

    def freezable(self) -> list[Any]:
        """The parameters and layers whose `trainable` decides what `trained` returns."""
        layers = {id(layer): layer for enclosing in self._around.values() for layer in enclosing}
        return [*self.parameters, *layers.values()]

    def node(self, expression: Expression) -> int:
        """The node of `expression`; adds all nodes that it needs in the order of creation."""
        if expression in self.nodes:
            return self.nodes[expression]
        missing, stack, seen = [], [expression], {expression}
        while stack:
            current = stack.pop()
            missing.append(current)
            for operand in current.operands:
                if operand not in seen and operand not in self.nodes:
                    seen.add(operand)
                    stack.append(operand)
        for current in sorted(missing, key=lambda e: e.number):
            self.nodes[current] = current.lower(self, [self.nodes[o] for o in current.operands])
            if isinstance(current, Parameter):
                self.parameters.append(current)
            if isinstance(current, Parameter) and self._open:
                self._open[-1].parameters.append(current)
                self._around[current] = [record.layer for record in self._open]
        return self.nodes[expression]

    def expand(self, call: FunctionCall, nodes: Sequence[int]) -> int:
        """Enters a layer or a loss, whose operands are `nodes`, and returns its result's node."""
        operands = [Node(self, node) for node in nodes]
        if call.layer is None:
            return self.node(self._returned(call, call.function(*operands)))
        with self._inside(call.layer) as record:
            out = self.node(self._returned(call, call.function(self, *operands)))
            rows, dims = self.shape(out)
            record.shape = (None, *dims) if rows else dims
        return out

    @staticmethod
    def _returned(call: FunctionCall, result: Any) -> Expression:
        if result is None:
            what = call.name if call.layer is None else call.layer.name
            raise TypeError(f"{what or 'a function of expressions'} must return an expression, got None")
        return as_expression(result)

    @contextmanager
    def _inside(self, layer: Any) -> Iterator[LayerCall]:
        scope = self._open[-1].layer._scope if self._open else self.scope
        record = LayerCall(layer, f"{self.path}/{scope.name(layer)}".lstrip("/"))
        if not self._open:
            self.calls.append(record)
        self._open.append(record)
        self._around.setdefault(layer, []).extend(opened.layer for opened in self._open)
        try:
            yield record
        finally:
            self._open.pop()
            if self._open:
                self._open[-1].parameters += record.parameters


def lower(
    outputs: Sequence[Expression],
    store: ParameterStore,
    inputs: Sequence[Input],
    shapes: Sequence[Dims],
    training: bool = True,
) -> tuple[Lowering, list[int]]:
    """The lowering of `outputs`, and their nodes."""
    lowering = Lowering(store, inputs, shapes, training=training)
    return lowering, lowering.lower(outputs)


def expressions_below(outputs: Sequence[Expression]) -> list[Expression]:
    """All expressions that `outputs` are made of, in the order of creation; layers are not entered."""
    seen: set[Expression] = set(outputs)
    stack = list(outputs)
    while stack:
        for operand in stack.pop().operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen, key=lambda e: e.number)
