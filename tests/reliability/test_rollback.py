"""The way back: the kept table is put back with the rows that came since, or a sentence says why not and nothing is
changed."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.apply.rollback import since_then
from aaiclick.clickhouse.features import NUMBERS
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.tables import Physical
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import HazardNotAllowedError, SchemaError, SpecError
from aaiclick.lease.owner import this_process
from aaiclick.oplog import OPLOG, init_oplog_tables
from aaiclick.routine import Routine, run
from aaiclick.state.kept_tables import KEPT_PREFIX
from aaiclick.state.records import all_records
from aaiclick.testing.engine import EmbeddedEngine
from tests.oplog.states import PLAIN
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

KEPT = Policy.lossless()


def schema(version: int, order_by: list[str], *columns: Column, **more: object) -> Schema:
    named = [Column("k", "UInt32"), Column("v", "String"), *columns]
    engine = MergeTree(order_by=order_by, **more)  # type: ignore[arg-type]
    return Schema("case", version=version, objects=[Table("t", columns=named, engine=engine)])


V1 = schema(1, ["k"], settings={"index_granularity": 4096})
V2 = Schema(
    "case",
    version=2,
    objects=[
        Table(
            "t",
            columns=[Column("k", "UInt64"), Column("v", "String"), Column("w", "UInt8", default="7")],
            engine=MergeTree(order_by=["v", "k"]),
        )
    ],
)


class Place:
    def __init__(self, client: Client, database: str) -> None:
        self.client = client
        self.database = database

    def sql(self, *statements: str) -> None:
        for statement in statements:
            self.client.command(statement, settings={"async_insert": 0})

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def ours(self, prefix: str = "_aaiclick_") -> list[str]:
        found = self.rows(
            f"SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '{prefix}') "
            "ORDER BY name"
        )
        return [str(row[0]) for row in found]

    def definition(self) -> str:
        return str(
            self.rows("SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 't'")[
                0
            ][0]
        )


@pytest.fixture
def place(aaiclick_client: Client, aaiclick_database: str) -> Place:
    made = Place(aaiclick_client, aaiclick_database)
    ensure_schema(aaiclick_client, V1)
    made.sql(
        "ALTER TABLE t MODIFY COMMENT 'it''s mine'",
        "INSERT INTO t SELECT number, toString(number % 7) FROM numbers(100)",
    )
    return made


def migrated(place: Place, target: Schema = V2) -> str:
    before = place.definition()
    report = ensure_schema(place.client, target, policy=KEPT)
    assert [step.strategy for step in report.steps] in (["rebuild"], ["attach"])
    assert len(place.ours(KEPT_PREFIX)) == 1
    return before


def test_there_and_back_with_rows_that_came_since(place: Place) -> None:
    before = migrated(place)
    place.sql(
        "INSERT INTO t (k, v) SELECT 1000 + number, 'new' FROM numbers(10)",
        "OPTIMIZE TABLE t FINAL",
        "INSERT INTO t (k, v) VALUES (2000, 'late')",
    )
    assert validate_schema(place.client, V2).kept_tables[0].rows == 100
    report = rollback_schema(place.client, V2, to=1)
    assert (report.from_version, report.to_version, report.in_sync) == (2, 1, True)
    assert place.definition().replace(f", {NUMBERS} = 1", "") == before
    assert place.rows("SELECT count(), uniqExact(k), countIf(k >= 1000), max(k) FROM t") == [(111, 111, 11, 2000)]
    assert place.rows("SELECT v FROM t WHERE k = 2000") == [("late",)]
    assert any("column w" in note for note in report.notes)
    assert place.rows("SELECT version, from_version, state FROM schema_version ORDER BY seq DESC LIMIT 1") == [
        (1, 2, "rolled back")
    ]
    # The older code finds its own version; the newer table is kept in its turn.
    assert ensure_schema(place.client, V1).steps == ()
    assert [kept.table for kept in validate_schema(place.client, V1).kept_tables] == ["t"]
    place.sql("OPTIMIZE TABLE t FINAL SETTINGS optimize_throw_if_noop = 1", "INSERT INTO t VALUES (3000, 'x')")


def test_a_setting_that_is_ours_is_no_news(place: Place) -> None:
    """The new table keeps block numbers while the old one is kept; nobody declared that, and nobody has to hear of
    it."""
    migrated(place)
    status = validate_schema(place.client, V2)
    assert [kept.table for kept in status.kept_tables] == ["t"]
    assert (status.in_sync, status.notes) == (
        True,
        ("t: setting index_granularity = 4096 is not declared (left alone)",),
    )
    assert plan_schema(place.client, V2).notes == status.notes
    place.sql("ALTER TABLE t MODIFY COMMENT 'x', MODIFY SETTING min_bytes_for_wide_part = 7")
    assert any("min_bytes_for_wide_part" in note for note in validate_schema(place.client, V2).notes)
    place.sql(f"DROP TABLE `{place.ours(KEPT_PREFIX)[0]}` SYNC")
    assert not any(NUMBERS in note for note in validate_schema(place.client, V2).notes)
    place.sql("CREATE TABLE other AS t", "RENAME TABLE t TO mine, other TO t")
    assert any(NUMBERS in note for note in validate_schema(place.client, V2).notes)


def test_and_forth_again(place: Place) -> None:
    migrated(place)
    rollback_schema(place.client, V2)
    ensure_schema(place.client, V2)
    place.sql("INSERT INTO t (k, v) VALUES (5000, 'x')")
    rollback_schema(place.client, V2)
    assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(101, 101)]


def test_an_attached_table_goes_back(place: Place) -> None:
    swapped = schema(2, ["k"], settings={"index_granularity": 8192})
    before = migrated(place, swapped)
    place.sql("INSERT INTO t VALUES (1000, 'x')", "OPTIMIZE TABLE t FINAL")
    rollback_schema(place.client, swapped)
    assert place.definition().replace(f", {NUMBERS} = 1", "") == before
    assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(101, 101)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM t WHERE k < 5", "5 rows were deleted"),
        ("ALTER TABLE t UPDATE v = 'y' WHERE k = 1 SETTINGS mutations_sync = 2", "rows were changed .*UPDATE"),
        ("ALTER TABLE t DROP PARTITION tuple()", "100 rows were deleted"),
    ],
)
def test_what_was_deleted_or_changed_since_has_to_be_allowed(place: Place, statement: str, said: str) -> None:
    # A column of the sort key takes no UPDATE.
    migrated(place, schema(2, ["k"], settings={"index_granularity": 8192}) if "UPDATE" in statement else V2)
    place.sql(statement)
    uuid = place.rows("SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 't'")
    with pytest.raises(HazardNotAllowedError, match=said) as refused:
        rollback_schema(place.client, V2)
    assert refused.value.allow == ("deletes t",)
    assert "--allow 'deletes t'" in str(refused.value)
    assert place.rows("SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 't'") == uuid
    rollback_schema(place.client, V2, allow=["deletes t"])
    assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(100, 100)]


OF_UPDATES = {"enable_block_number_column": 1, "enable_block_offset_column": 1}
"""What a table needs for lightweight updates."""
U1 = schema(1, ["k"], settings=OF_UPDATES)
U2 = schema(2, ["v", "k"], Column("w", "UInt8", default="7"), settings=OF_UPDATES)
U3 = schema(3, ["k"], Column("w", "UInt16", default="7"), partition_by="k % 2", settings=OF_UPDATES)
SEEN = "SELECT count(), sum(k), countIf(v = 'changed'), countIf(v = 'again') FROM t"
MASKING = "SETTINGS lightweight_delete_mode = 'lightweight_update_force'"


def test_updates_that_wait_in_patch_parts_come_back(aaiclick_client: Client, aaiclick_database: str) -> None:
    """Those of the kept table, of the one in between, and none of those that came since."""
    place = Place(aaiclick_client, aaiclick_database)
    ensure_schema(place.client, U1)
    place.sql(
        "INSERT INTO t SELECT number, toString(number % 7) FROM numbers(100)",
        "UPDATE t SET v = 'changed' WHERE k % 3 = 0",
        "INSERT INTO t SELECT number + 100, 'later' FROM numbers(10)",
        f"DELETE FROM t WHERE k = 105 {MASKING}",
    )
    first = place.rows(SEEN)
    assert first == [(109, sum(range(110)) - 105, 34, 0)]
    ensure_schema(place.client, U2, policy=KEPT)
    place.sql("INSERT INTO t (k, v) SELECT number + 200, 'between' FROM numbers(10)")
    ensure_schema(place.client, U3, policy=KEPT)
    place.sql("INSERT INTO t (k, v) SELECT number + 300, 'since' FROM numbers(10)")
    expected = place.rows(SEEN)
    place.sql("UPDATE t SET v = 'again' WHERE k % 3 = 1 AND k < 200")
    with pytest.raises(HazardNotAllowedError, match="rows were updated since it was replaced"):
        rollback_schema(place.client, U3, to=1)
    rollback_schema(place.client, U3, to=1, allow=["deletes t"])
    assert place.rows(SEEN) == expected
    assert place.rows("SELECT v, count() FROM t WHERE k >= 200 GROUP BY v ORDER BY v") == [
        ("between", 10),
        ("since", 10),
    ]
    assert ensure_schema(place.client, U1).steps == ()


def test_an_update_that_was_merged_since_is_told_by_its_part(
    aaiclick_client: Client, aaiclick_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes a patch part away some seconds after a merge has written it down."""
    place = Place(aaiclick_client, aaiclick_database)
    ensure_schema(place.client, U1)
    place.sql("INSERT INTO t SELECT number, 'v' FROM numbers(100)")
    ensure_schema(place.client, U2, policy=KEPT)
    # Its number is that of a mutation which the server lists, and which changes no row.
    place.sql("ALTER TABLE t MATERIALIZE COLUMN w SETTINGS mutations_sync = 2")

    def merged(table: Physical) -> Routine[tuple[Part, ...]]:
        return tuple(part for part in (yield from parts(table)) if not part.patch)

    monkeypatch.setattr(since_then, "parts", merged)
    assert rollback_schema(place.client, U2, dry_run=True).pending
    place.sql("UPDATE t SET w = 9 WHERE k < 5", "INSERT INTO t (k, v) VALUES (1000, 'x')", "OPTIMIZE TABLE t FINAL")
    with pytest.raises(HazardNotAllowedError, match=r"rows were updated .or changed by a mutation") as refused:
        rollback_schema(place.client, U2)
    assert refused.value.allow == ("deletes t",)


