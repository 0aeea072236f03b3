"""What a hook is told: the facts of a run, as environment variables and as JSON. Never a password. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from typing_extensions import TypedDict

from aaiclick.cli.machine.documents import ErrorFields, StepDocument
from aaiclick.printable import shown

PREFIX = "AAICLICK_HOOK_"
"""How the names of the variables begin."""


class HookDocument(TypedDict):
    """What a hook reads from its input."""

    event: str
    """'before-migrate', 'after-migrate', 'before-rollback', 'after-rollback', 'on-failure' or 'on-refusal'."""
    command: str
    """'migrate' or 'rollback'."""
    schema: str
    """Name of the schema; '' where it was not known yet."""
    database: str
    """Name of the database, or the pattern that means many; '' where it was not known yet."""
    place: str
    """Where it is: the directory, or the server's address without user and password; '' where it was not known yet."""
    env: str
    """The environment of the configuration; '' for none."""
    from_version: int | None
    """Version before the run; 0: nothing was there; null: none is recorded, or it was not known yet."""
    to_version: int | None
    """Version that the run leads to; null for a declaration without one, or where it was not known yet."""
    outcome: str
    """'' before the run; 'done', 'refused', 'failed' or 'interrupted' (Ctrl-C, SIGTERM) after it."""
    exit_code: int | None
    """What the command ends with; null before the run."""
    error: ErrorFields | None
    """The error; null where there is none."""
    steps: list[StepDocument]
    """What will be done, or was done; empty with many databases."""
    rows: int
    """Rows that these steps read."""
    bytes: int
    """Bytes that they read, compressed."""
    seconds: float | None
    """How long the run took; null before it."""
    databases: int
    """How many databases the pattern means; 1 without one."""
    failed_databases: list[str]
    """Those in which the run failed or was refused, the first hundred; empty without a pattern."""


def no_facts(command: str) -> HookDocument:
    """Before anything is known."""
    return {
        "event": "",
        "command": command,
        "schema": "",
        "database": "",
        "place": "",
        "env": "",
        "from_version": None,
        "to_version": None,
        "outcome": "",
        "exit_code": None,
        "error": None,
        "steps": [],
        "rows": 0,
        "bytes": 0,
        "seconds": None,
        "databases": 1,
        "failed_databases": [],
    }


def variables(facts: HookDocument) -> dict[str, str]:
    """A variable for each fact; steps are counted. Texts are one line each, without control characters."""
    error = facts["error"]
    told: Mapping[str, object] = {
        **{name: value for name, value in facts.items() if name not in ("error", "steps", "failed_databases")},
        "steps": len(facts["steps"]),
        "failed_databases": len(facts["failed_databases"]),
        "error_type": error["type"] if error is not None else "",
        "error_message": error["message"] if error is not None else "",
        "error_next": error["next"] if error is not None else "",
    }
    return {f"{PREFIX}{name.upper()}": _text(value) for name, value in told.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else shown(str(value))


def as_json(facts: HookDocument) -> str:
    """The same with all that it holds, in one line."""
    return json.dumps(facts, default=str) + "\n"
