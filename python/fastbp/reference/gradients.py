"""Reverse mode: one rule per operation. The twin of cpp/graph/gradients.cpp: the same nodes in the same order.

Rule 6: the walk goes from the cost down to the lowest number, each node contributes to its operands, first operand
first, and contributions to one node are added in the order in which they arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .node import Nodes
from .shapes import Shape

__all__ = ["RULES", "gradients"]


class Value:
    """A node of the graph that is being differentiated; arithmetic on it appends nodes, operands before results."""

    def __init__(self, graph: Nodes, node: int) -> None:
        self.graph = graph
        self.node = node

    @property
    def shape(self) -> Shape:
        return self.graph.node(self.node).shape

    @property
    def dims(self) -> tuple[int, ...]:
        return self.shape.dims

    @property
    def integers(self) -> tuple[int, ...]:
        return self.graph.node(self.node).integers

    @property
    def numbers(self) -> tuple[float, ...]:
        return self.graph.node(self.node).numbers

    def constant(self, number: float) -> Value:
        return Value(self.graph, self.graph.add("constant", numbers=(number,)))

    def __neg__(self) -> Value:
        return apply("negative", self)

    def __add__(self, other: Value | float) -> Value:
        return apply("add", self, other)

    def __radd__(self, other: float) -> Value:
        return apply("add", self.constant(other), self)

    def __sub__(self, other: Value) -> Value:
        return apply("subtract", self, other)

    def __rsub__(self, other: float) -> Value:
        return apply("subtract", self.constant(other), self)

    def __mul__(self, other: Value) -> Value:
        return apply("multiply", self, other)

    def __rmul__(self, other: float) -> Value:
        return apply("multiply", self.constant(other), self)


def apply(
    operation: str, first: Value, *others: Value | float, integers: Sequence[int] = (), numbers: Sequence[float] = ()
) -> Value:
    operands = [first, *(x if isinstance(x, Value) else first.constant(x) for x in others)]
    return Value(first.graph, first.graph.add(operation, [x.node for x in operands], integers, numbers))


def gradients(graph: Nodes, cost: int, wrt: Sequence[int]) -> list[int]:
    """Append the nodes of d cost / d wrt[i] and return their numbers; the cost is a scalar."""
    wanted = set(wrt)
    depends = _depends(graph, wanted, cost)
    flow = {cost: Value(graph, graph.add("constant", numbers=(1.0,)))}
    reported: dict[int, Value] = {}  # gradients at probabilities that do not flow on (rule 7)
    for number in range(cost, -1, -1):
        if not depends[number] or number not in flow:
            continue
        node = graph.node(number)
        operands = [Value(graph, i) for i in node.inputs]
        for operand, x in enumerate(operands):
            report_only = operand == 1 and node.operation in REPORTS
            if not depends[x.node] or (report_only and x.node not in wanted):
                continue
            rule = REPORTS[node.operation] if report_only else _rule(node.operation, operand)
            contribution = rule(flow[number], Value(graph, number), *operands) if rule else None
            if contribution is None:
                continue
            contribution = unbroadcast(contribution, x.shape)
            if report_only or x.node in reported:
                before = reported.get(x.node, flow.get(x.node))
                reported[x.node] = contribution if before is None else before + contribution
            if not report_only:
                flow[x.node] = flow[x.node] + contribution if x.node in flow else contribution
    found = {**flow, **reported}
    for number in wrt:
        if number not in found:
            found[number] = _zeros(graph, graph.node(number).shape)
    return [found[number].node for number in wrt]


def _depends(graph: Nodes, wanted: set[int], cost: int) -> list[bool]:
    """For each node up to the cost: whether it is a wanted node or depends on one."""
    for number in wanted:
        graph.node(number)
    depends: list[bool] = []
    for number in range(cost + 1):
        depends.append(number in wanted or any(depends[i] for i in graph.node(number).inputs))
    return depends


def _zeros(graph: Nodes, shape: Shape) -> Value:
    zero = Value(graph, graph.add("constant", numbers=(0.0,)))
    return broadcast(zero, shape)


# -- the building blocks of the rules --


def reshape(x: Value, dims: Sequence[int]) -> Value:
    return x if tuple(dims) == x.dims else apply("reshape", x, integers=dims)


def broadcast(x: Value, shape: Shape) -> Value:
    return x if shape == x.shape else apply("broadcast", x, integers=(int(shape.rows), *shape.dims))


def unbroadcast(g: Value, shape: Shape) -> Value:
    """The adjoint of broadcasting `shape` to g's shape: the sum over the axes that were stretched."""
    over_rows = g.shape.rows and not shape.rows
    extra = len(g.dims) - len(shape.dims)
    axes = [i for i, d in enumerate(g.dims) if d != 1 and (i < extra or shape.dims[i - extra] == 1)]
    if over_rows or axes:
        g = apply("sum", g, integers=(int(over_rows), *axes))
    return reshape(g, shape.dims)


