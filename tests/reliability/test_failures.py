"""Whatever else goes wrong in the middle: lost answers, a server that dies, limits, missing rights. The next start goes
on, or a sentence says why not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, validate_schema
from aaiclick.clients.opening import open_url
from aaiclick.errors import (
    AaiclickError,
    ApplyError,
    ConnectionFailed,
    OutcomeUnknownError,
    SchemaVersionError,
    StatementError,
)
from aaiclick.events import Event, StepStarted
from aaiclick.routine import Command, Effect, Query, Sleep
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.reliability.large import CASES as LARGE
from tests.reliability.large import filling
from tests.reliability.scene import CASES, Scene

EVERYWHERE = ("sort_key_reshaped", "engine_swapped", "retype_widen")
V1 = Schema(
    "case",
    version=1,
    objects=[Table("t", columns=[Column("k", "UInt32"), Column("v", "String")], engine=MergeTree(order_by="k"))],
)
V2 = Schema(
    "case",
    version=2,
    objects=[Table("t", columns=[Column("k", "UInt64"), Column("v", "String")], engine=MergeTree(order_by=["v", "k"]))],
)
VIEW = (
    "CREATE TABLE seen (k UInt64) ENGINE = MergeTree ORDER BY k",
    "CREATE MATERIALIZED VIEW mv TO seen AS SELECT k FROM t",
)


@pytest.fixture
def scene(request: pytest.FixtureRequest, aaiclick_engine: EmbeddedEngine) -> Iterator[Scene]:
    client = aaiclick_engine.client()
    made = Scene(aaiclick_engine, client, next(path for path in CASES if path.stem == request.param))
    yield made
    made.close()
    client.close()


class Lost:
    """The answer to one command is lost: it was carried out, or (``arrived`` False) it never reached the server."""

    def __init__(self, scene: Scene, number: int, arrived: bool) -> None:
        self.scene, self.number, self.arrived, self.count = scene, number, arrived, 0

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, Command):
            self.count += 1
            if self.count == self.number:
                if self.arrived:
                    self.scene.connection.command(effect)
                raise OutcomeUnknownError(
                    "the connection was lost while a statement ran; it may have happened. Run again", 0, "", effect.sql
                )


def lost_answers(scene: Scene, stride: int) -> int:
    expected = scene.rows(shared=False)
    total, lost = scene.effects().commands, 0
    for turn, number in enumerate(range(1, total + 1, stride)):
        scene.again()
        try:
            Driver(scene.connection, before=Lost(scene, number, arrived=bool(turn % 2))).run(
                ensuring(scene.schema, scene.ground.live, scene.policy, DEAD)
            )
        except AaiclickError:
            lost += 1
        scene.go_on()
        scene.check(expected, f"{scene.path.stem}: the answer of command {number} was lost")
    note(
        "answers lost (the statement happened, or not)",
        cases=1,
        commands=len(range(1, total + 1, stride)),
        runs_stopped_by_it=lost,
    )
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("scene", EVERYWHERE[:1], indirect=True)
def test_lost_answers(scene: Scene) -> None:
    assert lost_answers(scene, 29) > 1


@pytest.mark.proof
@pytest.mark.parametrize("scene", EVERYWHERE, indirect=True)
def test_every_answer_lost(scene: Scene) -> None:
    assert lost_answers(scene, 1) > 10


class Ground:
    """A table of version 1 in a database of its own, read by a materialized view: rebuilt behind a fence."""

    def __init__(self, engine: EmbeddedEngine, database: str) -> None:
        self.engine, self.database = engine, database
        self.connection = open_url(engine.url)
        ensure_schema(engine.url, V1, database=database)
        self.sql(*VIEW, "INSERT INTO t SELECT number, toString(number) FROM numbers(1000)")

    def sql(self, *statements: str) -> None:
        for statement in statements:
            self.connection.command(Command(statement, settings={"async_insert": 0}, database=self.database))

    def value(self, sql: str) -> object:
        return self.connection.query(Query(sql.replace("{db}", self.database)))[0][0]

    def definition(self) -> str:
        return str(self.value("SELECT create_table_query FROM system.tables WHERE database = '{db}' AND name = 't'"))

    def run(self, before: Callable[[Effect], object], *, stop: int | None = None) -> Driver:
        driver = Driver(self.connection, before=before)
        driver.run(ensuring(V2, self.database, Policy.lossless(), DEAD), stop)
        return driver


@pytest.fixture
def ground(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Ground]:
    made = Ground(aaiclick_engine, aaiclick_database)
    yield made
    made.connection.close()


def test_a_start_that_may_change_nothing_still_lets_writers_in_again(ground: Ground) -> None:
    """A run is killed inside its fence; the next start has a policy under which it cannot migrate."""

    def die(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.split("*/ ")[-1].startswith("EXCHANGE"):
            raise KilledError

    with pytest.raises(KilledError):
        ground.run(die)
    with pytest.raises(StatementError, match="readonly"):
        ground.sql("INSERT INTO t VALUES (1, 'x')")
    # What holds the table still is ours, and is not told as something that somebody forgot to declare.
    status = validate_schema(ground.engine.url, V2, database=ground.database)
    assert status.unfinished.startswith("a rebuild of t was not finished; a migration to v2 ")
    assert [note for note in status.notes if "setting" in note and "index_granularity" not in note] == []
    driver = Driver(ground.connection, later=LATER)
    with pytest.raises(SchemaVersionError):
        driver.run(ensuring(V2, ground.database, Policy.safe()))
    ground.sql("INSERT INTO t VALUES (1, 'x')", "OPTIMIZE TABLE t FINAL SETTINGS optimize_throw_if_noop = 1")
    assert "max_bytes_to_merge" not in ground.definition()
    assert ground.value("SELECT count() FROM {db}.seen") == 1001
    # Nobody waits for the lease of the one that was refused.
    assert ground.value("SELECT count() FROM system.tables WHERE database = '{db}' AND name = '_aaiclick_lock'") == 0


@pytest.mark.parametrize("code", [517, 473, 202])
def test_refusals_that_pass_are_tried_again(ground: Ground, code: int) -> None:
    refused: dict[str, int] = {}

    def busy(effect: Effect) -> None:
        word = (
            effect.sql.split("*/ ")[-1].split(" ")[0]
            if isinstance(effect, Command) and "aaiclick:" in effect.sql
            else ""
        )
        # What bookkeeping says is not tried again: it is short, and the next start says it once more.
        if (
            isinstance(effect, Command)
            and word in ("ALTER", "EXCHANGE")
            and "schema_version" not in effect.sql
            and refused.get(word, 0) < 2
        ):
            refused[word] = refused.get(word, 0) + 1
            raise StatementError(f"Code: {code}. busy", code, "BUSY", effect.sql)

    ground.run(busy)
    assert refused == {"ALTER": 2, "EXCHANGE": 2}
    assert ground.value("SELECT count() FROM {db}.t") == 1000


def test_a_user_without_rights_to_make_databases_or_stop_merges(ground: Ground) -> None:
    refused: set[str] = set()

    def deny(effect: Effect) -> None:
        text = effect.sql.split("*/ ")[-1] if isinstance(effect, Command) else ""
        if text.startswith(("CREATE DATABASE", "SYSTEM")):
            refused.add(text.split(" ")[0])
            raise StatementError(
                "Code: 497. DB::Exception: not enough privileges. (ACCESS_DENIED)", 497, "ACCESS_DENIED", text
            )

    ground.run(deny)
    assert refused == {"CREATE", "SYSTEM"}
    assert ground.value("SELECT count() FROM {db}.t") == 1000
    assert (
        ground.value(
            "SELECT count() FROM system.tables WHERE database = '{db}' AND startsWith(name, '_aaiclick_scratch_')"
        )
        == 0
    )


def test_memory_runs_out(ground: Ground) -> None:
    """The first copy meets the limit and is made again in small blocks; where that does too, the table is as it was."""
    met: list[str] = []

    def limit(most: int) -> Callable[[Effect], None]:
        def refuse(effect: Effect) -> None:
            if isinstance(effect, Command) and effect.long and len(met) < most:
                met.append(effect.sql)
                # Some blocks are in before the limit is met.
                ground.connection.command(Command(f"{effect.sql} LIMIT 10", settings=effect.settings))
                raise StatementError(
                    "Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)",
                    241,
                    "MEMORY_LIMIT_EXCEEDED",
                    effect.sql,
                )

        return refuse

    before = ground.definition()
    with pytest.raises(ApplyError, match="memory limit exceeded"):
        ground.run(limit(99))
    assert ground.definition() == before
    assert (
        ground.value(
            "SELECT count() FROM system.tables WHERE database = '{db}' AND match(name, '_aaiclick_(new|stage|mark)')"
        )
        == 0
    )
    met.clear()
    ground.run(limit(1))
    assert ground.value("SELECT count() FROM {db}.t") == 1000


def test_a_read_only_server_gets_one_sentence() -> None:
    with EngineServer(read_only=True) as server, pytest.raises(StatementError) as refused:
        ensure_schema(f"{server.url}/default", V1, policy=Policy.lossless())
    assert refused.value.code == 164
    assert "\n" not in str(refused.value)


def server_dies(server: EngineServer, case: str, moments: list[float], *, gently: bool, in_step: bool = False) -> int:
    """The server ends so many times while a run is under way, and comes back; how many runs that stopped.

    ``in_step``: the moments are counted from the begin of the first step, else from that of the run.
    """
    name = f"dies_{case}"
    server.command(f"CREATE DATABASE {name}")
    client = server.client(database=name)
    for statement in filling(case):
        client.command(statement)
    client.close()
    expected = server.command(f"SELECT {LARGE[case].fingerprint} FROM {name}.t")
    policy, stopped = Policy.lossless().allow(*LARGE[case].allow), 0

    def attempt(into: list[Exception], begun: threading.Event) -> None:
        def tell(event: Event) -> None:
            if isinstance(event, StepStarted):
                begun.set()

        try:
            ensure_schema(server.url, LARGE[case].target, policy=policy, database=name, on_event=tell)
        except Exception as error:
            into.append(error)

    for moment in moments:
        failures: list[Exception] = []
        begun = threading.Event()
        thread = threading.Thread(target=attempt, args=(failures, begun))
        thread.start()
        assert not in_step or begun.wait(60)
        time.sleep(moment)
        if gently:
            server.restart()
        else:
            server.kill()
            server.start()
        thread.join(120)
        assert all(
            isinstance(error, OutcomeUnknownError | ConnectionFailed | StatementError | ApplyError)
            for error in failures
        ), failures
        stopped += len(failures)
        assert server.command(f"SELECT {LARGE[case].fingerprint} FROM {name}.t") == expected
        end_of_the_lease(server, name)
    ensure_schema(server.url, LARGE[case].target, policy=policy, database=name)
    assert server.command(f"SELECT {LARGE[case].fingerprint} FROM {name}.t") == expected
    note(
        "server killed or restarted under a run", times=len(moments), runs_stopped_by_it=stopped, rows=LARGE[case].rows
    )
    return stopped


def end_of_the_lease(server: EngineServer, database: str) -> None:
    """A client that lost its server could not give its lease back; nobody has to wait half a minute for that in a
    test."""
    server.command(f"DROP TABLE IF EXISTS {database}._aaiclick_lock SYNC")


@pytest.mark.slow
def test_the_server_is_killed_in_a_rebuild() -> None:
    with EngineServer() as server:
        assert server_dies(server, "rebuild", [0.05], gently=False, in_step=True) == 1


@pytest.mark.proof
@pytest.mark.parametrize("gently", [False, True], ids=["killed", "restarted"])
@pytest.mark.parametrize("case", ["rebuild", "attach", "mutate"])
def test_the_server_dies_again_and_again(case: str, gently: bool) -> None:
    with EngineServer() as server:
        assert (
            server_dies(
                server, case, [LARGE[case].seconds * share for share in (0.1, 0.2, 0.3, 0.45, 0.6)], gently=gently
            )
            > 0
        )


def test_a_mutation_that_a_killed_run_left_is_waited_for(ground: Ground) -> None:
    """The ALTER was sent, its mutation is held up; the next start records nothing before it has ended."""
    narrow = Schema(
        "case",
        version=2,
        objects=[
            Table(
                "t",
                columns=[Column("k", "UInt32"), Column("v", "LowCardinality(String)")],
                engine=MergeTree(order_by="k"),
            )
        ],
    )
    ground.sql("SYSTEM STOP MERGES t")
    killed = Driver(ground.connection)

    def die(effect: Effect) -> None:
        sent = f"ALTER TABLE `{ground.database}`.`t`"
        if (
            isinstance(effect, Query)
            and "system.mutations" in effect.sql
            and any(sent in getattr(each, "sql", "") for each in killed.seen)
        ):
            raise KilledError

    killed.before = die
    with pytest.raises(KilledError):
        killed.run(ensuring(narrow, ground.database, Policy.lossless(), DEAD))
    assert ground.value("SELECT count() FROM system.mutations WHERE database = '{db}' AND NOT is_done") == 1
    waited: list[int] = []

    def let_go(effect: Effect) -> None:
        if isinstance(effect, Sleep) and not waited:
            waited.append(1)
            ground.sql("SYSTEM START MERGES t")

    driver = Driver(ground.connection, later=LATER, before=let_go)
    assert driver.run(ensuring(narrow, ground.database, Policy.lossless())).in_sync
    assert waited
    assert ground.value("SELECT count() FROM system.mutations WHERE database = '{db}' AND NOT is_done") == 0
