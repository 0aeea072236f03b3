"""One schema in many databases: which are meant, what becomes of each, and what one that fails does to the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, validate_schema
from aaiclick.clickhouse.names import JOURNAL
from aaiclick.clients.embedded import EmbeddedConnection
from aaiclick.clients.opening import open_url
from aaiclick.commands.report import Report
from aaiclick.errors import SchemaVersionError, TenantsFailedError, UsageError
from aaiclick.events import Event, StepDone
from aaiclick.routine import Query, run
from aaiclick.state.cache import mark_transition
from aaiclick.state.progress import JournalScope
from aaiclick.state.transition import TransitionStart, UnfinishedMigration, begin_transition
from aaiclick.tenants import Tenant, ensure_tenants, find_tenants, plan_tenants, validate_tenants
from aaiclick.tenants.databases import matches
from aaiclick.testing.engine import EmbeddedEngine, fresh_name

COLUMNS = [Column("id", "UInt64"), Column("v", "String")]
V1 = Schema("shop", version=1, objects=[Table("events", COLUMNS, engine=MergeTree(order_by=["id"]))])
V2 = Schema(
    "shop", version=2, objects=[Table("events", [*COLUMNS, Column("n", "UInt8")], engine=MergeTree(order_by=["id"]))]
)
KEY = Schema("shop", version=2, objects=[Table("events", COLUMNS, engine=MergeTree(order_by=["v", "id"]))])


@pytest.fixture
def tenants(aaiclick_engine: EmbeddedEngine) -> Iterator[tuple[str, ...]]:
    """Three empty databases."""
    prefix = fresh_name("tenants")
    names = tuple(f"{prefix}_{letter}" for letter in "abc")
    for name in names:
        aaiclick_engine.command(f"CREATE DATABASE `{name}` ENGINE = Atomic")
    yield names
    for name in names:
        aaiclick_engine.command(f"DROP DATABASE IF EXISTS `{name}` SYNC")


def pattern(names: tuple[str, ...]) -> str:
    return names[0].removesuffix("a") + "*"


def test_each_database_comes_to_the_version(aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]) -> None:
    url, told = aaiclick_engine.url, list[Tenant[Report]]()
    made = ensure_tenants(url, V1, pattern(tenants), on_tenant=told.append)
    assert [each.database for each in made.tenants] == list(tenants) == [each.database for each in told]
    assert not made.failed
    made.raise_failed()
    aaiclick_engine.command(f"INSERT INTO `{tenants[1]}`.events VALUES (1, 'a')")
    groups = plan_tenants(url, V2, pattern(tenants)).groups
    assert [(group.databases, [step.strategy for step in group.plan.steps]) for group in groups] == [
        (tenants, ["alter"])
    ]
    behind = validate_tenants(url, V2, pattern(tenants))
    assert [each.answer.state for each in behind.tenants if each.answer is not None] == ["behind"] * 3
    events = list[Event]()
    ensure_tenants(url, V2, pattern(tenants), on_event=events.append)
    assert len([event for event in events if isinstance(event, StepDone)]) == 3
    again = ensure_tenants(url, V2, pattern(tenants))
    assert [each.answer.steps for each in again.tenants if each.answer is not None] == [()] * 3
    assert [group.plan.steps for group in plan_tenants(url, V2, pattern(tenants)).groups] == [()]


def test_those_in_sync_are_found_by_one_question(
    aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()
    send = EmbeddedConnection.query

    def query(connection: EmbeddedConnection, effect: Query) -> Sequence[Sequence[object]]:
        asked.append(effect.sql)
        return send(connection, effect)

    ensure_tenants(aaiclick_engine.url, V1, tenants)
    monkeypatch.setattr(EmbeddedConnection, "query", query)
    made = ensure_tenants(aaiclick_engine.url, V1, tenants)
    assert [(each.answer.database, each.answer.to_version) for each in made.tenants if each.answer] == [
        (name, 1) for name in tenants
    ]
    assert len(asked) == 2  # which databases there are, and how they are
    asked.clear()
    # What may be wanted beside what is declared is found by each start alone.
    ensure_tenants(aaiclick_engine.url, V1, tenants, policy=Policy.everything())
    assert len(asked) > 2 * len(tenants)
    asked.clear()
    # Somebody drops a table while others are migrated: what was seen before that does not count.
    monkeypatch.setattr("aaiclick.tenants.in_sync._FRESH", -1.0)

    def drop(done: Tenant[Report]) -> None:
        if done.database == tenants[0]:
            aaiclick_engine.command(f"DROP TABLE `{tenants[2]}`.events SYNC")

    made = ensure_tenants(aaiclick_engine.url, V1, tenants, on_tenant=drop)
    assert [len(each.answer.steps) for each in made.tenants if each.answer] == [0, 0, 1]


def test_a_status_is_the_same_as_that_of_each_alone_and_asks_once_for_those_that_stand_alike(
    aaiclick_engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, prefix = aaiclick_engine.url, fresh_name("alike")
    names = [f"{prefix}_{number}" for number in range(7)]
    for name in names:
        aaiclick_engine.command(f"CREATE DATABASE `{name}` ENGINE = Atomic")
    other = Schema("other", version=1, objects=[Table("o", COLUMNS, engine=MergeTree(order_by=["id"]))])
    more = Schema("shop", version=1, objects=[*V1.objects, *other.objects])
    ensure_schema(url, other, database=names[3])
    ensure_schema(url, more, database=names[4])
    ensure_tenants(url, V1, names)
    # Its copy keeps the old table, that of the others does not.
    ensure_schema(url, KEY, Policy.lossless(), database=names[5])
    ensure_tenants(url, KEY, names, Policy.lossless(keep_old=timedelta(0))).raise_failed()
    aaiclick_engine.command(f"ALTER TABLE `{names[6]}`.events ADD COLUMN own String")
    asked = list[str]()
    send = EmbeddedConnection.query

    def query(connection: EmbeddedConnection, effect: Query) -> Sequence[Sequence[object]]:
        asked.append(effect.sql)
        return send(connection, effect)

    alone = [validate_schema(url, KEY, database=name) for name in names]
    assert [(each.state, bool(each.kept_tables), len(each.notes)) for each in alone] == [
        ("in sync", False, 0),
        ("in sync", False, 0),
        ("in sync", False, 0),
        ("in sync", False, 0),
        ("in sync", False, 1),
        ("in sync", True, 0),
        ("in sync", False, 1),
    ]
    monkeypatch.setattr(EmbeddedConnection, "query", query)
    assert [each.answer for each in validate_tenants(url, KEY, names).tenants] == alone
    # The first of the three that stand alike, and the four others.
    assert len([sql for sql in asked if sql.startswith("SELECT 'record'")]) == 5
    for name in names:
        aaiclick_engine.command(f"DROP DATABASE `{name}` SYNC")


def test_what_was_begun_after_the_clock_was_set_back_is_told_where_it_was(
    aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]
) -> None:
    url = aaiclick_engine.url
    ensure_tenants(url, V1, tenants)
    with closing(open_url(url)) as connection:
        begun = TransitionStart(UnfinishedMigration(2, 1, None, "somebody", 0), 0, "")
        scope = JournalScope(tenants[1], V1.name, 0)
        run(begin_transition(scope, begun), connection)
        # The mark is not there, where an earlier release has written the cache anew.
        run(mark_transition(tenants[1], V1.name, None), connection)
    earlier = "ALTER TABLE `{}`.`{}` UPDATE at = 0 WHERE 1 SETTINGS mutations_sync = 2"
    aaiclick_engine.command(earlier.format(tenants[1], JOURNAL))
    alone = [validate_schema(url, V1, database=name) for name in tenants]
    assert [bool(each.unfinished) for each in alone] == [False, True, False]
    assert [each.answer for each in validate_tenants(url, V1, tenants).tenants] == alone


def test_a_table_under_a_former_name_is_told_where_it_is(
    aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]
) -> None:
    moved = [Table("t2", COLUMNS, engine=MergeTree(order_by=["id"]), renamed_from="t1")]
    schema = Schema("moved", version=2, objects=moved)
    ensure_tenants(aaiclick_engine.url, schema, tenants)
    aaiclick_engine.command(f"CREATE TABLE `{tenants[1]}`.t1 (id UInt64) ENGINE = MergeTree ORDER BY id")
    told = [each.answer.notes for each in validate_tenants(aaiclick_engine.url, schema, tenants).tenants if each.answer]
    assert [len(notes) for notes in told] == [0, 1, 0]


def test_what_a_key_is_about_is_done_in_the_one_database_that_has_it(
    aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]
) -> None:
    ensure_tenants(aaiclick_engine.url, V1, tenants)
    aaiclick_engine.command(f"ALTER TABLE `{tenants[1]}`.events ADD COLUMN old String")
    policy = Policy.lossless().allow("drop-column events.old")
    made = ensure_tenants(aaiclick_engine.url, V1, tenants, policy=policy)
    assert [len(each.answer.steps) for each in made.tenants if each.answer is not None] == [0, 1, 0]


def test_what_is_gone_from_one_of_many_is_made_again(aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]) -> None:
    ensure_tenants(aaiclick_engine.url, V1, tenants)
    aaiclick_engine.command(f"DROP TABLE `{tenants[1]}`.events SYNC")
    aaiclick_engine.command(f"ALTER TABLE `{tenants[2]}`.events ADD COLUMN n UInt8")
    told = list[Tenant[Report]]()
    made = ensure_tenants(aaiclick_engine.url, V1, tenants, on_tenant=told.append)
    assert [len(each.answer.steps) for each in made.tenants if each.answer] == [0, 1, 0]
    assert [len(each.answer.pending) for each in made.tenants if each.answer] == [0, 0, 1]
    assert [each.database for each in told] == list(tenants)


def test_one_that_is_refused_leaves_the_others_alone(aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]) -> None:
    url = aaiclick_engine.url
    ensure_tenants(url, V1, tenants[:1])
    aaiclick_engine.command(f"INSERT INTO `{tenants[0]}`.events VALUES (1, 'a')")
    found = ensure_tenants(url, KEY, pattern(tenants), policy=Policy.safe())
    assert [each.database for each in found.failed] == [tenants[0]]
    assert isinstance(found.failed[0].error, SchemaVersionError)
    with pytest.raises(TenantsFailedError, match=rf"shop: 1 of 3 databases failed \({tenants[0]}\)\. The first: shop"):
        found.raise_failed()
    # Two that were empty are there, one has to be copied.
    groups = plan_tenants(url, KEY, pattern(tenants)).groups
    assert [(group.databases, bool(group.plan.steps)) for group in groups] == [
        (tenants[:1], True),
        (tenants[1:], False),
    ]


def test_an_error_names_the_file_that_the_schema_is_said_in(
    aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...], tmp_path: Path
) -> None:
    """As that of ``ensure_schema`` does."""
    path = tmp_path / "schema.sql"
    path.write_text("\nCREATE TABLE u (a Strin) ENGINE = MergeTree ORDER BY a", encoding="utf-8")
    found = ensure_tenants(aaiclick_engine.url, Schema.from_sql(path, name="shop"), tenants[0])
    assert str(found.failed[0].error).startswith(f"{path}, line 2, CREATE TABLE u")


def test_several_at_a_time(aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]) -> None:
    threads = set[int]()
    made = ensure_tenants(
        aaiclick_engine.url,
        V1,
        pattern(tenants),
        policy=Policy.safe(),
        on_tenant=lambda _: threads.add(threading.get_ident()),
        workers=3,
    )
    made.raise_failed()
    assert [each.database for each in made.tenants] == list(tenants)
    assert threading.get_ident() not in threads


def test_an_error_that_is_no_refusal_ends_the_run(aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]) -> None:
    def fail(tenant: Tenant[Report]) -> None:
        raise ZeroDivisionError

    for workers in (1, 2):
        with pytest.raises(ZeroDivisionError):
            ensure_tenants(aaiclick_engine.url, V1, pattern(tenants), on_tenant=fail, workers=workers)


def test_what_is_wrong_is_said_before_anything_is_done(
    aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]
) -> None:
    url = aaiclick_engine.url
    for wanted, said in (
        ("no_such_tenant_*", "no database matches 'no_such_tenant_"),
        ([tenants[0], "missing"], "there is no database 'missing'; there are"),
        ([], "no database was named"),
    ):
        with pytest.raises(UsageError, match=said):
            ensure_tenants(url, V1, wanted)
    for workers in (0, -1, True, "2"):
        with pytest.raises(UsageError, match="a whole number from 1 on"):
            ensure_tenants(url, V1, tenants, workers=workers)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="hand in a URL"):
        ensure_tenants(object(), V1, tenants, workers=2)
    with pytest.raises(UsageError, match="a Schema is wanted"):
        ensure_tenants(url, "shop:SHOP", tenants)  # type: ignore[arg-type]
    assert all(
        each.answer is not None and each.answer.state == "empty" for each in validate_tenants(url, V1, tenants).tenants
    )


def test_which_databases_are_meant(aaiclick_engine: EmbeddedEngine, tenants: tuple[str, ...]) -> None:
    url = aaiclick_engine.url
    assert find_tenants(url, [tenants[2], pattern(tenants), tenants[2]]) == tenants
    everything = find_tenants(url, "*")
    assert set(tenants) < set(everything)
    assert not {"system", "INFORMATION_SCHEMA", "information_schema"} & set(everything)
    assert not [name for name in everything if name.startswith("_aaiclick_")]


@pytest.mark.parametrize(
    ("name", "wanted", "met"),
    [
        ("tenant_1", "tenant_*", True),
        ("tenant_", "tenant_*", True),
        ("tenant_12", "tenant_?", False),
        ("Tenant_1", "tenant_*", False),
        ("a.b", "a?b", True),
        ("axb", "a.b", False),
        ("a\nb", "a*b", True),
        ("[x]", "[x]*", True),
    ],
)
def test_patterns(name: str, wanted: str, met: bool) -> None:
    assert matches(name, wanted) is met
