"""What a migration does by itself happens once, also where the run ended before the version was recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Policy, Rebuild, Schema, ensure_schema, plan_schema
from aaiclick.catalog.forms import Catalog, ServerFacts
from aaiclick.clickhouse.statements import send
from aaiclick.commands.start import recording
from aaiclick.errors import ApplyError, DriftRemainsError, SchemaAheadError, SchemaVersionError
from aaiclick.events import Progress, StepDone, StepStarted
from aaiclick.routine import Command, Routine
from aaiclick.state.journal import Entry
from aaiclick.state.progress import JournalScope, progress_of
from tests.migrations.building import rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = table(Column("n", "UInt64"))


class Killed(BaseException):
    """The process is gone."""


def stopped(client: Client, monkeypatch: pytest.MonkeyPatch, *migrations: Migration) -> None:
    """A first version with rows, and the second one."""
    ensure_schema(client, schema(1, T))
    client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    killed_before_the_record(client, monkeypatch, schema(2, T, migrations=list(migrations)))


def killed_before_the_record(client: Client, monkeypatch: pytest.MonkeyPatch, declared: Schema, *keys: str) -> None:
    """Everything was carried out, but the process died before the version was recorded."""

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(recording, "append", dies)
        with pytest.raises(Killed):
            ensure_schema(client, declared, policy=Policy.lossless().allow(*keys))
    client.command(
        "DROP TABLE IF EXISTS _aaiclick_lock SYNC"
    )  # its holder is dead: nobody has to wait for the lease to run out


def test_expressions_of_a_rebuild_are_not_applied_twice(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = Migration(2, rebuild={"t": Rebuild(columns={"n": "n * 2"})})
    stopped(aaiclick_client, monkeypatch, double)
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]
    assert ensure_schema(aaiclick_client, schema(2, T, migrations=[double])).steps == ()
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]


def test_statements_are_not_sent_twice(aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    more = Migration(2, sql=["INSERT INTO t SELECT id + 10, n FROM t"])
    stopped(aaiclick_client, monkeypatch, more)
    assert ensure_schema(aaiclick_client, schema(2, T, migrations=[more])).steps == ()
    assert rows(aaiclick_client) == [(1, 1), (2, 2), (11, 1), (12, 2)]


NINE = schema(2, T, migrations=[Migration(2, sql=["INSERT INTO t VALUES (9, 9)"])])


def killed_in_the_statement(client: Client, monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """It never gets there."""
    from aaiclick.apply import script_steps

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(script_steps, "send", dies)
        with pytest.raises(Killed):
            ensure_schema(client, NINE, policy=Policy.lossless().allow(*keys))
    client.command("DROP TABLE IF EXISTS _aaiclick_lock SYNC")


def asked(client: Client, declared: Schema, *keys: str) -> str:
    """What a start asks about that has these keys: ``migration 2:1#...``."""
    with pytest.raises(SchemaVersionError) as caught:
        ensure_schema(client, declared, policy=Policy.lossless().allow(*keys))
    found = re.search(r"--allow 'rerun (migration 2:\w+#[0-9a-f]{8})'", str(caught.value))
    assert found is not None, caught.value
    return found[1]


