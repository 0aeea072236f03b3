"""The counts of each proof, collected over all worker processes in the file that ``AAICLICK_PROOF_COUNTS`` names."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "AAICLICK_PROOF_COUNTS"
Found = dict[str, dict[str, float]]


def note(proof: str, **counts: float) -> None:
    """Add to the counts of a proof; a count that begins with ``longest_`` keeps its largest value. Without the variable nothing is written."""
    path = os.environ.get(VARIABLE)
    if path:
        # One write below the size of a pipe buffer: lines of several processes do not mix.
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"proof": proof, **counts}) + "\n")


def summed(lines: Iterable[str]) -> Found:
    """The counts by proof."""
    found: Found = {}
    for line in lines:
        fields = json.loads(line)
        counts = found.setdefault(fields.pop("proof"), {})
        for name, value in fields.items():
            counts[name] = max(counts.get(name, 0), value) if name.startswith("longest_") else counts.get(name, 0) + value
    return found


def table(found: Found) -> str:
    """A table in Markdown."""
    lines = ["| proof | counts |", "|---|---|"]
    for proof, counts in sorted(found.items()):
        shown = ", ".join(
            f"{name.replace('_', ' ')}: {value:,.2f}" if isinstance(value, float) else f"{name.replace('_', ' ')}: {value:,}" for name, value in counts.items()
        )
        lines.append(f"| {proof} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table of a counts file."""
    sys.stdout.write(table(summed(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())) + "\n")


if __name__ == "__main__":
    main()
