"""Sends the statements of a migration with a journal entry before and after each, so that none is sent twice unless
that is allowed."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.apply.script import SETTINGS
from aaiclick.clickhouse.statements import ONCE, send
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
from aaiclick.plan.operations import SqlWork
from aaiclick.routine import Command, Routine
from aaiclick.sql.tokens import Tokens
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
    work: SqlWork, scope: JournalScope, label: str, total: int, sent: Mapping[str, Sent]
) -> Routine[None]:
    """Send the remaining statements, with the scope's database as the current one. ``total``: how many the migration
    has; ``sent``: those that earlier runs have begun, by their keys.

    Raises ApplyError that names the migration and the statement. A statement that failed half-way through its rows is
    not sent again by itself.
    """
    first = total - len(work.statements) + 1
    for place, sql in enumerate(work.statements, first):
        key = f"{work.migration}:sql:{place}"
        # Before it is sent: what may have been sent is never sent again without being allowed.
        times = sent[key].times + 1 if key in sent else 1
        yield from enter_statement(scope, key, times)
        try:
            # Not repeated after TOO_MANY_PARTS: an INSERT meets it after its first blocks, too.
            yield from send(Command(sql, settings=SETTINGS, database=scope.database, long=True), ONCE)
        # The entry stays as it is, so the next run asks whether the statement happened.
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            part = yield from _done_in_part(sql, error, scope.database)
            if not part:
                # Refused as a whole: the next run sends it again without asking.
                yield from enter_refusal(scope, key, str(error), times)
            raise ApplyError(f"statement {place} of {label}: {error}{part}") from error
        # A kill right before this leaves an entry that was begun and not ended. Nobody can tell whether the statement
        # was carried out, so the next run does not send it without being allowed to.
        yield from enter_end(scope, key)


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
