"""A rename that a declaration says (``renamed_from``), and that later declarations do not say any more."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.api.revision import check_schema, revise
from aaiclick.errors import MigrationError, UsageError
from aaiclick.versions.headers import header_key, read_header
from tests.migrations.building import rows
from tests.migrations.projects import Project

ID, A, A2, C = Column("id", "UInt64"), Column("a", "UInt8"), Column("a2", "UInt8"), Column("c", "UInt8")
FROM_A = Column("a2", "UInt8", renamed_from="a")
NOTHING: Mapping[int, list[str]] = {}


def table(name: str, *columns: Column, former: str | None = None) -> Table:
    return Table(name, [ID, *columns], engine=MergeTree(order_by=["id"]), renamed_from=former)


COLUMN = [
    [table("t", A)],
    [table("t", FROM_A)],
    [table("t", FROM_A, C)],
    [table("t", A2, C, Column("a", "UInt8", default="77"))],
]
TABLE = [[table("t", A)], [table("u", A, former="t")], [table("u", A, C)]]
TABLE_AND_COLUMN = [[table("t", A)], [table("u", FROM_A, former="t")], [table("u", A2), table("t", C)]]


def release(
    client: Client, project: Project, versions: Sequence[Sequence[Table]], drops: Mapping[int, list[str]] = NOTHING
) -> Schema:
    """All versions are released, ``at2`` is the package of the second; the database is at the first, with two rows."""
    made: list[Schema] = []
    for number, tables in enumerate(versions, 1):
        made.append(Schema("shop", version=number, objects=list(tables), migrations=project.package))
        revise(made[-1], f"v{number}", drops=drops.get(number, []))
        project.forget()
        shutil.copytree(project.folder, project.home / f"at{number}")
        assert check_schema(made[-1]).problems == ()
        if number == 1:
            ensure_schema(client, made[-1])
            client.command("INSERT INTO t VALUES (1, 10), (2, 20)")
    return made[-1]


@pytest.mark.parametrize(
    ("versions", "name", "columns", "said"),
    [
        (COLUMN, "t", "id, a2, a", ["t.a -> a2"]),
        (TABLE, "u", "id, a, c", ["t -> u"]),
        (TABLE_AND_COLUMN, "u", "id, a2, 0", ["t -> u", "t.a -> a2"]),
    ],
)
def test_a_jump_over_the_version_with_the_remark_renames(
    aaiclick_client: Client, project: Project, versions: list[list[Table]], name: str, columns: str, said: list[str]
) -> None:
    newest = release(aaiclick_client, project, versions)
    texts = {path.name: path.read_text(encoding="utf-8") for path in project.folder.glob("*.sql")}
    lines = [(name, line) for name, text in sorted(texts.items()) for line in text.splitlines() if "rename:" in line]
    # Once, also where a later version has the remark still.
    assert lines == [("0002_v2.sql", f"-- rename: {each}") for each in said]
    ensure_schema(aaiclick_client, newest)
    last = 77 if versions is COLUMN else 0
    assert rows(aaiclick_client, name, columns) == [(1, 10, last), (2, 20, last)]


M = Column("m", "Nested(a UInt8, b UInt8)")
DOTTED = [
    [table("n", Column("n.c", "Array(UInt8)"), A, Column("k", "Nested(a UInt8, b UInt8)"))],
    [
        table(
            "n",
            Column("n.d", "Array(UInt8)", renamed_from="n.c"),
            Column("y.z", "UInt8", renamed_from="a"),
            M.model_copy(update={"renamed_from": "k"}),
        )
    ],
    [table("n", Column("n.d", "Array(UInt8)"), Column("y.z", "UInt8"), M, C)],
]


def test_names_with_a_dot_are_renamed_by_a_jump(aaiclick_client: Client, project: Project) -> None:
    """Also one that begins as its table is called, and a Nested."""
    made: list[Schema] = []
    for number, tables in enumerate(DOTTED, 1):
        made.append(Schema("shop", version=number, objects=list(tables), migrations=project.package))
        revise(made[-1], f"v{number}")
        project.forget()
    ensure_schema(aaiclick_client, made[0].model_copy(update={"migrations": None}))
    aaiclick_client.command("INSERT INTO n VALUES (1, [7], 8, [3, 4], [5, 6])")
    ensure_schema(aaiclick_client, made[-1])
    assert aaiclick_client.query("SELECT id, `n.d`, `y.z`, m.a, m.b, c FROM n").result_rows == [
        (1, [7], 8, [3, 4], [5, 6], 0)
    ]


@pytest.mark.parametrize(
    ("versions", "flags", "sentence"),
    [
        ([[table("t", A, A2)], [table("t", FROM_A)]], {}, "t.a2: renamed_from a, and the last released version has a2"),
        (
            [[table("t", A)], [table("t", FROM_A, C)]],
            {"t.a": "c"},
            "t.a2: renamed_from a, which is renamed to c at the",
        ),
        (
            [[table("t", A)], [table("u", A, former="t"), table("w", A)]],
            {"t": "w"},
            "u: renamed_from t, which is renamed to w at the same time",
        ),
    ],
)
def test_a_remark_that_the_migration_cannot_say_is_an_error(
    project: Project, versions: list[list[Table]], flags: Mapping[str, str], sentence: str
) -> None:
    """A jump over the version would leave the values behind."""
    first, second = (
        Schema("shop", version=number, objects=list(tables), migrations=project.package)
        for number, tables in enumerate(versions, 1)
    )
    revise(first, "v1")
    project.forget()
    before = {path.name: path.read_bytes() for path in project.folder.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match=sentence):
        revise(second, "v2", renames=flags)
    assert {path.name: path.read_bytes() for path in project.folder.iterdir() if path.is_file()} == before


def test_what_the_file_does_not_say_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        Schema("shop", version=number, objects=list(COLUMN[number - 1]), migrations=project.package)
        for number in (1, 2)
    )
    revise(first, "v1")
    project.forget()
    monkeypatch.setattr("aaiclick.api.revision.script_text", lambda *_: "-- strategy: derived\n")
    with pytest.raises(MigrationError, match=r"cannot say t\.a -> a2"):
        revise(second, "v2")
    assert check_schema(second).released == 1


def test_a_column_that_was_dropped_by_name_is_no_rename(aaiclick_client: Client, project: Project) -> None:
    newest = release(aaiclick_client, project, [[table("t", A)], [table("t", A2)], [table("t", A2, A)]], {2: ["t.a"]})
    ensure_schema(aaiclick_client, newest, policy=Policy.everything())
    assert rows(aaiclick_client, "t", "id, a2, a") == [(1, 0, 0), (2, 0, 0)]


@pytest.mark.parametrize(
    ("versions", "sentence"),
    [
        (COLUMN, "column t.a: is not in version 2, which has a2 instead, and nothing says"),
        (TABLE, "table t: is not in version 2, which has u instead, and nothing says"),
    ],
)
def test_where_no_migration_has_it_the_jump_stops(
    aaiclick_client: Client,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    versions: list[list[Table]],
    sentence: str,
) -> None:
    # As earlier releases wrote the files.
    monkeypatch.setattr("aaiclick.versions.release._remarked", lambda *_: dict[str, str]())
    newest = release(aaiclick_client, project, versions)
    with pytest.raises(MigrationError, match=sentence):
        ensure_schema(aaiclick_client, newest)
    # Nothing is changed, and version by version each value goes where it belongs.
    for number, tables in enumerate(versions[1:], 2):
        package = f"{project.name}.at{number}"
        ensure_schema(aaiclick_client, Schema("shop", version=number, objects=list(tables), migrations=package))
    name, columns = ("t", "id, a2") if versions is COLUMN else ("u", "id, a")
    assert rows(aaiclick_client, name, columns) == [(1, 10), (2, 20)]


ODD = [
    ("with blanks", "other  blanks"),
    ("'quoted'", 'double"'),
    ("it's", "back`tick"),
    ("back\\slash", "\\n"),
    ("a -> b", "b>c"),
    ("a line\nbreak", "a tab\t and \u2028"),
    ("ünï", "日本語"),
    ("select", "from"),
    ("1st", "-- c"),
    ("${v}", "{v}"),
    ("a=b", "#a"),
    ('"""', "'''"),
    ("n.a", "m.a"),
]


