"""Whether the user may do something with a named collection."""

from __future__ import annotations

from typing import Literal, TypeAlias

from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.quoting import quote_name

Verb: TypeAlias = Literal["see", "make", "change"]
_RIGHTS: dict[Verb, str] = {
    "see": "SHOW NAMED COLLECTIONS",
    "make": "CREATE NAMED COLLECTION",
    "change": "ALTER NAMED COLLECTION",
}


def missing_right(verb: Verb, name: str) -> Routine[str]:
    """Why the user may not do it, and what to grant; '' where he may, and where the server knows no CHECK GRANT and
    says so itself."""
    right = f"{_RIGHTS[verb]} ON {quote_name(name)}"
    try:
        # Asked beforehand: a CREATE that is refused at its turn would leave the steps before it done.
        rows = yield Query(f"CHECK GRANT {right}")
    except StatementError:
        return ""
    if number(rows[0][0]):
        return ""
    return f"this user may not {verb} it: GRANT {right} (users of a configuration file need named_collection_control)"
