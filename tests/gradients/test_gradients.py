"""Every operation's gradient, and the gradient of its gradient, against finite differences in float64.

The cost is a weighted sum of an operation's result; for second derivatives, a weighted sum of all gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from fastbp import reference

ROWS = 4
STEP = 1e-5

Array = np.ndarray


class Case:
    """A graph under construction, with the data of its leaves."""

    def __init__(self) -> None:
        self.graph = reference.Graph()
        self.parameters = reference.Parameters("float64")
        self.inputs: list[Array] = [np.zeros((ROWS, 1))]  # sets the number of rows
        self.graph.add("input", [], [0, 1])
        self.variables: list[int] = []
        self.random = np.random.default_rng(7)

    def fixed(self, values: Array, rows: bool = False) -> int:
        values = np.array(values, np.float64)
        if not rows:
            return self.graph.add("parameter", [], [self.parameters.add(values), *values.shape])
        self.inputs.append(values)
        return self.graph.add("input", [], [len(self.inputs) - 1, *values.shape[1:]])

    def variable(self, values: Array, rows: bool = False) -> int:
        self.variables.append(self.fixed(values, rows))
        return self.variables[-1]

    def draw(self, *shape: int, low: float = -2.0, high: float = 2.0, rows: bool = False) -> int:
        """A variable of uniform numbers at least 0.05 away from 0."""
        values = self.random.uniform(low, high, ((ROWS, *shape) if rows else shape))
        return self.variable(np.where(np.abs(values) < 0.05, 0.1, values), rows)

    def add(self, operation: str, *inputs: int, integers: Sequence[int] = (), numbers: Sequence[float] = ()) -> int:
        return self.graph.add(operation, inputs, integers, numbers)

    def weighted_sum(self, node: int) -> int:
        rows, dims = self.graph.shape(node)
        weights = self.random.uniform(0.5, 1.5, (ROWS, *dims) if rows else dims)
        product = self.add("multiply", node, self.fixed(weights, rows))
        return self.add("sum", product, integers=[int(rows), *range(len(dims))])

    def evaluate(self, nodes: Sequence[int]) -> list[Array]:
        return reference.Function(self.graph, nodes, self.parameters, training=True, seed=3)(self.inputs)

    def data(self, variable: int) -> Array:
        slot = self.graph.integers(variable)[0]
        rows = self.graph.operation(variable) == "input"
        return self.inputs[slot] if rows else self.parameters.values[slot]

    def check(self, cost: int) -> list[int]:
        """Checks the gradients of `cost` by the variables against finite differences, and returns them."""
        gradients = self.graph.gradients(cost, self.variables)
        function = reference.Function(self.graph, [cost], self.parameters, training=True, seed=3)
        for variable, gradient in zip(self.variables, self.evaluate(gradients)):
            data, expected = self.data(variable), np.zeros_like(gradient)
            for element in np.ndindex(*data.shape):
                value, ends = data[element], []
                for sign in (1, -1):
                    data[element] = value + sign * STEP
                    ends.append(float(function(self.inputs)[0]))
                data[element] = value
                expected[element] = (ends[0] - ends[1]) / (2 * STEP)
            np.testing.assert_allclose(gradient, expected, rtol=2e-6, atol=2e-7)
        return gradients


def unary(operation: str, low: float = -2.0, high: float = 2.0, integers: Sequence[int] = ()) -> Callable[[Case], int]:
    return lambda c: c.add(operation, c.draw(3, low=low, high=high, rows=True), integers=integers)


def binary(operation: str, low: float = -2.0) -> list[Callable[[Case], int]]:
    """Operands of equal shapes, and every way to broadcast one of them."""
    return [
        lambda c: c.add(operation, c.draw(3, low=low, rows=True), c.draw(3, low=low, rows=True)),
        lambda c: c.add(operation, c.draw(2, 3, low=low, rows=True), c.draw(3, low=low)),
        lambda c: c.add(operation, c.draw(low=low), c.draw(1, low=low, rows=True)),
        lambda c: c.add(operation, c.draw(low=low, rows=True), c.draw(2, 1, low=low, rows=True)),
        lambda c: c.add(operation, c.draw(2, 1, low=low), c.draw(1, 3, low=low)),
    ]


def gate(operation: str) -> list[Callable[[Case], int]]:
    return [
        lambda c, which=which: c.add(
            operation, c.fixed([1.0, 2.0, 3.0]), c.fixed([2.0, 2.0, 1.0]), c.draw(2, 3, rows=True), integers=[which]
        )
        for which in (0, 1)
    ]


def reductions(operation: str) -> list[Callable[[Case], int]]:
    everything = [
        lambda c, integers=integers: c.add(operation, c.draw(2, 1, 3, rows=True), integers=integers)
        for integers in ([1], [0, 0], [0, 2], [0, 0, 2], [1, 0], [1, 1, 2], [1, 0, 1, 2])
    ]
    plain = [
        lambda c, integers=integers: c.add(operation, c.draw(2, 3), integers=integers)
        for integers in ([0, 0], [0, 1], [0, 0, 1])
    ]
    return everything + plain


def matmuls() -> list[Callable[[Case], int]]:
    def plain(transpose_a: int, transpose_b: int) -> Callable[[Case], int]:
        a, b = (4, 2) if transpose_a else (2, 4), (3, 4) if transpose_b else (4, 3)
        return lambda c: c.add("matmul", c.draw(*a), c.draw(*b), integers=[transpose_a, transpose_b])

    def rows(transpose_b: int) -> Callable[[Case], int]:
        b = (3, 4) if transpose_b else (4, 3)
        return lambda c: c.add("matmul", c.draw(2, 4, rows=True), c.draw(*b), integers=[0, transpose_b])

    return [plain(i, j) for i in (0, 1) for j in (0, 1)] + [rows(0), rows(1)]


def targets(c: Case) -> Array:
    y = c.random.uniform(0.1, 1.0, (ROWS, 2, 3))
    return np.asarray(y / y.sum(axis=-1, keepdims=True))


def softmax_loss(c: Case) -> int:
    z = c.draw(2, 3, rows=True)
    return c.add("softmax_cross_entropy", z, c.add("softmax", z), c.fixed(targets(c), rows=True))


def softmax_loss_by_its_target(c: Case) -> int:
    z = c.fixed(c.random.normal(size=(ROWS, 2, 3)), rows=True)
    return c.add("softmax_cross_entropy", z, c.add("softmax", z), c.variable(targets(c), rows=True))


def sparse_softmax_loss(c: Case) -> int:
    z = c.draw(3, rows=True)
    return c.add("sparse_softmax_cross_entropy", z, c.add("softmax", z), c.fixed([0, 2, 1, 2], rows=True))


def sigmoid_loss(c: Case) -> int:
    z = c.draw(3, rows=True)
    return c.add("sigmoid_cross_entropy", z, c.add("sigmoid", z), c.variable([0.0, 0.3, 1.0]))


EXAMPLES: dict[str, list[Callable[[Case], int]]] = {
    "negative": [unary("negative")],
    "absolute": [unary("absolute")],
    "square": [unary("square")],
    "sqrt": [unary("sqrt", low=0.2)],
    "exp": [unary("exp")],
    "expm1": [unary("expm1")],
    "log": [unary("log", low=0.2)],
    "log1p": [unary("log1p", low=-0.6)],
    "sin": [unary("sin")],
    "cos": [unary("cos")],
    "tanh": [unary("tanh")],
    "sigmoid": [unary("sigmoid")],
    "softplus": [unary("softplus")],
    "erf": [unary("erf")],
    "relu": [unary("relu")],
    "power_integer": [unary("power_integer", low=0.5, integers=[n]) for n in (-3, -1, 0, 1, 2, 3, 5)],
    "divide_by_count": [unary("divide_by_count", integers=[3, rows]) for rows in (0, 1)],
    "add": binary("add"),
    "subtract": binary("subtract"),
    "multiply": binary("multiply"),
    "divide": binary("divide", low=0.5),
    "product_or_zero": binary("product_or_zero", low=0.5),
    "quotient_or_zero": binary("quotient_or_zero", low=0.5),
    "power": binary("power", low=0.5),
    "maximum": binary("maximum"),
    "minimum": binary("minimum"),
    "where_positive": [
        lambda c: c.add("where_positive", c.fixed([1.0, 0.0, -1.0]), c.draw(3, rows=True), c.draw(3)),
        lambda c: c.add("where_positive", c.fixed([-1.0, 1.0, 2.0]), c.draw(), c.draw(3, rows=True)),
    ],
    "maximum_gate": gate("maximum_gate"),
    "minimum_gate": gate("minimum_gate"),
    "sigmoid_cross_entropy": [sigmoid_loss],
    "matmul": matmuls(),
    "matmul_rows": [lambda c: c.add("matmul_rows", c.draw(2, 3, rows=True), c.draw(2, 2, rows=True))],
    "sum": reductions("sum"),
    "max": reductions("max"),
    "softmax": [lambda c: c.add("softmax", c.draw(2, 3, rows=True)), lambda c: c.add("softmax", c.draw(4))],
    "log_softmax": [lambda c: c.add("log_softmax", c.draw(2, 3, rows=True))],
    "logsumexp": [lambda c: c.add("logsumexp", c.draw(2, 3, rows=True))],
    "softmax_cross_entropy": [softmax_loss, softmax_loss_by_its_target],
    "sparse_softmax_cross_entropy": [sparse_softmax_loss],
    "pick": [lambda c: c.add("pick", c.draw(3, rows=True), c.fixed([2, 0, 0, 1], rows=True))],
    "reshape": [lambda c: c.add("reshape", c.draw(2, 3, rows=True), integers=[3, 2])],
    "broadcast": [
        lambda c: c.add("broadcast", c.draw(2, 1), integers=[1, 3, 2, 3]),
        lambda c: c.add("broadcast", c.draw(rows=True), integers=[1, 1, 2]),
    ],
    "concatenate": [
        lambda c: c.add("concatenate", c.draw(2, 3, rows=True), c.draw(1, 3, rows=True), integers=[0]),
        lambda c: c.add("concatenate", c.draw(2), c.draw(3), c.draw(1), integers=[0]),
    ],
    "slice": [lambda c: c.add("slice", c.draw(2, 5, rows=True), integers=[1, 1, 5, 2])],
    "unslice": [lambda c: c.add("unslice", c.draw(2, 2, rows=True), integers=[1, 1, 4, 2, 5])],
    "transpose": [lambda c: c.add("transpose", c.draw(2, 3))],
    "dropout": [
        lambda c: c.add("dropout", c.draw(9, rows=True), integers=[2], numbers=[0.5]),
        lambda c: c.add("dropout", c.draw(9, rows=True), integers=[2, 1, 1, 1], numbers=[0.5]),
    ],
}

# Leaves, and step functions, whose derivative is 0 wherever it exists.
CONSTANT: dict[str, Callable[[Case], int] | None] = {
    "input": None,
    "parameter": None,
    "constant": None,
    "sign": unary("sign"),
    "equal": lambda c: c.add("equal", c.draw(3), c.draw(3)),
    "greater": lambda c: c.add("greater", c.draw(3), c.draw(3)),
    "first_max": unary("first_max", integers=[0, 0]),
    "argmax": unary("argmax"),
    "one_hot": lambda c: c.add("one_hot", c.variable([1.5, 0.5]), integers=[3]),
}


def test_every_operation_has_an_example() -> None:
    assert EXAMPLES.keys() | CONSTANT.keys() == reference.operations().keys()
    assert not EXAMPLES.keys() & CONSTANT.keys()


@pytest.mark.parametrize(
    ("operation", "example"),
    [pytest.param(name, i, id=f"{name}-{i}") for name, examples in EXAMPLES.items() for i in range(len(examples))],
)
def test_gradients_and_their_gradients_are_those_of_finite_differences(operation: str, example: int) -> None:
    case = Case()
    result = EXAMPLES[operation][example](case)
    assert case.graph.operation(result) == operation
    gradients = case.check(case.weighted_sum(result))
    total = case.weighted_sum(gradients[0])
    for gradient in gradients[1:]:
        total = case.add("add", total, case.weighted_sum(gradient))
    case.check(total)


@pytest.mark.parametrize("operation", [name for name, example in CONSTANT.items() if example])
def test_steps_have_the_gradient_zero(operation: str) -> None:
    case = Case()
    example: Any = CONSTANT[operation]
    cost = case.weighted_sum(example(case))
    for gradient in case.evaluate(case.graph.gradients(cost, case.variables)):
        assert not gradient.any()


def test_a_node_used_twice_gets_the_sum_of_both_contributions() -> None:
    case = Case()
    x = case.draw(3, rows=True)
    case.check(case.weighted_sum(case.add("multiply", x, case.add("add", x, case.add("exp", x)))))
