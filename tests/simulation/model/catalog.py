"""What ``system.*`` shows, for the questions that the product asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

from aaiclick.clickhouse.names import PROBE_PREFIX
from aaiclick.routine import Rows
from tests.simulation.model.ddl import FENCE
from tests.simulation.model.reading import column_list, partition_key, sort_key
from tests.simulation.model.state import Server, Storage

Given = Mapping[str, "str | int"]
Asked = Callable[[Server, Given, str], Rows]
_IN_ORDER = attrgetter("first", "partition")
_PLENTY = 1_000_000_000_000
KNOWN_SETTINGS = frozenset({FENCE, "enable_block_number_column"})


def unhexed(value: object) -> str:
    return bytes.fromhex(str(value)).decode()


def bound(parameters: Given, name: str) -> str:
    """A bound name, in hexadecimal digits or as it is."""
    return unhexed(parameters[name])


def tables(server: Server, database: str) -> Iterator[tuple[str, Storage]]:
    yield from sorted(server.databases.get(database, {}).items())


def those(server: Server, database: str, wanted: set[str]) -> Iterator[tuple[str, Storage]]:
    """The tables with these names."""
    held = server.databases.get(database, {})
    yield from sorted((name, held[name]) for name in wanted if name in held)


def path(storage: Storage) -> str:
    return f"/store/{storage.uuid[:3]}/{storage.uuid}/" if storage.merge_tree else ""


def milliseconds(server: Server) -> int:
    return int(server.now * 1000)


def named(server: Server, parameters: Given) -> tuple[str, Storage | None]:
    """The table of the parameters ``db`` and ``name``."""
    database, name = bound(parameters, "db"), bound(parameters, "name")
    return database, server.find(database, name)


def warm(server: Server, given: Given, sql: str) -> Rows:
    database = str(given["database"])
    wanted = {str(value) for key, value in given.items() if key != "database"}
    return tuple(
        (name, each.definition(database, name), each.comment, database, int(server.now))
        for name, each in those(server, database, wanted)
    )


def whole(server: Server, given: Given, sql: str) -> Rows:
    """``read_catalog``: the server, the database, its tables and their columns."""
    if "database" not in given:
        return (("server", server.version, "default", "default", "Etc/UTC", "", "", "", "", 0, 0, 0),)
    database = bound(given, "database")
    names = {unhexed(each) for each in str(given["names"]).split(",")} if "names" in given else set()
    nothing = ("", "", "", "", "", "")
    rows: list[tuple[str | int, ...]] = [
        ("server", server.version, "default", "default", "Etc/UTC", "", "", "", "", 0, 0, 0)
    ]
    if database in server.databases:
        rows.append(("database", database, "Atomic", *nothing, 0, 0, 0))
    for name, each in tables(server, database):
        if name in names:
            keys = json.dumps([sort_key(each.clauses), sort_key(each.clauses), partition_key(each.clauses), ""])
            size = sum(500 + 8 * len(part.rows) for part in each.parts)
            paths = json.dumps([path(each)])
            facts = (each.count, size, len(each.parts)) if each.merge_tree else (0, 0, 0)
            rows.append(
                ("object", name, each.engine, each.definition(database, name), keys, "", each.uuid, paths, "[]", *facts)
            )
            rows += [
                ("column", name, column, kind, "", "", "", "", "", place, 0, 0)
                for place, (column, kind) in enumerate(column_list(each.columns), 1)
            ]
    return tuple(rows)


def physicals(server: Server, given: Given, sql: str) -> Rows:
    database = bound(given, "db")
    wanted = {unhexed(value) for key, value in given.items() if key != "db"}
    return tuple(
        (name, each.uuid, path(each), each.engine, each.engine_full, each.comment, each.definition(database, name))
        for name, each in those(server, database, wanted)
    )


def storage(server: Server, given: Given, sql: str) -> Rows:
    return tuple(
        (
            *(database, name, each.uuid, path(each), each.engine, each.engine_full, each.comment),
            each.definition(database, name),
        )
        for database in server.databases
        for name, each in tables(server, database)
        if each.uuid == given["uuid"] and not name.startswith(PROBE_PREFIX)
    )


def dropped(server: Server, given: Given, sql: str) -> Rows:
    return ((int(server.waits(str(given["uuid"]))),),)


def parts(server: Server, given: Given, sql: str) -> Rows:
    _, found = named(server, given)
    if found is None or found.uuid != given["uuid"]:
        return ()
    listed = sorted([part for part in found.parts if part.rows], key=_IN_ORDER)
    return tuple(part.shown for part in listed)


def own_parts(server: Server, given: Given, sql: str) -> Rows:
    found = tables(server, bound(given, "db"))
    return tuple(
        (name, partition)
        for name, each in found
        if name.startswith("_aaiclick_stage_")
        for partition in sorted({part.partition for part in each.parts})
    )


def scratch_tables(server: Server, given: Given, sql: str) -> Rows:
    return tuple(
        (name, found.engine)
        for name, found in tables(server, str(given["database"]))
        if name.startswith(str(given["prefix"]))
    )


def owned(server: Server, given: Given, sql: str) -> Rows:
    """``read_owned``: the server's clock, tables of ours, scratch databases, what was asked for by name."""
    nothing_more = (0, 0, 0, 0)
    rows: list[tuple[str | int, ...]] = [
        ("server", "", "", "", "", 0, 0, milliseconds(server), int(server.now - server.started))
    ]
    wanted = {unhexed(each) for each in str(given["names"]).split(",")} if "names" in given else set()
    for name, each in tables(server, bound(given, "db")):
        if name.startswith(str(given["prefix"])) or name == given["records"]:
            size = (each.count, 500 * len(each.parts)) if each.merge_tree else (0, 0)
            rows.append(("table", name, each.engine, each.comment, each.uuid, *size, 0, 0))
        if name in wanted:
            rows.append(("asked", name, "", "", "", *nothing_more))
    rows += [
        ("scratch", name, "", "", "", *nothing_more)
        for name in sorted(server.databases)
        if name.startswith(str(given["scratch"]))
    ]
    return tuple(rows)


