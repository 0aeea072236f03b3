"""Releases a version (writes the lock file and the migration file from the declaration), and checks that declaration,
lock file and migrations agree."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files as resource
from pathlib import Path

from aaiclick.api.declared_forms import declared_forms, forms_with_values
from aaiclick.errors import DuplicateVersionError, HistoryError, MigrationError, UndecidedError, UsageError
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily
from aaiclick.versions.headers import read_header
from aaiclick.versions.history import check_released, read_history
from aaiclick.versions.lockfile import (
    LOCK_FILE,
    Lock,
    LockedForm,
    LockedVersion,
    Variables,
    dump_lock,
    read_lock,
    version_seal,
)
from aaiclick.versions.named_decisions import Names, names_nothing
from aaiclick.versions.release import (
    Release,
    compare_versions,
    renamed_tables,
    script_text,
    slug,
    unknown_decisions,
    unwritten_remarks,
    with_decisions,
)
from aaiclick.versions.scripts import Script, read_migrations
from aaiclick.versions.varying_texts import varying_texts


@dataclass(frozen=True, slots=True)
class Revision:
    """What ``revise`` wrote: ``files`` in the migrations folder; none where everything was up to date."""

    version: int
    files: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``check_schema`` found: sentences about what does not agree, each with what to do."""

    schema: str
    version: int | None
    released: int | None
    problems: tuple[str, ...]


def migrations_folder(schema: Schema, make: bool = False) -> Path:
    """The folder of the migrations package. ``make``: where it is missing but its parent package is there, it is
    made."""
    name = schema.migrations
    if not isinstance(name, str):
        raise UsageError(
            f"{schema.name} declares no migrations package: write migrations='app.migrations' in its Schema"
        )
    try:
        paths = list(importlib.import_module(name).__path__)
    except ModuleNotFoundError as error:
        parent, _, last = name.rpartition(".")
        # Another name: the package is there, and something that it imports is not.
        if not make or error.name != name:
            raise MigrationError(name, f"the migrations package cannot be imported: {error}") from error
        home = Path(next(iter(importlib.import_module(parent).__path__))) if parent else Path.cwd()
        folder = home / last
        folder.mkdir()
        (folder / "__init__.py").write_text(f'"""Migrations of {schema.name}."""\n', encoding="utf-8")
        # Python remembers what a folder held when it last looked.
        importlib.invalidate_caches()
        return folder
    except AttributeError:
        raise MigrationError(name, "is a module: a package (a folder with __init__.py) is needed") from None
    return Path(paths[0])


def revise(
    schema: Schema,
    message: str,
    renames: Mapping[str, str] | None = None,
    drops: Sequence[str] = (),
    oldest_code: int | None = None,
    python: bool = False,
    amend: bool = False,
) -> Revision:
    """Release the declared version: write its entry in the lock file, and its migration file unless there is one
    already.

    ``amend`` writes the newest entry anew, for a version that nobody has installed yet. Raises ``UndecidedError``,
    ``HistoryError``, ``UsageError`` where the version was not raised; nothing is written then.
    """
    version = schema.version
    if version is None:
        raise UsageError(f"{schema.name} has no version: write version=1 in its Schema")
    folder = migrations_folder(schema, make=True)
    lock = read_lock(folder) or Lock(schema.name, ())
    scripts = read_migrations(folder)
    before = lock.versions[:-1] if amend and lock.versions and lock.versions[-1].version == version else lock.versions
    # Without the entry that --amend writes anew: that one may differ from the code.
    check_released(schema.name, version, scripts, Lock(lock.schema, before), str(folder / LOCK_FILE))
    template = schema
    schema, declared = declared_forms(template)
    last = before[-1] if before else None
    if last is not None and version <= last.version:
        _require_as_released(schema, declared, last, deciding=bool(renames or drops))
        return Revision(version, (), ())
    if last is not None and version > last.version + 1:
        raise UsageError(
            f"{schema.name} goes from version {last.version} to {version}: write version={last.version + 1}"
        )
    own = next((script for script in scripts if script.version == version), None)
    given = {**(own.migration.renames if own is not None else {}), **(renames or {})}
    release = (
        _decided(schema, last, declared, given, drops)
        if not amend or renames or drops or last is None
        else compare_versions(last.forms, declared, schema, given, [])
    )
    unwritten = unwritten_remarks(last.forms, declared, schema, dict(release.renames)) if last is not None else ()
    if unwritten:
        raise UsageError("; ".join(unwritten))
    if own is not None:
        wrong = wrong_allowances([own], Lock(schema.name, before), schema, declared)
        if wrong:
            raise MigrationError(*wrong[0])
        _write_decisions(folder, own, release, oldest_code)
        # Read again: its checksum covers what was just written into it.
        own = next(script for script in read_migrations(folder) if script.version == version)
    kept = lock.get(version)
    varies = _varying(template, declared, kept.variables if kept is not None else {})
    empty = LockedVersion(version, declared, varies)
    return _write(folder, Lock(schema.name, before), empty, release, own, message, oldest_code, python)


