"""Databases in which there is nothing to do and of which everything that a status tells is the same: what was found out
about one of them holds for all."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from aaiclick.clickhouse.names import JOURNAL, RECORDS, is_ours
from aaiclick.commands.inspection.warm import Warm
from aaiclick.commands.report import Status
from aaiclick.commands.tenants.warm import text_parameters, warm_tenants
from aaiclick.lease.names import of_the_lease
from aaiclick.plan.policy import Policy
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.schema import Schema
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.versions.history import read_history
from aaiclick.versions.live_version import former_names

_NAMES = (
    "SELECT t.database, any(d.engine), toJSONString(groupArray(t.name)) FROM system.tables AS t INNER JOIN "
    "system.databases AS d ON d.name = t.database WHERE t.database IN ({databases}) GROUP BY t.database"
)
# What the last record holds, the schemas and names of all of them, and whether the journal went on behind them.
_RECORDED = (
    "SELECT {place}, toString(cityHash64(argMaxIf((ifNull(version, 0), migrations, forms, spec, objects), seq, "
    "schema = unhex({{schema:String}}) AND state != 'failed'), argMaxIf(ifNull(version, 0), seq, schema = "
    "unhex({{schema:String}}) AND state != 'failed' AND version IS NOT NULL))), toUInt64(uniqExact(schema)), "
    "toJSONString(groupUniqArrayArray(JSONExtractKeys(forms))), toUInt64({later}) FROM {records}"
)
# By the version as well: what was entered after the clock was set back looks older than the record.
_LATER = (
    "(SELECT count() FROM {journal} WHERE at > (SELECT max(at) FROM {records}) OR (schema = unhex({{schema:String}}) "
    "AND toUInt64OrZero(splitByChar(':', step)[1]) > (SELECT argMax(ifNull(version, 0), seq) FROM {records} WHERE "
    "schema = unhex({{schema:String}}) AND state != 'failed' AND version IS NOT NULL)))"
)


def in_sync_databases(schema: Schema, databases: Sequence[str]) -> Routine[dict[str, str]]:
    """Those of the databases in which there is nothing to do, each with a text that is the same for those that stand
    alike. Left out is whatever has something of its own to tell: kept tables, what a run left, other schemas, objects
    that are declared no longer, several hosts."""
    warm = yield from warm_tenants(schema, databases, Policy.lossless())
    quiet = {name: seen for name, seen in warm.items() if seen.entry is not None and seen.entry.due is None}
    if not quiet or schema.cluster:
        return {}
    # A table under a former name is told of, also where no record has ever held it.
    former = former_names(read_history(schema).scripts).union(schema.former_names)
    names = {f"d{place}": name for place, name in enumerate(quiet)}
    # Names alone: they leave out most of what is not alike, before anything is asked of what is recorded.
    rows = yield Query(_NAMES.format(databases=text_parameters(names)), names)
    tables = {text(row[0]): (text(row[1]), frozenset[str](json.loads(text(row[2])))) for row in rows}
    usual = [name for name in quiet if name in tables and _only_bookkeeping(tables[name][1])]
    if not usual:
        return {}
    places = [_recorded(place, name, tables[name][1]) for place, name in enumerate(usual)]
    rows = yield Query(" UNION ALL ".join(places), {"schema": hexed(schema.name)})
    declared = {item.name for item in schema.objects}
    found: dict[str, str] = {}
    for row in rows:
        name = usual[number(row[0])]
        engine, present = tables[name]
        once = former.union(json.loads(text(row[3]))) - declared
        if number(row[2]) == 1 and not number(row[4]) and not once & present:
            found[name] = f"{engine} {text(row[1])} {_seen(quiet[name])}"
    return found


def holds_for_others(found: Status) -> bool:
    """Whether what was found of one database is true of all that stand alike."""
    own = (found.kept_tables, found.unfinished, found.hosts)
    return found.in_sync and not any(own) and not any(found.database in note for note in found.notes)


def _only_bookkeeping(names: Collection[str]) -> bool:
    return all(name == JOURNAL or of_the_lease(name) for name in names if is_ours(name))


def _recorded(place: int, database: str, names: Collection[str]) -> str:
    records, journal = qualified(database, RECORDS), qualified(database, JOURNAL)
    later = _LATER.format(journal=journal, records=records) if JOURNAL in names else "0"
    return _RECORDED.format(place=place, later=later, records=records)


def _seen(seen: Warm) -> Mapping[str, object]:
    assert seen.entry is not None
    return {"digest": seen.digest, "version": seen.entry.version, "oldest_code": seen.entry.oldest_code}
