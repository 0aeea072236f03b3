"""The table ``schema_version``: what was done to the schemas of a database, one row per transition, append-only.

``seq`` orders the rows: it is counted by the server, because its clock may be set back. Rows are written under the
lease, so no two writers count at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from aaiclick.clickhouse.messages import in_the_way
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping, read_ready, write_line
from aaiclick.clickhouse.shared.tables import SharedTable
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Routine, Row, Scalar, number, text
from aaiclick.sql.ddl import create_table
from aaiclick.sql.hex_text import hex_literal, hexed, size_setting, unhexed
from aaiclick.sql.quoting import qualified, quote_string
from aaiclick.state.record import Claim, Record, Space, State

_COLUMNS = (
    ("seq", "UInt64", "counts the transitions of this database"),
    ("schema", "LowCardinality(String)", "name of the declared schema"),
    ("version", "Nullable(UInt32)", "version after the transition; NULL: developed without versions"),
    ("from_version", "Nullable(UInt32)", "version before it; NULL: none was recorded"),
    ("state", "LowCardinality(String)", "applied, adopted, rolled back, or failed"),
    ("spec", "String", "fingerprint of the declaration"),
    ("objects", "String", "digest of the live objects after the transition"),
    ("forms", "String CODEC(ZSTD(3))", "canonical form of each object, JSON"),
    ("plan", "String CODEC(ZSTD(3))", "the plan that was carried out, JSON"),
    ("migrations", "String", "checksum of the migrations"),
    ("oldest_code", "Nullable(UInt32)", "oldest version of the code that can run on the result"),
    ("who", "String", "user@host pid"),
    ("seconds", "Float64", "how long it took"),
    ("library", "LowCardinality(String)", "version of aaiclick"),
    ("server", "LowCardinality(String)", "version of the server"),
    ("at", "DateTime64(3, 'UTC')", "when it ended, by the server's clock"),
)


def _commented(kind: str, comment: str) -> str:
    base, codec, name = kind.partition(" CODEC")
    return f"{base} COMMENT {quote_string(comment)}{codec}{name}"


TABLE = SharedTable(
    RECORDS,
    ", ".join(f"`{name}` {_commented(kind, comment)}" for name, kind, comment in _COLUMNS),
    "ORDER BY (schema, seq)",
    names=tuple(name for name, _, _ in _COLUMNS),
)
_READ = (
    "schema, version, state, spec, objects, forms, plan, who, seconds, library, migrations, oldest_code, "
    "from_version, server, seq, toUnixTimestamp64Milli(at)"
)

_OPENS = "state = 'rolled back' OR (state = 'adopted' AND JSONHas(plan, 'adopted'))"
"""A version that was recognised is recorded as adopted as well, without a plan."""
_SPACE = (
    "multiIf(JSONHas(form.2, 'collection_keys'), 'named collection', JSONHas(form.2, 'database_engine'), 'database', "
    "JSONHas(form.2, 'text') AND NOT JSONHas(form.2, 'reason'), 'function', '')"
)
"""A form leaves out what has its default, such as the kind, so the fields that it must have tell it."""
# A window over all rows that the WHERE lets through is worked out before ORDER BY and LIMIT: one row comes, with the
# highest number of all.
_GENERATION = f"maxIf(seq, {_OPENS}) OVER ()"


def ensure_tables(database: str) -> Routine[None]:
    """Make the table where it is missing. On a cluster whoever has the lease has made it (``open_tables``)."""
    if (yield from read_bookkeeping(database)).shared:
        return
    table = qualified(database, RECORDS)
    yield Command(create_table(table, TABLE.columns, f"ENGINE = MergeTree {TABLE.tail}", if_not_exists=True))


def read_latest(database: str, schema: str) -> Routine[Record | None]:
    """The transition that the schema's present version comes from; None where there is none, or no table.

    Failed ones are passed over. Raises UnsupportedObjectError where ``schema_version`` is somebody else's table.
    """
    records = yield from _select(
        database,
        "schema = unhex({schema:String}) AND state != 'failed'",
        {"schema": hexed(schema)},
        "DESC LIMIT 1",
        _GENERATION,
    )
    return records[0] if records else None


def read_numbered(database: str, schema: str) -> Routine[Record | None]:
    """The last transition to a version: what code without a version (``version=None``) recorded later is passed over.
    None where there is none."""
    records = yield from _select(
        database,
        "schema = unhex({schema:String}) AND state != 'failed' AND version IS NOT NULL",
        {"schema": hexed(schema)},
        "DESC LIMIT 1",
    )
    return records[0] if records else None


def read_records(database: str, schema: str) -> Routine[tuple[Record | None, tuple[Claim, ...]]]:
    """In one question what ``read_latest`` reads, every object that some version of the schema had here, and which
    schemas hold which by their last record. The server takes the names out of the forms."""
    books = yield from read_bookkeeping(database)
    yield from read_ready(books, RECORDS)
    table = qualified(books.home, RECORDS)
    own = "schema = unhex({schema:String})"
    latest = (
        f"SELECT {_READ}, {_GENERATION} AS generation FROM {table} WHERE {own} AND state != 'failed' ORDER BY seq "
        "DESC LIMIT 1"
    )
    newest, version = (f"{what} OVER (PARTITION BY schema)" for what in ("max(seq)", "argMax(version, seq)"))
    forms = (
        f"SELECT schema, seq, {newest} AS newest, {version} AS last_version, "
        f"JSONExtractKeysAndValuesRaw(forms) AS found FROM {table}"
    )
    # All forms of a record are read once: read anew for each name they would be copied as often.
    names = (
        f"SELECT schema, seq, newest, last_version, arrayJoin(found) AS form, form.1 AS name, {_SPACE} AS space FROM "
        f"({forms} WHERE state != 'failed' AND forms != '')"
    )
    # As many columns as a record has, so that both come in one answer.
    held = (
        "SELECT 'name', hex(schema), any(last_version), hex(name), space, '', '', '', '', toFloat64(0), '', '', NULL, "
        "NULL, '', min(seq), toInt64(0), toUInt64(max(seq) = newest) "
        f"FROM ({names}) GROUP BY schema, name, space, newest HAVING max(seq) = newest OR {own}"
    )
    try:
        rows = yield Query(f"SELECT 'record', * FROM ({latest}) UNION ALL {held}", {"schema": hexed(schema)})
    except StatementError as error:
        # Before the first migration there is no table, and that is no error. A shared one was seen a moment ago:
        # without it nothing can be said about what is recorded.
        if error.code == UNKNOWN_TABLE and not books.shared:
            return None, ()
        raise in_the_way(database, RECORDS, error) from error
    records = [_record(row[1:]) for row in rows if row[0] == "record"]
    claims = (_claim(row) for row in rows if row[0] == "name")
    return (
        records[0] if records else None,
        tuple(sorted(claims, key=lambda claim: (claim.first, claim.schema, claim.name, claim.space))),
    )


def _claim(row: Row) -> Claim:
    schema, name = (unhexed(text(row[place])) for place in (1, 3))
    return Claim(schema, _optional(row[2]), name, cast("Space", text(row[4])), number(row[15]), bool(number(row[17])))


def all_records(database: str, schema: str | None = None) -> Routine[tuple[Record, ...]]:
    """All transitions of a schema (None: of every schema), oldest first; none where there is no table."""
    condition, parameters = (
        ("1", dict[str, "str | int"]())
        if schema is None
        else ("schema = unhex({schema:String})", {"schema": hexed(schema)})
    )
    return (yield from _select(database, condition, parameters, "ASC"))


def spent_keys(database: str, schema: str, keys: Mapping[str, tuple[str, str]]) -> Routine[frozenset[str]]:
    """Those keys of a policy that are about something that is over: a plan of the schema that was carried out asks for
    the key, or a version had the object with the part that it names (``('', '')``: only plans are looked at)."""
    if not keys:
        return frozenset()
    books = yield from read_bookkeeping(database)
    yield from read_ready(books, RECORDS)
    # In quotes, as the JSON has them: ``t.a`` must not be found in ``t.ab``.
    named = [(key, _json(key), name, f'"name":{_json(part)}') for key, (name, part) in sorted(keys.items())]
    listed = ", ".join(f"({', '.join(map(hex_literal, each))})" for each in named)
    rows = yield Query(
        f"SELECT DISTINCT hex(w.1) FROM {qualified(books.home, RECORDS)} ARRAY JOIN [{listed}] AS w WHERE schema = "
        "unhex({schema:String}) AND (position(plan, w.2) > 0 OR (w.3 != '' AND position(JSONExtractRaw(forms, w.3), "
        "w.4) > 0))",
        {"schema": hexed(schema)},
    )
    return frozenset(unhexed(text(row[0])) for row in rows)


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def append(
    database: str, record: Record, after: int | None = None, standing: Mapping[str, str] | None = None
) -> Routine[None]:
    """Write one transition; ``seq``, ``at`` and ``server`` are the server's own. Only under the lease.

    ``after``: ``seq`` of the schema's last record as this run has read it (0: none). Where another one is there by now
    the run has lost its lease without knowing, and nothing is written. ``standing``: tables by name, with their
    storages, that have to be there still: else nothing is written.
    """
    books = yield from read_bookkeeping(database)
    table = qualified(books.home, RECORDS)
    values = (
        # Of an empty table an aggregate still gives one row, so the first record gets 1. A HAVING that does not hold
        # gives none, and nothing is written.
        "max(seq) + 1",
        "unhex({schema:String})",
        _nullable(record.version),
        _nullable(record.from_version),
        "unhex({state:String})",
        "unhex({spec:String})",
        "unhex({objects:String})",
        hex_literal(record.forms),
        hex_literal(record.plan),
        "unhex({migrations:String})",
        _nullable(record.oldest_code),
        "unhex({who:String})",
        "toFloat64({seconds:String})",
        "unhex({library:String})",
        "version()",
        # By the server's clock: a rollback compares it with the times of kept tables, and clocks of applications
        # differ.
        "now64(3, 'UTC')",
    )
    names = ", ".join(name for name, _, _ in _COLUMNS)
    # Asked by the INSERT itself: between a look and the INSERT another run could write a record.
    newest = (
        ""
        if after is None
        else f" HAVING maxIf(seq, schema = unhex({{schema:String}}) AND state != 'failed') = {after}"
    )
    if newest and standing:
        newest += f" AND {_there(database, standing)}"
    # One statement reads the highest number and writes the next one, and only the holder of the lease sends it: no two
    # records get one number.
    sql = f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM {table}{newest}"
    parameters: dict[str, str | int] = {
        "schema": hexed(record.schema),
        "state": hexed(record.state),
        "spec": hexed(record.spec),
        "objects": hexed(record.objects),
        "migrations": hexed(record.migrations),
        "who": hexed(record.who),
        "seconds": repr(record.seconds),
        "library": hexed(record.library),
    }
    try:
        yield from write_line(books, Command(sql, parameters, size_setting(sql)), RECORDS)
    except StatementError as error:
        raise in_the_way(database, RECORDS, error) from error


def _there(database: str, standing: Mapping[str, str]) -> str:
    """Whether each table holds that storage at the moment of the statement."""
    pairs = ", ".join(f"({hex_literal(name)}, {quote_string(uuid)})" for name, uuid in sorted(standing.items()))
    # The embedded engine shows nil UUIDs in its own database: there the path of the data tells.
    # Asked within the INSERT: a table that is exchanged behind the last look leaves no record of what it was.
    same = "(toString(uuid) = x.2 OR position(arrayStringConcat(data_paths, ' '), x.2) > 0)"
    return (
        f"(SELECT count() FROM system.tables WHERE database = {hex_literal(database)} AND "
        f"arrayExists(x -> name = x.1 AND {same}, [{pairs}])) = {len(standing)}"
    )


def _select(
    database: str, condition: str, parameters: Mapping[str, str | int], order: str, generation: str = "0"
) -> Routine[tuple[Record, ...]]:
    books = yield from read_bookkeeping(database)
    yield from read_ready(books, RECORDS)
    table = qualified(books.home, RECORDS)
    try:
        rows = yield Query(
            f"SELECT {_READ}, {generation} FROM {table} WHERE {condition} ORDER BY seq {order}", parameters
        )
    except StatementError as error:
        if error.code == UNKNOWN_TABLE and not books.shared:
            return ()
        raise in_the_way(database, RECORDS, error) from error
    return tuple(_record(row) for row in rows)


def _record(row: Row) -> Record:
    (
        schema,
        version,
        state,
        spec,
        objects,
        forms,
        plan,
        who,
        seconds,
        library,
        migrations,
        oldest_code,
        from_version,
        server,
        seq,
        at,
        generation,
    ) = row
    return Record(
        schema=text(schema),
        version=_optional(version),
        state=cast("State", text(state)),
        spec=text(spec),
        objects=text(objects),
        forms=text(forms),
        plan=text(plan),
        who=text(who),
        seconds=float(seconds or 0),
        library=text(library),
        migrations=text(migrations),
        oldest_code=_optional(oldest_code),
        from_version=_optional(from_version),
        server=text(server),
        seq=number(seq),
        at=number(at),
        generation=number(generation),
    )


def _nullable(value: int | None) -> str:
    return "NULL" if value is None else str(int(value))


def _optional(value: Scalar) -> int | None:
    return None if value is None else int(value)
