"""The counts of ``make proof``, collected over all processes in the file that ``AAICLICK_PROOF_COUNTS`` names, and
their table.

``python -m tests.reliability.counts FILE`` prints the table, with ``--write docs/reliability.md`` it is put into that
page.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.parts import OTHERS, PARTS, Part

VARIABLE = "AAICLICK_PROOF_COUNTS"
SAMPLE = "AAICLICK_PROOF_EVERY"
BEGIN, END = "<!-- proof: begin -->\n", "<!-- proof: end -->\n"
_LONGEST = "longest_"


@dataclass
class Tally:
    """What is known of one part. ``failed`` are ids of tests."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)


def every() -> int:
    """The longest sweeps take every so many of their points, where the variable says so. What they count is what they
    did."""
    return int(os.environ.get(SAMPLE, "1"))


def note(proof: str, **counts: float) -> None:
    """Add to the counts of a part, by its title; a count that begins with ``longest_`` (and is in seconds) keeps its
    largest value. Without the variable nothing is written."""
    _append({"proof": proof, "counts": counts})


def note_outcome(proof: str, test: str, passed: bool) -> None:
    """One test of a part has ended."""
    _append({"proof": proof, "test": test, "passed": passed})


def note_whole(tests: int, minutes: float) -> None:
    """The run is over."""
    _append({"whole": {"tests": tests, "minutes": minutes}})


def _append(fields: dict[str, object]) -> None:
    path = os.environ.get(VARIABLE)
    if path:
        # One write below the size of a pipe buffer: lines of several processes do not mix.
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")


def summed(lines: Iterable[str]) -> tuple[dict[str, Tally], dict[str, float]]:
    """The counts by part, and the whole; of several runs that went into one file, one after the other, the sum."""
    found: dict[str, Tally] = {}
    whole: dict[str, float] = {}
    for line in lines:
        fields = json.loads(line)
        if "whole" in fields:
            for name, value in fields["whole"].items():
                whole[name] = whole.get(name, 0) + value
            continue
        tally = found.setdefault(fields["proof"], Tally())
        if "test" in fields:
            tally.passed += fields["passed"]
            tally.failed += [] if fields["passed"] else [fields["test"]]
        for name, value in fields.get("counts", {}).items():
            before = tally.counts.get(name, 0)
            tally.counts[name] = max(before, value) if name.startswith(_LONGEST) else before + value
    return found, whole


def table(found: dict[str, Tally], whole: dict[str, float]) -> str:
    """A table in Markdown: every part, also one that did not run."""
    lines = ["| proof | how often | result |", "|---|---|---|"]
    known = {part.title for part in PARTS}
    others = [Part(title, (), OTHERS.result) for title in sorted(set(found) - known)]
    for part in (*PARTS, *others):
        tally = found.get(part.title)
        lines.append(f"| {part.title} | {_often(tally)} | {_result(part, tally)} |")
    if whole:
        failed = sum(len(tally.failed) for tally in found.values())
        ended = f"**{failed} failed**" if failed else "all passed"
        lines.append(f"| all of it | {whole['tests']:,.0f} tests in {whole['minutes']:.0f} minutes | {ended} |")
    return "\n".join(lines) + "\n"


def _often(tally: Tally | None) -> str:
    if tally is None:
        return ""
    shown = [
        f"{value:,.0f} {name.replace('_', ' ')}"
        for name, value in tally.counts.items()
        if not name.startswith(_LONGEST)
    ]
    return ", ".join(shown) or f"{tally.passed + len(tally.failed):,} tests"


def _result(part: Part, tally: Tally | None) -> str:
    if tally is None:
        return "**not run**"
    if tally.failed:
        return f"**failed**: {', '.join(f'`{test}`' for test in sorted(tally.failed))}"
    longest = [
        f"{name.removeprefix(_LONGEST).replace('_', ' ')} at most {value:.1f} s"
        for name, value in tally.counts.items()
        if name.startswith(_LONGEST)
    ]
    return "; ".join((part.result, *longest))


def put_into(page: str, made: str) -> str:
    """The page with the table between its two marks. Raises ValueError where it does not have them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN.strip()} ... {END.strip()} in the page")
    return f"{before}{begin}{made}{end}{after}"


def main(arguments: list[str]) -> None:
    """Print the table of a counts file, or put it into a page."""
    made = table(*summed(Path(arguments[0]).read_text(encoding="utf-8").splitlines()))
    sys.stdout.write(made)
    if arguments[1:2] == ["--write"]:
        page = Path(arguments[2])
        page.write_text(put_into(page.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
