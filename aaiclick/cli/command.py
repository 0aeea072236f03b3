"""What every command runs in: streams, Ctrl-C, errors to one sentence, the exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from aaiclick.cli import calls
from aaiclick.cli.calls import USUAL_POLICY
from aaiclick.cli.configuration.needed import Option, environment_needed, needed
from aaiclick.cli.configuration.settings import ENVIRONMENT, FLAG, Settings, load
from aaiclick.cli.configuration.unconfigured import NOWHERE, require_oplog
from aaiclick.cli.database import DatabaseTarget, at_peer, command_line, completed, local_url, resolve
from aaiclick.cli.engine_noise import silence_engine
from aaiclick.cli.failures import Advice, ExitCode, Failure, describe, hide
from aaiclick.cli.interrupts import Interrupts, Terminated
from aaiclick.cli.output import Output, UnwrittenError, drop_stdout
from aaiclick.cli.schema_reference import DEFAULT, load_schema
from aaiclick.errors import AaiclickError, UsageError

if TYPE_CHECKING:
    from aaiclick.cli.machine.documents import ErrorFields
    from aaiclick.peers import Peer
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.schema import Schema

_OF_MANY = ("migrate", "status")
"""Commands that take a pattern of databases."""
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
    """``--url``; None: as configured."""
    given_database: str | None = None
    """``--database``; None: as configured."""
    schema: str | None = None
    """``--schema``, as module:attribute; None: as configured."""
    env: str | None = None
    """``--env``; None: as the environment says."""
    policy: str | None = None
    """``--policy``; None: as configured."""
    keep_old: str | None = None
    """``--keep-old``; None: as configured."""
    progress: str = "auto"
    """``--progress``."""
    extra: tuple[tuple[str, str | None], ...] = ()
    """The command's own options with their values, for the line that calls it again."""
    flags: tuple[str, ...] = ()
    """Its own flags, for the same."""
    values: tuple[str, ...] = ()
    """Each ``--var``, as NAME=VALUE."""
    approved: str | None = None
    """The file of the approved plan (``--plan``), or of the one that is to be approved (``--out``)."""
    spare: frozenset[str] = field(init=False, default=frozenset())
    """Keys of ``--allow`` that no step asks for, once that is known."""
    output: Output = field(init=False)
    """Where the answer and the messages go."""
    on_close: Callable[[], object] = field(init=False, default=lambda: None)
    """Called once the command has ended, however it did."""
    asking: bool = field(init=False, default=False)
    """True from the look at what has to be asked about until the answer: nothing has begun."""
    _target: DatabaseTarget | None = field(init=False, default=None)
    """The database that was asked for, once it is known."""
    _settings: Settings | None = field(init=False, default=None)
    """What is configured, once it was looked for."""

    def __post_init__(self) -> None:
        self.output = Output(self.as_json)
        self.output.complete = self.completed
        self.output.stream(self.progress)

    def run(self, body: Callable[[], ExitCode]) -> NoReturn:
        """Carry the command out and leave with its exit code."""
        _listen(self.debug, self.output)
        try:
            with Interrupts(self._slow_interrupt, self._leave):
                try:
                    code = body()
                finally:
                    self.on_close()
        except UnwrittenError as error:
            # There is no place for an answer in JSON either.
            drop_stdout()
            self.output.tell(f"error: {error}", "red")
            code = ExitCode.ERROR
        except KeyboardInterrupt as stopped:
            code = self._stopped(ExitCode.TERMINATED if isinstance(stopped, Terminated) else ExitCode.INTERRUPTED)
        except Exception as error:
            if self.debug:
                self.output.trace(hide(traceback.format_exc().rstrip(), self._secret))
            code = self._fail(self.failure(error))
        self._end(code)
        raise typer.Exit(code)

    def failure(self, error: Exception) -> Failure:
        """What an error means for whoever ran the command."""
        return describe(error, self.advice(), self._secret)

    def advice(self) -> Advice:
        """How this run, and what has to be run next, is called."""
        return Advice(self.again(), self.migrate, self._refused, self._plan_anew, self.completed, self.through)

    def completed(self, text: str) -> str:
        """The text with this run's target behind each command that it names."""
        return completed(text, self._where())

    @property
    def settings(self) -> Settings:
        """What is in force, and where it comes from. Raises ``UsageError``."""
        if self._settings is None:
            given = {
                "schema": self.schema,
                "url": self.url,
                "database": self.given_database,
                "policy": self.policy,
                "keep-old": self.keep_old,
            }
            self._settings = load(given, self.env, os.environ, working_directory(), self.values)
        return self._settings

    @property
    def database(self) -> str | None:
        """The database to work in; None: the one of the URL, or the connection's own. Raises ``UsageError``."""
        found = self.settings.database()
        return found.text if found is not None else None

    def default_url(self) -> str:
        """The database where nothing says another. Raises ``UsageError``."""
        return local_url(os.environ, Path.home())

    def target(self) -> DatabaseTarget:
        """The database that was asked for. Raises ``UsageError``."""
        if self._target is None:
            self._require_one()
            url = self.settings.url()
            self._target = resolve(url.text if url is not None else None, os.environ, Path.home())
            if note := self.settings.overruled():
                self.output.tell(f"note: {note}", "yellow")
            if self._target.embedded and not self.debug:
                silence_engine()
        return self._target

    def _require_one(self) -> None:
        found = self.settings.database()
        if found is not None and self.command not in _OF_MANY and ("*" in found.text or "?" in found.text):
            raise UsageError(
                f"{found.origin} {found.text!r}: a pattern is only for {' and '.join(_OF_MANY)}. Name one database, "
                f"and run {self.command} for each"
            )

    def chosen_policy(self, allow: Sequence[str]) -> Policy:
        """What this run may do. Raises ``UsageError``."""
        try:
            return calls.policy(self.settings.value("policy"), allow, self.settings.value("keep-old"))
        except UsageError as error:
            told = self.settings.as_written("keep-old", self.settings.as_written("policy", str(error)))
            raise UsageError(told) from None

    def kept_for(self) -> timedelta:
        """How long old tables are kept. Raises ``UsageError``."""
        try:
            return calls.kept_for(self.settings.value("keep-old"))
        except UsageError as error:
            raise UsageError(self.settings.as_written("keep-old", str(error))) from None

    def declared(self, to: int | None = None) -> Schema:
        """The schema that was asked for; ``to``: as that version was released. Where nothing says it, the oplog: in a
        database that is empty, or the oplog's. Raises ``UsageError``."""
        schema = self._declared()
        return schema if to is None or to == schema.version else calls.until(schema, to)

    def _declared(self) -> Schema:
        schema = self._configured()
        if schema is None:
            schema = self._given(load_schema(DEFAULT), strict=False)
            target = self.target()
            if not target.missing:
                require_oplog(target.url, schema, self.database, self.command)
        return schema

    def declared_in_files(self) -> Schema:
        """The schema that was asked for, where no database says whether it may be the oplog. Raises ``UsageError``."""
        schema = self._configured()
        if schema is None:
            raise UsageError(f"nothing says which schema is meant: {NOWHERE}")
        return schema

    def declared_or_oplog(self, *, telling: bool = True) -> Schema:
        """The schema that was asked for, else the oplog; ``telling``: and a note that it is that. Raises
        ``UsageError``."""
        schema = self._configured()
        if schema is None:
            schema = self._given(load_schema(DEFAULT), strict=False)
            if telling:
                said = f"note: this is the {schema.name} of aaiclick itself. For another schema {NOWHERE}"
                self.output.tell(said, "yellow")
        return schema

    def _configured(self) -> Schema | None:
        said = self.settings.value("schema")
        if said is None:
            return None
        file = self.settings.file
        if said.level < ENVIRONMENT or file is None:
            found = load_schema(said.text, said.origin, (Path.cwd(), *((file.folder,) if file is not None else ())))
            return self._given(found, strict=False)
        return self._given(load_schema(said.text, f"schema in {said.origin}", (file.folder,)), strict=True)

    def _given(self, schema: Schema, strict: bool) -> Schema:
        """The schema with the values that the configuration has for its variables. ``strict``: the configuration is
        about this schema, so a value for what it does not have is an error."""
        known = {variable.name: variable for variable in schema.variables}
        values: dict[str, int | str] = {}
        for name, value in self.settings.values().items():
            if name in known:
                try:
                    values[name] = known[name].read(value.text, value.origin)
                except AaiclickError as error:
                    raise UsageError(self.settings.as_written(f"variables.{name}", str(error))) from None
            elif strict or value.level == FLAG:
                there = f"it has {', '.join(known)}" if known else "it has none"
                place = f"--var {name}" if value.level == FLAG else f"variables.{name} in {value.origin}"
                raise UsageError(f"{place}: {schema.name} has no such variable ({there})")
        return (schema.given(**values) if values else schema).resolved(os.environ)

    def again(self) -> str:
        """The command line that calls this command again."""
        return command_line(self.command, *self._where(), *self.extra, flags=self.flags)

    def without_flags(self) -> str:
        """The same, for real: without ``--dry-run``."""
        return command_line(self.command, *self._where(), *self._asked(self.extra))

    def migrate(self, allow: tuple[str, ...] = (), wider: bool = False) -> str:
        """``aaiclick migrate`` with this run's target and under its usual policy, with what was allowed already and
        ``allow``. ``wider``: the policy itself refused, so one that the project configured is replaced by the usual
        one."""
        kept = ("--keep-old",) if self.command in ("plan", "migrate") else ()
        given = self._given_of("--to", "--allow", *kept)
        further = [("--allow", key) for key in allow if ("--allow", key) not in given]
        said = self.settings.said("policy") if wider else None
        policy = [("--policy", USUAL_POLICY)] if said is not None and said.level >= ENVIRONMENT else []
        return command_line("migrate", *self._where(), ("--plan", self.approved), *policy, *given, *further)

    def through(self, peer: Peer, to: int | None = None) -> str:
        """``aaiclick migrate`` through another host of the cluster. ``to``: the version; None: the one that is
        meant."""
        kept = ("--to", "--allow", "--keep-old", "--policy") if self.command == "migrate" else ("--to",)
        given = [option for option in self._given_of(*kept) if not (to is not None and option[0] == "--to")]
        version = [("--to", str(to))] if to is not None else []
        where = [option for option in self._where() if option[0] != "--url"]
        return command_line(
            "migrate", *where[:1], ("--url", at_peer(self.target(), peer)), *where[1:], *version, *given
        )

    def _plan_anew(self) -> str:
        """What to run where a plan is not the same any more."""
        if self.approved is None and self.command == "migrate":
            return self.again()  # it shows the plan and asks
        given = self._given_of("--policy", "--allow", "--keep-old")
        return command_line("plan", *self._where(), ("--out", self.approved or "plan.json"), *given)

    def _refused(self, allow: tuple[str, ...]) -> str:
        return self.migrate(allow, wider=not allow and self.command == "migrate")

    def _where(self) -> list[Option]:
        where = [
            ("--url", self.url),
            ("--database", self.given_database),
            ("--schema", self.schema),
            *(("--var", each) for each in self.values),
        ]
        said = self._settings is not None and not environment_needed(self._settings)
        return [("--env", None if said else self.env), *self._needed(where)]

    def _given_of(self, *names: str) -> list[Option]:
        """The command's own options of these names, as far as they are needed again."""
        given = [option for option in self.extra if option[0] in names]
        return self._needed(self._asked(given))

    def _asked(self, options: Iterable[Option]) -> list[Option]:
        """Without the keys that nothing asks for."""
        return [option for option in options if option[0] != "--allow" or option[1] not in self.spare]

    def _needed(self, options: Iterable[Option]) -> list[Option]:
        given = [option for option in options if option[1] is not None]
        return needed(self._settings, given) if self._settings is not None else given

    @property
    def _secret(self) -> str:
        return self._target.password if self._target is not None else ""

    def _end(self, code: ExitCode) -> None:
        if self.output.lines is not None:
            self.output.lines.write("Ended", {"code": int(code)})

    def _fail(self, failure: Failure) -> ExitCode:
        error: ErrorFields = {
            "type": failure.type,
            "message": failure.message,
            "next": failure.next or None,
            "details": dict(failure.details),
            "explanation": failure.explanation or None,
        }
        if self.output.lines is not None:
            self.output.lines.write("Failed", error)
        if self.as_json:
            self.output.document(json.dumps({"error": error}, indent=2, ensure_ascii=False, default=str))
        elif self.output.lines is None:
            broken = failure.code == ExitCode.ERROR
            self.output.tell(f"error: {failure.message}" if broken else failure.message, "red" if broken else "yellow")
            if failure.explanation:
                self.output.tell(failure.explanation)
            if failure.next and failure.next not in failure.message:
                self.output.tell(f"run: {failure.next}")
        return failure.code

    def _interrupted(self) -> str:
        if self.asking:
            return "interrupted: nothing was changed"
        return "interrupted. Nothing is lost: the next run resumes" if self.command in _RESUMED else "interrupted"

    def _slow_interrupt(self) -> None:
        resumes = "; the next run resumes" if self.command in _RESUMED and not self.asking else ""
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
        self._end(ExitCode(code))
        sys.stdout.flush()
        sys.stderr.flush()


def working_directory() -> Path:
    """The directory of this process. Raises ``UsageError`` where it was removed meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working directory is gone: change to one that is there") from None


class _Log(logging.Handler):
    """Log records, where what is said on stderr goes."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.trace(self.format(record))


def _listen(debug: bool, output: Output) -> None:
    """Events tell what there is to tell; log records of drivers (urllib3's retries) would run into the bar."""
    root = logging.getLogger()
    # Without any handler, Python would print warnings of drivers on stderr by itself.
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    if debug:
        logger = logging.getLogger("aaiclick")
        handler = _Log(output)
        handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
