"""The picture as SVG: one drawing for each part, or one file for all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from unicodedata import east_asian_width

from aaiclick.cli.graph.layout import PlacedPart, Point, Size, connected_boxes, packed, place_boxes
from aaiclick.cli.graph.picture import Node, Picture
from aaiclick.cli.report.markup import Html, el, joined
from aaiclick.cli.text.numbers import count_text

MARGIN = 6.0
MOST_COLUMNS = 40
"""More columns of one object are counted, not drawn."""
_LETTER, _SMALL, _BOLD, _LINE, _HEAD = 7.6, 6.2, 6.6, 15.0, 38.0
_LONGEST, _LONGEST_COLUMN = 36, 52
_FILE_WIDTH = 1400.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """One part of the picture, drawn."""

    nodes: tuple[Node, ...]
    """What is in it."""
    content: Html
    """Its boxes and ways, from the upper left corner on."""
    size: Size


def drawings(
    picture: Picture, columns: bool = False, link: Callable[[Node], str | None] | None = None
) -> list[Drawing]:
    """Each part by itself, the largest first. ``columns``: the boxes show them. ``link``: where a box leads to."""
    nodes = picture.nodes
    number = {node.name: at for at, node in enumerate(nodes)}
    edges = [(number[edge.source], number[edge.target]) for edge in picture.edges]
    ways = {(number[edge.source], number[edge.target]): edge.way for edge in picture.edges}
    sizes = [_size(node, columns) for node in nodes]
    found: list[Drawing] = []
    for group in connected_boxes(len(nodes), edges):
        placed = place_boxes(group, sizes, edges)
        lines = [_way(points, ways[edge], nodes, edge) for edge, points in placed.ways.items()]
        boxes = [_box(nodes[at], placed.places[at], sizes[at], columns, link) for at in group]
        found.append(Drawing(tuple(nodes[at] for at in group), joined([*lines, *boxes]), placed_size(placed)))
    return found


def placed_size(part: PlacedPart) -> Size:
    """With a margin for strokes."""
    return part.size[0] + 2 * MARGIN, part.size[1] + 2 * MARGIN


def picture_svg(picture: Picture, title: str, columns: bool = False) -> str:
    """A file of its own."""
    made = drawings(picture, columns)
    places, (width, height) = packed([each.size for each in made], _FILE_WIDTH, 24.0)
    style = el("style", Html((files("aaiclick.cli.graph") / "picture.css").read_text(encoding="utf-8")))
    groups = [
        el("g", each.content, transform=f"translate({x:.1f} {y:.1f})")
        for each, (x, y) in zip(made, places, strict=True)
    ]
    paper = el("rect", width="100%", height="100%", class_="paper")
    body = [el("title", title), el("desc", described_picture(picture)), style, arrows("arrow"), paper, *groups]
    head = el("svg", *body, xmlns="http://www.w3.org/2000/svg", role="group", **_box_of((width, height)))
    return f"{head}\n"


def part_svg(drawing: Drawing, number: int) -> Html:
    """One part for a page, which has styles and arrows."""
    names = ", ".join(node.name for node in drawing.nodes[:3]) + (" ..." if len(drawing.nodes) > 3 else "")
    said = count_text(len(drawing.nodes), "object", "objects")
    title, desc = f"part-{number}-title", f"part-{number}-desc"
    return el(
        "svg",
        el("title", f"{said}: {names}", id=title),
        el("desc", "What stands to the left is read by, or feeds, what its lines lead to.", id=desc),
        drawing.content,
        role="group",
        aria_labelledby=f"{title} {desc}",
        **_box_of(drawing.size),
    )


def arrows(name: str) -> Html:
    """The heads of the lines, once for a document."""
    path = el("path", d="M0 0L8 4L0 8z", class_="head")
    sizes = {
        "viewBox": "0 0 8 8",
        "markerWidth": "9",
        "markerHeight": "9",
        "refX": "8",
        "refY": "4",
        "markerUnits": "userSpaceOnUse",
    }
    return el("defs", el("marker", path, id=name, orient="auto", **sizes))


def described_picture(picture: Picture) -> str:
    """What is in it, for who does not see it."""
    kinds: dict[str, int] = {}
    for node in picture.nodes:
        kinds[node.kind] = kinds.get(node.kind, 0) + 1
    plural = {"dictionary": "dictionaries", "table family": "table families", "outside": "outside"}
    listed = [f"{n} {kind if n == 1 else plural.get(kind, kind + 's')}" for kind, n in kinds.items()]
    return f"{', '.join(listed) or 'nothing'}; {count_text(len(picture.edges), 'line', 'lines')} between them"


def _box_of(size: Size) -> dict[str, str]:
    width, height = (f"{each:.0f}" for each in size)
    return {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}


def _width(text: str) -> int:
    """Letters, wide ones twice."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def cut(text: str, most: int) -> str:
    """As much of it as there is room for."""
    if _width(text) <= most:
        return text
    kept = ""
    for letter in text:
        if _width(kept + letter) >= most:
            break
        kept += letter
    return f"{kept}…"


