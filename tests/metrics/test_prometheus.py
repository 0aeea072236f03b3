"""The dashboard's queries, asked of a real Prometheus that has scraped a real run."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, ensure_schema, rollback_schema, validate_schema
from aaiclick.metrics import handler
from tests.metrics.conftest import Registry
from tests.metrics.schemas import V2, V3
from tests.metrics.test_dashboard import ALERTS, BOARD
from tests.support.ports import free_port

pytestmark = pytest.mark.slow


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint(registry: Registry) -> Iterator[int]:
    with make_server("127.0.0.1", 0, handler.wsgi(registry), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def asked(port: int, path: str, **parameters: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def until(found: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("Prometheus did not come so far")


@pytest.fixture
def prometheus(tmp_path: Path, endpoint: int) -> Iterator[int]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    job = {"job_name": "app", "scrape_interval": "200ms", "static_configs": [{"targets": [f"127.0.0.1:{endpoint}"]}]}
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(ALERTS)], "scrape_configs": [job]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    port = free_port()
    command = [
        program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: asked(port, "query", query="aaiclick_build_info")["result"])
        yield port
    finally:
        process.terminate()
        process.wait(20)


def test_every_panel_shows_something(aaiclick_client: Client, prometheus: int) -> None:
    ensure_schema(aaiclick_client, V2)
    aaiclick_client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(1000)")
    ensure_schema(aaiclick_client, V3, policy=Policy.lossless())
    ensure_schema(aaiclick_client, V3)
    validate_schema(aaiclick_client, V3)
    until(lambda: asked(prometheus, "query", query="aaiclick_kept_tables")["result"])
    aaiclick_client.command("ALTER TABLE t DROP COLUMN note")
    validate_schema(aaiclick_client, V3)
    aaiclick_client.command("ALTER TABLE t ADD COLUMN note String")
    ensure_schema(aaiclick_client, V3)
    rollback_schema(aaiclick_client, V3, allow=["values t", "deletes t", "partial shop"])
    ensure_schema(aaiclick_client, V3, policy=Policy.lossless())
    ensure_schema(aaiclick_client, V3)
    validate_schema(aaiclick_client, V3)
    until(lambda: asked(prometheus, "query", query="changes(aaiclick_status_timestamp_seconds[1m]) >= 2")["result"])

    silent: list[str] = []
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$__rate_interval", "1m").replace("$schema", ".*").replace("$database", ".*")
            found = asked(prometheus, "query", query=expr)["result"]
            if not found:
                silent.append(f"{panel['title']}: {target['legendFormat']}")
    # Nobody waited for anybody. What did not happen is shown as 0.
    assert silent == ["Time of a wait for the lease: 95 %"]
    version = asked(
        prometheus,
        "query",
        query=BOARD["panels"][1]["targets"][0]["expr"].replace("$schema", "shop").replace("$database", ".*"),
    )
    assert [(each["metric"]["schema"], each["value"][1]) for each in version["result"]] == [("shop", "3")]
    groups = asked(prometheus, "rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(len(group["rules"]) for group in groups) == 8
