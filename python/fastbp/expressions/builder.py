"""What expressions ask of the graph that they are added to, and parameters of the place where their values live.

Both are protocols: `lowering.Lowering` and `lowering.ParameterStore` are the classes. So expressions need not know the
package above them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Dims = tuple[int, ...]


class ParameterHome(Protocol):
    """The parameters of one model, function or minimisation: where the value of a `Parameter` lives."""

    dtype: str
    values: Any  # a backend's Parameters
    residents: int  # how many parameters live here
    version: int  # how often something was trained here
    is_training: bool

    def slot(self, parameter: Any) -> int:
        """The slot of a parameter, which is copied here, or drawn from its initialiser, if it is new."""


class FunctionCall(Protocol):
    """A function of expressions, such as a layer or a loss, that is entered when its operands' shapes are known."""

    name: str
    function: Callable[..., Any]
    layer: Any


class GraphBuilder(Protocol):
    """A graph under construction, to which expressions add their nodes."""

    @property
    def store(self) -> ParameterHome:
        """Where the parameters live."""

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
        """Enters a layer or a loss."""

    def gradients(self, cost: int, wrt: tuple[int, ...]) -> list[int]:
        """The nodes of d cost / d wrt[i]."""

    def next_dropout(self) -> int:
        """The ordinal of a new dropout."""