def _below(node: Node) -> str:
    count = count_text(len(node.columns), "column", "columns") if node.columns else ""
    kind = "" if node.kind == "table" and node.detail else node.kind
    return " · ".join(part for part in (kind, node.detail, count) if part)


def column_lines(node: Node) -> list[str]:
    """A line for each column, as far as they are drawn."""
    lines = [cut(f"{name}  {kind}", _LONGEST_COLUMN) for name, kind in node.columns[:MOST_COLUMNS]]
    left = len(node.columns) - len(lines)
    return [*lines, f"… and {left} more"] if left > 0 else lines


def _size(node: Node, columns: bool) -> Size:
    lines = column_lines(node) if columns else []
    small = [cut(_below(node), _LONGEST_COLUMN), *lines]
    mark = _width(node.mark) * _BOLD + 24 if node.mark else 0
    width = max(_width(cut(node.name, _LONGEST)) * _LETTER + mark, *(_width(line) * _SMALL for line in small)) + 22
    return max(width, 90.0), _HEAD + (len(lines) * _LINE + 8 if lines else 0)


def _box(node: Node, where: Point, size: Size, columns: bool, link: Callable[[Node], str | None] | None) -> Html:
    (x, y), (width, height) = (where[0] + MARGIN, where[1] + MARGIN), size
    corner = {"table": 2, "view": 14, "materialized view": 14}.get(node.kind, 2)
    kind = node.kind.replace(" ", "-")
    body: list[Html] = [
        el("title", "\n".join([node.name, _below(node), *([node.comment] if node.comment else [])])),
        el("rect", x=x, y=y, width=width, height=height, rx=corner, class_=f"box {kind}"),
    ]
    if node.kind == "materialized view":  # two lines around it: it keeps what it yields
        body.append(el("rect", x=x + 3, y=y + 3, width=width - 6, height=height - 6, rx=11, class_="inner"))
    if node.kind == "dictionary":  # the edge of a book
        body.append(el("path", d=f"M{x + 6:.1f} {y:.1f}V{y + height:.1f}", class_="inner"))
    body.append(el("text", cut(node.name, _LONGEST), x=x + 11, y=y + 16, class_="name"))
    body.append(el("text", cut(_below(node), _LONGEST_COLUMN), x=x + 11, y=y + 30, class_="small"))
    if node.mark:
        wide = _width(node.mark) * _BOLD + 12
        body.append(el("rect", x=x + width - wide - 8, y=y + 4, width=wide, height=16, rx=8, class_="mark"))
        body.append(el("text", node.mark, x=x + width - wide - 2, y=y + 15.5, class_="small marked"))
    if columns and node.columns:
        body.append(el("path", d=f"M{x:.1f} {y + _HEAD:.1f}H{x + width:.1f}", class_="inner"))
        for at, line in enumerate(column_lines(node)):
            body.append(el("text", line, x=x + 11, y=y + _HEAD + 15 + at * _LINE, class_="small column"))
    target = link(node) if link is not None else None
    return el("a", *body, href=target) if target is not None else el("g", *body)


def _way(points: Sequence[Point], way: str, nodes: Sequence[Node], edge: tuple[int, int]) -> Html:
    moved = [(x + MARGIN, y + MARGIN) for x, y in points]
    path = f"M{moved[0][0]:.1f} {moved[0][1]:.1f}"
    for (x, y), (u, v) in pairwise(moved):
        half = (x + u) / 2
        path += f"H{u:.1f}" if abs(y - v) < 0.05 else f"C{half:.1f} {y:.1f} {half:.1f} {v:.1f} {u:.1f} {v:.1f}"
    begin, end = nodes[edge[0]].name, nodes[edge[1]].name
    said = f"{begin} feeds {end}" if way == "feeds" else f"{end} {way} {begin}"
    return el("path", el("title", said), d=path, class_=f"way {way.replace(' ', '-')}", marker_end="url(#arrow)")
