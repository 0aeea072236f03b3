"""A schema: the objects that one application owns in a database, and their version."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias, TypedDict

from pydantic import Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.functions import Function
from aaiclick.specs.migrations import Migration
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View

SchemaObject = Table | MaterializedView | View | Dictionary | TableFamily | Function
Replicate: TypeAlias = Literal["as-declared", "where-possible"]
FINGERPRINT_FORMAT = 1


class SchemaFields(TypedDict, total=False):
    """Keywords of ``Schema``."""

    version: int | None
    objects: list[SchemaObject]
    migrations: str | list[Migration] | None
    unsupported: dict[str, str]
    cluster: str | None
    replicate: Replicate


class Schema(Spec):
    """Everything that one application declares in a database.

    Raises ``SpecError`` where a name is declared twice, or a migration is newer than the version.
    """

    noun: ClassVar[str] = "schema"
    name: str
    """Name of the schema, under which its version is recorded in the database."""
    version: int | None = Field(default=None, ge=1)
    """Version of the declaration, from 1; None for development, where no version is checked."""
    objects: list[SchemaObject] = Field(default_factory=list[SchemaObject])
    """The declared tables, views, dictionaries, families and functions."""
    migrations: str | list[Migration] | None = None
    """Dotted name of the package with the migrations, or a list of them; None for none."""
    unsupported: dict[str, str] = Field(default_factory=dict[str, str])
    """Live objects that cannot be declared, each with the reason. Filled by ``reflect_schema``."""
    cluster: str | None = None
    """The cluster whose hosts hold the objects, with or without macros: ``{cluster}``. None: what the server shows. It
    says where, not what: it is no part of the fingerprint, and ``AAICLICK_CLUSTER`` counts in its place."""
    replicate: Replicate = "as-declared"
    """``where-possible``: where there is one host, replicated tables are made of the local engine. ``as-declared``:
    nowhere."""

    def __init__(self, name: str, **fields: Unpack[SchemaFields]) -> None:
        self._construct(name, {"name": name, **fields})
        if not name.strip():
            raise SpecError("schema", "the name is empty")
        seen: set[str] = set()
        for item in self.objects:
            if item.name in seen:
                raise SpecError(f"{name}: {item.noun} {item.name}", "declared twice")
            seen.add(item.name)
        former = [item.renamed_from for item in self.objects if isinstance(item, Table) and item.renamed_from]
        for old in former:
            if former.count(old) > 1 or old in seen:
                raise SpecError(
                    f"{name}: renamed_from {old}", "is the former name of one table only, and no longer declared itself"
                )
        if isinstance(self.migrations, list):
            self._check_migrations(self.migrations)

    def _check_migrations(self, migrations: list[Migration]) -> None:
        versions = [migration.version for migration in migrations]
        for version in versions:
            if versions.count(version) > 1:
                raise SpecError(f"{self.name}: migration {version}", "declared twice")
            if self.version is not None and version > self.version:
                raise SpecError(
                    f"{self.name}: migration {version}", f"is newer than the schema's version {self.version}"
                )

    @property
    def tables(self) -> tuple[Table, ...]:
        """The declared tables, in order of declaration."""
        return tuple(item for item in self.objects if isinstance(item, Table))

    @property
    def functions(self) -> tuple[Function, ...]:
        """The declared functions, in order of declaration."""
        return tuple(item for item in self.objects if isinstance(item, Function))

    def get(self, name: str) -> SchemaObject | None:
        """The declared object of that name, or None."""
        return next((item for item in self.objects if item.name == name), None)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of what is declared, without the version. It counts only fields that were given, and is the same in
        all releases of this library that share a format."""
        # Where it depends on the place, whether an engine is replicated declares nothing.
        objects = self.with_local_engines().objects if self.replicate == "where-possible" else self.objects
        declared = [{"kind": item.noun, **item.model_dump(mode="json", exclude_unset=True)} for item in objects]
        # Sorted: another order of declaration declares nothing else.
        encoded = json.dumps(
            sorted(declared, key=lambda item: (str(item["kind"]), str(item.get("name")))),
            sort_keys=True,
            separators=(",", ":"),
        )
        return f"{FINGERPRINT_FORMAT}:{hashlib.sha256(encoded.encode()).hexdigest()[:32]}"

    def with_local_engines(self) -> Schema:
        """The same declaration without replicated engines."""
        return self.model_copy(update={"objects": [_local(item) for item in self.objects]})

    @property
    def version_label(self) -> str:
        """``v5``, or ``development`` without a version."""
        return f"v{self.version}" if self.version is not None else "development"


def _local(item: SchemaObject) -> SchemaObject:
    """An object with the local engine in place of a replicated one."""
    engine = getattr(item, "engine", None)
    if not isinstance(engine, MergeTree) or engine.replicated is None:
        return item
    fields = {name: getattr(engine, name) for name in engine.model_fields_set if name != "replicated"}
    return item.model_copy(update={"engine": type(engine)(**fields)})
