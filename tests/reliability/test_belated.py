"""What a run does that was paused or killed at the wrong moment, while others went on: found by the schedules of
``tests/simulation``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table
from aaiclick.apply.rebuild.resume import settings_before
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.tables import require_table
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, LeaseLostError, OutcomeUnknownError, SchemaVersionError, StatementError
from aaiclick.events import Note
from aaiclick.lease.acquire import acquire
from aaiclick.lease.guard import guarded
from aaiclick.lease.names import LOCK, tombstone
from aaiclick.lease.owner import Owner
from aaiclick.lease.renew import release
from aaiclick.lease.tombstones import own_collection
from aaiclick.routine import Command, Effect, Query, Routine, Sleep
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark, new_mark
from aaiclick.state.records import all_records, append, ensure_tables, read_latest
from aaiclick.version import VERSION
from tests.apply.applying import Lab
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

ME = Owner("me", "here", 7)
POLICY = Policy.lossless(keep_old=timedelta(0))


def table(name: str = "t") -> Table:
    return Table(name, [Column("id", "UInt64"), Column("price", "UInt64")], engine=MergeTree(order_by=["id"]))


OLD = Schema("s", version=1, objects=[table()])
PRICES = Schema(
    "s",
    version=2,
    objects=[table()],
    migrations=[Migration(2, rebuild={"t": Rebuild(columns={"price": "price * 100"})})],
)
STATEMENT = Schema(
    "s",
    version=2,
    objects=[table(), table("sums")],
    migrations=[Migration(2, sql=["INSERT INTO sums SELECT id, price FROM t"])],
)


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits half a minute for a run that the test has paused."""
    assert acquire.__kwdefaults__ is not None
    monkeypatch.setitem(acquire.__kwdefaults__, "lease_seconds", 3.0)


@pytest.fixture
def lab(aaiclick_engine: Any, aaiclick_database: str) -> Iterator[Lab]:
    made = Lab(aaiclick_engine.url, aaiclick_database)
    Driver(made.connection).run(ensuring(OLD, made.database, POLICY))
    made.sql("INSERT INTO t SELECT number, 1 FROM numbers(5)")
    yield made
    made.close()


def start(lab: Lab, schema: Schema, owner: Owner | None = None, before: Any = None, later: float = 0.0) -> Driver:
    driver = Driver(lab.connection, before=before, later=later)
    driver.run(ensuring(schema, lab.database, POLICY, owner))
    return driver


def killed_at(lab: Lab, schema: Schema, words: str, *, after: bool = False) -> None:
    """The run is gone before its first command with these words, or behind it."""
    seen = False

    def kill(effect: Effect) -> None:
        nonlocal seen
        if seen:
            raise KilledError
        if isinstance(effect, Command) and words in effect.sql:
            if not after:
                raise KilledError
            seen = True

    with pytest.raises(KilledError):
        start(lab, schema, DEAD, kill)


def test_a_start_waits_for_a_statement_that_is_under_way(lab: Lab) -> None:
    """Nobody can tell yet whether it has to be asked about: it was said to be in doubt, and whoever believed that sent
    it again."""
    answer = Driver(lab.connection)._answer

    def go_on(routine: Routine[Any], effect: Effect) -> Effect:
        """The next effect, behind the answer to this one."""
        try:
            rows = () if isinstance(effect, Sleep) else answer(effect)
        except StatementError as error:
            return routine.throw(error)
        return routine.send(rows)

    first = ensure(Run(STATEMENT, lab.database, POLICY, ME, False, VERSION))
    sending = next(first)
    while not (isinstance(sending, Command) and "INSERT INTO sums" in sending.sql and sending.database == lab.database):
        sending = go_on(first, sending)
    second = ensure(Run(STATEMENT, lab.database, POLICY, replace(ME, pid=8), False, VERSION))
    waiting = next(second)
    while not isinstance(waiting, Sleep):
        waiting = go_on(second, waiting)
    with suppress(StopIteration):
        while True:
            sending = go_on(first, sending)
    with suppress(StopIteration):
        while True:
            waiting = go_on(second, waiting)
    assert lab.value("SELECT count() FROM {db}.sums") == 5


