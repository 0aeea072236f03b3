"""Another engine for a table with rows while a writer goes on, beside the other open tool that copies them by
itself: both as commands, each on a server and in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from aaiclick.testing import EngineServer
from benchmarks.measure import Line, Results
from benchmarks.test_versus import environment_with

pytestmark = pytest.mark.bench
ROWS = 2_000_000
OTHER = "dbwarden 0.20.11"
NEXT = "VERSUS_NEXT"
OURS = f"""
import os
from aaiclick import Column, MergeTree, ReplacingMergeTree, Schema, Table

later = os.environ.get("{NEXT}")
EVENTS = Table(
    name="events",
    columns=[Column(name=name, type="Int64") for name in ("id", "kind", "value")],
    engine=MergeTree(order_by=["id"]) if later else ReplacingMergeTree(order_by=["id"]),
)
SHOP = Schema(name="shop", version=2 if later else 1, objects=[EVENTS])
"""
THEIRS = f"""
import os
from dbwarden.databases.clickhouse import ch_table, merge_tree, replacing_merge_tree
from dbwarden.schema.table_meta import CHTableMeta
from sqlalchemy import BigInteger, Column
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Event(Base):
    __tablename__ = "events"
    id = Column(BigInteger, primary_key=True)
    kind = Column(BigInteger, nullable=False)
    value = Column(BigInteger, nullable=False)

    class Meta(CHTableMeta):
        ch = ch_table(engine=merge_tree() if os.environ.get("{NEXT}") else replacing_merge_tree(), order_by=["id"])
"""
CONFIGURED = """
import os
from dbwarden import DbwardenDatabase


class Primary(DbwardenDatabase):
    database_name = "primary"
    default = True
    database_type = "clickhouse"
    database_url_sync = os.environ["VERSUS_URL"]
    migrations_dir = "migrations/primary"
    model_paths = ["models.py"]
"""


class Writer(threading.Thread):
    """Inserts one row at a time with an id of its own until it is told to end; ``written`` were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.ended = threading.Event()
        self.written: list[int] = []
        self.refused = 0

    def run(self) -> None:
        client = clickhouse_connect.get_client(dsn=self.url)
        row = ROWS
        while not self.ended.is_set():
            try:
                client.command(f"INSERT INTO events VALUES ({row}, 0, {row})")
            except ClickHouseError:
                self.refused += 1
            else:
                self.written.append(row)
            row += 1
            time.sleep(0.01)
        client.close()


@dataclass(frozen=True)
class Outcome:
    """``seconds`` of the command, ``there`` of the ``written`` rows that the table has afterwards."""

    seconds: float
    written: int
    there: int
    refused: int

    @property
    def shown(self) -> str:
        return f"{self.there} of {self.written} ({self.refused} refused)"


def _called(command: Sequence[str | Path], folder: Path, variables: dict[str, str]) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | variables
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert not done.returncode, f"{command}\n{done.stdout}\n{done.stderr}"


def _change(url: str, change: Sequence[str | Path], folder: Path, variables: dict[str, str]) -> Outcome:
    """The command, with rows in the table and a writer beside it."""
    client = clickhouse_connect.get_client(dsn=url)
    client.command(f"INSERT INTO events SELECT number, number % 7, number FROM numbers({ROWS})")
    writer = Writer(url)
    writer.start()
    time.sleep(0.5)
    begun = time.perf_counter()
    _called(change, folder, variables)
    seconds = time.perf_counter() - begun
    time.sleep(0.5)
    writer.ended.set()
    writer.join()
    found = client.query(f"SELECT count(DISTINCT id) FROM events WHERE id >= {ROWS}").result_rows[0][0]
    rows = client.query(f"SELECT count(DISTINCT id) FROM events WHERE id < {ROWS}").result_rows[0][0]
    assert rows == ROWS
    client.close()
    return Outcome(seconds, len(writer.written), int(found), writer.refused)


def _ours(folder: Path) -> Outcome:
    (folder / "shop.py").write_text(OURS, encoding="utf-8")
    package = str(Path(__file__).parent.parent)
    with EngineServer() as server:
        command = [sys.executable, "-m", "aaiclick", "migrate", "--schema", "shop:SHOP", "--yes", "--url", server.url]
        variables = {"PYTHONPATH": f"{package}{os.pathsep}{folder}"}
        _called(command, folder, variables)
        return _change(server.url, [*command, "--policy", "everything"], folder, variables | {NEXT: "1"})


def _theirs(folder: Path) -> Outcome:
    python = environment_with(folder, (OTHER.replace(" ", "==").replace("dbwarden", "dbwarden[clickhouse]"),))
    (folder / "models.py").write_text(THEIRS, encoding="utf-8")
    (folder / "dbwarden.py").write_text(CONFIGURED, encoding="utf-8")
    (folder / "migrations" / "primary").mkdir(parents=True)
    tool = python.parent / "dbwarden"
    with EngineServer() as server:
        variables = {"VERSUS_URL": server.url.replace("http://", "clickhousedb://") + "/default"}
        _called([tool, "make-migrations", "first"], folder, variables)
        _called([tool, "migrate"], folder, variables)
        variables[NEXT] = "1"
        recreate = ["--clickhouse-engine-recreate", "--keep-preserved-clickhouse-table"]
        _called([tool, "make-migrations", "second", *recreate], folder, variables)
        return _change(server.url, [tool, "migrate", "--force"], folder, variables)


def test_another_engine_beside_a_writer(results: Results, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours = _ours(tmp_path / "ours")
    try:
        theirs = _theirs(tmp_path / "theirs")
    except (subprocess.SubprocessError, AssertionError) as error:
        pytest.skip(f"{OTHER} could not be installed or run: {error}")
    what = f"another engine, {ROWS:,} rows, one writer"
    results.add(Line(what, f"{OTHER}: the command's time", "≤ 1 x", 1, ours.seconds / theirs.seconds))
    results.add(
        Line(
            f"{what}: acknowledged rows that are there afterwards",
            f"{OTHER}: {theirs.shown}",
            "all",
            0,
            ours.written - ours.there,
            ours.shown,
        )
    )
