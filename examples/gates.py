"""Gates: add distributes a gradient, max routes it, mul switches the values, and gradients add at branches.

python examples/gates.py

Saves gates.png in the current folder (pip install matplotlib), drawn from what bp.draw knows.
"""

import sys

import fastbp as bp

# Each gate is two lines: parameters, and an expression of them.
b, a = bp.parameter(-4.0, name="b"), bp.parameter(3.0, name="a")
gates = {
    "add distributes": 5 * (a + b),
    "max routes": 5 * bp.maximum(a, b),
    "mul switches": 5 * (a * b),
    "gradients add at branches": a * b + 2 * a,
}

results = {}
for title, cost in gates.items():
    value, (by_a, by_b) = bp.function([], cost, gradients=[a, b])()
    results[title] = float(value), float(by_a), float(by_b)
    print(f"{title:<26} cost {value:5g}   ∂/∂a {by_a:5g}   ∂/∂b {by_b:5g}")

drawings = {title: bp.draw(cost) for title, cost in gates.items()}
print("\nThe last one for a Markdown page:\n\n```mermaid")
print(drawings["gradients add at branches"].mermaid + "```")

# Graphviz draws better than the few lines below; with it: drawings["mul switches"].render("mul.svg")
try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

COLORS = {"parameter": "#fff8c5", "constant": "white", "operation": "#f6f8fa"}


def places(drawing):
    """(column, row) of each box: one column after its last operand; a leaf is one column before its first reader."""
    column = [0] * len(drawing.nodes)
    for edge in sorted(drawing.edges, key=lambda edge: edge.target):
        column[edge.target] = max(column[edge.target], column[edge.source] + 1)
    made = {edge.target for edge in drawing.edges}
    for leaf in set(range(len(column))) - made:
        column[leaf] = min(column[edge.target] for edge in drawing.edges if edge.source == leaf) - 1
    return [(c, (column.count(c) - 1) / 2 - column[:i].count(c)) for i, c in enumerate(column)]


def room(node):
    """How far arrows stay away from the middle of a box, in points."""
    return 14 + 3.5 * max(len(line) for line in [*node.lines, node.gradient and f"Σ ∂ = {node.gradient}"])


figure, axes = plt.subplots(2, 2, figsize=(11, 6.5), layout="constrained")
figure.suptitle("Gates: a value flows forward along an arrow (green), the gradient of the cost flows back (red, ∂)")
for axis, (title, drawing) in zip(axes.flat, drawings.items(), strict=True):
    at = places(drawing)
    for edge in drawing.edges:
        start, end = at[edge.source], at[edge.target]
        shrink = {"shrinkA": room(drawing.nodes[edge.source]), "shrinkB": room(drawing.nodes[edge.target])}
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "gray", **shrink})
        middle = start[0] + 0.5 * (end[0] - start[0]), start[1] + 0.5 * (end[1] - start[1])
        for text, offset, color in ((edge.value, 7, "#1a7f37"), (f"∂ {edge.gradient}", -7, "#cf222e")):
            white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axis.annotate(
                text, middle, (0, offset), textcoords="offset points", ha="center", va="center", color=color, bbox=white
            )
    for node, place in zip(drawing.nodes, at, strict=True):
        sums = [f"= {node.value}"] * bool(node.value) + [f"Σ ∂ = {node.gradient}"] * bool(node.gradient)
        box = {"boxstyle": "round,pad=0.5", "facecolor": COLORS[node.kind], "edgecolor": "gray"}
        axis.text(*place, "\n".join([*node.lines, *sums]), ha="center", va="center", bbox=box)
    axis.set(title=title, xlim=(-0.4, max(c for c, _ in at) + 0.4))
    axis.margins(y=0.35)
    axis.update_datalim([(0, min(r for _, r in at)), (0, max(r for _, r in at))])
    axis.autoscale_view(scalex=False)
    axis.axis("off")
figure.savefig("gates.png", dpi=130)
print("\ngates.png shows all four")
