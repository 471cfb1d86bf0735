"""`bp.draw`: the texts of boxes and arrows, the output for Graphviz and Mermaid; drawing changes nothing."""

from __future__ import annotations

import shutil
import sys
import types
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from small_nets import NETS, data

RNG = np.random.default_rng(4)
HAS_DOT = shutil.which("dot") is not None


def arrows(drawing: bp.Drawing) -> dict[tuple[str, str], tuple[str, str]]:
    """(first line of source, of target) -> (value, gradient)."""
    first = [node.lines[0] for node in drawing.nodes]
    return {(first[e.source], first[e.target]): (e.value, e.gradient) for e in drawing.edges}


def logistic() -> bp.Expression:
    x, y = bp.input("x"), bp.input("y")
    z = x * bp.parameter(0.3, name="w") + bp.parameter(0.7, name="b")
    p = bp.sigmoid(z)
    z.name, p.name = "z", "p"
    return bp.cross_entropy(y, p)


def small_net(**options: Any) -> bp.Sequential:
    layers = [bp.Dense(8, activation="relu"), bp.Dropout(0.5), bp.Dense(3, activation="softmax")]
    return bp.Sequential([bp.input("x", (4,)), *layers], **options)


# --- values and gradients


def test_the_lectures_logistic_example_is_on_the_arrows() -> None:
    drawing = bp.draw(logistic(), {"x": [1.0], "y": [1.0]}, digits=6)
    found = arrows(drawing)
    assert found["w", "×"] == ("0.3", "-0.268941")
    assert found["z", "p"] == ("1", "-0.268941")
    assert found["p", "cross_entropy"] == ("0.731059", "-1.36788")
    assert drawing.nodes[-1].value == "0.313262"


def test_a_branch_shows_each_share_and_their_sum() -> None:
    a = bp.parameter(2.0, name="a")
    drawing = bp.draw(a * a + 3 * a)  # d/da = 2a + 3
    assert [e.gradient for e in drawing.edges if e.source == 0] == ["2", "2", "3"]
    assert drawing.nodes[0].gradient == "7"


@pytest.mark.parametrize("expand", [False, True])
def test_the_arrows_gradients_add_up_to_the_nodes(expand: bool) -> None:
    x, w = bp.input("x", ()), bp.parameter(0.7, name="w")
    z = x * w
    p = bp.sigmoid(z)
    h = bp.tanh(z) * p + bp.maximum(z, 0.1) + bp.exp(z) * z - z / (p**2 + 1) + z * z
    cost = bp.mean(h) * w + bp.quadratic(x, z) + bp.mse(p, x)
    drawing = bp.draw(cost, {"x": [-1.3]}, expand=expand, digits=17, dtype="float64")
    branches = 0
    for index, node in enumerate(drawing.nodes):
        shares = [float(e.gradient) for e in drawing.edges if e.source == index]
        if node.gradient:
            branches += 1
            assert sum(shares) == pytest.approx(float(node.gradient), rel=1e-12, abs=1e-14)
        else:
            assert len(shares) <= 1
    assert branches == 4 if not expand else branches >= 4  # x, w, z, p


def test_rows_share_a_parameters_gradient_at_a_branch() -> None:
    x, w = bp.input("x"), bp.parameter([1.0, 2.0], name="w")
    cost = bp.sum(x * w) + bp.sum(w * w)
    drawing = bp.draw(cost, {"x": [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]})
    found = [e.gradient for e in drawing.edges if drawing.nodes[e.source].lines[0] == "w"]
    assert found == ["[6, 60]", "[1, 2]", "[1, 2]"]


def test_a_table_shows_its_smallest_and_largest_number() -> None:
    drawing = bp.draw(bp.sum(bp.input("x") * 2), {"x": np.arange(6.0).reshape(3, 2)})
    assert arrows(drawing)["x", "×"] == ("0 … 5", "2 … 2")


