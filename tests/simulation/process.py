"""A process that calls ``ensure_schema``: its routine is driven one effect at a time, and may be paused, killed, or
left without an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Literal, cast

from aaiclick.catalog.scratch import STALE_SECONDS, made_at
from aaiclick.clickhouse.names import PREFIX, RECORDS
from aaiclick.commands.ensure import ensure
from aaiclick.commands.report import Report
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, LeaseLostError, OutcomeUnknownError, SchemaVersionError, StatementError
from aaiclick.lease.names import BEATS, LOCK
from aaiclick.lease.owner import Owner
from aaiclick.plan.policy import Policy
from aaiclick.routine import (
    Beside,
    Call,
    Clock,
    Command,
    Effect,
    Emit,
    Nonce,
    ProcessGone,
    Query,
    Routine,
    Rows,
    Sleep,
    WhereKept,
)
from aaiclick.version import VERSION
from tests.simulation.chaos import Chaos, Fate
from tests.simulation.holding import Held, is_work, require_alone
from tests.simulation.model.engine import untagged
from tests.simulation.schedule_state import Actor, Execution, Scene
from tests.simulation.world import DATABASE

_SENT = (Query, Command)
_OF_RECORDS = f"`{RECORDS}` "
_MAKES = f"CREATE TABLE `{DATABASE}`.`t` "
_LOOK = "SELECT 'server', '', '', '', '',"
_SCRATCH = re.compile(rf"CREATE DATABASE `({PREFIX}scratch_\w+)` ")
_BEAT = f"INSERT INTO `{DATABASE}`.`{BEATS}` "
_UNFENCED = tuple((name, re.compile(rf"INSERT INTO (?:`?{DATABASE}`?\.)?`?{name}`? ")) for name in ("sums", "log"))
State = Literal["ready", "waiting", "dead", "over"]


class Process(Actor):
    """One start of one version. ``report`` or ``error`` says how it ended; neither where it was killed."""

    def __init__(self, scene: Scene, version: int, pid: int, chaos: Chaos, offset: float = 0.0) -> None:
        super().__init__(f"v{version}#{pid}")
        self.scene, self.version, self.pid, self.chaos, self.offset = scene, version, pid, chaos, offset
        self.state: State = "ready"
        self.report: Report | None = None
        self.error: AaiclickError | None = None
        self.execution: Execution | None = None
        self.beside: _Renewing | None = None
        self.statements = 0
        self.kills_wait = False
        self.cached = False
        self.looked_at: frozenset[str] = frozenset()
        self.created = 0
        self.late: str | None = None
        self.held: Held | None = None
        # How much later than it asked it wakes up: on a busy machine, or where it looks less often.
        self.late_by = chaos.rng.choice((1.0, 1.0, 4.0, 12.0))
        self.effect: Effect
        self.routine: Routine[Report] = self._made()
        self._advance(lambda: next(self.routine))

    def _made(self) -> Routine[Report]:
        scene = self.scene
        # Processes of one machine: whether one of them is gone can be told.
        owner = Owner("app", f"host{self.pid % 2}", self.pid, f"place{self.pid % 2}", str(self.pid))
        # Whatever an operator has allowed stays in the arguments of all jobs.
        self.allowed = frozenset(scene.allowed)
        policy = Policy.lossless(keep_old=timedelta(days=scene.keep_days)).allow(*sorted(self.allowed))
        return ensure(Run(scene.story.schemas[self.version], DATABASE, policy, owner, False, VERSION))

    @property
    def alive(self) -> bool:
        return self.state in ("ready", "waiting")

    @property
    def ended(self) -> bool:
        return not self.alive

    def step(self) -> None:
        """Carry out the effect that is due, or what goes on beside a statement that takes its time."""
        if self.execution is not None:
            self._beside_or_answer(self.execution)
            return
        effect = self.effect
        if isinstance(effect, _SENT):
            fate = self.chaos.fate(effect)
            self._note_disturbance(effect, fate)
            if fate is Fate.PAUSE:
                self.scene.tell(self, "paused before", effect)
                self.wake = self.scene.time + self.chaos.pause()
                self.chaos.passed = True
                return
            self._carry_out(effect, fate)
        else:
            self._answer(effect)

    def _note_disturbance(self, effect: Query | Command, fate: Fate) -> None:
        """Of what a disturbed run leaves of its lease the next one takes care, where there is one: whoever writes the
        cache sees to it."""
        scene = self.scene
        writes = _OF_RECORDS in effect.sql and "MODIFY COMMENT " in effect.sql
        self.cached = self.cached or writes
        if fate is not Fate.GO:
            scene.disturbed = True
            scene.overdue = (
                scene.overdue or self.cached or fate is Fate.PAUSE or LOCK in effect.sql or "/* aaiclick:" in effect.sql
            )
        elif writes and not any(process is not self and process.alive for process in scene.processes):
            scene.overdue = False
            scene.unseen |= {
                name
                for name in scene.world.server.databases
                if name not in self.looked_at and name in scene.planners and not scene.planners[name].alive
            }

    def _carry_out(self, effect: Query | Command, fate: Fate) -> None:
        scene = self.scene
        if fate is Fate.KILL_BEFORE:
            self.kill("killed before", effect)
            return
        scene.tell(self, fate.value, effect)
        self.statements += 1
        if scene.story.sums and _MAKES in effect.sql:
            self.created = self.statements
        if fate in (Fate.LOST_BEFORE, Fate.LOST_AFTER) and self.late is not None:
            self._silence(self.late)  # it does not learn that it was late, or cannot take it back
        if fate is Fate.LOST_BEFORE:
            self._fail(_lost(effect))
            return
        if isinstance(effect, Query):
            try:
                rows = scene.world.ask(effect)
            except StatementError as error:
                self._fail(error)
                return
            if _LOOK in effect.sql:
                self._look_at_scratch()
            self._send(rows) if fate is not Fate.LOST_AFTER else self._fail(_lost(effect))
            return
        self._look_whether_late(effect)
        self._look_at_the_lease(effect)
        self._command(effect, fate)

    def _look_at_scratch(self) -> None:
        """Of what there is it takes what is old enough, if it is not killed before."""
        scene = self.scene
        self.looked_at = frozenset(scene.world.server.databases)
        if self.version < scene.story.newest:
            return  # it may be older than the database, and then takes nothing
        now = scene.time + self.offset
        scene.unseen -= {name for name in scene.unseen if now - (made_at(name) or 0) > STALE_SECONDS}

    def _look_whether_late(self, effect: Command) -> None:
        """``late``: a statement that was sent when the lease was another's already, or nobody's: the last one, until
        something else is sent than the heartbeat that is to tell of it."""
        scene = self.scene
        sql, tag = untagged(effect.sql)
        lock = scene.world.server.find(DATABASE, LOCK)
        if sql.startswith(_BEAT):
            return
        self.late = None
        if not tag or (lock is not None and f'"nonce": "{tag}"' in lock.comment):
            return
        self.late = sql
        # A statement of the migration itself is its user's, and carries no condition.
        if sql.startswith("INSERT INTO "):
            scene.unfenced |= {name for name, into in _UNFENCED if into.match(sql)}

    def _look_at_the_lease(self, effect: Command) -> None:
        """Nobody takes a lease before its time is over, and no successor works beside what a former run has sent in
        its own time."""
        sql, tag = untagged(effect.sql)
        self.held = Held.after(self.scene, self.held, sql)
        if not tag or not is_work(sql):
            return
        lock = self.scene.world.server.find(DATABASE, LOCK)
        if lock is not None and f'"nonce": "{tag}"' in lock.comment:
            require_alone(self.scene, tag)
        elif self.held is not None:
            self.held.require_over(self.scene, self.name)

    def _command(self, effect: Command, fate: Fate) -> None:
        scene = self.scene
        records = RECORDS in effect.sql
        before = _versions(scene) if records else 0
        try:
            running = scene.world.command(effect)
        except StatementError as error:
            if fate is Fate.KILL_AFTER:
                self.kill("killed after", effect)
            else:
                self._fail(error)
            return
        if made := _SCRATCH.match(effect.sql):
            scene.planners[made[1]] = self
        live = scene.world.server.find(DATABASE, "t") if records else None
        if live is not None and live.uuid in scene.stray and _versions(scene) > before:
            skipped = f":t#{live.uuid[:8]}"
            scene.unasked = scene.unasked or not any(
                key.startswith("skip ") and key.endswith(skipped) for key in self.allowed
            )
        if running is not None:
            execution = scene.execute(running, self.chaos.duration() if scene.world.splits else 0.0)
            execution.late = self.late is not None
            if fate is Fate.KILL_AFTER and scene.world.splits:
                self.kill("killed during", effect)
            elif fate is Fate.LOST_AFTER and scene.world.splits:
                self._fail(_lost(effect))
            else:
                self.execution = execution
                self.state = "waiting"
                self.wake = scene.time
                self.beside = _Renewing(self, effect.beside) if effect.beside is not None else None
                self.kills_wait = fate is Fate.KILL_AFTER
            return
        if self.created == self.statements:
            # A statement of the migration may put rows of an earlier version into it.
            self._leave_open()
        if fate is Fate.KILL_AFTER:
            self.kill("killed after", effect)
        elif fate is Fate.LOST_AFTER:
            self._fail(_lost(effect))
        else:
            self._send(())

    def _beside_or_answer(self, execution: Execution) -> None:
        """Renew the lease while the statement runs; go on when it has ended."""
        if execution.over:
            self.execution, self.beside, self.state = None, None, "ready"
            if self.kills_wait:
                self.kill("killed after", self.effect)
            elif execution.error is not None:
                self._fail(execution.error)
            else:
                self._send(())
        elif self.beside is not None and self.beside.due <= self.scene.time:
            self.beside.step()
        else:
            later = [execution.wake] + ([self.beside.due] if self.beside is not None else [])
            self.wake = max(min(later), self.scene.time + 0.001)

    def _answer(self, effect: Effect) -> None:
        match effect:
            case Sleep(seconds):
                self.wake = self.scene.time + seconds * self.late_by
                self._send(())
            case Call(errand, reply, seconds):
                try:
                    rows = errand.step(reply, seconds)
                except Exception as error:
                    self._fail(error)
                else:
                    self._send(rows)
            case _:
                raise AssertionError(effect)

    def _known_at_once(self, effect: Effect) -> Rows | None:
        """What takes no time and touches nothing that others see; None for every other effect."""
        scene = self.scene
        if isinstance(effect, Clock):
            return ((scene.time + self.offset,),)
        if isinstance(effect, Emit):
            scene.tell(self, "says", effect.event)
            return ()
        if isinstance(effect, Nonce):
            return ((f"{scene.rng.getrandbits(48):012x}",),)
        if isinstance(effect, ProcessGone):
            return ((int(not scene.alive(effect.pid)),),)
        return () if isinstance(effect, WhereKept) else None

    def _send(self, rows: Rows) -> None:
        self._advance(partial(self.routine.send, rows))

    def _fail(self, error: Exception) -> None:
        self.scene.tell(self, "is told", error)
        self._advance(partial(self.routine.throw, error))

    def _advance(self, go_on: Callable[[], Effect]) -> None:
        try:
            effect = go_on()
            while not isinstance(effect, _SENT) and (rows := self._known_at_once(effect)) is not None:
                effect = self.routine.send(rows)
            self.effect = effect
        except StopIteration as stop:
            self.report = cast("Report", stop.value)
            self.state = "over"
            self.scene.tell(self, "is through", self.report.notes)
        except AaiclickError as error:
            self.error = error
            self.state = "over"
            self._leave_scratch()
            self.scene.tell(self, "stops", error)
            self.scene.asked(error) if isinstance(error, SchemaVersionError) else None

    def kill(self, how: str, about: object) -> None:
        """Nothing more is sent; a statement that runs goes on by itself."""
        self.scene.tell(self, how, about)
        self.state = "dead"
        self.execution = self.beside = None
        if self.late is not None:
            self._silence(self.late)
        self._leave_scratch()
        self.routine.close()

    def _leave_scratch(self) -> None:
        """Of a start that goes no way to the lease nobody else may come by what it leaves: the next one that compares
        does, an hour later, or the next migration."""
        scene = self.scene
        scene.overdue = scene.overdue or len(scene.world.server.databases) > 1

    def _silence(self, late: str) -> None:
        """It would have taken back what it sent too late."""
        scene = self.scene
        if made := re.match(rf"CREATE (?:TABLE|DATABASE) \S*{PREFIX}(?:mark|new|stage|scratch)_(\w+)", late):
            scene.silenced.add(made[1].partition("_")[0])
        if (stopped := re.match(rf"SYSTEM STOP (?:TTL )?MERGES `{DATABASE}`\.`(\w+)`", late)) and (
            there := scene.world.server.find(DATABASE, stopped[1])
        ):
            scene.stopped.add(there.uuid)

    def _leave_open(self) -> None:
        """Which rows of the table are to be converted nobody can tell."""
        made = self.scene.world.server.find(DATABASE, "t")
        if made is not None:
            self.scene.stray.add(made.uuid)


class _Renewing:
    """What goes on beside a long statement, on a second connection."""

    def __init__(self, process: Process, beside: Beside) -> None:
        self.process, self.beside = process, beside
        self.wait = beside.first
        self.due = process.scene.time + beside.first
        self.routine: Routine[float] | None = None
        self.effect: Any = None

    def step(self) -> None:
        """One effect of a renewal."""
        scene = self.process.scene
        if self.routine is None:
            self.routine = self.beside.step()
            self._advance(partial(next, self.routine))
            return
        routine, effect = self.routine, self.effect
        try:
            rows: Rows = ()
            if isinstance(effect, Query):
                rows = scene.world.ask(effect)
            elif isinstance(effect, Command):
                scene.world.command(effect)
                self.process.held = Held.after(scene, self.process.held, untagged(effect.sql)[0])
            elif isinstance(effect, Clock):
                rows = ((scene.time + self.process.offset,),)
        except StatementError as error:
            self._advance(partial(routine.throw, error))
        else:
            self._advance(partial(routine.send, rows))

    def _advance(self, go_on: Callable[[], Effect]) -> None:
        ended = True
        try:
            self.effect = go_on()
            ended = False
        except StopIteration as stop:
            self.wait = float(stop.value)
        except LeaseLostError:
            self.process.beside = None
        except AaiclickError:
            pass
        if ended:
            self.routine, self.due = None, self.process.scene.time + self.wait


def _versions(scene: Scene) -> int:
    """How many versions are recorded that convert values, where it is known of each table whether they are."""
    records = scene.world.server.find(DATABASE, RECORDS)
    if records is None or not scene.story.factors or scene.story.sums:
        return 0
    return sum(line["state"] == "applied" and line["from_version"] != line["version"] for line in records.lines)


def _lost(effect: Query | Command) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "the connection was lost while a statement ran; it may have happened. Run again", 0, "", effect.sql
    )


def asked_for(error: SchemaVersionError) -> list[tuple[str, int, str]]:
    """The statements of which it does not know whether they happened, and the tables of which it does not know whether
    their rows are converted: the key, the version, and the statement's number or the table's name."""
    return [
        (f"{found[1]}:{found[3]}#{found[4]}", int(found[2]), found[3])
        for found in re.finditer(r"--allow 'rerun ([^']*?(\d+)):(\w+)#(\w+)'", str(error))
    ]
