"""The golden cases on a cluster: one declaration for a single host and for all of them, and what has to hold behind it.

Each case is played on one host first: what that ends with is what the cluster has to end with. There several go
together, each with a table of its own name: one start carries all of them out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aaiclick import MergeTree, Policy, Schema, Table, plan_schema
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.parse.create import split_create
from aaiclick.specs.schema import SchemaObject
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.runner import REPLAY, declaration, five_checks, form_of, rows_as, statements
from tests.cases.test_golden import on_ground, renamed
from tests.cluster.copies import REMAINS, home
from tests.cluster.places import Place
from tests.cluster.rig.host import Host
from tests.cluster.rig.waiting import wait_until
from tests.support.forms import unordered

Case = Mapping[str, str]
TITLES = {
    (1, 2, "queue"): "golden cases on 1 shard x 2 replicas, ON CLUSTER",
    (1, 2, "database"): "golden cases on 1 shard x 2 replicas, in a Replicated database",
    (2, 2, "queue"): "golden cases on 2 shards x 2 replicas, ON CLUSTER",
}
"""Parts of the long proofs."""
OF_CHANCE = {"absent_default_before_a_copy": {"u"}, "default_that_reads_an_alias_of_rand": {"c"}}
"""Columns whose values are others in each place."""
_SETTINGS: dict[str, Any] = {
    name: value for name, _, value in (part.partition(" = ") for part in REPLAY.removeprefix("SET ").split(", "))
}
_WAITED: dict[str, Any] = {"alter_sync": 2, "mutations_sync": 2, "lightweight_deletes_sync": 2}
_INSERT = "INSERT INTO {db}.t "
_COMBINED = re.compile(r"(?:Replacing|Summing|Aggregating|Coalescing)MergeTree\b.* ORDER BY (\w+\(\w[^()]*\))")
_FIRST = re.compile(r"{db}\.t \((`[^`]*(?:``[^`]*)*`|\w+) (\w+)")


@dataclass(frozen=True)
class Ended:
    """A case, and what it ends with on one host."""

    case: Case
    table: Table
    """The declaration, under the name of the case."""
    form: TableForm
    rows: list[str]
    """As text, in the order of the text; columns of chance are left out."""
    shown: str
    """What makes a row such a text."""
    strategies: tuple[str, ...]
    """Of the steps that are required."""

    @property
    def allowed(self) -> list[str]:
        """Keys that the case permits."""
        keys = self.case.get("allow", "").split(", ")
        return [re.sub(r" t\b", f" {self.table.name}", key) for key in keys if key]


def on_one_host(engine: EmbeddedEngine, name: str, case: dict[str, str]) -> Ended:
    """The five checks, with the declaration that the cluster gets as well."""
    with on_ground(engine, case) as ground:
        (said,) = declaration(ground, renamed(case)).tables
        assert isinstance(said.engine, MergeTree)
        table = said.model_copy(update={"engine": said.engine.model_copy(update={"replicated": ""})})
        allowed = tuple(key for key in case.get("allow", "").split(", ") if key)
        checked = five_checks(ground, schema_of([table]), renamed(case), allowed)
        form = form_of(ground, ground.live, "t")
        seen = [each for each in form.columns if each.stored and each.name not in OF_CHANCE.get(name, ())]
        rows = rows_as(ground, ground.live, "t", replace(form, columns=tuple(seen)), {}, None)
        shown = ", ".join(f"toString({quote_name(each.name)})" for each in seen)
        named = table.model_copy(update={"name": name})
        ways = tuple(step.strategy for step in checked.plan.required)
        return Ended(case, named, replace(form, name=name), rows, f"toString(tuple({shown}))", ways)


def schema_of(tables: Collection[Table], cluster: str | None = "{cluster}") -> Schema:
    """The declaration with which a laptop makes local tables and a cluster replicated ones."""
    objects: list[SchemaObject] = list(tables)
    return Schema("case", version=1, objects=objects, cluster=cluster, replicate="where-possible")


def play(place: Place, cases: Mapping[str, Ended], through: int) -> None:
    """Carry cases out through the host with this number, to where every host ends as one host does, by the same ways,
    and another one finds nothing to do."""
    for name, ended in cases.items():
        _prepare(place, name, ended.case)
    policy = Policy.lossless(keep_old=timedelta(0)).allow(*(key for ended in cases.values() for key in ended.allowed))
    schema = schema_of([ended.table for ended in cases.values()], place.named)
    report = place.start(schema, through, policy)
    for name, ended in cases.items():
        found = tuple(step.strategy for step in report.steps if step.object == name)
        assert found[: len(ended.strategies)] == ended.strategies, f"{name}: {found}"
        _has_ended(place, name, ended)
    place.shows()
    assert place.cluster.same(REMAINS.format(db=place.database, home=home(place))) == []
    again = plan_schema(place.cluster.hosts[through - 1].database_url(place.database), schema)
    assert not again.steps, str(again)


def _prepare(place: Place, table: str, case: Case) -> None:
    """The table of the case on all hosts, and its rows: hosts of one shard insert in turn, on several each row goes to
    the shard that its first column says. Whatever else changes rows is sent to one host of each shard."""
    database, cluster = quote_name(place.database), place.cluster
    name = f"{database}.{table}"
    on = f" ON CLUSTER {quote_name(cluster.name)}" if place.named else ""
    for statement in statements(case["before"]):
        made = statement.replace("{db}.t ", f"{name}{on} ").replace("ENGINE = ", "ENGINE = Replicated")
        cluster.hosts[0].q(made, **_SETTINGS)
    # A host that has just come by the entry of the database's log has no session for the table yet.
    writable = f"SELECT count() FROM system.replicas WHERE database = '{place.database}' AND table = '{table}' AND "
    wait_until(lambda: cluster.everywhere(f"{writable} NOT is_readonly") == ["1"] * len(cluster.hosts), name)
    spread = f"INSERT INTO FUNCTION cluster('{cluster.name}', {database}, {table}, {_sharding_key(case)}) "
    for number, statement in enumerate(statements(case.get("rows", ""))):
        if not statement.startswith(_INSERT):
            for host in cluster.hosts[:: cluster.replicas]:
                host.q(statement.replace("{db}.t", name), **_WAITED, **_SETTINGS)
        else:
            host = cluster.hosts[number % len(cluster.hosts)]
            sent = statement.replace(_INSERT, spread if cluster.shards > 1 else f"INSERT INTO {name} ")
            host.q(sent, distributed_foreground_insert=1, **_SETTINGS)
        cluster.sync(name)


def _sharding_key(case: Case) -> str:
    """The first column: a number as it is, so that few rows are spread, too. Where merges combine rows by an expression,
    that: such rows are together on one host, and so they have to be on several."""
    if (combined := _COMBINED.search(case["before"])) is not None:
        return f"cityHash64(toString({combined[1]}))"
    found = _FIRST.search(case["before"])
    assert found, case["before"]
    column, kind = found.groups()
    return column if kind.startswith("UInt") else f"cityHash64(toString({column}))"


def _has_ended(place: Place, name: str, ended: Ended) -> None:
    """Every row once on every replica of its shard, the rows of one host, its definition on all hosts."""
    database, cluster = place.database, place.cluster
    cluster.sync(f"{quote_name(database)}.{name}")
    rows: list[str] = []
    for shard in range(1, cluster.shards + 1):
        hosts = [host for host in cluster.hosts if host.shard == shard]
        there = cluster.same(f"SELECT {ended.shown} AS row FROM {quote_name(database)}.{name} ORDER BY row", hosts)
        rows += [row for (row,) in there]
    assert sorted(rows) == sorted(ended.rows), name
    for host in cluster.hosts:
        form = _form(host, database, name)
        assert form.engine == f"Replicated{ended.form.engine}"
        # The path is the server's own.
        arguments = re.sub(r"^'[^']*', '[^']*'(, )?", "", form.arguments)
        assert unordered(replace(form, engine=ended.form.engine, arguments=arguments)) == unordered(ended.form)


def _form(host: Host, database: str, name: str) -> TableForm:
    made = host.one(f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = '{name}'")
    form = split_create(made, database)
    assert isinstance(form, TableForm)
    return normal(form)