def _require_as_released(
    schema: Schema, declared: Mapping[str, LockedForm], last: LockedVersion, *, deciding: bool
) -> None:
    """Raises ``UsageError`` where the declaration is not what was released already; ``deciding``: or where something is
    to be decided of it."""
    release = compare_versions(last.forms, declared, schema, {}, ())
    if release.words:
        raise UsageError(
            f"{schema.name} differs from its released version {last.version}: {'; '.join(release.words)}. Write "
            f"version={last.version + 1} and run this again;"
            f" if version {last.version} is not installed anywhere yet: aaiclick revision --amend"
        )
    if deciding:
        raise UsageError(
            f"version {schema.version} of {schema.name} is released as it is declared: what it decides is in its "
            "migration. If it is not installed anywhere yet, add --amend"
        )


def _write_decisions(folder: Path, own: Script, release: Release, oldest_code: int | None) -> None:
    """Decisions belong into the migration, also where somebody wrote that before."""
    migration = own.migration
    missing = [key for key in release.allow if key not in migration.allow]
    renames = {old: new for old, new in release.renames if migration.renames.get(old) != new}
    if oldest_code is not None and migration.oldest_code not in (None, oldest_code):
        raise UsageError(f"{own.where} says oldest_code {migration.oldest_code}: edit it there")
    older = oldest_code is not None and migration.oldest_code is None
    if not (missing or renames or older):
        return
    path = folder / own.label
    if path.suffix != ".sql":
        lines = [
            *([f"allow={[*migration.allow, *missing]!r}"] if missing else []),
            *([f"renames={ ({**migration.renames, **renames})!r}"] if renames else []),
            *([f"oldest_code={oldest_code}"] if older else []),
        ]
        raise UsageError(
            f"{path} is there already, and Python is not edited: write {', '.join(lines)} into its Migration, and run "
            "this again"
        )
    text = path.read_bytes().decode("utf-8-sig")  # with its line ends
    path.write_text(
        with_decisions(text, release, oldest_code, read_header(text, own.where)), encoding="utf-8", newline=""
    )


def wrong_allowances(
    scripts: Sequence[Script],
    lock: Lock,
    schema: Schema,
    declared: Mapping[str, LockedForm] | None = None,
    after: int = 0,
) -> list[tuple[str, str]]:
    """File and line, and what is wrong, for each thing that a migration allows and that is about nothing.
    ``declared``: what the version declares that is not in the lock file yet; None: all of them are.
    ``after``: migrations up to this version were carried out."""
    names, said, wrong = Names(), iter(sorted(lock.versions, key=lambda each: each.version)), list[tuple[str, str]]()
    following = next(said, None)
    families = [item.pattern for item in schema.objects if isinstance(item, TableFamily)]
    for script in sorted(scripts, key=lambda each: each.version):
        # Nothing says what such a version declared.
        if declared is None and lock.get(script.version) is None:
            continue
        while following is not None and following.version <= script.version:
            names.add(following.forms)
            following = next(said, None)
        if declared is not None:
            names.add(declared)
        names.rename(script.migration.renames)
        for key in script.migration.allow if script.version > after else ():
            if problem := names_nothing(key, names, [script.label], families):
                wrong.append((_place(script, key), problem))
    return wrong


def require_named(schema: Schema, live: int | None) -> None:
    """Raises ``MigrationError`` where a migration between the live version and the declared one allows something that
    is about nothing."""
    history = read_history(schema)
    if not live or history.lock is None:
        return  # a new database needs no migration, and nothing else tells what was declared
    wrong = wrong_allowances(history.scripts, history.lock, schema, after=live)
    if wrong:
        raise MigrationError(*wrong[0])


def _place(script: Script, key: str) -> str:
    """File and line; the name of the migration where it stands in no file."""
    package, _, name = script.where.rpartition("/")
    try:
        path = Path(script.where) if Path(script.where).is_file() else resource(package).joinpath(name)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError, UnicodeDecodeError, ValueError):
        lines = []
    held = [number for number, text in enumerate(lines, 1) if key in text]
    line = next((number for number in held if "allow" in lines[number - 1]), held[0] if held else None)
    return f"{script.where}, line {line}" if line is not None else script.where


def _varying(schema: Schema, declared: Mapping[str, LockedForm], kept: Variables) -> Variables:
    """What may differ between installs: what the schema's variables say, and what was written by hand for others."""
    own = varying_texts(schema, declared, _forms)
    return {name: {**kept.get(name, {}), **own.get(name, {})} for name in sorted({*kept, *own})}


def _forms(schema: Schema) -> Mapping[str, LockedForm]:
    return forms_with_values(schema)[1]


