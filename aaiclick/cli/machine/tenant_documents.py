"""What the commands print with ``--json`` for many databases, as types."""

from __future__ import annotations

from typing_extensions import TypedDict

from aaiclick.cli.machine.documents import ReportDocument, StatusDocument


class TenantErrorDocument(TypedDict):
    """Why one of many databases failed."""

    type: str
    """Its class in aaiclick.errors."""
    message: str
    """What happened, in one line."""
    next: str | None
    """A command line that helps; null where there is none."""


class TenantReportDocument(TypedDict):
    """What became of one of many databases."""

    database: str
    """Name of the database."""
    state: str
    """'in sync', 'migrated', 'pending', 'refused', 'failed' or 'not tried' (the server was gone)."""
    seconds: float
    """How long it took."""
    report: ReportDocument | None
    """What migrate prints for this database alone; null where it failed."""
    error: TenantErrorDocument | None
    """Why it failed; null where it did not."""


class TenantsReportDocument(TypedDict):
    """What ``migrate --database 'tenant_*'`` prints."""

    schema: str
    """Name of the schema."""
    databases: int
    """How many databases the pattern means."""
    states: dict[str, int]
    """How many are in each state."""
    tenants: list[TenantReportDocument]
    """Each of them, by name."""


class TenantStatusDocument(TypedDict):
    """How one of many databases stands to the code."""

    database: str
    """Name of the database."""
    status: StatusDocument | None
    """What status prints for this database alone; null where it failed."""
    error: TenantErrorDocument | None
    """Why it failed; null where it did not."""


class TenantsStatusDocument(TypedDict):
    """What ``status --database 'tenant_*'`` prints."""

    schema: str
    """Name of the schema."""
    databases: int
    """How many databases the pattern means."""
    states: dict[str, int]
    """How many are in each state."""
    tenants: list[TenantStatusDocument]
    """Each of them, by name."""


class TenantGroupDocument(TypedDict):
    """Databases in which the same has to be done."""

    databases: list[str]
    """Their names."""
    rows: int
    """Rows that are copied or rewritten in all of them."""
    bytes: int
    """The same, in bytes."""
    plan: dict[str, object]
    """The plan of the first of them, as migrate --dry-run prints it (plan.json)."""


class TenantFailureDocument(TypedDict):
    """A database of which no plan could be made."""

    database: str
    """Name of the database."""
    error: TenantErrorDocument
    """Why."""


class TenantsPlanDocument(TypedDict):
    """What ``migrate --dry-run --database 'tenant_*'`` prints."""

    schema: str
    """Name of the schema."""
    databases: int
    """How many databases the pattern means."""
    groups: list[TenantGroupDocument]
    """Databases with the same steps together."""
    failed: list[TenantFailureDocument]
    """Databases of which no plan could be made."""
