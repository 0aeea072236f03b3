"""``schema.lock.json``: the canonical form of every released version, beside the migrations.

Databases without a record are recognised by it, and the tests "upgrade from every released version" are made from
it. It is written by machine: what is read has to be exactly what would be written.

``variables`` lists clauses that differ between installs of one version, with all their texts. ``{days}`` (any word
in braces) stands for an unsigned number. A clause is a field of the table (``ttl``) or of a column
(``created_at.type``).

``migration`` is the checksum of the version's migration, '' where it has none. ``seal`` is the checksum of the entry
itself: it shows that an entry was edited by hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias, cast

from pydantic import TypeAdapter, ValidationError

from aaiclick.catalog.forms import CollectionForm, DatabaseForm, DictionaryForm, FunctionForm, TableForm, ViewForm
from aaiclick.errors import MigrationError
from aaiclick.versions.text_file import read_text_file

LOCK_FILE = "schema.lock.json"
# A release refuses a file of a higher format than its own: it would write it again without what it does not know.
LOCK_FORMAT = 1
LockedForm: TypeAlias = TableForm | ViewForm | DictionaryForm | FunctionForm | DatabaseForm | CollectionForm
Variables: TypeAlias = Mapping[str, Mapping[str, tuple[str, ...]]]
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"


@dataclass(frozen=True, slots=True)
class LockedVersion:
    """A released version as the lock file has it."""

    version: int
    """The number of the version."""
    forms: Mapping[str, LockedForm]
    """The canonical form of each object, by name."""
    variables: Variables = field(default_factory=dict[str, dict[str, tuple[str, ...]]])
    """For each object its clauses that differ between installs, each with all its texts."""
    migration: str | None = None
    """Checksum of its migration; '' where it has none, None where the file does not say."""
    seal: str = ""
    """Checksum of the entry when it was released; '' where the file has none."""


@dataclass(frozen=True, slots=True)
class Lock:
    """All released versions of a schema, oldest first."""

    schema: str
    versions: tuple[LockedVersion, ...]

    def get(self, version: int) -> LockedVersion | None:
        """The version of that number."""
        return next((locked for locked in self.versions if locked.version == version), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all objects of all versions, sorted."""
        return tuple(sorted({name for locked in self.versions for name in locked.forms}))


def read_lock(source: str | Path) -> Lock | None:
    """The lock of a migrations package (its dotted name), a folder or a file (a ``Path``); None where there is no such
    file.

    Raises ``MigrationError`` where the package cannot be imported, or this release cannot read the file.
    """
    if isinstance(source, Path):
        path = source / LOCK_FILE if source.is_dir() else source
        return load_lock(read_text_file(path, str(path)), str(path)) if path.is_file() else None
    try:
        resource = files(source) / LOCK_FILE
    except ImportError as error:
        raise MigrationError(source, f"the migrations package cannot be imported: {error}") from error
    where = f"{source}/{LOCK_FILE}"
    return load_lock(read_text_file(resource, where), where) if resource.is_file() else None


def lock_path(source: str) -> str:
    """Where the lock file of a package is, for people. The package can be imported."""
    return str(files(source) / LOCK_FILE)


