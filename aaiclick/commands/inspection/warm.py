"""The warm start: the one query of a start that has nothing to do. On a cluster there is a second one, to the table
that all hosts share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.read import MOST_NAMES
from aaiclick.catalog.server_objects.stamps import server_stamps
from aaiclick.clickhouse.names import GUARD, NOTES, RECORDS
from aaiclick.clickhouse.shared.bookkeeping import HOME_PREFIX, home_beside
from aaiclick.clickhouse.shared.tables import KEEPER_PATH
from aaiclick.commands.inspection.digests import families_of, migrations_digest, stamped
from aaiclick.errors import StatementError
from aaiclick.plan.families import family_stamp
from aaiclick.routine import Query, Routine, Row, number, text
from aaiclick.specs.schema import Schema
from aaiclick.sql.quoting import qualified, quote_string
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
    shared: bool = False
    """All hosts of a cluster share what is recorded here."""
    migrations: str = ""
    """Digest of the migrations of the code."""
    more: bool = False
    """What the policy allows by name, and nothing requires, may be there."""


def warm(schema: Schema, database: str | None, keys: Collection[str] = ()) -> Routine[Warm]:
    """Ask for the definitions of what is declared and for the cache in the comment of ``schema_version``, in one query.
    On a cluster the cache is a note, which is asked for in a second one. ``keys``: what is allowed by name; whether
    something optional is there that they are about is found out on the way.

    The tables themselves are always looked at, because somebody may have dropped one. Nothing is locked or written.
    """
    # Which of the two is the right one only the answer tells: a question before it would double what a start costs.
    where = f"(database = currentDatabase() OR startsWith(database, '{HOME_PREFIX}'))"
    wanted = names_wanted(schema, keys)
    parameters: dict[str, str | int] = {}
    if database is not None:
        where = "database IN ({database:String}, {home:String})"
        parameters.update({"database": database, "home": home_beside(database)})
    # More names than that make too long a question: then all tables of the database are read.
    if len(wanted) <= MOST_NAMES:
        where += f" AND name IN ({', '.join(f'{{n{place}:String}}' for place in range(len(wanted)))})"
        parameters.update({f"n{place}": name for place, name in enumerate(wanted)})
    rows = yield warm_query(where, parameters)
    own = [row for row in rows if not text(row[3]).startswith(HOME_PREFIX)]
    found = text(own[0][3]) if own else database or ""
    comment = next((text(row[2]) for row in own if row[0] == RECORDS), "")
    homes = {text(row[3]) for row in rows if row[0] == RECORDS and is_shared(text(row[1]))}
    # Where no database is named, the homes of all databases were asked for: only that of this one counts.
    homes &= {found, home_beside(found)}
    for home in homes:
        comment = yield from _noted(home)
    families = yield from family_stamp(families_of(schema), database)
    stamps = yield from server_stamps(schema, database)
    written = migrations_digest(schema)
    answer = seen(schema, found, own, comment, (families, *stamps), migrations=written, shared=bool(homes), keys=keys)
    if keys and not answer.more:
        from aaiclick.commands.inspection.standing_keys import collection_left

        return replace(answer, more=(yield from collection_left(schema, keys)))
    return answer


def is_cached(schema: Schema, cache: Mapping[str, CacheEntry]) -> bool:
    """Whether the cache is of this version and declaration: without that no look finds that all is done."""
    entry = cache.get(schema.name)
    return entry is not None and (entry.version, entry.spec) == (schema.version, schema.fingerprint)


def names_wanted(schema: Schema, keys: Collection[str]) -> list[str]:
    """What is asked for by name: what is declared, and what these keys may be about."""
    wanted = [RECORDS, *(item.name for item in schema.objects)]
    if keys:
        from aaiclick.commands.inspection.standing_keys import named_in

        wanted += sorted(named_in(keys).difference(wanted))
    return wanted


def warm_query(where: str, parameters: Mapping[str, str | int]) -> Query:
    """The question of a warm start: name, definition, comment and database of tables, and the server's clock.

    The only statement that goes out without the settings of this library. The query cache would answer with the past.
    """
    sql = (
        "SELECT name, create_table_query, comment, database, toUnixTimestamp(now()) FROM system.tables WHERE "
        f"{where} SETTINGS use_query_cache = 0"
    )
    return Query(sql, parameters, bare=True)


def seen(
    schema: Schema,
    database: str,
    rows: Sequence[Row],
    comment: str,
    stamps: tuple[str, ...] = (),
    *,
    migrations: str,
    shared: bool = False,
    keys: Collection[str] = (),
) -> Warm:
    """What the answer says of one database. ``rows`` are its own, ``comment`` holds the cache, ``stamps`` are of what
    is no definition, ``migrations`` is the digest of those of the code, ``keys`` are allowed by name."""
    declared = frozenset(item.name for item in schema.objects)
    texts = {text(row[0]): text(row[1]) for row in rows if row[0] in declared}
    entry = parse_cache(comment).get(schema.name)
    digest = stamped(text_digest(texts, replicas=shared), *stamps)
    in_sync = entry is not None and (entry.version, entry.spec, entry.objects, entry.migrations) == (
        schema.version,
        schema.fingerprint,
        digest,
        migrations,
    )
    # What an earlier release wrote says nothing of a newer version that is under way: the journal has to be read.
    in_sync = in_sync and entry is not None and entry.whole
    # A constraint that a run left: of code that does not know such, an earlier release may have recorded it as well.
    in_sync = in_sync and not any(GUARD in sql for sql in texts.values())
    at = number(rows[0][4]) if rows else 0
    # Something expires, such as a kept table: it is dropped under the lease.
    in_sync = in_sync and (entry is None or entry.due is None or at < entry.due)
    # A newer version may be under way that has not touched yet what this code declares: the mark alone tells.
    running = entry.running if entry is not None else None
    overtaken = (
        in_sync
        and running is not None
        and schema.version is not None
        and running.to > schema.version
        and running.bears(schema.version)
    )
    more = False
    if keys:
        from aaiclick.commands.inspection.standing_keys import something_left

        more = something_left(schema, keys, {text(row[0]): text(row[1]) for row in rows})
    return Warm(
        database, digest, entry, in_sync and running is None, len(texts), overtaken, at, shared, migrations, more
    )


def is_shared(definition: str) -> bool:
    """Whether a table of the library is one that all hosts of a cluster share, by its definition."""
    return f"MergeTree('{KEEPER_PATH}/" in definition


def _noted(home: str) -> Routine[str]:
    """The cache, as the host that is asked shows it; '' where it does not show what others have written. Where it has
    no session with Keeper nobody else could have recorded anything with it: its own last state counts then."""
    table = f"{quote_string(home)} AND table = {quote_string(NOTES)}"
    knows = (
        f"SELECT count() FROM system.replicas WHERE database = {table} AND (is_readonly OR is_session_expired OR "
        "(log_pointer > log_max_index AND inserts_in_queue = 0))"
    )
    last = f"SELECT argMax(hex(body), seq) FROM {qualified(home, NOTES)} WHERE name = {quote_string(RECORDS)}"
    try:
        rows = yield Query(f"SELECT ({knows}), ({last}) SETTINGS use_query_cache = 0", bare=True)
    except StatementError:
        return ""
    return bytes.fromhex(text(rows[0][1])).decode("utf-8", "replace") if number(rows[0][0]) else ""
