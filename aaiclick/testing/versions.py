"""Databases at released versions, from the lock file: what tests "upgrade from every released version" need.

@pytest.mark.parametrize("version", locked_versions(SCHEMA))
def test_upgrade(aaiclick_upgrade, version):
    old = aaiclick_upgrade(SCHEMA, version)
    old.client.command("INSERT INTO events ...")
    old.upgrade()
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from aaiclick.catalog.reflect import reflect_object
from aaiclick.errors import UsageError
from aaiclick.specs.schema import Schema
from aaiclick.sql.quoting import quote_name
from aaiclick.versions.history import read_history
from aaiclick.versions.lockfile import Lock

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from aaiclick.commands.report import Report
    from aaiclick.plan.policy import Policy


def locked_versions(schema: Schema) -> tuple[int, ...]:
    """The released versions in the schema's lock file, oldest first. ``UsageError`` where there is none."""
    return tuple(locked.version for locked in _lock(schema).versions)


def schema_at(schema: Schema, version: int) -> Schema:
    """The schema as that version was released, without migrations."""
    locked = _lock(schema).get(version)
    if locked is None:
        raise UsageError(f"{schema.name} has no released version {version}")
    return Schema(
        schema.name, version=version, objects=[reflect_object(form) for _, form in sorted(locked.forms.items())]
    )


def installed_at(schema: Schema, version: int) -> Schema:
    """``schema_at`` with the migrations of its time: the record of an install holds their checksums, and a later start
    stops at a migration that is not in them."""
    return schema_at(schema, version).model_copy(update={"migrations": schema.migrations}).stopped_at(version)


class OldInstall:
    """A database at a released version. ``client`` works in it; put rows in, then ``upgrade``."""

    def __init__(self, client: Client, schema: Schema, version: int, recorded: bool) -> None:
        from aaiclick.api.ensure import ensure_schema
        from aaiclick.plan.policy import Policy

        self.client = client
        self.schema = schema
        self.version = version
        ensure_schema(client, installed_at(schema, version), policy=Policy.everything())
        if not recorded:
            client.command("DROP TABLE schema_version SYNC")  # pyright: ignore[reportUnknownMemberType] - the driver leaves it open

    def rows(self, table: str, columns: Collection[str]) -> list[str]:
        """Every row of a table as text, sorted, over these columns."""
        listed = ", ".join(f"toString({quote_name(name)})" for name in columns)
        sql = f"SELECT toString(tuple({listed})) AS row FROM {quote_name(table)} ORDER BY row"
        found = self.client.query(sql).result_rows  # pyright: ignore[reportUnknownMemberType] - the driver leaves it open
        return [str(row[0]) for row in found]

    def upgrade(self, policy: Policy | None = None, changed: Collection[str] = ()) -> Report:
        """Bring the database to the declared version and compare it with what was there: the same rows, over every
        column that both versions have with the same type; a second run does nothing. ``changed``: columns
        (``table.column``) whose values a migration changes, and tables (``table``) whose rows it does."""
        from aaiclick.api.ensure import ensure_schema
        from aaiclick.api.validate import validate_schema
        from aaiclick.plan.policy import Policy

        chosen = policy if policy is not None else Policy.lossless()
        shared = self._shared(changed)
        before = {table: self.rows(table, columns) for table, columns in shared.items()}
        report = ensure_schema(self.client, self.schema, policy=chosen)
        assert report.to_version == self.schema.version, report
        status = validate_schema(self.client, self.schema)
        assert status.in_sync, status.differences
        for table, columns in shared.items():
            assert self.rows(table, columns) == before[table], (
                f"{table}: rows differ after the upgrade from v{self.version}"
            )
        again = ensure_schema(self.client, self.schema, policy=chosen)
        assert not again.steps, again.steps
        return report

    def _shared(self, changed: Collection[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table in schema_at(self.schema, self.version).tables:
            declared = next((own for own in self.schema.tables if own.name == table.name), None)
            if declared is None or table.name in changed:
                continue
            kept = [
                column.name
                for column in table.columns
                if (own := declared.column(column.name)) is not None
                and own.type.replace(" ", "") == column.type.replace(" ", "")
                and f"{table.name}.{column.name}" not in changed
            ]
            if kept:
                found[table.name] = kept
        return found


def _lock(schema: Schema) -> Lock:
    lock = read_history(schema).lock
    if lock is None:
        raise UsageError(f"{schema.name} has no schema.lock.json: aaiclick revision writes it")
    return lock
