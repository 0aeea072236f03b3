"""Shortens the server's error messages for ours: without the preamble, and with the user's table instead of its scratch
copy; and what to do where a table of somebody else has a name of ours."""

from __future__ import annotations

import re
from typing import NoReturn

from aaiclick.error_codes import (
    NO_SUCH_COLUMN_IN_TABLE,
    NOT_FOUND_COLUMN_IN_BLOCK,
    NOT_IMPLEMENTED,
    UNKNOWN_IDENTIFIER,
    UNKNOWN_TABLE,
)
from aaiclick.errors import AaiclickError, ApplyError, StatementError, UnsupportedObjectError

# Columns of ours are not there; a view, or an engine like it, takes no INSERT.
_FOREIGN = (NOT_FOUND_COLUMN_IN_BLOCK, NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_IDENTIFIER, NOT_IMPLEMENTED)

LONGEST = 300
"""Characters of a message of the server that stand in a sentence of ours."""
_PREAMBLE = re.compile(r"(?:Code: \d+\.\s*)?(?:DB::Exception:\s*)+")
_NAME = re.compile(r"\.? ?\([A-Z_0-9]{4,}\)\.?\Z")
_STAGE = re.compile(r"`?_aaiclick_scratch_[0-9a-z]+`?(?:\.|_)`?([^`\s~]+)~[\w ~-]*?(?=`|\s|[.,;:)]|\Z)`?")
# The text of our own query says nothing to the reader.
_SCOPE = re.compile(r":? In scope .*")
_MEANT = re.compile(r"\.? ?Maybe you meant:? .*")
_EXAMPLE = 200
"""Characters of the value of a row that stand in a sentence of ours."""
_VIOLATED = re.compile(
    r"Constraint `(.+?)` for table .+? is violated at row \d+\. Expression: \((.+)\)\. Column values: (.+?)\.?"
    r"(?: \([A-Z_]+\)|\Z)",
    re.DOTALL,
)
_SCRATCH = re.compile(r"`?_aaiclick_scratch_[0-9a-z]+`?\.")


def shortened(example: str) -> str:
    """The value of a row, as it may stand in a sentence of ours."""
    return example if len(example) <= _EXAMPLE else f"{example[: _EXAMPLE - 3]}..."


def first_line(message: str) -> str:
    """The first line of a server's message, as it may stand in a sentence of ours."""
    lines = message.strip().splitlines()
    plain = _NAME.sub("", _PREAMBLE.sub("", lines[0])) if lines else ""
    plain = _SCOPE.sub("", plain)
    plain = _MEANT.sub("", _SCRATCH.sub("", _STAGE.sub(r"\1", plain)))
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST].rsplit(' ', 1)[0]} ..."


def violating_row(message: str) -> str:
    """The row, and the constraint that it violates, as the server tells of them; '' where it tells of neither."""
    found = _VIOLATED.search(message)
    if found is None:
        return ""
    name, check, values = found.groups()
    return f"a row violates the constraint {name} ({check}): {shortened(values)}"


def raise_uncounted(table: str, whether: str, error: StatementError) -> NoReturn:
    """Raise ApplyError where a count of rows that came in after the plan fails, or the error itself where it says
    nothing about the rows."""
    # 0: nothing came back from the server.
    if error.code in (0, UNKNOWN_TABLE):
        raise error
    raise ApplyError(
        f"{table}: rows came in after the count, and whether {whether} cannot be told: {first_line(str(error))}"
    ) from error


def in_the_way(database: str, name: str, error: StatementError) -> AaiclickError:
    """What to raise for an error of a statement over our table of that name: the error itself, unless the server says
    by it that somebody else has made the table."""
    if error.code not in _FOREIGN:
        return error
    said = f"this table was not made by aaiclick and is in its way; rename it. The server said: {error.message}"
    return UnsupportedObjectError(f"{database}.{name}", said)
