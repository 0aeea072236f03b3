"""Makes the database that a URL names."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.clients import parse_url
from aaiclick.clients.opening import open_parsed
from aaiclick.commands.create_missing import create_missing
from aaiclick.errors import UsageError
from aaiclick.routine import run
from aaiclick.specs.schema import Schema


def create_database(url: str, database: str | None, cluster: str, schema: Schema | None = None) -> str:
    """Make the database that ``database`` or the URL names, where it is missing; its name, '' where it was there.
    ``cluster``: on all its hosts, '' for none. ``schema``: what is declared of the database counts.

    Raises ``UsageError`` where nothing names a database, ``ConnectionFailed``, and ``StatementError`` where the server
    refuses it.
    """
    parsed = parse_url(url)
    name = database or parsed.database
    if not name:
        raise UsageError("--create-database: nothing names a database. Write it in the URL, or give --database")
    # Without the name: a connection to a database that is not there is refused.
    connection = open_parsed(replace(parsed, database=None))
    try:
        return name if run(create_missing(name, cluster, schema), connection) else ""
    finally:
        connection.close()
