"""Errors as the command line shows them: a type, one sentence, what to run next, an exit code. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from aaiclick.errors import (
    AaiclickError,
    ApplyError,
    ForeignTableError,
    HazardNotAllowedError,
    LockHeldError,
    OutcomeUnknownError,
    PlanError,
    SchemaAheadError,
    SchemaError,
    SchemaVersionError,
    StalePlanError,
    StatementError,
)
from aaiclick.explanations import explanation_of
from aaiclick.peers import Peer

_LONGEST = 2000
# What the command was called with says it already.
_SCHEMA = re.compile(r" --schema \S+")
_DETAILS = (
    "differences",
    "changes",
    "blocks",
    "refused",
    "policy",
    "allow",
    "path",
    "live",
    "expected",
    "version",
    "nearest",
    "oldest_code",
    "code",
    "name",
)


class ExitCode(IntEnum):
    """What scripts rely on."""

    DONE = 0
    PENDING = 1
    ERROR = 2
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the command line shows it."""

    type: str
    """Name of the error's class."""
    message: str
    """What went wrong, in one sentence."""
    code: ExitCode
    """What the process ends with."""
    next: str = ""
    """Command line that helps; '' where there is none."""
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    """The error's own fields, for ``--json``; empty where it has none."""
    explanation: str = ""
    """What the server's code means, and what to do; '' where it is no refusal of the server."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The command lines that help after an error, with the target of this run."""

    again: str
    """The running command as it was called."""
    migrate: Callable[[tuple[str, ...]], str]
    """``aaiclick migrate`` with further ``--allow`` keys."""
    refused: Callable[[tuple[str, ...]], str] | None = None
    """The same where the policy did not allow what has to be done; None: ``migrate`` says that too."""
    plan: Callable[[], str] | None = None
    """Makes an approved plan anew; None where there is none."""
    complete: Callable[[str], str] = str
    """Puts this run's target behind each command that a text names."""
    through: Callable[[Peer, int | None], str] | None = None
    """``aaiclick migrate`` through another host, to a version."""


def describe(error: Exception, advice: Advice, secret: str = "") -> Failure:
    """What an error means for whoever ran the command.

    Exit code 1 for the two families that say that the database answers but is not at the declared version and may not
    be brought there as asked (``SchemaError``, ``PlanError``), 2 for everything else.
    """
    sentence, following = _sentence(error, advice)
    code = ExitCode.PENDING if isinstance(error, SchemaError | PlanError) else ExitCode.ERROR
    details = (
        {key: getattr(error, key) for key in _DETAILS if hasattr(error, key)}
        if isinstance(error, AaiclickError)
        else {}
    )
    # The library's own sentences hold no password, and a password may be one of their words; what a driver or a server
    # says may hold it.
    foreign = not isinstance(error, AaiclickError) or isinstance(error, StatementError)
    return Failure(
        type(error).__name__,
        advice.complete(hide(sentence, secret if foreign else "")),
        code,
        advice.complete(following),
        details,
        advice.complete(explanation_of(error)),
    )


def _sentence(error: Exception, advice: Advice) -> tuple[str, str]:
    match error:
        case SchemaVersionError():
            following = _full(error.next_command, advice, refused=True)
            return _with_command(str(error), error.next_command, following), following
        case StalePlanError():
            following = advice.plan() if advice.plan is not None else error.next_command
            return _with_command(str(error), error.next_command, following), following
        case SchemaAheadError() | ForeignTableError():
            following = _full(error.next_command, advice) if error.next_command else ""
            return _with_command(_one_line(str(error)), error.next_command, following), following
        case HazardNotAllowedError():
            following = _as_command(_SCHEMA.sub("", error.command), advice.migrate(error.allow))
            return f"{error.schema}: {'; '.join(error.refused)}. To allow it: {following}", following
        case OutcomeUnknownError():
            return _one_line(str(error)), advice.again
        case LockHeldError():
            return _one_line(str(error)), advice.again
        case ApplyError() if isinstance(error.through, Peer) and advice.through is not None:
            return _one_line(str(error)), advice.through(error.through, error.version)
        case ApplyError() if _untouched(str(error)):
            return _one_line(str(error)), advice.again
        case ApplyError():
            return f"{_one_line(str(error))} (run again: it goes on from there)", advice.again
        case AaiclickError():
            return _one_line(str(error)), ""
        case _:
            said = _one_line(str(error))
            return (
                f"unexpected {type(error).__name__}{': ' + said if said else ''}. Run with --debug for the traceback",
                "",
            )


def _as_command(command: str, migrate: str) -> str:
    """The options of this run's ``aaiclick migrate`` for another command. What that says itself is not said twice."""
    given = {word for word in shlex.split(migrate) if word.startswith("--")}
    words = command.split(" ")
    own = [
        word
        for place, word in enumerate(words)
        if word not in given and not (place and words[place - 1].startswith("--") and words[place - 1] in given)
    ]
    return migrate.replace("aaiclick migrate", " ".join(own), 1)


def _untouched(said: str) -> bool:
    """Whether there is nothing from which another run could go on."""
    return (
        "nothing was changed" in said.lower() or "no object was changed" in said.lower()
    ) and "Done before:" not in said


def _full(command: str, advice: Advice, refused: bool = False) -> str:
    """A bare command with this run's target."""
    bare = _SCHEMA.sub("", command.partition(" --allow ")[0])
    migrate = (
        advice.refused if refused and bare == "aaiclick migrate" and advice.refused is not None else advice.migrate
    )
    return migrate(_allowed(command)).replace("aaiclick migrate", bare, 1)


def _with_command(message: str, plain: str, full: str) -> str:
    """The message names the bare command; this run's options belong to it."""
    return message.removesuffix(f"Run: {plain}") + f"Run: {full}" if message.endswith(f"Run: {plain}") else message


def _allowed(command: str) -> tuple[str, ...]:
    """The keys behind ``--allow`` in a command line."""
    words = shlex.split(command)
    return tuple(key for option, key in pairwise(words) if option == "--allow")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def hide(text: str, secret: str) -> str:
    """A second net under the clients' promise that no message holds a password: URLs are masked, and the password
    itself."""
    from aaiclick.clients.url import mask

    masked = "".join(mask(word) if "://" in word else word for word in _words(text))
    # A password of few letters would be found within any word.
    return masked.replace(secret, "***") if len(secret) > 3 else masked


def _words(text: str) -> list[str]:
    """Words and the white space between them, so that joining them gives the text back."""
    words: list[str] = []
    for char in text:
        if words and words[-1][-1].isspace() == char.isspace():
            words[-1] += char
        else:
            words.append(char)
    return words
