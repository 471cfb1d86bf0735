"""`draw`: an expression or a network as a picture of its graph, with values and gradients where data are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._shared.arguments import at_least, known_keywords, truth
from .._shared.nearest import look_up
from ..expressions.expression import Call, Constant, Expression, Input, Shaped
from ..expressions.gradients import Gradient
from ..expressions.parameter import Parameter
from ..expressions.shape_rules import shape_text
from ..lowering.arrays import as_inputs, checked_inputs, common_rows
from ..lowering.lowering import Lowering, expressions_below
from ..lowering.parameter_store import ParameterStore
from ..models.network import Network
from .drawing import Drawing, DrawnEdge, DrawnNode, summarized

SOURCES = ("input", "parameter", "constant")
SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "negative": "−", "matmul": "@"}
# Operand 1 of these is the probability. The value does not depend on it: it is an operand for gradients alone (rule 7).
STABLE_LOSSES = ("softmax_cross_entropy", "sparse_softmax_cross_entropy", "sigmoid_cross_entropy")
LONGEST = 40  # characters of a line


@known_keywords
def draw(
    expression: Any,
    data: Any = None,
    expand: bool = False,
    digits: int = 4,
    direction: str | None = None,
    dtype: Any = None,
    backend: str = "core",
) -> Drawing:
    """Draws an expression or a network as a graph, with values and gradients on its arrows when data are given.

    Parameters
    ----------
    expression : expression, Model, or list of expressions
        What to draw; a layer or a loss is one box. Names that expressions have (``z.name = "z"``) are shown.
    data : dict of str to array, optional
        One array per input, as for `minimize`. Every arrow then carries its value, and, where the one expression is a
        scalar, its share of the gradient. Without data, shapes are shown as far as the inputs declare them. An
        expression of parameters alone needs no data.
    expand : bool
        Whether to enter layers, losses and gradients, and show every operation that the engine is told. It needs the
        inputs' shapes: data, or ``bp.input(name, shape)``. Default False.
    digits : int
        Significant digits of numbers. Default 4.
    direction : {"LR", "TB"}, optional
        From left to right or from top to bottom. By default the latter for graphs of more than 8 arrows in a row.
    dtype : {"float32", "float64"}, optional
        Of the arithmetic. Default: the model's, else "float32".
    backend : {"core", "reference"}
        Both give the same bits. Default "core".

    Returns
    -------
    Drawing
        With ``dot``, ``mermaid`` and ``render(path)``; notebooks show it.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If data or shapes do not fit, or `expand` has no shapes.

    Notes
    -----
    Drawing changes nothing: layers that have no weights yet have none afterwards, and are drawn with those of the
    model's seed, or seed 0. Values are those of a prediction: dropout keeps everything.

    An arrow's gradient is what comes back along it; at a branch a node's own gradient is their sum, which is shown in
    its box. A loss that takes the stable form (rule 7 of the numeric contract) shows its plain formula's gradient at
    the probability, p, and the simplified one, p − y, at the logits. What `bp.gradients` sends back is seen with
    ``expand=True`` alone.

    Examples
    --------
    >>> import fastbp as bp
    >>> x, w = bp.input("x"), bp.parameter(3.0, name="w")
    >>> print(bp.draw(bp.sum(x * w), {"x": [2.0]}).mermaid)
    flowchart LR
      n0(["x<br/>(rows,)"]):::input
      n1["w"]:::parameter
      n2("×<br/>(rows,)"):::operation
      n3("sum<br/>= 6"):::operation
      n0 -->|"2<br/>∂ 3"| n2
      n1 -->|"3<br/>∂ 2"| n2
      n2 -->|"6<br/>∂ 1"| n3
      classDef input fill:#ddf4ff,stroke:#57606a,color:#000
      classDef operation fill:#f6f8fa,stroke:#57606a,color:#000
      classDef parameter fill:#fff8c5,stroke:#57606a,color:#000
    <BLANKLINE>
    """
    model = expression if isinstance(expression, Network) else None
    outputs = _outputs(model.outputs if model else expression)
    expand, digits = truth("expand", expand), at_least("digits", digits, 1, 17)
    if direction is not None:
        look_up("direction", str(direction), {"LR": 1, "TB": 1})
    found = expressions_below(outputs)
    inputs = checked_inputs(model.inputs if model else [e for e in found if isinstance(e, Input)])
    store = ParameterStore(backend, dtype or (model.dtype if model else "float32"), model.seed if model else 0)
    arrays = None if data is None and inputs else as_inputs({} if data is None else data, inputs, "data", store.dtype)
    shapes = _shapes(inputs, model, arrays)
    if shapes is None:
        if expand:
            unknown = next(i.name for i in inputs if i.shape is None)
            raise ValueError(f"expand needs the shape of {unknown!r}: give data, or bp.input({unknown!r}, shape)")
        return _drawing(_boxes(found, None), None, digits, direction)
    lowering = Lowering(store, inputs, shapes, model._scope if model else None)
    layers = [e.layer for e in found if isinstance(e, Call) and e.layer is not None]
    names = [(layer, layer.name, layer.name_is_automatic) for layer in layers]
    try:
        nodes = lowering.lower(outputs)
        boxes = _inner_boxes(lowering, nodes) if expand else _boxes(found, lowering)
        figures = None if arrays is None else _Figures(lowering, boxes, nodes, arrays)
    finally:
        for layer in lowering.made:
            layer._unbuild()
        for layer, name, is_automatic in names:
            layer.name, layer.name_is_automatic = name, is_automatic
    return _drawing(boxes, figures, digits, direction)


@dataclass
class _Box:
    """A node of the drawing before it is text. `again` adds its operation a second time, to other operands."""

    kind: str
    lines: list[str]
    operands: list[int]  # indices of boxes
    node: int = -1  # of the graph
    group: str = ""
    again: Callable[[Sequence[int]], int] | None = None


def _outputs(expression: Any) -> list[Expression]:
    outputs = list(expression) if isinstance(expression, (list, tuple)) else [expression]
    for output in outputs:
        if not isinstance(output, Expression):
            raise TypeError(f"expression must be an expression, a model or a list of expressions, got {output!r}")
    if not outputs:
        raise ValueError("expression must be at least one expression, got an empty list")
    return outputs


def _shapes(
    inputs: Sequence[Input], model: Network | None, arrays: Sequence[np.ndarray] | None
) -> list[tuple[int, ...]] | None:
    """The shape of one row of each input, from the data, the declarations or the model; None if one is not known."""
    declared = list(model._shapes) if model else [i.shape for i in inputs]
    if arrays is None:
        known = [shape for shape in declared if shape is not None]
        return known if len(known) == len(inputs) else None
    common_rows(arrays, [i.name for i in inputs])
    for expression, shape, array in zip(inputs, declared, arrays):
        if shape is not None and shape != array.shape[1:]:
            got = shape_text(True, array.shape[1:])
            raise ValueError(f"{expression.name} must have the shape {shape_text(True, shape)}, got {got}")
    return [array.shape[1:] for array in arrays]


def _boxes(found: Sequence[Expression], lowering: Lowering | None) -> list[_Box]:
    """A box for each expression; layers and losses are not entered."""
    index = {expression: i for i, expression in enumerate(found)}
    layers = {call.layer: call for call in reversed(lowering.calls)} if lowering else {}
    boxes = []
    for expression in found:
        kind, lines = _description(expression)
        operands = [index[o] for o in expression.operands]
        box = _Box(kind, lines, operands)
        if lowering is not None:
            box.node = lowering.nodes[expression]
            if not isinstance(expression, Gradient):
                box.again = lambda copies, e=expression: e.lower(lowering, copies)
            box.lines += _shape_lines(lowering, box)
        elif isinstance(expression, Parameter) and expression.shape:
            box.lines.append(shape_text(False, expression.shape))
        elif isinstance(expression, Input) and expression.shape is not None:
            box.lines.append(shape_text(True, expression.shape))
        if kind == "layer" and expression.layer in layers:  # type: ignore[attr-defined]
            weights = layers[expression.layer].parameters  # type: ignore[attr-defined]
            box.lines += [f"{p.name.rpartition('/')[2]} {shape_text(False, p.shape)}" for p in weights[:4]]
            box.lines += [f"… {len(weights)} weights"] * (len(weights) > 4)
        boxes.append(box)
    return boxes


def _description(expression: Expression) -> tuple[str, list[str]]:
    """The kind of an expression's box and the first lines of its label."""
    if isinstance(expression, Constant):
        return "constant", _constant_lines(expression.array)
    if isinstance(expression, (Input, Parameter)):
        return expression.operation, [expression.name or expression.operation]
    if isinstance(expression, Call) and expression.layer is not None:
        layer = expression.layer
        activation = getattr(layer, "activation", None)
        extra = getattr(activation, "__name__", "") if activation is not None else ""
        what = type(layer).__name__ + (f", {extra}" if extra and extra != "identity" else "")
        return "layer", [layer.name, what] if layer.name else [what]
    operation = expression.operation
    if isinstance(expression, Call):
        operation = expression.name or "function"
        return "operation", [operation]
    if isinstance(expression, Shaped) and operation in ("reduction", "last_axis"):
        operation = str(expression.attributes[0])
    label = _operation_text(operation, getattr(expression, "integers", ()))
    return "operation", [expression.name, label] if expression.name else [label]


