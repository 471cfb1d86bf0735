"""`Drawing`: boxes and arrows as text for Graphviz and Mermaid, and pictures where Graphviz is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FastBPError

DEEP = 8  # arrows in a row; with more, a drawing from left to right would be too wide to read
VALUE, GRADIENT = "#1a7f37", "#cf222e"
# kind -> (Graphviz' style, Mermaid's brackets, fill)
KINDS = {
    "input": ('shape=box, style="rounded,filled"', '(["', '"])', "#ddf4ff"),
    "parameter": ("shape=box, style=filled", '["', '"]', "#fff8c5"),
    "constant": ("shape=plain, style=filled", '["', '"]', "#ffffff"),
    "operation": ("shape=ellipse, style=filled", '("', '")', "#f6f8fa"),
    "layer": ('shape=box, style="filled,bold"', '[["', '"]]', "#eae5ff"),
}


@dataclass(frozen=True)
class DrawnNode:
    """A box: a kind of `KINDS`, the lines of its label, and the layer that it belongs to, if layers are expanded.

    `value` is shown if no arrow leaves the node; `gradient`, the sum of those on its arrows, if several do.
    """

    kind: str
    lines: tuple[str, ...]
    group: str = ""
    value: str = ""
    gradient: str = ""


@dataclass(frozen=True)
class DrawnEdge:
    """An arrow from one node to another, by their indices, with the value along it and the gradient back."""

    source: int
    target: int
    value: str = ""
    gradient: str = ""


class Drawing:
    """A graph that `draw` made: shown by notebooks, as text for Graphviz or Mermaid, or rendered to a file.

    Attributes
    ----------
    dot : str
        For Graphviz: values are green, gradients red.
    mermaid : str
        For Mermaid, which GitHub and GitLab show in a Markdown block ```` ```mermaid ````; gradients follow ∂.
    nodes, edges : tuple
        What is drawn, for other ways to draw it. Nodes have ``kind``, ``lines``, ``group``, ``value`` and ``gradient``;
        edges ``source``, ``target`` (indices of nodes), ``value`` and ``gradient``, texts that are empty where unknown.
    direction : str
        "LR" or "TB".

    Examples
    --------
    >>> import fastbp as bp
    >>> drawing = bp.draw(bp.input("x") * 2)
    >>> isinstance(drawing, bp.Drawing), len(drawing.nodes), len(drawing.edges)
    (True, 3, 2)
    """

    def __init__(self, nodes: Sequence[DrawnNode], edges: Sequence[DrawnEdge], direction: str | None = None) -> None:
        self.nodes, self.edges = tuple(nodes), tuple(edges)
        self.direction = direction or ("LR" if _depth(self.edges, len(self.nodes)) <= DEEP else "TB")

    @property
    def dot(self) -> str:
        """The text that Graphviz reads."""
        lines = [
            "digraph {",
            f"  rankdir={self.direction}",
            '  node [fontname="Helvetica", fontsize=12, margin="0.12,0.06"]',
            '  edge [fontname="Helvetica", fontsize=10, arrowsize=0.7]',
        ]
        if any(e.gradient for e in self.edges):
            lines.append(f"  label={_html(('a value forward', '∂: the gradient back'), (VALUE, GRADIENT))} fontsize=10")
        for group, members in self._groups():
            indent = "    " if group else "  "
            if group:
                lines += [f"  subgraph {_quoted('cluster ' + group)} {{", f"    label={_quoted(group)} color=gray"]
            for index in members:
                node = self.nodes[index]
                style, _, _, fill = KINDS[node.kind]
                colors = ("black", *["#57606a"] * (len(node.lines) - 1), VALUE, GRADIENT)
                label = _html((*node.lines, _after("= ", node.value), _after("Σ ∂ ", node.gradient)), colors)
                lines.append(f'{indent}n{index} [label={label}, {style}, fillcolor="{fill}"]')
            lines += ["  }"] * bool(group)
        for edge in self.edges:
            texts = [f"\u00a0{text}\u00a0" if text else "" for text in (edge.value, _after("∂ ", edge.gradient))]
            label = f" [label={_html(texts, (VALUE, GRADIENT))}]" if any(texts) else ""
            lines.append(f"  n{edge.source} -> n{edge.target}{label}")
        return "\n".join([*lines, "}", ""])

    @property
    def mermaid(self) -> str:
        """The text that Mermaid reads."""
        lines = [f"flowchart {self.direction}"]
        for number, (group, members) in enumerate(self._groups()):
            indent = "    " if group else "  "
            lines += [f'  subgraph g{number}["{_entities(group)}"]'] * bool(group)
            for index in members:
                node = self.nodes[index]
                _, left, right, _ = KINDS[node.kind]
                texts = (*node.lines, _after("= ", node.value), _after("Σ ∂ ", node.gradient))
                lines.append(f"{indent}n{index}{left}{_joined(texts)}{right}:::{node.kind}")
            lines += ["  end"] * bool(group)
        for edge in self.edges:
            label = _joined((edge.value, _after("∂ ", edge.gradient)))
            lines.append(f"  n{edge.source} -->" + (f'|"{label}"|' if label else "") + f" n{edge.target}")
        kinds = sorted({node.kind for node in self.nodes})
        lines += [f"  classDef {kind} fill:{KINDS[kind][3]},stroke:#57606a,color:#000" for kind in kinds]
        return "\n".join([*lines, ""])

    def render(self, path: str | os.PathLike[str]) -> Path:
        """Writes a picture with Graphviz.

        Parameters
        ----------
        path : str or path
            Its ending says the format: .svg, .png, .pdf, …

        Returns
        -------
        Path
            Of the file that was written.

        Raises
        ------
        ValueError
            If the path has no ending.
        ImportError
            If the Python package graphviz is not installed.
        FastBPError
            If Graphviz' own program ``dot`` is not installed, or does not know the format.

        Examples
        --------
        >>> import fastbp as bp
        >>> bp.draw(bp.input("x") * 2).render("picture")
        Traceback (most recent call last):
        ValueError: path must end in a format such as .svg, .png or .pdf, got 'picture'
        """
        target = Path(path)
        if not target.suffix:
            raise ValueError(f"path must end in a format such as .svg, .png or .pdf, got {str(path)!r}")
        target.write_bytes(self._piped(target.suffix[1:].lower()))
        return target

    def _piped(self, form: str) -> bytes:
        """The picture, made by the Python package graphviz, which calls the program dot."""
        try:
            graphviz = importlib.import_module("graphviz")
        except ModuleNotFoundError:
            raise ImportError(
                "a picture needs the Python package graphviz: pip install 'fastbp[graphviz]'. "
                "Without it, show .mermaid in Markdown or .dot in a viewer"
            ) from None
        try:
            picture: bytes = graphviz.Source(self.dot).pipe(format=form)
        except graphviz.ExecutableNotFound:
            raise FastBPError(
                "a picture needs Graphviz' program dot, beside the Python package: apt install graphviz, brew install "
                "graphviz, or graphviz.org/download. Without it, show .mermaid in Markdown or .dot in a viewer"
            ) from None
        except (ValueError, graphviz.CalledProcessError) as error:
            raise FastBPError(f"Graphviz could not draw the format {form!r}: {error}") from error
        return picture

    def _repr_svg_(self) -> str | None:
        """The picture for notebooks if Graphviz is installed; without it they show Mermaid."""
        try:
            return self._piped("svg").decode()
        except (ImportError, FastBPError):
            return None

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self.mermaid}```\n"

    def __repr__(self) -> str:
        return f"<Drawing of {len(self.nodes)} nodes and {len(self.edges)} edges>"

    def _groups(self) -> list[tuple[str, list[int]]]:
        """The nodes of each group; those without a group come first."""
        names = dict.fromkeys(["", *(node.group for node in self.nodes)])
        return [(name, [i for i, node in enumerate(self.nodes) if node.group == name]) for name in names]


