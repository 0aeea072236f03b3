"""What older ClickHouse releases were shown to do, collected by ``make engines`` in the file that
``AAICLICK_ENGINE_COUNTS`` names.

``python -m tests.acceptance.counts FILE`` prints the tables of docs/compatibility.md and fails where the page says
something else; ``--write`` writes them into the page.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "AAICLICK_ENGINE_COUNTS"
PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
PARTS = {
    "oplog": "the oplog's installs to v5",
    "strategy": "strategies",
    "table": "corpus tables",
    "pair": "corpus pairs",
    "golden": "golden cases",
}
_BEGIN, _END = "<!-- counts: make engines -->\n", "<!-- end of counts -->\n"
_SENTENCE = re.compile(
    r"Code: "
    r"(\d+)\. "
    r"DB::Exception: "
    r"(.*?)(?:: "
    r"While|: "
    r"for "
    r"storage|\. "
    r"Maybe "
    r"you "
    r"meant|\. "
    r"Available|, "
    r"(?:but|supported) "
    r"|\. "
    r"\([A-Z_]+\)|$)",
    re.DOTALL,
)
_PLACE = re.compile(r"failed at position \d+ \((.*?)\).*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Note:
    """One case on one release; ``refusal`` is the server's own sentence where the release cannot hold what the case
    begins or ends with."""

    release: str
    part: str
    case: str
    refusal: str = ""


def note(release: str, part: str, case: str, refusal: str = "") -> None:
    """Write down that a case was shown, or why the release cannot hold it. Without the variable nothing is written."""
    path = os.environ.get(VARIABLE)
    if path:
        # One write below the size of a pipe buffer: lines of several processes do not mix.
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps([release, part, case, refusal[:1000]]) + "\n")


def reason(refusal: str) -> str:
    """A refusal without what is particular to the case: ``unknown setting 'x' (code 115)``."""
    found = _SENTENCE.search(refusal)
    if found is None:
        return refusal
    text = _PLACE.sub(r"at \1", found[2].strip())
    text = re.sub(r"Missing columns: .*", "Missing columns", text, flags=re.DOTALL)
    return f"{' '.join(text.split()).rstrip(':.')} (code {found[1]})"


def tables(notes: Iterable[Note]) -> str:
    """Two tables in Markdown: how much was shown, and what the releases cannot hold."""
    distinct = sorted(
        {(note.release, note.part, note.case): note for note in notes}.values(), key=lambda note: _order(note.release)
    )
    releases = list(dict.fromkeys(note.release for note in distinct))
    lines = ["| ClickHouse | " + " | ".join(PARTS.values()) + " |", "|---" * (len(PARTS) + 1) + "|"]
    for release in releases:
        cells: list[str] = []
        for part in PARTS:
            seen = [note for note in distinct if (note.release, note.part) == (release, part)]
            cells.append(f"{sum(not note.refusal for note in seen)} of {len(seen)}" if seen else "-")
        lines.append(f"| {release} | " + " | ".join(cells) + " |")
    lines += ["", "| ClickHouse | cases | the server's reason |", "|---|---|---|"]
    for release in releases:
        # The tables of a pair are among the tables.
        why = Counter(
            reason(note.refusal)
            for note in distinct
            if note.release == release and note.refusal and note.part != "pair"
        )
        lines += [
            f"| {release} | {count} | {_cell(text)} |"
            for text, count in sorted(why.items(), key=lambda item: (-item[1], item[0]))
        ]
    return "\n".join(lines) + "\n"


def _order(release: str) -> tuple[int, ...]:
    return tuple(-int(part) for part in release.split("."))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Print what was counted, and hold the page to it."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    made = tables(Note(*json.loads(line)) for line in lines)
    sys.stdout.write(made)
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(_BEGIN)
    said, _, tail = rest.partition(_END)
    if "--write" in sys.argv:
        PAGE.write_text(head + _BEGIN + made + _END + tail, encoding="utf-8")
    elif said != made:
        sys.stderr.write(f"{PAGE.name} says something else; take it over with --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
