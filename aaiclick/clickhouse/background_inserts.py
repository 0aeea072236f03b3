"""Finds what brings rows into a table without a query that could be waited for.

An INSERT is in ``system.processes`` for as long as it runs. The flush of a Buffer table, what a Kafka or FileLog table
hands to its views, and the exchange at the end of a refresh are not, or not as a writer of this table. So they are
found in the catalogue: everything from which rows flow into the table, also by way of other tables and of materialized
views.

Of some objects the server shows no definition (where its own text of it does not parse, as with a column called NOT),
or one that nobody here can read. Where such a one leads to is not known: it counts as one that leads to the table,
unless it has a text and the table is not named in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ViewForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.read import NIL_UUID
from aaiclick.catalog.render import target_parts
from aaiclick.clickhouse.tables import own_table
from aaiclick.clickhouse.topology import PROOF, SINGLE, Topology
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, Rows, text
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.sql.tokens import split_top, unquote

Node = tuple[str, str]
_UNTOLD = f".inner_id.{NIL_UUID}"
STREAMS = frozenset({"AzureQueue", "FileLog", "Kafka", "MaterializedPostgreSQL", "NATS", "RabbitMQ", "S3Queue"})
"""Engines that hand rows to their views in the background."""
_PASSING_ON = ("Buffer", "Distributed")
_READ = (
    "SELECT {distinct}database, name, engine, engine_full, create_table_query, toString(uuid) FROM {tables}"
    " WHERE engine IN ('Buffer', 'Distributed', 'MaterializedView', 'AzureQueue', 'FileLog', 'Kafka', "
    "'MaterializedPostgreSQL', 'NATS', 'RabbitMQ', 'S3Queue')"
    " ORDER BY database, name"
)
_TRIGGERS = (
    "SELECT {distinct}database, name, place, view FROM {tables} ARRAY JOIN dependencies_database AS place, "
    "dependencies_table AS view ORDER BY ALL"
)
_REFRESHES = "SELECT {distinct}database, view FROM {tables} ORDER BY ALL"


@dataclass(frozen=True, slots=True)
class BackgroundInserts:
    """Tables and views that bring rows into a table by themselves; quoted names with their database."""

    buffers: tuple[str, ...] = ()
    """Buffer tables, which are flushed."""
    refreshed: tuple[str, ...] = ()
    """Refreshable views that write into the table, which are stopped meanwhile."""
    streams: tuple[str, ...] = ()
    """Kafka and the like: only their owner can say that they are stopped."""
    queues: tuple[str, ...] = ()
    """Distributed tables, whose files are sent."""
    views: tuple[str, ...] = ()
    """Materialized views that pass on what is inserted elsewhere, where they were asked for."""
    untold: tuple[str, ...] = ()
    """Those of all these, and materialized views between them and the table, of which nobody can read where they lead
    to."""

    @property
    def doubt(self) -> str:
        """What a sentence about them has to say besides; '' where all of them can be read."""
        if not self.untold:
            return ""
        lead = "it leads" if len(self.untold) == 1 else "they lead"
        listed = ", ".join(self.untold)
        return f" (the server shows no definition of {listed} that can be read: where {lead} to is not known)"


@dataclass(frozen=True, slots=True)
class _Source:
    node: Node
    engine: str
    leads_to: Node | None
    refreshes: bool = False
    shown: str | None = None
    """The definition of which nobody can tell where it leads to; None: it can be told, or views tell it."""
    own: tuple[str, ...] = ()
    """Names that a table of such a view would have where it owns one."""


def find_background_inserts(
    database: str, table: str, *, with_views: bool = False, topology: Topology = SINGLE
) -> Routine[BackgroundInserts]:
    """Everything that brings rows into the table by itself; ``with_views``: also what passes on the rows of INSERTs
    into other tables. One query where nothing of the kind is there. ``topology``: the hosts, where one may have what
    the others have not.

    Raises StatementError where a host does not answer.
    """
    rows = yield from _ask(_READ, topology)
    # The same table is there on each host, and may have another UUID.
    sources = list(
        dict.fromkeys(
            _source(text(place), text(name), text(engine), text(full), text(query), text(uuid))
            for place, name, engine, full, query, uuid in rows
        )
    )
    sources = yield from _with_refreshes(sources, topology)
    # A plain materialized view runs inside the INSERT that feeds it, and that is in system.processes anyway.
    ignored = ("",) if with_views else ("MaterializedView",)
    # In most databases nothing of the kind is there, and the second question is not sent.
    if all(source.engine in ignored and not source.refreshes for source in sources):
        return BackgroundInserts()
    sources = yield from _with_own_tables(sources)
    flows: dict[Node, set[Node]] = {}
    for source in sources:
        if source.leads_to is not None:
            flows.setdefault(source.leads_to, set()).add(source.node)
    for place, name, view_place, view in (yield from _ask(_TRIGGERS, topology)):
        # A materialized view stands in the list of the table that it reads from, not in that of its target.
        flows.setdefault((text(view_place), text(view)), set()).add((text(place), text(name)))
    above = _upstream((database, table), flows)
    while hidden := [
        each.node for each in sources if each.node not in above and _may_lead(each, (database, table), above)
    ]:
        flows.setdefault((database, table), set()).update(hidden)
        above = _upstream((database, table), flows)
    found = [source for source in sources if source.node in above]

    def named(*engines: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(qualified(*source.node) for source in found if source.engine in engines))

    refreshed = tuple(dict.fromkeys(qualified(*source.node) for source in found if source.refreshes))
    passing = (source for source in found if source.engine == "MaterializedView" and not source.refreshes)
    views = tuple(dict.fromkeys(qualified(*source.node) for source in passing)) if with_views else ()
    untold = tuple(dict.fromkeys(qualified(*source.node) for source in found if source.shown is not None))
    return BackgroundInserts(named("Buffer"), refreshed, named(*sorted(STREAMS)), named("Distributed"), views, untold)


def _may_lead(source: _Source, table: Node, above: Collection[Node]) -> bool:
    """Whether rows may flow from what nobody can read into the table, or into something that feeds it."""
    if source.shown is None or source.node == table:
        return False
    names = {name for _, name in (table, *above)}
    return not source.shown.strip() or any(
        name in source.own or name in source.shown or quote_name(name)[1:-1] in source.shown for name in names
    )


def _with_refreshes(sources: list[_Source], topology: Topology) -> Routine[list[_Source]]:
    """Views that nobody can read, with whether they are refreshable: the server lists those."""
    if not any(source.engine == "MaterializedView" and source.shown is not None for source in sources):
        return sources
    try:
        rows = yield from _ask(_REFRESHES, topology, "system.view_refreshes")
    except StatementError as error:
        # A server that has no such list has no such views.
        if error.code != UNKNOWN_TABLE or "view_refreshes" not in error.message:
            raise
        return sources
    listed = {(text(database), text(view)) for database, view in rows}
    return [
        replace(source, refreshes=True) if source.shown is not None and source.node in listed else source
        for source in sources
    ]


def _with_own_tables(sources: Sequence[_Source]) -> Routine[list[_Source]]:
    """Views of databases that show no UUIDs, with the tables that they own: these have other names there."""
    found: list[_Source] = []
    for source in sources:
        if source.leads_to != (source.node[0], _UNTOLD):
            found.append(source)
            continue
        own = yield from own_table(*source.node)
        found.append(replace(source, leads_to=(source.node[0], own) if own else None))
    return found


def _ask(sql: str, topology: Topology, table: str = "system.tables") -> Routine[Rows]:
    if not topology.reached:
        return (yield Query(sql.format(distinct="", tables=table)))
    return (yield Query(sql.format(distinct="DISTINCT ", tables=topology.everywhere(table)), {}, PROOF))


def _upstream(node: Node, flows: Mapping[Node, set[Node]]) -> set[Node]:
    found: set[Node] = set()
    todo = [node]
    while todo:
        for source in flows.get(todo.pop(), ()):
            if source not in found:
                found.add(source)
                todo.append(source)
    return found


def _source(database: str, name: str, engine: str, full: str, query: str, uuid: str) -> _Source:
    node = (database, name)
    if engine in _PASSING_ON:
        arguments = [unquote(part) for part in split_top(full.partition("(")[2].rpartition(")")[0])]
        # The first argument of Distributed is the cluster.
        first = 0 if engine == "Buffer" else 1
        if len(arguments) <= first + 1:
            return _Source(node, engine, None, shown=query)
        return _Source(node, engine, (arguments[first] or database, arguments[first + 1]))
    if engine != "MaterializedView":
        return _Source(node, engine, None)
    form = split_create(query, database)
    if not isinstance(form, ViewForm):
        return _Source(node, engine, None, shown=query, own=(f".inner_id.{uuid}", f".inner.{name}"))
    if not form.to:
        # A view without TO writes into a table that is called after the view's UUID.
        return _Source(node, engine, (database, f".inner_id.{uuid}"), bool(form.refresh))
    place, target = target_parts(form.to)
    return _Source(node, engine, (place or database, target), bool(form.refresh))
