"""A plan as a page: what is asked, what it costs, a card for each object. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import DictionaryForm
from aaiclick.cli.graph.picture import picture_of
from aaiclick.cli.report.definitions import form_lines, paired, side_by_side, sql_lines
from aaiclick.cli.report.markup import Content, Html, el, folded, joined, listed, table
from aaiclick.cli.report.page import Section, badge, code, page
from aaiclick.cli.report.schema_section import schema_section
from aaiclick.cli.text.change_text import clauses
from aaiclick.cli.text.numbers import count_text, rows_text
from aaiclick.commands.compared import ComparedPlan
from aaiclick.plan.gate import GateDecision
from aaiclick.plan.model import Plan, Step, cost_lines, version_text
from aaiclick.printable import allow_flag, range_text, shown_sql, size_text

LONGEST_CHANGE = 300
"""Letters of a change that are shown at once."""
OPEN_AT_MOST = 60
"""With more cards than that they are closed at first, but for those that want to be looked at."""

_OR_REPLACE = " OR REPLACE "


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What the page says."""

    compared: ComparedPlan
    """The plan, with what it is about."""
    verdict: GateDecision
    """What the policy makes of it."""
    policy: str
    """The policy, in words."""
    outcomes: dict[str, str]
    """What becomes of each step, by its id."""
    command: str
    """The command that carries it out."""
    place: str
    """Where the database is."""
    made: str
    """When the report was made, for people."""


def plan_page(report: PlanReport) -> str:
    """The whole page."""
    plan = report.compared.plan
    to = f"v{plan.to_version}" if plan.to_version is not None else "the declared state"
    facts: list[tuple[str, Content]] = [
        ("Database", joined([code(plan.database), f" at {report.place}"])),
        ("From", version_text(plan.from_version)),
        ("To", to),
        ("Policy", report.policy),
        ("Made", report.made),
    ]
    groups = by_object(plan.steps)
    sections = [
        Section("summary", "Summary", _summary(report, groups)),
        Section("changes", "Changes", _cards(report, groups)),
    ]
    if plan.notes:
        sections.append(Section("notes", "Notes", listed(plan.notes)))
    marks = {name: _mark(steps) for name, steps in groups.items()}
    picture = picture_of(report.compared.schema, plan.database).marked(marks)
    sections.append(schema_section(picture, "Schema as it is declared"))
    return page(f"{plan.schema}: plan from {version_text(plan.from_version)} to {to}", facts, sections, report.made)


