"""``python -m tests.release_notes 0.2.0``: what CHANGELOG.md says of a version, for the release that bears its tag."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def notes(text: str, version: str) -> str:
    """Raises ``SystemExit`` where the version is not there, or has no date yet."""
    headings = list(HEADING.finditer(text))
    for place, heading in enumerate(headings):
        if heading["version"] == version:
            if heading["date"] is None:
                raise SystemExit(f"{version} has no date in CHANGELOG.md: ## [{version}] - YYYY-MM-DD")
            end = headings[place + 1].start() if place + 1 < len(headings) else len(text)
            return text[heading.end() : end].strip() + "\n"
    raise SystemExit(f"CHANGELOG.md says nothing of {version}")


if __name__ == "__main__":
    sys.stdout.write(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
