"""``python -m tests.cli.codes_page`` writes the server's codes in docs/errors.md anew."""

from __future__ import annotations

from pathlib import Path

from aaiclick.explanations import EXPLANATIONS

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
HEADING = "## What the server's codes mean\n"
BEGIN = "| code | what it means | what to do |\n|---|---|---|\n"


def written(text: str) -> str:
    """The page with the table as it is in the code."""
    head, _, rest = text.partition(BEGIN)
    _, blank, tail = rest.partition("\n\n")
    rows = "".join(
        f"| {code} {found.name} | {found.means} | {found.to_do} |\n" for code, found in sorted(EXPLANATIONS.items())
    )
    return head + BEGIN + rows.rstrip("\n") + (blank + tail if blank else "\n")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
