"""One page: what every report has around its sections. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from aaiclick.cli.graph.svg import arrows
from aaiclick.cli.report.markup import Content, Html, el, joined
from aaiclick.version import VERSION

GENERATOR = "aaiclick report"
"""By this a file is known as one that may be written anew."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page with a heading of its own."""

    id: str
    """Where links lead to."""
    heading: str
    """Its heading, and its name in the list of sections."""
    content: Html
    """What stands below."""


def page(title: str, facts: Sequence[tuple[str, Content]], sections: Sequence[Section], made: str) -> str:
    """The whole file. ``facts``: what the page is about, in names and values. ``made``: when, for people."""
    style = Html(
        "".join(
            (files(package) / name).read_text(encoding="utf-8")
            for package, name in (("aaiclick.cli.report", "report.css"), ("aaiclick.cli.graph", "picture.css"))
        )
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="generator", content=GENERATOR),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", style),
    )
    links = [el("li", el("a", each.heading, href=f"#{each.id}")) for each in sections]
    about = [joined((el("dt", name), el("dd", value))) for name, value in facts if value]
    body = el(
        "body",
        el("a", "Skip to the content", href="#content", class_="skip"),
        el(
            "header",
            el("h1", title),
            el("dl", *about, class_="facts"),
            el("nav", el("ul", *links), aria_label="Sections"),
        ),
        el("main", *(_section(each) for each in sections), id="content", tabindex=-1),
        el("footer", el("p", f"Written by aaiclick {VERSION}, {made}. It asks nobody for anything.")),
        el("svg", arrows("arrow"), width=0, height=0, aria_hidden="true", class_="arrows"),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _section(section: Section) -> Html:
    heading = f"{section.id}-heading"
    return el("section", el("h2", section.heading, id=heading), section.content, id=section.id, aria_labelledby=heading)


def _policy(style: str) -> str:
    """Nothing may be loaded or sent, and no script may run. The page's own style is known by its digest."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def badge(text: str, kind: str = "") -> Html:
    """One or two words that stand out."""
    return el("span", text, class_=f"badge {kind}".rstrip())


def code(text: str) -> Html:
    """A name, or a piece of SQL."""
    return el("code", text)