def test_values_that_the_old_columns_cannot_hold(place: Place) -> None:
    migrated(place)
    place.sql("INSERT INTO t (k, v) VALUES (5000000000, 'big')")
    with pytest.raises(HazardNotAllowedError, match="1 row that came since holds values that the old columns cannot"):
        rollback_schema(place.client, V2)


def test_a_dry_run_only_looks(place: Place) -> None:
    migrated(place)
    place.sql("INSERT INTO t (k, v) VALUES (1000, 'x')", "DELETE FROM t WHERE k = 3")
    before = place.ours(), place.definition()
    report = rollback_schema(place.client, V2, dry_run=True)
    assert not report.in_sync
    assert "with 1 row that came since" in report.pending[0].change
    assert "deletes t" in report.reasons[0]
    assert (place.ours(), place.definition()) == before


def test_no_way_back(place: Place) -> None:
    with pytest.raises(SchemaError, match="no earlier version to roll back to"):
        rollback_schema(place.client, V1)
    ensure_schema(place.client, V2, policy=Policy.lossless(keep_old=timedelta(0)))
    assert place.ours(KEPT_PREFIX) == []
    with pytest.raises(SchemaError, match=r"no table of v1 is kept.*Only a backup"):
        rollback_schema(place.client, V2)
    with pytest.raises(SpecError, match="from v1 in one step"):
        rollback_schema(place.client, V2, to=7)


