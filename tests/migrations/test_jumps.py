"""From version 1 to 5 in one plan: one rewrite for each table, explicit parts in version order, each thing once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, names, records, rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

V1 = table(Column("args", "Array(String)"), Column("n", "String"))
FOLD = Migration(
    2, rebuild={"t": Rebuild(columns={"kw": "mapFromArrays(arrayMap(kw -> concat('k', kw), args), args)"})}
)


def fill(client: Client, *tables: object) -> None:
    ensure_schema(client, schema(1, V1))
    client.command("INSERT INTO t SELECT number, [toString(number), 'x'], toString(number) FROM numbers(5)")


def strategies(report: object) -> list[str]:
    return [step.strategy for step in report.steps]  # type: ignore[attr-defined]


def test_expressions_of_several_versions_go_into_one_copy(aaiclick_client: Client) -> None:
    """``kw`` of version 3 is what version 2 made of ``args``; a lambda's own ``kw`` is its own."""
    client = aaiclick_client
    fill(client)
    third = Migration(
        3,
        rebuild={
            "t": Rebuild(
                columns={"size": "length(kw) + length(n)", "kw": "mapUpdate(kw, map('z', n))"},
                where="kw['kx'] = 'x' AND id != 3",
            )
        },
    )
    last = table(Column("kw", "Map(String, String)"), Column("n", "String"), Column("size", "UInt8"), order="n")
    report = ensure_schema(
        client, schema(3, last, migrations=[FOLD, third]), policy=Policy.lossless().allow("drop-rows t")
    )
    assert strategies(report) == ["rebuild"]
    expected = [(i, {f"k{i}": str(i), "kx": "x", "z": str(i)}, str(i), 3) for i in (0, 1, 2, 4)]
    assert rows(client, "t", "id, kw, n, size") == expected


def test_an_older_name_is_followed_through_renames_of_columns_and_tables(aaiclick_client: Client) -> None:
    client = aaiclick_client
    fill(client)
    migrations = [
        Migration(2, renames={"t.n": "m"}),
        Migration(3, renames={"t": "u"}, rebuild={"u": Rebuild(columns={"twice": "concat(m, m)"})}),
        Migration(4, renames={"u.m": "number", "u": "w"}),
    ]
    last = table(Column("args", "Array(String)"), Column("number", "String"), Column("twice", "String"), name="w")
    report = ensure_schema(client, schema(4, last, migrations=migrations))
    assert strategies(report) == ["alter", "rebuild"]
    assert names(client) == ["w"]
    assert rows(client, "w", "id, number, twice") == [(i, str(i), str(i) * 2) for i in range(5)]


def test_statements_run_in_version_order_on_the_tables_of_their_version(aaiclick_client: Client) -> None:
    client = aaiclick_client
    fill(client)
    migrations = [
        FOLD,
        Migration(3, sql=["INSERT INTO log SELECT id, concat('v3 ', kw['kx']) FROM t WHERE id < 2"]),
        Migration(4, sql=["INSERT INTO log SELECT id + 10, concat('v4 ', toString(count() OVER ())) FROM log"]),
        Migration(5, rebuild={"log": Rebuild(columns={"what": "upper(what)"})}),
    ]
    log = table(Column("what", "String"), name="log")
    last = table(Column("kw", "Map(String, String)"), Column("n", "String"))
    report = ensure_schema(client, schema(5, last, log, migrations=migrations))
    assert strategies(report) == ["rebuild", "create", "sql", "sql", "rebuild"]
    assert rows(client, "log") == [(0, "V3 X"), (1, "V3 X"), (10, "V4 2"), (11, "V4 2")]
    assert ensure_schema(client, schema(5, last, log, migrations=migrations)).steps == ()
    assert records(client)[-1] == (5, 1, "applied", None)