def test_what_is_no_scalar_has_values_and_no_gradients() -> None:
    drawing = bp.draw(bp.input("x") * 2, {"x": [1.0, 3.0]})
    assert arrows(drawing)["x", "×"] == ("[1, 3]", "")
    assert drawing.nodes[-1].value == "[2, 6]"
    assert "∂" not in drawing.dot + drawing.mermaid


def test_several_outputs_are_drawn_together() -> None:
    w = bp.parameter(3.0, name="w")
    drawing = bp.draw([w * 2, w + 1])
    assert [node.value for node in drawing.nodes if node.value] == ["6", "4"]


def test_the_stable_loss_sends_the_simplified_gradient_to_the_logits() -> None:
    drawing = bp.draw(logistic(), {"x": [1.0], "y": [1.0]}, expand=True, digits=6)
    found = arrows(drawing)
    assert found["z", "sigmoid cross entropy"] == ("1", "-0.268941")  # p - y
    assert not any(source == "p" for source, _ in found)  # no gradient flows through p


def test_both_backends_draw_the_same() -> None:
    data = {"x": [1.0, 2.0], "y": [1.0, 0.0]}
    cost = logistic()
    assert bp.draw(cost, data).dot == bp.draw(cost, data, backend="reference").dot


# --- without data


def test_an_expression_is_drawn_before_data_are_known() -> None:
    drawing = bp.draw(logistic())
    assert [node.lines for node in drawing.nodes] == [
        ("x",), ("y",), ("w",), ("×",), ("b",), ("z", "+"), ("p", "sigmoid"), ("cross_entropy",),
    ]  # fmt: skip
    assert len(drawing.edges) == 7
    assert not any(e.value or e.gradient for e in drawing.edges)


def test_declared_shapes_are_shown_without_data() -> None:
    x, w = bp.input("x", (3,)), bp.parameter(np.ones((3, 2)), name="w")
    assert [node.lines for node in bp.draw(x @ w).nodes] == [("x", "(rows, 3)"), ("w", "(3, 2)"), ("@", "(rows, 2)")]
    assert [node.lines[1:] for node in bp.draw(bp.input("x") @ w).nodes] == [("(3, 2)",), (), ()]


def test_a_network_is_its_layers_with_shapes_and_weights() -> None:
    drawing = bp.draw(small_net())
    assert [node.kind for node in drawing.nodes] == ["input", "layer", "layer", "layer"]
    assert drawing.nodes[1].lines == ("dense", "Dense, relu", "(rows, 8)", "kernel (4, 8)", "bias (8,)")
    unknown = bp.draw(bp.Sequential([bp.Dense(2)]))
    assert unknown.nodes[-1].lines == ("dense", "Dense")


def test_an_expanded_network_groups_the_operations_of_each_layer() -> None:
    drawing = bp.draw(small_net(), expand=True)
    groups = {node.group: [n.lines[0] for n in drawing.nodes if n.group == node.group] for node in drawing.nodes}
    assert groups == {
        "": ["x"],
        "dense": ["kernel", "bias", "@", "+", "relu"],
        "dropout": ["dropout"],
        "dense_1": ["kernel", "bias", "@", "+", "softmax"],
    }
    assert 'subgraph "cluster dense_1"' in drawing.dot
    assert 'subgraph g3["dense#95;1"]' in drawing.mermaid


def test_a_constant_of_a_layer_is_drawn_inside_it() -> None:
    drawing = bp.draw(bp.Sequential([bp.input("x", (4,)), bp.Rescaling(0.25)]), expand=True)
    assert {node.group for node in drawing.nodes if node.kind == "constant"} == {"rescaling"}


