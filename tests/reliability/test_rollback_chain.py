"""The way back over several versions: one plan, one new table for each old one, everything that came meanwhile is in
it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    ensure_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.apply.rollback.not_restored import NotRestored, find_not_restored
from aaiclick.apply.rollback.path import Transition, version_steps
from aaiclick.catalog.forms import Catalog, LiveObject, ServerFacts, UnsupportedForm
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import ApplyError, HazardNotAllowedError, SchemaError, SpecError
from aaiclick.events import StepStarted
from aaiclick.lease.owner import this_process
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import CreateWork
from aaiclick.plan.steps import create_step, rename_step, statements_step
from aaiclick.routine import Command, Effect, Emit, run
from aaiclick.state.kept_tables import KEPT_PREFIX
from aaiclick.state.record import Record
from aaiclick.state.records import all_records
from aaiclick.state.transition import Attempt
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.reliability.test_rollback import KEPT, Place

K32, K64, V = Column("k", "UInt32"), Column("k", "UInt64"), Column("v", "String")
OTHER = Table("other", columns=[Column("a", "UInt8")], engine=MergeTree(order_by="a"))


def table(*columns: Column, order_by: list[str]) -> Table:
    return Table("t", columns=list(columns), engine=MergeTree(order_by=order_by))


V1 = Schema("case", version=1, objects=[table(K32, V, order_by=["k"])])
V2 = Schema("case", version=2, objects=[table(K64, V, order_by=["v", "k"])])
V3 = Schema("case", version=3, objects=[table(K64, V, Column("w", "UInt8", default="7"), order_by=["v", "k"]), OTHER])
V4 = Schema("case", version=4, objects=[table(K64, V, Column("w", "UInt8", default="7"), order_by=["k", "v"]), OTHER])
ALL = (V1, V2, V3, V4)
ROWS = [(100, 100, 4990, "one,three,two", 3)]
FOUND = (
    "SELECT count(), uniqExact(k), sum(k % 101), arrayStringConcat(arraySort(groupUniqArray(v)), ','), uniqExact(v) "
    "FROM t"
)


def fill(place: Place, first: int, count: int, value: str) -> None:
    place.sql(f"INSERT INTO t (k, v) SELECT {first} + number, '{value}' FROM numbers({count})")


@pytest.fixture
def place(aaiclick_client: Client, aaiclick_database: str) -> Place:
    made = Place(aaiclick_client, aaiclick_database)
    begin(made)
    return made


def begin(place: Place) -> str:
    """Versions 1 to 4 one by one, with rows that came at each; the definition that version 1 had."""
    ensure_schema(place.client, V1)
    fill(place, 0, 50, "one")
    before = place.definition()
    ensure_schema(place.client, V2, policy=KEPT)
    fill(place, 50, 20, "two")
    fill(place, 70, 5, "two")
    place.sql("OPTIMIZE TABLE t FINAL")
    fill(place, 75, 5, "two")
    ensure_schema(place.client, V3, policy=KEPT)
    ensure_schema(place.client, V4, policy=KEPT)
    fill(place, 80, 20, "three")
    assert len(place.ours(KEPT_PREFIX)) == 2
    return before


def test_over_three_versions_in_one_go(place: Place) -> None:
    expected = place.rows(FOUND)
    planned = rollback_schema(place.client, V4, to=1, dry_run=True)
    assert [step.object for step in planned.pending] == ["t"]
    assert planned.pending[0].rows == 50
    assert any(
        "30 rows that came while a table was live that is kept as well" in line for line in planned.pending[0].sql
    )
    assert "other stays: the older version does not know it" in planned.notes
    assert validate_schema(place.client, V4).in_sync
    report = rollback_schema(place.client, V4, to=1)
    assert (report.from_version, report.to_version) == (4, 1)
    assert place.rows(FOUND) == expected
    assert place.rows("SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 't'") == [
        ("k",)
    ]
    assert place.rows(
        "SELECT type FROM system.columns WHERE database = currentDatabase() AND table = 't' ORDER BY position"
    ) == [("UInt32",), ("String",)]
    assert place.rows("SELECT version, from_version, state FROM schema_version ORDER BY seq DESC LIMIT 1") == [
        (1, 4, "rolled back")
    ]
    # What it was made of is gone, the newest is kept in its turn, and version 1 finds itself.
    assert len(place.ours(KEPT_PREFIX)) == 1
    assert ensure_schema(place.client, V1).steps == ()
    with pytest.raises(SchemaError, match="there is no earlier version"):
        rollback_schema(place.client, V1)


def test_to_a_version_in_between(place: Place) -> None:
    """Version 3 is version 2 with a column more: going to 2 leaves that column, and the first version cannot be reached
    from there."""
    with pytest.raises(
        SpecError, match="came to v4 by way of v3, v2, v1: it can only roll back to one of these, not to v7"
    ):
        rollback_schema(place.client, V4, to=7)
    expected = place.rows(FOUND)
    report = rollback_schema(place.client, V4, to=2)
    assert any("after this t cannot be rolled back any further" in note and "--to 1" in note for note in report.notes)
    assert any(note.startswith("t stays as it is: what was added") for note in report.notes)
    assert place.rows(FOUND) == expected
    assert place.rows("SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 't'") == [
        ("v, k",)
    ]
    with pytest.raises(
        SchemaError,
        match=r"is at v2, and no table of v1 is kept: t: .*\(the table from before v2 is not kept any more\)",
    ):
        rollback_schema(place.client, V2)
    assert place.rows("SELECT version FROM schema_version ORDER BY seq DESC LIMIT 1") == [(2,)]


def test_by_default_to_the_version_before(place: Place) -> None:
    assert rollback_schema(place.client, V4).to_version == 3


def test_a_table_in_between_that_is_gone(place: Place) -> None:
    """The oldest one stands behind one that was removed: it is said which, and how far back there is a way."""
    newest = place.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '_aaiclick_old') AND "
        "sorting_key = 'v, k'"
    )
    oldest = next(name for name in place.ours(KEPT_PREFIX) if (name,) not in newest)
    place.sql(f"DROP TABLE `{oldest}` SYNC")
    with pytest.raises(HazardNotAllowedError) as refused:
        rollback_schema(place.client, V4, to=1)
    assert "the table from before v2 is not kept any more" in str(refused.value)
    assert (
        "v2 is the oldest version of which everything that was replaced is kept: aaiclick rollback --schema "
        "tests.reliability.test_rollback_chain:V4 --to 2" in str(refused.value)
    )
    assert (
        "To allow it: aaiclick rollback --schema tests.reliability.test_rollback_chain:V4 --to 1 --allow 'partial case'"
        in str(refused.value)
    )
    looked = rollback_schema(place.client, V4, to=1, dry_run=True)
    assert [
        note
        for note in looked.notes
        if note.startswith("not put back: t: ") and note.endswith("(--allow 'partial case')")
    ]
    assert rollback_schema(place.client, V4, to=2).to_version == 2


def test_nothing_is_kept(place: Place) -> None:
    place.sql(*(f"DROP TABLE `{name}` SYNC" for name in place.ours(KEPT_PREFIX)))
    with pytest.raises(SchemaError, match=r"no table of v1 is kept.*Only a backup"):
        rollback_schema(place.client, V4, to=1)


def test_deletes_at_every_stage_are_counted(aaiclick_client: Client, aaiclick_database: str) -> None:
    place = Place(aaiclick_client, aaiclick_database)
    ensure_schema(place.client, V1)
    fill(place, 0, 50, "one")
    ensure_schema(place.client, V2, policy=KEPT)
    place.sql("DELETE FROM t WHERE k < 3 SETTINGS lightweight_deletes_sync = 2")
    fill(place, 50, 20, "two")
    ensure_schema(place.client, V4, policy=KEPT)
    place.sql("DELETE FROM t WHERE k IN (3, 60) SETTINGS lightweight_deletes_sync = 2")
    with pytest.raises(HazardNotAllowedError, match=r"3 rows were deleted.*; 2 rows were deleted"):
        rollback_schema(place.client, V4, to=1)
    rollback_schema(place.client, V4, to=1, allow=["deletes t"])
    assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(70, 70)]


def test_values_that_came_in_between(aaiclick_client: Client, aaiclick_database: str) -> None:
    """A value that only the oldest columns cannot hold, written while another table was live."""
    place = Place(aaiclick_client, aaiclick_database)
    ensure_schema(place.client, V1)
    ensure_schema(place.client, V2, policy=KEPT)
    fill(place, 5_000_000_000, 2, "two")
    ensure_schema(place.client, V4, policy=KEPT)
    with pytest.raises(HazardNotAllowedError, match="2 rows that came since hold values that the old columns cannot"):
        rollback_schema(place.client, V4, to=1)
    assert rollback_schema(place.client, V4, to=2).to_version == 2


def test_columns_that_were_renamed_on_the_way(aaiclick_client: Client, aaiclick_database: str) -> None:
    place = Place(aaiclick_client, aaiclick_database)
    renamed = Column("label", "String")
    moves = [Migration(version=3, title="a better name", renames={"t.w": "label"})]
    start = Schema("case", version=1, objects=[table(K32, V, Column("w", "String"), order_by=["k"])])
    second = Schema("case", version=2, objects=[table(K64, V, Column("w", "String"), order_by=["v", "k"])])
    third = Schema("case", version=3, objects=[table(K64, V, renamed, order_by=["v", "k"])], migrations=moves)
    fourth = Schema("case", version=4, objects=[table(K64, V, renamed, order_by=["k", "v"])], migrations=moves)
    ensure_schema(place.client, start)
    place.sql("INSERT INTO t VALUES (1, 'a', 'x')")
    ensure_schema(place.client, second, policy=KEPT)
    place.sql("INSERT INTO t VALUES (2, 'b', 'y')")
    assert [step.strategy for step in ensure_schema(place.client, third, policy=KEPT).steps] == ["mutate"]
    place.sql("INSERT INTO t (k, v, label) VALUES (3, 'c', 'z')")
    ensure_schema(place.client, fourth, policy=KEPT)
    place.sql("INSERT INTO t (k, v, label) VALUES (4, 'd', 'q')")
    report = rollback_schema(place.client, fourth, to=1)
    assert not [note for note in report.notes if "column" in note]
    assert place.rows("SELECT k, v, w FROM t ORDER BY k") == [
        (1, "a", "x"),
        (2, "b", "y"),
        (3, "c", "z"),
        (4, "d", "q"),
    ]


def test_a_table_that_was_renamed_since_is_named(place: Place) -> None:
    moved = Table(
        "s",
        columns=[K64, V, Column("w", "UInt8", default="7")],
        engine=MergeTree(order_by=["k", "v"]),
        renamed_from="t",
    )
    five = Schema("case", version=5, objects=[moved, OTHER])
    ensure_schema(place.client, five, policy=KEPT)
    with pytest.raises(
        SchemaError,
        match=r"no "
        r"table "
        r"of "
        r"v3 "
        r"is "
        r"kept.*s: "
        r"was "
        r"called "
        r"t "
        r"when "
        r"it "
        r"was "
        r"replaced "
        r"\(_aaiclick_old_\w+ "
        r"is "
        r"kept; "
        r"rename "
        r"the "
        r"table "
        r"back "
        r"first\)",
    ):
        rollback_schema(place.client, five, to=3)


@pytest.mark.parametrize("by", [1, 2])
def test_a_table_that_the_same_version_renamed_and_replaced(aaiclick_client: Client, by: int) -> None:
    """It is put back under the name that it has now, and then gets its former one."""
    moved = Table("s", columns=[K64, V], engine=MergeTree(order_by=["v", "k"]), renamed_from="t")
    first = Schema("case", version=1, objects=[table(K64, V, order_by=["k"])])
    second = Schema("case", version=2, objects=[moved])
    ensure_schema(aaiclick_client, first)
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a')")
    ensure_schema(aaiclick_client, second, policy=KEPT)
    aaiclick_client.command("INSERT INTO s VALUES (2, 'b')")
    code = first if by == 1 else second
    # As long as something has the name, that has to be allowed: code of the older version would find that instead.
    aaiclick_client.command("CREATE VIEW t AS SELECT 1 AS x")
    words = r"s: table t is renamed to s \(rename it back .*It is not done here: the name t is taken\)"
    with pytest.raises(HazardNotAllowedError, match=words):
        rollback_schema(aaiclick_client, code, to=1)
    aaiclick_client.command("DROP VIEW t SYNC")
    plan = rollback_schema(aaiclick_client, code, to=1, dry_run=True)
    assert [step.change for step in plan.pending][1:] == ["table s is called t again"]
    assert plan.pending[1].sql == [f"RENAME TABLE `{aaiclick_client.database}`.`s` TO `{aaiclick_client.database}`.`t`"]
    rollback_schema(aaiclick_client, code, to=1)
    assert validate_schema(aaiclick_client, first).state == "in sync"
    assert aaiclick_client.query("SELECT k, v FROM t ORDER BY k").result_rows == [(1, "a"), (2, "b")]
    ensure_schema(aaiclick_client, second, policy=KEPT)
    assert aaiclick_client.query("SELECT k, v FROM s ORDER BY k").result_rows == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("by", [1, 3])
def test_a_table_that_was_only_renamed_gets_its_name_back(aaiclick_client: Client, by: int) -> None:
    names = ("t", "s", "r")
    code = [
        Schema(
            "case", version=version, objects=[Table(now, [K64, V], engine=MergeTree(order_by="k"), renamed_from=old)]
        )
        for version, (now, old) in enumerate(zip(names, (None, *names), strict=False), 1)
    ]
    for each in code:
        ensure_schema(aaiclick_client, each, policy=KEPT)
        aaiclick_client.command(f"INSERT INTO {each.objects[0].name} VALUES ({each.version}, 'a')")
    aaiclick_client.command("CREATE VIEW reads AS SELECT k FROM r")
    with pytest.raises(SchemaError, match="It is not done here: reads may read it by that name"):
        rollback_schema(aaiclick_client, code[by - 1], to=1)
    aaiclick_client.command("DROP VIEW reads SYNC")
    report = rollback_schema(aaiclick_client, code[by - 1], to=1)
    assert [step.change for step in report.steps] == ["table r is called t again"]
    assert aaiclick_client.query("SELECT k FROM t ORDER BY k").result_rows == [(1,), (2,), (3,)]
    assert ensure_schema(aaiclick_client, code[0]).steps == ()
    for each in code[1:]:
        ensure_schema(aaiclick_client, each, policy=KEPT)
    assert aaiclick_client.query("SELECT k FROM r ORDER BY k").result_rows == [(1,), (2,), (3,)]


@pytest.mark.parametrize("replaced", [False, True])
def test_killed_around_a_rename_that_is_taken_back(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, replaced: bool
) -> None:
    """A start of either version records it where the table has its former name, and forgets it where nothing had
    happened yet; the same command goes on in any case."""
    database = str(aaiclick_client.database)
    order = ["v", "k"] if replaced else ["k"]
    moved = Table("s", columns=[K64, V], engine=MergeTree(order_by=order), renamed_from="t")
    first = Schema("case", version=1, objects=[table(K64, V, order_by=["k"])])
    second = Schema("case", version=2, objects=[moved])
    ensure_schema(aaiclick_client, first)
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a')")
    connection = open_url(aaiclick_engine.url)
    for behind, goes_on in ((False, True), (True, True), (True, False)):
        ensure_schema(aaiclick_client, second, policy=KEPT)
        seen: list[bool] = []

        def die(effect: Effect, seen: list[bool] = seen, behind: bool = behind) -> None:
            """Before the RENAME, or before what follows it."""
            if isinstance(effect, Command) and (f"RENAME TABLE `{database}`.`s` TO" in effect.sql or seen):
                if seen or not behind:
                    raise KilledError
                seen.append(True)

        way = Rollback(second, database, 1, frozenset(), False, DEAD, True, 3600)
        with pytest.raises(KilledError):
            Driver(connection, before=die).run(rollback(way))
        if goes_on:
            again = replace(way, owner=this_process())
            Driver(connection, later=LATER).run(rollback(again))
        else:
            Driver(connection, later=LATER).run(ensuring(first, database, KEPT))
        assert aaiclick_client.query("SELECT k FROM t ORDER BY k").result_rows == [(1,)]
        assert [record.state for record in run(all_records(database, "case"), connection)][-1] == "rolled back"
    connection.close()


@pytest.mark.parametrize("late", [False, True])
def test_what_names_a_table_that_is_about_to_get_its_name_back(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, late: bool
) -> None:
    """Made behind the plan of the rollback: the table keeps its name. In the very moment of the RENAME: it is said."""
    database = str(aaiclick_client.database)
    first = Schema("case", version=1, objects=[table(K64, V, order_by=["k"])])
    moved = Table("s", columns=[K64, V], engine=MergeTree(order_by=["k"]), renamed_from="t")
    second = Schema("case", version=2, objects=[moved])
    for each in (first, second):
        ensure_schema(aaiclick_client, each, policy=KEPT)
    connection, made = open_url(aaiclick_engine.url), list[str]()

    def operate(effect: Effect) -> None:
        begins = isinstance(effect, Emit) and isinstance(effect.event, StepStarted)
        renames = isinstance(effect, Command) and f"RENAME TABLE `{database}`.`s` TO" in effect.sql
        if (renames if late else begins) and not made:
            made.append("reads")
            aaiclick_client.command("CREATE VIEW reads AS SELECT k FROM s")

    way = Rollback(second, database, 1, frozenset(), False, this_process(), True, 3600)
    if late:
        report = Driver(connection, before=operate).run(rollback(way))
        assert any("reads was made in the moment in which s was called t again" in note for note in report.notes)
    else:
        with pytest.raises(ApplyError, match="s is not called t again: reads may read it by that name by now"):
            Driver(connection, before=operate).run(rollback(way))
        assert aaiclick_client.query("SELECT count() FROM s").result_rows == [(0,)]
    connection.close()
    assert made


def back(database: str, to: int | None) -> Rollback:
    return Rollback(V4, database, to, frozenset(), False, this_process(), True, 3600)


def test_a_table_that_came_on_the_way_and_was_renamed_since_is_none_of_the_older_version() -> None:
    record = Record("case", 2, "applied", "", "", "", "", "", 0.0, "")
    steps = (create_step("one", "table", ""), rename_step("d", "one", "two"))
    plans = [Plan("case", "d", version, version + 1, (step,), "", "") for version, step in enumerate(steps, 1)]
    catalog = Catalog("d", "Atomic", ServerFacts((26, 9), "26.9", "d", "default", "UTC"), {})
    left = find_not_restored([Transition(record, plan) for plan in plans], {}, catalog)
    assert left == NotRestored((), (), ("one stays: the older version does not know it",))


def test_a_view_that_was_filled_is_as_new_as_any_other() -> None:
    """Where its fill was undone it is not there."""
    record = Record("case", 2, "applied", "", "", "", "", "", 0.0, "")
    filled = Step("mv:create", "mv", "is missing, and is filled from t", "backfill", [], CreateWork(""))
    changed = replace(filled, id="mv:replace", change="x is new, and is filled from t")
    live = LiveObject("d", "mv", UnsupportedForm("mv", "", ""), "", "MaterializedView")
    for step, objects, left in (
        (filled, {"mv": live}, NotRestored((), (), ("mv stays: the older version does not know it",))),
        (filled, {}, NotRestored((), (), ("mv stays, if it was made: the older version does not know it",))),
        (changed, {"mv": live}, NotRestored(("mv: x is new, and is filled from t",), (), ())),
    ):
        catalog = Catalog("d", "Atomic", ServerFacts((26, 9), "26.9", "d", "default", "UTC"), objects)
        plan = Plan("case", "d", 1, 2, (step,), "", "")
        assert find_not_restored([Transition(record, plan)], {}, catalog) == left


def test_a_view_that_follows_to_narrower_types_would_cut_off_what_the_older_version_writes() -> None:
    record = Record("case", 2, "applied", "", "", "", "", "", 0.0, "")
    catalog = Catalog("d", "Atomic", ServerFacts((26, 9), "26.9", "d", "default", "UTC"), {})
    for types, harmless in (("UInt8 -> UInt32", True), ("UInt32 -> UInt8", False), ("String -> UInt8", False)):
        change = f"materialized view as its query gives it: column v: {types}"
        plan = Plan("case", "d", 1, 2, (statements_step("mv:types", "mv", change, ("",)),), "", "")
        left = find_not_restored([Transition(record, plan)], {}, catalog)
        said = f"mv stays as it is ({change}): it holds all that the older version writes"
        assert left == NotRestored(*(((), (), (said,)) if harmless else ((f"mv: {change}",), (), ())))


def test_attempts_belong_to_their_way_whatever_the_clock_said() -> None:
    """The server's clock was set back by an hour between the attempts and the record."""
    record = Record("case", 1, "applied", "", "", "", "", "", 0.0, "", seq=1, at=10_000_000)
    reached = replace(record, version=3, from_version=1, seq=2, at=record.at - 3_600_000)
    attempts = [Attempt(version, "", record.at + version, "generation 0") for version in (2, 3, 4)]
    (step,) = version_steps([record, reached], 3, attempts)
    assert (len(step.done), step.begun) == (3, record.at + 2)


