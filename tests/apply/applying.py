"""A place to carry work out in: one database, one connection, rows that can be compared, a driver that can be stopped
anywhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from aaiclick.apply.executor import apply_steps
from aaiclick.apply.rebuild.attach import apply_attach
from aaiclick.apply.rebuild.rebuild import apply_rebuild
from aaiclick.apply.recovery import Recovered, recover_killed_runs
from aaiclick.apply.run import ApplyOptions, Site, StepOutcome
from aaiclick.clickhouse.tables import physical
from aaiclick.clients.opening import open_url
from aaiclick.errors import StatementError
from aaiclick.events import Event
from aaiclick.plan.model import Step, Strategy
from aaiclick.plan.operations import AttachWork, RebuildWork, Work
from aaiclick.processes import is_gone
from aaiclick.routine import (
    Clock,
    Command,
    Effect,
    Emit,
    Nonce,
    ProcessGone,
    Query,
    Routine,
    Row,
    Rows,
    Sleep,
    run,
    scalar_rows,
)
from aaiclick.state.owned import read_owned

T = TypeVar("T")
Hook = Callable[[Effect], object]


class Killed(BaseException):
    """The process is gone: the routine is not told."""


class Lab:
    def __init__(self, url: str, database: str) -> None:
        self.url = url
        self.database = database
        self.connection = open_url(url)
        self.events: list[Event] = []
        self.nonces = 0

    def close(self) -> None:
        self.connection.close()

    def other(self) -> Lab:
        """A second client of the same database."""
        return Lab(self.url, self.database)

    def sql(self, *statements: str) -> None:
        for sql in statements:
            self.connection.command(
                Command(sql, database=None if "CREATE DATABASE" in sql or "DROP DATABASE" in sql else self.database)
            )

    def rows(self, sql: str) -> Rows:
        return scalar_rows(self.connection.query(Query(sql.replace("{db}", f"`{self.database}`"))))

    def value(self, sql: str) -> object:
        return self.rows(sql)[0][0]

    def bag(self, table: str, columns: str = "*") -> Counter[Row]:
        """Every row with how often it is there, as text."""
        listed = self.rows(f"SELECT toString(tuple({columns})) FROM {{db}}.`{table}`")
        return Counter(listed)

    def nonce(self) -> str:
        self.nonces += 1
        return f"{time.monotonic_ns():x}{self.nonces:x}"

    def run(self, routine: Routine[T], before: Hook | None = None, stop: int | None = None, answered: bool = True) -> T:
        """Carry a routine out on the engine.

        ``before`` sees every effect and may raise what the statement would have raised. ``stop``: the process is killed
        at that effect (counted from 0), after it was carried out or (``answered`` False) before.
        """
        count = -1
        try:
            effect = next(routine)
            while True:
                count += 1
                if stop == count and not answered:
                    raise Killed
                failure: Exception | None = None
                rows: Rows = ()
                try:
                    if before is not None:
                        before(effect)
                    rows = self._answer(effect)
                except Exception as error:
                    failure = error
                if stop == count:
                    raise Killed
                effect = routine.send(rows) if failure is None else routine.throw(failure)
        except StopIteration as end:
            return cast("T", end.value)
        except Killed:
            routine.close()
            raise

    def effects(self, routine: Routine[Any]) -> list[Effect]:
        """Carry it out and remember what it asked for."""
        seen: list[Effect] = []
        self.run(routine, before=seen.append)
        return seen

    def apply(
        self, *works: Work, before: Hook | None = None, options: ApplyOptions | None = None, nonce: str = ""
    ) -> tuple[StepOutcome, ...]:
        return self.run(
            apply_steps([step(work) for work in works], self.database, nonce or self.nonce(), options), before
        )

    def work(self, work: RebuildWork | AttachWork, options: ApplyOptions | None = None) -> Routine[Any]:
        apply: Any = apply_rebuild if isinstance(work, RebuildWork) else apply_attach
        return cast("Routine[Any]", apply(work, Site(self.database, self.nonce(), options or ApplyOptions())))

    def clean(self, options: ApplyOptions | None = None) -> tuple[Recovered, ...]:
        return self.run(recover_killed_runs(run(read_owned(self.database), self.connection), options))

    def uuid(self, table: str) -> str:
        found = run(physical(self.database, table), self.connection)
        return "" if found is None else found.uuid

    def ours(self) -> set[str]:
        """Scratch objects that are there."""
        return {
            str(row[0])
            for row in self.rows(
                f"SELECT name FROM system.tables WHERE database = '{self.database}' AND startsWith(name, '_aaiclick_')"
            )
        }

    def definition(self, table: str) -> str:
        found = self.rows(
            f"SELECT create_table_query FROM system.tables WHERE database = '{self.database}' AND name = '{table}'"
        )
        return str(found[0][0]).replace(f"{self.database}.", "")

    def merging(self, table: str) -> bool:
        """Whether merges of the table may run: OPTIMIZE is refused while they are stopped."""
        try:
            self.connection.command(
                Command(f"OPTIMIZE TABLE `{self.database}`.`{table}` FINAL", settings={"optimize_throw_if_noop": 1})
            )
        except StatementError as error:
            return "ABORTED" not in str(error) and "Cancelled" not in str(error)
        return True

    def _answer(self, effect: Effect) -> Rows:
        match effect:
            case Query():
                return scalar_rows(self.connection.query(effect))
            case Command():
                self.connection.command(effect)
            case Sleep(seconds):
                time.sleep(min(seconds, 0.05))
            case Clock():
                return ((time.time(),),)
            case Nonce():
                return ((self.nonce(),),)
            case ProcessGone(pid, began):
                return ((int(is_gone(pid, began)),),)
            case Emit(event):
                self.events.append(event)
        return ()


def step(work: Work, number: int = 1) -> Step:
    strategies: dict[str, Strategy] = {"alter": "mutate"}
    name = str(getattr(work, "table", number))
    return Step(
        f"{work.kind}-{name}", name, "changes", strategies.get(work.kind, cast("Strategy", work.kind)), [], work
    )


def forms(lab: Lab, *names: str) -> dict[str, Any]:
    """The canonical forms of live tables."""
    from aaiclick.catalog.read import read_catalog

    catalog = lab.run(read_catalog(lab.database, names))
    return {name: found.form for name in names if (found := catalog.get(name)) is not None}


def rebuild(lab: Lab, table: str, wanted: str, **changes: Any) -> RebuildWork:
    """The work that gives ``table`` the form of the CREATE text ``wanted`` (made under the name ``wanted``), columns as
    they are."""
    from aaiclick.plan.operations import CopyColumn

    lab.sql(wanted)
    form = forms(lab, "wanted")["wanted"]
    lab.sql("DROP TABLE wanted SYNC")
    expressions = changes.pop("expressions", {})
    columns = tuple(
        CopyColumn(
            column.name,
            expressions.get(column.name, f"`{column.name}`"),
            column.name not in changes.get("unverified", ()),
        )
        for column in form.columns
        if column.stored
    )
    changes.pop("unverified", None)
    return replace(RebuildWork(table, replace(form, name=table), columns), **changes)
