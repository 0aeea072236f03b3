"""What every command runs in: streams, Ctrl-C, errors to one sentence, the exit code."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import typer

from aaiclick.cli.calls import USUAL_POLICY
from aaiclick.cli.configuration.needed import Option, environment_needed, needed
from aaiclick.cli.configuration.settings import ENVIRONMENT
from aaiclick.cli.database import at_peer, command_line, completed
from aaiclick.cli.failures import Advice, ExitCode, Failure, describe, hide
from aaiclick.cli.interrupts import Interrupts, Terminated
from aaiclick.cli.invocation import Invocation
from aaiclick.cli.output import Output, UnwrittenError
from aaiclick.cli.streams import drop_stdout

if TYPE_CHECKING:
    from aaiclick.cli.machine.documents import ErrorFields
    from aaiclick.peers import Peer

_RESUMED = ("migrate", "rollback")


@dataclass(slots=True)
class Frame(Invocation):
    """One run of one command, from its beginning to its exit code."""

    spare: frozenset[str] = field(init=False, default=frozenset())
    """Keys of ``--allow`` that no step asks for, once that is known."""
    on_close: Callable[[], object] = field(init=False, default=lambda: None)
    """Called once the command has ended, however it did."""
    asking: bool = field(init=False, default=False)
    """True from the look at what has to be asked about until the answer: nothing has begun."""

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
        said = self.settings.given_value("policy") if wider else None
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