def test_killed_while_what_is_not_needed_any_more_is_dropped(place: Place, aaiclick_engine: EmbeddedEngine) -> None:
    """The table is back, the oldest kept one is gone, the one in between is not: the next run knows that nothing is
    missing."""
    dropped: list[str] = []

    def die(effect: Effect) -> None:
        if isinstance(effect, Command) and "DROP TABLE" in effect.sql and KEPT_PREFIX in effect.sql:
            dropped.append(effect.sql)
            if len(dropped) == 2:
                raise KilledError

    connection = open_url(aaiclick_engine.url)
    with pytest.raises(KilledError):
        Driver(connection, before=die).run(
            rollback(Rollback(V4, place.database, 1, frozenset(), False, DEAD, True, 3600))
        )
    assert len(place.ours(KEPT_PREFIX)) == 2
    with pytest.raises(SchemaError, match=r"a rollback of .* to v1 was not finished. Run: aaiclick rollback .*--to 1"):
        Driver(connection, later=LATER).run(rollback(back(place.database, 3)))
    Driver(connection, later=LATER).run(rollback(back(place.database, None)))
    assert run(all_records(place.database, "case"), connection)[-1].version == 1
    assert len(place.ours(KEPT_PREFIX)) == 1
    assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(100, 100)]
    connection.close()