@pytest.fixture
def begun(aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A run was killed in the statement."""
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    killed_in_the_statement(aaiclick_client, monkeypatch)
    return aaiclick_client


@pytest.mark.parametrize(
    ("answer", "marked", "expected"),
    [("rerun", True, [(9, 9)]), ("skip", True, []), ("rerun", False, [(9, 9)])],
    ids=["rerun", "skip", "rerun as earlier releases gave it"],
)
def test_a_statement_that_may_have_happened_is_asked_about(
    begun: Client, answer: str, marked: bool, expected: list[object]
) -> None:
    doubt = asked(begun, NINE)
    assert f"'skip {doubt}' takes it for done" in str(plan_schema(begun, NINE))
    key = f"{answer} {doubt if marked else doubt.partition('#')[0]}"
    ensure_schema(begun, NINE, policy=Policy.lossless().allow(key))
    assert rows(begun) == [(1, 1), (2, 2), *expected]


@pytest.mark.parametrize(
    ("after", "marked"), [("rerun", True), ("skip", False)], ids=["this time", "as earlier releases gave it"]
)
def test_what_is_allowed_to_a_job_that_starts_again_by_itself_is_allowed_once(
    begun: Client, monkeypatch: pytest.MonkeyPatch, after: str, marked: bool
) -> None:
    """It is killed in the statement a second time: whoever looked has not looked at that."""
    first = asked(begun, NINE)
    said = first if marked else first.partition("#")[0]
    keys = [f"rerun {said}"]
    killed_in_the_statement(begun, monkeypatch, *keys)
    assert "(2 times by now)" in str(plan_schema(begun, NINE))
    second = asked(begun, NINE, *keys, f"skip {said}")
    assert second != first
    assert second == asked(begun, NINE, *keys)  # it asks about the same until somebody answers
    assert rows(begun) == [(1, 1), (2, 2)]
    ensure_schema(begun, NINE, policy=Policy.lossless().allow(*keys, f"{after} {second}"))
    assert rows(begun) == [(1, 1), (2, 2), *([(9, 9)] if after == "rerun" else [])]


FILLED = schema(
    2, T, migrations=[Migration(2, sql=["CREATE TABLE f ENGINE = MergeTree ORDER BY id AS SELECT id, n FROM t"])]
)


@pytest.mark.parametrize("somebody_elses", [False, True])
def test_a_table_that_a_killed_statement_made_and_filled_is_not_in_the_way_of_it(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, somebody_elses: bool
) -> None:
    """Nor is one that was only begun: that one cannot be told from a full one."""
    from aaiclick.apply import script_steps

    def killed(command: Command, codes: frozenset[int]) -> Routine[None]:
        yield from send(command, codes)
        raise Killed

    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    with monkeypatch.context() as patched:
        patched.setattr(script_steps, "send", killed)
        with pytest.raises(Killed):
            ensure_schema(aaiclick_client, FILLED)
    aaiclick_client.command("DROP TABLE _aaiclick_lock SYNC")
    if somebody_elses:
        aaiclick_client.command("DROP TABLE f SYNC")
        aaiclick_client.command("CREATE TABLE f ENGINE = MergeTree ORDER BY id AS SELECT id, n FROM t")
    policy = Policy.lossless().allow(f"rerun {asked(aaiclick_client, FILLED)}")
    if somebody_elses:
        with pytest.raises(ApplyError, match=r"It was sent before: if f is what that left, run DROP TABLE .*f`, and"):
            ensure_schema(aaiclick_client, FILLED, policy=policy)
        aaiclick_client.command("DROP TABLE f SYNC")
    ensure_schema(aaiclick_client, FILLED, policy=policy)
    assert aaiclick_client.query("SELECT id, n FROM f ORDER BY id").result_rows == [(1, 1), (2, 2)]


def test_a_statement_that_fails_while_it_fills_its_table_leaves_nothing_of_it(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(100)")
    filled = (
        "CREATE TABLE IF NOT EXISTS f (id UInt64) ENGINE = MergeTree ORDER BY id AS SELECT id + throwIf(n = 0) FROM t "
        "SETTINGS max_block_size = 10, max_threads = 1"
    )
    declared = schema(2, T, migrations=[Migration(2, sql=[filled])])
    aaiclick_client.command("INSERT INTO t VALUES (1000, 0)")
    for _ in range(2):
        with pytest.raises(ApplyError, match="throwIf"):
            ensure_schema(aaiclick_client, declared)
        assert aaiclick_client.command("EXISTS TABLE f") == 0
    aaiclick_client.command("ALTER TABLE t UPDATE n = 1 WHERE 1 SETTINGS mutations_sync = 2")
    ensure_schema(aaiclick_client, declared)
    assert aaiclick_client.command("SELECT count() FROM f") == 101


FAILS_LATE = (
    # 36 is said of wrong arguments before anything is done, and by this function behind the first blocks.
    "INSERT INTO t SELECT id + 1000, widthBucket(toFloat64(n), 0, 10, toUInt32(id != 100)) FROM t SETTINGS "
    "max_threads = 1, max_insert_threads = 1, max_block_size = 10, min_insert_block_size_rows = 10, "
    "min_insert_block_size_bytes = 1"
)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        # The mutation stays, and goes on as soon as it can.
        ("ALTER TABLE t UPDATE n = n * 100 + throwIf(id = 7) WHERE 1", "Its mutation is still there"),
        (FAILS_LATE, "Some of its rows may be there"),
        ("INSERT INTO t SELECT nothing, 1 FROM system.one", ""),
        # The rows are in the table when the view that reads it fails on them.
        ("INSERT INTO t VALUES (1000, 9)", "Some of its rows may be there"),
    ],
    ids=["update", "insert", "refused", "values"],
)
def test_what_a_failed_statement_may_have_done_all_the_same_is_not_done_again_without_a_word(
    aaiclick_client: Client, statement: str, said: str
) -> None:
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t SELECT number + 1, 1 FROM numbers(100)")
    if "VALUES" in statement:
        aaiclick_client.command(
            "CREATE MATERIALIZED VIEW seen ENGINE = Memory AS SELECT parseTimeDelta(if(n = 9, '', '1s')) AS x FROM t"
        )
    declared = schema(2, T, migrations=[Migration(2, sql=[statement])])
    policy = Policy.lossless().allow("run-sql migration 2")
    with pytest.raises(ApplyError, match="statement 1 of migration 2") as caught:
        ensure_schema(aaiclick_client, declared, policy=policy)
    message = str(caught.value)
    assert said in message
    assert ("the next run asks before it sends it again" in message) is bool(said), message
    if said:
        doubt = asked(aaiclick_client, declared, "run-sql migration 2")
        ensure_schema(aaiclick_client, declared, policy=policy.allow(f"skip {doubt}"))
    else:
        with pytest.raises(ApplyError, match="statement 1 of migration 2"):
            ensure_schema(aaiclick_client, declared, policy=policy)


def test_a_line_of_an_earlier_release_keeps_its_mark_where_it_is_carried_over(begun: Client) -> None:
    """The run that asks enters it anew: the key that it gives holds all the same."""
    begun.command("ALTER TABLE _aaiclick_journal UPDATE run = 'from 1', details = '{}' WHERE step = '2:sql:1'")
    doubt = asked(begun, NINE)
    assert begun.query("SELECT run FROM _aaiclick_journal WHERE step = '2:sql:1' ORDER BY seq").result_rows[1:]
    ensure_schema(begun, NINE, policy=Policy.lossless().allow(f"rerun {doubt}"))
    assert rows(begun) == [(1, 1), (2, 2), (9, 9)]


def test_lines_of_tenants_are_told_apart() -> None:
    """A job for all of them has the key of one; their journals are alike."""
    line = Entry(JournalScope("one", "s", 0).action("2:sql:1"), "intent", {}, 7, 1_700_000_000_000)
    server = ServerFacts((26, 9), "26.9", "one", "default", "UTC")
    nothing = Catalog("one", "Atomic", server, {})
    marks = [progress_of(JournalScope(name, "s", 0), [line], nothing).sent["2:sql:1"].mark for name in ("one", "two")]
    assert marks[0] != marks[1]


DOUBLE = Migration(2, rebuild={"t": Rebuild(columns={"n": "n * 2"})})


def put_another(client: Client) -> None:
    """An operator puts another table under the name, with rows that no run has converted."""
    client.command("CREATE TABLE other AS t")
    client.command("INSERT INTO other VALUES (5, 5)")
    client.command("EXCHANGE TABLES t AND other")


@pytest.mark.parametrize(
    ("answer", "marked", "expected"),
    [("rerun", True, [(5, 10)]), ("skip", True, [(5, 5)]), ("skip", False, [(5, 5)])],
    ids=["rerun", "skip", "skip as earlier releases gave it"],
)
def test_another_table_under_the_name_is_not_taken_for_the_one_that_was_converted(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, answer: str, marked: bool, expected: object
) -> None:
    stopped(aaiclick_client, monkeypatch, DOUBLE)
    put_another(aaiclick_client)
    declared = schema(2, T, migrations=[DOUBLE])
    doubt = asked(aaiclick_client, declared)
    assert rows(aaiclick_client) == [(5, 5)]
    assert f"'skip {doubt}' takes them as they are" in str(plan_schema(aaiclick_client, declared))
    key = f"{answer} {doubt if marked else doubt.partition('#')[0]}"
    ensure_schema(aaiclick_client, declared, policy=Policy.lossless().allow(key))
    assert rows(aaiclick_client) == expected


@pytest.mark.parametrize(
    ("answer", "marked"), [("rerun", True), ("skip", False)], ids=["this one", "as earlier releases gave it"]
)
def test_what_is_allowed_for_a_table_does_not_hold_for_the_next_one(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, answer: str, marked: bool
) -> None:
    """The run that had the key was killed before the version was recorded, and somebody has put a third one there."""
    declared = schema(2, T, migrations=[DOUBLE])
    stopped(aaiclick_client, monkeypatch, DOUBLE)
    put_another(aaiclick_client)
    first = asked(aaiclick_client, declared)
    key = f"{answer} {first if marked else first.partition('#')[0]}"
    killed_before_the_record(aaiclick_client, monkeypatch, declared, key)
    aaiclick_client.command("CREATE TABLE third AS t")
    aaiclick_client.command("INSERT INTO third VALUES (7, 7)")
    aaiclick_client.command("EXCHANGE TABLES t AND third")
    assert asked(aaiclick_client, declared, key) != first
    assert rows(aaiclick_client) == [(7, 7)]


def test_older_code_leaves_a_missing_table_alone_that_newer_code_has_made(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are of the newest version. Code of a version in between would take them for its own, and its record
    would have them converted."""
    migrations = [
        Migration(2, rebuild={"t": Rebuild(columns={"n": "n * 2"})}),
        Migration(3, rebuild={"t": Rebuild(columns={"n": "n * 10"})}),
    ]
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("DROP TABLE t SYNC")
    killed_before_the_record(aaiclick_client, monkeypatch, schema(3, T, migrations=migrations))
    aaiclick_client.command("INSERT INTO t VALUES (1, 20)")
    with pytest.raises(SchemaAheadError, match="at v1 and on its way to v3"):
        ensure_schema(aaiclick_client, schema(2, T, migrations=migrations[:1]))
    ensure_schema(aaiclick_client, schema(3, T, migrations=migrations))
    assert rows(aaiclick_client) == [(1, 20)]


def test_no_version_is_recorded_over_a_table_that_came_in_the_last_moment(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    declared = schema(2, T, migrations=[DOUBLE])

    def watch(event: object) -> None:
        if isinstance(event, StepDone):
            put_another(aaiclick_client)

    with pytest.raises(DriftRemainsError, match=r"'rerun migration 2:t#\w+' converts them"):
        ensure_schema(aaiclick_client, declared, on_event=watch)
    with pytest.raises(SchemaVersionError, match=r"rerun migration 2:t"):
        ensure_schema(aaiclick_client, declared)
    aaiclick_client.command("EXCHANGE TABLES t AND other")
    assert ensure_schema(aaiclick_client, declared).steps == ()
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]


@pytest.mark.parametrize("moment", [StepStarted, Progress])
def test_who_lets_another_table_be_converted_and_puts_the_first_one_back_has_it_as_it_was(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, moment: type[object]
) -> None:
    """The permission is for the rows that are under the name, and those of the first one are converted."""
    stopped(aaiclick_client, monkeypatch, DOUBLE)
    put_another(aaiclick_client)
    declared = schema(2, T, migrations=[DOUBLE])
    policy = Policy.lossless().allow("rerun migration 2:t")

    def put_back(event: object) -> None:
        if isinstance(event, moment):
            aaiclick_client.command("EXCHANGE TABLES t AND other")

    with pytest.raises(ApplyError, match=r"somebody else"):
        ensure_schema(aaiclick_client, declared, policy=policy, on_event=put_back)
    assert ensure_schema(aaiclick_client, declared, policy=policy).steps == ()
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]