def test_a_belated_record_is_not_written(lab: Lab) -> None:
    latest = lab.run(read_latest(lab.database, "s"))
    assert latest is not None
    later = replace(latest, version=2)
    lab.run(append(lab.database, later, latest.seq))
    lab.run(append(lab.database, later, latest.seq))
    assert [record.version for record in lab.run(all_records(lab.database, "s"))] == [1, 2]
    lab.run(append(lab.database, replace(latest, schema="other"), 0))
    assert lab.run(read_latest(lab.database, "other")) is not None


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("CREATE TABLE {db}.`_aaiclick_new_{nonce}_t` (`x` UInt8) ENGINE = Null", "name = '_aaiclick_new_{nonce}_t'"),
        (
            "CREATE TABLE {plain}._aaiclick_stage_{nonce}_0_t (`x` UInt8) ENGINE = Null",
            "name = '_aaiclick_stage_{nonce}_0_t'",
        ),
        (
            "ALTER TABLE {db}.`t` ADD CONSTRAINT _aaiclick_guard_abc ASSUME 1",
            "position(create_table_query, '_aaiclick_guard_') > 0",
        ),
        (
            (
                "ALTER TABLE {db}.`t` (ADD CONSTRAINT _aaiclick_guard_abc CHECK price < 3), (ADD CONSTRAINT "
                "_aaiclick_guard_abcn1 CHECK id < 9)"
            ),
            "position(create_table_query, '_aaiclick_guard_') > 0",
        ),
    ],
    ids=["shadow", "staging", "guard", "guards of writers"],
)
def test_what_was_sent_last_is_taken_back_when_the_lease_is_lost(lab: Lab, sql: str, left: str) -> None:
    lease = lab.run(acquire(lab.database, ME))
    assert lease is not None
    words = {"db": f"`{lab.database}`", "plain": lab.database, "nonce": lease.nonce}

    def work() -> Routine[None]:
        yield Command(sql.format(**words))
        yield Sleep(60.0)
        yield Command("SELECT 1")

    def late(effect: Effect) -> None:
        if isinstance(effect, Sleep):
            lab.sql(f"RENAME TABLE {LOCK} TO {tombstone(lease.nonce)}")
            driver.later += 60.0
            lab.sql("RENAME TABLE t TO t_saved")

    driver = Driver(lab.connection, before=late)
    with pytest.raises(LeaseLostError):
        driver.run(guarded(work(), lease))
    assert not lab.rows(f"SELECT name FROM system.tables WHERE database = '{lab.database}' AND {left.format(**words)}")


def test_what_was_late_and_got_no_answer_is_taken_back(lab: Lab) -> None:
    """Its run ends there, and looks at the lease no more."""
    lease = lab.run(acquire(lab.database, ME))
    assert lease is not None
    made = f"_aaiclick_mark_{lease.nonce}_t"

    def work() -> Routine[None]:
        yield Command(f"CREATE TABLE {lab.database}.{made} (`x` UInt8) ENGINE = Null")

    def late(effect: Effect) -> None:
        if isinstance(effect, Command) and "CREATE TABLE" in effect.sql:
            lab.sql(f"RENAME TABLE {LOCK} TO {tombstone(lease.nonce)}", effect.sql)
            raise OutcomeUnknownError("no answer", 0, "", effect.sql)

    with pytest.raises(LeaseLostError):
        Driver(lab.connection, before=late).run(guarded(work(), lease))
    assert made not in lab.ours()


def test_all_that_was_late_is_taken_back_when_a_statement_fails(lab: Lab) -> None:
    """A successor has renamed the mark. What came before the statement that tells of it is late as well."""
    lease = lab.run(acquire(lab.database, ME))
    assert lease is not None
    lab.sql(f"RENAME TABLE {LOCK} TO {tombstone(lease.nonce)}")

    def work() -> Routine[None]:
        for kind in ("mark", "new"):
            yield Command(f"CREATE TABLE {lab.database}._aaiclick_{kind}_{lease.nonce}_t (`x` UInt8) ENGINE = Null")
        yield Command("ALTER TABLE _aaiclick_mark_t MODIFY COMMENT ''", database=lab.database)

    with pytest.raises(LeaseLostError):
        Driver(lab.connection).run(guarded(work(), lease))
    assert not nothing_left(lab)


