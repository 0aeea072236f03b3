"""HTML and SVG as text: whatever is no markup already is escaped, so that no name and no comment becomes any. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from aaiclick.printable import shown_lines


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Content: TypeAlias = str | None
"""A plain text is escaped, ``Html`` stands as it is, None is nothing."""
_VOID = frozenset({"meta", "input", "br", "hr", "link"})


def escaped(text: str) -> Html:
    """The text as it is read, wherever it stands: also within quotes. Control characters are written out."""
    return text if isinstance(text, Html) else Html(html.escape(shown_lines(text), quote=True))


def joined(contents: Iterable[Content]) -> Html:
    """One behind the other."""
    return Html("".join(escaped(each) for each in contents if each is not None))


def el(tag: str, *contents: Content, **attributes: str | float | bool | None) -> Html:
    """An element. Attributes are written with ``_`` for ``-``, and with one behind what Python keeps for itself
    (``class_``); True stands alone, None and False are left out."""
    said = ""
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.removesuffix("_").replace("_", "-")
        said += f" {written}" if value is True else f' {written}="{escaped(_text(value))}"'
    if tag in _VOID:
        return Html(f"<{tag}{said}>")
    return Html(f"<{tag}{said}>{joined(contents)}</{tag}>")


def _text(value: str | float) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def folded(summary: Content, *contents: Content, open_: bool = False, class_: str | None = None) -> Html:
    """What can be opened and closed, with the keyboard too."""
    return el("details", el("summary", summary), *contents, open=open_, class_=class_)


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[Content]], numeric: Iterable[int] = ()
) -> Html:
    """A table whose first column names its rows. ``numeric``: columns that hold numbers, from 0. A column that says
    nothing in any row is left out."""
    lines, right = [*rows], frozenset(numeric)
    kept = [at for at in range(len(headings)) if not at or any(line[at] for line in lines)]

    def cell(at: int, content: Content) -> Html:
        kind = "number" if at in right else None
        return el("td", content, class_=kind) if at else el("th", content, scope="row")

    heads = [el("th", headings[at], scope="col", class_="number" if at in right else None) for at in kept]
    body = [el("tr", *(cell(at, line[at]) for at in kept)) for line in lines]
    made = el("table", el("caption", caption), el("thead", el("tr", *heads)), el("tbody", *body))
    # What is too wide is moved sideways, with the keyboard too.
    return el("div", made, class_="wide", tabindex=0, role="group", aria_label=caption)


def listed(items: Iterable[Content], class_: str | None = None) -> Html:
    """A list; nothing where there are no items."""
    parts = [el("li", item) for item in items]
    return el("ul", *parts, class_=class_) if parts else Html()
