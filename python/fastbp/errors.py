"""The exceptions of fastbp that Python has no better name for."""

from __future__ import annotations

import re

__all__ = ["FastBPError", "NonFiniteError"]


class FastBPError(Exception):
    """The base of fastbp's own exceptions. Wrong arguments raise ``ValueError`` and ``TypeError`` instead.

    Examples
    --------
    >>> import fastbp as bp
    >>> issubclass(bp.NonFiniteError, bp.FastBPError)
    True
    """


class NonFiniteError(FastBPError, ArithmeticError):
    """A training step would have written an infinity or a NaN; the weights are those of the last good step.

    Attributes
    ----------
    epoch, step : int
        Where it happened, both counted from 0; `step` within the epoch.
    node : str
        The first node of the graph whose value is not finite, such as ``"dense_2 (matmul, node 7)"``, with what
        is known about it: ``"x (input, node 0), row 17, column 2 is nan"``, ``"log (node 9), of a negative number"``.

    Examples
    --------
    >>> import fastbp as bp
    >>> error = bp.NonFiniteError(epoch=2, step=17, node="dense_2 (matmul, node 7)")
    >>> error.epoch, error.step, error.node
    (2, 17, 'dense_2 (matmul, node 7)')
    """

    def __init__(self, epoch: int, step: int, node: str) -> None:
        super().__init__(epoch, step, node)
        self.epoch = epoch
        self.step = step
        self.node = node

    def __str__(self) -> str:
        return (
            f"training stopped in epoch {self.epoch}, step {self.step} (counted from 0): the first value that is not "
            f"finite is at {self.node}; the weights are those of the last good step. {self._advice()}"
        )

    def _advice(self) -> str:
        found = re.fullmatch(r"(?:.* \()?(\w+)(?:,| \() ?node \d+\)(?:, (.*))?", self.node)
        operation, about = found.groups() if found else ("", None)
        if operation == "input" and about:
            return "The data hold NaN or infinity: remove or replace such rows"
        if operation == "log" and about == "of a negative number":
            return "A log of a negative number: does the last layer lack its softmax (sigmoid)?"
        if operation == "log" and about == "of 0":
            return "A log of 0: a loss that is given the softmax or sigmoid itself is computed from its logits instead"
        return "Try a smaller learning_rate, or inputs scaled to about 1"
