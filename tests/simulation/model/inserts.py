"""INSERTs: of rows into a table, which take time, and of lines into the tables of this library, which are over at
once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aaiclick.lease.names import LOCK
from aaiclick.routine import Command
from tests.simulation.model.ddl import add_part, put_together
from tests.simulation.model.reading import TABLE, column_list, partition_of, pieces, plain, projection
from tests.simulation.model.state import Running, Server, Storage, UnmodelledError, Values, refusal

_SELECTED = re.compile(
    r"INSERT "
    r"INTO "
    rf"{TABLE}(?: "
    r"\((?P<columns>[^)]*)\))? "
    r"SELECT "
    r"(?P<list>.+?) "
    r"FROM "
    r"(?P<source>\S+)(?: "
    r"WHERE "
    r"(?P<where>.+?))?(?: "
    r"ORDER "
    r"BY "
    r".*)?\Z",
    re.DOTALL,
)
_INTO = re.compile(rf"INSERT INTO {TABLE}")
_VALUES = re.compile(rf"INSERT INTO {TABLE}(?: \([^)]*\))? VALUES (?P<values>.+)\Z", re.DOTALL)
_LINE = re.compile(
    rf"INSERT INTO {TABLE} \((?P<columns>[^)]*)\) SELECT (?P<list>.+) FROM (?P<source>\S+?)"
    r"(?: WHERE nonce = \{nonce:String\})?"
    r"(?: "
    r"HAVING "
    r"(?:throwIf\(\(SELECT "
    r".*? "
    r"position\(comment, "
    r"'(?P<mine>[^']*)'\).*?\) "
    r"= "
    r"0(?: "
    r"AND "
    r")?)?(?:maxIf.*? "
    r"= "
    r"(?P<after>\d+)"
    r"(?: AND \(SELECT count\(\) FROM system\.tables WHERE database = \S+ AND arrayExists\(x -> .*, "
    r"\[(?P<standing>.*)\]\)\) = \d+)?)?)?\Z",
    re.DOTALL,
)
_PARTS = re.compile(r"_partition_id IN \([^)]*\) AND _part IN \((?P<names>[^)]*)\)\Z")
_BOUND = re.compile(r"\{(\w+):\w+\}")
_ID = re.compile(r"id (>=|<|=) (\d+)")
OWN = frozenset({"_aaiclick_lease", "_aaiclick_journal", "schema_version"})


def begin(server: Server, effect: Command, sql: str, database: str, tag: str) -> Running | None:
    """Resolve the table and read the rows; None where the statement was carried out as a whole (a line of this
    library)."""
    name = plain(_INTO.match(sql)["name"])  # type: ignore[index]
    if name in OWN:
        insert_line(server, sql, effect.parameters, database)
        return None
    target, rows = resolved(server, sql, database)
    return admit(server, target, rows, tag, together=effect.settings.get("optimize_on_insert", 1) != 0)


def admit(server: Server, target: Storage, rows: tuple[Values, ...], tag: str, *, together: bool = True) -> Running:
    """From here on it is in ``system.processes``. A fence refuses it; one that goes up later does not."""
    if target.fenced:
        raise refusal(774, "Table is in readonly mode")
    server.serial += 1
    running = Running(f"query-{server.serial:08d}", tag, target, rows, int(together and target.engine != "MergeTree"))
    server.running[running.id] = running
    return running


def land(server: Server, running: Running) -> None:
    """The rows are there, all at once. Raises 394 where it was killed."""
    server.running.pop(running.id, None)
    server.changes += 1
    if running.killed:
        raise refusal(394, "Query was cancelled")
    target = running.target
    where = partition_of(target.clauses, target.columns)
    groups: dict[str, list[Values]] = {}
    for row in running.rows:
        groups.setdefault(where(row), []).append(row)
    for partition, listed in groups.items():
        # Without putting together, rows of one key stay in the order in which they came.
        rows = put_together(target, listed) if running.level else tuple(sorted(listed, key=lambda row: row[0]))
        add_part(target, partition, running.level, rows)
    if running.landed is not None:
        running.landed()


def resolved(server: Server, sql: str, database: str) -> tuple[Storage, tuple[Values, ...]]:
    """The storage that an INSERT names, and the rows that it brings."""
    given = _VALUES.match(sql)
    if given is not None:
        target = server.need(plain(given["db"]) or database, plain(given["name"]))
        values = re.findall(r"\(([^)]*)\)", given["values"])
        return target, tuple(tuple(int(each) for each in one.split(",")) for one in values)
    found = _SELECTED.match(sql)
    if found is None:
        raise UnmodelledError(sql)
    target = server.need(plain(found["db"]) or database, plain(found["name"]))
    place, _, name = found["source"].rpartition(".")
    source = server.need(plain(place) or database, plain(name))
    names = [name for name, _ in column_list(target.columns)]
    assert found["columns"] is None or [plain(each) for each in pieces(found["columns"])] == names, sql
    project = projection(found["list"], source.columns)
    return target, tuple(project(row) for row in selected(source, found["where"] or ""))


def selected(source: Storage, where: str) -> list[Values]:
    """The rows of a WHERE: of the parts that it names, or of ids."""
    if not where:
        return list(source.rows)
    named = _PARTS.match(where)
    if named is not None:
        parts = {part.name: part for part in source.parts}
        names = [each[1:-1] for each in pieces(named["names"])]
        return [row for name in names if name in parts for row in parts[name].rows]
    bounds = _ID.findall(where)
    if not bounds or " AND ".join(f"id {sign} {bound}" for sign, bound in bounds) != where:
        raise UnmodelledError(where)
    tests = {">=": lambda one, two: one >= two, "<": lambda one, two: one < two, "=": lambda one, two: one == two}
    return [row for row in source.rows if all(tests[sign](row[0], int(bound)) for sign, bound in bounds)]


def insert_line(server: Server, sql: str, parameters: Mapping[str, str | int], database: str) -> None:
    """A line of the heartbeats, the journal or the records."""
    found = _LINE.match(sql)
    if found is None:
        raise UnmodelledError(sql)
    storage = server.need(plain(found["db"]) or database, plain(found["name"]))
    if found["mine"] is not None and (
        (lock := server.find(plain(found["db"]) or database, LOCK)) is None or found["mine"] not in lock.comment
    ):
        raise refusal(395, "the migration lease is not held any more")
    if found["after"] is not None:
        schema = bytes.fromhex(str(parameters["schema"])).decode()
        newest = max(
            (int(str(line["seq"])) for line in storage.lines if line["schema"] == schema and line["state"] != "failed"),
            default=0,
        )
        there = server.databases[plain(found["db"]) or database]
        standing = re.findall(r"\(unhex\('(\w*)'\), '([^']*)'\)", found["standing"] or "")
        named = {bytes.fromhex(name).decode(): uuid for name, uuid in standing}
        if newest != int(found["after"]) or any(
            name not in there or there[name].uuid != uuid for name, uuid in named.items()
        ):
            return
    nonce = parameters.get("nonce")
    lines = [line for line in storage.lines if line["nonce"] == nonce] if nonce is not None else storage.lines
    names = [plain(each) for each in pieces(found["columns"])]
    storage.lines.append(
        {
            name: _value(server, piece, parameters, lines)
            for name, piece in zip(names, pieces(found["list"]), strict=True)
        }
    )


def _value(server: Server, piece: str, parameters: Mapping[str, str | int], lines: list[dict[str, object]]) -> object:
    if piece == "max(seq) + 1":
        return max((int(str(line["seq"])) for line in lines), default=0) + 1
    if piece == "count()":
        return len(lines)
    if piece.startswith("unhex("):
        inner = piece[6:-1]
        return bytes.fromhex(
            inner[1:-1] if inner.startswith("'") else str(parameters[inner[1:].partition(":")[0]])
        ).decode()
    if piece.startswith("now64("):
        return int(server.now * 1000)
    if piece == "version()":
        return server.version
    if piece in ("''", "NULL"):
        return "" if piece == "''" else None
    if (bound := _BOUND.fullmatch(piece)) is not None:
        return parameters[bound[1]]
    if (real := re.fullmatch(r"toFloat64\(\{(\w+):String\}\)", piece)) is not None:
        return float(parameters[real[1]])
    if (late := re.fullmatch(r"greatest\(max\(late\), \{late:UInt8\}\)", piece)) is not None:
        return max([int(str(line["late"])) for line in lines] + [int(parameters["late"])]) if late else 0
    if (whole := re.fullmatch(r"(?:toUInt32\()?(\d+)\)?", piece)) is not None:
        return int(whole[1])
    raise UnmodelledError(piece)
