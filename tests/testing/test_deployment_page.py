"""What docs/deployment.md shows is run: the application, the job's command, the unit's, the listener."""

from __future__ import annotations

import asyncio
import configparser
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema, validate_schema
from aaiclick.testing.engine import EmbeddedEngine
from tests.support.pages import ROOT, environment
from tests.support.resident import resident

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
SHOP = """
from aaiclick import Column, MergeTree, Schema, Table

SHOP = Schema("shop", version=1, objects=[Table("t", [Column("a", "UInt8")], engine=MergeTree(order_by=["a"]))])
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def shop() -> Schema:
    return Schema("shop", version=1, objects=[Table("t", [Column("a", "UInt8")], engine=MergeTree(order_by=["a"]))])


def test_nothing_on_the_page_goes_unseen() -> None:
    kinds = re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)
    assert sorted(kinds) == ["ini", "python", "python", "yaml"]


def test_the_application_has_its_schema_when_it_has_started(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = ModuleType("shop")
    vars(declared).update(SHOP=shop(), URL=aaiclick_client)
    monkeypatch.setitem(sys.modules, "shop", declared)
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)

    async def start() -> None:
        async with names["app"].router.lifespan_context(names["app"]):
            assert validate_schema(aaiclick_client, shop()).in_sync

    asyncio.run(start())


def test_the_listener_is_told(aaiclick_client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    ensure_schema(aaiclick_client, shop(), on_event=names["tell"])
    said = capsys.readouterr().out
    assert "StepStarted(" in said
    assert "StepDone(" in said


def _command_of_the_job() -> list[str]:
    (text,) = blocks("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert [each["name"] for each in container["env"]] == ["AAICLICK_CH_URL"]
    return [str(word) for word in container["command"]]


def _command_of_the_unit() -> list[str]:
    (text,) = blocks("ini")
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    assert unit["Service"]["Environment"].startswith("AAICLICK_CH_URL=clickhouse://")
    return shlex.split(unit["Service"]["ExecStartPre"])


@pytest.mark.parametrize("command", [_command_of_the_job(), _command_of_the_unit()], ids=["job", "unit"])
def test_the_commands_work(tmp_path: Path, command: list[str]) -> None:
    assert Path(command[0]).name == "aaiclick"
    (tmp_path / "shop.py").write_text(SHOP)
    done = resident().aaiclick(command[1:], tmp_path, {**environment(), "AAICLICK_CH_URL": "chdb://data"})
    assert done.code == 0, done.stderr
    assert "shop is at v1" in done.stdout
