"""The database is at a newer version than the code, or on its way to one: whether this code may run on it. Nothing is
changed in either case."""

from __future__ import annotations

from datetime import datetime, timezone

from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.report import Report
from aaiclick.errors import SchemaAheadError, SchemaVersionError
from aaiclick.plan.model import Plan
from aaiclick.plan.planner import basis_of
from aaiclick.state.transition import UnfinishedMigration, UnfinishedRollback
from aaiclick.version import VERSION


def newer(found: Inspection, seconds: float) -> Report:
    """The answer where the database is at a newer version, or on its way there. Raises SchemaAheadError where this code
    may not run on it."""
    schema, database = found.schema, found.catalog.database
    problem = ahead_error(found)
    if problem is not None:
        raise problem
    live = found.live.number
    if found.unfinished_migration is not None and found.overtaken:
        return running_beside(schema.name, database, live, schema.version, found.unfinished_migration.version, seconds)
    note = f"the database is at v{live}, newer than this code (v{schema.version}), which can still run on it"
    return Report(schema.name, database, live, live, (), (), (), (note,), True, seconds)


def plan_of_newer(found: Inspection) -> Plan | None:
    """The plan where the database is at a newer version, or on its way there, and this code can run on it: nothing, and
    no step that leads backwards. None where the code is not older. Raises SchemaAheadError where it may not run."""
    if not (found.ahead or found.overtaken):
        return None
    schema = found.schema
    said = newer(found, 0.0)
    return Plan(
        schema.name,
        found.catalog.database,
        found.live.number,
        schema.version,
        (),
        basis_of(found.catalog),
        schema.fingerprint,
        said.notes,
        library=VERSION,
    )


def running_beside(schema: str, database: str, live: int | None, code: int | None, to: int, seconds: float) -> Report:
    """The answer where this code may run while somebody is on the way to a newer version."""
    note = (
        f"a migration to v{to} is under way and this code (v{code}) can run meanwhile: nothing was changed and "
        "nothing recorded"
    )
    return Report(schema, database, live, live, (), (), (), (note,), True, seconds)


def ahead_error(found: Inspection) -> SchemaAheadError | None:
    """Why this code may not run on what is there, or will be; None where it may."""
    schema, version = found.schema, found.schema.version
    assert version is not None
    # What is under way counts before what is recorded: the tables are on their way there already.
    way = found.unfinished_migration if found.overtaken else None
    if way is not None:
        if way.running.bears(version):
            return None
        return SchemaAheadError(
            schema.name,
            found.live.number,
            version,
            way.oldest_code,
            way.version,
            begun_by(way),
            giving_up(way, version),
        )
    assert found.numbered is not None
    oldest, live = found.numbered.oldest_code, found.numbered.version or 0
    # A version that names no older code was released as one that none may run on.
    return None if oldest is not None and oldest <= version else SchemaAheadError(schema.name, live, version, oldest)


def begun_by(way: UnfinishedMigration | UnfinishedRollback) -> str:
    """Who began it and when, for a sentence."""
    when = f"on {datetime.fromtimestamp(way.at / 1000, timezone.utc):%Y-%m-%d at %H:%M} UTC" if way.at else ""
    by = f"by {way.who}" if way.who else ""
    return " ".join(part for part in ("begun", by, when) if part)


def giving_up(way: UnfinishedMigration, code: int) -> str:
    """The command after which the older code may start. A database without a record has no version to roll back to:
    somebody has to say which it is at."""
    return f"aaiclick rollback --to {way.before}" if way.before else f"aaiclick adopt --version {code}"


def coming_back(found: Inspection, going: UnfinishedRollback) -> SchemaVersionError:
    """The error for a rollback that is half done: neither version's code finds the tables that it expects."""
    words = (f"the rollback to v{going.to} ({begun_by(going)}) was not finished",)
    live = f"v{going.before} and rolling back to v{going.to}"
    return SchemaVersionError(
        found.schema.name, live, found.schema.version_label, words, f"aaiclick rollback --to {going.to}"
    )