def by_object(steps: tuple[Step, ...]) -> dict[str, list[Step]]:
    """The steps of each object, objects in the order of their first step."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(step.object, []).append(step)
    return found


def _mark(steps: list[Step]) -> str:
    required = [step.strategy for step in steps if not step.optional]
    return ", ".join(dict.fromkeys(required)) or "left alone"


def _summary(report: PlanReport, groups: dict[str, list[Step]]) -> Html:
    plan, verdict = report.compared.plan, report.verdict
    blocked = [step for step in plan.required if step.blocked]
    if not plan.steps:
        return el("p", "Nothing to do.", class_="note good")
    rows, size = sum(step.rows for step in verdict.run), sum(step.bytes for step in verdict.run)
    ranges = [step.seconds_range for step in verdict.run if step.seconds_range is not None]
    cost = [count_text(len(verdict.run), "step", "steps"), *([rows_text(rows), size_text(size)] if rows else [])]
    cost += [range_text(sum(low for low, _ in ranges), sum(high for _, high in ranges))] if rows and ranges else []
    parts: list[Content] = []
    if plan.advisory:
        said = "Rehearsed on another engine: the server may decide differently."
        parts.append(el("p", said, class_="note warn"))
    for step in blocked:
        parts.append(el("p", "Blocked: ", code(step.object), f": {step.change}: {step.blocked}", class_="note bad"))
    for refusal in verdict.refused:
        said = f"Refused by {report.policy}: "
        parts.append(el("p", said, code(refusal.step.object), f": {refusal.words}", class_="note warn"))
    if not blocked and not verdict.refused:
        said = " · ".join(cost) if plan.required else "Nothing has to be done; what is optional is left alone."
        parts.append(el("p", said, class_="note good"))
    if not plan.in_sync:
        parts.append(el("p", "To carry it out: ", code(report.command)))
    headings = ("object", "change", "strategy", "rows", "size", "time", "what becomes of it")
    lines = [
        (
            el("a", code(step.object), href=f"#card-{at}"),
            listed(clauses(step.change)) if len(clauses(step.change)) > 1 else step.change,
            step.strategy,
            f"{step.rows:,}" if step.rows else "",
            size_text(step.bytes) if step.rows else "",
            range_text(*step.seconds_range) if step.rows and step.seconds_range is not None else "",
            _outcome(report.outcomes[step.id]),
        )
        for at, steps in enumerate(groups.values())
        for step in steps
    ]
    parts.append(table(count_text(len(plan.steps), "step", "steps"), headings, lines, numeric=(3, 4, 5)))
    return joined(parts)


def _outcome(outcome: str) -> Html:
    kind = {"runs": "good", "blocked": "bad", "refused": "warn", "left alone": ""}.get(outcome, "warn")
    return badge(outcome, kind)


def _cards(report: PlanReport, groups: dict[str, list[Step]]) -> Html:
    if not groups:
        return el("p", "None.")
    return joined(_card(report, at, name, steps, len(groups)) for at, (name, steps) in enumerate(groups.items()))


def _card(report: PlanReport, at: int, name: str, steps: list[Step], among: int) -> Html:
    strategies = dict.fromkeys(step.strategy for step in steps)
    outcomes = dict.fromkeys(report.outcomes[step.id] for step in steps)
    grave = any(step.blocked or step.destructive for step in steps) or "refused" in outcomes
    title = joined(
        [
            el("h3", name),
            " ",
            *(badge(each) for each in strategies),
            *(_outcome(outcome) for outcome in outcomes if outcome != "runs"),
        ]
    )
    body = [*(_step(report, step) for step in steps), definitions(report.compared, name, steps)]
    content = el("div", *body, id=f"card-{at}", class_="body")
    return folded(title, content, open_=grave or among <= OPEN_AT_MOST, class_="card")


def _step(report: PlanReport, step: Step) -> Html:
    parts: list[Content] = []
    texts = clauses(step.change)
    changes = [_change(each, alone=len(texts) == 1) for each in texts]
    parts.append(listed(changes) if len(changes) > 1 else changes[0])
    cost = [step.strategy, *([rows_text(step.rows), size_text(step.bytes)] if step.rows else [])]
    cost += [f"reads {step.reads} first ({size_text(step.read_bytes)})"] if step.reads else []
    parts.append(el("p", " · ".join(cost), " ", _outcome(report.outcomes[step.id]), class_="soft"))
    if step.blocked:
        parts.append(el("p", f"Blocked: {step.blocked}", class_="note bad"))
    if step.unlooked:
        when = f"Counted once its turn comes, after {step.behind}" if step.behind else "Not looked at"
        parts.append(el("p", f"{when}: {'; '.join(step.unlooked)}", class_="note warn"))
    if step.diff:
        parts.append(el("pre", "\n".join(step.diff)))
    if costs := cost_lines(step):
        parts.append(joined([el("h4", "What it costs"), listed(costs)]))
    parts.append(_hazards(step))
    parts.append(statements(step))
    return el("div", *parts, class_="step")


def _change(text: str, alone: bool) -> Content:
    """What changes; a text of many lines, as a long default makes it, is folded behind its beginning."""
    if len(text) <= LONGEST_CHANGE:
        return el("p", text) if alone else text
    return folded(f"{text[: LONGEST_CHANGE // 2]} ...", el("p", text))


def _hazards(step: Step) -> Html | None:
    if not step.hazards:
        return None
    items: list[Html] = []
    for hazard in step.hazards:
        key = None
        if hazard.allow in step.allowed:
            key = "(allowed by the migration)"
        elif hazard.allow:
            key = joined(["(to allow it: ", code(allow_flag(hazard.allow)), ")"])
        items.append(joined([badge(hazard.kind, "bad" if hazard.destructive else "warn"), f" {hazard.message} ", key]))
    return joined([el("h4", "What it risks"), listed(items)])


def statements(step: Step) -> Html:
    """The SQL of a step, folded."""
    lines = [each if each.startswith("--") else f"{shown_sql(each)};" for each in step.sql]
    count = sum(not each.startswith("--") for each in step.sql)
    return folded(f"SQL: {count_text(count, 'statement', 'statements')}", el("pre", "\n".join(lines)))


def definitions(compared: ComparedPlan, name: str, steps: list[Step]) -> Html | None:
    """The definition before and after, as far as the two are known."""
    plan: Plan = compared.plan
    live, after = compared.live.get(name), compared.after.get(name)
    if all(step.optional for step in steps) and after is None:
        return None
    lines = form_lines(after, plan.database) if after is not None else []
    if live is not None and isinstance(live.form, DictionaryForm):
        # It is made anew from what is declared.
        lines = next((sql_lines(step.sql[0].replace(_OR_REPLACE, " ", 1)) for step in steps if step.sql), list[str]())
    if live is not None and lines:
        pairs = paired(form_lines(live.form, plan.database), lines)
        if all(pair.same for pair in pairs):
            return None
        return joined([el("h4", "Definition"), side_by_side(pairs, name)])
    created = next((step for step in steps if step.strategy == "create" and step.sql), None)
    if live is None and created is not None:
        return joined([el("h4", "Definition"), el("pre", "\n".join(sql_lines(created.sql[0])))])
    return None
