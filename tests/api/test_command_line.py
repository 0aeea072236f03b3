"""The command that an error names is about the schema that the error is about."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.api.command_line import UNKNOWN, name_schema, reference_of
from aaiclick.errors import AaiclickError, ApplyError, HazardNotAllowedError, SchemaVersionError
from aaiclick.oplog import OPLOG


def schema() -> Schema:
    return Schema("shop", version=2, objects=[Table("t", [Column("a", "UInt8")], engine=MergeTree(order_by="a"))])


SHOP = schema()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("shop_of_mine")
    monkeypatch.setitem(sys.modules, "shop_of_mine", made)
    return made


def test_a_schema_is_found_where_a_module_holds_it(module: ModuleType) -> None:
    other = schema()
    assert reference_of(other) == UNKNOWN
    module.SHOP = other  # type: ignore[attr-defined]
    assert reference_of(other) == "shop_of_mine:SHOP"
    assert reference_of(SHOP) == f"{__name__}:SHOP"


def test_an_equal_schema_is_another_one(module: ModuleType) -> None:
    module.SHOP = schema()  # type: ignore[attr-defined]
    assert reference_of(schema()) == UNKNOWN


def test_a_program_that_was_started_is_named_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    other, started = schema(), ModuleType("__main__")
    started.__file__, started.SHOP = "/srv/app.py", other  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", started)
    assert reference_of(other) == "app:SHOP"


def test_a_program_that_only_imports_it_is_not_named(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other, started = schema(), ModuleType("__main__")
    started.__file__, started.SHOP = "/srv/app.py", other  # type: ignore[attr-defined]
    module.SHOP = other  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", started)
    assert reference_of(other) == "shop_of_mine:SHOP"
    helper, made = ModuleType("a_helper"), ModuleType("the_tables")
    (tmp_path / "the_tables.py").write_text("SHOP: Schema = Schema()\n", encoding="utf-8")
    made.__file__ = str(tmp_path / "the_tables.py")
    made.SHOP = helper.SHOP = other  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_helper", helper)
    monkeypatch.setitem(sys.modules, "the_tables", made)
    assert reference_of(other) == "the_tables:SHOP"


def test_the_oplog_is_what_the_command_works_on_by_itself() -> None:
    error = SchemaVersionError("oplog", "v1", "v5", ("x",))
    name_schema(error, OPLOG)
    assert (reference_of(OPLOG), str(error).endswith("Run: aaiclick migrate"), error.next_command) == (
        "",
        True,
        "aaiclick migrate",
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            SchemaVersionError("shop", "v1", "v2", ("x",)),
            "shop is at v1, code expects v2: x. Run: aaiclick migrate --schema PLACE",
        ),
        (
            HazardNotAllowedError("shop", ("lost",), ("drop t",), "aaiclick rollback"),
            "shop: lost. To allow it: aaiclick rollback --schema PLACE --allow 'drop t'",
        ),
        (
            ApplyError("stop them and run: aaiclick migrate --allow 'k'"),
            "stop them and run: aaiclick migrate --schema PLACE --allow 'k'",
        ),
        (ApplyError("nothing to run"), "nothing to run"),
    ],
)
def test_every_command_in_a_message_gets_the_schema(error: AaiclickError, said: str) -> None:
    for _ in range(2):
        name_schema(error, SHOP)
    assert str(error) == said.replace("PLACE", f"{__name__}:SHOP")


def test_fields_say_the_same() -> None:
    behind, refused = (
        SchemaVersionError("shop", "v1", "v2", ("x",)),
        HazardNotAllowedError("shop", ("lost",), ("drop t",)),
    )
    name_schema(behind, SHOP)
    name_schema(refused, SHOP)
    assert behind.next_command == refused.command == f"aaiclick migrate --schema {__name__}:SHOP"
