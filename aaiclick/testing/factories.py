"""The types of the fixtures that are called: for tests that annotate their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aaiclick import Schema
    from aaiclick.testing.versions import OldInstall


class UpgradeFactory(Protocol):
    """The type of the ``aaiclick_upgrade`` fixture."""

    def __call__(self, schema: Schema, version: int, *, recorded: bool = True) -> OldInstall: ...


class SchemaFactory(Protocol):
    """The type of the ``aaiclick_schema`` fixture."""

    def __call__(self, schema: Schema, *, via: object = None) -> str: ...
