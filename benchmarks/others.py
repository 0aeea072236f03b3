"""What another tool takes for a start with nothing to do, and ``SELECT 1`` on the same client. Runs in an environment
of its own, which holds that tool and not this package: ``python others.py <tool> <where>`` prints both medians,
seconds, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Case = Callable[[], object]


def medians(one: Case, theirs: Case, rounds: int) -> str:
    """Both in turn, after one round that does not count."""
    spent: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for case, found in zip((one, theirs), spent, strict=True):
            begun = time.perf_counter()
            case()
            if turn:
                found.append(time.perf_counter() - begun)
    return json.dumps({"one": statistics.median(spent[0]), "theirs": statistics.median(spent[1])})


def runner(path: str) -> str:
    """aaiclick 0.0.29: the oplog's tables, on a chdb session."""
    os.environ["AAICLICK_LOCAL_ROOT"] = path
    from aaiclick.data.object_context.chdb_client import ChdbClient
    from aaiclick.oplog.models import init_oplog_tables
    from chdb.session import Session

    session = Session(path)
    client = ChdbClient(session)
    loop = asyncio.new_event_loop()
    return medians(
        lambda: session.query("SELECT 1", "TabSeparated").bytes(),
        lambda: loop.run_until_complete(init_oplog_tables(client)),
        300,
    )


def clickhouse_migrations(url: str) -> str:
    """One applied migration, over HTTP."""
    import clickhouse_connect
    from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster

    folder = Path(tempfile.mkdtemp())
    (folder / "001_first.sql").write_text(
        "CREATE TABLE IF NOT EXISTS first (id UInt64) ENGINE = MergeTree ORDER BY id", encoding="utf-8"
    )
    cluster = ClickhouseCluster(db_url=url, driver="clickhouse-connect", migrations_table_engine=None)
    client = clickhouse_connect.get_client(dsn=url)
    return medians(lambda: client.query("SELECT 1"), lambda: cluster.migrate("versus", folder), 30)


def alembic(url: str) -> str:
    """One applied revision, over HTTP with the dialect of clickhouse-connect."""
    import clickhouse_connect
    from alembic import command
    from alembic.config import Config

    folder = Path(tempfile.mkdtemp())
    (folder / "versions").mkdir()
    (folder / "env.py").write_text(_ENV, encoding="utf-8")
    (folder / "versions" / "first.py").write_text(_REVISION, encoding="utf-8")
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", url.replace("http://", "clickhousedb://") + "/versus_alembic")
    client = clickhouse_connect.get_client(dsn=url)
    client.command("CREATE DATABASE IF NOT EXISTS versus_alembic")
    return medians(lambda: client.query("SELECT 1"), lambda: command.upgrade(config, "head"), 30)


_ENV = """
from alembic import context
from clickhouse_connect.cc_sqlalchemy import alembic as _
from sqlalchemy import create_engine

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""
_REVISION = """
from alembic import op

revision = "first"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE IF NOT EXISTS first (id UInt64) ENGINE = MergeTree ORDER BY id")
"""

if __name__ == "__main__":
    tool, where = sys.argv[1:]
    print({"runner": runner, "clickhouse-migrations": clickhouse_migrations, "alembic": alembic}[tool](where))