@pytest.mark.parametrize("name", NETS)
def test_every_small_network_is_drawn(name: str) -> None:
    """Skips, shared layers and many activations. The cost is a scalar, so that each arrow has a gradient."""
    net = NETS[name].build("float32")
    cost = bp.mean(bp.square(net.outputs[0]))
    inputs = {expression.name: data() for expression in net.inputs}
    for expand in (False, True):
        drawing = bp.draw(cost, inputs, expand=expand)
        assert all(edge.value and edge.gradient for edge in drawing.edges)
        for text in (drawing.dot, drawing.mermaid):
            assert all(f"  n{i}" in text for i in range(len(drawing.nodes)))
    alone = bp.draw(net, inputs)
    drawn = [node.lines[0] for node in alone.nodes if node.kind == "layer"]  # a shared one at every call
    assert list(dict.fromkeys(drawn)) == [layer.name for layer in net.layers]


def test_a_network_within_a_network_is_one_box_or_all_it_holds() -> None:
    inner = bp.Sequential([bp.Dense(3, activation="tanh"), bp.Dense(2)], name="inner")
    outer = bp.Sequential([bp.input("x", (4,)), inner, bp.Dense(1)])
    assert [node.lines[0] for node in bp.draw(outer).nodes] == ["x", "inner", "dense"]
    groups = [node.group for node in bp.draw(outer, expand=True).nodes]
    assert set(groups) == {"", "inner", "dense"}
    assert inner.input_shape is None


def test_a_gradient_is_drawn_and_entered() -> None:
    w = bp.parameter(3.0, name="w")
    slope = bp.gradients(w**3, w)
    assert bp.draw(slope).nodes[-1].lines == ("gradient",)
    entered = bp.draw(slope * 1.0, expand=True)
    assert entered.nodes[-1].value == "27"
    assert sum(float(e.gradient) for e in entered.edges if e.source == 0) == 18.0  # 6w


def test_long_graphs_run_from_top_to_bottom() -> None:
    x = bp.input("x")
    short, long = x, x
    for i in range(30):
        short, long = (bp.tanh(short) if i < 5 else short), bp.tanh(long)
    assert bp.draw(short).direction == "LR"
    assert bp.draw(long).direction == "TB"
    assert "rankdir=LR" in bp.draw(long, direction="LR").dot


def test_drawing_changes_nothing() -> None:
    x, y = RNG.normal(size=(20, 4)), RNG.integers(0, 3, 20)

    def trained(draw: bool) -> str:
        net = small_net(seed=3)
        net.compile(bp.SGD(0.1), "sparse_categorical_crossentropy")
        if draw:
            bp.draw(bp.sum(net.outputs[0]), {"x": x})  # with the weights of seed 0
            bp.draw(net, {"x": x}, expand=True)
            assert not any(part.built for part in (net, *net.layers))
        net.fit(x, y, epochs=2, verbose=0)
        if draw:
            bp.draw(net, x)
        net.fit(x, y, epochs=1, verbose=0)
        return bp.weights_hash(net.get_weights())

    assert trained(True) == trained(False)


def test_drawing_leaves_layers_without_weights_and_names() -> None:
    first, second = bp.Dense(2), bp.Dense(3)
    x = bp.input("x", (4,))
    drawing = bp.draw(second(x))
    assert drawing.nodes[-1].lines[0] == "dense"
    with pytest.raises(ValueError, match=r"x must have the shape \(rows, 3\)"):
        bp.draw(bp.quadratic(x, second(x)))
    assert (second.name, second.built, second.weights) == ("", False, [])
    net = bp.Sequential([x, first, second])
    assert [layer.name for layer in net.layers] == ["dense", "dense_1"]


def test_a_network_is_drawn_with_the_weights_that_it_will_have() -> None:
    net, x = small_net(seed=5), RNG.normal(size=(1, 4))
    drawn = bp.draw(net, x, digits=9).nodes[-1].value
    values = [np.float32(text) for text in drawn.strip("[]").split(", ")] if drawn.startswith("[") else drawn
    probabilities = net.predict(x)[0]
    assert values == f"{probabilities.min():.9g} … {probabilities.max():.9g}" or np.array_equal(values, probabilities)


# --- texts and pictures


