"""Finds a storage by its UUID, whatever its name is now, and alters it only while the name still means it.

An ALTER names a table, and between a look at the name and the ALTER an operator may rename, drop or exchange it, or
this process may be paused until its successor has put another table there. A setting such as ``table_readonly`` carries
no name of whoever set it, so it must never reach another table. So the storage is marked with a constraint of a name of
its own first, and the ALTER that matters drops that constraint: on any other storage the server refuses the ALTER as a
whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aaiclick.catalog.read import NIL_UUID, real_uuid
from aaiclick.clickhouse.mutations import let_renames_end
from aaiclick.clickhouse.names import GUARD, PROBE_PREFIX, probe_table
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.statements import CREATE, ask, ddl, drop_table, send
from aaiclick.clickhouse.tables import Physical, physical
from aaiclick.error_codes import BAD_ARGUMENTS, NOT_ENOUGH_SPACE, TABLE_ALREADY_EXISTS, UNKNOWN_TABLE
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.routine import Command, Nonce, Query, Routine, number, text
from aaiclick.sql.clauses import add_constraint, drop_constraint
from aaiclick.sql.ddl import alter_table, alter_table_first, create
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_name, quote_string

AWAY = (("detached", "system.detached_tables"), ("dropped", "system.dropped_tables"))
"""What may have been done to a storage that has no name, and where the server lists such ones."""
_GUARD = re.compile(rf"{GUARD}[0-9a-z]+")
_LOOKS = 5
"""How often a storage is looked for that somebody renames at the same time."""
# A materialized view and an Alias have no rows of their own: the server shows the paths of the table behind them.
_BY_UUID = (
    "engine NOT IN ('Alias', 'MaterializedView') AND (toString(uuid) = {uuid:String} OR (database = unhex({db:String}) "
    f"AND toString(uuid) = '{NIL_UUID}' AND position(arrayStringConcat(data_paths, ' '), {{uuid:String}}) > 0))"
    # A table that only asks whether the UUID is free (``_is_held``) is no storage.
    f" AND NOT startsWith(name, '{PROBE_PREFIX}')"
)


def storage(database: str, uuid: str) -> Routine[Physical | None]:
    """The storage with this UUID under the name it has now, in any database; None where it is gone. In chdb's
    ``default`` database only the path of the data has the UUID."""
    # An empty text would be found in every path.
    if not uuid:
        return None
    rows = yield from ask(
        "SELECT database, name, toString(uuid), arrayStringConcat(data_paths, ' '), engine, engine_full, comment, "
        f"create_table_query FROM system.tables WHERE {_BY_UUID}"
        " ORDER BY database = unhex({db:String}) DESC LIMIT 1",
        {"uuid": uuid, "db": hexed(database)},
    )
    for place, name, own, paths, engine, definition, comment, created in rows:
        return Physical(
            text(place),
            text(name),
            real_uuid(text(own), text(paths)),
            text(engine),
            text(definition),
            text(comment),
            text(created),
        )
    return None


def away(database: str, uuid: str) -> Routine[str]:
    """How a storage that has no name now may come back: what was done to it, for a sentence. '' where it is gone for
    good, or where this server does not say. Only under the lease of the database, in which the question is put."""
    how = yield from listed_away(uuid)
    return how or ("taken away with its database" if (yield from _is_held(database, uuid)) else "")


def listed_away(uuid: str) -> Routine[str]:
    """What the server lists of it: 'detached' (ATTACH), or 'dropped' (UNDROP, for some minutes); '' where neither."""
    for how, listed in AWAY:
        # An older server has no such table, and some users may not read it.
        rows = yield from rows_or_refusal(
            Query(f"SELECT count() FROM {listed} WHERE toString(uuid) = {{uuid:String}}", {"uuid": uuid})
        )
        if rows and number(rows[0][0]):
            return how
    return ""


def _is_held(database: str, uuid: str) -> Routine[bool]:
    """Whether the server still has a storage with this UUID, under whatever name, or in a database that was detached as
    a whole and is listed nowhere.

    Such a UUID is given to no other table (57): neither while the server knows of it, nor while its directory is there.
    So where a table can be made with it, the storage is gone, and nothing can be taken from anybody.
    """
    nonce = text((yield Nonce(signed=True))[0][0])
    probe = probe_table(nonce)
    clauses = (f"UUID {quote_string(uuid)}", "(asks UInt8)", "ENGINE = MergeTree ORDER BY tuple()")
    try:
        yield from send(Command(create("TABLE", qualified(database, probe), *clauses), settings=CREATE))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        if error.code == NOT_ENOUGH_SPACE:
            raise
        # Any other refusal is no answer: a Replicated database lets nobody choose.
        return error.code == TABLE_ALREADY_EXISTS
    # SYNC: otherwise it would itself be listed as dropped for some minutes. Killed before it, the next run drops it.
    yield from drop_table(database, probe, sync=True)
    return False


def alter_storage(table: Physical, commands: Sequence[str]) -> Routine[None]:
    """Commands of one ALTER that reach this storage or none.

    Raises ApplyError where the name holds another table by now: that one is as it was.
    """
    # The server checks no row against ASSUME: this constraint is there for its name alone.
    guards = yield from add_guards(table, ("ASSUME 1",))
    target = qualified(table.database, table.name)
    try:
        yield from ddl(dropping_guards(alter_table(target, *commands, parentheses=True), table, guards))
    except StatementError as error:
        yield from raise_refused(table, guards, error)


def add_guards(table: Physical, bodies: Sequence[str]) -> Routine[tuple[str, ...]]:
    """Add constraints with these bodies to this storage; their names.

    Raises ApplyError where the name holds another table by now.
    """
    nonce = text((yield Nonce())[0][0])
    # A name of this run alone: an ALTER that drops it is refused on every table that does not have it.
    guards = tuple(f"{GUARD}{nonce}{f'n{place}' if place else ''}" for place in range(len(bodies)))
    added = [add_constraint(guard, body) for guard, body in zip(guards, bodies, strict=True)]
    try:
        yield from ddl(alter_table(qualified(table.database, table.name), *added, parentheses=True))
    except StatementError as error:
        if error.code != UNKNOWN_TABLE:
            raise
        raise _replaced(table) from error
    # The name may have changed hands just before the ALTER, and again just behind it: the constraints are taken off
    # whatever they are on.
    there = yield from physical(table.database, table.name)
    if there is None or there.uuid != table.uuid:
        yield from drop_guards(guards)
        raise _replaced(table)
    return guards


def raise_refused(table: Physical, guards: Sequence[str], error: StatementError) -> Routine[None]:
    """Raise the error of an ALTER that drops guards; ApplyError where it met another table, which is as it was, or
    where the guards have reached another one. They are dropped wherever they are."""
    # 36 is said where the constraint to drop is not there, so of another table; but also of a wrong ALTER of the right
    # one.
    if error.code not in (BAD_ARGUMENTS, UNKNOWN_TABLE):
        raise error
    # Only where this storage has the name, and has had the guards as well, was it the ALTER that was wrong.
    there = yield from physical(table.database, table.name)
    held = yield from drop_guards(guards)
    if there is not None and there.uuid == table.uuid and table.uuid in held:
        raise error
    raise _replaced(table) from error


def dropping_guards(sql: str, table: Physical, guards: Sequence[str]) -> str:
    """The ALTER, dropping the guards first: on any other storage the server refuses it as a whole."""
    return alter_table_first(sql, qualified(table.database, table.name), [drop_constraint(guard) for guard in guards])


def remove_guards(table: Physical) -> Routine[None]:
    """Drop guards that a killed run left in the definition of a storage, whatever it is called by then."""
    where, given = (_BY_UUID, {"uuid": table.uuid}) if table.uuid else _named(table)
    yield from _drop(GUARD, where, {"db": hexed(table.database), **given})


def drop_guards(guards: Sequence[str]) -> Routine[frozenset[str]]:
    """Drop the guards that were added by one ALTER, on whichever tables they are by now; the UUIDs of these storages.

    Their names are those of this run alone. Somebody may have exchanged the table away before the ALTER and back behind
    it, or made another one ``AS`` it.
    """
    return (yield from _drop(guards[0], "1", {})) if guards else frozenset()


def _named(table: Physical) -> tuple[str, dict[str, str]]:
    return "database = unhex({db:String}) AND name = unhex({name:String})", {"name": hexed(table.name)}


def _drop(beginning: str, where: str, given: dict[str, str]) -> Routine[frozenset[str]]:
    """Guards whose names begin so are dropped until a look finds none: a table may be renamed or exchanged between the
    look and the ALTER, which then changes nothing, since it drops what is there."""
    held: set[str] = set()
    for _ in range(_LOOKS):
        rows = yield from ask(
            "SELECT database, name, toString(uuid), arrayStringConcat(data_paths, ' '), create_table_query"
            " FROM system.tables WHERE endsWith(engine, 'MergeTree') AND "
            f"position(create_table_query, {{guard:String}}) > 0 AND ({where})",
            {"guard": beginning, **given},
        )
        if not rows:
            break
        for database, name, uuid, paths, definition in rows:
            held.add(real_uuid(text(uuid), text(paths)))
            guards = (guard for guard in _GUARD.findall(text(definition)) if guard.startswith(beginning))
            yield from _remove(text(database), text(name), tuple(dict.fromkeys(guards)))
    return frozenset(held)


def _remove(database: str, name: str, guards: Sequence[str]) -> Routine[None]:
    """The names are ours alone, so it does not matter which table has them."""
    yield from let_renames_end(database, name)
    for guard in guards:
        try:
            yield from ddl(alter_table(qualified(database, name), drop_constraint(quote_name(guard), if_exists=True)))
        except StatementError as error:
            if error.code != UNKNOWN_TABLE:
                raise


def _replaced(table: Physical) -> ApplyError:
    return ApplyError(
        f"{table.database}.{table.name} was renamed, dropped or replaced by somebody else meanwhile. Whatever has "
        "its name now is as it was"
    )


def require_in_place(table: Physical, error: Exception) -> Routine[None]:
    """Raise ApplyError, ``error`` behind it, where that came about because somebody else took the table away."""
    if isinstance(error, OutcomeUnknownError):
        return
    there = yield from physical(table.database, table.name)
    if there is not None and there.uuid == table.uuid:
        return
    now = yield from storage(table.database, table.uuid)
    what, where = "renamed", f"it is {now.database}.{now.name} now, as it was" if now is not None else ""
    if now is None:
        what = yield from away(table.database, table.uuid)
        where = "it can be brought back, and a start that finds it there gives it its settings back"
    if not what:
        what, where = "dropped", "its rows are not to be found"
    raise ApplyError(f"{table.name} was {what} by somebody else while it was rebuilt: {where}. Run again") from error
