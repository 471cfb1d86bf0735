"""`Node`, the twin of that in cpp/graph/graph.h, and `Nodes`, the protocol of the graph for the gradient rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from .shapes import Shape

__all__ = ["Node", "Nodes"]


class Node(NamedTuple):
    operation: str
    inputs: tuple[int, ...]
    integers: tuple[int, ...]
    numbers: tuple[float, ...]
    name: str
    shape: Shape


class Nodes(Protocol):
    """A graph to which nodes can be added; `Graph` is one."""

    def add(
        self,
        operation: str,
        inputs: Iterable[int] = (),
        integers: Iterable[int] = (),
        numbers: Iterable[float] = (),
        name: str = "",
    ) -> int:
        """Append a node and return its number."""

    def node(self, node: int) -> Node:
        """The node of that number."""

    def operation(self, node: int) -> str:
        """Its operation."""

    def __len__(self) -> int: ...
