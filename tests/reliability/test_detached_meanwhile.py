"""Parts that an operator detaches while their table is copied, taken over, altered or rolled back are not lost: that
ends and says so, or the old table stays with them. Those that were agreed to go with it do."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.clients.opening import Opened, open_url
from aaiclick.commands.rollback.prune import prune
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import ApplyError, SchemaVersionError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect, Query, scalar_rows
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

DETACH, ATTACH = "ALTER TABLE t DETACH PARTITION 1", "ALTER TABLE t ATTACH PARTITION 1"
ALLOWED = "leave-detached-parts t"
MOMENTS = {
    "plan": r"`_aaiclick_journal`",
    "mark": r"CREATE TABLE \S+_aaiclick_mark_",
    "new table": r"CREATE TABLE \S+_aaiclick_new_",
    "chunk": r"INSERT INTO \S+_aaiclick_stage_",
    "kept parts": r"ALTER TABLE \S+_aaiclick_new_\S+ ATTACH PARTITION",
    "exchange": "EXCHANGE TABLES",
    "ALTER": r"ALTER TABLE `[^_`][^`]*`\.`t` RENAME COLUMN",
}
BEFORE = [("copy", "plan"), ("copy", "mark"), ("copy", "chunk"), ("attach", "mark"), ("attach", "new table")]


def schema(number: int, engine: MergeTree) -> Schema:
    columns = [Column("id", "UInt64"), Column("p", "UInt32")]
    return Schema("s", version=number, objects=[Table("t", columns, engine=engine)])


ONE = schema(1, MergeTree(order_by=["id"], partition_by="p"))
WAYS = {
    "copy": schema(2, MergeTree(order_by=["id", "p"], partition_by="p")),
    "attach": schema(2, MergeTree(order_by=["id"], partition_by="p", settings={"index_granularity": 4096})),
}


class Scene:
    """A table of 99 rows in three partitions, and an operator who detaches one of them."""

    def __init__(self, connection: Opened, database: str, first: Schema | None = None) -> None:
        self.connection, self.database, self.done = connection, database, False
        self.start(first or ONE)
        self.say("INSERT INTO t SELECT number, number % 3 FROM numbers(99)")

    def say(self, sql: str) -> None:
        self.connection.command(Command(sql, database=self.database))

    def value(self, sql: str) -> object:
        rows = scalar_rows(self.connection.query(Query(sql.replace("{db}", self.database))))
        return rows[0][0] if rows else ""

    def operator(self, moment: str) -> Driver:
        def before(effect: Effect) -> None:
            if isinstance(effect, Command) and not self.done and re.search(MOMENTS[moment], effect.sql):
                self.done = True
                self.say(DETACH)

        return Driver(self.connection, before=before)

    def start(self, wanted: Schema, moment: str = "", keep: float = 0, *allow: str) -> tuple[str, ...]:
        driver = self.operator(moment) if moment else Driver(self.connection)
        policy = Policy.lossless(keep_old=timedelta(seconds=keep)).allow(*allow)
        report = driver.run(ensuring(wanted, self.database, policy))
        assert report.in_sync
        return tuple(report.notes)

    def back(self, moment: str = "") -> tuple[str, ...]:
        driver = self.operator(moment) if moment else Driver(self.connection)
        asked = Rollback(WAYS["copy"], self.database, 1, frozenset(), False, this_process(), True, 3600)
        return tuple(driver.run(rollback(asked)).notes)

    def rows(self) -> object:
        return self.value("SELECT count() FROM {db}.t")

    def kept(self) -> str:
        listed = "SELECT name FROM system.tables WHERE database = '{db}' AND name LIKE '\\_aaiclick\\_old\\_%'"
        return str(self.value(listed))

    def scratch(self) -> object:
        where = "database = '{db}' AND match(name, '^_aaiclick_(stage|new|mark|taken)_')"
        return self.value(f"SELECT count() FROM system.tables WHERE {where}")


@pytest.fixture
def scene(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Scene]:
    opened = open_url(aaiclick_engine.url)
    yield Scene(opened, aaiclick_database)
    opened.close()


@pytest.mark.parametrize(("way", "moment"), BEFORE)
def test_a_copy_ends_and_the_next_start_asks(scene: Scene, way: str, moment: str) -> None:
    with pytest.raises(ApplyError, match=r"1 part was detached by somebody else.*such as 1_.*Nothing was exchanged"):
        scene.start(WAYS[way], moment)
    assert scene.done
    assert scene.scratch() == 0
    with pytest.raises(SchemaVersionError, match=f"--allow '{ALLOWED}'"):
        scene.start(WAYS[way])
    scene.say(ATTACH)
    assert scene.rows() == 99
    assert scene.start(WAYS[way]) == ()
    assert scene.rows() == 99


@pytest.mark.parametrize("keep", [0, 3600])
def test_in_the_moment_of_the_exchange_the_old_table_stays(scene: Scene, keep: int) -> None:
    (note,) = scene.start(WAYS["copy"], "exchange", keep)
    assert "1 part was detached from the old table in the moment of the exchange (such as 1_" in note
    kept = scene.kept()
    # As the note says.
    scene.say(f"ALTER TABLE {kept} RESET SETTING table_readonly")
    scene.say(ATTACH.replace(" t ", f" {kept} "))
    assert scene.value(f"SELECT count() FROM {{db}}.{kept}") == 99


@pytest.mark.parametrize("moment", ["mark", "kept parts"])
def test_a_rollback_ends(scene: Scene, moment: str) -> None:
    scene.start(WAYS["copy"], "", 3600)
    with pytest.raises(ApplyError, match="1 part was detached by somebody else"):
        scene.back(moment)
    assert scene.done
    assert scene.scratch() == 0
    scene.say(ATTACH)
    assert scene.rows() == 99


def test_those_that_may_go_go_with_the_old_table(scene: Scene) -> None:
    scene.say(DETACH)
    assert scene.start(WAYS["copy"], "", 0.1, ALLOWED) == ()
    time.sleep(1.2)
    scene.start(WAYS["copy"], "", 0.1, ALLOWED)
    assert scene.kept() == ""
    assert scene.rows() == 66


def test_a_kept_table_does_not_expire_with_parts_that_nobody_was_asked_about(scene: Scene) -> None:
    """Such as one that an earlier release has kept, or that was let go of for a moment."""
    scene.start(WAYS["copy"], "", 1)
    kept = scene.kept()
    scene.say(f"ALTER TABLE {kept} RESET SETTING table_readonly")
    scene.say(DETACH.replace(" t ", f" {kept} "))
    (noted,) = Driver(scene.connection).run(prune(scene.database, (), False, True))
    assert not noted[1]
    assert scene.kept() == kept
    # Whoever names it has looked at it.
    ((_, dropped),) = Driver(scene.connection).run(prune(scene.database, (kept,), False, True))
    assert dropped
    assert scene.kept() == ""


def altered(column: Column) -> Schema:
    columns = [column, Column("p", "UInt32")]
    return Schema("s", version=2, objects=[Table("t", columns, engine=MergeTree(order_by=[], partition_by="p"))])


@pytest.fixture
def keyless(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Scene]:
    """The same table, of which every column can be altered."""
    opened = open_url(aaiclick_engine.url)
    yield Scene(opened, aaiclick_database, schema(1, MergeTree(order_by=[], partition_by="p")))
    opened.close()


RENAMED, NARROWED = altered(Column("key", "UInt64", renamed_from="id")), altered(Column("id", "UInt8"))


@pytest.mark.parametrize("wanted", [RENAMED, NARROWED], ids=["renamed", "narrowed"])
def test_an_alter_is_not_sent(keyless: Scene, wanted: Schema) -> None:
    with pytest.raises(ApplyError, match=r"1 part was detached by somebody else since.*The ALTERs were not sent"):
        keyless.start(wanted, "plan", 0, "retype t.id")
    with pytest.raises(SchemaVersionError, match=f"--allow '{ALLOWED}'"):
        keyless.start(wanted, "", 0, "retype t.id")
    keyless.say(ATTACH)
    assert keyless.start(wanted, "", 0, "retype t.id") == ()
    assert keyless.rows() == 99


def test_in_the_moment_of_an_alter_it_is_said(keyless: Scene) -> None:
    (note,) = keyless.start(RENAMED, "ALTER")
    assert "1 part was detached in the moment of ALTER TABLE" in note
    # As the note says.
    keyless.say("CREATE TABLE before (id UInt64, p UInt32) ENGINE = MergeTree ORDER BY () PARTITION BY p")
    path = str(keyless.value("SELECT path FROM system.detached_parts WHERE database = '{db}' AND table = 't'"))
    to = str(keyless.value("SELECT data_paths[1] FROM system.tables WHERE database = '{db}' AND name = 'before'"))
    shutil.move(path, f"{to}detached/")
    keyless.say("ALTER TABLE before ATTACH PARTITION 1")
    keyless.say("INSERT INTO t SELECT id AS key, p FROM before")
    assert keyless.value("SELECT uniqExact(key) FROM {db}.t") == 99


def test_an_alter_that_they_bear_asks_for_none(keyless: Scene) -> None:
    wanted = altered(Column("id", "UInt64", comment="the key"))
    driver = Driver(keyless.connection)
    driver.run(ensuring(wanted, keyless.database, Policy.lossless()))
    assert not [each for each in driver.seen if isinstance(each, Query) and "detached_parts" in each.sql]


def test_those_that_may_stay_stay_behind_an_alter(keyless: Scene) -> None:
    keyless.say(DETACH)
    assert keyless.start(RENAMED, "", 0, ALLOWED) == ()
    assert keyless.rows() == 66


def test_a_killed_rollback_that_is_gone_on_with_keeps_them(scene: Scene) -> None:
    """All tables are back, and the kept one was about to be dropped."""
    scene.start(WAYS["copy"], "", 3600)
    kept = scene.kept()

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and re.search(rf"DROP TABLE .*{kept}", effect.sql):
            raise KilledError

    asked = Rollback(WAYS["copy"], scene.database, 1, frozenset(), False, DEAD, True, 3600)
    with pytest.raises(KilledError):
        Driver(scene.connection, before=before).run(rollback(asked))
    scene.say(f"ALTER TABLE {kept} RESET SETTING table_readonly")
    scene.say(DETACH.replace(" t ", f" {kept} "))
    (said,) = (note for note in scene.back() if note.startswith(f"{kept}: "))
    assert "1 part was detached from the old table in the moment of the rollback (such as 1_" in said
    assert scene.rows() == 99
    scene.say(ATTACH.replace(" t ", f" {kept} "))
    assert scene.value(f"SELECT count() FROM {{db}}.{kept}") == 99
