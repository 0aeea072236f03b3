"""A golden case that can be played again and again, and what has to be true after a killed run and the one that follows
it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, plan_schema
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.features import FENCE, NUMBERS
from aaiclick.clickhouse.merges import MERGES_STOPPED
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clients.opening import Opened, open_url
from aaiclick.lease.names import LOCK
from aaiclick.sql.quoting import qualified
from aaiclick.state.kept_tables import KEPT_PREFIX
from tests.cases.runner import REPLAY, Ground, clean, declaration, form_of, prepare, rows_as, shared_form, statements
from tests.cases.test_golden import CASES, read_case
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.support.forms import unordered

__all__ = ["CASES", "Scene", "once", "sweep"]

BOOKKEEPING = re.compile(r"_aaiclick_(lease|journal|lock_was_\w+)\Z")
"""What stays: heartbeats, the journal, and tombstones, which are collected later."""
HOLDING = (*(name for name, _ in MERGES_STOPPED), FENCE)


class Reachable(Protocol):
    """An engine in this process, or a server of the tests."""

    @property
    def url(self) -> str: ...

    def command(self, sql: str) -> str: ...


@dataclass
class Scene:
    """The two databases of a case; the live one is made anew for each kill."""

    engine: Reachable
    client: Client
    path: Path
    case: dict[str, str] = field(init=False)
    ground: Ground = field(init=False)
    schema: Schema = field(init=False)
    policy: Policy = field(init=False)
    renames: dict[str, str] = field(init=False)
    wanted: dict[str, TableForm] = field(init=False)
    before: dict[str, TableForm] = field(init=False)
    connection: Opened = field(init=False)
    counted: int = 0
    keep: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.case = read_case(self.path)
        self.renames = dict(pair.split(" -> ") for pair in self.case.get("renames", "").split(", ") if pair)
        self.ground = prepare(
            self.engine, self.client, self.case["before"], self.case["after"], self.case.get("rows", "")
        )
        self.schema = declaration(self.ground, self.renames)
        plan = plan_schema(self.client, self.schema, database=self.ground.live)
        self.policy = Policy.lossless(keep_old=self.keep).allow(
            *(hazard.allow for hazard in plan.hazards if hazard.allow)
        )
        names = [table.name for table in self.schema.tables]
        self.wanted = {name: form_of(self.ground, self.ground.direct, name) for name in names}
        self.before = {name: form_of(self.ground, self.ground.live, name) for name in names}
        self.connection = open_url(self.engine.url)

    def close(self) -> None:
        self.connection.close()
        clean(self.ground)

    def again(self) -> None:
        """The live database as the case begins."""
        live = self.ground.live
        self.engine.command(f"DROP DATABASE `{live}` SYNC")
        script = f"CREATE DATABASE `{live}`;\n{self.case['before']}\n{self.case.get('rows', '')}".replace("{db}", live)
        for statement in statements(script):
            self.engine.command(f"{REPLAY}; {statement}")

    def rows(self, *, shared: bool) -> dict[str, Counter[str]]:
        """Every row with how often it is there: over what old and new table share (``shared``: as the new table holds
        it)."""
        old_names = {new: old for old, new in self.renames.items()}
        found: dict[str, Counter[str]] = {}
        for name, wanted in self.wanted.items():
            before = self.before[name]
            form, source = (shared_form(wanted, before, old_names), None) if shared else (wanted, before)
            found[name] = Counter(rows_as(self.ground, self.ground.live, name, form, old_names, source))
        return found

    def effects(self) -> Driver:
        """One run to its end."""
        driver = Driver(self.connection)
        driver.run(ensuring(self.schema, self.ground.live, self.policy, DEAD))
        return driver

    def run_killed(self, stop: int) -> bool:
        """True where the run was killed; False where it had ended before."""
        try:
            Driver(self.connection).run(ensuring(self.schema, self.ground.live, self.policy, DEAD), stop)
        except KilledError:
            return True
        return False

    def go_on(self) -> None:
        """The next start; and one more that has to look again, where the killed run had ended but for giving its lease
        back: nobody needs that lease as long as there is nothing to do."""
        for turn in range(2):
            driver = Driver(self.connection, later=LATER)
            assert driver.run(ensuring(self.schema, self.ground.live, self.policy)).in_sync
            if turn or not self.strings(
                f"SELECT name FROM system.tables WHERE database = '{self.ground.live}' AND name = '{LOCK}'"
            ):
                return
            self.engine.command(f"ALTER TABLE `{self.ground.live}`.{RECORDS} MODIFY COMMENT ''")

    def strings(self, sql: str) -> set[str]:
        return {str(row[0]) for row in self.client.query(sql).result_rows}

    def check(self, expected: dict[str, Counter[str]], about: str) -> None:
        """Live equals the target, every row once, nothing of ours left, merges and settings as they were, a second plan
        is empty."""
        live = self.ground.live
        for name, wanted in self.wanted.items():
            form = form_of(self.ground, live, name)
            if self.keep:
                form = replace(form, settings=tuple(pair for pair in form.settings if pair[0] != NUMBERS))
            assert unordered(form) == unordered(wanted), about
            held = {key for key, _ in form.settings} & set(HOLDING) - {key for key, _ in wanted.settings}
            assert not held, f"{about}: {held}"
        assert self.rows(shared=True) == expected, about
        ours = self.strings(
            f"SELECT name FROM system.tables WHERE database = '{live}' AND startsWith(name, '_aaiclick_')"
        )
        kept = {name for name in ours if name.startswith(KEPT_PREFIX)}
        assert len(kept) == bool(self.keep), about
        left = {name for name in ours if not BOOKKEEPING.match(name)} - kept
        assert not left, f"{about}: {left}"
        assert self.strings("SELECT name FROM system.databases WHERE startsWith(name, '_aaiclick_')") == set(), about
        assert not self.strings(f"SELECT table FROM system.mutations WHERE database = '{live}' AND NOT is_done"), about
        for name in self.wanted:
            self.engine.command(
                f"OPTIMIZE TABLE {qualified(live, name)} FINAL SETTINGS optimize_throw_if_noop = 1, "
                "optimize_skip_merged_partitions = 1"
            )
        again = plan_schema(self.client, self.schema, database=live)
        assert not again.steps, f"{about}: {again}"


def once(scene: Scene, stop: int) -> bool:
    """Kill one run after so many commands, go on, compare; True where it was still running then."""
    expected = scene.rows(shared=False)
    killed = scene.run_killed(stop)
    scene.go_on()
    scene.check(expected, f"{scene.path.stem}: killed after {stop} commands")
    return killed


def sweep(scene: Scene, every: int = 1) -> tuple[int, int]:
    """Kill at every point (or at every so many of them), go on, compare; how many kills, and at how many points."""
    expected = scene.rows(shared=False)
    points = scene.effects().commands + 1
    scene.check(expected, f"{scene.path.stem}: undisturbed")
    stops = range(0, points, every)
    killed = 0
    for stop in stops:
        scene.again()
        killed += once(scene, stop)
        scene.counted += sum(found.total() for found in expected.values())
    return killed, len(stops)
