"""What every command runs in: streams, Ctrl-C, errors to one sentence, the exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import typer

from aaiclick.cli.database import Target, command_line, resolve
from aaiclick.cli.engine_noise import silence_engine
from aaiclick.cli.failures import Advice, ExitCode, Failure, describe, hide
from aaiclick.cli.interrupts import Interrupts, Terminated
from aaiclick.cli.output import Output
from aaiclick.cli.schema_reference import DEFAULT, load_schema
from aaiclick.specs.schema import Schema

_RESUMED = ("migrate", "rollback")


@dataclass(slots=True)
class Frame:
    """One run of one command."""

    command: str
    """Name of the command."""
    as_json: bool
    """The answer is a JSON document (``--json``)."""
    debug: bool
    """Tracebacks and log records are shown (``--debug``)."""
    url: str | None = None
    """``--url``; None: from the environment."""
    database: str | None = None
    """``--database``; None: the one of the URL."""
    schema: str = DEFAULT
    """``--schema``, as module:attribute."""
    extra: tuple[tuple[str, str | None], ...] = ()
    """The command's own options with their values, for the line that calls it again."""
    flags: tuple[str, ...] = ()
    """Its own flags, for the same."""
    output: Output = field(init=False)
    """Where the answer and the messages go."""
    on_close: Callable[[], object] = field(init=False, default=lambda: None)
    """Called once the command has ended, however it did."""
    _target: Target | None = field(init=False, default=None)
    """The database that was asked for, once it is known."""

    def __post_init__(self) -> None:
        self.output = Output(self.as_json)

    def run(self, body: Callable[[], ExitCode]) -> NoReturn:
        """Carry the command out and leave with its exit code."""
        _listen(self.debug)
        try:
            with Interrupts(self._slow_interrupt, self._leave):
                try:
                    code = body()
                finally:
                    self.on_close()
        except KeyboardInterrupt as stopped:
            code = self._stopped(ExitCode.TERMINATED if isinstance(stopped, Terminated) else ExitCode.INTERRUPTED)
        except Exception as error:
            if self.debug:
                self.output.trace(hide(traceback.format_exc().rstrip(), self._secret))
            code = self._fail(describe(error, Advice(self.again(), self.migrate), self._secret))
        raise typer.Exit(code)

    def target(self) -> Target:
        """The database that was asked for. Raises ``UsageError``."""
        if self._target is None:
            self._target = resolve(self.url, os.environ, Path.home())
            if self._target.embedded and not self.debug:
                silence_engine()
        return self._target

    def declared(self) -> Schema:
        """The schema that was asked for. Raises ``UsageError``."""
        return load_schema(self.schema)

    def again(self) -> str:
        """The command line that calls this command again."""
        return command_line(self.command, *self._where(), *self.extra, flags=self.flags)

    def without_flags(self) -> str:
        """The same, for real: without ``--dry-run``."""
        return command_line(self.command, *self._where(), *self.extra)

    def migrate(self, allow: tuple[str, ...] = ()) -> str:
        """``aaiclick migrate`` with this run's target and under its usual policy, with what was allowed already and
        ``allow``."""
        given = [option for option in self.extra if option[0] == "--allow"]
        further = [("--allow", key) for key in allow if ("--allow", key) not in given]
        return command_line("migrate", *self._where(), *given, *further)

    def _where(self) -> list[tuple[str, str | None]]:
        return [
            ("--url", self.url),
            ("--database", self.database),
            ("--schema", self.schema if self.schema != DEFAULT else None),
        ]

    @property
    def _secret(self) -> str:
        return self._target.password if self._target is not None else ""

    def _fail(self, failure: Failure) -> ExitCode:
        if self.as_json:
            error = {
                "type": failure.type,
                "message": failure.message,
                "next": failure.next or None,
                "details": dict(failure.details),
            }
            self.output.document(json.dumps({"error": error}, indent=2, ensure_ascii=False, default=str))
        else:
            broken = failure.code == ExitCode.ERROR
            self.output.tell(f"error: {failure.message}" if broken else failure.message, "red" if broken else "yellow")
            if failure.next and failure.next not in failure.message:
                self.output.tell(f"run: {failure.next}")
        return failure.code

    def _interrupted(self) -> str:
        return "interrupted. Nothing is lost: the next run resumes" if self.command in _RESUMED else "interrupted"

    def _slow_interrupt(self) -> None:
        resumes = "; the next run resumes" if self.command in _RESUMED else ""
        self.output.tell(
            f"stopping when the running statement has ended (Ctrl-C again stops at once{resumes})", "yellow"
        )

    def _stopped(self, code: ExitCode) -> ExitCode:
        return self._fail(
            Failure(
                "Terminated" if code == ExitCode.TERMINATED else "Interrupted", self._interrupted(), code, self.again()
            )
        )

    def _leave(self, code: int) -> None:
        self.on_close()
        self._stopped(ExitCode(code))
        sys.stdout.flush()
        sys.stderr.flush()


def _listen(debug: bool) -> None:
    """Events tell what there is to tell; log records of drivers (urllib3's retries) would run into the bar."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    if debug:
        logger = logging.getLogger("aaiclick")
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
