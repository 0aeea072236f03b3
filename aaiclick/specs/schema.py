"""A schema: the objects that one application owns in a database, and their version."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import ClassVar, Literal, TypeAlias, TypedDict, TypeVar

from pydantic import Field, InstanceOf, PrivateAttr
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import Unpack

from aaiclick.errors import SpecError, UsageError
from aaiclick.specs.base import MAX_VERSION, Spec
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.functions import Function
from aaiclick.specs.migrations import Migration
from aaiclick.specs.mistakes import same_name
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import Database
from aaiclick.specs.sql_objects import SqlDatabase, SqlFunction, SqlObject, SqlTable
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.variables import Value, Variable, check_places, substituted, values_of, varying

ServerObject: TypeAlias = Function | Database | NamedCollection
"""What no database's catalogue lists."""
SchemaObject = Table | MaterializedView | View | Dictionary | TableFamily | ServerObject
AnyObject: TypeAlias = SchemaObject | SqlObject
S = TypeVar("S", Table, Function)
Replicate: TypeAlias = Literal["as-declared", "where-possible"]
FINGERPRINT_FORMAT = 1


class SchemaFields(TypedDict, total=False):
    """Keywords of ``Schema``; what each means is said at the field of that name there."""

    version: int | None
    """Version of the declaration, from 1 to 4294967295 (it is recorded as a UInt32: a date with a time of day does not
    fit); None for development, where no version is checked."""
    objects: Sequence[AnyObject]
    """The declared tables, views, dictionaries, families, functions and named collections, and the database itself."""
    migrations: str | Sequence[Migration] | None
    """Dotted name of the package with the migrations, or a list of them; None for none."""
    unsupported: Mapping[str, str]
    """Live objects that cannot be declared, each with the reason. Filled by ``reflect_schema``."""
    cluster: str | None
    """The cluster whose hosts hold the objects, with or without macros: ``{cluster}``. None: what the server shows. It
    says where, not what: it is no part of the fingerprint, and ``AAICLICK_CLUSTER`` counts in its place."""
    replicate: Replicate
    """``where-possible``: where there is one host, replicated tables are made of the local engine. ``as-declared``:
    nowhere."""
    variables: Sequence[Variable]
    """What differs between installs of one version: see ``aaiclick.variables``."""


