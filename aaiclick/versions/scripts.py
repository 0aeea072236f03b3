"""Migrations: a package or folder of ``NNNN_what.sql`` and ``NNNN_what.py``, or a list."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Protocol

from aaiclick.errors import AaiclickError, DuplicateVersionError, MigrationError
from aaiclick.specs.migrations import Migration, Rebuild
from aaiclick.sql.script import ScriptError, normal_text, split_statements
from aaiclick.versions.decisions import wrong_decision
from aaiclick.versions.headers import read_header
from aaiclick.versions.text_file import read_text_file

_NAME = re.compile(r"(?P<number>\d{4,})_(?P<what>[A-Za-z0-9_]+)\.(?P<kind>sql|py)\Z")
_PAIRED = re.compile(r"\d+_.*\.(?:up|down)\.sql\Z")
"""How golang-migrate calls its files, two for each version."""
_MARKED = {
    "goose": re.compile(r"^--\s*\+goose\s+(?:Up|Down)\b", re.MULTILINE | re.IGNORECASE),
    "dbmate": re.compile(r"^--\s*migrate:(?:up|down)\b", re.MULTILINE),
}
"""How other tools mark the two ways within a file."""
_NUMBERED = re.compile(r"\d.*\.(?:sql|py)\Z")


@dataclass(frozen=True, slots=True)
class Script:
    """A migration and where it was found.

    ``label`` is what people call it (``0002_sort_key.sql``), ``where`` is the file. ``checksum`` covers what it
    does: spaces, comments and the title do not count.
    """

    migration: Migration
    label: str
    where: str
    checksum: str

    @property
    def version(self) -> int:
        """The version that the migration leads to."""
        return self.migration.version


class _Entry(Protocol):
    """What ``importlib.resources`` and ``pathlib`` have in common."""

    @property
    def name(self) -> str: ...

    def is_file(self) -> bool: ...

    def read_bytes(self) -> bytes: ...


def read_migrations(source: str | Path | Sequence[Migration] | None, *, doubles: bool = False) -> tuple[Script, ...]:
    """All migrations, by version. A ``str`` is the dotted name of a package, a ``Path`` a folder.
    ``doubles``: two may have the same number.

    Raises ``MigrationError`` that names file and line, and ``DuplicateVersionError`` where two have the same number.
    """
    if source is None:
        return ()
    if isinstance(source, str):
        try:
            entries: Iterable[_Entry] = list(files(source).iterdir())
        except (ImportError, FileNotFoundError, NotADirectoryError) as error:
            advice = (
                '. aaiclick revision -m "..." makes it'
                if isinstance(error, ModuleNotFoundError) and error.name == source
                else ""
            )
            raise MigrationError(source, f"the migrations package cannot be imported: {error}{advice}") from error
        found = _read_folder(entries, source)
    elif isinstance(source, Path):
        found = _read_folder(source.iterdir() if source.is_dir() else [], source)
    else:
        found = [_listed(migration) for migration in source]
    for script in found:
        # A misspelt key would be noticed only on the day when its step is refused.
        wrong = next((said for key in script.migration.allow if (said := wrong_decision(key))), "")
        if wrong:
            raise MigrationError(script.where, wrong)
    # By number, then by name: two of one number are told in the same order on every machine.
    ordered = sorted(found, key=lambda script: (script.version, script.label))
    for script, following in pairwise(ordered):
        if script.version == following.version and not doubles:
            raise DuplicateVersionError(
                following.where,
                f"has the number of {script.label}: two migrations cannot be version {script.version}. Where two "
                "branches were merged: aaiclick revision --renumber puts the later one behind",
            )
    return tuple(ordered)


def read_script(text: str, version: int, where: str) -> Migration:
    """The migration in the text of an SQL file. Raises ``MigrationError`` that names file and line."""
    header = read_header(text, where)
    # Empty lines for the header, so that the line numbers of errors are those of the file.
    body = "\n" * header.lines + "\n".join(text.splitlines()[header.lines :])
    try:
        statements = split_statements(body)
    except ScriptError as error:
        raise MigrationError(f"{where}, line {error.line}", error.problem) from None
    if statements and not header.sql:
        raise MigrationError(
            f"{where}, line {statements[0].line}", "is a statement, but the header does not say '-- strategy: sql'"
        )
    if header.sql and not statements:
        raise MigrationError(
            f"{where}, line {header.lines}", "the header says 'strategy: sql', but there is no statement"
        )
    fields = {
        table: Rebuild(columns=lines.columns, where=lines.where, back=lines.back)
        for table, lines in header.rebuilds.items()
        if lines.columns or lines.where or lines.back
    }
    try:
        return Migration(
            version,
            title=header.title,
            rebuild=fields,
            renames=header.renames,
            strategy={table: way for table, way in header.ways.items() if table not in fields},
            sql=[statement.text for statement in statements],
            oldest_code=header.oldest_code,
            allow=header.allow,
        )
    except AaiclickError as error:
        raise MigrationError(where, str(error)) from error


def statements_of(migration: Migration) -> tuple[str, ...]:
    """The statements of a migration one by one: an entry of its list may hold several. Raises ``MigrationError``."""
    found: list[str] = []
    for entry in migration.sql:
        try:
            found.extend(statement.text for statement in split_statements(entry))
        except ScriptError as error:
            raise MigrationError(f"migration {migration.version}, statement {entry[:40]!r}", str(error)) from None
    return tuple(found)


def checksum_of(migration: Migration, source: str = "") -> str:
    """The checksum of what a migration does, which its rollback expressions are no part of.

    ``source``: the text of the Python file that holds its function; '' where it has none.
    """
    content: dict[str, object] = {
        "version": migration.version,
        "rebuild": {
            table: {"columns": one.columns, "where": one.where} for table, one in sorted(migration.rebuilds.items())
        },
        "alter": sorted(table for table, way in migration.strategy.items() if way == "alter"),
        "renames": dict(sorted(migration.renames.items())),
        "sql": [normal_text(text) for text in statements_of(migration)],
        "oldest_code": migration.oldest_code,
        "move": _named(migration.move, source),
    }
    # Left out where there is none: so checksums that earlier releases recorded stay the same.
    if migration.allow:
        content["allow"] = sorted(migration.allow)
    encoded = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _named(move: object, source: str) -> object:
    if move is None:
        return None
    if source:
        # Line ends and empty lines do not count. The rest does, because the function may use any helper in the file.
        return [line.rstrip() for line in source.splitlines() if line.strip()]
    return f"{getattr(move, '__module__', '')}.{getattr(move, '__qualname__', type(move).__qualname__)}"


def _listed(migration: Migration) -> Script:
    label = f"migration {migration.version}" + (f" ({migration.title})" if migration.title else "")
    return Script(migration, label, label, checksum_of(migration))


def _read_folder(entries: Iterable[_Entry], source: str | Path) -> list[Script]:
    found: list[Script] = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        named = _NAME.match(entry.name)
        where = f"{source}/{entry.name}"
        # Before the name is refused: whoever comes from that tool has to read more than how files are called.
        if _PAIRED.match(entry.name):
            raise _of_another_tool(where, "golang-migrate")
        if named is None:
            if entry.name.endswith(".sql") or _NUMBERED.match(entry.name):
                raise MigrationError(
                    where, "is no name of a migration: write four digits and what it does, such as 0002_sort_key.sql"
                )
            continue
        if not entry.is_file():
            continue
        number = int(named["number"])
        if number < 1:
            raise MigrationError(where, "versions count from 1")
        text = read_text_file(entry, where)
        if named["kind"] == "sql":
            for tool, mark in _MARKED.items():
                if mark.search(text):
                    raise _of_another_tool(where, tool)
            migration = read_script(text, number, where)
            found.append(Script(migration, entry.name, where, checksum_of(migration)))
        else:
            migration = _from_module(_module(source, entry.name), number, where)
            found.append(
                Script(migration, entry.name, where, checksum_of(migration, text if migration.move is not None else ""))
            )
    return found


def _of_another_tool(where: str, tool: str) -> MigrationError:
    return MigrationError(
        where,
        f"is a file of {tool}, with statements for the way up and down. Here the difference between two versions is "
        "computed, a file says what it cannot tell, and aaiclick rollback goes back. Keep that folder as it is, "
        f"name another one as migrations=, and take the database over with: aaiclick adopt --from {tool}",
    )


def _module(source: str | Path, name: str) -> ModuleType:
    where, stem = f"{source}/{name}", name.removesuffix(".py")
    try:
        if isinstance(source, str):
            # As a member of its package, so that it can import what is beside it.
            return importlib.import_module(f"{source}.{stem}")
        # A folder is no package: each file is a module by itself, under a name that nobody imports.
        spec = importlib.util.spec_from_file_location(f"_aaiclick_migration_{stem}", source / name)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as error:
        raise MigrationError(where, f"cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _from_module(module: ModuleType, number: int, where: str) -> Migration:
    # A module may hold the same migration under two names.
    held = {id(value): value for value in vars(module).values() if isinstance(value, Migration)}
    if len(held) != 1:
        problem = "holds no Migration" if not held else f"holds {len(held)} Migrations"
        raise MigrationError(where, f"{problem}: one is needed, such as migration = Migration(version={number}, ...)")
    migration = next(iter(held.values()))
    if migration.version != number:
        raise MigrationError(where, f"its Migration says version {migration.version}, its name {number}")
    return migration
