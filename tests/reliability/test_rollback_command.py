"""``aaiclick rollback`` as an operator calls it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from aaiclick import Policy
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.main import main
from aaiclick.oplog import init_oplog_tables
from aaiclick.testing import EngineServer
from tests.oplog.states import PLAIN


@pytest.fixture
def url(aaiclick_server: EngineServer, aaiclick_server_database: str) -> str:
    """A database that came from version 1 to version 5, and had a row deleted since."""
    client = aaiclick_server.client(database=aaiclick_server_database)
    for statement in PLAIN[0].statements:
        client.command(statement)
    init_oplog_tables(client, policy=Policy.lossless())
    client.command("DELETE FROM operation_log WHERE id = (SELECT min(id) FROM operation_log)")
    client.close()
    return f"{aaiclick_server.url}/{aaiclick_server_database}"


def test_there_is_a_way_back_and_it_is_asked_for_by_name(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "--dry-run", "--url", url]) == ExitCode.PENDING
    said = capsys.readouterr().out
    assert "oplog would roll back from v5 to v1" in said
    assert "--allow 'deletes operation_log'" in said
    assert "note: task_logs stays: the older version does not know it" in said
    assert main(["rollback", "--url", url]) == ExitCode.PENDING
    refused = capsys.readouterr().err
    assert f"aaiclick rollback --url {url} --allow 'deletes operation_log'" in refused
    assert main(["rollback", "--to", "3", "--url", url]) == ExitCode.ERROR
    assert "can only roll back to v1" in capsys.readouterr().err
    assert main(["rollback", "--json", "--allow", "deletes operation_log", "--url", url]) == ExitCode.DONE
    report = json.loads(capsys.readouterr().out)
    assert (report["from_version"], report["to_version"], report["in_sync"]) == (5, 1, True)
    assert [step["object"] for step in report["steps"]] == ["operation_log"]
    assert main(["rollback", "--url", url]) == ExitCode.PENDING
    assert "no earlier version to roll back to" in capsys.readouterr().err


def test_how_long_the_old_table_is_kept_can_be_said(
    aaiclick_server: EngineServer,
    aaiclick_server_database: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"{aaiclick_server.url}/{aaiclick_server_database}"
    client = aaiclick_server.client(database=aaiclick_server_database)
    for statement in PLAIN[0].statements:
        client.command(statement)
    client.close()
    monkeypatch.setenv("AAICLICK_KEEP_OLD", "0")
    assert main(["migrate", "--keep-old", "soon", "--url", url]) == ExitCode.ERROR
    assert "'soon' is no length of time" in capsys.readouterr().err
    assert main(["migrate", "--keep-old", "2h", "--url", url]) == ExitCode.DONE
    capsys.readouterr()
    assert main(["status", "--json", "--url", url]) == ExitCode.DONE
    (kept,) = json.loads(capsys.readouterr().out)["kept_tables"]
    assert kept["table"] == "operation_log"
    assert kept["rows"] > 0
    assert kept["bytes"] > 0
    left = datetime.fromisoformat(kept["expires"]) - datetime.now(timezone.utc)
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    assert main(["status", "--url", url]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "kept for a rollback: 1" in shown
    assert kept["expires"][:16].replace("T", " ") in shown.replace("T", " ")
    assert "enable_block_number_column" not in shown
    assert main(["rollback", "--url", url]) == ExitCode.DONE
    # The environment says 0; what was the newest table stays an hour all the same.
    capsys.readouterr()
    assert main(["status", "--json", "--url", url]) == ExitCode.PENDING
    (kept,) = json.loads(capsys.readouterr().out)["kept_tables"]
    assert timedelta(0) < datetime.fromisoformat(kept["expires"]) - datetime.now(timezone.utc) <= timedelta(hours=1)
    assert main(["migrate", "--url", url]) == ExitCode.DONE
    capsys.readouterr()
    assert main(["status", "--json", "--url", url]) == ExitCode.DONE
    # Only the one of the way back is there: the environment's 0 kept none of this rebuild.
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["kept_tables"]] == [kept["name"]]
