"""A run that has ended on a page: a drawing of what happened when, and the same as a table. Pure."""

from __future__ import annotations

from datetime import datetime, timezone

from aaiclick.cli.report.markup import Html, el, folded, joined, listed, table
from aaiclick.cli.report.page import Section, badge, code
from aaiclick.cli.report.timeline import Span, Timeline, span_words
from aaiclick.cli.text.numbers import count_text
from aaiclick.printable import seconds_text

MOST_LANES = 48
"""So many lines are drawn, those that took longest; the table has all."""
MOST_CHUNKS = 1500
"""More chunks than that of one table would be less than a pixel each: they are drawn as one bar."""
_LABEL, _WIDTH, _LANE = 250.0, 900.0, 20.0
_NAMES = {"step": "step", "phase": "work", "chunk": "chunks", "wait": "wait", "fence": "writers refused"}
_ORDER = ("step", "phase", "chunk", "fence", "wait")


def run_section(run: Timeline, number: int) -> Section:
    """One run."""
    started = datetime.fromtimestamp(run.begin, timezone.utc)
    head = f"Run of {started:%Y-%m-%d %H:%M:%S} UTC{f': {run.schema}' if run.schema else ''}"
    lanes = _lanes(run)
    total = {kind: sum(span.seconds for span in run.spans if span.kind == kind) for kind in _ORDER}
    facts = [f"{seconds_text(run.end - run.begin)} in all"]
    facts += [f"waited {seconds_text(total['wait'])}"] if total["wait"] else []
    facts += [f"writers refused for {seconds_text(total['fence'])}"] if total["fence"] else []
    left = len(lanes) - MOST_LANES
    parts = [
        el("p", _ended(run.code), " ", " · ".join(facts)),
        listed(run.notes),
        _drawing(run, lanes[:MOST_LANES], number) if lanes else el("p", "Nothing in it took any time."),
        el("p", f"{count_text(left, 'shorter line is', 'shorter lines are')} in the table only.", class_="soft")
        if left > 0
        else None,
        _steps_table(run),
        _chunks(run),
        _others(run),
    ]
    return Section(f"run-{number}", head, joined(parts))


def _ended(code_: int | None) -> Html:
    if code_ is None:
        return badge("did not say how it ended", "bad")
    return badge(f"exit code {code_}", {0: "good", 1: "warn"}.get(code_, "bad"))


def _lanes(run: Timeline) -> list[tuple[str, str, list[Span]]]:
    """Label, kind and spans of each line: by when it began, as many as are drawn those that took longest."""
    found: dict[tuple[str, str, str], list[Span]] = {}
    for span in run.spans:
        part = span.said.partition(":")[0] if span.kind == "phase" else ""
        found.setdefault((span.object, span.kind, part), []).append(span)
    lanes = [(f"{name}: {part or _NAMES[kind]}", kind, spans) for (name, kind, part), spans in found.items()]
    lanes.sort(key=lambda lane: -sum(span.seconds for span in lane[2]))
    first = lanes[:MOST_LANES]
    first.sort(key=lambda lane: (lane[2][0].begin, _ORDER.index(lane[1])))
    return [*first, *lanes[MOST_LANES:]]


def _drawing(run: Timeline, lanes: list[tuple[str, str, list[Span]]], number: int) -> Html:
    whole = max(run.end - run.begin, 0.001)
    height = _LANE * len(lanes) + 26

    def x(at: float) -> float:
        return _LABEL + (at - run.begin) / whole * _WIDTH

    body: list[Html] = []
    for at in range(5):
        place = _LABEL + _WIDTH * at / 4
        body.append(el("path", d=f"M{place:.1f} 0V{height - 20:.1f}", class_="grid"))
        anchor = "start" if at == 0 else "end" if at == 4 else "middle"
        body.append(el("text", seconds_text(whole * at / 4), x=place, y=height - 6, class_="tick", text_anchor=anchor))
    for row, (label, kind, spans) in enumerate(lanes):
        y = row * _LANE + 2
        shown = label if len(label) < 38 else f"{label[:36]}…"
        body.append(el("text", el("title", label), shown, x=0, y=y + 13, class_="lane"))
        many = len(spans) > MOST_CHUNKS
        for span in [Span("chunk", "", spans[0].begin, spans[-1].end, f"{len(spans):,} chunks")] if many else spans:
            wide = max(x(span.end) - x(span.begin), 1.5)
            said = f"{span.said}, " if span.said else ""
            title = el("title", f"{label}: {said}{span_words(span, run.begin)}")
            body.append(el("rect", title, x=x(span.begin), y=y + 3, width=wide, height=12, rx=2, class_=f"bar {kind}"))
    name = f"run-{number}-picture"
    said = el("title", "What happened when", id=name)
    desc = el(
        "desc", "A line for each step, its chunks, its fence and each wait; time goes to the right.", id=f"{name}-d"
    )
    width = f"{_LABEL + _WIDTH + 10:.0f}"
    view = {"width": width, "height": f"{height:.0f}", "viewBox": f"0 0 {width} {height:.0f}"}
    svg = el("svg", said, desc, *body, role="img", aria_labelledby=f"{name} {name}-d", **view)
    return el("div", svg, class_="wide", tabindex=0, role="group", aria_label="What happened when")


def _steps_table(run: Timeline) -> Html | None:
    steps = [span for span in run.spans if span.kind == "step"]
    if not steps:
        return None
    rows = [(code(span.object), span.said, span_words(span, run.begin), *_share(span, run)) for span in steps]
    return table(count_text(len(steps), "step", "steps"), ("object", "what", "when", "of the run"), rows, numeric=(3,))


def _share(span: Span, run: Timeline) -> tuple[str]:
    whole = run.end - run.begin
    return (f"{span.seconds / whole * 100:.0f} %" if whole > 0 else "",)


def _chunks(run: Timeline) -> Html | None:
    found: dict[str, list[Span]] = {}
    for span in run.spans:
        if span.kind == "chunk":
            found.setdefault(span.object, []).append(span)
    if not found:
        return None
    rows = [
        (
            code(name),
            f"{len(spans):,}",
            seconds_text(sum(span.seconds for span in spans) / len(spans)),
            seconds_text(max(span.seconds for span in spans)),
        )
        for name, spans in found.items()
    ]
    every = [
        (code(name), span_words(span, run.begin), span.said)
        for name, spans in found.items()
        for span in spans[:MOST_CHUNKS]
    ]
    made = table("Chunks", ("table", "chunks", "one took", "the slowest"), rows, numeric=(1, 2, 3))
    return joined(
        [made, folded(f"Every chunk ({len(every):,})", table("Every chunk", ("table", "when", "what"), every))]
    )


def _others(run: Timeline) -> Html | None:
    """Waits and fences."""
    rows = [
        (_NAMES[span.kind], span.object, span_words(span, run.begin), span.said)
        for span in run.spans
        if span.kind in ("wait", "fence")
    ]
    return table("Waits, and times in which writers were refused", ("what", "of", "when", ""), rows) if rows else None
