"""Migrations from a folder, a package and a list: headers, names, checksums, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick import Migration, Rebuild
from aaiclick.errors import DuplicateVersionError, MigrationError, SpecError
from aaiclick.versions.scripts import checksum_of, read_migrations, read_script

WHOLE = """-- title: two things; at once
-- strategy: rebuild log
--   kwargs = mapConcat(kwargs,
--                      mapFromArrays(names, args))
--   `odd name` = 1
--   where operation != ';'
-- strategy: alter other
-- strategy: sql
-- rename: log.op -> operation
-- rename: old_tasks -> tasks
-- oldest_code: 2

-- a remark; with a semicolon
INSERT INTO other SELECT ';' FROM log;
OPTIMIZE TABLE other
"""


def test_a_header_says_everything() -> None:
    found = read_script(WHOLE, 3, "0003_x.sql")
    expressions = {"kwargs": "mapConcat(kwargs,\nmapFromArrays(names, args))", "odd name": "1"}
    assert found == Migration(
        3,
        title="two things; at once",
        rebuild={"log": Rebuild(columns=expressions, where="operation != ';'")},
        strategy={"other": "alter"},
        renames={"log.op": "operation", "old_tasks": "tasks"},
        sql=["INSERT INTO other SELECT ';' FROM log", "OPTIMIZE TABLE other"],
        oldest_code=2,
    )


def test_versions_may_be_days_and_hours() -> None:
    found = read_script("-- strategy: derived\n-- oldest_code: 2026010112\n", 2026010113, "2026010113_x.sql")
    assert found.oldest_code == 2026010112


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "names no strategy"),
        ("SELECT 1;", 1, "names no strategy"),
        ("-- title: x\n\nSELECT 1", 1, "names no strategy"),
        (
            "-- title: x\n-- strategie: sql\n",
            2,
            "unknown key strategie: a header has title, strategy, rename, oldest_code",
        ),
        ("-- strategy: sql\n-- just a remark\nSELECT 1", 2, "is no header line"),
        ("-- strategy: sideways\n", 1, "is no strategy"),
        ("-- strategy: rebuild\n", 1, "is no strategy"),
        ("-- strategy: sql log\n", 1, "is no strategy"),
        ("-- strategy: callable\n", 1, "needs a Python file"),
        ("-- strategy:\n", 1, "has no value"),
        ("-- strategy: derived\n-- strategy: alter log\n", 2, "derived stands alone"),
        ("-- strategy: alter log\n-- strategy: rebuild log\n", 2, "two strategies"),
        ("-- strategy: rebuild log\n--   kwargs mapConcat()\n", 2, "neither 'column = expression'"),
        ("-- strategy: rebuild log\n--   a = 1\n--   a = 2\n", 3, "two expressions"),
        ("-- strategy: rebuild log\n--   where a\n--   where b\n", 3, "two filters"),
        ("-- strategy: rebuild log\n--     a = 1\n--   b = 2\n", 3, "indented less"),
        ("-- strategy: derived\n-- rename: a.b c\n", 2, "is no rename"),
        ("-- strategy: derived\n-- rename: a.b -> a.c\n", 2, "is no rename"),
        ("-- strategy: derived\n-- rename: a -> b\n-- rename: a -> c\n", 3, "renamed twice"),
        ("-- strategy: derived\n-- oldest_code: zero\n", 2, "from 1 on"),
        ("-- strategy: derived\n-- oldest_code: ²\n", 2, "from 1 on"),
        (f"-- strategy: derived\n-- oldest_code: {'9' * 5000}\n", 2, "from 1 on"),
        ("-- strategy: derived\n-- oldest_code: 1\n-- oldest_code: 2\n", 3, "stands here twice"),
        ("-- strategy: derived\n\nSELECT 1;\n", 3, "does not say '-- strategy: sql'"),
        ("-- strategy: sql\n\n-- nothing\n", 1, "there is no statement"),
        ("-- strategy: sql\n\nSELECT 1;\nSELECT 'open\n", 4, "a string begins here"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(MigrationError) as caught:
        read_script(text, 2, "app/0002_x.sql")
    assert str(caught.value).startswith(f"app/0002_x.sql, line {line}: ")
    assert words in str(caught.value)


def test_what_a_migration_cannot_be_names_the_file() -> None:
    with pytest.raises(MigrationError, match=r"0002_x\.sql: .*oldest_code 5 is newer"):
        read_script("-- strategy: derived\n-- oldest_code: 5\n", 2, "0002_x.sql")
    with pytest.raises(SpecError, match="has a rebuild, and the strategy alter"):
        Migration(2, rebuild={"t": Rebuild()}, strategy={"t": "alter"})


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


MODULE = (
    "from aaiclick import Migration\n\ndef move(context):\n    pass\n\nmigration = Migration(version={}, move=move)\n"
)


def test_a_folder_is_read_in_order_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "0010_c__sql": "-- strategy: derived\n",
            "0002_a__sql": "-- strategy: derived\n",
            "0003_b__py": MODULE.format(3),
        },
    )
    write(tmp_path, **{"__init____py": "", "helpers__py": "", "notes__md": "x", "schema.lock__json": ""})
    found = read_migrations(tmp_path)
    assert [(script.version, script.label) for script in found] == [
        (2, "0002_a.sql"),
        (3, "0003_b.py"),
        (10, "0010_c.sql"),
    ]
    assert found[1].migration.move is not None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("2_x.sql", "-- strategy: derived\n", "is no name of a migration"),
        ("add_index.sql", "-- strategy: derived\n", "is no name of a migration"),
        ("0002-x.py", "", "is no name of a migration"),
        ("0000_x.sql", "-- strategy: derived\n", "versions count from 1"),
        ("0002_x.py", "", "holds no Migration"),
        ("0002_x.py", MODULE.format(2) + "other = Migration(version=2)\n", "holds 2 Migrations"),
        ("0002_x.py", MODULE.format(3), "says version 3, its name 2"),
        ("0002_x.py", "1 / 0", "cannot be imported: ZeroDivisionError"),
        ("0002_x.py", "def broken(:", "cannot be imported: SyntaxError"),
    ],
)
def test_a_wrong_name_or_module_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(MigrationError, match=words) as caught:
        read_migrations(tmp_path)
    assert name in str(caught.value)


def test_two_files_with_one_number(tmp_path: Path) -> None:
    write(tmp_path, **{"0002_a__sql": "-- strategy: derived\n", "0002_b__py": MODULE.format(2)})
    with pytest.raises(
        DuplicateVersionError, match=r"0002_b\.py: has the number of 0002_a\.sql.*revision --renumber puts the later"
    ):
        read_migrations(tmp_path)


def test_a_package_that_is_not_there_says_what_makes_it() -> None:
    with pytest.raises(MigrationError, match=r"no_such_package: .*aaiclick revision"):
        read_migrations("no_such_package")


def test_the_checksum_is_of_what_a_migration_does() -> None:
    def of(text: str) -> str:
        return checksum_of(read_script(text, 2, "x"))

    plain = of("-- strategy: sql\n\nDELETE FROM t WHERE a = 'x';\n")
    assert plain == of("-- title: words\n-- strategy: sql\n\n-- more words\nDELETE FROM t\n  WHERE a = 'x'\n")
    assert plain != of("-- strategy: sql\n\nDELETE FROM t WHERE a = 'y';\n")
    assert plain != of("-- strategy: sql\n-- oldest_code: 1\n\nDELETE FROM t WHERE a = 'x';\n")
    assert len({plain, of("-- strategy: alter t\n"), of("-- strategy: rebuild t\n"), of("-- strategy: derived\n")}) == 4


def test_a_functions_text_counts(tmp_path: Path) -> None:
    path = tmp_path / "0002_x.py"
    path.write_text(MODULE.format(2), encoding="utf-8")
    before = read_migrations(tmp_path)[0].checksum
    path.write_text(MODULE.format(2).replace("\n\n", "\n\n\n").replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert read_migrations(tmp_path)[0].checksum == before
    path.write_text(MODULE.format(2).replace("pass", "context.query('x')"), encoding="utf-8")
    assert read_migrations(tmp_path)[0].checksum != before
