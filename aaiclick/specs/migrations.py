"""A versioned migration: what no diff between two declarations can know."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypedDict

from pydantic import ConfigDict, Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec


class Rebuild(Spec):
    """A shadow rebuild with an SQL expression per column (over the old columns) and an optional filter on the old rows."""

    noun: ClassVar[str] = "rebuild"
    columns: dict[str, str] = Field(default_factory=dict[str, str])
    where: str | None = None


class MigrationFields(TypedDict, total=False):
    """Keywords of ``Migration``."""

    title: str
    rebuild: dict[str, Rebuild]
    renames: dict[str, str]
    sql: list[str]
    move: Callable[..., object] | None
    oldest_code: int | None


class Migration(Spec):
    """What has to happen between version - 1 and ``version`` beyond the difference of the two declarations. Every part is optional.

    ``rebuild``: per table, how the new columns follow from the old ones. ``renames``: ``{"table.column": "new column"}`` or
    ``{"table": "new table"}``. ``sql``: statements. ``move``: a callable that moves data. ``oldest_code``: the oldest code version
    that still runs on the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    noun: ClassVar[str] = "migration"
    version: int = Field(ge=1)
    title: str = ""
    rebuild: dict[str, Rebuild] = Field(default_factory=dict[str, Rebuild])
    renames: dict[str, str] = Field(default_factory=dict[str, str])
    sql: list[str] = Field(default_factory=list[str])
    move: Callable[..., object] | None = Field(default=None, exclude=True)
    oldest_code: int | None = Field(default=None, ge=1)

    def __init__(self, version: int, **fields: Unpack[MigrationFields]) -> None:
        self._construct(version, {"version": version, **fields})
        if self.oldest_code is not None and self.oldest_code > version:
            raise SpecError(f"migration {version}", f"oldest_code {self.oldest_code} is newer than the migration itself")
