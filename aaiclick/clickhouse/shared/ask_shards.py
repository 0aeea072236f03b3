"""Questions about the rows and parts of a table that each shard answers for itself: nothing brings its rows to another
one, and merges combine rows of one shard only.

One host of each shard carries the whole question out, and only its answer goes over the network: the host that is
connected to for its own shard, of the others the first that answers. It is a question for a view and not for the
columns of a table, because of these every row would be sent to the host that is connected to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from aaiclick.clickhouse.statements import ask_permissively, merged
from aaiclick.clickhouse.topology import Topology, named
from aaiclick.clients.failures import unknown_setting
from aaiclick.error_codes import ALL_CONNECTION_TRIES_FAILED, ATTEMPT_TO_READ_AFTER_EOF, NETWORK_ERROR, SOCKET_TIMEOUT
from aaiclick.errors import PlanError, StatementError
from aaiclick.routine import Query, Routine, Rows, Scalar, text
from aaiclick.specs.ddl import settings_list

_VALUE = "_aaiclick_answer_"
_AWAY = frozenset({ALL_CONNECTION_TRIES_FAILED, ATTEMPT_TO_READ_AFTER_EOF, NETWORK_ERROR, SOCKET_TIMEOUT})
_EACH: Mapping[str, str | int] = {
    # Which host answers: the one that is connected to, else the first of the shard that does.
    "prefer_localhost_replica": 1,
    "load_balancing": "in_order",
    "max_parallel_replicas": 1,
    "use_hedged_requests": 0,
    # A shard that does not answer is an error. Left out, it would seem to have no such row.
    "skip_unavailable_shards": 0,
    "connect_timeout_with_failover_ms": 2000,
    "handshake_timeout_ms": 3000,
    # A server at work tells how far it is several times a second.
    "receive_timeout": 60,
}
# What the profile of the user on another host changes is not known here, and these would have it answer for other rows.
# A setting that is sent with a query reaches another host only where it is not the default: so they stand in the query
# itself, which each host carries out as it is.
_PINNED: Mapping[str, str | int] = {
    "apply_deleted_mask": 1,
    "apply_patch_parts": 1,
    "final": 0,
    "additional_table_filters": "{}",
    "transform_null_in": 0,
    "join_use_nulls": 0,
    "aggregate_functions_null_for_empty": 0,
    "prefer_column_name_to_alias": 0,
    "read_overflow_mode": "throw",
    "read_overflow_mode_leaf": "throw",
    "timeout_overflow_mode": "throw",
    "timeout_overflow_mode_leaf": "throw",
    "group_by_overflow_mode": "throw",
    "set_overflow_mode": "throw",
    "sort_overflow_mode": "throw",
    "distinct_overflow_mode": "throw",
    "result_overflow_mode": "throw",
}


def ask_shards(
    hosts: Topology,
    columns: Sequence[str],
    rest: str,
    settings: Mapping[str, str | int] | None = None,
    *,
    given: str = "",
    parameters: Mapping[str, str | int] | None = None,
    long: bool = False,
) -> Routine[Rows]:
    """The answers to ``SELECT columns rest`` of all shards, in their order; where there is one, of the host that is
    connected to. ``given``: a WITH in front. No scalar subquery may stand in them: the host that is connected to
    computes it, for all shards. One behind IN is carried out by each.

    Raises StatementError where the server refuses the question, PlanError where all hosts of a shard are away.
    """
    sent, unknown = settings or {}, set[str]()
    while True:
        sql, asking = of_shards(hosts, columns, rest, given, sent, unknown)
        try:
            return (yield from ask_permissively(Query(sql, parameters or {}, merged(asking, sent), long=long)))
        except StatementError as error:
            if hosts.shards < 2:
                raise
            if (name := unpinned(error, unknown)) is not None:
                unknown.add(name)
                continue
            if error.code in _AWAY and (silent := (yield from _silent(hosts))):
                raise PlanError(f"{silent}. Nothing was changed; run again when it does") from error
            raise


def of_shards(
    hosts: Topology,
    columns: Sequence[str],
    rest: str,
    given: str = "",
    settings: Mapping[str, str | int] | None = None,
    unknown: Collection[str] = (),
) -> tuple[str, Mapping[str, str | int]]:
    """``SELECT columns rest`` of all shards as one SELECT, and the settings that it needs. ``settings``: what it is
    sent with beside these. ``unknown``: settings that the server does not know."""
    if hosts.shards < 2:
        return f"{given}SELECT {', '.join(columns)} {rest}", {}
    # A view has a name for each column, and no two of them alike.
    values = [f"{_VALUE}{place}" for place in range(len(columns))]
    answers = ", ".join(f"({column}) AS {value}" for column, value in zip(columns, values, strict=True))
    wanted = {**_PINNED, **(settings or {})}
    pinned = settings_list({name: wanted[name] for name in _PINNED if name not in unknown})
    asked = hosts.each_shard(f"view({given}SELECT {answers} {rest} SETTINGS {pinned})")
    return f"SELECT {', '.join(values)} FROM {asked} ORDER BY toInt64(_shard_num)", _EACH


def unpinned(error: StatementError, unknown: Collection[str]) -> str | None:
    """The setting of ``of_shards`` that the server does not know, beside those ``unknown``: no profile has it. None for
    any other error."""
    name = unknown_setting(error)
    return name if name in _PINNED and name not in unknown else None


def shards_answered(
    hosts: Topology,
    columns: Sequence[str],
    rest: str,
    settings: Mapping[str, str | int] | None = None,
    *,
    long: bool = False,
) -> Routine[Rows | None]:
    """The same; None where the engine refuses the question."""
    try:
        return (yield from ask_shards(hosts, columns, rest, settings, long=long))
    except StatementError as error:
        if error.code == 0:
            raise
        return None


def first_text(values: Iterable[Scalar]) -> str:
    """The example that some shard has given; '' where none has one."""
    return next((found for value in values if (found := text(value))), "")


def _silent(hosts: Topology) -> Routine[str]:
    from aaiclick.clickhouse.shared.ask_all import servers

    return silent_shards(hosts, frozenset((yield from servers(hosts))))


def silent_shards(hosts: Topology, answered: frozenset[int]) -> str:
    """A sentence about shards of which no host has answered; '' where one of each has."""
    there = {hosts.at(place).shard for place in answered}
    away = [place for place, host in enumerate(hosts.hosts, 1) if host.shard not in there]
    if not away:
        return ""
    said = "hosts {} do not answer, and nobody knows which rows they have"
    if len(away) == 1:
        said = "host {} does not answer, and nobody knows which rows it has"
    return said.format(named(hosts, away))
