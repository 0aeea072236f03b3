"""The file of ``aaiclick status --metrics-file``."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from prometheus_client.parser import text_string_to_metric_families

from aaiclick import ensure_schema, validate_schema
from aaiclick.cli.main import main
from aaiclick.commands.report import KeptTable, Status
from aaiclick.errors import UsageError
from aaiclick.metrics.catalogue import IN_FILE
from aaiclick.metrics.textfile import exposition, replace_file
from aaiclick.testing import EngineServer
from tests.metrics.promtool import promtool
from tests.metrics.schemas import V1, V2

KEPT = KeptTable("_aaiclick_old_1_t", "t", 10, 1 << 60, "2026-11-30T03:17:36+00:00")
ODD = 'the "odd" \\ one\nof <two> lines'


def figures(text: str) -> dict[str, float]:
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def found(**changed: object) -> Status:
    given: dict[str, object] = {
        "schema": "shop", "database": "app", "server": "26.9", "live_version": 2, "code_version": 3, "state": "behind",
        "in_sync": False, "differences": ("t: x",), "notes": (), "kept_tables": (KEPT,), "unfinished": "", "fenced": ("t",),
        **changed,
    }  # fmt: skip
    return Status(**given)  # type: ignore[arg-type]


def test_every_line_is_there_and_prometheus_reads_it() -> None:
    text = exposition("shop", {"app": found()}, 1795922256.5)
    assert figures(text) == {
        "aaiclick_up": 1, "aaiclick_schema_version": 2, "aaiclick_schema_expected_version": 3, "aaiclick_schema_in_sync": 0,
        "aaiclick_unfinished_work": 0, "aaiclick_fenced_tables": 1, "aaiclick_kept_tables": 1,
        "aaiclick_kept_tables_size_bytes": 1 << 60, "aaiclick_kept_tables_expiry_timestamp_seconds": 1796008656,
        "aaiclick_status_timestamp_seconds": 1795922256.5, "aaiclick_build_info": 1,
    }  # fmt: skip
    assert len(figures(text)) == len(IN_FILE)
    promtool(["check", "metrics"], text)


def test_what_is_not_known_has_no_line_and_odd_names_are_escaped() -> None:
    text = exposition(
        ODD, {ODD: found(schema=ODD, live_version=None, code_version=None, kept_tables=(), unfinished="a")}, 1.0
    )
    there = figures(text)
    assert {"aaiclick_schema_version", "aaiclick_schema_expected_version"}.isdisjoint(there)
    assert "aaiclick_kept_tables_expiry_timestamp_seconds" not in there
    assert there["aaiclick_unfinished_work"] == 1
    labels = [sample.labels for family in text_string_to_metric_families(text) for sample in family.samples]
    assert {each["schema"] for each in labels if "schema" in each} == {ODD}
    promtool(["check", "metrics"], text)
    assert figures(exposition("shop", {"app": None}, 1.0)) == {"aaiclick_up": 0, "aaiclick_build_info": 1}


def test_a_reader_never_sees_a_half(tmp_path: Path) -> None:
    target = tmp_path / "shop.prom"
    texts = {"a" * 200_000, "b" * 300_000}
    replace_file(target, "a" * 200_000)
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(target.read_text(encoding="utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        for text in sorted(texts):
            replace_file(target, text)
    stop.set()
    reader.join()
    assert seen <= texts
    assert list(tmp_path.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.prom").symlink_to(tmp_path / "real" / "shop.prom")
    replace_file(tmp_path / "link.prom", "x")
    assert (tmp_path / "link.prom").is_symlink()
    assert (tmp_path / "real" / "shop.prom").read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize("path", ["missing/shop.prom", "folder", "x" * 300, "nul\0"])
def test_where_it_cannot_be_written_one_sentence_says_so(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        replace_file(tmp_path / path, "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="it is no regular file"):
        replace_file(tmp_path / "pipe", "x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "shop.prom"
    replace_file(target, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left on device"):
        replace_file(target, "new")
    assert target.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["shop.prom"]


def test_the_command(
    aaiclick_server: EngineServer, aaiclick_server_client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "shop.prom"
    place = f"{aaiclick_server.url}/{aaiclick_server_client.database}"
    ensure_schema(aaiclick_server_client, V1)
    status = ["status", "--schema", "tests.metrics.schemas:V2", "--metrics-file", str(target)]
    assert main([*status, "--url", place]) == 1
    assert "code expects v2" in capsys.readouterr().out
    there = figures(target.read_text(encoding="utf-8"))
    assert (there["aaiclick_schema_version"], there["aaiclick_schema_expected_version"]) == (1, 2)
    assert there["aaiclick_fenced_tables"] == 0
    aaiclick_server_client.command("ALTER TABLE t MODIFY SETTING table_readonly = 1")
    assert validate_schema(aaiclick_server_client, V2).fenced == ("t",)
    assert main([*status, "--url", place]) == 1
    assert "writers are refused: t" in capsys.readouterr().out
    assert figures(target.read_text(encoding="utf-8"))["aaiclick_fenced_tables"] == 1
    assert main([*status, "--url", "clickhouse://127.0.0.1:1/x"]) == 2
    assert figures(target.read_text(encoding="utf-8")) == {"aaiclick_up": 0, "aaiclick_build_info": 1}
    capsys.readouterr()
    assert main([*status[:-1], str(tmp_path / "no" / "file"), "--url", place]) == 2
    assert f"there is no folder {tmp_path / 'no'}" in capsys.readouterr().err
    other = tmp_path / "other.prom"
    other.write_text("# HELP other Of somebody else.\nother 1\n", encoding="utf-8")
    assert main([*status[:-1], str(other), "--url", place]) == 2
    assert "holds something else than metrics of aaiclick: name another file" in capsys.readouterr().err
    assert "other 1" in other.read_text(encoding="utf-8")


def test_many_databases_are_in_one_file(
    aaiclick_server: EngineServer, aaiclick_server_client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its own figures; what the collector reads has no line twice."""
    first = str(aaiclick_server_client.database)
    names = [first, f"{first}_b"]
    aaiclick_server_client.command(f"CREATE DATABASE `{names[1]}`")
    target = tmp_path / "all.prom"
    try:
        ensure_schema(aaiclick_server_client, V1)
        status = [
            "status",
            "--schema",
            "tests.metrics.schemas:V2",
            "--metrics-file",
            str(target),
            "--database",
            f"{first}*",
        ]
        assert main([*status, "--url", aaiclick_server.url]) == 1
        text = target.read_text(encoding="utf-8")
        promtool(["check", "metrics"], text)
        versions = {
            s.labels["database"]: s.value
            for f in text_string_to_metric_families(text)
            for s in f.samples
            if s.name == "aaiclick_schema_version"
        }
        assert versions == {names[0]: 1, names[1]: 0}
        lines = [line.partition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
        assert len(set(lines)) == len(lines)
        assert sum(line.startswith("aaiclick_up{") for line in lines) == 2
        # Nothing could be asked: nobody may take the old figures for new ones.
        assert main([*status, "--url", "clickhouse://127.0.0.1:1"]) == 2
        assert f'aaiclick_up{{schema="shop",database="{first}*"}} 0' in target.read_text(encoding="utf-8")
    finally:
        aaiclick_server_client.command(f"DROP DATABASE `{names[1]}`")


def test_a_database_that_is_called_as_the_rest_has_no_second_line() -> None:
    text = exposition("shop", dict.fromkeys(["other", "x", "y", "z"]), 0.0, label_values=2)
    assert [line.split('"')[3] for line in text.splitlines() if line.startswith("aaiclick_up")] == ["x", "y", "other"]
    text = exposition("shop", dict.fromkeys(["other", "x"]), 0.0, label_values=2)
    assert [line.split('"')[3] for line in text.splitlines() if line.startswith("aaiclick_up")] == ["other", "x"]
