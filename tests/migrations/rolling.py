"""A migration that is killed, and code of other versions that starts meanwhile: what is played, and what has to be
true."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table
from aaiclick.clickhouse.names import JOURNAL, RECORDS
from aaiclick.clients.opening import Opened
from aaiclick.commands.report import Report
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import AaiclickError, HazardNotAllowedError, SchemaAheadError, SchemaVersionError
from aaiclick.lease.names import LOCK
from aaiclick.lease.owner import this_process
from aaiclick.routine import Call, Command, Effect, Rows
from aaiclick.sql.quoting import quote_name
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/module"))
LATER_TABLE = Table("later", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
SEEN = {
    ("cents", 1): "SELECT 1 FROM {db}.log WHERE id = 1",
    ("statements", 1): "SELECT 1 FROM {db}.t WHERE label != ''",
    ("statements", 2): "SELECT 1 FROM {db}.sums",
    ("statements_without_rehearsal", 2): "SELECT 1 FROM {db}.t WHERE id = 9",
}
"""How an operator sees that a statement happened; one that is not here may be sent twice."""


class Stopper(Driver):
    """Killed before the ``stop``-th command or step of a function."""

    def __init__(self, connection: Opened, stop: int | None = None, later: float = 0.0) -> None:
        super().__init__(connection, later=later)
        self.stop = stop
        self.points = 0

    def _answer(self, effect: Effect) -> Rows:
        if isinstance(effect, Command | Call):
            if self.points == self.stop:
                raise KilledError
            self.points += 1
        if isinstance(effect, Call):
            return effect.function.step(effect.reply, effect.seconds)
        return super()._answer(effect)


@dataclass
class Rolling:
    """One golden migration in a database that is made anew for each kill. ``engine`` answers a statement;
    ``oldest_code`` is what the migration says."""

    connection: Opened
    engine: Callable[[str], str]
    database: str
    name: str
    oldest_code: int | None
    keep: timedelta = timedelta(days=1)
    migration: Migration = field(init=False)
    v1: Schema = field(init=False)
    v2: Schema = field(init=False)
    v3: Schema = field(init=False)
    expected: dict[str, list[tuple[object, ...]]] = field(init=False)
    policy: Policy = field(init=False)

    def __post_init__(self) -> None:
        case = importlib.import_module(f"tests.migrations.golden.{self.name}.case")
        found: Migration = importlib.import_module(f"tests.migrations.golden.{self.name}.module.0002_change").migration
        migration = found.model_copy(update={"oldest_code": self.oldest_code})
        self.migration = migration
        self.v1 = Schema("s", version=1, objects=case.BEFORE)
        self.v2 = Schema("s", version=2, objects=case.AFTER, migrations=[migration])
        # What says that it must not become a copy stands in the way of one in the same jump.
        third = (
            Migration(3) if "alter" in (migration.strategy or {}).values() else Migration(3, strategy={"t": "rebuild"})
        )
        self.v3 = Schema("s", version=3, objects=[*case.AFTER, LATER_TABLE], migrations=[migration, third])
        self.rows = list(case.ROWS)
        self.expected = case.EXPECTED
        self.policy = Policy.lossless(keep_old=self.keep).allow(*getattr(case, "ALLOW", []))

    def lines(self, sql: str) -> list[str]:
        return self.engine(f"{sql.replace('{db}', quote_name(self.database))} FORMAT TSV").splitlines()

    def again(self) -> None:
        """Version 1 with its rows."""
        self.engine(f"DROP DATABASE IF EXISTS {quote_name(self.database)} SYNC")
        self.engine(f"CREATE DATABASE {quote_name(self.database)}")
        self.run(self.v1)
        for sql in self.rows:
            self.engine(re.sub(r"INSERT INTO (\w+)", rf"INSERT INTO {quote_name(self.database)}.\1", sql))

    def run(self, schema: Schema, stop: int | None = None, later: float = 0.0) -> Stopper:
        driver = Stopper(self.connection, stop, later)
        driver.run(ensuring(schema, self.database, self.policy, DEAD if stop is not None else None))
        return driver

    def killed(self, schema: Schema, stop: int) -> bool:
        try:
            self.run(schema, stop)
        except KilledError:
            return True
        return False

    def starts(self, schema: Schema) -> Report | None:
        """A start by code that is older; None where it was refused because of what is under way. Neither changes a
        table or a record."""
        before = self.state()
        found = attempted(
            lambda: Driver(self.connection, later=LATER).run(ensuring(schema, self.database, self.policy)),
            SchemaAheadError,
        )
        if isinstance(found, SchemaAheadError):
            assert found.under_way is None or "aaiclick rollback --to 1" in str(found), found
            assert found.under_way is None or self.state() == before
            return None
        report = cast("Report", found)
        if any("under way" in note for note in report.notes):
            assert self.state() == before
        return report

    def state(self) -> list[str]:
        """The records and every row that is there."""
        tables = self.lines(
            f"SELECT name FROM system.tables WHERE database = '{self.database}' AND NOT startsWith(name, "
            "'_aaiclick_') ORDER BY name"
        )
        return [
            line
            for name in tables
            for line in [name, *self.lines(f"SELECT * FROM {{db}}.{quote_name(name)} ORDER BY ALL")]
        ]

    def happened(self, number: int) -> bool:
        sql = SEEN.get((self.name, number))
        return bool(self.lines(sql)) if sql is not None else False

    def go_on(self, schema: Schema) -> None:
        """Start until it is there. What it asks about (a statement that may have happened) is looked up, as an operator
        would."""
        policy = self.policy
        for turn in range(6):
            found = attempted(
                partial(Stopper(self.connection, later=LATER).run, ensuring(schema, self.database, policy)),
                SchemaVersionError,
            )
            if isinstance(found, SchemaVersionError):
                asked = re.findall(r"--allow 'rerun ([^']+:(\d)#\w+)'", str(found))
                assert asked, found
                policy = policy.allow(
                    *(f"{'skip' if self.happened(int(number)) else 'rerun'} {key}" for key, number in asked)
                )
                continue
            if turn and not self.lines(
                f"SELECT name FROM system.tables WHERE database = '{self.database}' AND name = '{LOCK}'"
            ):
                return
            # Killed when all was done but giving the lease back.
            self.engine(f"ALTER TABLE {quote_name(self.database)}.{RECORDS} MODIFY COMMENT ''")
        raise AssertionError("it does not come to an end")

    def back(self, stop: int | None = None, later: float = 0.0) -> Stopper:
        """The way back to version 1, by code of version 1, with whatever it asks for."""
        allow: frozenset[str] = frozenset()
        while True:
            driver = Stopper(self.connection, stop, later)
            owner = DEAD if stop is not None else this_process()
            try:
                driver.run(rollback(Rollback(self.v1, self.database, 1, allow, False, owner, True, 3600)))
            except HazardNotAllowedError as error:
                allow |= frozenset(error.allow)
                continue
            return driver

    def back_dry(self) -> Report:
        """What the way back says that it would do."""
        found: Report = Driver(self.connection).run(
            rollback(Rollback(self.v1, self.database, 1, frozenset(), True, this_process(), True, 3600))
        )
        return found

    def killed_back(self, stop: int) -> bool:
        try:
            self.back(stop)
        except KilledError:
            return True
        return False

    def forward_refused(self) -> bool:
        """Whether a start of the newer code is refused because the way back is not finished; else it went forward, and
        is through."""
        found = attempted(
            partial(Stopper(self.connection, later=LATER).run, ensuring(self.v2, self.database, self.policy)),
            SchemaVersionError,
        )
        return isinstance(found, SchemaVersionError) and "aaiclick rollback --to 1" in str(found)

    def as_entered_before(self) -> None:
        """The journal and the mark as a release before this one would have left them."""
        database = quote_name(self.database)
        self.engine(f"CREATE TABLE {database}.before AS {database}.{JOURNAL}")
        columns = "seq, 'from 1', schema, plan, step, action, state, details, at"
        self.engine(
            f"INSERT INTO {database}.before SELECT {columns} FROM {database}.{JOURNAL} WHERE step NOT LIKE '%under way'"
        )
        self.engine(f"EXCHANGE TABLES {database}.before AND {database}.{JOURNAL}")
        self.engine(f"DROP TABLE {database}.before SYNC")
        self.engine(f"ALTER TABLE {database}.{RECORDS} MODIFY COMMENT ''")

    def journal(self) -> list[str]:
        """What the journal says of the parts that are done once, oldest first."""
        there = self.lines(f"SELECT name FROM system.tables WHERE database = '{self.database}' AND name = '{JOURNAL}'")
        return self.lines(f"SELECT run, step, state FROM {{db}}.{JOURNAL} ORDER BY seq") if there else []

    def check(self, about: str, *, repeated: bool = False) -> None:
        """The rows are those of one conversion. ``repeated``: a function was killed inside, between its INSERT and its
        bookmark."""
        added = self.added()
        for table, rows in self.expected.items():
            wanted = [self.as_line(row) for row in rows]
            columns = f"* EXCEPT ({', '.join(added[table])})" if table in added else "*"
            found = self.lines(f"SELECT {'DISTINCT ' if repeated else ''}{columns} FROM {{db}}.{table} ORDER BY ALL")
            assert sorted(found) == sorted(wanted), f"{self.name}, {about}: {table}: {found}\n" + "\n".join(
                self.journal()
            )

    def added(self) -> dict[str, list[str]]:
        """Columns that came under an old name again: code of an earlier release knows nothing of what is under way, and
        adds what it misses."""
        given = {f"{table}.{old}" for table, old in (what.split(".") for what in self.migration.renames if "." in what)}
        found: dict[str, list[str]] = {}
        for line in self.lines(f"SELECT table, name FROM system.columns WHERE database = '{self.database}'"):
            table, name = line.split("\t")
            if f"{table}.{name}" in given:
                found.setdefault(table, []).append(name)
        return found

    @staticmethod
    def as_line(row: tuple[object, ...]) -> str:
        def shown(value: object) -> str:
            if isinstance(value, list):
                return "[" + ",".join(f"'{item}'" for item in value) + "]"
            if isinstance(value, dict):
                return "{" + ",".join(f"'{key}':'{item}'" for key, item in value.items()) + "}"
            return str(value)

        return "\t".join(shown(value) for value in row)


def attempted(call: Callable[[], object], kind: type[AaiclickError]) -> object:
    """What a call answers with, or its error."""
    try:
        return call()
    except kind as error:
        return error
