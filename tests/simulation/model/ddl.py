"""Statements that change tables as a whole, each of them at once, as the engine carries them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tests.simulation.model.reading import NAME, TABLE, created, literal, patterns, pieces, plain
from tests.simulation.model.state import FENCE, Part, Server, Storage, UnmodelledError, refusal

Handler = Callable[[Server, "re.Match[str]", str], None]
_TWO = rf"(?P<db>{NAME})\.(?P<name>{NAME}) (?:TO|AND) (?P<db2>{NAME})\.(?P<name2>{NAME})"


def create_table(server: Server, sql: str, database: str) -> None:
    made = created(sql)
    place = made.database or database
    if place not in server.databases:
        raise refusal(81, f"Database {place} does not exist")
    tables = server.databases[place]
    if made.name in tables:
        if made.lenient:
            return
        raise refusal(57, f"Table {place}.{made.name} already exists")
    held = {each.uuid for there in server.databases.values() for each in there.values()} if made.uuid else set()
    if made.uuid in held or server.waits(made.uuid):
        raise refusal(57, f"Directory for table data {made.uuid} already exists")
    uuid = made.uuid or server.fresh_uuid()
    storage = Storage(uuid, made.columns, made.engine, made.clauses, dict(made.settings), made.comment)
    storage.changed = server.now
    tables[made.name] = storage


def create_database(server: Server, found: re.Match[str], database: str) -> None:
    name = plain(found["name"])
    if name in server.databases:
        raise refusal(82, f"Database {name} already exists")
    server.databases[name] = {}


def drop_database(server: Server, found: re.Match[str], database: str) -> None:
    name = plain(found["name"])
    if name not in server.databases and not found["lenient"]:
        raise refusal(81, f"Database {name} does not exist")
    for storage in server.databases.pop(name, {}).values():
        if not found["sync"]:
            server.drop(storage)


def drop_table(server: Server, found: re.Match[str], database: str) -> None:
    """An INSERT that runs keeps its storage, and lands in it, where nobody finds the rows any more."""
    place, name = plain(found["db"]) or database, plain(found["name"])
    if found["lenient"] and server.find(place, name) is None:
        return
    storage = server.need(place, name)
    if not found["sync"]:
        server.drop(storage)
    del server.databases[place][name]


def rename(server: Server, found: re.Match[str], database: str) -> None:
    place, name, place2, name2 = (plain(found[key]) for key in ("db", "name", "db2", "name2"))
    if server.find(place2, name2) is not None:
        raise refusal(57, f"Table {place2}.{name2} already exists")
    storage = server.need(place, name)
    del server.databases[place][name]
    server.databases[place2][name2] = storage


def exchange(server: Server, found: re.Match[str], database: str) -> None:
    place, name, place2, name2 = (plain(found[key]) for key in ("db", "name", "db2", "name2"))
    one, two = server.need(place, name), server.need(place2, name2)
    server.databases[place][name], server.databases[place2][name2] = two, one


def system(server: Server, found: re.Match[str], database: str) -> None:
    """Merges are stopped for the storage that has the name now; a name that nothing has is no error."""
    storage = server.find(plain(found["db"]) or database, plain(found["name"]))
    if storage is None:
        return
    if found["what"] == "STOP":
        storage.stopped.add(found["kind"])
    else:
        storage.stopped.discard(found["kind"])


def alter(server: Server, found: re.Match[str], database: str) -> None:
    place, name = plain(found["db"]) or database, plain(found["name"])
    storage = server.need(place, name)
    listed = found["commands"]
    commands: Sequence[str] = [piece[1:-1] for piece in pieces(listed)] if listed.startswith("(") else [listed]
    if "_aaiclick_ended_" in listed:
        commands = pieces(listed)
    if listed.startswith("MODIFY COMMENT") and ", RESET SETTING " in listed:
        raise UnmodelledError(listed)
    for command in commands:
        if _refused(storage, command):
            raise refusal(774, "Table is in readonly mode")
    # All of them or none.
    here = dict(storage.constraints)
    for command in commands:
        _check(storage, command, here)
    for command in commands:
        _change(server, storage, command, place)
    storage.changed = server.now


def _refused(storage: Storage, command: str) -> bool:
    """Behind a fence only settings can be changed. What drops and sets at once is judged by its first command."""
    return storage.fenced and not re.match(r"(MODIFY|RESET) SETTING|DROP CONSTRAINT \w+\Z", command)


def _check(storage: Storage, command: str, here: dict[str, str]) -> None:
    """``here``: the constraints with what the commands before it have changed."""
    dropped = re.fullmatch(r"DROP CONSTRAINT (\w+)", command)
    if dropped is not None and here.pop(dropped[1], None) is None:
        raise refusal(36, f"Wrong constraint name. Cannot find constraint `{dropped[1]}` to drop")
    if storage.fenced and dropped is not None:
        raise refusal(774, "Table is in readonly mode")
    added = re.match(r"ADD CONSTRAINT (IF NOT EXISTS )?(\w+)", command)
    if added is not None and not added[1] and added[2] in here:
        raise refusal(44, f"Cannot add constraint {added[2]}: constraint with this name already exists")
    if added is not None:
        here[added[2]] = ""


def _change(server: Server, storage: Storage, command: str, database: str) -> None:
    if command.startswith("ADD CONSTRAINT "):
        name, _, what = command.removeprefix("ADD CONSTRAINT ").removeprefix("IF NOT EXISTS ").split(" ")
        storage.constraints.setdefault(name, what)
    elif command.startswith("DROP CONSTRAINT "):
        storage.constraints.pop(plain(command.rsplit(" ", 1)[1]), None)
    elif command.startswith("MODIFY SETTING "):
        for piece in pieces(command.removeprefix("MODIFY SETTING ")):
            name, _, value = piece.partition(" = ")
            storage.settings[name] = value
    elif command.startswith("RESET SETTING "):
        for name in pieces(command.removeprefix("RESET SETTING ")):
            storage.settings.pop(name, None)
    elif command.startswith("MODIFY COMMENT "):
        storage.comment = literal(command.removeprefix("MODIFY COMMENT "))
    else:
        _take_parts(server, storage, command, database)


def _take_parts(server: Server, storage: Storage, command: str, database: str) -> None:
    found = re.fullmatch(rf"(?P<what>ATTACH|MOVE) PARTITION ID '(?P<partition>\w+)' (?:FROM|TO TABLE) {TABLE}", command)
    if found is None:
        raise UnmodelledError(command)
    other = server.need(plain(found["db"]) or database, plain(found["name"]))
    source, target = (other, storage) if found["what"] == "ATTACH" else (storage, other)
    if target.fenced:
        raise refusal(774, "Table is in readonly mode")
    taken = [part for part in source.parts if part.partition == found["partition"]]
    for part in sorted(taken, key=lambda part: part.first):
        if found["what"] == "MOVE":
            source.parts.remove(part)
        add_part(target, part.partition, part.level, part.rows)


def add_part(storage: Storage, partition: str, level: int, rows: tuple[tuple[int, ...], ...]) -> None:
    """A part gets the next block number of the table, whatever it had elsewhere."""
    storage.blocks += 1
    storage.parts.append(Part(partition, storage.blocks, storage.blocks, level, rows))


def put_together(storage: Storage, rows: Iterable[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Rows of several parts, oldest first, as a merge leaves them: a ReplacingMergeTree keeps the last one of a key."""
    if storage.engine == "MergeTree":
        return tuple(sorted(rows))
    return tuple(sorted({row[0]: row for row in rows}.values()))


