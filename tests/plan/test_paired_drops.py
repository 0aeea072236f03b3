"""Drops of columns of a table and of the Distributed table over it: whose key counts, and which comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, MergeTree, Schema, Table
from aaiclick.catalog.forms import Catalog, ColumnForm, LiveObject, ServerFacts, TableForm
from aaiclick.clickhouse.topology import clusters_elsewhere
from aaiclick.clients import open_connection
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.clusters.distributed import clusters_named
from aaiclick.plan.clusters.paired_drops import columns_apart, drops_in_step
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork
from aaiclick.routine import run

SERVER = ServerFacts((26, 9), "26.9", "shop", "default", "UTC")
KEY, OWN = "drop-column events.note", "drop-column all.note"


def table(name: str, engine: str, *columns: str) -> LiveObject:
    arguments = "'c', 'shop', 'events', id" if engine == "Distributed" else ""
    form = TableForm(name, engine, tuple(ColumnForm(each, "String") for each in columns), arguments=arguments)
    return LiveObject("shop", name, form, "", engine)


def catalog(*columns: str) -> Catalog:
    """A pair, with these columns in the local table."""
    pair = (table("events", "ReplicatedMergeTree", *columns), table("all", "Distributed", "id", "note"))
    return Catalog("shop", "Atomic", SERVER, {live.name: live for live in pair})


def drop(name: str) -> Step:
    hazard = Hazard("old-code-breaks", "code fails", f"drop-column {name}.note")
    work = AlterWork(name, ())
    return Step(f"{name}:drop-column:note", name, "gone", "alter", [], work, (hazard,), optional=True)


STEPS = (drop("events"), drop("all"))


@pytest.mark.parametrize(("allowed", "key"), [((), KEY), ((KEY,), KEY), ((OWN,), OWN), ((KEY, OWN), KEY)])
def test_whose_key_counts(allowed: tuple[str, ...], key: str) -> None:
    first, second = drops_in_step(STEPS, catalog("id", "note"), {}, allowed)
    assert (first.object, second.object) == ("all", "events")
    assert [hazard.allow for hazard in first.hazards] == [key]
    assert first.optional


def test_a_table_over_another_cluster_is_not_in_front_of_ours() -> None:
    assert drops_in_step(STEPS, catalog("id", "note"), {}, (KEY,), {"c"}) == STEPS
    assert drops_in_step((STEPS[1],), catalog("id"), {}, (), {"c"}) == (STEPS[1],)
    assert drops_in_step((STEPS[1],), catalog("id"), {}, (), {"b"}) != (STEPS[1],)


def test_which_clusters_are_elsewhere_is_the_servers_answer(aaiclick_client: Client) -> None:
    local = [
        str(row[0]) for row in aaiclick_client.query("SELECT cluster FROM system.clusters WHERE is_local").result_rows
    ]
    connection = open_connection(aaiclick_client)
    assert run(clusters_elsewhere([*local, "nobody knows"], ""), connection) == frozenset()


def test_what_a_migration_decides_holds_for_both() -> None:
    decided = replace(STEPS[0], allowed=(KEY,), optional=False)
    first, _ = drops_in_step((decided, STEPS[1]), catalog("id", "note"), {}, ())
    assert (first.object, first.allowed, first.optional) == ("all", (KEY,), False)


def test_where_the_distributed_table_cannot_lose_it_neither_does() -> None:
    blocked = replace(STEPS[1], blocked="a view reads it")
    steps = drops_in_step((STEPS[0], blocked), catalog("id", "note"), {}, (KEY,))
    assert [bool(step.blocked) for step in steps] == [True, True]
    assert "all, which stands before it, has to lose note first: a view reads it" in steps[1].blocked


def test_one_that_is_left_over_is_required() -> None:
    (step,) = drops_in_step((STEPS[1],), catalog("id"), {}, ())
    assert not step.optional
    assert [hazard.allow for hazard in step.hazards] == [OWN]
    assert "events, which all stands before, has no column note" in step.hazards[0].message
    # Where the local table gets it back, or has it still, nothing is wrong.
    again = {"events": table("events", "ReplicatedMergeTree", "id", "note").form}
    assert isinstance(again["events"], TableForm)
    assert drops_in_step((STEPS[1],), catalog("id"), {"events": again["events"]}, ()) == (STEPS[1],)
    assert drops_in_step((STEPS[1],), catalog("id", "note"), {}, ()) == (STEPS[1],)


def test_an_alias_of_the_distributed_table_alone_is_its_own_affair() -> None:
    """No INSERT sends it to a shard."""
    pair = catalog("id")
    form = pair.objects["all"].form
    assert isinstance(form, TableForm)
    columns = (form.columns[0], ColumnForm("note", "String", "ALIAS", "toString(id)"))
    own = replace(pair.objects["all"], form=replace(form, columns=columns))
    beside = replace(pair, objects={**pair.objects, "all": own})
    assert drops_in_step((STEPS[1],), beside, {}, ()) == (STEPS[1],)


def test_a_declaration_with_a_column_that_the_local_table_has_not_is_told() -> None:
    id_, note = Column("id", "UInt64"), Column("note", "String")

    def pair(*more: Column) -> Schema:
        over = Engine("Distributed", "'c', currentDatabase(), events, id")
        local = Table("events", [id_], engine=MergeTree(order_by=["id"]))
        return Schema("shop", objects=[local, Table("all", [id_, *more], engine=over)])

    empty = Catalog("shop", "Atomic", SERVER, {})
    (step,) = columns_apart(pair(note), empty)
    assert "all is declared with column note, which events" in step.blocked
    assert not step.optional
    # Over hosts of another cluster it stands before a table of theirs.
    assert columns_apart(pair(note), empty, {"c"}) == ()
    assert clusters_named(pair(), catalog("id")) == {"c"}
    assert columns_apart(pair(note), catalog("id", "note")) == ()
    assert columns_apart(pair(), empty) == ()
    assert columns_apart(pair(Column("twice", "UInt64", alias="id * 2")), empty) == ()
