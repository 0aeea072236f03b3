"""A plan says what its user may not do; and a disk that is full leaves the table as it was."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.apply.rebuild import rebuild
from aaiclick.clients.opening import open_url
from aaiclick.commands.rights import missing_rights
from aaiclick.errors import AaiclickError, ApplyError, StatementError
from aaiclick.plan.model import Plan
from aaiclick.routine import Query, Routine, run
from aaiclick.testing import EngineServer

TARGET = Schema(
    "case",
    version=2,
    objects=[Table("t", columns=[Column("k", "UInt64"), Column("v", "String")], engine=MergeTree(order_by=["v", "k"]))],
)
OLD = "CREATE TABLE t (k UInt64, v String) ENGINE = MergeTree ORDER BY k"


def asked(plan: Plan, denied: tuple[str, ...]) -> tuple[list[str], tuple[str, ...]]:
    """What was asked, and what is said where these rights are missing."""
    routine, seen = missing_rights(plan), list[str]()
    try:
        effect = next(routine)
        while True:
            assert isinstance(effect, Query)
            seen.append(effect.sql)
            effect = routine.send(((int(not any(effect.sql.startswith(f"CHECK GRANT {right}") for right in denied)),),))
    except StopIteration as end:
        found: tuple[str, ...] = end.value
        return seen, found


@pytest.fixture
def plan(aaiclick_server: EngineServer, aaiclick_server_database: str) -> Plan:
    client = aaiclick_server.client(database=aaiclick_server_database)
    client.command(OLD)
    client.close()
    return plan_schema(aaiclick_server.url, TARGET, database=aaiclick_server_database)


def test_missing_rights_are_in_the_plan(plan: Plan) -> None:
    assert plan.notes == ()
    assert [step.strategy for step in plan.steps] == ["rebuild"]
    seen, said = asked(plan, ("SYSTEM", "CREATE DATABASE", "KILL"))
    assert f"CHECK GRANT SYSTEM MERGES ON `{plan.database}`.*" in seen
    assert [sentence.partition(":")[0] for sentence in said] == [
        "this user may not create databases",
        "this user may not KILL QUERY",
        f"this user may not SYSTEM STOP MERGES in {plan.database}",
    ]
    stops = replace(plan.steps[0], sql=["SYSTEM STOP VIEW `d`.`v`"])
    _, said = asked(replace(plan, steps=(stops,)), ("SYSTEM VIEWS",))
    assert [sentence.partition(":")[0] for sentence in said] == [
        f"this user may not SYSTEM STOP VIEW in {plan.database}"
    ]
    refreshes = replace(plan.steps[0], sql=["SYSTEM REFRESH VIEW `d`.`v`"])
    _, said = asked(replace(plan, steps=(refreshes,)), ("SYSTEM VIEWS",))
    assert [sentence.partition(":")[0] for sentence in said] == [
        f"this user may not SYSTEM REFRESH VIEW in {plan.database}"
    ]
    _, said = asked(plan, ("INSERT",))
    assert said == (
        f"this user may not INSERT in {plan.database}: nothing of this plan can be carried out before that is granted",
    )


def test_the_server_understands_what_is_asked(plan: Plan, aaiclick_server: EngineServer) -> None:
    for sql in (*asked(plan, ())[0], "CHECK GRANT SYSTEM VIEWS ON d.*"):
        assert aaiclick_server.command(sql) == "1\n", sql
    connection = open_url(aaiclick_server.url)
    assert run(missing_rights(plan), connection) == ()
    assert connection.query(Query("CHECK GRANT SELECT ON d.*")) == ((1,),)  # no other query takes no FORMAT
    connection.close()


def test_a_server_that_cannot_tell_is_not_asked_twice(plan: Plan) -> None:
    routine = missing_rights(plan)
    next(routine)
    with pytest.raises(StopIteration) as end:
        routine.throw(StatementError("Code: 62. DB::Exception: Syntax error", 62, "SYNTAX_ERROR", ""))
    assert end.value.value == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """46 MiB. Only the superuser may mount."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=46m", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the look beforehand refuses; then somebody else fills the disk while the copy is under way."""
    with EngineServer(small_disk / "data") as server:
        client = server.client(database="default")
        for statement in (OLD, "INSERT INTO t SELECT number, toString(cityHash64(number)) FROM numbers(1200000)"):
            client.command(statement)
        client.close()
        policy = Policy.lossless()
        before = server.command("SHOW CREATE TABLE t")
        with pytest.raises(
            ApplyError,
            match=r"a "
            r"rebuild "
            r"needs "
            r".* "
            r"MiB "
            r"beside "
            r"the "
            r"old "
            r"table, "
            r"but "
            r"disk "
            r"default "
            r"has "
            r".* "
            r"left. "
            r"Nothing "
            r"was "
            r"changed: "
            r"make "
            r"room",
        ):
            ensure_schema(server.url, TARGET, policy=policy)
        assert server.command("SHOW CREATE TABLE t") == before

        def roomy(*_: object) -> Routine[None]:
            yield from ()

        monkeypatch.setattr(rebuild, "require_room", roomy)
        with pytest.raises(AaiclickError, match=r"NOT_ENOUGH_SPACE|No space left on device"):
            ensure_schema(server.url, TARGET, policy=policy)
        assert server.command("SHOW CREATE TABLE t") == before
        assert server.command("SELECT count(), uniqExact(k) FROM t") == "1200000\t1200000\n"
        assert (
            server.command(
                "SELECT name FROM system.tables WHERE database = 'default' AND match(name, "
                "'_aaiclick_(new|stage|mark|lock$)')"
            )
            == ""
        )
