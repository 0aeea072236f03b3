"""A Prometheus reads a process and a file of real runs; the dashboard's queries show something, and the alerts go off."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Migration, Policy, Schema, ensure_schema, validate_schema
from aaiclick.errors import ApplyError, SchemaAheadError
from aaiclick.metrics import handler
from aaiclick.metrics.textfile import exposition
from tests.metrics.conftest import Registry
from tests.metrics.schemas import V1, V2, V3
from tests.metrics.test_dashboard import ALERTS, BOARD

PROGRAM = shutil.which("prometheus")
EMPTY = {"Time of a wait for the lease"}
"""Nobody waits in these runs, and a quantile of nothing is nothing."""
CONFIGURATION = """
global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
rule_files: [{alerts}]
scrape_configs:
- {{job_name: application, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}
- {{job_name: node, metrics_path: /file, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}
"""


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(registry: Registry, aaiclick_client: Client) -> Iterator[int]:
    """The port of a process that has created, copied, been refused and failed."""
    ensure_schema(aaiclick_client, V1)
    ensure_schema(aaiclick_client, V2)
    ensure_schema(aaiclick_client, V2)
    aaiclick_client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(1000)")
    ensure_schema(aaiclick_client, V3, policy=Policy.lossless())
    with pytest.raises(SchemaAheadError):
        ensure_schema(aaiclick_client, V2)

    def fails(client: object) -> None:
        raise RuntimeError("no such host")

    broken = Schema("shop", version=4, objects=V3.objects, migrations=[Migration(4, move=fails)])
    with pytest.raises(ApplyError, match="no such host"):
        ensure_schema(aaiclick_client, broken)
    status = validate_schema(aaiclick_client, broken)
    file = exposition("shop", {"app": status, "gone": None}, time.time() - 7200).encode()
    metrics = handler.wsgi(registry)

    def application(environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"] != "/file":
            return metrics(environ, start)
        start("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
        return [file]

    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


Ask = Callable[..., Any]


@pytest.fixture
def prometheus(served: int, tmp_path: Path) -> Iterator[Ask]:
    if PROGRAM is None:
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus)")
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    (tmp_path / "prometheus.yml").write_text(CONFIGURATION.format(alerts=ALERTS, port=served), encoding="utf-8")
    command = [
        PROGRAM,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]

    def ask(path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    with subprocess.Popen(command) as process:
        try:
            yield ask
        finally:
            process.terminate()


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if ready():
                return
        time.sleep(0.1)
    pytest.fail("Prometheus has read nothing in 30 seconds")


def test_a_prometheus_that_reads_real_runs(prometheus: Ask) -> None:
    jobs = "count(count by (job) (aaiclick_schema_version))"
    until(lambda: [line["value"][1] for line in prometheus("query", query=jobs)["result"]] == ["2"])
    shown = {panel["title"]: panel["targets"] for panel in BOARD["panels"] if panel["type"] != "row"}
    silent: set[str] = set()
    for title, targets in shown.items():
        for target in targets:
            expr = target["expr"].replace("$schema", ".*").replace("$database", ".*").replace("$__rate_interval", "1m")
            found = prometheus("query", query=expr)["result"]
            if not [line for line in found if line["value"][1] != "NaN"]:
                silent.add(title)
    assert silent == EMPTY

    def rules() -> dict[str, Any]:
        return {rule["name"]: rule for group in prometheus("rules")["groups"] for rule in group["rules"]}

    wanted = {
        "AaiclickVersionBehind": "pending",
        "AaiclickMigrationFailed": "firing",
        "AaiclickUnfinishedWork": "pending",
        "AaiclickFenceUp": "inactive",
        "AaiclickDrift": "inactive",
        "AaiclickKeptTableExpires": "inactive",
        "AaiclickDatabaseNotReached": "pending",
        "AaiclickStatusOld": "firing",
    }
    # A rule may have been asked once before both were read.
    with contextlib.suppress(pytest.fail.Exception):
        until(lambda: {name: rule["state"] for name, rule in rules().items()} == wanted)
    assert {name: (rule["state"], rule["health"]) for name, rule in rules().items()} == {
        name: (state, "ok") for name, state in wanted.items()
    }
    told = {alert["labels"]["alertname"]: alert["annotations"]["summary"] for alert in prometheus("alerts")["alerts"]}
    assert told["AaiclickMigrationFailed"] == "a migration of shop failed: ApplyError"
    assert told["AaiclickDatabaseNotReached"] == "aaiclick status has no answer about shop in gone"
    assert "are 2h 0m" in told["AaiclickStatusOld"]