def test_what_an_earlier_step_of_the_plan_makes_is_not_asked_for_in_the_live_rows(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 4 fills a number from a column that version 2 makes, with a statement in between: the live table has no
    such column yet."""
    two = table(Column("args", "Array(String)"), Column("n", "String"), Column("made", "String"))
    four = table(
        Column("args", "Array(String)"), Column("n", "String"), Column("made", "String"), Column("size", "UInt8")
    )
    package = tmp_path / "made_migrations"
    package.mkdir()
    (package / "0002_a.sql").write_text("-- strategy: rebuild t\n--   made = concat(n, n)\n", encoding="utf-8")
    (package / "0003_b.sql").write_text(
        "-- strategy: sql\n\nALTER TABLE t UPDATE made = concat(made, '!') WHERE id = 1;\n", encoding="utf-8"
    )
    (package / "0004_c.sql").write_text("-- strategy: rebuild t\n--   size = length(made)\n", encoding="utf-8")
    forms = [locked_forms(aaiclick_engine, [each]) for each in (V1, two, two, four)]
    lock = Lock("s", tuple(LockedVersion(number, form) for number, form in enumerate(forms, 1)))
    (package / LOCK_FILE).write_text(dump_lock(lock), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    fill(aaiclick_client)
    ensure_schema(aaiclick_client, schema(4, four, migrations="made_migrations"))
    assert rows(aaiclick_client, "t", "id, made, size") == [
        (i, f"{i}{i}!" if i == 1 else f"{i}{i}", 3 if i == 1 else 2) for i in range(5)
    ]


def test_what_statements_did_is_not_done_twice(aaiclick_client: Client) -> None:
    client = aaiclick_client
    fill(client)
    sql = [
        "ALTER TABLE t ADD COLUMN extra UInt8 DEFAULT 7",
        "ALTER TABLE t MODIFY COLUMN args Array(LowCardinality(String))",
    ]
    last = table(
        Column("args", "Array(LowCardinality(String))"), Column("n", "String"), Column("extra", "UInt8", default="7")
    )
    declared = schema(
        2, last, migrations=[Migration(2, sql=["ALTER TABLE t ADD COLUMN IF NOT EXISTS extra UInt8 DEFAULT 7", sql[1]])]
    )
    planned = plan_schema(client, declared)
    report = ensure_schema(client, declared)
    assert [step.id for step in report.steps] == [step.id for step in planned.steps]
    assert sum("LowCardinality" in statement for step in report.steps for statement in step.sql) == 1


def test_without_a_lock_file_what_cannot_be_known_is_refused_with_a_sentence(aaiclick_client: Client) -> None:
    client = aaiclick_client
    fill(client)
    migrations = [Migration(3, rebuild={"t": Rebuild(columns={"half": "intDiv(toUInt32(n), 2)"})})]
    last = table(Column("n", "UInt32"), Column("half", "UInt32"))
    with pytest.raises(
        BlockedError,
        match=r"migration 3 reads t\.n, whose type an earlier version may have changed.*schema\.lock\.json",
    ):
        ensure_schema(client, schema(3, last, migrations=migrations))
    assert rows(client, "t", "id, n") == [(i, str(i)) for i in range(5)]


def test_without_a_lock_file_a_default_that_has_two_values_is_refused(aaiclick_client: Client) -> None:
    """Version 2 may have added ``kind``, before version 3 changed what its default reads; to say what it is is enough."""
    client = aaiclick_client
    fill(client)
    last = table(
        Column("args", "Array(String)"), Column("n", "String"), Column("kind", "String", default="concat('k', n)")
    )
    fills = {"n": "concat(n, '!')"}

    def jump(columns: dict[str, str]) -> Schema:
        return schema(3, last, migrations=[Migration(3, rebuild={"t": Rebuild(columns=columns)})])

    with pytest.raises(BlockedError, match=r"kind is DEFAULT .*migration 3 fills n anew.*schema\.lock\.json"):
        ensure_schema(client, jump(fills))
    assert rows(client, "t", "id, n") == [(i, str(i)) for i in range(5)]
    ensure_schema(client, jump({**fills, "kind": "concat('k', n)"}))
    assert rows(client, "t", "id, n, kind") == [(i, f"{i}!", f"k{i}") for i in range(5)]


def test_without_a_lock_file_a_default_that_may_have_been_another_is_told(aaiclick_client: Client) -> None:
    client = aaiclick_client
    last = table(Column("args", "Array(String)"), Column("n", "String"), Column("kind", "String", default="'z'"))
    told = "whether a version that is passed over gave them another one is not known"

    def said(version: int) -> list[str]:
        (step,) = plan_schema(client, schema(version, last)).steps
        return [hazard.message for hazard in step.hazards if told in hazard.message]

    ensure_schema(client, schema(1, V1))
    assert said(3) == []  # it has no rows
    fill(client)
    assert said(2) == []  # nothing is passed over
    assert [words.partition(":")[0] for words in said(3)] == [
        "rows of t that are there get the declared default of kind"
    ]
    assert strategies(ensure_schema(client, schema(3, last))) == ["alter"]


def test_a_table_that_must_not_be_copied_blocks(aaiclick_client: Client) -> None:
    client = aaiclick_client
    fill(client)
    last = table(Column("args", "Array(String)"), Column("n", "String"), order="n")
    with pytest.raises(BlockedError, match="migration 2 says that t is changed in place, and that takes a rebuild"):
        ensure_schema(client, schema(2, last, migrations=[Migration(2, strategy={"t": "alter"})]))


def test_a_fresh_database_needs_no_migration(aaiclick_client: Client) -> None:
    def never(context: object) -> None:
        raise AssertionError

    migrations = [Migration(2, sql=["INSERT INTO nowhere SELECT 1"]), Migration(3, move=never)]
    report = ensure_schema(aaiclick_client, schema(3, V1, migrations=migrations))
    assert strategies(report) == ["create"]
    assert records(aaiclick_client) == [(3, 0, "applied", None)]


def test_migrations_are_not_guessed_at_where_nothing_says_what_was_applied(aaiclick_client: Client) -> None:
    from aaiclick.errors import UnrecognisedSchemaError

    aaiclick_client.command("CREATE TABLE t (id UInt64, n String) ENGINE = MergeTree ORDER BY id")
    with pytest.raises(UnrecognisedSchemaError, match=r"nothing says which of them were applied.*aaiclick adopt"):
        ensure_schema(aaiclick_client, schema(2, V1, migrations=[FOLD]))


def test_a_package_without_a_lock_file_works_like_a_list(
    aaiclick_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "jump_migrations"
    package.mkdir()
    (package / "0002_fold.sql").write_text("-- strategy: rebuild t\n--   kw = map('a', args[1])\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    fill(aaiclick_client)
    last = table(Column("kw", "Map(String, String)"), Column("n", "String"))
    ensure_schema(aaiclick_client, Schema("s", version=2, objects=[last], migrations="jump_migrations"))
    assert rows(aaiclick_client, "t", "id, kw") == [(i, {"a": str(i)}) for i in range(5)]


ADDED = table(
    Column("args", "Array(String)"), Column("n", "String"), Column("kind", "String", default="concat('k', n)")
)
KINDS = [(i, f"k{i}") for i in range(5)]


@pytest.mark.parametrize(
    ("last", "strategy"),
    [
        (
            table(Column("args", "Array(String)"), Column("n", "String"), Column("kind", "String", default=None)),
            "rebuild",
        ),
        (
            table(Column("args", "Array(String)"), Column("n", "String"), Column("kind", "String", default="'z'")),
            "rebuild",
        ),
        (table(Column("args", "Array(String)"), Column("kind", "String", default=None)), "rebuild"),
        (ADDED, "alter"),
        (
            table(
                Column("args", "Array(String)"),
                Column("n", "String"),
                Column("kind", "LowCardinality(String)", default="concat('k', n)"),
            ),
            "alter",
        ),
    ],
    ids=["none later", "another later", "what it reads is gone later", "the same", "another type later"],
)
def test_rows_get_the_default_of_the_version_that_adds_a_column(
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: Table,
    strategy: str,
) -> None:
    """As in a chain, where a later version changes the default and leaves the rows as they are."""
    package = tmp_path / "default_migrations"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    forms = [locked_forms(aaiclick_engine, [each]) for each in (V1, ADDED, last)]
    lock = Lock("s", tuple(LockedVersion(number, form) for number, form in enumerate(forms, 1)))
    (package / LOCK_FILE).write_text(dump_lock(lock), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "default_migrations", raising=False)
    fill(aaiclick_client)
    declared = schema(3, last, migrations="default_migrations")
    report = ensure_schema(aaiclick_client, declared)
    assert strategies(report) == [strategy]
    assert ("kind is filled with its default of version 2" in report.steps[0].change) == (strategy == "rebuild")
    assert rows(aaiclick_client, "t", "id, kind") == KINDS
    assert ensure_schema(aaiclick_client, declared).steps == ()


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        (
            [
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 2")),
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 2"), Column("z", "UInt64", default="al")),
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 3"), Column("z", "UInt64", default="al")),
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 4"), Column("z", "UInt64", default="al")),
            ],
            10,
        ),
        (
            [
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 2")),
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 3")),
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 3"), Column("z", "UInt64", default="al")),
                table(Column("f", "UInt8"), Column("al", "UInt16", alias="f * 4"), Column("z", "UInt64", default="al")),
            ],
            15,
        ),
        (
            [
                table(Column("f", "UInt8")),
                table(Column("f", "UInt8"), Column("z", "UInt64", default="bitNot(f)")),
                table(Column("f", "UInt16"), Column("z", "UInt64", default="bitNot(f)")),
            ],
            250,
        ),
    ],
    ids=["an alias changes twice later", "an alias changes before and after", "another type in the last version"],
)
def test_what_the_default_reads_is_that_of_the_version_that_adds_a_column(
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ways: list[Table],
    expected: int,
) -> None:
    package = tmp_path / "read_migrations"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    forms = [locked_forms(aaiclick_engine, [each]) for each in ways]
    lock = Lock("s", tuple(LockedVersion(number, form) for number, form in enumerate(forms, 1)))
    (package / LOCK_FILE).write_text(dump_lock(lock), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "read_migrations", raising=False)
    ensure_schema(aaiclick_client, schema(1, ways[0]))
    aaiclick_client.command("INSERT INTO t (id, f) VALUES (1, 5)")
    declared = schema(len(ways), ways[-1], migrations="read_migrations")
    ensure_schema(aaiclick_client, declared)
    assert rows(aaiclick_client, "t", "id, z") == [(1, expected)]
    assert ensure_schema(aaiclick_client, declared).steps == ()


def test_a_sign_that_only_this_server_knows_is_put_together_with_earlier_expressions(aaiclick_client: Client) -> None:
    """The server takes this minus, and so does what puts expressions of several versions together."""
    client = aaiclick_client
    fill(client)
    migrations = [
        Migration(2, rebuild={"t": Rebuild(columns={"n": "concat(n, '!')"})}),
        Migration(3, rebuild={"t": Rebuild(columns={"size": "length(n) \u2212 1"})}),
    ]
    last = table(Column("args", "Array(String)"), Column("n", "String"), Column("size", "UInt8"))
    ensure_schema(client, schema(3, last, migrations=migrations))
    assert rows(client, "t", "id, n, size") == [(i, f"{i}!", 1) for i in range(5)]


@pytest.mark.parametrize(
    ("between", "last"),
    [
        (Column("w", "UInt8", ephemeral="4"), Column("w", "UInt8", ephemeral="4")),
        (Column("w", "UInt8", ephemeral="4"), Column("w", "UInt8", default="9")),
        (Column("w", "UInt8", alias="n + 2"), Column("w", "UInt8", alias="n + 2")),
        (Column("w", "UInt8", alias="n + 2"), Column("w", "UInt8")),
    ],
    ids=["EPHEMERAL", "EPHEMERAL, and stored", "ALIAS", "ALIAS, and stored"],
)
def test_a_column_that_is_renamed_and_no_longer_stored_leaves_no_other_behind(
    between: Column,
    last: Column,
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Version by version no column has the old name; neither has one behind a jump."""
    client, number = aaiclick_client, Column("n", "UInt8")
    versions = [table(number, Column("y", "UInt8")), table(number, between), table(number, last, Column("k", "UInt8"))]
    package = tmp_path / "renamed_away"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "0002_step.sql").write_text("-- strategy: derived\n-- rename: t.y -> w\n", encoding="utf-8")
    locked = [LockedVersion(at, locked_forms(aaiclick_engine, [each])) for at, each in enumerate(versions, 1)]
    (package / LOCK_FILE).write_text(dump_lock(Lock("s", tuple(locked))), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    ensure_schema(client, schema(1, versions[0]))
    client.command("INSERT INTO t VALUES (1, 5, 100)")
    declared = schema(3, versions[2], migrations="renamed_away")
    keys = {each.allow for step in plan_schema(client, declared).required for each in step.hazards if each.allow}
    assert keys
    assert ensure_schema(client, declared, policy=Policy.lossless().allow(*keys)).in_sync
    sys.modules.pop("renamed_away", None)
    columns = client.query("SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 't'")
    assert {name for (name,) in columns.result_rows} == {"id", "n", "w", "k"}
    if last.ephemeral is None:
        assert rows(client, "t", "id, n, w, k") == [(1, 5, 9 if last.default else 7, 0)]