def test_what_is_not_put_back_has_to_be_allowed(place: Place) -> None:
    two = Schema(
        "case",
        version=2,
        objects=[*V2.objects, Table("other", columns=[Column("a", "String")], engine=MergeTree(order_by="tuple()"))],
    )
    one = Schema(
        "case",
        version=1,
        objects=[*V1.objects, Table("other", columns=[Column("a", "UInt8")], engine=MergeTree(order_by="tuple()"))],
    )
    place.sql("DROP TABLE schema_version", "DROP TABLE t")
    ensure_schema(place.client, one)
    place.sql("INSERT INTO t VALUES (1, 'x')", "INSERT INTO other VALUES (1)")
    ensure_schema(place.client, two, policy=KEPT)
    with pytest.raises(HazardNotAllowedError, match="not put back: other: column a: type UInt8 -> String"):
        rollback_schema(place.client, two)
    rollback_schema(place.client, two, allow=["partial case"])
    assert "ORDER BY k" in place.definition()


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        ({"codec": "ZSTD(3)", "comment": "of other"}, False),
        ({"statistics": "uniq"}, False),
        ({"default": "7"}, True),
    ],
)
def test_what_the_older_code_does_not_notice_is_not_asked_for(
    place: Place, changed: dict[str, str], asked: bool
) -> None:
    """Here of a table that a materialized view writes into, which is altered in place beside a copy."""

    def objects(of: Schema, column: Column, **parts: object) -> Schema:
        other = Table("other", columns=[column], engine=MergeTree(order_by="tuple()", settings=parts))  # type: ignore[arg-type]
        view = MaterializedView("mv", query="SELECT k AS a FROM t", to="other")
        return Schema("case", version=of.version, objects=[*of.objects, other, view])

    one = objects(V1, Column("a", "UInt64"))
    two = objects(V2, Column("a", "UInt64", **changed), min_bytes_for_wide_part=1)  # type: ignore[arg-type]
    place.sql("DROP TABLE schema_version", "DROP TABLE t")
    ensure_schema(place.client, one)
    ensure_schema(place.client, two, policy=KEPT)
    if asked:
        with pytest.raises(HazardNotAllowedError, match="not put back: other: "):
            rollback_schema(place.client, two)
        return
    report = rollback_schema(place.client, two)
    said = "other stays as it is: the older version does not notice what was changed ("
    assert any(note.startswith(said) for note in report.notes)
    ensure_schema(place.client, one, policy=KEPT)


