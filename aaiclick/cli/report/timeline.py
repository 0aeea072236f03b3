"""What a run did when: steps, chunks, waits and fences, as spans of time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from aaiclick.cli.report.run_file import Happened
from aaiclick.cli.text.numbers import rows_text
from aaiclick.printable import seconds_text, size_text

Kind: TypeAlias = Literal["step", "phase", "chunk", "wait", "fence"]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted."""

    kind: Kind
    """What it is."""
    object: str
    """Name of the table; of a wait what was waited for."""
    begin: float
    """Unix seconds."""
    end: float
    """Unix seconds."""
    said: str
    """What there is to say, for people."""
    ended: bool = True
    """False where the run was over before it."""

    @property
    def seconds(self) -> float:
        """How long."""
        return max(self.end - self.begin, 0.0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run."""

    begin: float
    """Unix seconds."""
    end: float
    """Unix seconds."""
    spans: tuple[Span, ...]
    """Everything that lasted, by when it began."""
    notes: tuple[str, ...]
    """Sentences of the run, the error that it ended with last."""
    code: int | None
    """Exit code; None where the run did not say how it ended."""
    schema: str = ""
    """Name of the schema; '' where the run did not come so far."""


@dataclass(slots=True)
class _Reader:
    """What was read of a run so far."""

    spans: list[Span] = field(default_factory=list[Span])
    """What has ended."""
    steps: dict[int, Span] = field(default_factory=dict[int, Span])
    """Steps that go on, by their numbers."""
    fences: dict[str, Span] = field(default_factory=dict[str, Span])
    """Tables that refuse writers, by their names."""
    waits: dict[str, Span] = field(default_factory=dict[str, Span])
    """The last wait for each thing, by what is waited for."""
    phases: dict[tuple[str, str], Span] = field(default_factory=dict[tuple[str, str], Span])
    """The last phase of each table, by table and phase."""
    notes: list[str] = field(default_factory=list[str])
    """Sentences of the run."""
    code: int | None = None
    """Exit code; None: not read yet."""
    schema: str = ""
    """Name of the schema; '': not read yet."""


def timeline(run: Sequence[Happened]) -> Timeline:
    """The spans of a run. What had not ended when the run did ends there."""
    read, last = _Reader(), run[-1].at
    for happened in run:
        _take(read, happened)
    for span in (*read.steps.values(), *read.fences.values()):
        read.spans.append(replace(span, end=last, ended=False))
    spans = sorted((*read.spans, *read.waits.values(), *read.phases.values()), key=lambda span: (span.begin, -span.end))
    begin = min([run[0].at, *(span.begin for span in spans)])
    return Timeline(begin, last, tuple(spans), tuple(read.notes), read.code, read.schema)


def _take(read: _Reader, happened: Happened) -> None:
    at, name = happened.at, happened.text("object")
    match happened.event:
        case "PlanReady":
            read.schema = happened.text("schema")
        case "StepStarted":
            said = f"{happened.text('change')} · {happened.text('strategy')}"
            read.steps[int(happened.number("index"))] = Span("step", name, at, at, said)
        case "StepDone":
            begun = read.steps.pop(int(happened.number("index")), None)
            rows = f" · {rows_text(happened.number('rows'))}" if happened.number("rows") else ""
            begin = begun.begin if begun is not None else at - happened.number("seconds")
            said = begun.said if begun is not None else happened.text("strategy")
            read.spans.append(Span("step", name, begin, at, f"{said}{rows}"))
        case "ChunkDone":
            size = size_text(int(happened.number("bytes")))
            checked = "compared by checksum" if happened.fields.get("verified") is True else "counted"
            said = f"{rows_text(happened.number('rows'))}, {size}, {checked}"
            read.spans.append(Span("chunk", name, at - happened.number("seconds"), at, said))
        case "Progress":
            _phase(read, happened)
        case "Waiting":
            what, begin = happened.text("what"), at - happened.number("seconds")
            known = read.waits.get(what)
            # A wait for the same that began anew is another one.
            if known is not None and begin > known.end + 1:
                read.spans.append(read.waits.pop(what))
                known = None
            read.waits[what] = replace(known, end=at) if known is not None else Span("wait", what, begin, at, "")
        case "LeaseWaited":
            said = (
                "then had the lease" if happened.fields.get("taken") is True else "nothing was left to do, or gave up"
            )
            what = "another process that migrates"
            read.spans.append(Span("wait", what, at - happened.number("seconds"), at, said))
        case _:
            _take_other(read, happened)


def _take_other(read: _Reader, happened: Happened) -> None:
    name = happened.text("object")
    match happened.event:
        case "WritersRefused":
            read.fences[name] = Span("fence", name, happened.at, happened.at, "")
        case "WritersAdmitted":
            _lift(read, happened, name)
        case "TableExchanged":
            if happened.fields.get("writers_wait") is not True:
                _lift(read, happened, name)
        case "LeaseTakenOver":
            read.notes.append(f"the lease of {happened.text('owner')} was ended")
        case "Note" | "Said":
            read.notes.append(happened.text("text"))
        case "Failed":
            read.notes.append(f"{happened.text('type')}: {happened.text('message')}")
        case "Ended":
            read.code = int(happened.number("code"))
        case _:
            return


def _lift(read: _Reader, happened: Happened, name: str) -> None:
    begun = read.fences.pop(name, None)
    if begun is not None:
        read.spans.append(replace(begun, end=happened.at))


def _phase(read: _Reader, happened: Happened) -> None:
    key = (happened.text("object"), happened.text("phase"))
    done, total = int(happened.number("done")), int(happened.number("total"))
    said = f"{key[1]}: {done:,} of {total:,}" if total else key[1]
    begin = happened.at - happened.number("seconds")
    known = read.phases.get(key)
    if known is not None and begin > known.end + 1:
        read.spans.append(read.phases.pop(key))
        known = None
    read.phases[key] = Span("phase", key[0], known.begin if known is not None else begin, happened.at, said)


def span_words(span: Span, begin: float) -> str:
    """For people: when it began, how long it took."""
    left = "" if span.ended else " (the run ended before it)"
    return f"after {seconds_text(span.begin - begin)}, for {seconds_text(span.seconds)}{left}"
