"""What a run did when, read from what ``--progress json`` wrote."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from aaiclick.cli.report.run_file import read_runs
from aaiclick.cli.report.timeline import timeline
from aaiclick.cli.report.timeline_section import MOST_CHUNKS, MOST_LANES, run_section
from aaiclick.errors import UsageError
from aaiclick.events import (
    ChunkDone,
    Event,
    LeaseTakenOver,
    LeaseWaited,
    PlanReady,
    Progress,
    StepDone,
    StepStarted,
    TableExchanged,
    Waiting,
    WritersAdmitted,
    WritersRefused,
)


def line(second: float, name: str, **fields: object) -> str:
    at = f"2026-11-29T03:00:{second:06.3f}Z"
    return json.dumps({"format": 1, "at": at, "event": name, **fields}) + "\n"


def happened(second: float, event: Event) -> str:
    return line(second, type(event).__name__, **dataclasses.asdict(event))


RUN = "".join(
    [
        "Processing configuration file\n{not json\n",
        happened(0, Waiting("host:4711 migrates database app", 0.0)),
        happened(2, Waiting("host:4711 migrates database app", 2.0)),
        happened(3, LeaseWaited("app", 3.0, taken=True)),
        happened(3, LeaseTakenOver("app", "root@host 4711", gone=True)),
        happened(4, PlanReady("shop", 2, 100)),
        happened(4, StepStarted(1, 2, "t", "sort key a -> b", "rebuild", 100)),
        happened(5, Progress("t", "copy", 50, 100, 1.0)),
        happened(5, ChunkDone("t", "copy", 50, 2048, 0.5, verified=True)),
        happened(6, Progress("t", "copy", 100, 100, 2.0)),
        happened(6, ChunkDone("t", "copy", 50, 2048, 0.5, verified=False)),
        happened(7, WritersRefused("app", "t")),
        happened(7.5, TableExchanged("app", "t", writers_wait=True)),
        happened(8, WritersAdmitted("app", "t")),
        happened(9, StepDone(1, 2, "t", "rebuild", 100, 5.0)),
        happened(9, StepStarted(2, 2, "u", "column x is missing", "alter", 0)),
        line(10, "Failed", type="ApplyError", message="it <broke>", next=None, details={}),
        line(10, "Ended", code=2),
        line(20, "StepDone", index=1, total=1, object="v", strategy="alter", rows=0, seconds=1.0),
        line(21, "Ended", code=0),
    ]
)


def test_steps_chunks_waits_and_fences(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(RUN, encoding="utf-8")
    first, second = (timeline(run) for run in read_runs(file))
    found = [
        (span.kind, span.object, round(span.begin - first.begin, 3), round(span.seconds, 3)) for span in first.spans
    ]
    assert found == [
        ("wait", "another process that migrates", 0.0, 3.0),
        ("wait", "host:4711 migrates database app", 0.0, 2.0),
        ("step", "t", 4.0, 5.0),
        ("phase", "t", 4.0, 2.0),
        ("chunk", "t", 4.5, 0.5),
        ("chunk", "t", 5.5, 0.5),
        ("fence", "t", 7.0, 1.0),
        ("step", "u", 9.0, 1.0),
    ]
    assert [span.ended for span in first.spans if span.kind == "step"] == [True, False]
    assert first.notes == ("the lease of root@host 4711 was ended", "ApplyError: it <broke>")
    assert (first.code, first.schema, second.code, len(second.spans)) == (2, "shop", 0, 1)
    section = run_section(first, 1)
    assert section.heading == "Run of 2026-11-29 03:00:00 UTC: shop"
    for said in (
        "waited 5.0 s",
        "writers refused for 1.0 s",
        "compared by checksum",
        "(the run ended before it)",
        "it &lt;broke&gt;",
    ):
        assert said in section.content


def test_a_long_run_is_drawn_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    steps = [happened(at % 60, StepDone(at, 400, f"t{at}", "alter", 0, at / 100)) for at in range(60)]
    chunks = [happened(59, ChunkDone("t", "copy", 1, 1, 0.001, verified=True))] * (MOST_CHUNKS + 1)
    file.write_text("".join([*steps, *chunks]), encoding="utf-8")
    (run,) = read_runs(file)
    content = run_section(timeline(run), 1).content
    assert content.count('class="lane"') == MOST_LANES
    assert "13 shorter lines are in the table only." in content
    assert content.count("<code>t") == 60 + 1 + MOST_CHUNKS
    assert "did not say how it ended" in content


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no run"),
        ('{"a": 1}\n[1]\n' + line(1, "Ended", code=0), "holds no run"),
        ('{"format": 2, "at": "2026-11-29T03:00:00Z", "event": "PlanReady"}', "has format 2"),
        ('{"format": 1, "at": "yesterday", "event": "PlanReady"}', "holds no run"),
    ],
)
def test_a_file_without_a_run_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_runs(file)
