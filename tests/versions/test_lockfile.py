"""Lock files: what is written is read back, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaiclick.catalog.forms import (
    ColumnForm,
    ConstraintForm,
    DictionaryForm,
    IndexForm,
    ProjectionForm,
    TableForm,
    ViewForm,
)
from aaiclick.errors import MigrationError
from aaiclick.specs.schema import Schema
from aaiclick.versions.history import read_history
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedForm, LockedVersion, dump_lock, load_lock, read_lock
from aaiclick.versions.scripts import read_migrations

FULL = TableForm(
    "t",
    "ReplacingMergeTree",
    (
        ColumnForm(
            "k", "UInt64", "DEFAULT", "1", "ZSTD(1)", "a 'comment'\n", "d + toIntervalDay(1)", (("s", "1"),), "tdigest"
        ),
        ColumnForm("d", "Date"),
    ),
    arguments="d",
    indexes=(IndexForm("i", "k", "minmax", "1"),),
    projections=(ProjectionForm("p", "(SELECT k ORDER BY d)"),),
    constraints=(ConstraintForm("c", "CHECK", "k > 0"),),
    partition_by="toYYYYMM(d)",
    order_by="(k, d)",
    primary_key="k",
    settings=(("index_granularity", "8192"),),
    comment="naïve ✓",
)
VIEW = ViewForm("v", "SELECT k FROM t", (ColumnForm("k", "UInt64"),), materialized=True, to="t")
DICTIONARY = DictionaryForm("d", (ColumnForm("k", "UInt64"),), (("PRIMARY KEY", "k"),))
VARIABLES = {"t": {"ttl": ("d + toIntervalDay({days})", "")}}
LOCK = Lock(
    "app", (LockedVersion(1, {"t": FULL}, VARIABLES), LockedVersion(2, {"d": DICTIONARY, "t": FULL, "v": VIEW}))
)


def test_a_lock_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text(dump_lock(LOCK), encoding="utf-8")
    assert read_lock(tmp_path) == LOCK
    assert read_lock(tmp_path / LOCK_FILE) == LOCK
    assert dump_lock(load_lock(dump_lock(LOCK))) == dump_lock(LOCK)


def test_versions_are_in_order_of_number_whatever_the_file_says() -> None:
    content = {"format": 1, "schema": "s", "versions": {"10": {"objects": {}}, "9": {"objects": {}}}}
    assert [locked.version for locked in load_lock(json.dumps(content)).versions] == [9, 10]


def test_empty_fields_are_left_out() -> None:
    form = json.loads(
        dump_lock(Lock("s", (LockedVersion(1, {"t": TableForm("t", "Log", (ColumnForm("a", "UInt8"),))}),)))
    )["versions"]["1"]
    assert form == {
        "objects": {
            "t": {"kind": "table", "form": {"name": "t", "engine": "Log", "columns": [{"name": "a", "type": "UInt8"}]}}
        }
    }


text = st.text(max_size=8)
columns = st.builds(
    ColumnForm,
    text,
    text,
    st.sampled_from(["", "DEFAULT", "ALIAS"]),
    text,
    text,
    text,
    text,
    st.tuples(st.tuples(text, text)),
    text,
)
tables = st.builds(
    TableForm, text, text, st.lists(columns, max_size=3).map(tuple), ttl=text, order_by=text, comment=text
)
views = st.builds(ViewForm, text, text, st.lists(columns, max_size=2).map(tuple), st.booleans(), text)


@given(st.dictionaries(text, st.one_of(tables, views), max_size=3))
def test_any_form_survives(forms: dict[str, LockedForm]) -> None:
    lock = Lock("s", (LockedVersion(1, forms),))
    assert load_lock(dump_lock(lock)) == lock


def test_a_lock_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    assert read_lock(tmp_path / "other.json") is None
    assert read_lock("aaiclick.specs") is None


def test_a_package_that_is_not_there_is_an_error() -> None:
    with pytest.raises(
        MigrationError, match=r"^no\.such\.package: the migrations package cannot be imported: No module named 'no'"
    ):
        read_lock("no.such.package")


GOOD = {
    "format": 1,
    "schema": "s",
    "versions": {"1": {"objects": {"t": {"kind": "table", "form": {"name": "t", "engine": "Log", "columns": []}}}}},
}


def changed(**parts: object) -> str:
    return json.dumps({**GOOD, **parts})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ('{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}', "holds both sides of a merge"),
        ("[]", "has format None, this release reads format 1"),
        (changed(format=2), "has format 2, this release reads format 1"),
        (changed(schema=3), "schema: "),
        (changed(versions={"one": {"objects": {}}}), "versions.one"),
        (changed(versions={"1": {"objects": {"t": {"kind": "stream", "form": {}}}}}), "versions.1.objects.t.kind"),
        (changed(versions={"1": {"objects": {"t": {"kind": "table", "form": {"name": "t"}}}}}), "engine"),
        (changed(more=1), "holds fields that this release does not know"),
        (
            changed(
                versions={
                    "1": {
                        "objects": {
                            "t": {"kind": "table", "form": {"name": "t", "engine": "Log", "columns": [], "x": 1}}
                        }
                    }
                }
            ),
            "holds fields",
        ),
    ],
)
def test_what_is_no_lock_is_refused_with_a_reason(content: str, problem: str) -> None:
    with pytest.raises(MigrationError) as caught:
        load_lock(content, "app/schema.lock.json")
    assert str(caught.value).startswith("app/schema.lock.json: ")
    assert problem in str(caught.value)


def test_the_file_of_the_good_example_is_read() -> None:
    assert load_lock(json.dumps(GOOD)).versions[0].forms["t"] == TableForm("t", "Log", ())


def test_a_file_that_is_no_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_bytes(b'{\n"caf\xe9": 1}')
    with pytest.raises(
        MigrationError, match=r"schema.lock.json, line 2: byte 0xe9 is no UTF-8: save the file as UTF-8"
    ):
        read_lock(tmp_path)
    (tmp_path / LOCK_FILE).write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    lock = read_lock(tmp_path)
    assert lock is not None
    assert lock.schema == "s"
    (tmp_path / "0002_x.sql").write_bytes(b"-- title: caf\xe9\n-- strategy: derived\n")
    with pytest.raises(MigrationError, match=r"0002_x.sql, line 1: byte 0xe9"):
        read_migrations(tmp_path)


def test_the_lock_of_another_schema_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two projects in folders of which both are looked at, and both call their package the same."""
    package = tmp_path / "locks_of_the_other"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "schema.lock.json").write_text(dump_lock(Lock("shop", ())), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MigrationError, match=r"is of the schema shop, not of app\. Each schema") as caught:
        read_history(Schema("app", version=1, migrations="locks_of_the_other"))
    assert str(package / "schema.lock.json") in str(caught.value)
