"""Sends the statements of a migration with a journal entry before and after each, so that none is sent twice unless
that is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.apply.script import SETTINGS
from aaiclick.clickhouse.statements import ONCE, ask, drop_table, send
from aaiclick.clickhouse.tables import physical
from aaiclick.error_codes import (
    ACCESS_DENIED,
    ALTER_OF_COLUMN_IS_FORBIDDEN,
    BAD_ARGUMENTS,
    ILLEGAL_AGGREGATION,
    ILLEGAL_COLUMN,
    ILLEGAL_TYPE_OF_ARGUMENT,
    INCORRECT_QUERY,
    MULTIPLE_EXPRESSIONS_FOR_ALIAS,
    NO_COMMON_TYPE,
    NO_SUCH_COLUMN_IN_TABLE,
    NOT_AN_AGGREGATE,
    NOT_FOUND_COLUMN_IN_BLOCK,
    NOT_IMPLEMENTED,
    NUMBER_OF_ARGUMENTS_DOESNT_MATCH,
    NUMBER_OF_COLUMNS_DOESNT_MATCH,
    READONLY,
    SYNTAX_ERROR,
    TABLE_ALREADY_EXISTS,
    TOO_FEW_ARGUMENTS_FOR_FUNCTION,
    TYPE_MISMATCH,
    UNKNOWN_AGGREGATE_FUNCTION,
    UNKNOWN_DATABASE,
    UNKNOWN_FUNCTION,
    UNKNOWN_IDENTIFIER,
    UNKNOWN_SETTING,
    UNKNOWN_TABLE,
)
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import SqlWork
from aaiclick.routine import Command, Emit, Routine, number
from aaiclick.sql.cluster import with_uuid
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.sql.statement_kinds import filled_table, names_its_storage
from aaiclick.sql.tokens import Tokens
from aaiclick.state.entries.step_entries import fresh_uuid
from aaiclick.state.progress import JournalScope, enter_end, enter_refusal, enter_statement
from aaiclick.versions.live_version import Sent

# Said while a statement is read, before it does anything: syntax, unknown names, types, rights. Some are said by
# functions over rows as well.
_READING = frozenset(
    {
        NOT_FOUND_COLUMN_IN_BLOCK,
        NO_SUCH_COLUMN_IN_TABLE,
        NUMBER_OF_COLUMNS_DOESNT_MATCH,
        TOO_FEW_ARGUMENTS_FOR_FUNCTION,
        BAD_ARGUMENTS,
        NUMBER_OF_ARGUMENTS_DOESNT_MATCH,
        ILLEGAL_TYPE_OF_ARGUMENT,
        ILLEGAL_COLUMN,
        UNKNOWN_FUNCTION,
        UNKNOWN_IDENTIFIER,
        NOT_IMPLEMENTED,
        TYPE_MISMATCH,
        TABLE_ALREADY_EXISTS,
        UNKNOWN_TABLE,
        SYNTAX_ERROR,
        UNKNOWN_AGGREGATE_FUNCTION,
        INCORRECT_QUERY,
        UNKNOWN_DATABASE,
        UNKNOWN_SETTING,
        READONLY,
        MULTIPLE_EXPRESSIONS_FOR_ALIAS,
        ILLEGAL_AGGREGATION,
        NOT_AN_AGGREGATE,
        NO_COMMON_TYPE,
        ACCESS_DENIED,
        ALTER_OF_COLUMN_IS_FORBIDDEN,
    }
)
_BEFORE_ALL = frozenset({ACCESS_DENIED, READONLY, SYNTAX_ERROR, UNKNOWN_DATABASE, UNKNOWN_SETTING})
"""Of these the ones that nothing says once rows are on their way."""


def run_statements(
    work: SqlWork, scope: JournalScope, label: str, total: int, sent: Mapping[str, Sent], names_storages: bool
) -> Routine[None]:
    """Send the remaining statements, with the scope's database as the current one. ``total``: how many the migration
    has; ``sent``: those that earlier runs have begun, by their keys. ``names_storages``: whether the database lets a
    CREATE say which storage it makes.

    Raises ApplyError that names the migration and the statement. A statement that failed half-way through its rows is
    not sent again by itself.
    """
    first = total - len(work.statements) + 1
    for place, sql in enumerate(work.statements, first):
        key = f"{work.migration}:sql:{place}"
        before = sent.get(key)
        # Before it is sent: what may have been sent is never sent again without being allowed.
        times = before.times + 1 if before is not None else 1
        making = _made_and_filled(sql, scope.database, names_storages)
        if making is not None and before is not None and before.made:
            yield from _drop_made(making, before.made)
        # The statement names the storage, so that a half of it is never taken for somebody else's table.
        made = (yield from fresh_uuid()) if making is not None and making.named else ""
        yield from enter_statement(scope, key, times, made)
        text = with_uuid(sql, made) if made else sql
        try:
            # Not repeated after TOO_MANY_PARTS: an INSERT meets it after its first blocks, too.
            yield from send(Command(text, settings=SETTINGS, database=scope.database, long=True), ONCE)
        # The entry stays as it is, so the next run asks whether the statement happened.
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            part = yield from _done_in_part(sql, error, scope.database)
            advice = ""
            if making is not None:
                part = yield from _half_made(making, made, error)
                advice = _in_the_way(making, error, times)
            if not part:
                # Refused as a whole: the next run sends it again without asking.
                yield from enter_refusal(scope, key, str(error), times)
            raise ApplyError(f"statement {place} of {label}: {error}{part or advice}") from error
        # A kill right before this leaves an entry that was begun and not ended. Nobody can tell whether the statement
        # was carried out, so the next run does not send it without being allowed to.
        yield from enter_end(scope, key)


@dataclass(frozen=True, slots=True)
class _Made:
    """A table that a statement makes and fills. ``named``: the statement can say which storage that is."""

    database: str
    name: str
    named: bool


def _made_and_filled(sql: str, database: str, names_storages: bool) -> _Made | None:
    match filled_table(sql):
        case (name,):
            where = database
        case (where, name):
            pass
        case _:
            return None
    return _Made(where, name, names_storages and where == database and not names_its_storage(sql))


def _half_made(making: _Made, made: str, error: StatementError) -> Routine[str]:
    """Drop what a statement has made and not filled; what to say where something of it may be there; '' where nothing
    is. Newer servers (26.9) drop it themselves, older ones (25.8) leave it with the rows of the first blocks."""
    if made:
        try:
            yield from _drop_made(making, made)
        except OutcomeUnknownError:
            raise
        except StatementError as refused:
            return (
                f". {making.name} is there with some of its rows, and could not be dropped ({refused.message}): the "
                "next run asks before it sends the statement again, and drops it then"
            )
        return ""
    if error.code == TABLE_ALREADY_EXISTS:
        return ""
    rows = yield from ask(
        "SELECT count() FROM system.tables WHERE database = unhex({db:String}) AND name = unhex({name:String})",
        {"db": hexed(making.database), "name": hexed(making.name)},
    )
    if not number(rows[0][0]):
        return ""
    return (
        f". {making.name} may be there with some of its rows. If so: DROP TABLE "
        f"{qualified(making.database, making.name)}. The next run asks before it sends the statement again"
    )


def _in_the_way(making: _Made, error: StatementError, times: int) -> str:
    if error.code != TABLE_ALREADY_EXISTS or times == 1:
        return ""
    return (
        f". It was sent before: if {making.name} is what that left, run DROP TABLE "
        f"{qualified(making.database, making.name)}, and then run again"
    )


def _drop_made(making: _Made, made: str) -> Routine[None]:
    """Drop the table that an earlier run of a statement made and did not fill, where it is still under its name."""
    there = yield from physical(making.database, making.name)
    if there is None or there.uuid != made:
        return
    yield from drop_table(making.database, making.name, sync=True)
    yield Emit(Note(f"{making.name} was dropped: the statement that makes and fills it had failed half-way"))


def _done_in_part(sql: str, error: StatementError, database: str) -> Routine[str]:
    """What to say where a statement that failed may have changed rows all the same; '' where it was refused as a
    whole."""
    # Whoever sends a statement a second time has to know that the first one changed nothing.
    words = _words(sql)
    first = words[0] if words else ""
    if first == "ALTER" and "UPDATE" in words and error.code not in _READING | ONCE:
        # The error of a mutation is told, and the mutation stays: it is tried again by itself, and changes the rows as
        # soon as it can. A second one would change them once more.
        return ". Its mutation is still there and may change the rows yet: the next run asks before it sends it again"
    half = ". Some of its rows may be there: the next run asks before it sends it again"
    if first not in ("INSERT", "WITH"):
        return ""
    if error.code not in _READING:
        return half
    if error.code in _BEFORE_ALL:
        return ""
    # Some functions, and the views that read the table, say the same in the middle of the rows, behind blocks that are
    # in the table already: of an INSERT of VALUES as well. What is refused for what it says is refused here, too; this
    # one carries nothing out.
    try:
        yield Command(f"EXPLAIN PIPELINE {sql}", settings=SETTINGS, database=database)
    except StatementError as again:
        return "" if again.code == error.code else half
    return half


def _words(sql: str) -> tuple[str, ...]:
    return tuple(token.text.upper() for token in Tokens(sql).items if token.kind == "word")