def with_ones(g: Value, x: Value, axes: Sequence[int]) -> Value:
    """g, which has the shape of x reduced over `axes`, reshaped so that it broadcasts to x."""
    dims = [1 if i in axes else d for i, d in enumerate(x.dims)]
    leading = next((i for i, d in enumerate(dims) if d != 1), len(dims))
    return g if tuple(dims[leading:]) == g.dims else reshape(g, dims)


def expand(g: Value) -> Value:
    """(…) to (…, 1): puts the last feature axis back, with size 1, after a reduction has dropped it."""
    return reshape(g, (*g.dims, 1))


def sum_last(x: Value) -> Value:
    """The sum over the last feature axis, which is kept as 1."""
    return expand(apply("sum", x, integers=(0, len(x.dims) - 1)))


def one_hot(label: Value, x: Value) -> Value:
    return apply("one_hot", label, integers=(x.dims[-1],))


def where_positive(c: Value, a: Value | float, b: Value | float) -> Value:
    return apply("where_positive", c, a, b)


def gate(y: Value, a: Value, b: Value, g: Value, which: int) -> Value:
    """g where y, a maximum or minimum of a and b or its gate, has chosen a (which 0) or b (which 1), else 0."""
    operation = y.graph.operation(y.node)
    return apply(operation if operation.endswith("_gate") else f"{operation}_gate", a, b, g, integers=(which,))


def product(g: Value, slope: Value) -> Value:
    """g times the slope; +0 where one of them is 0: behind a select or a mask an infinite slope does not matter."""
    return apply("product_or_zero", g, slope)


def quotient(g: Value, x: Value) -> Value:
    """g / x; +0 where g is 0, whatever x is."""
    return apply("quotient_or_zero", g, x)


def matmul(a: Value, b: Value, transpose_a: int = 0, transpose_b: int = 0) -> Value:
    return apply("matmul", a, b, integers=(transpose_a, transpose_b))


def matmul_rows(x: Value, g: Value) -> Value:
    return apply("matmul_rows", x, g)


def power_integer_rule(g: Value, y: Value, x: Value) -> Value | None:
    n = y.integers[0]
    if n == 0:
        return None
    if n == 1:
        return g
    power = x if n == 2 else apply("power_integer", x, integers=(n - 1,))
    return product(g, float(n) * power)


def matmul_first_rule(g: Value, y: Value, a: Value, b: Value) -> Value:
    transpose_a, transpose_b = y.integers
    return matmul(b, g, transpose_b, 1) if transpose_a else matmul(g, b, 0, 1 - transpose_b)


def matmul_second_rule(g: Value, y: Value, a: Value, b: Value) -> Value:
    transpose_a, transpose_b = y.integers
    if a.shape.rows:
        return matmul_rows(g, a) if transpose_b else matmul_rows(a, g)
    return matmul(g, a, 1, transpose_a) if transpose_b else matmul(a, g, 1 - transpose_a, 0)


def max_rule(g: Value, y: Value, x: Value) -> Value:
    return where_positive(apply("first_max", x, integers=y.integers), with_ones(g, x, y.integers[1:]), 0.0)


def slice_rule(g: Value, y: Value, x: Value) -> Value:
    return apply("unslice", g, integers=(*y.integers, x.dims[y.integers[0]]))


def concatenate_rule(operand: int) -> Rule:
    def rule(g: Value, y: Value, *x: Value) -> Value:
        axis = y.integers[0]
        start = sum(part.dims[axis] for part in x[:operand])
        return apply("slice", g, integers=(axis, start, start + x[operand].dims[axis], 1))

    return rule


# -- the rules: functions of g, the gradient at y, of y and of its operands --

Rule = Callable[..., "Value | None"]
NONE: tuple[Rule | None, ...] = (None, None, None)
TWO_OVER_SQRT_PI = 1.1283791670955126

