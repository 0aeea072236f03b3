"""Checks that released versions do not change: what was released or applied is compared with what the code holds
now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

from aaiclick.catalog.forms import Catalog
from aaiclick.errors import EditedLockError, EditedMigrationError, MigrationError, MissingVersionError
from aaiclick.specs.migrations import Migration
from aaiclick.specs.schema import Schema
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, lock_path, read_lock, version_seal
from aaiclick.versions.scripts import Script, read_migrations

_UNDO = "Undo the edit, and put the change into the next version"


@dataclass(frozen=True, slots=True)
class ReleaseHistory:
    """What the code knows about the versions of a schema: the migrations and the lock file."""

    scripts: tuple[Script, ...] = ()
    lock: Lock | None = None
    sealed: Lock | None = None
    """The lock as its file has it, where ``lock`` has local engines in place of replicated ones; else None."""

    def script(self, version: int) -> Script | None:
        """The migration that leads to the version, or None."""
        return next((script for script in self.scripts if script.version == version), None)

    def checksums(self, version: int | None) -> str:
        """What is recorded with an applied version: a checksum of each migration and released form up to it, as JSON;
        '' for none."""
        found = {
            str(script.version): script.checksum
            for script in self.scripts
            if version is not None and script.version <= version
        }
        lock = self.sealed or self.lock
        if lock is not None and version is not None:
            found |= {
                f"form {locked.version}": version_seal(_bare(locked))
                for locked in lock.versions
                if locked.version <= version
            }
        return json.dumps(dict(sorted(found.items())), separators=(",", ":")) if found else ""

    def on_one_host(self, catalog: Catalog) -> ReleaseHistory:
        """What the releases are where there is one host and ``replicate="where-possible"``: with the local engine in
        place of a replicated one, but for what is replicated there."""
        if self.lock is None:
            return self
        from aaiclick.catalog.local_engines import unreplicated

        versions = (
            replace(each, forms={name: unreplicated(form, catalog) for name, form in each.forms.items()})
            for each in self.lock.versions
        )
        return replace(self, lock=replace(self.lock, versions=tuple(versions)), sealed=self.lock)

    def oldest_code(self, version: int | None) -> int | None:
        """The oldest code that runs on a database at ``version``; None where only that version's own code does.

        Older code has to run with every version between its own and this one, so each migration on the way counts. A
        version without a migration, or whose migration does not name older code, ends the way.
        """
        if version is None:
            return None
        oldest = version
        # One version back at a time: the first version that does not allow such old code ends it.
        while oldest > 1 and all(self._promised(number) <= oldest - 1 for number in range(oldest, version + 1)):
            oldest -= 1
        return oldest if oldest < version else None

    def _promised(self, version: int) -> int:
        script = self.script(version)
        return version if script is None or script.migration.oldest_code is None else script.migration.oldest_code


def read_history(schema: Schema) -> ReleaseHistory:
    """Read and check the migrations and the lock file of a schema.

    Raises ``MigrationError``, or one of the ``HistoryError`` classes where a released version was changed or is
    missing.
    """
    scripts = read_migrations(schema.migrations)
    lock = read_lock(schema.migrations) if isinstance(schema.migrations, str) else None
    # For whoever stops at a version, the newer ones are not there.
    if schema.until is not None:
        scripts = tuple(script for script in scripts if script.version <= schema.until)
        if lock is not None:
            lock = replace(lock, versions=tuple(each for each in lock.versions if each.version <= schema.until))
    where = lock_path(schema.migrations) if lock is not None and isinstance(schema.migrations, str) else LOCK_FILE
    # Before any database is asked: a released file that was edited is wrong for all of them.
    check_released(schema.name, schema.version, scripts, lock, where)
    return ReleaseHistory(scripts, lock)


def check_released(
    name: str, version: int | None, scripts: Sequence[Script], lock: Lock | None, where: str = LOCK_FILE
) -> None:
    """Check that migrations, lock file (at ``where``) and the code's version agree. Raises ``MigrationError`` or a
    ``HistoryError``."""
    if lock is not None and lock.schema != name:
        raise MigrationError(
            where,
            f"is of the schema {lock.schema}, not of {name}. Each schema has its migrations in a package of its own: "
            "name another one in Schema(migrations=...)",
        )
    for script in scripts:
        if version is not None and script.version > version:
            raise MigrationError(
                script.where,
                f"is newer than version {version} of {name}: raise the version in the code, or remove the file",
            )
    if lock is None:
        return
    numbers = [locked.version for locked in lock.versions]
    for older, newer in pairwise(numbers):
        if newer != older + 1:
            raise MissingVersionError(
                LOCK_FILE,
                f"goes from version {older} to {newer}: version {older + 1} is missing. Put its entry back from "
                "version control",
            )
    if version is not None and numbers and numbers[-1] > version:
        raise MissingVersionError(
            LOCK_FILE,
            f"holds version {numbers[-1]}, but {name} declares {version}: a released version cannot be taken back. "
            f"Set the version to {numbers[-1]} or more",
        )
    for locked in lock.versions:
        _check_entry(locked, next((script for script in scripts if script.version == locked.version), None))


def check_not_added(version: int, recorded: str, found: ReleaseHistory) -> None:
    """Check that the code has no migration up to the recorded version that this database has never seen: it would never
    run. ``recorded`` is the column ``migrations`` of the record.

    Raises ``EditedMigrationError``.
    """
    known = _recorded(recorded)
    for script in found.scripts:
        # One that only says which older code may run, or has a title, has nothing to run.
        if script.version <= version and str(script.version) not in known and _does_something(script.migration):
            raise EditedMigrationError(
                script.where,
                f"was added after version {version} was recorded for this database, so it never runs here. Give it the "
                f"next number; where what it does is done here: aaiclick adopt --version {version} --force",
            )


def _does_something(migration: Migration) -> bool:
    return bool(migration.sql or migration.rebuild or migration.renames or migration.move is not None)


def check_applied(schema: str, recorded: str, applied: int | None, found: ReleaseHistory) -> None:
    """Check that the code still holds what was applied to a database. ``recorded`` is the column ``migrations`` of the
    record.

    Raises a ``HistoryError`` where a migration or a released version was edited or is gone.
    """
    for key, checksum in sorted(_recorded(recorded).items()):
        form, _, digits = key.rpartition(" ")
        # "level t" is no checksum, also of a table that is called 5.
        if form not in ("", "form") or not digits.isdecimal():
            continue
        # What is above the version that counts here is not in this code.
        if applied is not None and int(digits) > applied:
            continue
        version = int(digits)
        if form == "form":
            lock = found.sealed or found.lock
            locked = lock.get(version) if lock is not None else None
            if locked is None:
                raise MissingVersionError(
                    f"{schema} v{version}",
                    f"was applied to this database, but {LOCK_FILE} does not hold it. Put its entry back from "
                    "version control",
                )
            if version_seal(_bare(locked)) != checksum:
                raise EditedLockError(
                    f"{schema} v{version}",
                    f"{LOCK_FILE} describes it differently from what was applied to this database. Put its entry "
                    "back from version control",
                )
            continue
        script = found.script(version)
        if script is None:
            raise MissingVersionError(
                f"{schema} v{version}",
                "its migration was applied to this database, but the code does not have it. Put the file back from "
                "version control",
            )
        if script.checksum != checksum:
            raise EditedMigrationError(
                script.where,
                f"differs from the migration that was applied to this database. {_UNDO}; where it means the same:"
                f" aaiclick adopt --version {applied or version} --force",
            )


def _check_entry(locked: LockedVersion, script: Script | None) -> None:
    where = f"{LOCK_FILE}, version {locked.version}"
    # Lock files of the first releases have no seal.
    if locked.seal and locked.seal != version_seal(locked):
        raise EditedLockError(
            where,
            "was edited after it was released. Put the entry back from version control: what changes belongs into a "
            "new version",
        )
    # A release wrote the entry that did not note it.
    if locked.migration is None:
        return
    if script is None:
        if locked.migration:
            raise MissingVersionError(
                f"version {locked.version}",
                "its migration was released, but the file is gone. Put it back from version control",
            )
        return
    if not locked.migration:
        raise EditedMigrationError(
            script.where, f"was added to version {locked.version} after that was released. Give it the next number"
        )
    if locked.migration != script.checksum:
        raise EditedMigrationError(script.where, f"was edited after version {locked.version} was released. {_UNDO}")


def _bare(locked: LockedVersion) -> LockedVersion:
    """The forms alone: the migration has a checksum of its own, and what recognition tolerates may be corrected
    later."""
    return LockedVersion(locked.version, locked.forms)


def _recorded(text: str) -> Mapping[str, str]:
    try:
        raw: object = json.loads(text) if text else {}
    # Whatever stands there was not written by this library, so nothing is known of what was applied.
    except ValueError:
        return {}
    if not isinstance(raw, dict):
        return {}
    return {key: value for key, value in cast("dict[str, object]", raw).items() if isinstance(value, str)}
