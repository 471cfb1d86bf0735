"""From expressions to a graph of one of the backends, which numbers its nodes alike for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .expression import Call, Expression, Input, Parameter, as_expression
from .names import Namer, snake_case
from .store import Store

Dims = tuple[int, ...]


class Node(Expression):
    """An expression that is already a node of the graph: what layers and losses see of their operands."""

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

    def operand(self, i: int) -> Node:
        return Node(self.lowering, self.lowering.graph.inputs(self.index)[i])

    def expect_labels(self, classes: int) -> None:
        """Says that the data of this node are labels 0 … classes−1; `data.py` checks them as they enter."""
        node = self
        while node.operation == "reshape":
            node = node.operand(0)
        if node.operation == "input":
            self.lowering.labels[self.lowering.graph.integers(node.index)[0]] = classes

    def lower(self, lowering: Lowering, nodes: Sequence[int]) -> int:
        if lowering is not self.lowering:
            raise ValueError(
                "an operand of call() was kept and used in another call; return a new expression every time"
            )
        return self.index


@dataclass
class LayerCall:
    """What `summary` shows of a layer's call: its result's shape, its parameters in the order of their use."""

    layer: Any
    shape: tuple[int | None, ...]
    parameters: list[Parameter] = field(default_factory=list)


class Lowering:
    """A graph under construction, and which expression became which node.

    Parameters
    ----------
    store : Store
        Where the parameters live; it knows the backend.
    inputs : sequence of Input
        In the order of their slots.
    shapes : sequence of tuple of int
        The shape of one row of each.
    namer : Namer, optional
        Names layers inside of layers.
    """

    def __init__(
        self, store: Store, inputs: Sequence[Input], shapes: Sequence[Dims], namer: Namer | None = None
    ) -> None:
        self.store = store
        self.graph = store.backend.Graph()
        self.inputs = list(inputs)
        self.namer = namer or Namer()
        self.nodes: dict[Expression, int] = {}
        self.labels: dict[int, int] = {}  # slot -> number of classes
        self.calls: list[LayerCall] = []
        self.parameters: list[Parameter] = []  # in the order of their nodes
        self._dropouts = 0
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
        """Adds a node; where it has no name of its own it gets that of the layer which it belongs to."""
        if not name and self._open and operation != "constant":
            name = self._open[-1].layer.name
        return int(self.graph.add(operation, list(inputs), list(integers), list(numbers), name))

    def shape(self, node: int) -> tuple[bool, Dims]:
        rows, dims = self.graph.shape(node)
        return bool(rows), tuple(dims)

    def next_dropout(self) -> int:
        self._dropouts += 1
        return self._dropouts - 1

    def node(self, expression: Expression) -> int:
        """The node of `expression`; whatever it needs is added in the order of creation."""
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
        return self.nodes[expression]

    def expand(self, call: Call, nodes: Sequence[int]) -> int:
        """Enters a layer or a loss, its operands' shapes being known."""
        operands = [Node(self, node) for node in nodes]
        if call.layer is None:
            return self.node(self._returned(call, call.function(*operands)))
        if not call.layer.name:
            call.layer.name, call.layer.name_is_automatic = self.namer.next(snake_case(type(call.layer).__name__)), True
        with self._inside(call.layer) as record:
            out = self.node(self._returned(call, call.function(*operands)))
            rows, dims = self.shape(out)
            record.shape = (None, *dims) if rows else dims
        return out

    @staticmethod
    def _returned(call: Call, result: Any) -> Expression:
        if result is None:
            what = call.layer.name if call.layer is not None else call.name
            raise TypeError(f"{what or 'a function of expressions'} must return an expression, got None")
        return as_expression(result)

    @contextmanager
    def _inside(self, layer: Any) -> Iterator[LayerCall]:
        record = LayerCall(layer, ())
        if not self._open:
            self.calls.append(record)
        self._open.append(record)
        try:
            yield record
        finally:
            self._open.pop()
            if self._open:
                self._open[-1].parameters += record.parameters


def lower(
    outputs: Sequence[Expression],
    store: Store,
    inputs: Sequence[Input],
    shapes: Sequence[Dims],
    namer: Namer | None = None,
) -> tuple[Lowering, list[int]]:
    """A graph that computes `outputs`, and their nodes in it."""
    lowering = Lowering(store, inputs, shapes, namer)
    return lowering, [lowering.node(output) for output in outputs]


def expressions_below(outputs: Sequence[Expression]) -> list[Expression]:
    """Everything that `outputs` are made of, in the order of creation, layers not entered."""
    seen: set[Expression] = set(outputs)
    stack = list(outputs)
    while stack:
        for operand in stack.pop().operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen, key=lambda e: e.number)
