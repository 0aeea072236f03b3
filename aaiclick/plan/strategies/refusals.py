"""Reasons why a table cannot be changed, whatever its rows are; the catalogue shows them."""

from __future__ import annotations

from aaiclick.catalog.normalize import FENCE_SETTINGS, normal_value
from aaiclick.clickhouse.names import longest_of_a_copy, longest_table_name
from aaiclick.clickhouse.tables import EXCHANGING
from aaiclick.plan.strategies.context import TableDiff

_PART_NAMES = ("_part", "_partition_id")


def read_only(diff: TableDiff) -> str:
    """Why nothing of the table can be changed; '' where it can.

    This library's own fences are no reason: no run is at work here, and what one left is removed before a plan is
    made.
    """
    fences = [
        name
        for name, value in diff.as_spelled.settings
        if name in FENCE_SETTINGS and normal_value(value) not in ("", "0")
    ]
    if not fences:
        return ""
    return f"{diff.live.name} is read-only ({fences[0]}): run ALTER TABLE {diff.name} RESET SETTING {fences[0]} first"


def becomes_replicated(diff: TableDiff) -> bool:
    """Whether a table that each host has for itself is to become one of all hosts, on a cluster of Atomic databases."""
    was, wanted = diff.as_spelled.engine, diff.target.form.engine
    plain = was.endswith("MergeTree") and not was.startswith(("Replicated", "Shared"))
    return diff.on_replicas and plain and wanted.startswith("Replicated") and diff.database_engine != "Replicated"


def exchange_refusal(diff: TableDiff) -> str:
    """Why no new table can take the place of this one; '' where one can."""
    name = diff.live.name
    engines = (diff.as_spelled.engine, diff.target.form.engine)
    replicated = [engine for engine in engines if engine.startswith(("Replicated", "Shared"))]
    if replicated and not diff.on_replicas:
        return f"{name} is replicated ({replicated[0]}), and a copy on one replica is not safe: do it by hand"
    if len(replicated) == 1 and not becomes_replicated(diff):
        return (
            f"{name} is {engines[0]} and would be {engines[1]}: each host has rows of its own, or would have, and "
            "that is not done on clusters yet: do it by hand"
        )
    if diff.as_spelled.old_syntax:
        shown = f"{diff.as_spelled.engine}({diff.as_spelled.old_syntax})"
        return (
            f"{name} was created as {shown}, whose parts fit into no other table and cannot be held still: copy its "
            "rows to a new one with a migration's SQL"
        )
    # EXCHANGE TABLES swaps two names at one moment. Elsewhere there would be a moment without the table.
    exchanging = EXCHANGING | {"Replicated"} if diff.on_replicas else EXCHANGING
    if diff.database_engine and diff.database_engine not in exchanging:
        return (
            f"database {diff.database} has engine {diff.database_engine}, and two tables can only be exchanged in "
            f"one of engine Atomic: move {name} there"
        )
    room, wanted = longest_table_name(diff.database, diff.database_engine), longest_of_a_copy(name)
    if room is not None and wanted > room:
        return (
            f"the name of database {diff.database} is too long: tables in it can have names of {max(room, 0)} "
            f"characters, and those that a copy needs beside {name} have {wanted}"
        )
    if not diff.live.uuid and not diff.live.predicted:
        return (
            f"{name} has no UUID, so its storage cannot be told apart from that of a copy: move it to a database of "
            "engine Atomic"
        )
    # The copy selects its rows by _partition_id and _part. A column of that name hides the virtual one.
    hiding = [column.name for column in diff.as_spelled.columns if column.name in _PART_NAMES]
    if hiding:
        return (
            f"a column of {name} is called {hiding[0]}, which hides the part that a row is in: rename it in a "
            "version before this one"
        )
    return ""
