"""The history of a schema as a page: every transition with what is recorded of it, and runs that were written down.
Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.cli.machine.records import HEADINGS, record_json, record_row
from aaiclick.cli.report.markup import Content, Html, el, folded, joined, listed, table
from aaiclick.cli.report.page import Section, badge, code, page
from aaiclick.cli.report.plan_page import statements
from aaiclick.cli.report.timeline import Timeline
from aaiclick.cli.report.timeline_section import run_section
from aaiclick.cli.text.change_text import clauses
from aaiclick.cli.text.numbers import count_text
from aaiclick.errors import UsageError
from aaiclick.plan.model import Plan
from aaiclick.printable import seconds_text, size_text
from aaiclick.state.record import Record, against

OPEN_AT_MOST = 3
"""So many of the newest transitions are open at first."""


def history_page(schema: str, place: str, records: Sequence[Record], runs: Sequence[Timeline], made: str) -> str:
    """The whole page, the newest first."""
    newest = [*reversed(records)]
    facts: list[tuple[str, Content]] = [
        ("Database", place),
        ("Transitions", f"{len(records):,}"),
        ("Made", made),
    ]
    sections = [run_section(run, number) for number, run in enumerate(sorted(runs, key=lambda run: -run.begin), 1)]
    if records:
        rows = [
            (el("a", cells[0], href=f"#record-{record.seq}"), *cells[1:])
            for record in newest
            for cells in (record_row(record),)
        ]
        sections.insert(
            0, Section("transitions", "Transitions", table("The newest first", HEADINGS, rows, numeric=(5,)))
        )
        cards = joined(_card(record, at < OPEN_AT_MOST) for at, record in enumerate(newest))
        more = el(
            "p",
            "What is recorded of a transition: when it ended, how long it and its steps took, and the plan that was "
            "carried out. Chunks, waits and fences are not recorded; a run that was written down with --progress json "
            "shows them (aaiclick history --html FILE --run FILE).",
            class_="legend",
        )
        sections.append(Section("plans", "What was carried out", joined([more, cards])))
    else:
        sections.insert(0, Section("transitions", "Transitions", el("p", "Nothing was recorded yet.")))
    return page(f"{schema}: history", facts, sections, made)


def _card(record: Record, opened: bool) -> Html:
    told = record_json(record)
    version = f"v{record.version}" if record.version is not None else "development"
    kind = {"applied": "good", "failed": "bad"}.get(record.state, "warn")
    title = joined([el("h3", version), " ", badge(record.state, kind), el("span", told["at"], class_="soft")])
    body: list[Content] = [
        el(
            "p",
            f"By {record.who}, {seconds_text(record.seconds)}, aaiclick {record.library}, ClickHouse {record.server}.",
        )
    ]
    if told["forced"]:
        body.append(el("p", "It was forced, against what the tables said.", class_="note warn"))
        body.append(listed(against(record)))
    ledger = told["ledger"]
    if ledger is not None:
        body.append(el("p", f"Taken over from {ledger['tool']}, its version {ledger['version']} ({ledger['table']})."))
    body.append(_plan(record))
    return folded(title, el("div", *body, id=f"record-{record.seq}", class_="body"), class_="card", open_=opened)


def _plan(record: Record) -> Html:
    if not record.plan or record.state == "adopted":
        return el("p", "No statement was carried out.", class_="soft")
    try:
        plan = Plan.from_json(record.plan)
    except UsageError:
        return folded("The plan, as it is recorded (this release does not read it)", el("pre", record.plan))
    if not plan.steps:
        return el("p", "No step was needed.", class_="soft")
    rows = [
        (
            code(step.object),
            joined(
                [listed(parts) if len(parts := clauses(step.change)) > 1 else el("p", step.change), statements(step)]
            ),
            step.strategy,
            f"{step.rows:,}" if step.rows else "",
            size_text(step.bytes) if step.rows else "",
            seconds_text(step.took) if step.took is not None else "",
        )
        for step in plan.steps
    ]
    return table(
        count_text(len(rows), "step", "steps"),
        ("object", "change", "strategy", "rows", "size", "took"),
        rows,
        numeric=(3, 4, 5),
    )
