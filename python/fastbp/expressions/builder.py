"""Protocols of the graph that expressions are added to, and of the store in which parameters live.

`Lowering` and `ParameterStore` in the package `lowering` are the classes. Thanks to the protocols, expressions do not
import the package above them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Dims = tuple[int, ...]


class ParameterHome(Protocol):
    """A parameter store: it holds the values of the parameters of one model, function or minimisation."""

    backend: Any  # the module that holds the values
    dtype: str
    values: Any  # a backend's Parameters

    @property
    def is_busy_elsewhere(self) -> bool:
        """Whether another thread trains them."""

    def slot(self, parameter: Any) -> int:
        """The slot of a parameter. A new one is copied here, or drawn from its initialiser if it has no value yet."""


class FunctionCall(Protocol):
    """A function of expressions, such as a layer or a loss, that is entered when its operands' shapes are known."""

    name: str
    function: Callable[..., Any]
    layer: Any


class GraphBuilder(Protocol):
    """A graph under construction, to which expressions add their nodes."""

    @property
    def store(self) -> ParameterHome:
        """The store of the parameters."""

    @property
    def inputs(self) -> Sequence[Any]:
        """The inputs, in the order of their slots."""

    def add(
        self,
        operation: str,
        inputs: Sequence[int] = (),
        integers: Sequence[int] = (),
        numbers: Sequence[float] = (),
        name: str = "",
    ) -> int:
        """Adds a node and returns its number."""

    def shape(self, node: int) -> tuple[bool, Dims]:
        """Whether a node has rows, and its other dimensions."""

    def expand(self, call: FunctionCall, nodes: Sequence[int]) -> int:
        """Enters a layer or a loss, whose operands are `nodes`, and returns its result's node."""

    def gradients(self, cost: int, wrt: tuple[int, ...]) -> list[int]:
        """The nodes of d cost / d wrt[i]."""

    def note_reduced(self, node: int, name: str) -> None:
        """Says that a node is the loss or metric `name` of all rows, one number."""

    def next_dropout(self) -> int:
        """The ordinal of a new dropout."""
