"""Whether ``--database`` means one database or many."""

from __future__ import annotations

from aaiclick.errors import UsageError


def means_many(database: str | None) -> bool:
    """True where many databases are meant."""
    return database is not None and ("*" in database or "?" in database)


def check_jobs(database: str | None, jobs: int | None) -> int:
    """How many databases are worked on at the same time. Raises ``UsageError``."""
    if jobs is None:
        return 1
    if not means_many(database):
        raise UsageError("--jobs goes with a pattern, such as --database 'tenant_*'")
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: a number from 1 on is wanted")
    return jobs
