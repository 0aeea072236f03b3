"""How a database stands to the code, as a page. Pure."""

from __future__ import annotations

from aaiclick.cli.graph.picture import picture_of
from aaiclick.cli.report.markup import Content, Html, el, folded, joined, listed, table
from aaiclick.cli.report.page import Section, code, page
from aaiclick.cli.report.schema_section import schema_section
from aaiclick.cli.text.change_text import one_each
from aaiclick.cli.text.numbers import count_text
from aaiclick.commands.report import Status
from aaiclick.plan.model import version_text
from aaiclick.printable import size_text
from aaiclick.specs.schema import Schema

OPEN_AT_MOST = 60
"""With more objects than that the differences of each are closed at first."""


def status_page(found: Status, schema: Schema, place: str, following: str | None, made: str) -> str:
    """The whole page. ``schema``: the declaration with its SQL read. ``following``: what to run, where
    something helps."""
    facts: list[tuple[str, Content]] = [
        ("Database", joined([code(found.database), f" at {place}"])),
        ("ClickHouse", found.server),
        ("It is", version_text(found.live_version)),
        ("The code expects", schema.version_label),
        ("Made", made),
    ]
    groups = _by_object(found)
    sections = [Section("state", "State", _state(found, schema.version_label, following))]
    if groups:
        sections.append(Section("differences", "Differences", _differences(groups)))
    if found.notes:
        sections.append(Section("notes", "Notes", listed(found.notes)))
    if found.hosts:
        sections.append(Section("hosts", "Hosts", _hosts(found)))
    if found.kept_tables:
        sections.append(Section("kept", "Kept for a rollback", _kept(found)))
    marks = {name: "is missing" if _missing(words) else "differs" for name, words in groups.items()}
    sections.append(schema_section(picture_of(schema, found.database).marked(marks), "Schema as it is declared"))
    return page(f"{found.schema}: {found.state}", facts, sections, made)


def _by_object(found: Status) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for difference in found.differences:
        for line in one_each(difference):
            name, separator, words = line.partition(": ")
            groups.setdefault(name if separator else "", []).append(words if separator else line)
    return groups


def _missing(words: list[str]) -> bool:
    return any(each in ("table is missing", "view is missing") or each.endswith("y is missing") for each in words)


def _state(found: Status, expected: str, following: str | None) -> Html:
    live = {None: "has no version record", 0: "is empty"}.get(found.live_version, f"is at v{found.live_version}")
    said = f"{found.schema} {live}{'' if found.in_sync else f', code expects {expected}'}: {found.state}"
    parts: list[Content] = [el("p", said, class_="note good" if found.in_sync else "note warn")]
    if found.fenced:
        parts.append(el("p", f"Writers are refused: {', '.join(found.fenced)}", class_="note bad"))
    if found.unfinished:
        parts.append(el("p", f"Unfinished: {found.unfinished}", class_="note warn"))
    if following is not None:
        parts.append(el("p", "Run: ", code(following)))
    return joined(parts)


def _differences(groups: dict[str, list[str]]) -> Html:
    cards = [
        folded(
            joined(
                [
                    el("h3", name or "the database"),
                    el("span", f" {count_text(len(words), 'difference', 'differences')}"),
                ]
            ),
            el("div", listed(words), class_="body"),
            class_="card",
            open_=len(groups) <= OPEN_AT_MOST,
        )
        for name, words in groups.items()
    ]
    return joined(cards)


def _hosts(found: Status) -> Html:
    rows = [
        (
            host.host,
            str(host.shard),
            str(host.replica),
            listed((*([host.trouble] if host.trouble else []), *host.differs, *host.fewer)) or "as the others",
        )
        for host in found.hosts
    ]
    return table(count_text(len(rows), "host", "hosts"), ("host", "shard", "replica", "state"), rows, numeric=(1, 2))


def _kept(found: Status) -> Html:
    rows = [
        (
            code(kept.table),
            code(kept.name),
            f"{kept.rows:,}",
            size_text(kept.bytes),
            kept.expires[:19].replace("T", " ") or "somebody decides",
        )
        for kept in found.kept_tables
    ]
    headings = ("table", "kept as", "rows", "size", "until (UTC)")
    return table(count_text(len(rows), "old table", "old tables"), headings, rows, numeric=(2, 3))