RULES: dict[str, tuple[Rule | None, ...]] = {
    "input": (),
    "parameter": (),
    "constant": (),
    "negative": (lambda g, y, x: -g,),
    "absolute": (lambda g, y, x: g * apply("sign", x),),
    "sign": NONE,
    "square": (lambda g, y, x: product(g, 2.0 * x),),
    "sqrt": (lambda g, y, x: quotient(0.5 * g, y),),
    "exp": (lambda g, y, x: product(g, y),),
    "expm1": (lambda g, y, x: product(g, y + 1.0),),
    "log": (lambda g, y, x: quotient(g, x),),
    "log1p": (lambda g, y, x: quotient(g, 1.0 + x),),
    "sin": (lambda g, y, x: g * apply("cos", x),),
    "cos": (lambda g, y, x: -(g * apply("sin", x)),),
    "tanh": (lambda g, y, x: g * (1.0 - apply("square", y)),),
    "sigmoid": (lambda g, y, x: g * (y * (1.0 - y)),),
    "softplus": (lambda g, y, x: g * apply("sigmoid", x),),
    "erf": (lambda g, y, x: g * (TWO_OVER_SQRT_PI * apply("exp", -apply("square", x))),),
    "relu": (lambda g, y, x: where_positive(y, g, 0.0),),
    "power_integer": (power_integer_rule,),
    "divide_by_count": (lambda g, y, x: apply("divide_by_count", g, integers=y.integers),),
    "add": (lambda g, y, a, b: g, lambda g, y, a, b: g),
    "subtract": (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    "multiply": (lambda g, y, a, b: product(g, b), lambda g, y, a, b: product(g, a)),
    "divide": (lambda g, y, a, b: quotient(g, b), lambda g, y, a, b: quotient(product(g, y), -b)),
    "product_or_zero": (lambda g, y, a, b: product(g, b), lambda g, y, a, b: product(g, a)),
    "quotient_or_zero": (lambda g, y, a, b: quotient(g, b), lambda g, y, a, b: quotient(product(g, y), -b)),
    "power": (
        lambda g, y, a, b: product(g, product(b, apply("power", a, b - b.constant(1.0)))),
        lambda g, y, a, b: product(g, product(y, apply("log", a))),
    ),
    "maximum": (lambda g, y, a, b: gate(y, a, b, g, 0), lambda g, y, a, b: gate(y, a, b, g, 1)),
    "minimum": (lambda g, y, a, b: gate(y, a, b, g, 0), lambda g, y, a, b: gate(y, a, b, g, 1)),
    "equal": NONE,
    "greater": NONE,
    "where_positive": (
        None,
        lambda g, y, c, a, b: where_positive(c, g, 0.0),
        lambda g, y, c, a, b: where_positive(c, 0.0, g),
    ),
    "maximum_gate": (None, None, lambda g, y, a, b, x: gate(y, a, b, g, y.integers[0])),
    "minimum_gate": (None, None, lambda g, y, a, b, x: gate(y, a, b, g, y.integers[0])),
    "sigmoid_cross_entropy": (lambda g, y, z, p, t: g * (p - t), None, lambda g, y, z, p, t: product(g, -z)),
    "matmul": (matmul_first_rule, matmul_second_rule),
    "matmul_rows": (lambda g, y, x, d: matmul(d, g, 0, 1), lambda g, y, x, d: matmul(x, g)),
    "sum": (lambda g, y, x: broadcast(with_ones(g, x, y.integers[1:]), x.shape),),
    "max": (max_rule,),
    "first_max": NONE,
    "argmax": NONE,
    "softmax": (lambda g, y, x: y * (g - sum_last(g * y)),),
    "log_softmax": (lambda g, y, x: g - apply("softmax", x) * sum_last(g),),
    "logsumexp": (lambda g, y, x: apply("softmax", x) * expand(g),),
    "softmax_cross_entropy": (
        lambda g, y, z, p, t: expand(g) * (p * sum_last(t) - t),
        None,
        lambda g, y, z, p, t: product(-expand(g), apply("log_softmax", z)),
    ),
    "sparse_softmax_cross_entropy": (lambda g, y, z, p, label: expand(g) * (p - one_hot(label, z)), None, None),
    "one_hot": NONE,
    "pick": (lambda g, y, x, label: where_positive(one_hot(label, x), expand(g), 0.0), None),
    "reshape": (lambda g, y, x: reshape(g, x.dims),),
    "broadcast": (lambda g, y, x: g,),
    "concatenate": (),  # any number of operands: concatenate_rule
    "slice": (slice_rule,),
    "unslice": (lambda g, y, x: apply("slice", g, integers=y.integers[:4]),),
    "transpose": (lambda g, y, x: apply("transpose", g),),
    "dropout": (lambda g, y, x: apply("dropout", g, integers=y.integers, numbers=y.numbers),),
}

# Rule 7: the gradient at the probability's own node, by the plain formula. It is reported and does not flow on.
REPORTS: dict[str, Rule] = {
    "sigmoid_cross_entropy": lambda g, y, z, p, t: product(g, quotient(1.0 - t, 1.0 - p) - quotient(t, p)),
    "softmax_cross_entropy": lambda g, y, z, p, t: product(expand(g), -quotient(t, p)),
    "sparse_softmax_cross_entropy": lambda g, y, z, p, label: where_positive(
        one_hot(label, z), quotient(-expand(g), p), 0.0
    ),
}


def _rule(operation: str, operand: int) -> Rule | None:
    return concatenate_rule(operand) if operation == "concatenate" else RULES[operation][operand]
