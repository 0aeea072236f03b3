"""A jump with everything a migration can say is stopped before and after every effect, by a kill or a refused
statement: the next run (of the same code or a later version, in another process) goes on, every row is there once, and
a function whose end was entered is never called again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aaiclick import Policy, Schema
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clients.opening import Opened, open_url
from aaiclick.errors import AaiclickError, SchemaVersionError, StatementError
from aaiclick.lease.names import LOCK
from aaiclick.routine import Call, Clock, Command, Effect, Rows, WhereKept
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.migrations import story
from tests.migrations.story import END_LOG, END_T, FILL, ROWS, write_package
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

POLICY = Policy.lossless(keep_old=timedelta(0)).allow("drop-rows w", "drop-rows t")


class Stopper(Driver):
    """Counts commands and calls; before the ``stop``-th one the process is gone or, with ``refuse``, the server out of
    memory."""

    def __init__(
        self, connection: Opened, stop: int | None = None, *, refuse: bool = False, later: float = 0.0
    ) -> None:
        super().__init__(connection, later=later)
        self.stop = stop
        self.refuse = refuse
        self.points = 0
        self.stopped = False

    def _answer(self, effect: Effect) -> Rows:
        if isinstance(effect, Command | Call):
            if self.points == self.stop:
                self.stopped = True
                if self.refuse and isinstance(effect, Command):
                    self.points += 1
                    raise StatementError("Memory limit exceeded", 241, "MEMORY_LIMIT_EXCEEDED", effect.sql)
                raise KilledError
            self.points += 1
        if isinstance(effect, Call):
            return effect.function.step(effect.reply, effect.seconds)
        return super()._answer(effect)


class Stage:
    """A database at version 1 that can be made anew, and the two packages: code up to version 5, and up to 6."""

    def __init__(self, engine: EmbeddedEngine, folder: Path) -> None:
        self.engine = engine
        self.database = fresh_name("story")
        self.connection = open_url(engine.url)
        self.code = {
            last: story.story(last, write_package(engine, folder, fresh_name("story_code"), last)) for last in (5, 6)
        }

    def again(self) -> None:
        self.engine.command(f"DROP DATABASE IF EXISTS {quote_name(self.database)} SYNC")
        self.engine.command(f"CREATE DATABASE {quote_name(self.database)}")
        Driver(self.connection).run(ensuring(story.story(1), self.database, POLICY))
        self.engine.command(FILL.format(t=f"{quote_name(self.database)}.t"))
        story.calls.clear()
        story.ended.clear()

    def run(self, stop: int | None = None, *, refuse: bool = False) -> Stopper:
        """One run of the code of version 5 by a process that is gone afterwards."""
        driver = Stopper(self.connection, stop, refuse=refuse)
        try:
            driver.run(ensuring(self.code[5], self.database, POLICY, DEAD))
        except KilledError:
            pass
        except AaiclickError:
            assert refuse
        return driver

    def lines(self, sql: str) -> list[str]:
        return self.engine.command(f"{sql} FORMAT TSV").splitlines()

    def end_entered(self) -> bool:
        if not self.lines(
            f"SELECT 1 FROM system.tables WHERE database = '{self.database}' AND name = '_aaiclick_journal'"
        ):
            return False
        return bool(
            self.lines(
                f"SELECT 1 FROM {quote_name(self.database)}._aaiclick_journal WHERE step = '4:move' AND state = 'done'"
            )
        )

    def go_on(self, schema: Schema) -> None:
        """The next start. What it asks about (a statement that may have happened) is looked up, as an operator
        would."""
        policy = POLICY
        for turn in range(4):
            try:
                assert Stopper(self.connection, later=LATER).run(ensuring(schema, self.database, policy)).in_sync
            except SchemaVersionError as error:
                ((asked, number),) = re.findall(r"--allow 'rerun ([^']+:(\d)#\w+)'", str(error))
                policy = policy.allow(f"{'skip' if self.happened(int(number)) else 'rerun'} {asked}")
                continue
            if turn and not self.lines(
                f"SELECT name FROM system.tables WHERE database = '{self.database}' AND name = '{LOCK}'"
            ):
                return
            # Killed when all was done but giving the lease back: nobody needs it before somebody has to look again.
            self.engine.command(f"ALTER TABLE {quote_name(self.database)}.{RECORDS} MODIFY COMMENT ''")

    def happened(self, statement: int) -> bool:
        if statement == 1:
            return bool(self.lines(f"SELECT 1 FROM {quote_name(self.database)}.log WHERE what LIKE 'v3%' LIMIT 1"))
        return bool(self.lines(f"SELECT 1 FROM {quote_name(self.database)}.t WHERE label = 's3!'"))

    def check(self, about: str) -> None:
        database = quote_name(self.database)
        assert self.lines(f"SELECT * FROM {database}.w ORDER BY id") == ["\t".join(map(str, row)) for row in END_T], (
            about
        )
        assert self.lines(f"SELECT * FROM {database}.log ORDER BY id") == [
            "\t".join(map(str, row)) for row in END_LOG
        ], about
        held = (
            "position(engine_full, 'max_bytes_to_merge') > 0 OR startsWith(name, '_aaiclick_new') OR "
            "startsWith(name, '_aaiclick_stage')"
        )
        assert self.lines(f"SELECT name FROM system.tables WHERE database = '{self.database}' AND ({held})") == [], (
            about
        )


@pytest.fixture
def stage(aaiclick_engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.syspath_prepend(tmp_path)
    made = Stage(aaiclick_engine, tmp_path)
    yield made
    made.connection.close()
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(made.database)} SYNC")


def stopped_at(stage: Stage, stop: int, *, refuse: bool, version: int) -> bool:
    """Stop one run there, go on, compare; whether it was stopped after the end of the function was entered."""
    about = f"{'refused' if refuse else 'killed'} at {stop}, then v{version}"
    stage.again()
    assert stage.run(stop, refuse=refuse).stopped, about
    entered, before = stage.end_entered(), len(story.calls)
    assert not entered or story.ended, about
    stage.go_on(stage.code[version])
    stage.check(about)
    if entered:
        assert len(story.calls) == before, about
    elif before:
        assert story.calls[before][0] == before + 1, f"{about}: a repeated call is told so: {story.calls}"
    assert stage.end_entered(), about
    assert len(story.ended) <= 1 or not entered, about
    if version == 6:
        assert stage.lines(f"SELECT id FROM {quote_name(stage.database)}.later ORDER BY id") == ["0", "1"], about
    return entered


@pytest.mark.parametrize(
    ("where", "refuse", "version"),
    [(0.8, False, 6), pytest.param(0.7, True, 5, marks=pytest.mark.long)],
    ids=["killed", "refused"],
)
def test_stopped_here_and_there(stage: Stage, where: float, refuse: bool, version: int) -> None:
    stage.again()
    driver = stage.run()
    stage.check("undisturbed")
    assert story.calls == [(1, None)]
    assert driver.points > 60
    _, end = (
        place
        for place, effect in enumerate(driver.seen)
        if isinstance(effect, Command) and "'4:move'" in _bound(effect)
    )
    last = max(place for place, effect in enumerate(driver.seen) if isinstance(effect, Call))
    between = [effect for effect in driver.seen[last + 1 : end] if not isinstance(effect, Clock | WhereKept)]
    assert between == [], "the first thing that is done behind the function's last step is to enter its end"
    stopped_at(stage, int(driver.points * where), refuse=refuse, version=version)


def _bound(effect: Command) -> str:
    return repr(bytes.fromhex(str(effect.parameters.get("step", ""))).decode())


@pytest.mark.proof
@pytest.mark.parametrize(
    ("refuse", "version"), [(False, 5), (False, 6), (True, 5)], ids=["killed", "killed, then newer code", "refused"]
)
def test_stopped_everywhere(stage: Stage, refuse: bool, version: int) -> None:
    stage.again()
    points = stage.run().points
    entered = [stopped_at(stage, stop, refuse=refuse, version=version) for stop in range(points)]
    assert any(entered)
    assert not all(entered)
    note(
        "sweep over a jump with statements and a function",
        points=points,
        stops=points,
        behind_the_end_of_the_function=sum(entered),
        rows=points * (2 * ROWS + 1),
    )
