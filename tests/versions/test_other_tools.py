"""Folders of other tools are told by their files, whatever else is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.errors import MigrationError
from aaiclick.versions.scripts import read_migrations


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("000001_init.up.sql", "CREATE TABLE t (a UInt8) ENGINE = Memory", "golang-migrate"),
        ("1_init.down.sql", "DROP TABLE t", "golang-migrate"),
        ("00001_init.sql", "-- +goose Up\nCREATE TABLE t (a UInt8) ENGINE = Memory;\n-- +goose Down\n", "goose"),
        ("20240101120000_init.sql", "\n-- migrate:up\nSELECT 1\n\n-- migrate:down\n", "dbmate"),
    ],
)
def test_a_folder_of_another_tool_is_told_as_what_it_is(tmp_path: Path, name: str, text: str, tool: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(MigrationError) as caught:
        read_migrations(tmp_path)
    assert f"{name}: is a file of {tool}, with statements for the way up and down" in str(caught.value)
    assert str(caught.value).endswith(f"take the database over with: aaiclick adopt --from {tool}")


def test_a_comment_about_another_tool_is_a_comment(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("-- title: no longer -- +goose Up, nor migrate:up\n-- strategy: derived\n")
    assert [script.version for script in read_migrations(tmp_path)] == [1]
