"""Which schema a command works on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.cli.schema_reference import DEFAULT, load_schema
from aaiclick.errors import UsageError

MODULE = """
from aaiclick.specs import Column, MergeTree, Schema, Table
print("imported")
A = Schema("a", objects=[Table("t", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))])
class Holder:
    inner = A
text = "no schema"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own as working directory; its modules are forgotten afterwards."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_default_is_the_oplog() -> None:
    assert load_schema(DEFAULT).name == "oplog"


@pytest.mark.parametrize("attribute", ["A", "Holder.inner"])
def test_a_module_of_the_working_directory(project: Path, capsys: pytest.CaptureFixture[str], attribute: str) -> None:
    (project / "declared_here.py").write_text(MODULE)
    assert load_schema(f"declared_here:{attribute}").name == "a"
    assert capsys.readouterr() == ("", "imported\n")  # stdout belongs to the command


def test_the_working_directory_is_not_on_the_path_for_the_default(project: Path) -> None:
    load_schema(DEFAULT)
    assert str(project) not in sys.path


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("nowhere_at_all:X", "no module named nowhere_at_all: run from your project's folder or install it"),
        ("nowhere_at_all.sub:X", "no module named nowhere_at_all: run from your project's folder or install it"),
        ("wrong_attributes:text", "attribute text of wrong_attributes is a str, not a Schema (it has A)"),
        ("wrong_attributes:B", "wrong_attributes has no attribute B (it has A)"),
        ("wrong_attributes:Holder.B", "wrong_attributes.Holder has no attribute B (it has A)"),
        (
            "wrong_attributes",
            "--schema takes module:attribute, such as aaiclick.oplog:OPLOG, not 'wrong_attributes'. Did you mean wrong_attributes:A?",
        ),
        (
            "wrong_attributes.A",
            "--schema takes module:attribute, such as aaiclick.oplog:OPLOG, not 'wrong_attributes.A'. Did you mean wrong_attributes:A?",
        ),
        ("nowhere", "--schema takes module:attribute, such as aaiclick.oplog:OPLOG, not 'nowhere'"),
        (":A", "--schema takes module:attribute, such as aaiclick.oplog:OPLOG, not ':A'"),
        ("nowhere.py:A", "no module named nowhere: run from your project's folder or install it"),
        (
            "wrong_attributes.py:A",
            "wrong_attributes.py is a file, and --schema takes module:attribute. Did you mean wrong_attributes:A?",
        ),
        (
            "./wrong_attributes:A",
            "'./wrong_attributes' is no module's name. --schema takes module:attribute, such as app.tables:SCHEMA. Did you mean wrong_attributes:A?",
        ),
        (
            "needs_more:A",
            "needs_more cannot be imported: it needs the module not_installed_here, which is not installed",
        ),
        ("fails:A", "fails cannot be imported: ZeroDivisionError: division by zero"),
        ("leaves:A", "leaves cannot be imported: it ended the program (3)"),
        ("misdeclares:A", "misdeclares cannot be imported: t: order_by: unknown column nope"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(project: Path, reference: str, sentence: str) -> None:
    (project / "wrong_attributes.py").write_text(MODULE)
    (project / "needs_more.py").write_text("import not_installed_here")
    (project / "fails.py").write_text("1 / 0")
    (project / "leaves.py").write_text("raise SystemExit(3)")
    (project / "misdeclares.py").write_text(MODULE.replace('order_by=["id"]', 'order_by=["nope"]'))
    with pytest.raises(UsageError) as caught:
        load_schema(reference)
    assert str(caught.value) == sentence