def _constant_lines(array: np.ndarray) -> list[str]:
    return [summarized(array, 4)] + [shape_text(False, array.shape)] * (array.size > 4)


def _operation_text(operation: str, integers: Sequence[int]) -> str:
    if operation == "power_integer":
        return f"power {integers[0]}"
    return SYMBOLS.get(operation, operation.replace("_", " "))


def _shape_lines(lowering: Lowering, box: _Box) -> list[str]:
    rows, dims = lowering.shape(box.node)
    return [shape_text(rows, dims)] if (rows or dims) and box.kind != "constant" else []


def _inner_boxes(lowering: Lowering, outputs: Sequence[int]) -> list[_Box]:
    """A box for each node of the graph that the outputs need; the nodes of a layer are a group."""
    graph = lowering.graph
    operands: dict[int, list[int]] = {}
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in operands:
            operands[node] = list(graph.inputs(node))
            if graph.operation(node) in STABLE_LOSSES:
                del operands[node][1]
            waiting += operands[node]
    index = {node: i for i, node in enumerate(sorted(operands))}
    boxes = []
    for node in index:
        operation, name = graph.operation(node), graph.name(node)
        integers, numbers = list(graph.integers(node)), list(graph.numbers(node))
        kind = operation if operation in SOURCES else "operation"
        group = next((c.path for c in lowering.calls if name == c.path or name.startswith(c.path + "/")), "")
        name = name[len(group) :].lstrip("/")
        if kind == "constant":
            lines = _constant_lines(np.reshape(numbers, integers))
        elif kind == "operation":
            text = _operation_text(operation, integers)
            lines = [name, text] if name else [text]
        else:
            lines = [name or operation]

        def again(copies: Sequence[int], node: int = node, about: Any = (operation, integers, numbers)) -> int:
            probability = graph.inputs(node)[1:2] if about[0] in STABLE_LOSSES else []
            return lowering.add(about[0], [*copies[:1], *probability, *copies[1:]], *about[1:])

        box = _Box(kind, lines, [index[i] for i in operands[node]], node, group, again)
        box.lines += _shape_lines(lowering, box)
        boxes.append(box)
    for box in reversed(boxes):  # constants have no names: they join the group that uses them
        for operand in box.operands:
            if boxes[operand].kind == "constant":
                boxes[operand].group = box.group
    return boxes