TWO = Table("u", columns=[K32, V], engine=MergeTree(order_by=["k"]))
TWO_NEW = Table("u", columns=[K64, V], engine=MergeTree(order_by=["v"]))


def killed_on_a_long_way(engine: EmbeddedEngine, database: str, client: Client, step: int, stop: int = 0) -> int:
    """Two tables, one replaced twice. Kill after commands: the command without a version goes on to the same version,
    every row once."""
    place = Place(client, database)
    connection = open_url(engine.url)
    versions = [
        Schema("case", version=each.version, objects=[*each.objects, TWO if each.version == 1 else TWO_NEW])
        for each in ALL
    ]
    last = versions[-1]
    to, kills = 1, 0
    while True:
        place.sql(
            *(f"DROP TABLE IF EXISTS `{name}` SYNC" for name in [*place.ours(), "t", "u", "other", "schema_version"])
        )
        for number, each in enumerate(versions):
            ensure_schema(place.client, each, policy=KEPT)
            place.sql(
                f"INSERT INTO t (k, v) SELECT {number * 10} + number, 'x' FROM numbers(10)",
                f"INSERT INTO u (k, v) VALUES ({number}, 'x')",
            )
        try:
            Driver(connection).run(rollback(Rollback(last, database, to, frozenset(), False, DEAD, True, 3600)), stop)
            break
        except KilledError:
            stop += step
            kills += 1
        if run(all_records(database, "case"), connection)[-1].version == 4:
            begun = bool(
                place.rows(
                    f"SELECT count() FROM system.tables WHERE database = '{database}' AND position(comment, "
                    "'\"back_to\":1') > 0"
                )[0][0]
            )
            Driver(connection, later=LATER).run(
                rollback(
                    Rollback(last, database, None if begun else to, frozenset(), False, this_process(), True, 3600)
                )
            )
        assert run(all_records(database, "case"), connection)[-1].version == 1, stop
        Driver(connection, later=0).run(ensuring(versions[0], database, Policy.lossless()))
        assert place.rows("SELECT count(), uniqExact(k), sum(k) FROM t") == [(40, 40, 780)], stop
        assert place.rows("SELECT count(), uniqExact(k) FROM u") == [(4, 4)], stop
        assert place.rows(
            "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase() AND name IN ('t', 'u') "
            "ORDER BY name"
        ) == [
            ("t", "k"),
            ("u", "k"),
        ], stop
        assert not [name for name in place.ours() if "_new_" in name or "_stage_" in name or "_mark_" in name], stop
        assert len(place.ours(KEPT_PREFIX)) == 2, stop
    connection.close()
    return kills


@pytest.mark.slow
def test_killed_here_and_there_on_a_long_way_back(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client
) -> None:
    assert killed_on_a_long_way(aaiclick_engine, aaiclick_database, aaiclick_client, 1000, 60) == 1


@pytest.mark.proof
@pytest.mark.parametrize("first", range(4))
def test_killed_anywhere_on_a_long_way_back(
    first: int, aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client
) -> None:
    kills = killed_on_a_long_way(aaiclick_engine, aaiclick_database, aaiclick_client, 4, first)
    note("a rollback killed after every command", kills=kills, rows=kills * 44)
    assert kills > 15