HANDLERS: tuple[tuple[re.Pattern[str], Handler], ...] = patterns(
    (
        (rf"ALTER TABLE {TABLE} (?P<commands>.+)\Z", alter),
        (rf"DROP TABLE (?P<lenient>IF EXISTS )?{TABLE}(?P<sync> SYNC)?\Z", drop_table),
        (rf"RENAME TABLE {_TWO}\Z", rename),
        (rf"EXCHANGE TABLES {_TWO}\Z", exchange),
        (rf"SYSTEM (?P<what>STOP|START) (?P<kind>(?:TTL )?MERGES) {TABLE}\Z", system),
        (rf"CREATE DATABASE (?P<name>{NAME})(?: ENGINE = Atomic)?\Z", create_database),
        (rf"DROP DATABASE (?P<lenient>IF EXISTS )?(?P<name>{NAME})(?P<sync> SYNC)?\Z", drop_database),
    )
)


def may_merge(storage: Storage) -> bool:
    """Whether the engine may begin a merge of its own accord."""
    return (
        not storage.stopped
        and not storage.fenced
        and storage.settings.get("max_bytes_to_merge_at_max_space_in_pool") != "1"
    )


def merge(storage: Storage) -> None:
    """All parts of each partition into one."""
    for partition in {part.partition for part in storage.parts}:
        group = [part for part in storage.parts if part.partition == partition]
        if len(group) < 2:
            continue
        rows = put_together(storage, (row for part in sorted(group, key=lambda part: part.first) for row in part.rows))
        made = Part(
            partition,
            min(part.first for part in group),
            max(part.last for part in group),
            max(part.level for part in group) + 1,
            rows,
        )
        storage.parts = [part for part in storage.parts if part.partition != partition] + [made]


__all__ = ["FENCE", "HANDLERS", "add_part", "create_table", "may_merge", "merge"]
