"""Questions to the heartbeats, the journal and the records; and to the rows of tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from aaiclick.routine import Rows
from tests.simulation.model.catalog import Given, unhexed
from tests.simulation.model.inserts import selected
from tests.simulation.model.reading import TABLE, patterns, plain, projection
from tests.simulation.model.state import Server, Storage, UnmodelledError

Line = dict[str, Any]
Found = re.Match[str]
Asked = Callable[[Server, Found, Given, str], Rows]
_RECORD = (
    *(
        "schema",
        "version",
        "state",
        "spec",
        "objects",
        "forms",
        "plan",
        "who",
        "seconds",
        "library",
        "migrations",
        "oldest_code",
        "from_version",
    ),
    *("server", "seq", "at"),
)
_ENTRY = ("run", "schema", "plan", "step", "action", "state", "details", "seq", "at")


def lines(server: Server, found: Found, database: str) -> list[Line]:
    """Raises 60 where there is no such table."""
    return server.need(plain(found["db"]) or database, plain(found["name"])).lines


def newest_beats(server: Server, found: Found, given: Given, database: str) -> Rows:
    own = [line for line in lines(server, found, database) if line["nonce"] == given["nonce"]]
    own.sort(key=lambda line: (line["beat"], line["at"]), reverse=True)
    return tuple((line["beat"], line["at"], line["seconds"], line["late"]) for line in own[:2])


def nonces(server: Server, found: Found, given: Given, database: str) -> Rows:
    known = {str(line["nonce"]) for line in lines(server, found, database)}
    wanted = set(str(given["nonces"]).split(",")) if "nonces" in given else known
    return tuple((nonce,) for nonce in sorted(known & wanted))


def _opens(line: Line) -> bool:
    return line["state"] == "rolled back" or (line["state"] == "adopted" and '"adopted"' in line["plan"])


def records(server: Server, found: Found, given: Given, database: str) -> Rows:
    """The last record, or all of them."""
    latest = "DESC LIMIT 1" in found["tail"]
    own = [
        line
        for line in lines(server, found, database)
        if "schema" not in given or line["schema"] == unhexed(given["schema"])
    ]
    if latest:
        own = [line for line in own if line["state"] != "failed"]
    generation = max((line["seq"] for line in own if _opens(line)), default=0) if latest else 0
    own = sorted(own, key=lambda line: line["seq"], reverse=latest)[: 1 if latest else None]
    return tuple((*(line[name] for name in _RECORD), generation) for line in own)


def entries(server: Server, found: Found, given: Given, database: str) -> Rows:
    """The last word on each action."""
    tail = found["tail"]
    last: dict[tuple[object, ...], Line] = {}
    for line in sorted(lines(server, found, database), key=lambda line: int(line["seq"])):
        if line["state"] != "closed" and _is_wanted(line, tail, given):
            last[tuple(line[name] for name in ("run", "schema", "plan", "step", "action"))] = line
    newest = sorted(last.values(), key=lambda line: int(line["seq"]), reverse=True)
    return tuple(tuple(line[name] for name in _ENTRY) for line in newest)


def _is_wanted(line: Line, tail: str, given: Given) -> bool:
    named = re.search(r"AND run = (?:'(\w+)'|unhex\(\{run:String\}\)) ORDER", tail)
    if named is not None:
        return bool(line["run"] == (named[1] or unhexed(given["run"])))
    if "endsWith(step" in tail:
        return line["schema"] == unhexed(given["schema"]) and str(line["step"]).endswith(unhexed(given["end"]))
    if "run = unhex({run:String}) OR (startsWith(run, 'from ')" in tail:
        own = line["schema"] == unhexed(given["schema"]) and (
            line["run"] == unhexed(given["run"]) or _former(line["run"], int(given["least"]))
        )
        return bool(own or line["run"] in ("owners", "numbered"))
    raise UnmodelledError(tail)


def _former(run: str, least: int) -> bool:
    return run.startswith("from ") and run[5:].isdigit() and int(run[5:]) >= least


def _names(line: Line) -> list[tuple[str, str]]:
    forms: dict[str, dict[str, object]] = json.loads(line["forms"]) if line["forms"] else {}
    return [(name, _space(form)) for name, form in forms.items()]


def _space(form: dict[str, object]) -> str:
    if "collection_keys" in form:
        return "named collection"
    if "database_engine" in form:
        return "database"
    return "function" if "text" in form and "reason" not in form else ""


def past(server: Server, found: Found, given: Given, database: str) -> Rows:
    """``read_records``: the last record, and which schema holds which names."""
    every = lines(server, found, database)
    own = sorted(
        (line for line in every if line["schema"] == unhexed(given["schema"]) and line["state"] != "failed"),
        key=lambda line: int(line["seq"]),
    )
    generation = max((line["seq"] for line in own if _opens(line)), default=0)
    rows: list[tuple[Any, ...]] = [("record", *(line[name] for name in _RECORD), generation) for line in own[-1:]]
    with_forms = sorted(
        (line for line in every if line["state"] != "failed" and line["forms"]), key=lambda line: int(line["seq"])
    )
    newest = {line["schema"]: line for line in with_forms}
    held: dict[tuple[str, str, str], list[int]] = {}
    for line in with_forms:
        for name, space in _names(line):
            held.setdefault((line["schema"], name, space), []).append(line["seq"])
    for (schema, name, space), seqs in held.items():
        present = max(seqs) == newest[schema]["seq"]
        if present or schema == unhexed(given["schema"]):
            digits = (schema.encode().hex().upper(), newest[schema]["version"], name.encode().hex().upper())
            rows.append(
                ("name", *digits, space, "", "", "", "", 0.0, "", "", None, None, "", min(seqs), 0, int(present))
            )
    return tuple(rows)


def _hash(rows: Iterable[tuple[int, ...]]) -> int:
    return sum(hash(row) for row in rows) & (1 << 64) - 1


def sums(server: Server, found: Found, given: Given, database: str) -> Rows:
    """Count and checksum."""
    source = server.need(plain(found["db"]) or database, plain(found["name"]))
    rows = selected(source, found["where"] or "")
    return (
        (
            len(rows),
            *(
                _hash(_projected(source, listed, rows))
                for listed in re.findall(r"sum\(cityHash64\(tuple\((.*?)\)\)\)(?=, sum|$)", found["hashes"])
            ),
        ),
    )


def _projected(source: Storage, listed: str, rows: Iterable[tuple[int, ...]]) -> Iterable[tuple[int, ...]]:
    project = projection(listed, source.columns)
    return (project(row) for row in rows)


def no_sums(server: Server, found: Found, given: Given, database: str) -> Rows:
    server.need(plain(found["db"]) or database, plain(found["name"]))
    return ((0,),)


def count(server: Server, found: Found, given: Given, database: str) -> Rows:
    source = server.need(plain(found["db"]) or database, plain(found["name"]))
    return ((len(selected(source, found["where"] or "")),),)


ASKED: tuple[tuple[re.Pattern[str], Asked], ...] = patterns(
    (
        (rf"SELECT beat, toUnixTimestamp64Milli\(at\), seconds, late FROM {TABLE} ", newest_beats),
        (rf"SELECT DISTINCT nonce FROM {TABLE}", nonces),
        (rf"SELECT schema, version, state, spec, .*? FROM {TABLE} (?P<tail>.*)", records),
        (rf"SELECT run, schema, plan, step, .*? FROM {TABLE} (?P<tail>.*)", entries),
        (rf"SELECT 'record', \* FROM \(SELECT schema, version, state, spec, .*? FROM {TABLE} ", past),
        (rf"SELECT count\(\), (?P<hashes>sum\(cityHash64.*?) FROM {TABLE}(?: WHERE (?P<where>.*))?\Z", sums),
        (rf"SELECT sum\(cityHash64\(tuple\(.*?\)\)\) FROM {TABLE} WHERE 0\Z", no_sums),
        (rf"SELECT count\(\) FROM {TABLE}(?: WHERE (?P<where>.*))?\Z", count),
    )
)