def test_ttl_merges_that_a_paused_run_stopped_go_on(lab: Lab) -> None:
    lease = lab.run(acquire(lab.database, ME))
    assert lease is not None

    def work() -> Routine[None]:
        yield Command(f"SYSTEM STOP TTL MERGES `{lab.database}`.`t`")
        yield Command("SELECT 1")

    driver = Driver(lab.connection)

    def late(effect: Effect) -> None:
        if isinstance(effect, Command) and "STOP TTL" in effect.sql:
            lab.sql(f"RENAME TABLE {LOCK} TO {tombstone(lease.nonce)}")
            driver.later += 60.0

    driver.before = late
    with pytest.raises(LeaseLostError):
        driver.run(guarded(work(), lease))
    assert isinstance(driver.seen[-1], Command)
    assert driver.seen[-1].sql == f"SYSTEM START TTL MERGES `{lab.database}`.`t`"


def test_a_run_that_was_late_sees_to_its_own_lock(lab: Lab) -> None:
    lease = lab.run(acquire(lab.database, ME))
    assert lease is not None
    assert lab.run(own_collection(lab.database, lease.nonce)) is None
    lab.sql(
        "INSERT INTO _aaiclick_lease SELECT nonce, beat + 1, seconds, 1, at FROM _aaiclick_lease WHERE nonce = "
        f"'{lease.nonce}'"
    )
    due = lab.run(own_collection(lab.database, lease.nonce))
    lab.run(release(lease))
    assert isinstance(due, int)
    assert 300 < due - int(str(lab.value("SELECT toUnixTimestamp(now())"))) < 400


def test_a_scratch_database_of_a_killed_run_goes_with_a_later_start(lab: Lab) -> None:
    """Its process was killed without a lease, and another one ended the migration: no start after that found anything
    to do."""
    scratch = f"_aaiclick_scratch_{int(str(lab.value('SELECT toUnixTimestamp(now())'))):08x}{lab.nonce()[-12:].rjust(12, '0')}"
    lab.sql(f"CREATE DATABASE {scratch}")
    start(lab, PRICES)
    comment = str(
        lab.value(f"SELECT comment FROM system.tables WHERE database = '{lab.database}' AND name = '{RECORDS}'")
    )
    assert '"due":null' not in comment
    at_once = re.sub('"due":[0-9]+', '"due":1', comment)
    lab.sql(f"ALTER TABLE {RECORDS} MODIFY COMMENT '{at_once}'")
    start(lab, PRICES, later=LATER)
    assert not lab.rows(f"SELECT name FROM system.databases WHERE name = '{scratch}'")


def test_merges_go_on_where_the_new_table_is_called_now(lab: Lab) -> None:
    def operate(effect: Effect) -> None:
        if (
            isinstance(effect, Command)
            and "SYSTEM START MERGES" in effect.sql
            and not lab.rows("EXISTS TABLE {db}.t_saved")[0][0]
        ):
            lab.sql("SYSTEM STOP MERGES t", "RENAME TABLE t TO t_saved")

    with suppress(Exception):
        start(lab, PRICES, before=operate)
    assert lab.merging("t_saved")


def test_another_table_under_the_name_is_not_taken_for_the_one_that_was_made(lab: Lab) -> None:
    """The run was killed before its exchange; an operator has made the table anew. Its rows were recorded as
    converted."""
    killed_at(lab, PRICES, "EXCHANGE TABLES")
    lab.sql(
        "RENAME TABLE t TO t_saved",
        "CREATE TABLE t (id UInt64, price UInt64) ENGINE = MergeTree ORDER BY id",
        "INSERT INTO t VALUES (1, 3)",
    )
    start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t") == ((1, 300),)
    assert lab.value("SELECT count() FROM {db}.t_saved") == 5


@pytest.mark.parametrize("after", [False, True])
def test_an_exchange_that_happened_is_known_whatever_came_of_the_run(lab: Lab, after: bool) -> None:
    killed_at(lab, PRICES, "EXCHANGE TABLES", after=after)
    for _ in range(2):
        start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT DISTINCT price FROM {db}.t") == ((100,),)


def test_an_exchange_that_happened_is_known_wherever_the_new_table_is_now(lab: Lab) -> None:
    """An operator exchanged it for another one, and the run ended, before anything said that it was in place. The rows
    of the other table were converted, unsaid, and those of the first once more when it was put back."""
    put = False

    def operate(effect: Effect) -> None:
        nonlocal put
        if isinstance(effect, Query) and any(
            "EXCHANGE TABLES" in getattr(each, "sql", "") for each in driver.seen[:-1]
        ):
            put = True
            lab.sql("CREATE TABLE t_other AS t", "INSERT INTO t_other VALUES (7, 3)", "EXCHANGE TABLES t AND t_other")
            raise KilledError

    driver = Driver(lab.connection, before=operate)
    with pytest.raises(KilledError):
        driver.run(ensuring(PRICES, lab.database, POLICY, DEAD))
    assert put
    for _ in range(2):
        with pytest.raises(SchemaVersionError, match=r"'rerun migration 2:t#\w+'"):
            start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t") == ((7, 3),)
    lab.sql("EXCHANGE TABLES t AND t_other")
    start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == tuple((row, 100) for row in range(5))


