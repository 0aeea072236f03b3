"""What a run may do: which hazards, and how many bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Literal, TypeAlias, cast

from aaiclick.allow import Allow
from aaiclick.diff.hazards import ALLOWABLE, WITHOUT_OBJECT
from aaiclick.errors import UsageError
from aaiclick.printable import size_text

Level: TypeAlias = Literal["check", "safe", "lossless", "everything"]
ENVIRONMENT = "AAICLICK_SCHEMA_POLICY"
EMBEDDED_MAX_BYTES = 1 << 30
"""How many bytes one step may read or rewrite on an embedded engine, where nothing else is said."""
KEEP_OLD = timedelta(days=1)
"""How long the old table of a copy is kept for a rollback."""
LONGEST_KEPT = timedelta(days=36500)
"""A hundred years: what is kept for ever is kept by nobody who counts on it, and the server's clock ends as well."""
KEEP_ENVIRONMENT = "AAICLICK_KEEP_OLD"
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?i?b?)\s*\Z", re.IGNORECASE)
_ALLOW = re.compile(r"[a-z]+(-[a-z]+)* \S.*\Z", re.DOTALL)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)?\Z")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_bytes(size: str | int) -> int:
    """A size in bytes: ``1GiB`` (2**30), ``1GB`` (10**9), ``1024``. Raises ``UsageError`` for any other text, and for
    more than the server can count."""
    if isinstance(size, int):
        return size
    match = _SIZE.match(size)
    if match is None:
        raise UsageError(f"{size!r} is no size: write 1GiB, 500MB or a number of bytes")
    unit = match.group(2).lower()
    # GB counts in thousands, GiB and a bare G in 1024.
    base = 1000 if unit.endswith("b") and "i" not in unit and len(unit) == 2 else 1024
    found = float(match.group(1)) * base ** _POWERS[unit.rstrip("ib") if unit else ""]
    # Text of many digits is infinite as a float.
    if found >= 2**64:
        raise UsageError(f"{_short(size)} is more than the server can count: write less than 16 EiB")
    return int(found)


def parse_duration(text: str) -> timedelta:
    """A length of time: ``12h``, ``1d``, ``30min``, ``0``. Raises ``UsageError`` for any other text, and for more than
    a hundred years."""
    match = _DURATION.match(text.strip().lower())
    if match is None or (match[2] is None and float(match[1])):
        raise UsageError(f"{text!r} is no length of time: write 12h, 30min, 2d, or 0 to keep nothing")
    seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    if seconds > LONGEST_KEPT.total_seconds():
        raise UsageError(f"{_short(text)} is more than a hundred years: write 36500d or less")
    return timedelta(seconds=seconds)