def test_an_expired_table_goes_with_the_next_start(place: Place, aaiclick_engine: EmbeddedEngine) -> None:
    ensure_schema(place.client, V2, policy=Policy.lossless(keep_old=timedelta(seconds=1)))
    assert NUMBERS in place.definition()
    time.sleep(1.5)  # the server's clock says when it is over
    driver = Driver(open_url(aaiclick_engine.url), later=LATER)
    assert driver.run(ensuring(V2, place.database, KEPT)).steps == ()
    assert place.ours(KEPT_PREFIX) == []
    assert NUMBERS not in place.definition()
    driver.seen.clear()
    driver.run(ensuring(V2, place.database, Policy.lossless()))
    assert len([effect for effect in driver.seen if hasattr(effect, "sql")]) == 1
    driver.connection.close()


def test_a_kept_table_that_was_dropped_by_hand_takes_its_setting_along(
    place: Place, aaiclick_engine: EmbeddedEngine
) -> None:
    ensure_schema(place.client, V2, policy=Policy.lossless(keep_old=timedelta(seconds=1)))
    place.sql(f"DROP TABLE `{place.ours(KEPT_PREFIX)[0]}` SYNC")
    assert NUMBERS in place.definition()
    time.sleep(1.5)  # the server's clock says when it is over
    driver = Driver(open_url(aaiclick_engine.url), later=LATER)
    assert driver.run(ensuring(V2, place.database, KEPT)).steps == ()
    assert NUMBERS not in place.definition()
    driver.seen.clear()
    driver.run(ensuring(V2, place.database, Policy.lossless()))
    assert len([effect for effect in driver.seen if hasattr(effect, "sql")]) == 1
    driver.connection.close()
    place.sql(f"ALTER TABLE t MODIFY SETTING {NUMBERS} = 1")
    assert any(NUMBERS in note for note in validate_schema(place.client, V2).notes), "from now on it is the user's"


def back(database: str) -> Rollback:
    return Rollback(V2, database, None, frozenset(), False, this_process(), True, 3600)


@pytest.mark.slow
def test_killed_here_and_there_on_the_way_back(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client
) -> None:
    assert killed_on_the_way_back(aaiclick_engine, aaiclick_database, aaiclick_client, 23) > 0


@pytest.mark.proof
def test_killed_anywhere_on_the_way_back(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client
) -> None:
    kills = killed_on_the_way_back(aaiclick_engine, aaiclick_database, aaiclick_client, 1)
    note("a rollback killed after every command", kills=kills, rows=kills * 25)
    assert kills > 30