def _decided(
    schema: Schema,
    last: LockedVersion | None,
    declared: Mapping[str, LockedForm],
    renames: Mapping[str, str],
    drops: Sequence[str],
) -> Release:
    if last is None:
        return Release((), (), ())
    wrong = unknown_decisions(last.forms, declared, renames, drops, renamed_tables(last.forms, schema, renames))
    if wrong:
        raise UsageError("; ".join(wrong))
    release = compare_versions(last.forms, declared, schema, renames, drops)
    if release.undecided:
        raise UndecidedError(schema.name, release.undecided)
    return release


def _write(
    folder: Path,
    lock: Lock,
    entry: LockedVersion,
    release: Release,
    own: Script | None,
    message: str,
    oldest_code: int | None,
    python: bool,
) -> Revision:
    written: list[str] = []
    # The first version has none before it, so there is nothing to migrate.
    if own is None and lock.versions:
        if not message.strip():
            raise UsageError('say what the version is for: aaiclick revision -m "..."')
        name = f"{entry.version:04d}_{slug(message)}.{'py' if python else 'sql'}"
        (folder / name).write_text(script_text(message, entry.version, release, oldest_code, python), encoding="utf-8")
        written.append(str(folder / name))
        own = next(script for script in read_migrations(folder) if script.version == entry.version)
    if own is not None:
        _require_said(own, release)
    # The lock file comes last: it holds the checksum of the migration as it was written.
    entry = replace(entry, migration=own.checksum if own is not None else "", seal="")
    entry = replace(entry, seal=version_seal(entry))
    text = dump_lock(Lock(lock.schema, (*lock.versions, entry)))
    path = folder / LOCK_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        written.append(str(path))
    return Revision(entry.version, tuple(written), release.words)


def _require_said(own: Script, release: Release) -> None:
    """Raises ``MigrationError`` where the file, as it is read, lacks something that was decided: a start that goes over
    this version would not know of it."""
    lacks = [f"{old} -> {new}" for old, new in release.renames if own.migration.renames.get(old) != new]
    lacks += [key for key in release.allow if key not in own.migration.allow]
    if lacks:
        raise MigrationError(own.where, f"cannot say {', '.join(lacks)}")


def check_schema(schema: Schema) -> Checked:
    """Whether the code, the lock file and the migrations agree. Needs no database. Raises ``MigrationError`` where a
    file cannot be read."""
    if schema.version is None:
        raise UsageError(f"{schema.name} has no version: there is nothing to check")
    missing = f'version {schema.version} was not released: aaiclick revision -m "..."'
    try:
        folder = migrations_folder(schema)
    except MigrationError as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == schema.migrations:
            return Checked(schema.name, schema.version, None, (missing,))
        raise
    lock = read_lock(folder)
    problems: list[str] = []
    merged = False
    try:
        check_released(schema.name, schema.version, read_migrations(folder), lock, str(folder / LOCK_FILE))
    except HistoryError as error:
        problems.append(f"{error}.{_amend(error, lock)}")
        merged = isinstance(error, DuplicateVersionError)
    last = lock.versions[-1] if lock is not None and lock.versions else None
    if last is None:
        return Checked(schema.name, schema.version, None, (*problems, missing))
    read, declared = declared_forms(schema)
    problems += _allowances(schema, folder, lock, declared)
    release = compare_versions(last.forms, declared, read, {}, ())
    if merged:
        pass  # What differs is the other branch's version: to write it over the released one would lose that.
    elif schema.version > last.version:
        problems.append(f'version {schema.version} has no revision: aaiclick revision -m "..."')
    elif not release.words and _varying(schema, declared, last.variables) != last.variables:
        problems.append(
            f"the variables of the schema are not those of its released version {last.version}: write "
            f"version={last.version + 1} and run aaiclick revision, or, if version {last.version} is not installed "
            "anywhere yet: aaiclick revision --amend"
        )
    elif release.words:
        listed = "; ".join(release.words)
        problems.append(
            f"the declaration changed without a revision: {listed}. Write version={last.version + 1} and run "
            "aaiclick revision,"
            f" or, if version {last.version} is not installed anywhere yet: aaiclick revision --amend"
        )
    return Checked(schema.name, schema.version, last.version, tuple(problems))


def _allowances(schema: Schema, folder: Path, lock: Lock | None, declared: Mapping[str, LockedForm]) -> list[str]:
    """Of the newest version: those before it are installed, and cannot be edited any more."""
    newest = [script for script in read_migrations(folder, doubles=True) if script.version == schema.version]
    wrong = wrong_allowances(newest, lock or Lock(schema.name, ()), schema, declared)
    return [f"{where}: {problem}" for where, problem in wrong]


def _amend(error: HistoryError, lock: Lock | None) -> str:
    """The newest version may still be open; what is older was built upon."""
    newest = lock.versions[-1].version if lock is not None and lock.versions else 0
    named = f"version {newest} " in str(error) or f"version {newest}:" in str(error) or f"{newest:04d}_" in str(error)
    amendable = newest and named and not isinstance(error, DuplicateVersionError)
    return f" If version {newest} is not installed anywhere yet: aaiclick revision --amend" if amendable else ""