def test_names_of_any_characters_are_escaped() -> None:
    nasty = 'a"<b>&\\#|_*\n c'
    drawing = bp.draw(bp.input(nasty) * 2)
    assert "a&quot;&lt;b&gt;&amp;" in drawing.dot
    assert 'n0(["a#34;#60;b#62;#38;#92;#35;#124;#95;#42; c"]):::input' in drawing.mermaid  # without the line break


@pytest.mark.skipif(not HAS_DOT, reason="needs Graphviz' program dot")
@pytest.mark.parametrize("expand", [False, True])
def test_graphviz_reads_the_text(expand: bool, tmp_path: Any) -> None:
    pytest.importorskip("graphviz")
    target = bp.input('y "<&\\>', ())
    cost = bp.sparse_categorical_crossentropy(target, small_net().outputs[0])
    drawing = bp.draw(cost, {"x": RNG.normal(size=(5, 4)), target.name: [0, 1, 2, 0, 1]}, expand=expand)
    picture = drawing.render(tmp_path / "net.svg").read_text(encoding="utf-8")
    assert picture.count('class="node"') == len(drawing.nodes)
    assert picture.count('class="edge"') == len(drawing.edges)
    assert drawing._repr_svg_() == picture


def test_a_picture_without_graphviz_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    drawing = bp.draw(logistic())
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match=r"pip install 'fastbp\[graphviz\]'"):
        drawing.render(tmp_path / "net.svg")
    assert drawing._repr_svg_() is None
    assert drawing._repr_markdown_().startswith("```mermaid\nflowchart LR\n")


def test_a_picture_without_dot_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    package: Any = types.ModuleType("graphviz")
    package.ExecutableNotFound = type("ExecutableNotFound", (RuntimeError,), {})
    package.CalledProcessError = type("CalledProcessError", (Exception,), {})

    class Source:
        def __init__(self, text: str) -> None:
            assert text.startswith("digraph")

        def pipe(self, format: str) -> bytes:
            if format == "svg":
                raise package.ExecutableNotFound
            raise ValueError("unknown output format")

    package.Source = Source
    monkeypatch.setitem(sys.modules, "graphviz", package)
    with pytest.raises(bp.FastBPError, match="program dot"):
        bp.draw(logistic()).render(tmp_path / "net.svg")
    with pytest.raises(bp.FastBPError, match="could not draw the format 'nonsense'"):
        bp.draw(logistic()).render(tmp_path / "net.nonsense")
    assert not list(tmp_path.iterdir())


# --- errors


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"expression": 3}, TypeError, "expression must be an expression, a model or a list"),
        ({"expression": []}, ValueError, "at least one expression"),
        ({"expression": logistic(), "expand": True}, ValueError, "expand needs the shape of 'x': give data"),
        ({"expression": logistic(), "data": {"x": [1.0]}}, ValueError, "data for the input 'y'"),
        ({"expression": logistic(), "data": {"x": [1.0], "y": [1.0, 0.0]}}, ValueError, "y has 2 rows, but x has 1"),
        ({"expression": bp.input("x", (2,)), "data": [[1.0]]}, ValueError, r"x must have the shape \(rows, 2\)"),
        ({"expression": logistic(), "direction": "left"}, ValueError, "direction must be one of LR, TB"),
        ({"expression": logistic(), "direction": 3}, ValueError, "direction must be one of LR, TB, got '3'"),
        ({"expression": logistic(), "digits": 0}, ValueError, "digits must be at least 1"),
        ({"expression": logistic(), "expanded": True}, TypeError, "did you mean 'expand'"),
    ],
)
def test_errors_name_the_argument(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bp.draw(**arguments)


def test_labels_are_checked() -> None:
    y = bp.input("y")
    cost = bp.sparse_categorical_crossentropy(y, small_net().outputs[0])
    with pytest.raises(ValueError, match=r"y must hold whole labels 0 … 2, got 3"):
        bp.draw(cost, {"x": np.ones((1, 4)), "y": [3]})
