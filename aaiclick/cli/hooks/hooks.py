"""Hooks around a run: one before the first change, one behind the last, one where it did not come to that."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aaiclick.cli.configuration.variables import with_variables
from aaiclick.cli.failures import ExitCode, Failure
from aaiclick.cli.hooks.declared import TIMEOUT, Hook
from aaiclick.cli.hooks.facts import PREFIX, HookDocument, as_json, no_facts, variables
from aaiclick.cli.hooks.process import run_process
from aaiclick.cli.interrupts import Terminated
from aaiclick.cli.machine.answers import step_json
from aaiclick.errors import AaiclickError, UsageError

if TYPE_CHECKING:
    from aaiclick.cli.frame import Frame
    from aaiclick.commands.report import Report
    from aaiclick.plan.model import Step
    from aaiclick.specs.schema import Schema

MOST_NAMES = 100
"""So many databases are named."""


class HookError(AaiclickError):
    """A hook before the run did not end well, so the run was not begun."""

    next_command = ""


class Hooks:
    """The hooks of one run. Where none is configured, nothing of this costs anything."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._facts: HookDocument = no_facts(frame.command)
        self._begun = False
        # A dry run does nothing. What a hook starts runs no hooks: else one that calls this command would never end.
        self._off = "--dry-run" in frame.flags or f"{PREFIX}EVENT" in os.environ

    @property
    def around_run(self) -> bool:
        """True where something is to be run before or after: only then the facts have to be looked for."""
        command = self._frame.command
        return any(self._hook(f"{when}-{command}") is not None for when in ("before", "after"))

    def carry_out(self, body: Callable[[], ExitCode]) -> ExitCode:
        """The run. Where it raises, the hook for that is run, and the error goes on."""
        if self._off:
            return body()
        try:
            return body()
        except (KeyboardInterrupt, Exception) as error:
            # The bar goes first: the lines of the hook would run into it.
            self._frame.on_close()
            if isinstance(error, KeyboardInterrupt):
                code = ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.INTERRUPTED
                failure = Failure(type(error).__name__, "the run was interrupted", code, self._frame.again())
            else:
                failure = self._frame.failure(error)
            self._ended_badly(failure)
            raise

    def know(self, schema: Schema, database: str | None, place: str, databases: int = 1) -> None:
        """What is known before anything is asked."""
        env = self._frame.settings.environment
        self._facts["schema"], self._facts["to_version"] = schema.name, schema.version
        self._facts["database"], self._facts["place"] = database or "", place
        self._facts["env"] = env.text if env is not None else ""
        self._facts["databases"] = databases

    def before(self, steps: Sequence[Step] = (), found: tuple[str, int | None, int | None] | None = None) -> None:
        """Right before the run. ``found``: database, version before and version that it leads to. Raises ``HookError``
        where the hook fails: nothing was changed then."""
        if found is not None:
            self._facts["database"], self._facts["from_version"], self._facts["to_version"] = found
        self._know_steps(steps)
        self._begun = True
        hook = self._hook(f"before-{self._frame.command}")
        if hook is not None and (problem := self._run(hook)):
            raise HookError(f"{hook.event} in {hook.origin} {problem}: nothing was changed")

    def after(self, code: ExitCode, report: Report | None = None, seconds: float | None = None) -> ExitCode:
        """Right behind a run that came to its end. The exit code: of the run, or 2 where the hook fails."""
        if not self._begun:
            return code
        if report is not None:
            self._facts["from_version"], self._facts["to_version"] = report.from_version, report.to_version
            self._facts["database"], seconds = report.database, report.duration
            self._know_steps(report.steps)
        self._facts["outcome"], self._facts["exit_code"], self._facts["seconds"] = "done", int(code), seconds
        hook = self._hook(f"after-{self._frame.command}")
        if hook is not None and (problem := self._run(hook)):
            what = "migrated" if self._frame.command == "migrate" else "rolled back"
            said = f"{hook.event} in {hook.origin} {problem}: the database is {what}, and stays so"
            self._frame.output.tell(f"error: {said}", "red")
            return ExitCode.ERROR
        return code

    def failed_databases(self, names: Sequence[str], failure: Failure) -> None:
        """Of a run over many databases some failed."""
        self._facts["failed_databases"] = list(names[:MOST_NAMES])
        self._ended_badly(failure)

    def _ended_badly(self, failure: Failure) -> None:
        refused = failure.code == ExitCode.PENDING
        interrupted = failure.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
        self._facts["outcome"] = "refused" if refused else "interrupted" if interrupted else "failed"
        self._facts["exit_code"] = int(failure.code)
        self._facts["error"] = {
            "type": failure.type,
            "message": failure.message,
            "next": failure.next or None,
            "details": dict(failure.details),
        }
        try:
            hook = self._hook("on-refusal" if refused else "on-failure")
            problem = self._run(hook) if hook is not None else ""
        except UsageError as error:
            # Where the configuration is what is wrong, the command says so itself.
            if str(error) != failure.message:
                self._frame.output.tell(f"note: {error}", "yellow")
            return
        if hook is not None and problem:
            self._frame.output.tell(f"note: {hook.event} in {hook.origin} {problem}", "yellow")

    def _know_steps(self, steps: Sequence[Step]) -> None:
        self._facts["steps"] = [step_json(step) for step in steps]
        self._facts["rows"] = sum(step.rows for step in steps)
        self._facts["bytes"] = sum(step.bytes for step in steps)

    def _hook(self, event: str) -> Hook | None:
        hook = None if self._off else self._frame.settings.hook(event)
        return hook if hook is not None and hook.command else None

    def _run(self, hook: Hook) -> str:
        """Why it failed; '' where it did not."""
        settings, output = self._frame.settings, self._frame.output
        assert settings.file is not None
        where = f"{hook.event} in {hook.origin}"
        command = [with_variables(word, settings.variables, where) for word in hook.command]
        self._facts["event"] = hook.event
        timeout = settings.hook_timeout()
        return run_process(
            command,
            {**os.environ, **variables(self._facts)},
            as_json(self._facts),
            settings.file.folder,
            TIMEOUT if timeout is None else timeout,
            lambda line: output.tell(f"{hook.event}: {line}"),
        )