def test_every_name_that_a_table_may_have_is_written(aaiclick_client: Client, project: Project) -> None:
    def odd(name: str, names: Sequence[str], former: Sequence[str | None]) -> Table:
        pairs = zip(names, former, strict=True)
        columns = [Column(each, "Array(UInt8)" if "." in each else "UInt8", renamed_from=old) for each, old in pairs]
        return table(name, *columns, former="t '1'" if former[0] else None)

    olds, news = [old for old, _ in ODD], [new for _, new in ODD]
    first, second = odd("t '1'", olds, [None] * len(olds)), odd("t -> 2", news, olds)
    # The last one has the old name again, and no remark.
    third = table("t -> 2", *(Column(each.name, each.type) for each in second.columns[1:]), Column("it's", "UInt8"))
    made: list[Schema] = []
    for number, item in enumerate([first, second, third], 1):
        made.append(Schema("shop", version=number, objects=[item], migrations=project.package))
        revise(made[-1], f"v{number}", python=number == 3)
        project.forget()
        assert check_schema(made[-1]).problems == ()
    ensure_schema(aaiclick_client, made[0].model_copy(update={"migrations": None}))
    values = ", ".join("[7]" if "." in old else str(place) for place, old in enumerate(olds, 1))
    aaiclick_client.command(f"INSERT INTO `t '1'` VALUES (1, {values})")
    header = read_header((project.folder / "0002_v2.sql").read_text(encoding="utf-8"), "0002_v2.sql")
    assert header.renames == {"t '1'": "t -> 2", **{f"t '1'.{old}": new for old, new in ODD}}
    ensure_schema(aaiclick_client, made[-1])
    found = aaiclick_client.query("SELECT * FROM `t -> 2`").result_rows
    assert [tuple(row) for row in found] == [(1, *range(1, len(ODD)), [7], 0)]


@pytest.mark.parametrize("line", ["-- rename: 't.a\\x' -> b", "-- allow: 'drop-column t.\\N{no such}'"])
def test_a_string_that_python_does_not_read_is_an_error(line: str) -> None:
    with pytest.raises(MigrationError, match=r"line 2: .* is no string of Python"):
        read_header(f"-- strategy: derived\n{line}\n", "0002_v2.sql")


def test_a_key_with_a_line_break_is_read_as_it_was_written() -> None:
    key = "drop-column t.a line\nbreak"
    assert read_header(f"-- strategy: derived\n-- allow: {header_key(key)}\n", "0002_v2.sql").allow == [key]
