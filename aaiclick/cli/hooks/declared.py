"""Hooks as a configuration declares them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias, cast

from aaiclick.errors import UsageError

HOOKS = "hooks"
"""The table that holds them, at the top and in an environment."""
EVENTS = ("before-migrate", "after-migrate", "before-rollback", "after-rollback", "on-failure", "on-refusal")
TIMEOUT_KEY = "timeout"
TIMEOUT = 300.0
"""Seconds that a hook may take, where nothing says it."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A command that is run when something happens."""

    event: str
    """When: one of ``EVENTS``."""
    command: tuple[str, ...]
    """The program and its arguments, as they are written; empty: none is run."""
    origin: str
    """Where it is said, for people."""


@dataclass(frozen=True, slots=True)
class HookTable:
    """What one table says."""

    hooks: Mapping[str, Hook]
    """The hooks by their event."""
    timeout: float | None
    """Seconds that each may take; None: it does not say so."""


Tables: TypeAlias = Mapping["str | None", HookTable]
"""By the environment; None: at the top."""


def split_hooks(table: Mapping[str, object], place: str, within: str) -> tuple[dict[str, object], Tables]:
    """A configuration without its hooks, and these. ``place`` is how the file is called, ``within`` what its keys are
    nested in. Raises ``UsageError`` for what is no hook."""
    rest = {key: value for key, value in table.items() if key != HOOKS}
    found: dict[str | None, HookTable] = {}
    if HOOKS in table:
        found[None] = _table(table[HOOKS], f"{place} [{'.'.join(part for part in (within, HOOKS) if part)}]")
    environments = rest.get("env")
    if isinstance(environments, dict):
        kept: dict[str, object] = {}
        for name, values in cast("dict[str, object]", environments).items():
            own = cast("dict[str, object]", values) if isinstance(values, dict) else None
            if own is not None and HOOKS in own:
                where = ".".join(part for part in (within, "env", name, HOOKS) if part)
                found[name] = _table(own[HOOKS], f"{place} [{where}]")
                kept[name] = {key: value for key, value in own.items() if key != HOOKS}
            else:
                kept[name] = values
        rest["env"] = kept
    return rest, found


def _table(given: object, where: str) -> HookTable:
    if not isinstance(given, dict):
        raise UsageError(
            f'{where}: hooks is no table: write [{where.rpartition("[")[2]} and below it before-migrate = ["program"]'
        )
    values = cast("dict[str, object]", given)
    for key in values:
        if key not in (*EVENTS, TIMEOUT_KEY):
            near = get_close_matches(key.lower().replace("_", "-"), [*EVENTS, TIMEOUT_KEY], 1)
            meant = f": did you mean {near[0]}?" if near else ""
            raise UsageError(f"{where}: unknown key {key}{meant} (there are {', '.join((*EVENTS, TIMEOUT_KEY))})")
    hooks = {
        event: Hook(event, _command(values[event], f"{where}: {event}"), where.rpartition("/")[2])
        for event in EVENTS
        if event in values
    }
    return HookTable(hooks, _timeout(values.get(TIMEOUT_KEY), where))


def _command(given: object, where: str) -> tuple[str, ...]:
    example = 'write a list of texts, ["program", "argument"]'
    if isinstance(given, str):
        raise UsageError(f"{where} is a text: there is no shell that would take it apart; {example}")
    if not isinstance(given, list):
        raise UsageError(f"{where} is no list: {example}")
    words = cast("list[object]", given)
    if not all(isinstance(word, str) for word in words):
        raise UsageError(f"{where} holds something else than texts: {example}")
    if words and not cast("str", words[0]).strip():
        raise UsageError(f"{where} names no program: {example}")
    if any("\0" in cast("str", word) for word in words):
        raise UsageError(f"{where} holds a zero byte, which no program can be given")
    return tuple(cast("list[str]", words))


def _timeout(given: object, where: str) -> float | None:
    wanted = "write seconds, or a text such as '30s' or '5min'"
    if given is None:
        return None
    if isinstance(given, int | float) and not isinstance(given, bool):
        # A whole number in a file may be larger than any float.
        seconds = float(min(given, 10**9))
    elif isinstance(given, str):
        from aaiclick.plan.policy import parse_duration

        try:
            seconds = parse_duration(given).total_seconds()
        except UsageError:
            raise UsageError(f"{where}: timeout is {given!r}: {wanted}") from None
    else:
        raise UsageError(f"{where}: timeout is no length of time: {wanted}")
    if not 0 < seconds < 86400 * 7:
        raise UsageError(f"{where}: timeout is {given}: write more than 0, and less than a week")
    return seconds