def test_a_copy_that_no_version_asked_for_is_brought_to_its_end(lab: Lab) -> None:
    """An operator had put another table there. The run that made it as declared was killed behind its exchange: the
    one query of the next start found all as it should be, and a row that had come late was missing for good."""
    lab.sql("DROP TABLE t SYNC", "CREATE TABLE t (id UInt64, price UInt64) ENGINE = MergeTree ORDER BY price")
    lab.sql("INSERT INTO t VALUES (1, 3)")
    killed_at(lab, OLD, "EXCHANGE TABLES", after=True)
    old = next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
    lab.sql(f"INSERT INTO {old} VALUES (2, 4)")
    start(lab, OLD, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == ((1, 3), (2, 4))
    assert not nothing_left(lab)


@pytest.mark.parametrize("made", [True, False], ids=["as soon as it was made", "before the record"])
def test_rows_of_a_table_that_the_new_version_made_are_not_converted(lab: Lab, made: bool) -> None:
    """It was missing, and the run that made it was killed before it had recorded anything."""
    lab.sql("DROP TABLE t SYNC")
    killed_at(lab, PRICES, "`t` UUID '" if made else f"INSERT INTO `{lab.database}`.`{RECORDS}`", after=made)
    lab.sql("INSERT INTO t VALUES (1, 3)")
    start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t") == ((1, 3),)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_constraint_that_reached_another_table_is_dropped_wherever_that_is_now(lab: Lab, refuses: bool) -> None:
    """An operator exchanged the table away before the ALTER, the run was killed before its look at the UUID, and he
    exchanged it back: no plan is made of the other table."""
    put = False

    def operate(effect: Effect) -> None:
        nonlocal put
        if put:
            raise KilledError
        if isinstance(effect, Command) and "ADD CONSTRAINT _aaiclick_guard_" in effect.sql:
            put = True
            lab.sql("CREATE TABLE t_other AS t", "EXCHANGE TABLES t AND t_other")

    with pytest.raises(KilledError):
        start(lab, PRICES, DEAD, operate)
    lab.sql("EXCHANGE TABLES t AND t_other")
    guarded = "SELECT name FROM system.tables WHERE database = '{db}' AND create_table_query LIKE '%_aaiclick_guard_%'"
    assert lab.rows(guarded.replace("{db}", lab.database)) == (("t_other",),)
    if refuses:
        lab.sql("ALTER TABLE t_other MODIFY SETTING table_readonly = 1")
    driver = start(lab, PRICES, later=LATER)
    assert lab.rows(guarded.replace("{db}", lab.database)) == ((("t_other",),) if refuses else ())
    notes = [event.text for event in driver.events if isinstance(event, Note)]
    assert any("a constraint of a killed run stays" in text for text in notes) == refuses
    assert lab.rows("SELECT DISTINCT price FROM {db}.t") == ((100,),)


def test_a_table_that_was_made_as_the_held_one_is_put_right_by_the_next_run_too(lab: Lab) -> None:
    def operate(effect: Effect) -> None:
        if isinstance(effect, Command) and "EXCHANGE TABLES" in effect.sql:
            lab.sql("CREATE TABLE made AS t")
        if isinstance(effect, Query) and "endsWith(engine, 'MergeTree')" in effect.sql:
            raise KilledError

    with pytest.raises(KilledError):
        start(lab, PRICES, DEAD, operate)
    assert "max_parts_in_total" in lab.definition("made")
    start(lab, PRICES, later=LATER)
    assert "max_parts_in_total" not in lab.definition("made")


@pytest.mark.parametrize("marked", [True, False])
def test_settings_by_which_another_run_holds_a_table_are_not_taken_for_its_own(lab: Lab, marked: bool) -> None:
    """It was taken for dead, since the server's clock had been set, and was still at work. Who put the settings back in
    the end put back those that hold merges, and they were held for ever."""
    lab.sql("ALTER TABLE t MODIFY SETTING parts_to_delay_insert = 500")
    killed_at(lab, PRICES, "INSERT INTO `" + lab.database + "`.`_aaiclick_stage_")
    (mark,) = lab.run(read_owned(lab.database)).marks()
    assert isinstance(mark, Mark)
    if not marked:
        lab.sql(f"DROP TABLE {mark.name}")
    table = lab.run(require_table(lab.database, "t"))
    begun = lab.run(settings_before(lab.database, new_mark(mark.work, table, lab.nonce(), 0)))
    before = {"parts_to_delay_insert": "500"} if marked else {}
    assert {name: value for name, value in begun.saved if value} == before


@pytest.mark.usefixtures("short_lease")
@pytest.mark.parametrize("killed", [False, True], ids=["seen at once", "killed there"])
def test_an_exchange_that_comes_while_its_table_is_dropped_takes_no_rows_along(lab: Lab, killed: bool) -> None:
    """A run that was paused before its exchange sends it when its successor has looked at the new table, and is about
    to drop it."""
    killed_at(lab, PRICES, "EXCHANGE TABLES")
    lab.sql("INSERT INTO t VALUES (50, 1)")
    shadow = next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
    came = False

    def exchange(effect: Effect) -> None:
        nonlocal came
        if came and killed and isinstance(effect, Query):
            raise KilledError
        if isinstance(effect, Command) and not came and f"`{shadow}`" in effect.sql:
            came = True
            lab.sql(f"EXCHANGE TABLES t AND {shadow}")

    with pytest.raises(KilledError) if killed else nullcontext():
        start(lab, PRICES, DEAD, exchange, LATER)
    assert came
    lab.sql("INSERT INTO t VALUES (100, 7)")
    start(lab, PRICES, later=2 * LATER)
    start(lab, PRICES, later=3 * LATER)
    assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == (
        *((row, 100) for row in range(5)),
        (50, 100),
        (100, 7),
    )
    assert not nothing_left(lab)


@pytest.mark.usefixtures("short_lease")
def test_an_exchange_that_comes_when_its_table_was_taken_away_is_refused(lab: Lab) -> None:
    killed_at(lab, PRICES, "EXCHANGE TABLES")
    shadow = next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
    killed_at(lab, OLD, "`_aaiclick_taken_", after=True)
    taken = [name for name in lab.ours() if name.startswith("_aaiclick_taken_")]
    assert len(taken) == 1
    with pytest.raises(StatementError):
        lab.sql(f"EXCHANGE TABLES t AND {shadow}")
    start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == tuple((row, 100) for row in range(5))
    assert not nothing_left(lab)


@pytest.mark.usefixtures("short_lease")
def test_a_table_that_somebody_put_there_is_not_dropped_as_the_new_one(lab: Lab) -> None:
    """The exchange met it. The run was paused before it gave it back, and does so when its successor has."""
    seen = 0

    def operate(effect: Effect) -> None:
        nonlocal seen
        if isinstance(effect, Command) and "EXCHANGE TABLES" in effect.sql:
            seen += 1
            if seen == 2:
                raise KilledError
            lab.sql("RENAME TABLE t TO t_saved")
            lab.sql("CREATE TABLE t (`id` UInt64, `price` UInt64) ENGINE = MergeTree ORDER BY id")
            lab.sql("INSERT INTO t VALUES (77, 7)")

    with pytest.raises(KilledError):
        start(lab, PRICES, DEAD, operate)
    shadow = next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
    came = False

    def exchange(effect: Effect) -> None:
        nonlocal came
        if isinstance(effect, Command) and not came and f"RENAME TABLE `{lab.database}`.`{shadow}`" in effect.sql:
            came = True
            lab.sql(f"EXCHANGE TABLES t AND {shadow}")

    start(lab, PRICES, DEAD, exchange, LATER)
    assert came
    assert lab.rows("SELECT id, price FROM {db}.t") == ((77, 700),)
    assert lab.rows("SELECT id, price FROM {db}.t_saved ORDER BY id") == tuple((row, 1) for row in range(5))
    assert not nothing_left(lab)


@pytest.mark.usefixtures("short_lease")
@pytest.mark.parametrize("away", [100.0, 0.0], ids=["paused", "the server's clock was set"])
def test_a_belated_line_of_the_journal_does_not_have_an_expression_applied_twice(lab: Lab, away: float) -> None:
    """It said that the new table was not there yet, behind the line of the successor that said which it was. Who cannot
    write it goes no further."""
    begins = b'"new":"","table":"t"'.hex().upper()
    others = partial(killed_at, lab, PRICES, "EXCHANGE TABLES", after=True)
    paused(lab, PRICES, lambda effect: begins in getattr(effect, "sql", ""), others, away)
    start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == tuple((row, 100) for row in range(5))


@pytest.mark.usefixtures("short_lease")
def test_what_a_paused_run_writes_into_its_mark_brings_no_row_a_second_time(lab: Lab) -> None:
    """It says that late rows are in a staging table, when its successor has brought them across from another one."""
    exchanged = came = False

    def late(effect: Effect) -> bool:
        nonlocal exchanged, came
        sql = getattr(effect, "sql", "")
        if exchanged and not came:
            came = True
            old = next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
            lab.sql(f"INSERT INTO {old} VALUES (50, 1)")
        exchanged = exchanged or "EXCHANGE TABLES" in sql
        return '"filled":"_aaiclick_stage_' in sql

    paused(
        lab,
        PRICES,
        late,
        lambda: killed_at(lab, PRICES, "DROP TABLE IF EXISTS `" + lab.database + "`.`_aaiclick_stage_"),
    )
    start(lab, PRICES, later=LATER)
    assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == (*((row, 100) for row in range(5)), (50, 100))


@pytest.mark.parametrize("dropped", [False, True])
def test_rows_that_came_late_go_to_the_new_table_and_to_no_other(lab: Lab, dropped: bool) -> None:
    """An operator has put his table back under the name by then: the rows were moved there, converted, and converted
    once more with it."""
    seen: list[str] = []

    def operate(effect: Effect) -> None:
        if not isinstance(effect, Command):
            return
        if "EXCHANGE TABLES" in effect.sql:
            lab.sql("CREATE TABLE t_other AS t", "ALTER TABLE t_other RESET SETTING max_parts_in_total")
        elif seen and "EXCHANGE TABLES" in seen[-1]:
            old = next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
            lab.sql(f"INSERT INTO {old} VALUES (50, 1)")
        elif "INSERT INTO" in effect.sql and any("EXCHANGE TABLES" in sql for sql in seen) and not came:
            came.append(effect.sql)
            lab.sql("EXCHANGE TABLES t AND t_other", *(["DROP TABLE t_other SYNC"] if dropped else []))
        seen.append(effect.sql)

    came: list[str] = []
    with pytest.raises(AaiclickError):
        start(lab, PRICES, before=operate)
    assert came
    assert lab.value("SELECT count() FROM {db}.t") == 0
    if dropped:
        (kept,) = (name for name in lab.ours() if name.startswith("_aaiclick_old_"))
        assert lab.value(f"SELECT count() FROM {{db}}.{kept} WHERE id = 50 AND price = 1") == 1
    else:
        lab.sql("EXCHANGE TABLES t AND t_other")
        start(lab, PRICES, later=LATER)
        assert lab.rows("SELECT id, price FROM {db}.t ORDER BY id") == (*((row, 100) for row in range(5)), (50, 100))


def nothing_left(lab: Lab) -> set[str]:
    """Scratch tables."""
    return {
        name for name in lab.ours() if not name.startswith(("_aaiclick_journal", "_aaiclick_lease", "_aaiclick_lock"))
    }


def paused(
    lab: Lab, schema: Schema, before: Callable[[Effect], bool], others: Callable[[], None], away: float = 100.0
) -> None:
    """A run that is paused before this statement, for longer than its lease: what others do meanwhile, and then it
    sends it. ``away``: the seconds that passed by its own clock (0: it was the server's clock that was set)."""
    driver = Driver(lab.connection)
    came = False

    def pause(effect: Effect) -> None:
        nonlocal came
        if not came and before(effect):
            came = True
            others()
            driver.now += away

    driver.before = pause
    with pytest.raises(LeaseLostError):
        driver.run(ensuring(schema, lab.database, POLICY, DEAD))
    assert came


def test_records_of_a_new_database_are_appended(lab: Lab) -> None:
    """``HAVING`` over no rows at all."""
    lab.sql(f"DROP TABLE {RECORDS} SYNC")
    lab.run(ensure_tables(lab.database))
    start(lab, OLD, later=LATER)
    assert [record.version for record in lab.run(all_records(lab.database, "s"))] == [1]
