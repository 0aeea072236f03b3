"""Reads the live database with one query."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import cast

from aaiclick.catalog.cross_check import ColumnFacts, KeyFacts, cross_check
from aaiclick.catalog.forms import Catalog, Form, ListedView, LiveObject, ServerFacts, UnsupportedForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.permissive import PERMITTING
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Query, Routine, Row, number, text
from aaiclick.sql.hex_text import hexed, hexed_list
from aaiclick.sql.quoting import sendable

NIL_UUID = "00000000-0000-0000-0000-000000000000"
REPLICATED_DATABASES = frozenset({"Replicated", "Shared"})
# A longer list of names no longer fits well into one parameter: then everything is read.
MOST_NAMES = 500

# Each branch yields: kind, name, engine, text, keys, columns, uuid, data paths, dependents, rows, bytes, parts. The
# columns are a branch of their own: a join takes the server longer to analyse than everything else here together takes
# to read.
_SERVER = """
SELECT 'server', version(), currentUser(), currentDatabase(), timezone(), '', '', '', '', toInt64(0), toInt64(0), toInt64(0)"""  # noqa: E501
_DATABASE = """
SELECT 'database', name, engine, engine_full, comment, '', '', '', '', toInt64(0), toInt64(0), toInt64(0)
FROM system.databases WHERE name = {where}"""
_COLUMNS = """
SELECT 'column', table, name, type, toString(default_kind), '', '', '', '', toInt64(position), toInt64(0), toInt64(0)
FROM system.columns WHERE database = {where} AND {column_filter}"""
_TABLES = """
SELECT 'object', t.name, t.engine, t.create_table_query, toJSONString([t.sorting_key, t.primary_key, t.partition_key, t.sampling_key]), '',
    toString(t.uuid), toJSONString(t.data_paths),
    toJSONString(arrayConcat(
        arrayMap((d, n) -> [d, n], t.dependencies_database, t.dependencies_table),
        arrayMap((d, n) -> [d, n], t.loading_dependent_database, t.loading_dependent_table))),
    toInt64(ifNull(t.total_rows, 0)), toInt64(ifNull(t.total_bytes, 0)), toInt64(ifNull(t.active_parts, 0))
FROM system.tables AS t
WHERE t.database = {where} AND {table_filter}"""  # noqa: E501
VIEWS = """
SELECT 'view', name, engine,
    if(engine = 'Alias', engine_full, as_select), '', '', '', '', '', toInt64(0), toInt64(0), toInt64(0)
FROM system.tables WHERE database = {where} AND engine IN ('View', 'MaterializedView', 'Alias')"""
"""For ``Catalog.views``. Each definition costs the server half a millisecond: for plans of tables that change."""
SETTINGS = f"""
SELECT 'setting', name, '', '', '', '', '', '', '', toInt64(0), toInt64(0), toInt64(0)
FROM system.settings WHERE {PERMITTING}"""
"""For ``Catalog.permissive``, where scratch is on the server that has the tables."""
_GIVEN_DATABASE = "unhex({database:String})"
_GIVEN_NAMES = "has(arrayMap(x -> unhex(x), splitByChar(',', {{names:String}})), {column})"
_REPLICAS = "SELECT table, toInt64(total_replicas) FROM system.replicas WHERE database = unhex({database:String})"
_HOSTS = "SELECT toInt64(count()) FROM system.clusters WHERE cluster = unhex({database:String})"
_STORE = re.compile(r"/store/[0-9a-f]{3}/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")


def read_catalog(
    database: str | None = None, names: Sequence[str] | None = None, beside: Sequence[str] = ()
) -> Routine[Catalog]:
    """The server, and the objects of ``database`` (None: the current one): all, or only those called ``names``.
    ``beside``: ``VIEWS`` and ``SETTINGS``, as far as they are to be read as well.

    It is one query, and one more for a database or a table that is replicated. Raises ``UsageError`` where the
    database does not exist.
    """
    parameters: dict[str, str | int] = {}
    where, table_filter, column_filter = "currentDatabase()", "1", "1"
    if database is not None:
        where, parameters["database"] = _GIVEN_DATABASE, hexed(database)
    # A longer list may not fit into the URL that carries it: then all objects are read, and the names found here.
    if names is not None and len(names) <= MOST_NAMES:
        # Names are bound as hexadecimal digits: not every client escapes a tab or a backslash in a bound string.
        parameters["names"] = hexed_list(names)
        table_filter, column_filter = (_GIVEN_NAMES.format(column=column) for column in ("t.name", "table"))
    places = {"where": where, "table_filter": table_filter, "column_filter": column_filter}
    wanted_branches = (_DATABASE,) if names is not None and not names else (_DATABASE, _TABLES, _COLUMNS)
    # One statement is one round trip, however many objects there are.
    sql = " UNION ALL ".join([_SERVER, *(_filled(branch, places) for branch in (*wanted_branches, *beside))])
    rows = yield Query(sql, parameters)
    server = next(_server(row) for row in rows if row[0] == "server")
    found = next((row for row in rows if row[0] == "database"), None)
    if found is None:
        missing = database if database is not None else server.current_database
        raise UsageError(f"database {missing} does not exist. Create it first, or name another one")
    wanted = None if names is None else frozenset(names)
    columns = _columns_by_table(rows)
    # The query without a filter reads all names, of which only those asked for count.
    objects = [row for row in rows if row[0] == "object" and (wanted is None or text(row[1]) in wanted)]
    live = [_object(text(found[1]), row, columns.get(text(row[1]))) for row in objects]
    # Only then: ``system.replicas`` asks Keeper, which a server without replicas may not have.
    if any(entry.engine.startswith("Replicated") for entry in live):
        live = yield from _with_replicas(text(found[1]), live)
    replicas = (
        (yield from _database_replicas(text(found[1]), text(found[2]))) if text(found[2]) in REPLICATED_DATABASES else 0
    )
    return Catalog(
        text(found[1]),
        text(found[2]),
        server,
        {entry.name: entry for entry in sorted(live, key=lambda entry: entry.name)},
        replicas,
        text(found[3]),
        text(found[4]),
        views=_views(rows) if VIEWS in beside else None,
        permissive={text(row[1]): 1 for row in rows if row[0] == "setting"} if SETTINGS in beside else None,
    )


def server_facts() -> Routine[ServerFacts]:
    """The server alone."""
    rows = yield Query(_SERVER.strip())
    return _server(rows[0])


def version_numbers(version: str) -> tuple[int, ...]:
    """``26.9.2.1`` as numbers, without a suffix such as ``-lts``."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:4])