class _Figures:
    """The values and gradients of boxes and arrows."""

    def __init__(
        self, lowering: Lowering, boxes: Sequence[_Box], outputs: Sequence[int], arrays: Sequence[np.ndarray]
    ) -> None:
        self.values: dict[int, np.ndarray] = {}  # by box
        self.gradients: dict[int, np.ndarray] = {}
        self.edges: dict[tuple[int, int], np.ndarray] = {}  # the gradients, by (box, place of the operand in it)
        lowering.check_labels(arrays)
        places: list[tuple[dict[Any, np.ndarray], Any, int]]  # (table, key in it, node)
        places = [(self.values, i, box.node) for i, box in enumerate(boxes)]
        if len(outputs) == 1 and lowering.shape(outputs[0]) == (False, ()):
            nodes = list(dict.fromkeys(box.node for box in boxes))
            gradient = dict(zip(nodes, lowering.graph.gradients(outputs[0], nodes)))
            places += [(self.gradients, i, gradient[box.node]) for i, box in enumerate(boxes)]
            places += [(self.edges, key, node) for key, node in _edge_gradients(lowering, boxes, gradient).items()]
        run = lowering.store.backend.Function(lowering.graph, [node for _, _, node in places], lowering.store.values)
        for (table, key, _), result in zip(places, run(list(arrays))):
            table[key] = np.asarray(result)


def _edge_gradients(lowering: Lowering, boxes: Sequence[_Box], gradient: dict[int, int]) -> dict[tuple[int, int], int]:
    """The node of the gradient that comes back along each arrow.

    If one arrow leaves a box, it is the box's own gradient. If several do, the operation at the arrow's head is added
    once more, on copies of its operands, and Σ result · gradient is differentiated by the copy: the operand's other
    uses, which take no copy, have no part in it.
    """
    arrows = Counter(operand for box in boxes for operand in box.operands)
    edges: dict[tuple[int, int], int] = {}
    for i, box in enumerate(boxes):
        branches = [arrows[operand] > 1 for operand in box.operands]
        edges.update({(i, at): gradient[boxes[o].node] for at, o in enumerate(box.operands) if not branches[at]})
        if not any(branches) or box.again is None:
            continue
        copies = [lowering.add("reshape", [boxes[o].node], lowering.shape(boxes[o].node)[1]) for o in box.operands]
        product = lowering.add("multiply", [box.again(copies), gradient[box.node]])
        rows, dims = lowering.shape(product)
        share = lowering.add("sum", [product], (int(rows), *range(len(dims)))) if rows or dims else product
        shares = lowering.graph.gradients(share, copies)
        edges.update({(i, at): shares[at] for at, branch in enumerate(branches) if branch})
    return edges


def _drawing(boxes: Sequence[_Box], figures: _Figures | None, digits: int, direction: str | None) -> Drawing:
    """The boxes as text."""

    def text(table: str, key: Any) -> str:
        found = getattr(figures, table, {})
        return summarized(found[key], digits) if key in found else ""

    uses = Counter(operand for box in boxes for operand in box.operands)
    nodes = [
        DrawnNode(
            box.kind,
            tuple(_one_line(line) for line in box.lines),
            box.group,
            text("values", i) if not uses[i] else "",
            text("gradients", i) if uses[i] > 1 else "",
        )
        for i, box in enumerate(boxes)
    ]
    edges = [
        DrawnEdge(operand, i, text("values", operand), text("edges", (i, at)))
        for i, box in enumerate(boxes)
        for at, operand in enumerate(box.operands)
    ]
    return Drawing(nodes, edges, direction)


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
