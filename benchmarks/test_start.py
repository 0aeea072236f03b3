"""A start with nothing to do: what every application pays every time."""

from __future__ import annotations

import statistics
import subprocess
import sys

import chdb.session
import clickhouse_connect
import pytest

from aaiclick import ensure_schema, forget
from aaiclick.metrics.prometheus import CollectorRegistry, PrometheusSink
from aaiclick.metrics.recorder import Recorder
from aaiclick.observers import forget as forget_observer
from aaiclick.observers import observe
from aaiclick.oplog import OPLOG
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from benchmarks.measure import Line, Results, interleaved

pytestmark = pytest.mark.bench
ROUNDS = 300


def _refuse(*arguments: object, **settings: object) -> None:
    raise AssertionError("a query was sent")


def test_embedded(results: Results, aaiclick_engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh_name()
    session = chdb.session.Session(aaiclick_engine.path)
    session.query(f"CREATE DATABASE {name} ENGINE = Atomic")
    session.query(f"USE {name}")
    ensure_schema(session, OPLOG)
    client = clickhouse_connect.get_client(interface="chdb", path=aaiclick_engine.path, database=name)
    results.engine = str(client.command("SELECT version()"))
    spent = interleaved(
        {
            "session": lambda: session.query("SELECT 1", "TabSeparated").bytes(),
            "session warm": lambda: ensure_schema(session, OPLOG),
            "connect": lambda: client.query("SELECT 1").result_rows,
            "connect warm": lambda: ensure_schema(client, OPLOG),
        },
        ROUNDS,
    )
    for kind, label in (("session", "chdb Session"), ("connect", 'clickhouse-connect, interface="chdb"')):
        ratio = results.warm[label] = spent[f"{kind} warm"].wall / spent[kind].wall
        results.add(Line(f"warm start, {label}", "`SELECT 1` on the same client", "≤ 4 x", 4, ratio))
    forget()
    assert not ensure_schema(client, OPLOG, once=True).steps
    with monkeypatch.context() as patched:
        for name in ("raw_query", "query", "command"):
            patched.setattr(client, name, _refuse)
        once = interleaved({"once": lambda: ensure_schema(client, OPLOG, once=True)}, 2000)["once"].wall
    results.add(
        Line(
            "second call with `once=True`",
            "a function call",
            "no query, < 50 µs",
            50,
            once * 1e6,
            f"no query, {once * 1e6:.0f} µs",
        )
    )
    client.close()
    session.close()


def test_a_client_that_was_not_seen_before(results: Results, aaiclick_engine: EmbeddedEngine) -> None:
    """Nothing is known of it: its database, its settings, where its engine lies."""
    name = fresh_name()
    first = chdb.session.Session(aaiclick_engine.path)
    first.query(f"CREATE DATABASE {name} ENGINE = Atomic")
    first.query(f"USE {name}")
    ensure_schema(first, OPLOG)
    sessions = [chdb.session.Session(aaiclick_engine.path) for _ in range(40)]
    for session in sessions:
        session.query(f"USE {name}")
    unseen = iter(sessions)
    spent = interleaved(
        {
            "one": lambda: first.query("SELECT 1", "TabSeparated").bytes(),
            "unseen": lambda: ensure_schema(next(unseen), OPLOG),
        },
        len(sessions) - 1,
    )
    ratio = spent["unseen"].wall / spent["one"].wall
    cpu = spent["unseen"].cpu / spent["one"].cpu
    results.add(
        Line(
            "warm start, a chdb Session not seen before",
            "`SELECT 1`",
            "≤ 4 x",
            4,
            ratio,
            f"{ratio:.2f} x (CPU {cpu:.2f} x)",
        )
    )
    for session in (*sessions, first):
        session.close()


def test_http(results: Results) -> None:
    with EngineServer() as server:
        with server.client() as admin:
            admin.command("CREATE DATABASE app ENGINE = Atomic")
        with server.client(database="app") as client:
            ensure_schema(client, OPLOG, policy=None)
            spent = interleaved(
                {"one": lambda: client.query("SELECT 1").result_rows, "warm": lambda: ensure_schema(client, OPLOG)},
                ROUNDS,
            )
    note = (
        "over the test server, whose own part of each request is in both figures and so makes the ratio smaller; not "
        "measured on a ClickHouse server."
    )
    ratio = results.warm["HTTP"] = spent["warm"].wall / spent["one"].wall
    results.add(Line("warm start, HTTP", "`SELECT 1` on the same client", "≤ 2.5 x", 2.5, ratio, note=note))


def _imported(statement: str) -> float:
    program = f"import time; a = time.perf_counter(); {statement}; print(time.perf_counter() - a)"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def test_import(results: Results) -> None:
    pairs = {
        "import aaiclick": "import pydantic",
        "from aaiclick import Schema, Table, Column, MergeTree": "from pydantic import BaseModel, TypeAdapter",
    }
    times: dict[str, list[float]] = {statement: [] for pair in pairs.items() for statement in pair}
    for _ in range(15):
        for statement, spent in times.items():
            spent.append(_imported(statement))
    for ours, theirs in pairs.items():
        ratio = statistics.median(times[ours]) / statistics.median(times[theirs])
        first = ours == "import aaiclick"
        note = (
            "everything is loaded on first use. The modules of the declarations are pydantic models, whose "
            "validators are built when they are imported."
        )
        results.add(
            Line(
                f"`{ours}`",
                f"`{theirs}`",
                "≤ 1.3 x" if first else "none",
                1.3 if first else 1e9,
                ratio,
                note="" if first else note,
            )
        )


def test_metrics(results: Results, aaiclick_engine: EmbeddedEngine) -> None:
    """Where nobody asked for metrics, a start looks whether somebody did, and no more."""
    name = fresh_name()
    session = chdb.session.Session(aaiclick_engine.path)
    session.query(f"CREATE DATABASE {name} ENGINE = Atomic")
    session.query(f"USE {name}")
    ensure_schema(session, OPLOG)

    def counted() -> None:
        instrumentation.start()
        ensure_schema(session, OPLOG)
        instrumentation.stop()

    instrumentation = _Switch()
    spent = interleaved({"bare": lambda: ensure_schema(session, OPLOG), "counted": counted}, ROUNDS)
    ratio = spent["counted"].wall / spent["bare"].wall
    note = "what is counted of it is one value of a histogram and three gauges."
    results.add(Line("warm start with metrics", "the same without", "≤ 1.1 x", 1.1, ratio, note=note))
    session.close()


class _Switch:
    """Metrics for one call."""

    def __init__(self) -> None:
        self._recorder = Recorder(PrometheusSink(CollectorRegistry()))

    def start(self) -> None:
        observe(self._recorder)

    def stop(self) -> None:
        forget_observer(self._recorder)
