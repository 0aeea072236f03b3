"""The published JSON Schemas are those of the code, and real runs print what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import ensure_schema
from aaiclick.cli.machine.lines import FORMAT
from aaiclick.cli.machine.schemas import DOCUMENTS, EVENTS
from aaiclick.cli.main import build
from aaiclick.events import Event
from aaiclick.testing import EngineServer
from tests.cli import published
from tests.cli.conftest import Ran, Script
from tests.cli.make_schemas import FOLDER, files
from tests.metrics.schemas import V1


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12), reason="older pydantic spells them otherwise"
)
def test_the_published_files_are_those_of_the_code() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == files()


def test_every_command_with_json_has_one() -> None:
    commands = {
        command.callback.__name__
        for command in build(rich_help=False).registered_commands
        if command.callback is not None and "json" in command.callback.__annotations__
    }
    assert commands <= DOCUMENTS.keys()
    assert set(get_args(Event)) < set(EVENTS)


def described(schema: Any, path: str = "") -> list[str]:
    """Objects and fields without a text."""
    if not isinstance(schema, dict):
        return []
    missing = [
        f"{path}.{name}"
        for name, field in schema.get("properties", {}).items()
        if "description" not in field and "$ref" not in field
    ]
    return missing + [each for name, part in schema.get("$defs", {}).items() for each in described(part, name)]


@pytest.mark.parametrize("name", sorted({*DOCUMENTS, "progress"} - {"plan", "reflect"}))
def test_every_field_is_described(name: str) -> None:
    """But those of plans and declarations that are said in docs/api.md."""
    found = described(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
    assert [
        each for each in found if not each.startswith(("SettingDocument.", "HookSettingDocument.", "TakenOverTable."))
    ] == []


def test_what_is_wrong_is_found(script: Script, run: Callable[..., Ran]) -> None:
    from jsonschema import ValidationError

    with pytest.raises(ValidationError):
        published.hold(["check"], {"schema": "x", "version": "1", "released": None, "problems": []})
    with pytest.raises(ValidationError):
        published.hold(["check"], {"schema": "x", "version": 1, "released": None, "problems": [], "more": 1})
    with pytest.raises(ValidationError):
        published.stream('{"format": 1, "at": "2026-01-01T00:00:00Z", "event": "NeverHeardOf"}')


def test_a_whole_life_on_a_server(
    aaiclick_server: EngineServer, aaiclick_server_client: Client, run: Callable[..., Ran]
) -> None:
    place = ["--url", f"{aaiclick_server.url}/{aaiclick_server_client.database}"]

    def at(version: int) -> list[str]:
        return [*place, "--schema", f"tests.metrics.schemas:V{version}"]

    def answer(code: int, *arguments: str) -> Any:
        ran = run(*arguments, "--json")
        assert ran.code == code, ran.stdout + ran.stderr
        return ran.document

    assert answer(1, "status", *at(1))["state"] == "empty"
    assert answer(1, "migrate", "--dry-run", *at(2))["steps"]
    ran = run("migrate", "--json", "--progress", "json", *at(2))
    assert ran.code == 0
    assert len(ran.document["steps"]) == 3
    lines = published.stream(ran.stderr)
    assert [line["event"] for line in lines].count("StepDone") == 3
    assert {line["format"] for line in lines} == {FORMAT}
    assert (lines[-1]["event"], lines[-1]["code"]) == ("Ended", 0)
    aaiclick_server_client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(100)")
    refused = run("migrate", "--json", "--progress", "json", "--policy", "safe", *at(3))
    assert refused.code == 1
    assert refused.document["error"]["type"] == "SchemaVersionError"
    assert [line["event"] for line in published.stream(refused.stderr)][-2:] == ["Failed", "Ended"]
    assert answer(0, "migrate", *at(3))["steps"][0]["strategy"] == "rebuild"
    status = answer(0, "status", *at(3))
    assert [kept["table"] for kept in status["kept_tables"]] == ["t"]
    assert answer(1, "rollback", "--dry-run", *at(3))["pending"]
    back = run("rollback", "--json", "--progress", "json", *at(3))
    assert back.code == 0, back.stderr
    assert published.stream(back.stderr)[-1]["code"] == 0
    assert [record["version"] for record in answer(0, "history", *at(3))["records"]] == [2, 3, 2]
    assert answer(0, "reflect", *place)["objects"]
    assert answer(0, "ddl", "--schema", "tests.metrics.schemas:V3")["statements"]
    answer(0, "config", *at(3))
    answer(2, "adopt", "--version", "7", *at(3))
    answer(2, "status", "--url", "clickhouse://127.0.0.1:1/x", "--schema", "tests.metrics.schemas:V3")


def test_a_plain_answer_with_progress_for_programs(
    aaiclick_server: EngineServer, aaiclick_server_client: Client, run: Callable[..., Ran], tmp_path: Path
) -> None:
    """stdout stays for people; all of stderr is objects, whatever happens."""
    place = [
        "--url",
        f"{aaiclick_server.url}/{aaiclick_server_client.database}",
        "--schema",
        "tests.metrics.schemas:V1",
    ]
    ran = run("migrate", "--progress", "json", *place)
    assert ran.stdout.startswith("✓ shop is at v1")
    assert published.stream(ran.stderr)[-1]["event"] == "Ended"
    ensure_schema(aaiclick_server_client, V1)
    gone = run("rollback", "--progress", "json", *place)
    assert gone.code == 1
    assert gone.stdout == ""
    assert [line["event"] for line in published.stream(gone.stderr)] == ["Failed", "Ended"]
    plain = run("migrate", "--progress", "plain", *place)
    assert plain.stderr == ""
