"""What a statement of a migration would do, as the engine parses it (``EXPLAIN AST``), and whether it may be tried in
scratch.

A statement is tried only where it is known to stay within the tables that it names without a database. All others
are not rehearsed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aaiclick.catalog.scratch_objects import instantiable
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.tokens import TokenError, Tokens, unquote

_ROOT = re.compile(r"(?P<kind>\w+)(?: (?P<first>\S*))?(?: (?P<second>\S*))?(?: \(children (?P<children>\d+)\))?\Z")
# fmt: off
_IN_PLACE = frozenset((
    "ADD_COLUMN", "DROP_COLUMN", "MODIFY_COLUMN", "COMMENT_COLUMN", "RENAME_COLUMN", "MATERIALIZE_COLUMN",
    "MODIFY_ORDER_BY", "MODIFY_SAMPLE_BY", "REMOVE_SAMPLE_BY", "MODIFY_TTL", "REMOVE_TTL", "MATERIALIZE_TTL",
    "MODIFY_SETTING", "RESET_SETTING", "MODIFY_COMMENT", "ADD_INDEX", "DROP_INDEX", "MATERIALIZE_INDEX",
    "ADD_CONSTRAINT", "DROP_CONSTRAINT", "ADD_PROJECTION", "DROP_PROJECTION", "MATERIALIZE_PROJECTION",
    "ADD_STATISTICS", "DROP_STATISTICS", "MODIFY_STATISTICS", "MATERIALIZE_STATISTICS", "DELETE", "UPDATE",
    "DROP_PARTITION",
))
# fmt: on
_LOSES = frozenset(
    (
        "DROP_COLUMN",
        "DELETE",
        "DROP_PARTITION",
        "REPLACE_PARTITION",
        "MOVE_PARTITION",
        "DROP_DETACHED_PARTITION",
        "MODIFY_TTL",
        "MATERIALIZE_TTL",
    )
)
_FORMATTED = frozenset(
    {"ALTER", "INSERT", "WITH", "DROP", "TRUNCATE", "RENAME", "EXCHANGE", "CREATE", "OPTIMIZE", "DETACH"}
)
_PLAIN = frozenset({"DELETE", "UPDATE"})
# Table functions that read nothing: their rows come from their arguments.
_MADE_UP = frozenset({"numbers", "numbers_mt", "zeros", "zeros_mt", "values", "generate_series", "generateSeries"})
# Functions that read a table or a file whose name is in a string.
_LOOKS_ELSEWHERE = re.compile(
    r"Function "
    r"(?:dict[A-Z]|joinGet|hasColumnInTable|file\b|executable|catboostEvaluate|naiveBayesClassifier|evalMLMethod)"
)
_OUTSIDE = frozenset(
    {"CLUSTER", "FUNCTION", "INFILE", "OUTFILE", "SYSTEM", "TEMPORARY", "DATABASE", "DICTIONARY", "VIEW"}
)


@dataclass(frozen=True, slots=True)
class StatementEffects:
    """What a statement does.

    ``rehearsable``: it may be tried in scratch. ``loses``: what it deletes (``DROP``, ``DELETE``); '' for nothing.
    ``changes``: it changes values. ``refusal``: the engine's message where it cannot be parsed; '' where it can.
    """

    rehearsable: bool
    loses: str = ""
    changes: bool = False
    refusal: str = ""


def statement_effects(sql: str, tables: Collection[str], databases: Collection[str]) -> Routine[StatementEffects]:
    """What the statement does. ``tables`` are those of the schema, ``databases`` all names that may stand before
    a dot."""
    lines, refusal = yield from _explain(sql)
    if refusal:
        return StatementEffects(False, refusal=refusal)
    rehearsable = _stays_in_database(sql, databases) and _rehearsable(
        lines, tables, frozenset(tables) | _with_names(sql)
    )
    commands = [line.split()[1] for line in lines if line.strip().startswith("AlterCommand ")]
    return StatementEffects(
        rehearsable,
        _loses(lines, commands),
        _root(lines).startswith("Update") or "UPDATE" in commands or any(one.startswith("CLEAR") for one in commands),
    )


def _explain(sql: str) -> Routine[tuple[list[str], str]]:
    """The lines of ``EXPLAIN AST``, or the engine's refusal; no lines for a kind of statement that is never rehearsed.

    A client adds a FORMAT at the end, which most statements would take for their own. So they get one of their own
    first.
    """
    try:
        tokens = Tokens(sql)
    except TokenError:
        return [], ""
    first = tokens.items[0].text.upper() if len(tokens) else ""
    if first in ("INSERT", "WITH"):
        sql = _without_data(sql, tokens)
    if first in _PLAIN:
        tried = [sql]
    elif first in _FORMATTED:
        tried = [f"{sql} FORMAT Null", sql]
    else:
        return [], ""
    refusal = ""
    for wording in tried:
        try:
            rows = yield Query(f"EXPLAIN AST {wording}")
        except StatementError as error:
            if error.code == 0:
                raise
            refusal = refusal or str(error)
        except ValueError:  # the statement took the FORMAT of the client for its own, so the answer is not readable
            return [], ""
        else:
            lines = "\n".join(text(row[0]) for row in rows).splitlines()
            # That line comes from the FORMAT that was added.
            return [line for line in lines if line != " Identifier Null"], ""
    return [], refusal


def _without_data(sql: str, tokens: Tokens) -> str:
    """An INSERT of literal rows as an INSERT SELECT: only that can be explained, and it names the same table."""
    position = 0
    while position < len(tokens):
        if tokens.is_word(position, "VALUES"):
            return f"{sql[: tokens.items[position].start]} SELECT 1"
        position = tokens.after(position)
    return sql


def _root(lines: Sequence[str]) -> str:
    return lines[0].split(" ")[0] if lines else ""


def _loses(lines: Sequence[str], commands: Sequence[str]) -> str:
    kind = _root(lines)
    if kind in ("DropQuery", "TruncateQuery", "DetachQuery", "DeleteQuery", "UndropQuery"):
        return kind.removesuffix("Query").upper()
    lost = [command for command in commands if command in _LOSES]
    return lost[0].replace("_", " ") if lost else ""


def _stays_in_database(sql: str, databases: Collection[str]) -> bool:
    """True where the statement names no other database, and has no word that leads outside."""
    try:
        tokens = Tokens(sql)
    except TokenError:
        return False
    for place, token in enumerate(tokens.items):
        if token.kind == "word" and token.text.upper() in _OUTSIDE:
            return False
        if token.kind in ("word", "name") and tokens.is_op(place + 1, ".") and unquote(token.text) in databases:
            return False
        if tokens.is_word(place, "DISK") and tokens.is_op(place + 1, "="):
            return False
    return True


def _with_names(sql: str) -> frozenset[str]:
    """The names in ``WITH name AS (SELECT ...)``. The tree does not have them.

    Where such a name means a table elsewhere in the statement, scratch does not have it, and that is then no
    refusal.
    """
    tokens = Tokens(sql)
    found: set[str] = set()
    for place in range(1, len(tokens) - 3):
        opens = (
            tokens.is_word(place - 1, "WITH") or tokens.is_word(place - 1, "RECURSIVE") or tokens.is_op(place - 1, ",")
        )
        query = (
            tokens.is_word(place + 1, "AS")
            and tokens.is_op(place + 2, "(")
            and (tokens.is_word(place + 3, "SELECT") or tokens.is_word(place + 3, "WITH"))
        )
        if opens and query and tokens.is_kind(place, "word", "name"):
            found.add(unquote(tokens.items[place].text))
    return frozenset(name for name in found if "." not in name)


def _rehearsable(lines: Sequence[str], tables: Collection[str], readable: Collection[str]) -> bool:
    found = _ROOT.match(lines[0]) if lines else None
    if found is None:
        return False
    kind, first, second = found["kind"], found["first"] or "", found["second"] or ""
    if not _reads_tables_only(lines, readable):
        return False
    children = [line[1:] for line in lines if line.startswith(" ") and not line.startswith("  ")]
    named = [child.removeprefix("Identifier ") for child in children if child.startswith("Identifier ")]
    match kind:
        case "AlterQuery":
            commands = [line.split()[1] for line in lines if line.strip().startswith("AlterCommand ")]
            # The first word is the database, and is empty where the statement names none.
            return not first and second in tables and bool(commands) and set(commands) <= _IN_PLACE
        case "InsertQuery":
            return (
                not first
                and not second
                and len(named) == 1
                and named[0] in tables
                and not any(child.startswith("Function") for child in children)
            )
        case "DeleteQuery" | "UpdateQuery" | "TruncateQuery" | "DropQuery":
            return not first and second in tables and named == [second]
        case "OptimizeQuery":
            return not first and len(named) == 1 and named[0] in tables
        case "Rename":
            # Two names are two tables only where no database stands among them.
            return len(children) == 2 and len(named) == 2 and named[0] in tables
        case "CreateQuery":
            # The name alone on the first line: a database before it would be a second word there, a database itself a
            # trailing blank.
            engines = [
                lines[place + 1].split()[1]
                for place, line in enumerate(lines)
                if line.strip().startswith("Storage definition")
            ]
            own = not second and lines[0].startswith(f"CreateQuery {first} (") and named == [first]
            return (
                own
                and any(child.startswith("Columns definition") for child in children)
                and len(engines) == 1
                and own_storage(engines[0])
            )
        case _:
            return False


def own_storage(engine: str) -> bool:
    """True where a table of that engine in scratch cannot reach a live one. ``Merge`` reads others, and newer servers
    let it write to one."""
    return instantiable(engine) and engine != "Merge"


def _reads_tables_only(lines: Sequence[str], tables: Collection[str]) -> bool:
    """True where every FROM reads a table of the schema, a query of the statement, or rows that a table function makes
    up.

    A table after IN is not followed: without a database it is one of scratch.
    """
    for place, line in enumerate(lines):
        word = line.strip()
        if word.startswith("TableIdentifier ") and word.split(" (")[0].removeprefix("TableIdentifier ") not in tables:
            return False
        if word.startswith("TableExpression"):
            behind = lines[place + 1].split()
            if behind[0] == "Function" and behind[1] not in _MADE_UP:
                return False
        if _LOOKS_ELSEWHERE.match(word):
            return False
    return True
