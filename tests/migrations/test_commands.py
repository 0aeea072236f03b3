"""``aaiclick revision``, ``check``, ``history`` and ``adopt``: JSON and exit codes (the tutorial shows their text)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aaiclick.cli.main import main
from aaiclick.testing.engine import EmbeddedEngine
from tests.cli.published import hold
from tests.migrations.projects import Project

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SOURCE = """from aaiclick import Column, MergeTree, Schema, Table

EVENTS = Table("events", [Column("id", "UInt64"), {columns}], engine=MergeTree(order_by=["id"]))
SHOP = Schema("shop", version={version}, objects=[EVENTS], migrations={package!r})
"""


class Shell:
    """Calls commands in this process and reads their JSON."""

    def __init__(
        self, project: Project, engine: EmbeddedEngine, client: Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.project = project
        self.capsys = capsys
        self.database = ["--url", engine.url, "--database", str(client.database)]

    def declare(self, version: int, columns: str) -> None:
        self.project.forget()
        text = SOURCE.format(version=version, columns=columns, package=self.project.package)
        (self.project.home / "tables.py").write_text(text, encoding="utf-8")

    def __call__(self, *arguments: str, database: bool = False) -> tuple[int, dict[str, object]]:
        self.project.forget()
        self.capsys.readouterr()
        code = main(
            [*arguments, "--json", "--schema", f"{self.project.name}.tables:SHOP", *(self.database if database else [])]
        )
        found = json.loads(self.capsys.readouterr().out)
        hold(arguments, found)
        return code, found


@pytest.fixture
def shell(
    project: Project, aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(project, aaiclick_engine, aaiclick_client, capsys)


def test_a_release_from_declaration_to_history(shell: Shell, aaiclick_client: Client) -> None:
    shell.declare(1, 'Column("a", "String")')
    code, found = shell("check")
    assert (code, found["released"], found["version"]) == (1, None, 1)
    code, found = shell("revision", "-m", "first")
    assert (code, found["version"]) == (0, 1)
    assert shell("check") == (0, {"schema": "shop", "version": 1, "released": 1, "problems": []})
    assert shell("history", database=True) == (0, {"schema": "shop", "records": []})

    shell.declare(2, 'Column("b", "String")')
    assert shell("check")[0] == 1
    code, found = shell("revision", "-m", "b")
    assert code == 1
    assert found["undecided"] == [
        "events.a is no longer declared (new: b): --rename events.a=NEW_NAME, or --drop events.a"
    ]
    code, found = shell("revision", "-m", "b", "--rename", "events.a")
    assert (code, found["error"]["type"]) == (2, "UsageError")  # type: ignore[index]
    code, found = shell("revision", "-m", "b", "--rename", "events.a=n.b")
    assert (code, "with names that have a dot in backticks" in str(found["error"])) == (2, True)
    code, found = shell("revision", "-m", "b", "--rename", "events.`a`=b", "--oldest-code", "2")
    assert (code, found["changes"]) == (0, ["events: column a is renamed to b"])
    assert shell("check")[0] == 0

    aaiclick_client.command("CREATE TABLE events (id UInt64, a String) ENGINE = MergeTree ORDER BY (id, a)")
    code, found = shell("adopt", "--version", "1", database=True)
    assert (code, found["error"]["type"]) == (1, "DoesNotFitError")  # type: ignore[index]
    code, found = shell("adopt", "--version", "1", "--force", database=True)
    assert (code, found["version"], found["forced"]) == (0, 1, True)
    assert shell("migrate", database=True)[0] == 0
    code, found = shell("history", database=True)
    assert code == 0
    seen = [
        (one["version"], one["from_version"], one["state"], one["forced"], one["oldest_code"])
        for one in found["records"]  # type: ignore[attr-defined]
    ]
    assert seen == [(1, None, "adopted", True, None), (2, 1, "applied", False, None)]


def test_a_revision_says_what_stays_because_it_is_not_declared_any_more(shell: Shell) -> None:
    shell.declare(1, 'Column("a", "String"), Column("b", "String", default="upper(a)")')
    assert shell("revision")[0] == 0
    shell.declare(2, 'Column("a", "String"), Column("b", "String")')
    stays = "not declared any more, so tables that are there keep it; None takes it away"
    assert shell("revision", "-m", "no default")[1]["changes"] == [
        f"events: column b: DEFAULT upper(a) -> none ({stays})"
    ]
    shell.declare(2, 'Column("a", "String"), Column("b", "String", default=None)')
    assert shell("revision", "--amend")[1]["changes"] == ["events: column b: DEFAULT upper(a) -> none"]


def test_an_edited_migration_is_a_problem_for_check_and_an_error_for_migrate(shell: Shell) -> None:
    shell.declare(1, 'Column("a", "String")')
    shell("revision", "-m", "first")
    shell.declare(2, 'Column("a", "String"), Column("b", "String")')
    shell("revision", "-m", "b")
    path = shell.project.folder / "0002_b.sql"
    path.write_text(
        path.read_text(encoding="utf-8").replace("-- strategy: derived", "-- strategy: alter events"), encoding="utf-8"
    )
    code, found = shell("check")
    assert code == 1
    assert "was edited after version 2 was released" in str(found["problems"])
    code, found = shell("migrate", database=True)
    assert (code, found["error"]["type"]) == (2, "EditedMigrationError")  # type: ignore[index]
    assert shell("revision", "--amend")[0] == 0
    assert shell("migrate", database=True)[0] == 0
    path.write_text(
        path.read_text(encoding="utf-8").replace("-- strategy: alter events", "-- strategy: derived"), encoding="utf-8"
    )
    code, found = shell("migrate", database=True)
    assert (code, found["error"]["type"]) == (2, "EditedMigrationError")  # type: ignore[index]


def test_a_wrong_header_is_an_error_with_its_line(shell: Shell) -> None:
    shell.declare(1, 'Column("a", "String")')
    shell("revision", "-m", "first")
    shell.declare(2, 'Column("a", "String"), Column("b", "String")')
    (shell.project.folder / "0002_b.sql").write_text("-- strategy: derived\n-- tittle: x\n", encoding="utf-8")
    code, found = shell("check")
    assert (code, found["error"]["type"]) == (2, "MigrationError")  # type: ignore[index]
    assert "0002_b.sql, line 2: unknown key tittle" in str(found["error"]["message"])  # type: ignore[index]


def test_two_branches_that_add_the_same_version(shell: Shell) -> None:
    """The branch that was merged first has added ``b``, the later one ``c``; both called it version 2."""
    folder = shell.project.folder
    shell.declare(1, 'Column("a", "String")')
    shell("revision", "-m", "first")
    code, found = shell("revision", "--renumber")
    assert (code, found["error"]["type"]) == (2, "UsageError")  # type: ignore[index]
    assert "there is nothing to renumber" in str(found)
    shell.declare(2, 'Column("a", "String"), Column("b", "String")')
    shell("revision", "-m", "b")
    (folder / "0002_c.py").write_text(
        "from aaiclick import Migration\n\nmigration = Migration(2, title='c', oldest_code=1)\n", encoding="utf-8"
    )
    shell.declare(2, 'Column("a", "String"), Column("b", "String"), Column("c", "String")')
    code, found = shell("check")
    assert code == 1
    assert "aaiclick revision --renumber puts the later one behind" in str(found["problems"])
    assert "--amend" not in str(found["problems"])  # version 2 is released: that would rewrite it

    lock = (folder / "schema.lock.json").read_text(encoding="utf-8")
    (folder / "schema.lock.json").write_text(lock.replace('"migration": "', '"migration": "f'), encoding="utf-8")
    code, found = shell("revision", "--renumber")
    assert code == 2
    assert (folder / "0002_c.py").is_file()
    (folder / "schema.lock.json").write_text(lock, encoding="utf-8")
    code, found = shell("revision", "--renumber", "--amend")
    assert (code, "takes no other option" in str(found)) == (2, True)

    code, found = shell("revision", "--renumber")
    assert (code, found["version"], found["changes"]) == (0, 3, ["0002_c.py is 0003_c.py now"])
    assert "Migration(3, title='c', oldest_code=1)" in (folder / "0003_c.py").read_text(encoding="utf-8")
    assert not (folder / "0002_c.py").exists()
    shell.declare(3, 'Column("a", "String"), Column("b", "String"), Column("c", "String")')
    code, found = shell("revision")
    assert (code, found["version"], found["changes"]) == (0, 3, ["events: column c is missing"])
    assert shell("check")[0] == 0

    # Most migrations hold no decision, and so the same: which was released their comments tell.
    shell.declare(4, 'Column("a", "String"), Column("b", "String"), Column("c", "String"), Column("d", "String")')
    shell("revision", "-m", "z")
    text = (folder / "0004_z.sql").read_text(encoding="utf-8")
    (folder / "0004_e.sql").write_text(text.replace("column d is", "column e is"), encoding="utf-8")
    code, found = shell("revision", "--renumber")
    assert (code, found["changes"]) == (0, ["0004_e.sql is 0005_e.sql now"])
