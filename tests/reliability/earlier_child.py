"""Runs of the library as it was at an earlier commit, killed on their way: ``python earlier_child.py <checkout>
<url>``.

The checkout holds that commit's ``aaiclick`` and ``tests``, which say how a run is killed there. Reads a line of JSON
for each run, and answers ``killed`` or ``ended``.
"""

from __future__ import annotations

import importlib
import json
import sys
import urllib.request
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any


def command(url: str, sql: str) -> str:
    """A statement by itself, before the library is asked for anything."""
    with urllib.request.urlopen(urllib.request.Request(url, data=sql.encode())) as answer:
        return bytes(answer.read()).decode()


def migration(url: str, connection: Any, told: dict[str, Any]) -> bool:
    """A golden migration in a database of its own: on the way there, or back after it."""
    rolling = importlib.import_module("tests.migrations.rolling")
    made = rolling.Rolling(connection, partial(command, url), told["database"], told["name"], None)
    made.again()
    if not told["back"]:
        return bool(made.killed(made.v2, told["stop"]))
    made.run(made.v2)
    return bool(made.killed_back(told["stop"]))


def case(url: str, connection: Any, told: dict[str, Any]) -> bool:
    """A golden case whose two databases are there."""
    import clickhouse_connect

    import aaiclick

    runner, scene = (importlib.import_module(f"tests.{name}") for name in ("cases.runner", "reliability.scene"))
    client = clickhouse_connect.get_client(dsn=url)
    ground = runner.Ground(client, None, told["live"], told["direct"])
    made = scene.Scene.__new__(scene.Scene)
    made.connection, made.ground = connection, ground
    made.schema = runner.declaration(ground, told["renames"])
    made.policy = aaiclick.Policy.lossless(keep_old=timedelta(seconds=told["keep"])).allow(*told["allow"])
    killed = bool(made.run_killed(told["stop"]))
    client.close()
    return killed


def view(url: str, connection: Any, told: dict[str, Any]) -> bool:
    """A view that is filled or replaced, in a database that is empty; with ``first`` the very first start is killed."""
    import aaiclick

    driving, feeding, feeds = (
        importlib.import_module(f"tests.reliability.{name}") for name in ("driving", "feeding", "test_feeds")
    )
    case, database = feeding.FEEDINGS[told["name"]], told["database"]
    schema = case.before(1) if told["first"] else case.after(2)
    if not told["first"]:
        aaiclick.ensure_schema(url, case.before(1), policy=case.policy, database=database)
        feeds.fill(SimpleNamespace(command=partial(command, url)), database, 400)
    try:
        driving.Driver(connection).run(driving.ensuring(schema, database, case.policy, driving.DEAD), told["stop"])
    except driving.KilledError:
        return True
    return False


def main() -> int:
    """The earlier library first, then the lines."""
    checkout, url = sys.argv[1:3]
    sys.path.insert(0, checkout)
    import aaiclick

    assert aaiclick.__file__ is not None
    assert aaiclick.__file__.startswith(checkout), aaiclick.__file__
    opening = importlib.import_module("aaiclick.clients.opening")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        told = json.loads(line)
        connection = opening.open_url(url)
        killed = {"migration": migration, "case": case, "view": view}[told["kind"]](url, connection, told)
        connection.close()
        sys.stdout.write("killed\n" if killed else "ended\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