def load_lock(text: str, where: str = LOCK_FILE) -> Lock:
    """The lock that ``dump_lock`` wrote. Raises ``MigrationError`` that names ``where`` for any other text."""
    try:
        content: Json = json.loads(text)
    except json.JSONDecodeError as error:
        if re.search(r"^(?:<{7}|={7}|>{7})", text, re.MULTILINE):
            raise MigrationError(
                where,
                "holds both sides of a merge. Take that of the branch that was merged first, as it is; if both have "
                "added the same version, aaiclick revision --renumber then puts the later one behind",
            ) from None
        raise MigrationError(where, f"is not JSON: {error}") from error
    number = content.get("format") if isinstance(content, dict) else None
    if number != LOCK_FORMAT:
        raise MigrationError(where, f"has format {number!r}, this release reads format {LOCK_FORMAT}")
    try:
        lock = _lock(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise MigrationError(where, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    # A field of a later release would be lost when this one writes the file again.
    if _plain_lock(lock) != content:
        raise MigrationError(
            where, "holds fields that this release does not know; it has to be as the library writes it"
        )
    return lock


def dump_lock(lock: Lock) -> str:
    """JSON text; the same lock gives the same bytes."""
    return json.dumps(_plain_lock(lock), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class _ObjectFile:
    kind: Literal["table", "view", "dictionary", "function", "database", "named collection"]
    form: dict[str, object]


@dataclass(frozen=True, slots=True)
class _VersionFile:
    objects: dict[str, _ObjectFile]
    variables: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict[str, dict[str, tuple[str, ...]]])
    migration: str | None = None
    seal: str = ""


@dataclass(frozen=True, slots=True)
class _LockFile:
    format: int
    schema: str
    versions: dict[int, _VersionFile]


@cache
def _adapters() -> tuple[TypeAdapter[_LockFile], dict[str, TypeAdapter[LockedForm]]]:
    """Made at the first use: building them takes longer than the whole import."""
    forms: dict[str, TypeAdapter[LockedForm]] = {
        "table": TypeAdapter[LockedForm](TableForm),
        "view": TypeAdapter[LockedForm](ViewForm),
        "dictionary": TypeAdapter[LockedForm](DictionaryForm),
        "function": TypeAdapter[LockedForm](FunctionForm),
        "database": TypeAdapter[LockedForm](DatabaseForm),
        "named collection": TypeAdapter[LockedForm](CollectionForm),
    }
    return TypeAdapter(_LockFile), forms


def _lock(content: object) -> Lock:
    file_adapter, form_adapters = _adapters()
    read = file_adapter.validate_python(content)
    versions = [
        LockedVersion(
            number,
            {name: form_adapters[entry.kind].validate_python(entry.form) for name, entry in found.objects.items()},
            found.variables,
            found.migration,
            found.seal,
        )
        for number, found in read.versions.items()
    ]
    # By number: after a merge of two branches the file may have them in another order.
    return Lock(read.schema, tuple(sorted(versions, key=lambda locked: locked.version)))


def _plain_lock(lock: Lock) -> dict[str, Json]:
    versions: dict[str, Json] = {}
    for locked in sorted(lock.versions, key=lambda each: each.version):
        versions[str(locked.version)] = {**_plain_version(locked), **({"seal": locked.seal} if locked.seal else {})}
    return {"format": LOCK_FORMAT, "schema": lock.schema, "versions": versions}


def version_seal(locked: LockedVersion) -> str:
    """The checksum of a released version's entry."""
    # Sorted and without blanks, so that the layout of the file does not count.
    encoded = json.dumps(_plain_version(locked), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _plain_version(locked: LockedVersion) -> dict[str, Json]:
    entry: dict[str, Json] = {}
    if locked.migration is not None:
        entry["migration"] = locked.migration
    if locked.variables:
        entry["variables"] = {
            name: {clause: list(texts) for clause, texts in sorted(clauses.items())}
            for name, clauses in sorted(locked.variables.items())
        }
    entry["objects"] = {name: {"kind": form.kind, "form": _plain(form)} for name, form in sorted(locked.forms.items())}
    return entry


def _plain(value: object) -> Json:
    """A form as JSON data, without fields that have their default."""
    if is_dataclass(value):
        found = ((entry, getattr(value, entry.name)) for entry in fields(value))
        # A field that is added later with a default leaves the text of older entries as it is, and so their seals.
        return {entry.name: _plain(part) for entry, part in found if part != entry.default}
    if isinstance(value, tuple):
        return [_plain(part) for part in cast("tuple[object, ...]", value)]
    assert value is None or isinstance(value, str | int | bool)
    return value
