"""A project on disk, as a user has one: a module with a schema, a migrations package beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.testing.engine import fresh_name


class Project:
    """``schema(version, columns...)`` declares the table ``events``; its migrations package is in ``folder``."""

    def __init__(self, root: Path) -> None:
        self.name = fresh_name("project").replace("-", "_")
        self.home = root / self.name
        self.home.mkdir()
        (self.home / "__init__.py").write_text("", encoding="utf-8")
        self.folder = self.home / "migrations"
        self.package = f"{self.name}.migrations"

    def schema(self, version: int, *columns: Column, order: str = "id") -> Schema:
        table = Table("events", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=[order]))
        return Schema("shop", version=version, objects=[table], migrations=self.package)

    def forget(self) -> None:
        """What Python remembers of the package: files are written while the tests run."""
        for name in [name for name in sys.modules if name.startswith(self.name)]:
            del sys.modules[name]


def empty_package(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package without a module, which can be imported by its name."""
    package = root / name
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(root)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return package