def _short(text: str) -> str:
    return repr(text if len(text) < 40 else f"{text[:36]}...")


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be carried out without asking.

    ``check`` changes nothing. ``safe`` allows metadata changes by which no row or value changes, now or at a later
    merge. ``lossless`` also allows mutations and copies that keep every row and value. ``everything`` also allows
    what destroys.
    """

    level: Level
    """One of these four."""
    max_bytes: int | None = None
    """How many bytes one step may read or rewrite; None for no limit."""
    allowed: frozenset[str] = frozenset()
    """Hazards that are allowed by name: ``drop-column operation_log.args``."""
    keep_old: timedelta = KEEP_OLD
    """How long the old table of a copy is kept for a rollback."""
    origin: str = field(default="argument", compare=False)
    """Where it was said, for people: an argument, an environment variable, a default."""

    def __post_init__(self) -> None:
        if self.max_bytes is not None and self.max_bytes < 0:
            raise UsageError(f"max_bytes is {self.max_bytes}: write 0 or more")
        kept = cast("object", self.keep_old)
        if not isinstance(kept, timedelta):
            raise UsageError(f"keep_old is {kept!r}: a timedelta is wanted, such as timedelta(days=7)")
        if self.keep_old < timedelta(0):
            raise UsageError(f"keep_old is {self.keep_old}: it cannot be less than 0")
        if self.keep_old > LONGEST_KEPT:
            raise UsageError(f"keep_old is {self.keep_old}: it cannot be more than {LONGEST_KEPT.days} days")

    @staticmethod
    def check() -> Policy:
        """Change nothing: a difference is an error."""
        return Policy("check")

    @staticmethod
    def safe() -> Policy:
        """Only metadata changes by which no row or value changes."""
        return Policy("safe")

    @staticmethod
    def lossless(max_bytes: str | int | None = None, keep_old: timedelta = KEEP_OLD) -> Policy:
        """All that keeps every row and value. ``max_bytes`` (``"1GiB"``) limits what one step may rewrite."""
        return Policy("lossless", None if max_bytes is None else parse_bytes(max_bytes), keep_old=keep_old)

    @staticmethod
    def everything(keep_old: timedelta = KEEP_OLD) -> Policy:
        """All steps, also those that lose rows or values. Objects are still dropped only where that is allowed by
        name."""
        return Policy("everything", keep_old=keep_old)

    @property
    def words(self) -> str:
        """How it is called, and where it was said: ``policy safe (default for a server)``."""
        limit = f", up to {size_text(self.max_bytes)} for each step" if self.max_bytes is not None else ""
        return f"policy {self.level}{limit} ({self.origin})"

    @property
    def tries_on_parts(self) -> bool:
        """True where statements are tried on parts of live tables first. Metadata changes do not need that."""
        return self.level not in ("check", "safe")

    def allow(self, *keys: str | Allow) -> Policy:
        """The same policy with hazards allowed by name: ``allow("drop-column operation_log.args")``, or with what the
        functions of ``aaiclick.allow`` give. Raises ``UsageError`` for a key that names none."""
        named = tuple(str(key) for key in keys)
        for key in named:
            if key in WITHOUT_OBJECT:
                continue
            if not _ALLOW.match(key) or key.partition(" ")[0] in WITHOUT_OBJECT:
                raise UsageError(
                    f"{key!r} names no hazard: write it as the plan does, for instance 'drop-column operation_log.args'"
                )
            word = key.partition(" ")[0]
            if word not in ALLOWABLE:
                # All that begin so: of a mere drop nobody can tell which is meant.
                near = [each for each in sorted(ALLOWABLE) if each.startswith(f"{word}-")]
                near = near or get_close_matches(word, sorted(ALLOWABLE), 1)
                raise UsageError(
                    f"{key!r} names no hazard: there is no {word!r}; "
                    f"{'did you mean ' + ' or '.join(map(repr, near)) + '?' if near else 'write it as the plan does'}"
                )
        return replace(self, allowed=self.allowed | frozenset(named))

    @staticmethod
    def parse(text: str, said: str = ENVIRONMENT) -> Policy:
        """``check``, ``safe``, ``lossless``, ``lossless(10GiB)`` or ``everything``. ``said`` is where the text comes
        from. Raises ``UsageError`` for any other text."""
        word, _, rest = text.strip().lower().partition("(")
        if word == "lossless":
            limited = Policy.lossless(rest.removesuffix(")").removeprefix("max_bytes=").strip("\"'") or None)
            return replace(limited, origin=said)
        if word in ("check", "safe", "everything") and not rest:
            return Policy(word, origin=said)  # type: ignore[arg-type]
        raise UsageError(f"{said}={text!r} is no policy: write check, safe, lossless, lossless(10GiB) or everything")

    @staticmethod
    def default(embedded: bool, environment: Mapping[str, str]) -> Policy:
        """``lossless`` up to 1 GiB on an embedded engine, ``safe`` on a server. The environment can replace both, and
        ``keep_old``.

        Raises ``UsageError`` where the environment holds no policy.
        """
        # An embedded engine belongs to this application. A server may be used by others at the same time.
        usual = (
            replace(Policy.lossless(EMBEDDED_MAX_BYTES), origin="default for an embedded engine")
            if embedded
            else replace(Policy.safe(), origin="default for a server")
        )
        chosen = Policy.parse(environment[ENVIRONMENT]) if environment.get(ENVIRONMENT) else usual
        return replace(chosen, keep_old=kept_for(environment))


def kept_for(environment: Mapping[str, str]) -> timedelta:
    """How long old tables are kept: a day, or what the environment says. Raises ``UsageError``."""
    if not environment.get(KEEP_ENVIRONMENT):
        return KEEP_OLD
    try:
        return parse_duration(environment[KEEP_ENVIRONMENT])
    except UsageError as error:
        raise UsageError(f"{KEEP_ENVIRONMENT}: {error}") from error
