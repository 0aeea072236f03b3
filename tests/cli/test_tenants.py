"""One command for many databases, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.cli import published
from tests.cli.conftest import Ran

SCHEMAS = "tests.metrics.schemas"


@pytest.fixture
def three(aaiclick_server: EngineServer) -> Iterator[str]:
    """Three empty databases; what their names begin with."""
    prefix, client = fresh_name("many"), aaiclick_server.client()
    names = [f"{prefix}_{letter}" for letter in "abc"]
    for name in names:
        client.command(f"CREATE DATABASE `{name}` ENGINE = Atomic")
    yield prefix
    for name in names:
        client.command(f"DROP DATABASE `{name}`")
    client.close()


def test_from_the_first_version_to_the_next(aaiclick_server: EngineServer, three: str, run: Callable[..., Ran]) -> None:
    place = ["--url", aaiclick_server.url, "--database", f"{three}_*"]
    first, second = [*place, "--schema", f"{SCHEMAS}:V1"], [*place, "--schema", f"{SCHEMAS}:V3"]
    made = run("migrate", *first)
    assert made.code == 0
    assert made.stderr.startswith(f"3 databases match {three}_*\n")
    assert made.stdout.startswith("✓ shop v1 in 3 databases: 3 migrated\n")
    assert made.stdout.count("empty -> v1") == 3
    assert run("migrate", *first, "--jobs", "2").stdout == "✓ shop v1 in 3 databases: 3 in sync\n"
    client = aaiclick_server.client(database=f"{three}_b")
    client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(100)")
    client.close()
    # Two are empty: there the sort key is changed without a copy of rows, and the same steps are one group.
    plan = run("migrate", "--dry-run", *second)
    assert plan.code == 1
    assert f"-- 2 databases: {three}_a, {three}_c" in plan.stdout
    assert plan.stdout.rstrip().splitlines()[-1].startswith(f"-- run: aaiclick migrate --url {aaiclick_server.url}")
    document = run("migrate", "--dry-run", "--json", *second).document
    assert sorted(name for group in document["groups"] for name in group["databases"]) == [
        f"{three}_{letter}" for letter in "abc"
    ]
    behind = run("status", *second)
    assert behind.code == 1
    assert behind.stdout.startswith("✗ shop v3 in 3 databases: 3 behind\n")
    refused = run("migrate", *second, "--policy", "safe", "--json", "--progress", "json")
    assert refused.code == 1
    states = {tenant["database"]: tenant["state"] for tenant in refused.document["tenants"]}
    assert states[f"{three}_b"] == "refused"
    lines = published.stream(refused.stderr)
    assert [line["database"] for line in lines if line["event"] == "TenantDone"] == sorted(states)
    assert lines[-1] == {**lines[-1], "event": "Ended", "code": 1}
    told = run("migrate", *second, "--policy", "safe")
    assert told.stdout.startswith("✗ shop v3 in 3 databases: 3 refused\n")
    assert told.stderr.count("shop is at v1, code expects v3") == 1  # the same sentence is said once
    assert run("migrate", *second).code == 0
    assert run("status", *second).stdout == "✓ shop v3 in 3 databases: 3 in sync\n"
    assert run("status", "--json", *second).document["states"] == {"in sync": 3}
    ahead = run("status", *first)
    assert ahead.code == 1
    assert ahead.stdout.startswith("✗ shop v1 in 3 databases: 3 ahead\n")
    assert "run:" not in ahead.stdout  # migrate could only refuse
    backwards = run("migrate", "--dry-run", *first)
    assert (backwards.code, backwards.stdout) == (1, "")
    assert "shop is at v3, code expects v1" in backwards.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["migrate", "--database", "no_such_*"], "no database matches 'no_such_*'"),
        (["status", "--database", "no_such_?"], "no database matches 'no_such_?'"),
        (["migrate", "--database", "default", "--jobs", "2"], "--jobs goes with a pattern"),
        (["status", "--jobs", "2"], "--jobs goes with a pattern"),
        (["migrate", "--database", "d*", "--jobs", "0"], "--jobs 0: a number from 1 on is wanted"),
    ],
)
def test_what_is_wrong_is_said(
    aaiclick_server: EngineServer, run: Callable[..., Ran], arguments: list[str], said: str
) -> None:
    ran = run(*arguments, "--url", aaiclick_server.url, "--schema", f"{SCHEMAS}:V1")
    assert ran.code == 2
    assert said in ran.stderr


def test_a_schema_has_to_be_named(aaiclick_server: EngineServer, run: Callable[..., Ran]) -> None:
    """Nothing tells that a pattern means databases of the oplog."""
    ran = run("migrate", "--database", "d*", "--url", aaiclick_server.url)
    assert ran.code == 2
    assert "nothing says which schema is meant" in ran.stderr


def test_what_is_carried_out_is_what_was_agreed_to(
    aaiclick_server: EngineServer, three: str, run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the question is open, one of the databases gets a difference that nobody was asked about."""
    place = ["--url", aaiclick_server.url, "--database", f"{three}_*"]
    assert run("migrate", *place, "--schema", f"{SCHEMAS}:V1").code == 0
    for name in (f"{three}_a", f"{three}_b"):
        with aaiclick_server.client(database=name) as client:
            client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(100)")
    asked: list[str] = []

    def answered(_: object, text: str) -> bool:
        asked.append(text)
        with aaiclick_server.client(database=f"{three}_b") as client:
            client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(50000)")
        return True

    monkeypatch.setattr("aaiclick.cli.approval.question.confirmed", answered)
    monkeypatch.setattr("aaiclick.cli.approval.question.is_asked", lambda *_: True)
    ran = run("migrate", *place, "--schema", f"{SCHEMAS}:V3")
    assert asked == ["Carry that out in 3 databases? [y/N] "]
    assert ran.code == 1
    assert ran.stdout.startswith("✗ shop v3 in 3 databases: 2 migrated, 1 refused\n")
    assert ran.stderr.count("what would be done now is not what was approved: ") == 1
    assert "50,100 rows" in ran.stderr
    with aaiclick_server.client(database=f"{three}_b") as client:
        assert client.command("SELECT count() FROM t") == 50100
    assert ran.stdout.rstrip().splitlines()[-1].startswith(f"run: aaiclick migrate --url {aaiclick_server.url}")
