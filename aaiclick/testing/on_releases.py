"""A schema on other ClickHouse releases: created, and upgraded from every version in its lock file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aaiclick.api.ensure import ensure_schema
from aaiclick.api.validate import validate_schema
from aaiclick.errors import AaiclickError
from aaiclick.plan.policy import Policy
from aaiclick.specs.schema import Schema
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import fresh_name
from aaiclick.testing.process import EngineServer
from aaiclick.testing.releases import python_of
from aaiclick.testing.versions import installed_at
from aaiclick.versions.history import read_history


@dataclass(frozen=True, slots=True)
class ReleaseCheck:
    """How a schema does on one ClickHouse release."""

    release: str
    """The release as it was asked for: ``25.8``."""
    version: str
    """What its engine says that it is."""
    upgrades: tuple[int, ...]
    """The locked versions that it was upgraded from."""
    problems: tuple[str, ...]
    """What the release refuses, each behind where it does: ``not created, not upgraded from v1: ...``. None where all
    is well."""


def check_on_releases(
    schema: Schema, releases: Sequence[str], tell: Callable[[str], object] = lambda _: None
) -> tuple[ReleaseCheck, ...]:
    """Create the schema on an embedded engine of each release, and upgrade it there from every locked version, without
    rows. Replicated tables are made of the local engine. ``tell`` is called with a sentence before an engine is
    fetched.

    Raises ``UsageError`` for a release that is not known, ``ConnectionFailed`` where its engine cannot be fetched or
    started.
    """
    pythons = [python_of(release, tell) for release in releases]
    return tuple(_check(schema, release, str(python)) for release, python in zip(releases, pythons, strict=True))


def _check(schema: Schema, release: str, python: str) -> ReleaseCheck:
    lock = read_history(schema).lock
    locked = [each.version for each in lock.versions] if lock is not None else []
    older = tuple(number for number in locked if schema.version is None or number < schema.version)
    local = schema.model_copy(update={"cluster": None, "replicate": "where-possible"})
    with EngineServer(":memory:", python=python) as server:
        # What a release does not know it refuses on every way: it is said once.
        ways: dict[str, list[str]] = {}
        for before in (None, *older):
            for way, problem in _problems(server, local, before):
                ways.setdefault(problem, []).append(way)
        problems = tuple(f"{', '.join(refused)}: {problem}" for problem, refused in ways.items())
        return ReleaseCheck(release, server.version, older, problems)


def _problems(server: EngineServer, schema: Schema, before: int | None) -> Iterator[tuple[str, str]]:
    """What goes wrong on the way from a locked version (None: from nothing): where, and what."""
    name, everything = fresh_name("check"), Policy.everything()
    server.command(f"CREATE DATABASE {quote_name(name)}")
    what = "not created" if before is None else f"not upgraded from v{before}"
    try:
        if before is not None:
            what = f"v{before} not created"
            old = installed_at(schema, before).with_local_engines()
            ensure_schema(server.url, old, policy=everything, database=name)
            what = f"not upgraded from v{before}"
        ensure_schema(server.url, schema, policy=everything, database=name)
        found = validate_schema(server.url, schema, database=name)
        if not found.in_sync:
            yield what, "; ".join(found.differences) or found.state
    except AaiclickError as error:
        yield what, str(error)
