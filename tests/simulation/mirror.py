"""The engine beside the model: each statement goes to both, and the answers are compared. The routines are given those
of the engine.

The engine's clock is the schedule's (``now()`` and the like are written into the statements), and storages have the
UUIDs of the model. An INSERT of a writer reads from a pipe, so it has resolved its table when it begins and lands when
the schedule says so. Statements of a migration are over at once.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from aaiclick.clickhouse.names import PROBE_PREFIX
from aaiclick.clients.failures import statement_error
from aaiclick.clients.opening import Opened
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Row, Rows, scalar_rows
from aaiclick.testing.engine import EmbeddedEngine
from tests.simulation.model import engine
from tests.simulation.model.ddl import merge, put_together
from tests.simulation.model.inserts import admit, land
from tests.simulation.model.reading import created
from tests.simulation.model.state import Part, Running, Server, Storage, Values
from tests.simulation.world import DATABASE

T = TypeVar("T")
_MASKED: dict[str, tuple[int, ...]] = {
    "SELECT partition_id, min_block_number": (6, 9),
    "SELECT 'server', '', '', '', '',": (6,),
    "SELECT 'server'": (2, 3, 4, 7, 8, 10),
    "SELECT name, toString(uuid), arrayStringConcat": (2,),
    "SELECT database, name, toString(uuid), arrayStringConcat": (3,),
    "SELECT count(), sum(cityHash64": (1,),
    "SELECT toUInt64(least(free_space": (0,),
    "SELECT sum(least(unreserved_space": (0, 1),
}
"""What differs by nature: bytes, hashes, paths, the order in a set."""
_ONLY_OF_THE_ENGINE = ("SELECT name FROM system.settings",)
_PROBE = re.compile(r" UUID '([0-9a-f-]{36})'")
_DEADLINE = 20.0
_MERGES = 5


class DifferenceError(AssertionError):
    """The engine says something else than the model."""


@dataclass
class _Held:
    """An INSERT that waits at its pipe."""

    pipe: Path
    end: int
    thread: threading.Thread
    failed: list[StatementError]


class Mirror:
    """``folder`` is for the pipes."""

    splits = False

    def __init__(self, connection: Opened, embedded: EmbeddedEngine, folder: Path, number: int) -> None:
        self.connection, self.engine, self.folder = connection, embedded, folder
        self.server = Server(version=embedded.command("SELECT version()").strip())
        self.server.apart = number
        self.server.databases[DATABASE] = {}
        self.held: dict[str, _Held] = {}
        self.handles: list[EmbeddedEngine] = []
        self.compared = 0
        embedded.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
        embedded.command(f"CREATE DATABASE {DATABASE}")

    def close(self) -> None:
        for running in list(self.server.running.values()):
            if running.id in self.held:
                self.land(running)
        for handle in self.handles:
            handle.close()
        self.engine.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")

    def ask(self, effect: Query) -> Rows:
        for left in reversed(range(_MERGES)):
            expected, said = self._of_model(lambda: engine.ask(self.server, effect, DATABASE))
            try:
                rows = scalar_rows(self.connection.query(replace(effect, sql=self._timed(effect.sql))))
            except StatementError as error:
                self._same_refusal(effect.sql, said, error)
                raise
            self._same_refusal(effect.sql, said, None)
            try:
                self._compare(effect.sql, expected or (), rows)
            except DifferenceError:
                if not left or not self.adopt_merges():
                    raise
            else:
                return rows
        raise AssertionError

    def adopt_merges(self) -> bool:
        """The engine merges parts when it likes: the model does the same then. Whether there was anything."""
        sql = (
            "SELECT table, partition_id, min_block_number, max_block_number, level FROM system.parts WHERE active "
            f"AND rows > 0 AND database = '{DATABASE}'"
        )
        changed = False
        for line in self.engine.command(sql).splitlines():
            table, partition, *numbers = line.split("\t")
            first, last, level = map(int, numbers)
            storage = self.server.find(DATABASE, table)
            covered = (
                [
                    part
                    for part in storage.parts
                    if part.partition == partition and first <= part.first and part.last <= last
                ]
                if storage
                else []
            )
            if storage is None or not covered or (len(covered) == 1 and covered[0].level == level):
                continue
            rows = put_together(
                storage, (row for part in sorted(covered, key=lambda part: part.first) for row in part.rows)
            )
            storage.parts = [part for part in storage.parts if part not in covered] + [
                Part(partition, first, last, level, rows)
            ]
            changed = True
        return changed

    def command(self, effect: Command) -> Running | None:
        before = self.server.serial
        running, said = self._of_model(lambda: engine.command(self.server, effect, DATABASE))
        sql = self._timed(effect.sql)
        if engine.untagged(sql)[0].startswith("CREATE TABLE ") and self.server.serial > before:
            sql = self._with_uuid(sql, effect.database or DATABASE)
        elif said is None and PROBE_PREFIX in sql and (asked := _PROBE.search(sql)) and asked[1] in self.server.dropped:
            # Gone by the schedule's clock. By the engine's own it has some minutes more.
            other = self.server.fresh_uuid()
            sql = sql.replace(asked[1], other)
            self._probed(effect.sql).uuid = other
        try:
            self.connection.command(replace(effect, sql=sql, beside=None))
        except StatementError as error:
            self._same_refusal(effect.sql, said, error)
            raise
        self._same_refusal(effect.sql, said, None)
        self.compared += 1
        if running is not None:
            self.land(running)  # the engine has carried it out by now
        return None

    def insert(self, table: str, rows: tuple[Values, ...]) -> Running:
        """It waits at its pipe when this returns."""
        running, said = self._of_model(lambda: admit(self.server, self.server.need(DATABASE, table), rows, ""))
        held = self._begun(table)
        refused = held.failed[0] if held.failed else None
        self._same_refusal(f"INSERT INTO {table}", said, refused)
        if refused is not None:
            raise refused
        assert running is not None
        del self.server.running[running.id]
        running.id = self._id_of_the_last()
        self.server.running[running.id] = running
        self.held[running.id] = held
        return running

    def land(self, running: Running) -> None:
        held = self.held.pop(running.id, None)
        if held is not None:
            os.write(held.end, "".join("\t".join(map(str, row)) + "\n" for row in running.rows).encode())
            os.close(held.end)
            held.thread.join(_DEADLINE)
            held.pipe.unlink()
            if held.thread.is_alive() or held.failed:
                raise DifferenceError(f"an INSERT did not land: {held.failed}")
        before = running.target.blocks
        land(self.server, running)
        self._adopt_numbers(running.target, before)

    def _adopt_numbers(self, storage: Storage, before: int) -> None:
        """Which partition of an INSERT gets the lower block number is the engine's choice."""
        made = {part.partition: part for part in storage.parts if part.first > before}
        name = next((name for name, each in self.server.databases[DATABASE].items() if each is storage), None)
        if len(made) < 2 or name is None:
            return
        sql = "SELECT partition_id, min_block_number FROM system.parts WHERE active AND rows > 0"
        found = [
            line.split("\t")
            for line in self.engine.command(f"{sql} AND database = '{DATABASE}' AND table = '{name}'").splitlines()
        ]
        numbers = {partition: int(first) for partition, first in found if int(first) > before}
        if set(numbers) == set(made):
            for partition, part in made.items():
                part.number(numbers[partition], numbers[partition])

    def merge(self, storage: Storage) -> None:
        name = next(name for name, each in self.server.databases[DATABASE].items() if each is storage)
        for partition in sorted({part.partition for part in storage.parts}):
            if sum(part.partition == partition for part in storage.parts) > 1:
                self.engine.command(f"OPTIMIZE TABLE {DATABASE}.`{name}` PARTITION ID '{partition}' FINAL")
        merge(storage)

    def operate(self, sql: str) -> None:
        self.command(Command(sql, database=DATABASE))

    def _begun(self, table: str) -> _Held:
        pipe = self.folder / f"rows-{self.server.apart}-{self.server.serial}-{len(self.handles)}"
        os.mkfifo(pipe)
        handle = self.handles.pop() if self.handles else EmbeddedEngine()
        failed: list[StatementError] = []
        sql = f"INSERT INTO {DATABASE}.`{table}` SELECT * FROM file('{pipe}', 'TSV', 'id UInt64, price UInt64')"

        def run() -> None:
            try:
                handle.command(sql)
            except Exception as error:
                failed.append(statement_error(str(error), sql))
            self.handles.append(handle)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return _Held(pipe, self._opened(pipe, thread), thread, failed)

    @staticmethod
    def _opened(pipe: Path, thread: threading.Thread) -> int:
        """The end to write to, once the INSERT has opened the other one, which it does behind the look at its table; -1
        where it ended before."""
        until = time.monotonic() + _DEADLINE
        while time.monotonic() < until:
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                if not thread.is_alive():
                    pipe.unlink()
                    return -1
                time.sleep(0.0005)
        raise DifferenceError("an INSERT neither waits nor ends")

    def _id_of_the_last(self) -> str:
        listed = self.engine.command(
            "SELECT query_id FROM system.processes WHERE query_kind = 'Insert' ORDER BY query_id"
        ).split()
        return next(each for each in listed if each not in self.held)

    def _timed(self, sql: str) -> str:
        """With the schedule's time in it."""
        if "system.dropped_tables" in sql:
            gone = ",".join(uuid for uuid in self.server.dropped if not self.server.waits(uuid))
            return f"{sql} AND NOT has(splitByChar(',', '{gone}'), toString(uuid))"
        if "now" not in sql and "uptime()" not in sql and "metadata_modification_time" not in sql:
            return sql
        moment = int(self.server.now * 1000)
        sql = re.sub(r"now64\([36]\)", f"fromUnixTimestamp64Milli(toInt64({moment}))", sql)
        sql = re.sub(r"now64\([36], 'UTC'\)", f"fromUnixTimestamp64Milli(toInt64({moment}), 'UTC')", sql)
        sql = sql.replace("now()", f"toDateTime({moment // 1000})").replace(
            "toUnixTimestamp(metadata_modification_time)", "4000000000"
        )
        return sql.replace("uptime()", f"toUInt32({int(self.server.now - self.server.started)})")

    def _with_uuid(self, sql: str, database: str) -> str:
        bare = engine.untagged(sql)[0]
        made = created(bare)
        storage = self.server.find(made.database or database, made.name)
        assert storage is not None
        head, _, rest = sql.partition(" (`")
        return f"{head} UUID '{storage.uuid}' (`{rest}"

    def _probed(self, sql: str) -> Storage:
        made = created(engine.untagged(sql)[0])
        return self.server.databases[made.database][made.name]

    @staticmethod
    def _of_model(carry_out: Callable[[], T]) -> tuple[T | None, StatementError | None]:
        try:
            return carry_out(), None
        except StatementError as error:
            return None, error

    @staticmethod
    def _same_refusal(sql: str, model: StatementError | None, engine_said: StatementError | None) -> None:
        one, two = model.code if model else 0, engine_said.code if engine_said else 0
        if one != two:
            raise DifferenceError(f"{sql}\nmodel: {model}\nengine: {engine_said}")

    def _compare(self, sql: str, model: Rows, rows: Rows) -> None:
        self.compared += 1
        bare = engine.untagged(sql)[0].lstrip()
        if bare.startswith(_ONLY_OF_THE_ENGINE):
            return
        masked = next((places for start, places in _MASKED.items() if bare.startswith(start)), ())
        # The model has no settings that would have to be permitted.
        rows = tuple(row for row in rows if row[0] != "setting")
        one, two = (sorted(_masked(row, masked) for row in listed) for listed in (model, rows))
        if one != two:
            raise DifferenceError(
                f"{sql}\nmodel: {[row for row in one if row not in two]}\nengine: "
                f"{[row for row in two if row not in one]}"
            )


def _masked(row: Row, places: tuple[int, ...]) -> str:
    shown = (f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value) for value in row)
    return repr(tuple("" if place in places else value for place, value in enumerate(shown)))
