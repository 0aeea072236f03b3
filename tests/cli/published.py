"""What commands print, held to the published JSON Schemas: nothing is missing, nothing is of another type, and nothing is
there that they do not name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
checked: Counter[str] = Counter()
"""How many outputs were held to each of them in this process."""


def strict(schema: Any) -> Any:
    """The schema with every object closed: what is published leaves room for fields that are added."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


@cache
def validator(name: str) -> Draft202012Validator:
    # Loading it takes seconds where every format that it knows is installed, and every process of a run collects this.
    from jsonschema import Draft202012Validator

    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(strict(schema))


def hold(arguments: Sequence[str], document: Any) -> None:
    """Raises ValidationError where the answer of a command is not what is published for it."""
    name = "plan" if arguments[0] == "migrate" and "--dry-run" in arguments else arguments[0]
    if isinstance(document, dict) and ("tenants" in document or "groups" in document):
        name = f"tenants-{name}"
    if isinstance(document, dict) and "error" in document:
        name = "error"
    validator(name).validate(document)
    checked[name] += 1


def stream(text: str) -> list[dict[str, Any]]:
    """The lines of ``--progress json``, each held to its schema."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        validator("progress").validate(line)
        checked["progress"] += 1
    return lines
