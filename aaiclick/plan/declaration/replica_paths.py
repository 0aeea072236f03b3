"""Paths in Keeper as each host of a cluster makes them of its macros, before any CREATE goes into the DDL queue.

A macro that stands for nothing (``/clickhouse/{x}/t`` is ``/clickhouse//t`` then) is seen by nobody who reads the
declaration. Such a CREATE is tried again and again by that host, and nothing behind it in the queue is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aaiclick.catalog.forms import Catalog, LiveObject
from aaiclick.catalog.normalize import replica_literals
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.errors import SpecError
from aaiclick.plan.declaration.names import replica_arguments, to_be_replicated
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.quoting import refused_by_keeper

_MACRO = re.compile(r"\{(\w+)\}")
_DEFAULTS = ("default_replica_path", "default_replica_name")
_OF_THE_DATABASE = ("shard", "replica")
"""What a Replicated database puts in place of these is its own."""


def require_paths(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], topology: Topology
) -> Routine[None]:
    """Raise ``SpecError`` where a host of a cluster would make a path of its macros that Keeper does not take. Asks
    only where a replicated table is to be made. A host that does not answer, or does not show its macros, is not
    judged."""
    wanted = [] if topology.single else list(to_be_replicated(schema, catalog, sources))
    if not wanted:
        return
    listed = ", ".join(f"'{name}'" for name in _DEFAULTS)
    rows = yield from rows_or_refusal(
        Query(
            f"SELECT toInt64(_shard_num), concat('{{', macro, '}}'), substitution FROM "
            f"{topology.everywhere('system.macros')} UNION ALL SELECT toInt64(_shard_num), name, value FROM "
            f"{topology.everywhere('system.server_settings')} WHERE name IN ({listed})",
            {},
            LOOK,
        )
    )
    hosts: dict[int, dict[str, str]] = {}
    for place, name, value in rows or ():
        hosts.setdefault(number(place), {})[text(name)] = text(value)
    own = {f"{{{name}}}" for name in _OF_THE_DATABASE} if topology.kind == "database" else set[str]()
    for item in wanted:
        for place, said in sorted(hosts.items()):
            known = {name: value for name, value in said.items() if name not in own}
            if problem := _refused(item, known):
                host = topology.at(place).label
                raise SpecError(
                    f"{item.noun} {item.name}", f"on host {host} {problem} (its macros: {_shown(item, known)})"
                )


def _refused(item: Table | MaterializedView, known: Mapping[str, str]) -> str:
    written = _written(item, known)
    if len(written) < 2 or not any(f"{{{name}}}" in known for each in written for name in _MACRO.findall(each)):
        return ""
    return refused_by_keeper(*(_expanded(each, known) for each in written[:2]))


def _written(item: Table | MaterializedView, known: Mapping[str, str]) -> tuple[str, ...]:
    """Path and replica, with those of the host where none are written; () where the host does not show them."""
    engine = item.engine
    assert engine is not None
    literals, _ = replica_literals(replica_arguments(engine))
    if literals:
        return literals
    return tuple(known[name] for name in _DEFAULTS if name in known)


def _expanded(written: str, known: Mapping[str, str]) -> str:
    """With what the host puts in for its macros. Others (``{uuid}``) stand for something."""
    return _MACRO.sub(lambda found: known.get(found[0], found[0]), written)


def _shown(item: Table | MaterializedView, known: Mapping[str, str]) -> str:
    names = dict.fromkeys(name for each in _written(item, known) for name in _MACRO.findall(each))
    return ", ".join(f"{name} = {known[f'{{{name}}}']!r}" for name in names if f"{{{name}}}" in known)
