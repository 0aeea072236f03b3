"""The golden cases on a cluster: one declaration for a single host and for all of them, and what has to hold behind it.

A case is played on one host first: what that ends with is what the cluster has to end with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aaiclick import MergeTree, Policy, Schema, Table, plan_schema
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.parse.create import split_create
from aaiclick.errors import BlockedError
from aaiclick.specs.schema import SchemaObject
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.runner import REPLAY, declaration, five_checks, form_of, rows_as, statements
from tests.cases.test_golden import on_ground, renamed
from tests.cluster.copies import REMAINS, home
from tests.cluster.places import Place
from tests.cluster.rig.host import Host
from tests.support.forms import unordered

Case = dict[str, str]
TITLES = {
    (1, 2, "queue"): "golden cases on 1 shard x 2 replicas, ON CLUSTER",
    (1, 2, "database"): "golden cases on 1 shard x 2 replicas, in a Replicated database",
    (2, 2, "queue"): "golden cases on 2 shards x 2 replicas, ON CLUSTER",
}
"""Parts of the long proofs."""
BLOCKED = {
    "what becomes of its rows depends on them": "on several shards changes for which rows have to be looked at",
    "no row may come in on any host that breaks the change": "on several shards changes in place that rows which come in",
}
"""Reasons for which a case may be blocked, on several shards alone, and the words of the page about clusters."""
OF_CHANCE = {"absent_default_before_a_copy": {"u"}, "default_that_reads_an_alias_of_rand": {"c"}}
"""Columns whose values are others in each place."""
_SETTINGS: dict[str, Any] = dict(part.split(" = ") for part in REPLAY.removeprefix("SET ").split(", "))
_WAITED: dict[str, Any] = {"alter_sync": 2, "mutations_sync": 2, "lightweight_deletes_sync": 2}
_INSERT = re.compile(r"INSERT INTO {db}\.(\w+)")
_FIRST = r"{{db}}\.{table} \((`[^`]*(?:``[^`]*)*`|\w+) (\w+)"


@dataclass(frozen=True)
class EndedTable:
    """What a table ends with on one host."""

    form: TableForm
    rows: list[str]
    """As text, in the order of the text; columns of chance are left out."""
    shown: str
    """What makes a row such a text."""


@dataclass(frozen=True)
class Ended:
    """What a case ends with on one host."""

    schema: Schema
    tables: dict[str, EndedTable]

    @property
    def rows(self) -> int:
        """How many rows all of them have."""
        return sum(len(table.rows) for table in self.tables.values())


def together(cases: dict[str, Case]) -> Case:
    """Several cases as one, each with a table of its own name: for one start."""
    joined = dict.fromkeys(("before", "rows", "after"), "")
    listed: dict[str, list[str]] = {"renames": [], "allow": []}
    for name, case in cases.items():
        for section in joined:
            joined[section] += re.sub(r"{db}\.t\b", f"{{db}}.{name}", case.get(section, "")) + "\n"
        listed["renames"] += [case["renames"]] if "renames" in case else []
        listed["allow"] += [re.sub(r" t\b", f" {name}", key) for key in _allowed(case)]
    return joined | {section: ", ".join(words) for section, words in listed.items() if words}


def on_one_host(engine: EmbeddedEngine, name: str, case: Case, cluster: str | None) -> Ended:
    """The five checks, with the declaration that the cluster gets as well."""
    with on_ground(engine, case) as ground:
        said = declaration(ground, renamed(case))
        objects: list[SchemaObject] = [_replicated(table) for table in said.tables]
        schema = Schema("case", version=1, objects=objects, cluster=cluster, replicate="where-possible")
        five_checks(ground, schema, renamed(case), _allowed(case))
        tables: dict[str, EndedTable] = {}
        for table in tables_of(schema):
            form = form_of(ground, ground.live, table)
            seen = [each for each in form.columns if each.stored and each.name not in OF_CHANCE.get(name, ())]
            rows = rows_as(ground, ground.live, table, replace(form, columns=tuple(seen)), {}, None)
            shown = ", ".join(f"toString({quote_name(each.name)})" for each in seen)
            tables[table] = EndedTable(form, rows, f"toString(tuple({shown}))")
        return Ended(schema, tables)


def tables_of(schema: Schema) -> list[str]:
    """Their names."""
    return [table.name for table in schema.tables]


def _replicated(table: Table) -> Table:
    assert isinstance(table.engine, MergeTree)
    return table.model_copy(update={"engine": table.engine.model_copy(update={"replicated": ""})})


def _allowed(case: Case) -> tuple[str, ...]:
    return tuple(key for key in case.get("allow", "").split(", ") if key)


def play(place: Place, case: Case, ended: Ended, through: int) -> str:
    """Carry the case out through the host with this number: '' where every host ended as one host does, and another
    host finds nothing to do; else the reason for which the plan is blocked, with nothing changed."""
    _prepare(place, case)
    before = _shown(place, ended)
    try:
        report = place.start(ended.schema, through, Policy.lossless(keep_old=timedelta(0)).allow(*_allowed(case)))
    except BlockedError as error:
        assert _shown(place, ended) == before
        return "; ".join(error.blocks)
    assert report.steps
    _has_ended(place, ended)
    again = plan_schema(place.cluster.hosts[through - 1].database_url(place.database), ended.schema)
    assert not again.steps, str(again)
    return ""


def _shown(place: Place, ended: Ended) -> list[list[str]]:
    return [row for row in place.shows() if row[0] in ended.tables]


def _prepare(place: Place, case: Case) -> None:
    """The table of the case on all hosts, and its rows: hosts of one shard insert in turn, on several each row goes to
    the shard that its first column says. Whatever else changes rows is sent to one host of each shard."""
    name, cluster = quote_name(place.database), place.cluster
    on = f" ON CLUSTER {quote_name(cluster.name)}" if place.named else ""
    for statement in statements(case["before"]):
        made = statement.replace(" (", f"{on} (", 1).replace("ENGINE = ", "ENGINE = Replicated")
        cluster.hosts[0].q(made.replace("{db}", name), **_SETTINGS)
    for number, statement in enumerate(statements(case.get("rows", ""))):
        into = _INSERT.match(statement)
        if into is None:
            for host in cluster.hosts[:: cluster.replicas]:
                host.q(statement.replace("{db}", name), **_WAITED, **_SETTINGS)
        else:
            spread = f"cluster('{cluster.name}', {name}, {into[1]}, {_sharding_key(case, into[1])})"
            sent = statement.replace(into[0], f"INSERT INTO FUNCTION {spread}") if cluster.shards > 1 else statement
            host = cluster.hosts[number % len(cluster.hosts)]
            host.q(sent.replace("{db}", name), distributed_foreground_insert=1, **_SETTINGS)
        for table in sorted(set(re.findall(r"{db}\.(\w+)", statement))):
            cluster.sync(f"{name}.{table}")


def _sharding_key(case: Case, table: str) -> str:
    """A number as it is, so that few rows are spread, too."""
    found = re.search(_FIRST.format(table=table), case["before"])
    assert found, case["before"]
    column, kind = found.groups()
    return column if kind.startswith("UInt") else f"cityHash64(toString({column}))"


def _has_ended(place: Place, ended: Ended) -> None:
    """Every row once on every replica of its shard, the rows of one host, the same definitions everywhere, nothing left."""
    db, cluster = place.database, place.cluster
    for name, table in ended.tables.items():
        cluster.sync(f"{quote_name(db)}.{name}")
        rows: list[str] = []
        for shard in range(1, cluster.shards + 1):
            hosts = [host for host in cluster.hosts if host.shard == shard]
            there = cluster.same(f"SELECT {table.shown} AS row FROM {quote_name(db)}.{name} ORDER BY row", hosts)
            rows += [row for (row,) in there]
        assert sorted(rows) == sorted(table.rows)
    place.shows()
    for host in cluster.hosts:
        for name, table in ended.tables.items():
            form = _form(host, db, name)
            assert form.engine == f"Replicated{table.form.engine}"
            # The path is the server's own.
            arguments = re.sub(r"^'[^']*', '[^']*'(, )?", "", form.arguments)
            assert unordered(replace(form, engine=table.form.engine, arguments=arguments)) == unordered(table.form)
    assert cluster.same(REMAINS.format(db=db, home=home(place))) == []


def _form(host: Host, database: str, name: str) -> TableForm:
    made = host.one(f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = '{name}'")
    form = split_create(made, database)
    assert isinstance(form, TableForm)
    return normal(form)
