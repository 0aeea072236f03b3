"""The picture as Mermaid and as DOT. Pure."""

from __future__ import annotations

from aaiclick.cli.graph.picture import Node, Picture
from aaiclick.cli.graph.svg import column_lines
from aaiclick.printable import shown

_SHAPES = {
    "table": ("[", "]"),
    "view": ("([", "])"),
    "materialized view": ("[[", "]]"),
    "dictionary": ("[(", ")]"),
    "table family": ("[/", "/]"),
    "outside": (">", "]"),
}
"""How Mermaid draws each kind."""
_DOT_SHAPES = {
    "table": "box",
    "view": "ellipse",
    "materialized view": "box, peripheries=2",
    "dictionary": "cylinder",
    "table family": "folder",
    "outside": "note",
}
_LINES = {"reads": "-->", "feeds": "==>", "looks up": "-.->"}
_DOT_LINES = {"reads": "solid", "feeds": "bold", "looks up": "dashed"}


def mermaid(picture: Picture, columns: bool = False) -> str:
    """A flowchart, for a Markdown page."""
    number = {node.name: f"n{at}" for at, node in enumerate(picture.nodes)}
    lines = ["flowchart LR"]
    for node in picture.nodes:
        opening, closing = _SHAPES[node.kind]
        label = "<br>".join(_entities(line) for line in _lines(node, columns))
        lines.append(f'  {number[node.name]}{opening}"{label}"{closing}')
    lines += [
        f'  {number[edge.source]} {_LINES[edge.way]}|"{edge.way}"| {number[edge.target]}' for edge in picture.edges
    ]
    return "\n".join(lines) + "\n"


def dot(picture: Picture, title: str, columns: bool = False) -> str:
    """A digraph, for Graphviz."""
    number = {node.name: f"n{at}" for at, node in enumerate(picture.nodes)}
    lines = [f"digraph {_quoted(title)} {{", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    for node in picture.nodes:
        label = "".join(f"{_dot(line)}\\l" for line in _lines(node, columns))
        lines.append(f'  {number[node.name]} [label="{label}", shape={_DOT_SHAPES[node.kind]}];')
    lines += [
        f'  {number[edge.source]} -> {number[edge.target]} [label="{edge.way}", style={_DOT_LINES[edge.way]}];'
        for edge in picture.edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _lines(node: Node, columns: bool) -> list[str]:
    kind = " · ".join(part for part in (node.kind, node.detail) if part)
    return [node.name, kind, *(column_lines(node) if columns else [])]


def _entities(text: str) -> str:
    """Letters, digits and what is harmless as they are, everything else by its number: nothing in a name is markup."""
    return "".join(letter if letter.isalnum() or letter in " _-.,:·…" else f"#{ord(letter)};" for letter in shown(text))


def _dot(text: str) -> str:
    """Inside of a label: Graphviz reads entities of HTML there."""
    return _escaped(text).replace("&", "&amp;")


def _escaped(text: str) -> str:
    return shown(text).replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'