def killed_on_the_way_back(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client, step: int
) -> int:
    """Kill after commands of the way back: the same command goes it to its end, every row once, and the older code
    finds its version."""
    place = Place(aaiclick_client, aaiclick_database)
    connection = open_url(aaiclick_engine.url)
    stop = 0
    while True:
        place.sql(*(f"DROP TABLE IF EXISTS `{name}` SYNC" for name in [*place.ours(), "t", "schema_version"]))
        ensure_schema(place.client, V1)
        place.sql("INSERT INTO t SELECT number, 'x' FROM numbers(20)")
        ensure_schema(place.client, V2, policy=KEPT)
        place.sql("INSERT INTO t (k, v) SELECT 100 + number, 'y' FROM numbers(5)")
        try:
            dead = Rollback(V2, aaiclick_database, None, frozenset(), False, DEAD, True, 3600)
            Driver(connection).run(rollback(dead), stop)
            break
        except KilledError:
            stop += step
        # Killed before the exchange or after it: the way back is gone to its end by the same command.
        if _version(connection, aaiclick_database) == 2:
            Driver(connection, later=LATER).run(rollback(back(aaiclick_database)))
        assert _version(connection, aaiclick_database) == 1
        assert _ordered_by(place) == "k"
        Driver(connection, later=0).run(ensuring(V1, aaiclick_database, KEPT))
        assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(25, 25)], stop
        assert not [name for name in place.ours() if "_new_" in name or "_stage_" in name or "_mark_" in name], stop
    connection.close()
    return stop // step


def _version(connection: object, database: str) -> int | None:
    return run(all_records(database, "case"), connection)[-1].version  # type: ignore[arg-type]


def _ordered_by(place: Place) -> str:
    return str(
        place.rows("SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 't'")[0][0]
    )


def test_the_oplog_goes_back_to_what_an_old_release_left(aaiclick_client: Client) -> None:
    for statement in PLAIN[0].statements:
        aaiclick_client.command(statement)
    before, rows = (
        aaiclick_client.command("SHOW CREATE TABLE operation_log"),
        aaiclick_client.command("SELECT count() FROM operation_log"),
    )
    assert init_oplog_tables(aaiclick_client, policy=KEPT).from_version == 1
    aaiclick_client.command(
        "INSERT INTO operation_log (result_table, operation, kwargs, created_at) VALUES ('p_x', 'insert', map(), "
        "now64(3))"
    )
    report = rollback_schema(aaiclick_client, OPLOG, to=1)
    assert "task_logs stays: the older version does not know it" in report.notes
    assert str(aaiclick_client.command("SHOW CREATE TABLE operation_log")).replace(f", {NUMBERS} = 1", "") == before
    assert aaiclick_client.command("SELECT count() FROM operation_log") == int(str(rows)) + 1
    assert init_oplog_tables(aaiclick_client, policy=KEPT).from_version == 1


def test_a_view_that_got_wider_types_along_with_its_table_is_no_partial_rollback(aaiclick_client: Client) -> None:
    def views(version: int, kind: str, key: str) -> Schema:
        table = Table("t", [Column("k", "UInt64"), Column("v", kind)], engine=MergeTree(order_by=[key]))
        own = MaterializedView("mv", query="SELECT k, v FROM t", engine=MergeTree(order_by=["k"]))
        return Schema("viewed", version=version, objects=[table, own, View("shown", query="SELECT v FROM t")])

    wide, narrow = ("UInt32", "v"), ("UInt8", "k")
    ensure_schema(aaiclick_client, views(1, *narrow))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    ensure_schema(aaiclick_client, views(2, *wide), policy=KEPT)
    report = rollback_schema(aaiclick_client, views(1, *narrow))
    assert [step.object for step in report.steps] == ["t"]
    assert report.pending == ()
    aaiclick_client.command("INSERT INTO t VALUES (2, 2)")
    # All that a plan offers is to make the plain view anew.
    assert [step.id for step in plan_schema(aaiclick_client, views(1, *narrow)).steps] == ["shown:types"]
    found = [aaiclick_client.query(f"SELECT v FROM {name} ORDER BY v").result_rows for name in ("mv", "shown")]
    assert [[tuple(row) for row in each] for each in found] == [[(1,), (2,)], [(1,), (2,)]]
