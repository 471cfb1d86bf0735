"""The graph: nodes in the order of their creation. The twin of cpp/graph/graph.cpp."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index

from . import gradients as _gradients
from .node import Node
from .operations import check_operation
from .shapes import Request, Shape, infer_shape, to_string

__all__ = ["Graph", "Node", "describe"]


class Graph:
    """Nodes, each made of earlier ones; docs/architecture.md lists the operations and their attributes."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []

    def add(
        self,
        operation: str,
        inputs: Iterable[int] = (),
        integers: Iterable[int] = (),
        numbers: Iterable[float] = (),
        name: str = "",
    ) -> int:
        """Check operands, attributes and shapes, append the node and return its number."""
        check_operation(operation)
        operands = tuple(index(i) for i in inputs)
        shapes = [self.node(i).shape for i in operands]
        what = _describe(operation, len(self._nodes), name)
        request = Request(operation, shapes, tuple(index(i) for i in integers), tuple(float(x) for x in numbers), what)
        self._nodes.append(Node(operation, operands, request.integers, request.numbers, name, infer_shape(request)))
        return len(self._nodes) - 1

    def gradients(self, cost: int, wrt: Sequence[int]) -> list[int]:
        """Append the backward graph of `cost` and return the nodes of d cost / d wrt[i] (rules 6 and 7)."""
        shape = self.node(cost).shape
        if shape != Shape(False, ()):
            what = f"{describe(self, cost)} of shape {to_string(shape)}"
            raise ValueError(f"the cost must be a scalar without rows, got {what}")
        return _gradients.gradients(self, cost, wrt)

    def node(self, node: int) -> Node:
        if not 0 <= node < len(self._nodes):
            raise ValueError(f"node {node} does not exist: the graph has {len(self._nodes)} nodes")
        return self._nodes[node]

    def shape(self, node: int) -> tuple[bool, tuple[int, ...]]:
        return self.node(node).shape

    def operation(self, node: int) -> str:
        return self.node(node).operation

    def inputs(self, node: int) -> list[int]:
        return list(self.node(node).inputs)

    def integers(self, node: int) -> list[int]:
        return list(self.node(node).integers)

    def numbers(self, node: int) -> list[float]:
        return list(self.node(node).numbers)

    def name(self, node: int) -> str:
        return self.node(node).name

    def copy(self) -> Graph:
        other = Graph()
        other._nodes = self._nodes.copy()
        return other

    def __len__(self) -> int:
        return len(self._nodes)


def describe(graph: Graph, node: int) -> str:
    """The node as an error message shows it: "dense_2 (matmul, node 7)", "matmul (node 7)" without a name."""
    return _describe(graph.operation(node), node, graph.name(node))


def _describe(operation: str, number: int, name: str) -> str:
    return f"{name} ({operation}, node {number})" if name else f"{operation} (node {number})"
