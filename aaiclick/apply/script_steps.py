"""The statements of a migration, one by one, each of them entered before and after: none is sent twice without somebody saying so."""

from __future__ import annotations

from aaiclick.apply.script import SETTINGS
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.operations import SqlWork
from aaiclick.routine import Command, Routine
from aaiclick.server.statements import ONCE, send
from aaiclick.state.ledger import JournalScope, begin, finish, refuse

# Said while a statement is read, before it does anything: syntax, unknown names, types, rights.
_READING = frozenset({10, 16, 20, 35, 36, 42, 43, 44, 46, 47, 48, 53, 57, 60, 62, 63, 80, 81, 115, 164, 179, 184, 215, 386, 497, 524})


def run_statements(work: SqlWork, scope: JournalScope, label: str, total: int) -> Routine[None]:
    """Send those that are left, with the scope's database as the current one. ``total``: how many the migration has.

    Raises ApplyError naming the migration and the statement. One that failed half-way through its rows is not sent again by itself.
    """
    first = total - len(work.statements) + 1
    for place, sql in enumerate(work.statements, first):
        key = f"{work.migration}:sql:{place}"
        yield from begin(scope, key)
        try:
            yield from send(Command(sql, settings=SETTINGS, database=scope.database, long=True), ONCE)
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            whole = error.code in _READING or not _writes_rows(sql)
            if whole:
                yield from refuse(scope, key, str(error))
            half = "" if whole else ". Some of its rows may be there: the next run asks before it sends it again"
            raise ApplyError(f"statement {place} of {label}: {error}{half}") from error
        yield from finish(scope, key)


def _writes_rows(sql: str) -> bool:
    return sql.lstrip().split(None, 1)[0].upper() in ("INSERT", "WITH")