class Schema(Spec):
    """Everything that one application declares in a database.

    Raises ``SpecError`` where a name is declared twice, or a migration is newer than the version.
    """

    noun: ClassVar[str] = "schema"
    name: str
    """Name of the schema, under which its version is recorded in the database."""
    version: int | None = Field(default=None, ge=1, le=MAX_VERSION)
    """Version of the declaration, from 1 to 4294967295 (it is recorded as a UInt32: a date with a time of day does not
    fit); None for development, where no version is checked."""
    objects: list[AnyObject] = Field(default_factory=list[AnyObject])
    """The declared tables, views, dictionaries, families, functions and named collections, and the database itself."""
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
    variables: SkipJsonSchema[list[InstanceOf[Variable]]] = Field(default_factory=list[Variable], exclude=True)
    """What differs between installs of one version: see ``aaiclick.variables``."""
    _template: Schema | None = PrivateAttr(default=None)
    """The declaration with its variables, of one in which values stand for them."""
    _given: dict[str, Value] = PrivateAttr(default_factory=dict[str, Value])
    """Values that were given in the code."""
    _until: int | None = PrivateAttr(default=None)
    """The version that this one stops at, of a project that has released newer ones; None: it is the newest."""

    def __init__(self, name: str, **fields: Unpack[SchemaFields]) -> None:
        """What each keyword means.

        name: Name of the schema, under which its version is recorded in the database.
        version: Version of the declaration, from 1 to 4294967295 (it is recorded as a UInt32: a date with a time of day
            does not fit); None for development, where no version is checked.
        objects: The declared tables, views, dictionaries, families, functions and named collections, and the database
            itself.
        migrations: Dotted name of the package with the migrations, or a list of them; None for none.
        unsupported: Live objects that cannot be declared, each with the reason. Filled by ``reflect_schema``.
        cluster: The cluster whose hosts hold the objects, with or without macros: ``{cluster}``. None: what the server
            shows. It says where, not what: it is no part of the fingerprint, and ``AAICLICK_CLUSTER`` counts in its
            place.
        replicate: ``where-possible``: where there is one host, replicated tables are made of the local engine.
            ``as-declared``: nowhere.
        variables: What differs between installs of one version: see ``aaiclick.variables``.
        """
        self._construct(name, {"name": name, **fields})
        if not name.strip():
            raise SpecError("schema", "the name is empty")
        seen: dict[str, str] = {}
        for item in self.objects:
            if item.name in seen:
                raise SpecError(f"{name}: {item.noun} {item.name}", same_name(seen[item.name], item.noun))
            seen[item.name] = item.noun
        former = list(self.former_names)
        for old in former:
            if former.count(old) > 1 or old in seen:
                raise SpecError(
                    f"{name}: renamed_from {old}", "is the former name of one table only, and no longer declared itself"
                )
        if isinstance(self.migrations, list):
            self._check_migrations(self.migrations)
        elif self.migrations is not None and not _is_package_name(self.migrations):
            raise SpecError(
                name,
                f"migrations={self.migrations!r} is no name of a package: write it as in an import, such as "
                "'app.migrations' for the folder app/migrations",
            )
        names = [variable.name for variable in self.variables]
        for variable in names:
            if names.count(variable) > 1:
                raise SpecError(f"{name}: variable {variable}", "declared twice")
        for item in self.objects:
            check_places(item, frozenset(names))

    def _check_migrations(self, migrations: list[Migration]) -> None:
        versions = [migration.version for migration in migrations]
        for version in versions:
            if versions.count(version) > 1:
                raise SpecError(f"{self.name}: migration {version}", "declared twice")
            if self.version is not None and version > self.version:
                raise SpecError(
                    f"{self.name}: migration {version}", f"is newer than the schema's version {self.version}"
                )

    @classmethod
    def from_sql(cls, path: str | PathLike[str], name: str, **fields: Unpack[SchemaFields]) -> Schema:
        """The schema that a file of CREATE statements declares; ``objects`` are added to those of the file.

        A relative path is looked for beside the module that calls. The engine reads the statements when a database is
        looked at. What a statement does not say is not there; only settings that it does not name are left alone.
        ``-- renamed_from: old`` above or behind a table or column gives its former name.

        Raises ``SpecError`` with file, line and statement for whatever is no plain CREATE of a table, view,
        materialized view, dictionary, function, named collection or database.
        """
        from aaiclick.specs.sql_source import sql_objects

        caller = sys._getframe(1).f_globals.get("__file__")  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        read = sql_objects(path, caller if isinstance(caller, str) else None)
        fields["objects"] = [*read, *fields.get("objects", ())]
        return cls(name, **fields)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The declared tables, in order of declaration. Raises ``SpecError`` where one is declared as SQL and was not
        read by an engine."""
        return self._known(Table, SqlTable)

    @property
    def functions(self) -> tuple[Function, ...]:
        """The declared functions, in order of declaration. Raises ``SpecError`` as ``tables`` does."""
        return self._known(Function, SqlFunction)

    def _known(self, kind: type[S], unread: type[SqlObject]) -> tuple[S, ...]:
        for item in self.objects:
            if isinstance(item, unread):
                raise SpecError(
                    item.place(), "is declared as SQL: more than its name is known only when an engine has read it"
                )
        return tuple(item for item in self.objects if isinstance(item, kind))

    @property
    def declared_as_sql(self) -> tuple[SqlObject, ...]:
        """The objects that are declared as SQL and that no engine has read yet."""
        return tuple(item for item in self.objects if isinstance(item, SqlObject))

    @property
    def table_names(self) -> frozenset[str]:
        """Names of the declared tables."""
        return frozenset(item.name for item in self.objects if isinstance(item, Table | SqlTable))

    @property
    def function_names(self) -> frozenset[str]:
        """Names of the declared functions."""
        return frozenset(item.name for item in self.objects if isinstance(item, Function | SqlFunction))

    @property
    def server_objects(self) -> tuple[AnyObject, ...]:
        """What is declared and listed in no database's catalogue: functions, named collections, the database itself."""
        kinds = Function | SqlFunction | Database | SqlDatabase | NamedCollection
        return tuple(item for item in self.objects if isinstance(item, kinds))

    @property
    def named_collections(self) -> tuple[NamedCollection, ...]:
        """The declared named collections, in order of declaration."""
        return tuple(item for item in self.objects if isinstance(item, NamedCollection))

    @property
    def declares_database(self) -> bool:
        """True where the database itself is declared."""
        return any(isinstance(item, Database | SqlDatabase) for item in self.objects)

    @property
    def former_names(self) -> tuple[str, ...]:
        """Former names of declared tables."""
        return tuple(
            item.renamed_from for item in self.objects if isinstance(item, Table | SqlTable) and item.renamed_from
        )

    def read_as(self, objects: Sequence[SchemaObject]) -> Schema:
        """The same declaration with its SQL read by an engine: it keeps its fingerprint."""
        read = self.model_copy(update={"objects": list(objects)})
        # Of the text, not of what the engine makes of it: another release of the server may write it in other words.
        vars(read)["fingerprint"] = self.fingerprint
        return read

    def given(self, **values: Value) -> Schema:
        """The same declaration with values for its variables; they count more than the environment's. Raises
        ``UsageError`` for a variable that it does not have, and for a value that it cannot have."""
        known = {variable.name: variable for variable in self.variables}
        for name, value in values.items():
            if name not in known:
                there = f"its variables are {', '.join(known)}" if known else "it has none"
                raise UsageError(f"{self.name} has no variable {name}: {there}")
            known[name].read(value, "given")
        # Of the template: where values are in already, no variable is left to give one to.
        made = (self._template or self).model_copy()
        made._given = {**self._given, **values}  # noqa: SLF001 - made here
        return made

    @property
    def given_values(self) -> dict[str, Value]:
        """What was given for its variables."""
        return dict(self._given)

    @property
    def until(self) -> int | None:
        """The version that this one stops at, of a project that has released newer ones; None: it is the newest."""
        return self._until

    def stopped_at(self, version: int) -> Schema:
        """The same declaration, whose newer migrations and released forms do not count."""
        made = self.model_copy()
        made._until = version  # noqa: SLF001 - made here
        return made

    def resolved(self, environment: Mapping[str, str]) -> Schema:
        """The declaration with a value in place of each variable: what was given, else the environment's, else the
        default. Raises ``UsageError``. Values of named collections come from the environment, too."""
        made = self
        if self.named_collections:
            made = self.model_copy(update={"objects": [_known(item, environment) for item in self.objects]})
        # With a template the values are in already.
        if not self.variables or self._template is not None:
            return made
        return made._with_values(values_of(self.variables, self._given, environment))  # noqa: SLF001 - of this class

    def with_defaults(self, other: Mapping[str, Value] | None = None) -> Schema:
        """The declaration as it is released: with the defaults of its variables, whatever the environment says.
        ``other``: values in their place, except in SETTINGS."""
        if not self.variables:
            return self
        template, defaults = self._template or self, {each.name: each.default for each in self.variables}
        return template._with_values({**defaults, **(other or {})}, defaults)  # noqa: SLF001 - of this class

    def _with_values(self, values: Mapping[str, Value], settings: Mapping[str, Value] | None = None) -> Schema:
        made = self.model_copy(update={"objects": [substituted(item, values, settings) for item in self.objects]})
        vars(made).pop("fingerprint", None)  # of the declaration with its variables
        made._template = self  # noqa: SLF001 - made here
        return made

    def varying(self, name: str, variables: frozenset[str] | None = None) -> frozenset[str]:
        """The clauses of an object that hold a variable (one of these): ``ttl``, ``created_at.ttl``,
        ``settings.storage_policy``; ``*`` for any of a declaration as SQL."""
        item = (self._template or self).get(name) if self.variables else None
        names = frozenset(each.name for each in self.variables) if variables is None else variables
        return varying(item, names) if item is not None else frozenset()

    def get(self, name: str) -> AnyObject | None:
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


def _is_package_name(text: str) -> bool:
    """Whether an absolute import could name it. Hyphens are left alone: a folder with one can be imported by name."""
    return all(text.split(".")) and not set(text) & set("/\\") and not text.isspace()


def _known(item: AnyObject, environment: Mapping[str, str]) -> AnyObject:
    return item.resolved(environment) if isinstance(item, NamedCollection) else item


def _local(item: AnyObject) -> AnyObject:
    """An object with the local engine in place of a replicated one."""
    if isinstance(item, Database):
        without = {name: getattr(item, name) for name in item.model_fields_set if name != "engine"}
        return Database.model_construct(**without) if item.engine_name == "Replicated" else item
    engine = getattr(item, "engine", None)
    if not isinstance(engine, MergeTree) or engine.replicated is None:
        return item
    fields = {name: getattr(engine, name) for name in engine.model_fields_set if name != "replicated"}
    return item.model_copy(update={"engine": type(engine)(**fields)})
