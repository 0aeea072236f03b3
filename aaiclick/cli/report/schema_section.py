"""The picture of the schema on a page, and below it each object with its columns. Pure."""

from __future__ import annotations

from aaiclick.cli.graph.picture import Node, Picture
from aaiclick.cli.graph.svg import Drawing, described_picture, drawings, part_svg
from aaiclick.cli.report.markup import Html, el, folded, joined, table
from aaiclick.cli.report.page import Section, badge
from aaiclick.cli.text.numbers import count_text


def schema_section(picture: Picture, heading: str = "Schema") -> Section:
    """Parts side by side as far as there is room, and the objects, whose columns are opened by a click on a box."""
    number = {node.name: at for at, node in enumerate(picture.nodes)}

    def link(node: Node) -> str:
        return f"#object-{number[node.name]}"

    brief, full = drawings(picture, link=link), drawings(picture, columns=True, link=link)
    lines = (
        "Rows go from left to right. A line is a table that is read, a thick one a table that is fed, a dashed one a "
        "dictionary that is looked up in. A box leads to its columns."
    )
    content = joined(
        [
            el("p", f"{described_picture(picture)}."),
            el("p", lines, class_="legend"),
            el("input", type="checkbox", id="with-columns"),
            el("label", " Show columns in the boxes", for_="with-columns"),
            el("div", *_figures(brief, 0), class_="parts brief"),
            el("div", *_figures(full, len(brief)), class_="parts full"),
            el("h3", "Objects"),
            *(_object(at, node, picture) for at, node in enumerate(picture.nodes)),
        ]
    )
    return Section("schema", heading, content)


def _figures(made: list[Drawing], first: int) -> list[Html]:
    found: list[Html] = []
    for at, drawing in enumerate(made, first):
        names = ", ".join(node.name for node in drawing.nodes[:3]) + (" ..." if len(drawing.nodes) > 3 else "")
        alone = len(drawing.nodes) == 1
        kind = "single" if alone else None
        # One that is wider than the page is moved sideways, with the keyboard too.
        found.append(el("figure", part_svg(drawing, at), tabindex=None if alone else 0, aria_label=names, class_=kind))
    return found


def _object(at: int, node: Node, picture: Picture) -> Html:
    said = " · ".join(part for part in (node.kind, node.detail) if part)
    count = f" · {count_text(len(node.columns), 'column', 'columns')}" if node.columns else ""
    name = joined([el("strong", node.name), " ", el("span", f"{said}{count}", class_="soft")])
    mark = joined([" ", badge(node.mark, "warn")]) if node.mark else None
    number = {other.name: place for place, other in enumerate(picture.nodes)}
    comes = [edge.source for edge in picture.edges if edge.target == node.name]
    goes = [edge.target for edge in picture.edges if edge.source == node.name]
    body = [
        el("p", node.comment) if node.comment else None,
        _ends("Rows come from", comes, number),
        _ends("Rows go to", goes, number),
        table(f"Columns of {node.name}", ("column", "type"), [(el("code", a), el("code", b)) for a, b in node.columns])
        if node.columns
        else None,
    ]
    # The anchor is inside: whoever follows a link to it has it opened by the browser.
    return folded(joined([name, mark]), el("div", *body, id=f"object-{at}", class_="body"), class_="card object")


def _ends(said: str, names: list[str], number: dict[str, int]) -> Html | None:
    if not names:
        return None
    links = [el("a", name, href=f"#object-{number[name]}") for name in dict.fromkeys(names)]
    return el(
        "p", f"{said} ", *(part for at, each in enumerate(links) for part in ((", ", each) if at else (each,))), "."
    )
