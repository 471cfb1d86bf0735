"""The graph: the same nodes, shapes and errors in both backends."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fastbp import _core, reference
from random_graphs import RandomGraphs, node_list

BACKENDS = pytest.mark.parametrize("backend", [_core, reference], ids=["core", "reference"])


def test_both_backends_list_the_same_operations() -> None:
    assert list(_core.operations().items()) == list(reference.operations().items())


def test_random_graphs_and_their_gradients_are_the_same_nodes_in_both_backends() -> None:
    made: set[str] = set()
    operations = list(reference.operations())
    for seed in range(40):
        graphs = [reference.Graph(), _core.Graph()]
        both = RandomGraphs(graphs, seed)
        for operation in both.random.permutation(operations * 2):
            if both.grow(str(operation)) is not None:
                made.add(str(operation))
        for _ in range(2):  # the second time, nodes may be gradients themselves
            cost = both.scalar(both.node())
            wrt = [both.node() for _ in range(6)]
            gradients = [graph.gradients(cost, wrt) for graph in graphs]
            assert gradients[0] == gradients[1]
            assert [graphs[0].shape(i) for i in gradients[0]] == [graphs[0].shape(i) for i in wrt]
        assert node_list(graphs[0]) == node_list(graphs[1])
    assert made == set(operations)


def test_every_gradient_rule_makes_the_same_nodes_in_both_backends() -> None:
    for operation in reference.operations():
        graphs = [reference.Graph(), _core.Graph()]
        both = RandomGraphs(graphs, 1)
        found = 0
        for _ in range(60):
            node = both.grow(operation)
            if node is None:
                continue
            found += 1
            cost = both.scalar(node)
            wrt = [*graphs[0].inputs(node), node]
            assert graphs[0].gradients(cost, wrt) == graphs[1].gradients(cost, wrt)
        assert found > 3, operation
        assert node_list(graphs[0]) == node_list(graphs[1])


def small_graph(backend: ModuleType) -> tuple[Any, int, int]:
    graph = backend.Graph()
    return graph, graph.add("input", [], [0, 63], [], "x"), graph.add("parameter", [], [0, 64, 10], [], "kernel")


@BACKENDS
def test_a_node_says_what_it_is(backend: ModuleType) -> None:
    graph, x, w = small_graph(backend)
    node = graph.add("slice", (x,), (0, 1, 9, 2), name="odd")
    assert (graph.operation(node), graph.inputs(node), graph.integers(node)) == ("slice", [x], [0, 1, 9, 2])
    assert (graph.numbers(node), graph.name(node), graph.shape(node)) == ([], "odd", (True, (4,)))
    assert graph.shape(w) == (False, (64, 10))
    assert len(graph) == 3


@BACKENDS
@pytest.mark.parametrize(
    ("operation", "inputs", "integers", "numbers", "message"),
    [
        ("matmul", [0, 1], [0, 0], [], "the first operand has 63 features, but the second was built for 64"),
        ("add", [0, 1], [], [], r"shapes \(rows, 63\) and \(64, 10\) do not broadcast"),
        ("add", [0], [], [], "takes 2 operands, got 1"),
        ("concatenate", [], [0], [], "needs at least one operand"),
        ("transpose", [0], [], [], r"needs a matrix without rows, got shape \(rows, 63\)"),
        ("sum", [1], [1], [], r"an operand of shape \(64, 10\) has no rows to reduce"),
        ("sum", [1], [0, 1, 0], [], "feature axes must ascend"),
        ("sum", [1], [0, 2], [], r"feature axis 2 does not exist in shape \(64, 10\)"),
        ("reshape", [0], [9, 8], [], r"shape \(rows, 63\) cannot become \(rows, 9, 8\): 63 elements against 72"),
        ("slice", [0], [0, 3, 64, 1], [], "start 3, stop 64, step 1 do not fit an axis of 63"),
        ("constant", [], [2, 2], [1.0], r"a constant of shape \(2, 2\) needs 4 numbers, got 1"),
        ("dropout", [0], [0], [1.5], r"numbers must be \[rate\] with a rate in 0 ... 1"),
        ("dropout", [1], [0], [0.5], "needs an operand with rows"),
        ("broadcast", [0], [0, 63], [], r"shape \(rows, 63\) does not broadcast to \(63,\)"),
        ("parameter", [], [0, 2**40, 2**40], [], "is too large"),
        ("exp", [0], [], [1.0], "takes no numbers, got 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_names_the_node(
    backend: ModuleType, operation: str, inputs: list[int], integers: list[int], numbers: list[float], message: str
) -> None:
    graph, *_ = small_graph(backend)
    with pytest.raises(ValueError, match=rf"^dense_2 \({operation}, node 2\): .*{message}"):
        graph.add(operation, inputs, integers, numbers, "dense_2")
    assert len(graph) == 2


@BACKENDS
def test_an_unknown_operation_names_the_nearest_known(backend: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^unknown operation 'sofmax'; did you mean 'softmax'\?$"):
        backend.Graph().add("sofmax", [0])


@BACKENDS
def test_a_node_that_does_not_exist_is_refused(backend: ModuleType) -> None:
    graph, *_ = small_graph(backend)
    for call in (graph.shape, graph.name, lambda i: graph.add("exp", [i]), lambda i: graph.gradients(i, [])):
        for node in (2, -1):
            with pytest.raises(ValueError, match=f"^node {node} does not exist: the graph has 2 nodes$"):
                call(node)


@BACKENDS
def test_only_scalars_have_gradients(backend: ModuleType) -> None:
    graph, x, w = small_graph(backend)
    message = r"^the cost must be a scalar without rows, got x \(input, node 0\) of shape \(rows, 63\)$"
    with pytest.raises(ValueError, match=message):
        graph.gradients(x, [w])


@BACKENDS
def test_what_the_cost_does_not_depend_on_has_a_gradient_of_zeros(backend: ModuleType) -> None:
    graph, x, w = small_graph(backend)
    cost = graph.add("sum", [w], [0, 0, 1])
    (zeros,) = graph.gradients(cost, [x])
    assert graph.operation(zeros) == "broadcast"
    assert graph.shape(zeros) == (True, (63,))
    assert graph.numbers(graph.inputs(zeros)[0]) == [0.0]


def softmax_loss(graph: Any, logits: int) -> tuple[int, int]:
    """Probability and cost of a net whose logits are a node with 3 features."""
    p = graph.add("softmax", [logits])
    y = graph.add("input", [], [1, 3], [], "y")
    rows = graph.add("softmax_cross_entropy", [logits, p, y])
    return p, graph.add("divide_by_count", [graph.add("sum", [rows], [1])], [1, 1])


def test_the_gradient_at_a_probability_is_the_plain_formula_and_changes_no_other_bit() -> None:
    random = np.random.default_rng(0)
    data = [random.normal(size=(5, 4)), np.eye(3)[random.integers(3, size=5)]]
    parameters = reference.Parameters("float64")
    slot = parameters.add(random.normal(size=(4, 3)))
    weights = []
    for with_probability in (False, True):
        graph = reference.Graph()
        x, w = graph.add("input", [], [0, 4]), graph.add("parameter", [], [slot, 4, 3])
        p, cost = softmax_loss(graph, graph.add("matmul", [x, w], [0, 0]))
        nodes = graph.gradients(cost, [w, p] if with_probability else [w])
        dw, *dp = reference.Function(graph, [*nodes, p] if with_probability else nodes, parameters)(data)
        weights.append(dw)
        if with_probability:
            np.testing.assert_allclose(dp[0], -data[1] / dp[1] / 5, rtol=1e-14)
    np.testing.assert_array_equal(weights[0], weights[1])


def test_a_reported_gradient_is_added_to_what_else_arrives_at_the_probability() -> None:
    graph = reference.Graph()
    parameters = reference.Parameters("float64")
    slot = parameters.add(np.array([[0.3, -0.2, 0.9]]))
    z = graph.add("broadcast", [graph.add("parameter", [], [slot, 1, 3])], [1, 1, 3])
    z = graph.add("reshape", [z], [3])
    p, cost = softmax_loss(graph, z)
    cost = graph.add("add", [cost, graph.add("sum", [p], [1, 0])])
    graph.add("input", [], [0])  # slot 0 gives the rows
    dp, probability = reference.Function(graph, [*graph.gradients(cost, [p]), p], parameters)([[0.0], [[0.0, 1, 0]]])
    np.testing.assert_allclose(dp, 1 - np.array([[0, 1, 0]]) / probability, rtol=1e-15)
