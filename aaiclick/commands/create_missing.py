"""Databases of a server."""

from __future__ import annotations

from aaiclick.clickhouse.statements import ask
from aaiclick.routine import Command, Routine, number
from aaiclick.sql.cluster import on_cluster
from aaiclick.sql.ddl import create
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name


def create_missing(name: str, cluster: str = "") -> Routine[bool]:
    """Make a database with the server's own engine where it is missing; whether it was. ``cluster``: on all its hosts.
    Raises ``StatementError``."""
    rows = yield from ask(
        "SELECT count() FROM system.databases WHERE name = unhex({name:String})", {"name": hexed(name)}
    )
    if number(rows[0][0]) and not cluster:
        return False
    sql = create("DATABASE", quote_name(name), if_not_exists=True)
    yield Command(on_cluster(sql, cluster) if cluster else sql)
    return not number(rows[0][0])
