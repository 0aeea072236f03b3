"""``python -m tests.cli.make_schemas`` writes docs/schemas/ anew."""

from __future__ import annotations

import json
from pathlib import Path

from aaiclick.cli.machine.schemas import json_schemas

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def files() -> dict[str, str]:
    """Text of each published file by its name."""
    return {f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in json_schemas().items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