def _filled(sql: str, places: dict[str, str]) -> str:
    """Our own fragments put in; ``{database:String}`` stays for the server to bind."""
    for name, fragment in places.items():
        sql = sql.replace("{" + name + "}", fragment)
    return sql


def _server(row: Row) -> ServerFacts:
    version = text(row[1])
    return ServerFacts(
        version_numbers(version), version, current_database=text(row[3]), user=text(row[2]), timezone=text(row[4])
    )


def _columns_by_table(rows: Sequence[Row]) -> dict[str, list[ColumnFacts]]:
    placed: dict[str, list[tuple[int, ColumnFacts]]] = {}
    for row in rows:
        if row[0] == "column":
            placed.setdefault(text(row[1]), []).append(
                (number(row[9]), ColumnFacts(text(row[2]), sendable(text(row[3])), text(row[4])))
            )
    return {
        table: [facts for _, facts in sorted(listed, key=lambda entry: entry[0])] for table, listed in placed.items()
    }


def _views(rows: Sequence[Row]) -> tuple[ListedView, ...]:
    return tuple(
        sorted(ListedView(text(row[1]), text(row[2]), sendable(text(row[3]))) for row in rows if row[0] == "view")
    )


def _object(database: str, row: Row, columns: list[ColumnFacts] | None) -> LiveObject:
    name, engine, definition = text(row[1]), text(row[2]), sendable(text(row[3]))
    return LiveObject(
        database=database,
        name=name,
        form=_form(database, name, row, columns),
        text=definition,
        engine=engine,
        uuid=real_uuid(text(row[6]), " ".join(_strings(text(row[7])))),
        rows=number(row[9]),
        bytes=number(row[10]),
        parts=number(row[11]),
        dependents=tuple(sorted({".".join(pair) for pair in _lists(text(row[8]))})),
        # A Shared table is meant to be used by several replicas, and no system table counts them.
        replicas=2 if engine.startswith("Shared") else 0,
    )


def _form(database: str, name: str, row: Row, columns: list[ColumnFacts] | None) -> Form:
    definition = text(row[3])
    form = split_create(definition, database)
    if isinstance(form, UnsupportedForm):
        return dataclasses.replace(form, name=name)
    # Then the text was not understood as the server means it, and nothing that was read in it counts.
    if form.name != name:
        return UnsupportedForm(name, f"its definition names another object, {form.name}", definition)
    reason = cross_check(form, KeyFacts(*map(sendable, _strings(text(row[4])))), columns)
    return UnsupportedForm(name, reason, definition) if reason else form


def real_uuid(shown: str, data_paths: str) -> str:
    """The UUID of a storage; '' where it has none. In chdb the database ``default`` shows a nil one; the real one is in
    the data path."""
    if shown and shown != NIL_UUID:
        return shown
    found = _STORE.search(data_paths)
    return found.group(1) if found else ""


def _with_replicas(database: str, live: list[LiveObject]) -> Routine[list[LiveObject]]:
    rows = yield Query(_REPLICAS, {"database": hexed(database)})
    counts = {text(row[0]): number(row[1]) for row in rows}
    return [dataclasses.replace(entry, replicas=counts.get(entry.name, entry.replicas)) for entry in live]


def _database_replicas(database: str, engine: str) -> Routine[int]:
    """Replicas of a Replicated database: it is a cluster of its own name, as long as Keeper answers. -1 where nothing
    tells."""
    if engine != "Replicated":
        return -1
    try:
        rows = yield Query(_HOSTS, {"database": hexed(database)})
    except StatementError:
        return -1
    # No row: its cluster is listed only while Keeper answers, and that is not the same as one replica.
    return number(rows[0][0]) or -1


def _strings(encoded: str) -> list[str]:
    return cast("list[str]", json.loads(encoded)) if encoded else []


def _lists(encoded: str) -> list[list[str]]:
    return cast("list[list[str]]", json.loads(encoded)) if encoded else []
