"""The one query of a start that has nothing to do."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.functions import function_stamp
from aaiclick.catalog.read import MOST_NAMES
from aaiclick.clickhouse.names import RECORDS
from aaiclick.commands.inspection.digests import families_of, stamped
from aaiclick.plan.families import family_stamp
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.schema import Schema
from aaiclick.state.cache import CacheEntry, parse_cache


@dataclass(frozen=True, slots=True)
class Warm:
    """What the one query of a warm start saw."""

    database: str
    """Name of the database."""
    digest: str
    """Of the definitions of the declared objects and what they rest on."""
    entry: CacheEntry | None
    """What the cache says of the schema; None where it says nothing."""
    in_sync: bool
    """There is nothing to do, and nobody is on the way to or from another version."""
    present: int
    """How many of the declared objects are there."""
    overtaken: bool = False
    """There is nothing to do, and a newer version is on its way that this code may run beside."""
    at: int = 0
    """When it was asked; Unix seconds, by the server's clock; 0: nothing was there."""


def warm(schema: Schema, database: str | None) -> Routine[Warm]:
    """Ask for the definitions of what is declared and for the cache in the comment of ``schema_version``, in one query.

    The tables themselves are always looked at, because somebody may have dropped one. Nothing is locked or written.
    """
    where = "database = {database:String}" if database is not None else "database = currentDatabase()"
    wanted = [RECORDS, *(item.name for item in schema.objects)]
    parameters: dict[str, str | int] = {} if database is None else {"database": database}
    if len(wanted) <= MOST_NAMES:
        where += f" AND name IN ({', '.join(f'{{n{place}:String}}' for place in range(len(wanted)))})"
        parameters.update({f"n{place}": name for place, name in enumerate(wanted)})
    # The only statement that goes out without the settings of this library. The query cache would answer with the past.
    sql = (
        "SELECT name, create_table_query, comment, database, toUnixTimestamp(now()) FROM system.tables WHERE "
        f"{where} SETTINGS use_query_cache = 0"
    )
    rows = yield Query(sql, parameters, bare=True)
    declared = frozenset(wanted[1:])
    texts = {text(row[0]): text(row[1]) for row in rows if row[0] in declared}
    comment = next((text(row[2]) for row in rows if row[0] == RECORDS), "")
    entry = parse_cache(comment).get(schema.name)
    digest = stamped(
        text_digest(texts),
        (yield from family_stamp(families_of(schema), database)),
        (yield from function_stamp(schema.function_names)),
    )
    in_sync = entry is not None and (entry.version, entry.spec, entry.objects) == (
        schema.version,
        schema.fingerprint,
        digest,
    )
    at = number(rows[0][4]) if rows else 0
    in_sync = in_sync and (entry is None or entry.due is None or at < entry.due)
    running = entry.running if entry is not None else None
    overtaken = (
        in_sync
        and running is not None
        and schema.version is not None
        and running.to > schema.version
        and running.bears(schema.version)
    )
    return Warm(
        text(rows[0][3]) if rows else database or "",
        digest,
        entry,
        in_sync and running is None,
        len(texts),
        overtaken,
        at,
    )
