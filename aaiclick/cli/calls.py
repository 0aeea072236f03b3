"""The library's functions as the commands call them: imported when a command runs, so that ``--help`` and completion
stay quick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.cli.configuration.settings import Value
    from aaiclick.commands.compared import ComparedPlan
    from aaiclick.commands.history import Standing
    from aaiclick.commands.report import Report, Status
    from aaiclick.events import Event
    from aaiclick.plan.model import Plan
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.schema import Schema
    from aaiclick.state.kept_tables import KeptRow


USUAL = "default of the command line"
USUAL_POLICY = "lossless"
"""The policy where nothing says another."""


class PolicyName(str, Enum):
    """The values of ``--policy``."""

    check = "check"
    safe = "safe"
    lossless = "lossless"
    everything = "everything"


def policy(level: Value | None, allow: Sequence[str], keep_old: Value | None) -> Policy:
    """The policy of this run, ``lossless`` where nothing says another: explicit, so that ``AAICLICK_SCHEMA_POLICY`` has
    no say on the command line. Raises ``UsageError``."""
    from aaiclick import Policy

    chosen = replace(Policy.lossless(), origin=USUAL)
    if level is not None:
        # A wrong one is an error that says which key it is; a refusal names the place alone.
        chosen = replace(Policy.parse(level.text, _place("policy", level.origin)), origin=level.origin)
    return replace(chosen.allow(*allow), keep_old=kept_for(keep_old))


def kept_for(keep_old: Value | None) -> timedelta:
    """How long old tables are kept: a day where nothing says it. Raises ``UsageError``."""
    from aaiclick.plan.policy import KEEP_OLD, parse_duration

    if keep_old is None:
        return KEEP_OLD
    try:
        return parse_duration(keep_old.text)
    except UsageError as error:
        raise UsageError(f"{_place('keep-old', keep_old.origin)}: {error}") from None


def _place(key: str, origin: str) -> str:
    """Where a value was said: a flag and a variable tell by themselves which it is, a place in a file does not."""
    return f"{key} in {origin}" if ".toml" in origin else origin


def require_named(schema: Schema, made: Plan) -> None:
    """Raises ``MigrationError`` where a migration of the plan allows something that is about nothing."""
    from aaiclick.api.revision import require_named as require

    require(schema, made.from_version)


def ensure(
    url: str,
    schema: Schema,
    database: str | None,
    chosen: Policy,
    on_event: Callable[[Event], object],
    approved: Plan | None = None,
) -> Report:
    """Bring the database up to date. ``approved``: by this plan, or not at all."""
    from aaiclick import ensure_schema

    return ensure_schema(url, schema, policy=chosen, database=database, on_event=on_event, plan=approved)


def plan(url: str, schema: Schema, database: str | None, chosen: Policy, quick: bool = False) -> Plan:
    """What ``ensure`` would do under this policy. ``quick``: no row is looked at."""
    from aaiclick import plan_schema

    allow = tuple(sorted(chosen.allowed))
    return plan_schema(url, schema, database=database, quick=quick, allow=allow, keep_old=chosen.keep_old)


def compare(url: str, schema: Schema, database: str | None, chosen: Policy, quick: bool = False) -> ComparedPlan:
    """What ``plan`` answers, with the definitions of everything before and after it."""
    from aaiclick.api.compared import compare_schema

    return compare_schema(url, schema, chosen, database, quick)


def until(schema: Schema, version: int) -> Schema:
    """The schema as an earlier version was released. Raises ``UsageError`` where the project does not know it."""
    from aaiclick.versions.migrate_to import schema_until

    return schema_until(schema, version)


def create_database(url: str, database: str | None, cluster: str, schema: Schema) -> str:
    """Make the database that a URL or ``database`` names, as it is declared, where it is missing; its name, '' where it
    was there."""
    from aaiclick.api.create_database import create_database as create

    return create(url, database, cluster, schema)


def validate(url: str, schema: Schema, database: str | None) -> Status:
    """How the database compares to the declaration."""
    from aaiclick import validate_schema

    return validate_schema(url, schema, database=database)


def standing(url: str, database: str | None) -> Standing:
    """Whose the database is."""
    from aaiclick.api.history import what_stands

    return what_stands(url, database)


def prune(
    url: str,
    database: str | None,
    tables: Sequence[str],
    dry_run: bool,
    shown: Sequence[KeptRow] | None = None,
) -> tuple[tuple[KeptRow, bool], ...]:
    """The kept tables, each with whether it was dropped. ``shown``: only those of them that are as they were."""
    from aaiclick.api.prune import prune_kept

    return prune_kept(url, database, tables, dry_run, shown=shown)


def rollback(
    url: str,
    schema: Schema,
    to: int | None,
    database: str | None,
    allow: Sequence[str],
    dry_run: bool,
    keep_old: timedelta,
    on_event: Callable[[Event], object],
) -> Report:
    """Go back to the version before."""
    from aaiclick import rollback_schema

    return rollback_schema(
        url, schema, to, database=database, allow=allow, dry_run=dry_run, on_event=on_event, keep_old=keep_old
    )


def reflect(
    url: str, database: str | None, name: str | None, only: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Schema:
    """The live database as a declaration."""
    from aaiclick import reflect_schema

    return reflect_schema(url, database=database, name=name, only=only, exclude=exclude)