def lock(server: Server, given: Given, sql: str) -> Rows:
    found = server.find(bound(given, "database"), str(given["name"]))
    held = (1, found.comment, found.uuid) if found is not None else (0, "", "")
    return ((*held, milliseconds(server), int(server.now - server.started)),)


def graves(server: Server, given: Given, sql: str) -> Rows:
    name, whole_name = str(given["name"]), "startsWith" not in sql
    found = tables(server, bound(given, "database"))
    return tuple(
        (each, one.comment, one.uuid, milliseconds(server))
        for each, one in found
        if (each == name if whole_name else each.startswith(name))
    )


def comment(server: Server, given: Given, sql: str) -> Rows:
    found = server.find(bound(given, "database"), str(given["name"]))
    return ((found.comment,),) if found is not None else ()


def definition(server: Server, given: Given, sql: str) -> Rows:
    database, found = named(server, given)
    return ((found.definition(database, bound(given, "name")),),) if found is not None else ()


def copies(server: Server, given: Given, sql: str) -> Rows:
    return tuple(
        (name,)
        for name, each in tables(server, bound(given, "db"))
        if each.merge_tree and not name.startswith(str(given["ours"])) and str(given["held"]) in each.engine_full
    )


def guarded(server: Server, given: Given, sql: str) -> Rows:
    begin = str(given["guard"])
    return tuple(
        (name, each.uuid, path(each), each.engine)
        for name, each in tables(server, bound(given, "db"))
        if each.merge_tree and any(guard.startswith(begin) for guard in each.constraints)
    )


def guards(server: Server, given: Given, sql: str) -> Rows:
    """Of one storage, or wherever they are."""
    begin = str(given["guard"])
    return tuple(
        (database, name, each.uuid, path(each), each.definition(database, name))
        for database in server.databases
        for name, each in tables(server, database)
        if each.merge_tree
        and each.uuid == given.get("uuid", each.uuid)
        and any(guard.startswith(begin) for guard in each.constraints)
    )


def columns(server: Server, given: Given, sql: str) -> Rows:
    _, found = named(server, given)
    return tuple((name, kind, "", "") for name, kind in column_list(found.columns)) if found is not None else ()


def numbered_parts(server: Server, given: Given, sql: str) -> Rows:
    """Parts that were merged, or written, while block numbers were kept."""
    _, found = named(server, given)
    return ((sum(part.numbered for part in found.parts) if found is not None else 0,),)


def inserts(server: Server, given: Given, sql: str) -> Rows:
    return tuple((each,) for each in sorted(server.running))


def tags(server: Server, given: Given, sql: str) -> Rows:
    return tuple((each.tag,) for each in server.running.values() if each.tag and each.tag != given["nonce"])


def database_engine(server: Server, given: Given, sql: str) -> Rows:
    return (("Atomic",),) if bound(given, "db") in server.databases else ()


def database_count(server: Server, given: Given, sql: str) -> Rows:
    return ((int(bound(given, "db") in server.databases),),)


def database_facts(server: Server, given: Given, sql: str) -> Rows:
    return tuple((name, server.version, "Atomic") for name in server.databases if name == bound(given, "database"))


def no_views(server: Server, given: Given, sql: str) -> Rows:
    return ((0,),) if named(server, given)[1] is not None else ()