def _depth(edges: Sequence[DrawnEdge], nodes: int) -> int:
    """The longest chain of arrows; each goes from a lower index to a higher one."""
    depths = [0] * nodes
    for edge in sorted(edges, key=lambda edge: edge.source):
        depths[edge.target] = max(depths[edge.target], depths[edge.source] + 1)
    return max(depths, default=0)


def _after(prefix: str, text: str) -> str:
    return prefix + text if text else ""


def _lines(texts: Sequence[str], line: Callable[[str, int], str]) -> str:
    return "<br/>".join(line(text, i) for i, text in enumerate(texts) if text)


def _html(texts: Sequence[str], colors: Sequence[str]) -> str:
    """A label for Graphviz, with a colour for each of its lines."""
    from html import escape  # with a table of all entities: not for every `import fastbp`

    body = _lines(texts, lambda text, i: f'<font color="{colors[i]}">{escape(text)}</font>')
    return f"<{body}>"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _joined(texts: Sequence[str]) -> str:
    return _lines(texts, lambda text, _: _entities(text))


def _entities(text: str) -> str:
    """Text for Mermaid: characters with a meaning in HTML, Markdown or Mermaid become entities."""
    return "".join(f"#{ord(c)};" if c in '#"<>&+*_`\\|' else c for c in text)


def summarized(value: Any, digits: int) -> str:
    """A single number; up to four numbers in brackets; the smallest and the largest of more."""
    if value.size == 1:
        return f"{value.item():.{digits}g}"
    if value.size <= 4 and value.ndim == 1:
        return "[" + ", ".join(f"{number:.{digits}g}" for number in value.tolist()) + "]"
    return f"{value.min():.{digits}g} … {value.max():.{digits}g}" if value.size else "empty"
