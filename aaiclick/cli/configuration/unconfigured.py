"""What a command does where nothing says which schema is meant: it is about the oplog, or it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaiclick.cli import calls
from aaiclick.cli.schema_reference import DEFAULT
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.specs.schema import Schema

NOWHERE = (
    'give --schema MODULE:ATTRIBUTE, set AAICLICK_SCHEMA, or write schema = "MODULE:ATTRIBUTE" below [tool.aaiclick] '
    "in pyproject.toml"
)
_MOST_NAMES = 5


def require_oplog(url: str, oplog: Schema, database: str | None, command: str) -> None:
    """Nothing says which schema is meant, and the database is not empty: it has to be one of the oplog.

    Raises ``UsageError`` that names what is recorded there: whoever works on that database meant another schema.
    """
    found = calls.standing(url, database)
    if oplog.name in found.recorded:
        return
    changed = ": nothing was changed" if command in ("migrate", "adopt", "rollback") else ""
    if found.recorded:
        raise UsageError(
            f"this database is of another schema ({', '.join(found.recorded)}), and there is no {oplog.name} in it"
            f"{changed}. Say which schema is meant: {NOWHERE} ({DEFAULT} for the {oplog.name})"
        )
    if found.tables and not {item.name for item in oplog.objects} & set(found.tables):
        named = ", ".join(found.tables[:_MOST_NAMES]) + (", ..." if len(found.tables) > _MOST_NAMES else "")
        raise UsageError(
            f"this database holds other tables ({named}), no recorded schema and no {oplog.name}{changed}. Say which "
            f"schema is meant: {NOWHERE} ({DEFAULT} for the {oplog.name}). Where nothing declares these tables yet: "
            "aaiclick reflect --brief writes it"
        )