def engine_setting(server: Server, given: Given, sql: str) -> Rows:
    return ((int(given["name"] in KNOWN_SETTINGS),),)


def nothing(server: Server, given: Given, sql: str) -> Rows:
    return ()


def constant(*row: str | int) -> Asked:
    def asked(server: Server, given: Given, sql: str) -> Rows:
        return (row,)

    return asked


def now_and_engine_setting(server: Server, given: Given, sql: str) -> Rows:
    return ((int(server.now), int(given["name"] in KNOWN_SETTINGS)),)


def milliseconds_now(server: Server, given: Given, sql: str) -> Rows:
    return ((milliseconds(server),),)


ASKED: tuple[tuple[str, Asked], ...] = (
    ("SELECT name, create_table_query, comment, database, toUnixTimestamp(now()) FROM system.tables", warm),
    ("SELECT 'server', version()", whole),
    ("SELECT 'server', '', '', '', '',", owned),
    (
        "SELECT name, toString(uuid), arrayStringConcat(data_paths, ' '), engine, engine_full, comment, create_t",
        physicals,
    ),
    (
        "SELECT database, name, toString(uuid), arrayStringConcat(data_paths, ' '), engine, engine_full, comment, crea",
        storage,
    ),
    ("SELECT partition_id, min_block_number, max_block_number, level,", parts),
    ("SELECT DISTINCT table, partition_id FROM system.parts", own_parts),
    ("SELECT name, comment, toString(uuid), toUnixTimestamp64Milli(now64(3)) FROM system.tables", graves),
    ("SELECT name, engine FROM system.tables", scratch_tables),
    ("SELECT name, toString(uuid), arrayStringConcat(data_paths, ' '), engine FROM system.tables", guarded),
    ("SELECT database, name, toString(uuid), arrayStringConcat(data_paths, ' '), create_table_query", guards),
    ("SELECT name FROM system.tables WHERE database = unhex({db:String}) AND endsWith(engine, 'MergeTree')", copies),
    (
        (
            "SELECT count(), any(comment), any(toString(uuid)), toUnixTimestamp64Milli(now64(3)), uptime() FROM "
            "system.tables"
        ),
        lock,
    ),
    ("SELECT comment FROM system.tables", comment),
    ("SELECT create_table_query FROM system.tables", definition),
    ("SELECT length(dependencies_table) FROM system.tables", no_views),
    ("SELECT name, type, default_kind, default_expression FROM system.columns", columns),
    ("SELECT name, default_expression FROM system.columns", nothing),
    (
        (
            "SELECT name FROM system.columns WHERE database = unhex({db:String}) AND table = unhex({name:String}) "
            "AND name IN ('_part', '_partition_id')"
        ),
        nothing,
    ),
    ("SELECT query_id FROM system.processes WHERE query_kind IN", inserts),
    ("SELECT extract(query, ", tags),
    ("CHECK GRANT ", constant(1)),
    ("SELECT engine FROM system.databases", database_engine),
    ("SELECT count() FROM system.databases WHERE name = unhex({db:String})", database_count),
    # Nobody detaches a table, or parts of one, in a schedule.
    ("SELECT name FROM system.detached_parts", nothing),
    ("SELECT count() FROM system.detached_tables", constant(0)),
    ("SELECT count() FROM system.dropped_tables", dropped),
    ("SELECT name, version(), engine FROM system.databases", database_facts),
    ("SELECT count() FROM system.merge_tree_settings", engine_setting),
    ("SELECT name FROM system.settings", nothing),
    ("SELECT mutation_id, command, is_done, parts_to_do, latest_fail_reason FROM system.mutations", nothing),
    ("SELECT table, command FROM system.mutations", nothing),
    (
        (
            "SELECT database, name, engine, engine_full, create_table_query, toString(uuid) FROM system.tables WHERE "
            "engine IN ('Buffer'"
        ),
        nothing,
    ),
    ("SELECT database, view, status FROM system.view_refreshes", nothing),
    ("SELECT count() FROM system.merges", constant(0)),
    ("SELECT count() FROM system.parts_columns WHERE active AND", numbered_parts),
    ("SELECT count() FROM system.asynchronous_inserts", constant(0)),
    ("SELECT toUInt64(least(free_space, 1000000000000)) FROM system.disks", constant(_PLENTY)),
    (
        (
            "SELECT sum(least(unreserved_space, 1000000000000000)), arrayStringConcat(groupArray(name), ', ') FROM "
            "system.disks"
        ),
        constant(_PLENTY, "default"),
    ),
    ("SELECT toUnixTimestamp(now()), count() FROM system.merge_tree_settings", now_and_engine_setting),
    ("SELECT toUnixTimestamp64Milli(now64(3))", milliseconds_now),
)
"""By the beginning of the statement; the first one counts."""
