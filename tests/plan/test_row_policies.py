"""Row policies: rows that they hide from the user who migrates are never taken for rows that are not there, and what a
policy reads is not changed under it unasked. An engine of its own, because policies come from its users file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

_POLICIES = {"hidden": "v &lt; 200", "renamed": "v &lt; 3", "masked": "v = 1", "filled": "v = 1", "stays": "v &lt; 200"}
_USERS = """<clickhouse><profiles><default/></profiles><users><default><password></password><profile>default</profile>
<access_management>{listed}</access_management><databases>{policies}</databases></default></users>
<quotas><default/></quotas></clickhouse>"""
_CHILD = """
import json, sys
import chdb.session
from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema
from aaiclick.errors import AaiclickError

session = chdb.session.Session(sys.argv[1])
def schema(version, columns, key="id", migrations=(), name="t"):
    listed = [Column(*column) for column in columns]
    return Schema("s", version=version, objects=[Table(name, listed, engine=MergeTree(order_by=key))], migrations=list(migrations))
COLUMNS = [("id", "UInt64"), ("v", "UInt8")]
found = {}
def case(database, after, fill, allow=(), label=""):
    session.query(f"CREATE DATABASE IF NOT EXISTS {database}")
    if fill:
        ensure_schema(session, schema(1, COLUMNS), database=database)
    for each in fill:
        session.query(each)
    try:
        said = ",".join(step.strategy for step in ensure_schema(session, after, database=database, policy=Policy.lossless().allow(*allow)).steps)
    except AaiclickError as error:
        said = f"{type(error).__name__}: {error}"
    rows = str(session.query(f"SELECT sum(rows) FROM system.parts WHERE database = '{database}' AND table = 't' AND active", "TSV")).strip()
    found[label or database] = [said, rows]

case("hidden", schema(2, [("id", "UInt64"), ("v", "Int8")]), ["INSERT INTO hidden.t SELECT number, 250 FROM numbers(10)"])
case("stays", schema(2, [*COLUMNS, ("more", "String")]), ["INSERT INTO stays.t SELECT number, 250 FROM numbers(10)"])
case("masked", schema(2, COLUMNS, ["v", "id"]), ["INSERT INTO masked.t SELECT number, number % 5 FROM numbers(100)", "DELETE FROM masked.t WHERE id = 1"])
filled = Migration(2, rebuild={"t": Rebuild(columns={"n": "v"}, where="v = 1")}, allow=["drop-rows t"])
case("filled", schema(2, [*COLUMNS, ("n", "UInt8")], migrations=[filled]), ["INSERT INTO filled.t SELECT number, number % 5 FROM numbers(100)"])
if sys.argv[2] == "1":
    w = schema(2, [("id", "UInt64"), ("w", "UInt8")], migrations=[Migration(2, renames={"t.v": "w"})])
    case("renamed", w, ["INSERT INTO renamed.t SELECT number, 2 FROM numbers(10)"])
    case("renamed", schema(2, [("id", "UInt64"), ("v", "UInt16")]), [], label="widened")
    case("renamed", schema(3, [("id", "UInt64"), ("v", "String")]), [], label="text")
    case("renamed", schema(3, [("id", "UInt64")]), [], ["drop-column t.v"], label="dropped")
    case("renamed", schema(3, COLUMNS, name="u", migrations=[Migration(3, renames={"t": "u"})]), [], label="moved")
    w = schema(3, [("id", "UInt64"), ("w", "UInt8")], migrations=[Migration(3, renames={"t.v": "w"})])
    case("renamed", w, [], ["leave-row-policy t.default", "retype t.w"], label="allowed")
print(json.dumps(found))
"""


@pytest.mark.parametrize("listed", [True, False])
def test_rows_that_a_policy_hides(tmp_path: Path, listed: bool) -> None:
    """``listed``: whether the user may see which policies there are."""
    policies = "".join(f"<{name}><t><filter>{text}</filter></t></{name}>" for name, text in _POLICIES.items())
    (tmp_path / "users.xml").write_text(_USERS.format(listed=int(listed), policies=policies))
    config = tmp_path / "config.xml"
    config.write_text(f"<clickhouse><users_config>{tmp_path}/users.xml</users_config></clickhouse>")
    place = f"{tmp_path}/data?config-file={config}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHILD, place, str(int(listed))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = cast("dict[str, list[str]]", json.loads(done.stdout.splitlines()[-1]))
    # An ALTER would have converted 250 to -6; a copy would have left the hidden rows behind.
    for database, rows, seen in (("hidden", 10, 0), ("masked", 100, 20), ("filled", 100, 20)):
        said, there = found[database]
        assert said.startswith("BlockedError: "), said
        assert f"{rows} rows are in t, and {seen} of them can be read: a row policy hides the others" in said
        assert there == str(rows)
    assert found["stays"] == ["alter", "10"]  # a new column rests on no row
    if listed:
        assert "--allow 'leave-row-policy t.default'" in found["renamed"][0]
        assert "reads v, which is called w then" in found["renamed"][0]
        assert found["widened"][0] == "mutate"  # the policy hides the same rows over UInt16
        assert "--allow 'leave-row-policy t.default'" in found["text"][0]
        assert "the row policy default reads v: every SELECT that it holds for would fail" in found["dropped"][0]
        assert "the row policy default stays on the name t" in found["moved"][0]
        assert found["allowed"][0].endswith("mutate"), found["allowed"]
