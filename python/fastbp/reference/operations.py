"""The operations that a node may have: name and number of operands (-1: any number, at least one)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ELEMENTWISE", "STRUCTURAL", "check_operation", "nearest_name", "operations"]

ELEMENTWISE: dict[str, int] = {
    "negative": 1,
    "absolute": 1,
    "sign": 1,
    "square": 1,
    "sqrt": 1,
    "exp": 1,
    "expm1": 1,
    "log": 1,
    "log1p": 1,
    "sin": 1,
    "cos": 1,
    "tanh": 1,
    "sigmoid": 1,
    "softplus": 1,
    "erf": 1,
    "relu": 1,
    "power_integer": 1,
    "divide_by_count": 1,
    "add": 2,
    "subtract": 2,
    "multiply": 2,
    "divide": 2,
    "product_or_zero": 2,
    "quotient_or_zero": 2,
    "power": 2,
    "maximum": 2,
    "minimum": 2,
    "equal": 2,
    "greater": 2,
    "where_positive": 3,
    "maximum_gate": 3,
    "minimum_gate": 3,
    "sigmoid_cross_entropy": 3,
}

STRUCTURAL: dict[str, int] = {
    "input": 0,
    "parameter": 0,
    "constant": 0,
    "matmul": 2,
    "matmul_rows": 2,
    "sum": 1,
    "max": 1,
    "first_max": 1,
    "argmax": 1,
    "softmax": 1,
    "log_softmax": 1,
    "logsumexp": 1,
    "softmax_cross_entropy": 3,
    "sparse_softmax_cross_entropy": 3,
    "one_hot": 1,
    "pick": 2,
    "reshape": 1,
    "broadcast": 1,
    "concatenate": -1,
    "slice": 1,
    "unslice": 1,
    "transpose": 1,
    "dropout": 1,
}


def operations() -> dict[str, int]:
    """Every operation's name and its number of operands (-1: any number)."""
    return {**ELEMENTWISE, **STRUCTURAL}


def check_operation(name: str) -> None:
    known = operations()
    if name not in known:
        raise ValueError(f"unknown operation '{name}'; did you mean '{nearest_name(name, known)}'?")


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name of the smallest edit distance (insertions, deletions, replacements); the first of equals."""
    return min(known, key=lambda candidate: _edit_distance(name, candidate))


def _edit_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != other))
    return row[-1]
