"""The statements of a migration, and those of its function, on the hosts of a cluster: definitions go to all of them,
what changes rows is sent once to the host that is connected to, after that has fetched what the others wrote."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.everywhere import everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.messages import shortened
from aaiclick.clickhouse.statements import Sent, ask, merged, send
from aaiclick.errors import ApplyError, StatementError
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Routine, Rows, flag, text
from aaiclick.sql.ddl import system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.sql.statement_kinds import statement_kind, target_of

# SYSTEM SYNC REPLICA waits as long as this setting says.
_SECONDS: dict[str, str | int] = {"receive_timeout": 60}


def spread_script(work: Routine[None], statements: tuple[str, ...], database: str, reach: Reach) -> Routine[None]:
    """Carry out a routine that sends these statements. Raises ApplyError where the host does not fetch what others
    have written."""
    once = frozenset(sql for sql in statements if statement_kind(sql) == "rows")
    every_block: Sent = {}
    if once:
        # Before the first statement: an INSERT SELECT or an UPDATE sees the rows of this host alone.
        yield from _come_by(database)
        every_block = yield from _every_block()

    def carry(effect: Effect) -> Routine[Rows]:
        if isinstance(effect, Command) and effect.sql in once:
            # By the log of the table: through the DDL queue it could be carried out twice.
            return (yield replace(effect, settings=merged(every_block, effect.settings)))
        return (yield from everywhere(_only(effect), reach))

    yield from relayed(work, carry)


def spread_function(work: Routine[None], database: str, reach: Reach) -> Routine[None]:
    """Carry out a routine that calls the function of a migration. A statement of which nobody can tell what it does on
    each host is refused, and the function gets the error.

    Raises ApplyError where the host does not fetch what others have written: a run that was killed on another host
    may have moved rows there.
    """
    yield from _come_by(database)
    every_block = yield from _every_block()

    def carry(effect: Effect) -> Routine[Rows]:
        # What the function sends may take long. Nothing else of this routine does: the journal has its own way.
        if not (isinstance(effect, Command) and effect.long):
            return (yield effect)
        kind = statement_kind(effect.sql)
        if kind == "definition":
            return (yield from everywhere(_only(effect), reach))
        why = "what it does on each host cannot be told" if not kind else (yield from _astray(effect.sql, database))
        if why:
            raise ApplyError(f"{shortened(effect.sql)}: {why}. It was not sent: do it by hand, on all hosts")
        # One that says itself what counts as a repetition is sent as it stands.
        # A function may repeat an INSERT after an error of its own, and count on it that the server takes it once.
        own = any(name.startswith("insert_dedup") or name in every_block for name in effect.settings)
        return (yield effect if own else replace(effect, settings=merged(every_block, effect.settings)))

    yield from relayed(work, carry)


def _astray(sql: str, database: str) -> Routine[str]:
    """Why the rows that a statement changes may not reach the other hosts; '' where they do."""
    name = target_of(sql, database)
    rows = yield from ask(
        "SELECT engine LIKE 'Replicated%' FROM system.tables WHERE database = unhex({db:String}) AND name = "
        "unhex({name:String})",
        {"db": hexed(database), "name": hexed(name)},
    )
    if rows and flag(rows[0][0]):
        return ""
    return "the table that it changes is no replicated one of this database, and other hosts may not get its rows"


def _every_block() -> Routine[Sent]:
    """Settings by which a replicated table takes rows that equal those of an earlier INSERT: the statements are sent
    once, and a block that is dropped would be missed without a word."""
    wanted: Sent = {
        "insert_deduplicate": 0,
        "deduplicate_insert": "disable",
        "deduplicate_insert_select": "disable",
    }
    rows = yield from ask(
        "SELECT name FROM system.settings WHERE name IN ('insert_deduplicate', 'deduplicate_insert', "
        "'deduplicate_insert_select')"
    )
    known = {text(row[0]) for row in rows}
    return {name: value for name, value in wanted.items() if name in known}


def _only(effect: Effect) -> Routine[Rows]:
    return (yield effect)


def _come_by(database: str) -> Routine[None]:
    rows = yield from ask(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND engine LIKE 'Replicated%MergeTree' "
        "ORDER BY name",
        {"db": hexed(database)},
    )
    for (name,) in rows:
        sync = system("SYNC REPLICA", f"{qualified(database, text(name))} LIGHTWEIGHT")
        try:
            yield from send(Command(sync, settings=_SECONDS))
        except StatementError as error:
            raise ApplyError(
                f"{text(name)}: this host does not fetch what other hosts have written ({error.message}), and the "
                "statements of a migration would miss it. Nothing was sent. Run again when its replication works"
            ) from error
